"""Another version of the nucleus by a deployment: on trial, kept or taken back."""

import json
import os
import shutil
import subprocess

import pytest

from conftest import own_user
from harness.fleet import recipe
from harness.programs import BIN, Core
from harness.waiting import until

NUCLEUS = "aws.greengrass.Nucleus"
NAME = "com.example.InteropUpdated"


@pytest.fixture(scope="module")
def device(cloud, folder):
    core = Core(cloud, folder, options=own_user())
    core.options = ["--update-deadline", "20"]
    core.start()
    yield core
    if core.process.child is not None:
        core.stop()


@pytest.fixture(scope="module")
def program(folder):
    """The built program, small enough to be sent around."""
    path = folder / "marramd"
    if shutil.which("strip"):
        subprocess.run(["strip", "-o", path, BIN / "marramd"], check=True)
    else:
        shutil.copy(BIN / "marramd", path)
    return path.read_bytes()


def publish(fleet, version, content):
    artifact = fleet.artifact(f"nucleus/{version}/marramd", content)
    document = recipe(NUCLEUS, version, {}, artifacts=[artifact])
    document["ComponentType"] = "aws.greengrass.nucleus"
    fleet.create(document)


def version_of(fleet, core):
    return fleet.greengrass.get_core_device(coreDeviceThingName=core.thing)["coreVersion"]


def link(core, name):
    path = core.root / "alts" / name
    return os.readlink(path) if path.is_symlink() else None


def runs(core):
    """Who started the component, as it says itself."""
    return [line.split("by ")[1].split()[0] for line in core.log(NAME).splitlines() if "by " in line]


def test_a_new_nucleus_is_kept_when_its_deployment_succeeds(fleet, device, program):
    fleet.create(recipe(NAME, "1.0.0", {"run": "echo by $GGC_VERSION .; exec sleep 1000"}))
    fleet.until_succeeded(device, fleet.deploy(device.group_arn(), {NAME: "1.0.0"}))
    publish(fleet, "2.18.0", program)
    components = {NAME: "1.0.0", NUCLEUS: "2.18.0"}
    fleet.until_succeeded(device, fleet.deploy(device.group_arn(), components))
    until(lambda: version_of(fleet, device) == "2.18.0", "the fleet knows of the new version")
    assert link(device, "new") is None and link(device, "old") == "init"
    running = json.loads(device.ready_file.read_text())
    assert running["version"] == "2.18.0"
    executable = os.readlink(f"/proc/{running['pid']}/exe")
    assert executable == str(device.root / "alts" / link(device, "current") / "distro/bin/marramd")
    until(lambda: runs(device)[-1:] == ["2.18.0"], "the component is started by the new nucleus")


def test_the_new_nucleus_starts_whichever_program_is_called(fleet, device):
    assert device.stop() == 0
    device.start()
    running = json.loads(device.ready_file.read_text())
    assert (running["version"], running["pid"]) == ("2.18.0", device.process.child.pid)
    fleet.until_healthy(device)


@pytest.mark.parametrize(
    ("version", "script"),
    [("2.18.1", "#!/bin/sh\nexit 1\n"), ("2.18.2", "no program"), ("2.18.3", "#!/bin/sh\nexec sleep 1000\n")],
    ids=["crashes", "is none", "hangs"],
)
def test_a_nucleus_that_does_not_come_up_is_taken_back(fleet, device, version, script):
    publish(fleet, version, script.encode())
    deployment = fleet.deploy(device.group_arn(), {NAME: "1.0.0", NUCLEUS: version})
    row = fleet.until_failed(device, deployment, timeout_s=120)
    assert row["statusDetails"]["errorStack"] == ["DEPLOYMENT_FAILURE", "NUCLEUS_RESTART_FAILURE"]
    assert "FAILED_ROLLBACK_COMPLETE" in row["reason"] and version in row["reason"]
    assert link(device, "new") is None and link(device, "broken") is not None
    assert json.loads(device.ready_file.read_text())["version"] == "2.18.0"
    assert version_of(fleet, device) == "2.18.0"
    fleet.until_installed(device, NAME, "1.0.0")
    device.process.assert_runs()


def test_a_component_that_fails_takes_the_new_nucleus_back_too(fleet, device, program):
    publish(fleet, "2.19.0", program)
    fleet.create(recipe(NAME, "2.0.0", {"run": "test $GGC_VERSION != 2.19.0"}))
    deployment = fleet.deploy(device.group_arn(), {NAME: "2.0.0", NUCLEUS: "2.19.0"})
    row = fleet.until_failed(device, deployment, timeout_s=90)
    assert "FAILED_ROLLBACK_COMPLETE" in row["reason"]
    assert "COMPONENT_BROKEN" in row["statusDetails"]["errorStack"]
    running = json.loads(device.ready_file.read_text())
    assert (running["version"], running["pid"]) == ("2.18.0", device.process.child.pid)
    fleet.until_installed(device, NAME, "1.0.0")
    assert runs(device)[-1] == "2.18.0"


def test_a_kill_during_the_trial_loses_nothing(fleet, device, program):
    slow = {"startup": "test $GGC_VERSION != 2.19.1 || test -e go || { touch waits; sleep 1000; }"}
    fleet.create(recipe(NAME, "3.0.0", slow))
    publish(fleet, "2.19.1", program)
    deployment = fleet.deploy(device.group_arn(), {NAME: "3.0.0", NUCLEUS: "2.19.1"})
    waits = device.root / "work" / NAME / "waits"
    until(waits.exists, "the new nucleus starts the component", 60)
    nucleus = json.loads(device.ready_file.read_text())["pid"]
    assert nucleus != device.process.child.pid, "the old one stands guard"
    device.kill()
    until(lambda: not os.path.exists(f"/proc/{nucleus}"), "the new nucleus ends with its guard")
    (waits.parent / "go").touch()
    device.start()
    fleet.until_succeeded(device, deployment)
    until(lambda: version_of(fleet, device) == "2.19.1", "the fleet knows of the new version")


def test_a_dependency_changes_no_minor_version(fleet, device):
    needs = {NUCLEUS: {"VersionRequirement": ">=2.18.0 <2.19.0"}}
    fleet.create(recipe(NAME, "4.0.0", {"run": "exec sleep 1000"}, dependencies=needs))
    row = fleet.until_failed(device, fleet.deploy(device.group_arn(), {NAME: "4.0.0"}))
    stack = row["statusDetails"]["errorStack"]
    assert stack == ["DEPLOYMENT_FAILURE", "UNAUTHORIZED_NUCLEUS_MINOR_VERSION_UPDATE"], row


def test_a_nucleus_without_a_program_is_refused(fleet, device):
    document = recipe(NUCLEUS, "2.20.0", {})
    document["ComponentType"] = "aws.greengrass.nucleus"
    fleet.create(document)
    row = fleet.until_failed(device, fleet.deploy(device.group_arn(), {NUCLEUS: "2.20.0"}))
    assert row["statusDetails"]["errorStack"] == ["DEPLOYMENT_FAILURE", "NUCLEUS_VERSION_NOT_FOUND"]
    assert "no artifact `marramd`" in row["reason"]
