"""kill -9 of either program at any point of the scenario; a restart carries on."""

import random
import time

import pytest

from harness.fleet import Fleet, recipe
from harness.programs import Cloud, Core, remove_folder, temporary_folder
from harness.waiting import until
from conftest import own_user

NAME = "com.example.Killed"

# Moments of a deployment, in seconds after its creation. Between them the point of the kill is
# wherever the programs happen to be; the seed makes a failing run's moments known.
SEED = 20261123
MOMENTS = sorted(random.Random(SEED).uniform(0, 1.2) for _ in range(5))


def script(version):
    """Counts its starts and refuses to run twice at once."""
    return (
        f"mkdir running || {{ echo 'runs twice' >&2; exit 9; }}; "
        f"trap 'rmdir running; exit 0' TERM; echo up {version}; "
        "while :; do sleep 1 & wait $!; done"
    )


@pytest.fixture
def place():
    folder = temporary_folder()
    cloud = Cloud(folder).start()
    core = Core(cloud, folder, options=own_user()).start()
    yield cloud, core
    # In good order, so that no component of a killed device stays behind.
    core.stop()
    cloud.stop()
    remove_folder(folder)


def deploy_version(fleet, core, version):
    install = f"sleep 0.3; rm -rf {core.root}/work/{NAME}/running; true"
    lifecycle = {"install": install, "run": script(version)}
    fleet.create(recipe(NAME, version, lifecycle))
    return fleet.deploy(core.group_arn(), {NAME: version})


def wait_until(moment):
    time.sleep(max(0.0, moment - time.monotonic()))


@pytest.mark.parametrize("moment", MOMENTS, ids=lambda m: f"{m:.2f}s")
def test_the_device_is_killed_and_carries_on(place, moment):
    cloud, core = place
    fleet = Fleet(cloud)
    start = time.monotonic()
    deployment = deploy_version(fleet, core, "1.0.0")
    wait_until(start + moment)
    core.kill()
    core.start()
    fleet.until_succeeded(core, deployment)
    fleet.until_installed(core, NAME, "1.0.0")
    assert "runs twice" not in core.log(NAME)


@pytest.mark.parametrize("moment", MOMENTS, ids=lambda m: f"{m:.2f}s")
def test_the_cloud_is_killed_and_carries_on(place, moment):
    cloud, core = place
    fleet = Fleet(cloud)
    start = time.monotonic()
    deployment = deploy_version(fleet, core, "1.0.0")
    wait_until(start + moment)
    cloud.kill()
    cloud.start()
    fleet.until_succeeded(core, deployment)
    fleet.until_installed(core, NAME, "1.0.0", timeout_s=60)


def test_both_are_killed_during_an_update_and_a_rollback(place):
    cloud, core = place
    fleet = Fleet(cloud)
    fleet.until_succeeded(core, deploy_version(fleet, core, "1.0.0"))
    fleet.create(recipe(NAME, "2.0.0", {"run": "sleep 0.2; exit 3"}))
    deployment = fleet.deploy(core.group_arn(), {NAME: "2.0.0"})
    until(lambda: "exit" in core.log(NAME) or fleet.effective(core, deployment), "it begins")
    core.kill()
    cloud.kill()
    cloud.start()
    core.start()
    row = fleet.until_failed(core, deployment)
    assert "FAILED_ROLLBACK_COMPLETE" in row["reason"]
    fleet.until_installed(core, NAME, "1.0.0")


def test_an_orphaned_component_process_does_not_run_beside_the_new_one(place):
    cloud, core = place
    fleet = Fleet(cloud)
    counter = core.root / "work" / NAME / "pids"
    lifecycle = {"run": f"echo $$ >> {counter}; echo up; exec sleep 1000"}
    fleet.create(recipe(NAME, "1.0.0", lifecycle))
    fleet.until_succeeded(core, fleet.deploy(core.group_arn(), {NAME: "1.0.0"}))

    def pids():
        return counter.read_text().split() if counter.exists() else []

    until(lambda: len(pids()) == 1, "the first start")
    core.kill()
    core.start()
    until(lambda: len(pids()) == 2, "the second start")

    def alive():
        return [pid for pid in pids() if is_alive(pid)]

    until(lambda: alive() == pids()[1:], f"only the new process lives: {pids()}")


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
