"""Bootstrap steps: the nucleus restarts itself, or asks for the device to be restarted."""

import json
import os

import pytest

from conftest import own_user
from harness.fleet import recipe
from harness.programs import Core
from harness.waiting import until

FIRST = "com.example.InteropFirst"
SECOND = "com.example.InteropSecond"


@pytest.fixture(scope="module")
def device(cloud, folder):
    core = Core(cloud, folder, options=own_user())
    core.rebooted = folder / "rebooted"
    core.options = ["--reboot-command", f"echo reboot >> {core.rebooted}"]
    core.start()
    yield core
    if core.process.child is not None:
        core.stop()


def steps(core, name):
    path = core.root / "work" / name / "steps"
    return path.read_text().split() if path.exists() else []


def lifecycle(bootstrap, run="echo run >> steps; exec sleep 1000"):
    return {"bootstrap": f"echo bootstrap >> steps; {bootstrap}", "run": run}


def test_the_nucleus_restarts_once_in_its_own_process(fleet, device):
    fleet.until_healthy(device)
    pid, starts = device.process.child.pid, device.starts()
    fleet.create(recipe(FIRST, "1.0.0", lifecycle("test $AWS_IOT_THING_NAME = core1")))
    row = fleet.until_succeeded(device, fleet.deploy(device.group_arn(), {FIRST: "1.0.0"}))
    assert row["coreDeviceExecutionStatus"] in {"SUCCEEDED", "COMPLETED"}
    fleet.until_installed(device, FIRST, "1.0.0")
    assert steps(device, FIRST) == ["bootstrap", "run"]
    assert device.starts() == starts + 1
    assert json.loads(device.ready_file.read_text())["pid"] == pid
    device.process.assert_runs()


def test_nothing_restarts_when_nothing_asks_for_it(fleet, device):
    starts = device.starts()
    again = {FIRST: {"componentVersion": "1.0.0", "configurationUpdate": {"merge": json.dumps({"x": 1})}}}
    fleet.until_succeeded(device, fleet.deploy(device.group_arn(), again))
    assert device.starts() == starts and steps(device, FIRST) == ["bootstrap", "run"]


def test_a_reboot_in_the_middle_and_a_restart_at_the_end(fleet, device):
    starts = device.starts()
    fleet.create(recipe(FIRST, "1.1.0", lifecycle("exit 101")))
    needs = {FIRST: {"VersionRequirement": "1.1.0"}}
    fleet.create(recipe(SECOND, "1.0.0", lifecycle("exit 100"), dependencies=needs))
    deployment = fleet.deploy(device.group_arn(), {SECOND: "1.0.0"})
    until(lambda: device.process.child.poll() is not None, "the device restarts")
    assert device.process.child.wait() == 101
    assert device.rebooted.read_text() == "reboot\n"
    assert steps(device, FIRST)[-1] == "bootstrap" and steps(device, SECOND) == []
    device.start()
    fleet.until_succeeded(device, deployment)
    fleet.until_installed(device, SECOND, "1.0.0")
    assert steps(device, FIRST) == ["bootstrap", "run", "bootstrap", "run"]
    assert steps(device, SECOND) == ["bootstrap", "run"]
    assert device.starts() == starts + 2, "once by us, once by itself"


def test_a_failing_bootstrap_goes_back(fleet, device):
    fleet.create(recipe(SECOND, "2.0.0", lifecycle("echo no disk >&2; exit 5")))
    options = {"deploymentPolicies": {"failureHandlingPolicy": "DO_NOTHING"}}
    deployment = fleet.deploy(device.group_arn(), {SECOND: "2.0.0"}, **options)
    row = fleet.until_failed(device, deployment)
    details = row["statusDetails"]
    assert details["errorStack"] == ["DEPLOYMENT_FAILURE", "COMPONENT_BOOTSTRAP_ERROR"], row
    assert "FAILED_ROLLBACK_COMPLETE" in row["reason"]
    assert "exited with code 5" in row["reason"] and "no disk" in row["reason"]
    fleet.until_installed(device, SECOND, "1.0.0")
    assert steps(device, SECOND)[-2:] == ["bootstrap", "run"]


def test_a_kill_in_the_middle_runs_the_step_again(fleet, device):
    fleet.create(recipe(SECOND, "3.0.0", lifecycle("test -e go || exec sleep 1000")))
    deployment = fleet.deploy(device.group_arn(), {SECOND: "3.0.0"})
    before = steps(device, SECOND)
    until(lambda: len(steps(device, SECOND)) > len(before), "the step begins")
    device.kill()
    (device.root / "work" / SECOND / "go").touch()
    device.start()
    fleet.until_succeeded(device, deployment)
    fleet.until_installed(device, SECOND, "3.0.0")
    assert steps(device, SECOND) == before + ["bootstrap", "bootstrap", "run"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run steps as another user")
def test_the_step_runs_as_the_components_user(fleet, device):
    script = {"Script": "id -un > ../who.privileged", "RequiresPrivilege": True}
    fleet.create(recipe(FIRST, "1.2.0", {"bootstrap": script}))
    fleet.create(recipe(SECOND, "3.1.0", {"bootstrap": "id -un > who"}))
    as_nobody = {"componentVersion": "3.1.0", "runWith": {"posixUser": "nobody"}}
    components = {FIRST: {**as_nobody, "componentVersion": "1.2.0"}, SECOND: as_nobody}
    fleet.until_succeeded(device, fleet.deploy(device.group_arn(), components))
    work = device.root / "work"
    assert (work / SECOND / "who").read_text() == "nobody\n"
    assert (work / "who.privileged").read_text() == "root\n"


def test_a_setting_that_is_read_at_the_start_restarts(fleet, device):
    starts = device.starts()
    merge = json.dumps({"runWithDefault": {"posixShell": "/bin/sh"}})
    nucleus = {"componentVersion": "2.17.0", "configurationUpdate": {"merge": merge}}
    fleet.until_succeeded(device, fleet.deploy(device.group_arn(), {"aws.greengrass.Nucleus": nucleus}))
    assert device.starts() == starts + 1
    for setting, code in [
        ({"runWithDefault": {"posixShell": "no-such-shell"}}, "RUN_WITH_CONFIG_NOT_VALID"),
        (
            {"iotDataEndpoint": "x-ats.iot.eu-west-3.amazonaws.com"},
            "IOT_DATA_ENDPOINT_FORMAT_NOT_VALID",
        ),
    ]:
        nucleus["configurationUpdate"] = {"merge": json.dumps(setting)}
        deployment = fleet.deploy(device.group_arn(), {"aws.greengrass.Nucleus": nucleus})
        row = fleet.until_failed(device, deployment)
        assert row["statusDetails"]["errorStack"] == ["DEPLOYMENT_FAILURE", code], row
        assert "FAILED_NO_STATE_CHANGE" in row["reason"]
    assert device.starts() == starts + 1

