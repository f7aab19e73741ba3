"""Bad input on the device's side: each a clear reason in the status, nothing half-installed."""

import os
import subprocess

import pytest

from harness.fleet import allow, recipe
from harness.programs import Core
from harness.waiting import until
from conftest import own_user

GOOD = "com.example.Good"


@pytest.fixture(scope="module")
def device(cloud, folder, fleet):
    """A core with one good component, whose failed downloads are given up soon."""
    core = Core(cloud, folder, thing="bad1", groups=("bad",), options=own_user())
    config = core.root / "config/config.yaml"
    quick = "      downloadRetry: {intervalSeconds: 0.1, maxAttempts: 3}\n"
    text = config.read_text()
    assert "    configuration:\n" in text, text
    config.write_text(text.replace("    configuration:\n", "    configuration:\n" + quick))
    core.start()
    fleet.create(recipe(GOOD, "1.0.0", {"run": "echo good; sleep 1000"}))
    fleet.until_succeeded(core, fleet.deploy(core.group_arn(), {GOOD: "1.0.0"}))
    yield core
    core.stop()


def failed(fleet, core, components, *codes):
    """Deploys, expects FAILED with these codes and an untouched device; gives the reason."""
    row = fleet.until_failed(core, fleet.deploy(core.group_arn(), components))
    for code in codes:
        assert code in row["statusDetails"]["errorStack"], row
    assert "FAILED_NO_STATE_CHANGE" in row["reason"], row
    fleet.until_installed(core, GOOD, "1.0.0")
    bad = set(components) - {GOOD}
    assert not bad & set(fleet.installed(core))
    for name in bad:
        folder = core.root / "packages/artifacts" / name
        files = [f for f in folder.rglob("*") if f.is_file()] if folder.exists() else []
        assert files == [], "something half-installed stayed"
    return row["reason"]


def test_an_unsatisfiable_dependency_names_both_sides(fleet, device):
    name = "com.example.Needs"
    dependency = {"VersionRequirement": ">=9.0.0", "DependencyType": "HARD"}
    fleet.create(recipe(name, "1.0.0", {"run": "true"}, dependencies={GOOD: dependency}))
    reason = failed(
        fleet, device, {name: "1.0.0", GOOD: "1.0.0"}, "COMPONENT_VERSION_REQUIREMENTS_NOT_MET"
    )
    assert name in reason and GOOD in reason and "9.0.0" in reason


def test_dependencies_of_dependencies_are_resolved(fleet, device):
    hard = {"VersionRequirement": "^1.0.0", "DependencyType": "HARD"}
    names = [f"com.example.Chain{n}" for n in range(4)]
    for name, needs in zip(names, [*names[1:], None]):
        dependencies = {needs: hard} if needs else {}
        lifecycle = {"startup": f"echo {name} started"}
        fleet.create(recipe(name, "1.0.0", lifecycle, dependencies=dependencies))
    components = {GOOD: "1.0.0", names[0]: "1.0.0"}
    fleet.until_succeeded(device, fleet.deploy(device.group_arn(), components))
    for name in names:
        fleet.until_installed(device, name, "1.0.0")


def test_a_component_for_another_platform_is_refused(fleet, device):
    name = "com.example.Windows"
    document = recipe(name, "1.0.0", {"run": "true"})
    document["Manifests"][0]["Platform"] = {"os": "windows"}
    fleet.create(document)
    reason = failed(fleet, device, {GOOD: "1.0.0", name: "1.0.0"})
    assert name in reason and "platform" in reason.lower()


def test_an_artifact_whose_digest_differs_is_refused(cloud, fleet, device):
    name = "com.example.Digest"
    marker = "the artifact's own text, found again in the cloud's store"
    artifact = fleet.artifact("digest/file.txt", marker)
    fleet.create(recipe(name, "1.0.0", {"run": "true"}, artifacts=[artifact]))
    spoiled = 0
    for path in (cloud.folder / "cloud").rglob("*"):
        if path.is_file() and path.stat().st_size == len(marker):
            path.chmod(0o600)
            path.write_text(marker.upper())
            spoiled += 1
    assert spoiled, "the artifact is not where it was"
    reason = failed(fleet, device, {GOOD: "1.0.0", name: "1.0.0"}, "ARTIFACT_CHECKSUM_MISMATCH")
    assert "file.txt" in reason


def test_a_policy_that_denies_artifacts_is_named(cloud, fleet, device):
    name = "com.example.Denied"
    artifact = fleet.artifact("denied/file.txt", "x")
    fleet.create(recipe(name, "1.0.0", {"run": "true"}, artifacts=[artifact]))
    deny = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Deny", "Action": "greengrass:GetComponentVersionArtifact", "Resource": "*"}
        ],
    }
    import json

    [principal] = fleet.iot.list_thing_principals(thingName=device.thing)["principals"]
    fleet.iot.create_policy(policyName="deny-artifacts", policyDocument=json.dumps(deny))
    fleet.iot.attach_policy(policyName="deny-artifacts", target=principal)
    try:
        failed(
            fleet,
            device,
            {GOOD: "1.0.0", name: "1.0.0"},
            "GET_COMPONENT_VERSION_ARTIFACT_ACCESS_DENIED",
        )
    finally:
        fleet.iot.detach_policy(policyName="deny-artifacts", target=principal)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_a_full_disk_is_named_before_anything_is_written(fleet, device):
    name = "com.example.Big"
    artifact = fleet.artifact("big/file.bin", b"x" * 1000)
    fleet.create(recipe(name, "1.0.0", {"run": "true"}, artifacts=[artifact]))
    store = device.root / "packages/artifacts"
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", store], capture_output=True
    )
    if mounted.returncode != 0:
        pytest.skip("this machine does not allow mounts")
    try:
        failed(fleet, device, {GOOD: "1.0.0", name: "1.0.0"}, "DISK_SPACE_CRITICAL")
    finally:
        subprocess.run(["umount", store], check=True)


def test_a_component_without_a_policy_may_not_publish(fleet, device):
    name = "com.example.Mute"
    import sys

    code = (
        "from awsiot.greengrasscoreipc.clientv2 import GreengrassCoreIPCClientV2 as C; "
        "from awsiot.greengrasscoreipc.model import *; c = C(); "
        "m = PublishMessage(binary_message=BinaryMessage(message=b'x')); "
        "exec('try: c.publish_to_topic(topic=\"denied\", publish_message=m)\\n"
        "except UnauthorizedError as e: print(\"refused\", e.message, flush=True)')"
    )
    artifact = fleet.artifact("mute/mute.py", code)
    run = f"{sys.executable} -u {{artifacts:path}}/mute.py; sleep 1000"
    fleet.create(recipe(name, "1.0.0", {"run": run}, artifacts=[artifact]))
    fleet.until_succeeded(device, fleet.deploy(device.group_arn(), {GOOD: "1.0.0", name: "1.0.0"}))
    expected = f"Principal {name} is not authorized to perform"
    device.until_log(name, expected)
    nucleus_log = (device.root / "logs/greengrass.log").read_text()
    assert "aws.greengrass#PublishToTopic" in nucleus_log


def test_a_failing_install_reports_its_exit_code(fleet, device):
    name = "com.example.FailsToInstall"
    lifecycle = {"install": "echo 'no such package' >&2; exit 4", "run": "true"}
    fleet.create(recipe(name, "1.0.0", lifecycle))
    row = fleet.until_failed(device, fleet.deploy(device.group_arn(), {GOOD: "1.0.0", name: "1.0.0"}))
    assert "FAILED_ROLLBACK_COMPLETE" in row["reason"] and name in row["reason"]
    until(lambda: name not in fleet.installed(device), "the broken component is gone")
    fleet.until_installed(device, GOOD, "1.0.0")
