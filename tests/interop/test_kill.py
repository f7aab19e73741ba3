"""kill -9 of either program at points spread over a deployment; a restart carries on."""

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


def pids_file(core):
    return core.root / "work" / NAME / "pids"


def script(core, version):
    """Records each start's process, and stays up until it is told to stop."""
    return (
        f"echo $$ >> {pids_file(core)}; trap 'exit 0' TERM; echo up {version}; "
        "while :; do sleep 1 & wait $!; done"
    )


def pids(core):
    """The processes of all starts so far, dead ones too."""
    path = pids_file(core)
    return path.read_text().split() if path.exists() else []


def until_only_the_last_start_lives(core):
    def only_the_last():
        started = pids(core)
        return started and [pid for pid in started if is_alive(pid)] == started[-1:]

    until(only_the_last, f"one process lives, the last of {pids(core)}")


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
    lifecycle = {"install": "sleep 0.3", "run": script(core, version)}
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
    until_only_the_last_start_lives(core)


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
    until_only_the_last_start_lives(core)


def test_both_are_killed_during_an_update_and_a_rollback(place):
    cloud, core = place
    fleet = Fleet(cloud)
    fleet.until_succeeded(core, deploy_version(fleet, core, "1.0.0"))
    fleet.create(recipe(NAME, "2.0.0", {"run": "echo v2 runs; sleep 0.2; exit 3"}))
    deployment = fleet.deploy(core.group_arn(), {NAME: "2.0.0"})
    core.until_log(NAME, "v2 runs")
    kill_both(cloud, core)
    ups = core.log(NAME).count("up 1.0.0")
    until(lambda: core.log(NAME).count("up 1.0.0") > ups, "the rollback starts 1.0.0 again")
    kill_both(cloud, core)
    row = fleet.until_failed(core, deployment)
    assert "FAILED_ROLLBACK_COMPLETE" in row["reason"]
    fleet.until_installed(core, NAME, "1.0.0")
    until_only_the_last_start_lives(core)


def kill_both(cloud, core):
    core.kill()
    cloud.kill()
    cloud.start()
    core.start()


def test_an_orphaned_component_process_does_not_run_beside_the_new_one(place):
    cloud, core = place
    fleet = Fleet(cloud)
    lifecycle = {"run": f"echo $$ >> {pids_file(core)}; exec sleep 1000"}
    fleet.create(recipe(NAME, "1.0.0", lifecycle))
    fleet.until_succeeded(core, fleet.deploy(core.group_arn(), {NAME: "1.0.0"}))
    until(lambda: len(pids(core)) == 1, "the first start")
    core.kill()
    core.start()
    until(lambda: len(pids(core)) == 2, "the second start")
    until_only_the_last_start_lives(core)


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
