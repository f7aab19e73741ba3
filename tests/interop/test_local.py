"""Local deployments on a device without a cloud, by the unmodified Device SDK."""

import json
import os
from pathlib import Path

import pytest
import yaml
from awsiot.greengrasscoreipc import connect
from awsiot.greengrasscoreipc.clientv2 import GreengrassCoreIPCClientV2
from awsiot.greengrasscoreipc.model import (
    InvalidArgumentsError,
    ResourceNotFoundError,
    RunWithInfo,
)

from harness.programs import BIN, Process, remove_folder, temporary_folder
from harness.waiting import until

NAME = "com.example.Local"
FINAL = {"SUCCEEDED", "FAILED", "CANCELED"}


class OfflineDevice:
    """A device whose configuration names no cloud, no thing and no certificate."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.root = self.folder / "root"
        self.recipes = self.folder / "recipes"
        self.artifacts = self.folder / "artifacts"
        self.recipes.mkdir()
        user = f"{os.geteuid()}:{os.getegid()}"
        nucleus = {"configuration": {"runWithDefault": {"posixUser": user}}}
        config = self.folder / "config.yaml"
        config.write_text(yaml.safe_dump({"services": {"aws.greengrass.Nucleus": nucleus}}))
        ready = self.folder / "ready"
        arguments = ["--root", self.root, "--init-config", config, "--ready-file", ready]
        self.process = Process([BIN / "marramd", *arguments], self.folder / "out").start()

        def is_ready():
            self.process.assert_runs()
            return ready.exists()

        until(is_ready, "the device runtime is ready")
        (info,) = (self.root / "cli_ipc_info").iterdir()
        info = json.loads(info.read_text())
        socket, token = info["domain_socket_path"], info["cli_auth_token"]
        self.client = GreengrassCoreIPCClientV2(connect(ipc_socket=socket, authtoken=token))

    def recipe(self, version, run, **manifest):
        recipe = {
            "RecipeFormatVersion": "2020-01-25",
            "ComponentName": NAME,
            "ComponentVersion": version,
            "ComponentConfiguration": {"DefaultConfiguration": {"rate": 1}},
            "Manifests": [{"Platform": {"os": "linux"}, "Lifecycle": {"run": run}, **manifest}],
        }
        (self.recipes / f"{NAME}-{version}.yaml").write_text(yaml.safe_dump(recipe))

    def deploy(self, **request):
        """Creates a deployment and waits for its end."""
        created = self.client.create_local_deployment(**request)
        return self.until_final(created.deployment_id)

    def until_final(self, deployment_id):
        def final():
            found = self.client.get_local_deployment_status(deployment_id=deployment_id)
            return found.deployment if found.deployment.status in FINAL else None

        return until(final, "the local deployment ended")

    def details(self):
        return self.client.get_component_details(component_name=NAME).component_details

    def log(self):
        path = self.root / "logs" / f"{NAME}.log"
        return path.read_text() if path.exists() else ""

    def stop(self):
        self.client.close()
        return self.process.stop()


@pytest.fixture
def device():
    folder = temporary_folder()
    device = OfflineDevice(folder)
    yield device
    device.stop()
    remove_folder(folder)


def test_a_local_deployment_comes_changes_and_goes(device):
    device.recipe("1.0.0", "echo version one; sleep 1000")
    first = device.deploy(
        root_component_versions_to_add={NAME: "1.0.0"},
        recipe_directory_path=str(device.recipes),
    )
    assert first.status == "SUCCEEDED"
    assert first.created_on.endswith(" UTC")
    until(lambda: "version one" in device.log(), "the component has spoken")
    assert device.details().state == "RUNNING"
    names = [component.component_name for component in device.client.list_components().components]
    assert NAME in names and "aws.greengrass.Nucleus" in names

    artifact = device.artifacts / NAME / "2.0.0" / "say.sh"
    artifact.parent.mkdir(parents=True)
    artifact.write_text("echo version two says $1; sleep 1000")
    device.recipe(
        "2.0.0",
        "sh {artifacts:path}/say.sh {configuration:/rate}",
        Artifacts=[{"Uri": "s3://nowhere/say.sh"}],
    )
    second = device.deploy(
        root_component_versions_to_add={NAME: "2.0.0"},
        recipe_directory_path=str(device.recipes),
        artifacts_directory_path=str(device.artifacts),
        component_to_configuration={NAME: {"MERGE": {"rate": 9}}},
        component_to_run_with_info={NAME: RunWithInfo(posix_user=str(os.geteuid()))},
    )
    assert second.status == "SUCCEEDED", second
    until(lambda: "version two says 9" in device.log(), "the artifact ran with its configuration")
    assert device.details().configuration["rate"] == 9

    listed = device.client.list_local_deployments().local_deployments
    assert [one.deployment_id for one in listed] == [second.deployment_id, first.deployment_id]

    third = device.deploy(root_components_to_remove=[NAME])
    assert third.status == "SUCCEEDED"
    with pytest.raises(ResourceNotFoundError):
        device.details()


def test_components_stop_and_restart(device):
    device.recipe("1.0.0", "echo up; sleep 1000")
    done = device.deploy(
        root_component_versions_to_add={NAME: "1.0.0"},
        recipe_directory_path=str(device.recipes),
    )
    assert done.status == "SUCCEEDED"
    assert device.client.stop_component(component_name=NAME).stop_status == "SUCCEEDED"
    until(lambda: device.details().state == "FINISHED", "the component is stopped")
    assert device.client.restart_component(component_name=NAME).restart_status == "SUCCEEDED"
    until(lambda: device.details().state == "RUNNING", "the component runs again")


def test_a_folder_that_is_not_there_fails_with_the_reason(device):
    failed = device.deploy(recipe_directory_path="/does/not/exist")
    assert failed.status == "FAILED"
    details = failed.deployment_status_details
    assert details.detailed_deployment_status == "FAILED_NO_STATE_CHANGE"
    assert "/does/not/exist" in details.deployment_failure_cause


def test_a_malformed_recipe_fails_with_its_name(device):
    (device.recipes / "bad.yaml").write_text("ComponentName: [")
    failed = device.deploy(recipe_directory_path=str(device.recipes))
    assert failed.status == "FAILED"
    details = failed.deployment_status_details
    assert "bad.yaml" in details.deployment_failure_cause
    assert "RECIPE_PARSE_ERROR" in details.deployment_error_stack


def test_a_waiting_deployment_is_cancelled(device):
    device.recipe("1.0.0", "unused")
    recipe = device.recipes / f"{NAME}-1.0.0.yaml"
    recipe.write_text(recipe.read_text().replace("run: unused", "startup: sleep 3"))
    running = device.client.create_local_deployment(
        root_component_versions_to_add={NAME: "1.0.0"},
        recipe_directory_path=str(device.recipes),
    )
    waiting = device.client.create_local_deployment()
    answer = device.client.cancel_local_deployment(deployment_id=waiting.deployment_id)
    assert answer.message == f"Cancel request submitted. Deployment ID: {waiting.deployment_id}"
    assert device.until_final(waiting.deployment_id).status == "CANCELED"
    assert device.until_final(running.deployment_id).status == "SUCCEEDED"


def test_malformed_requests(device):
    with pytest.raises(InvalidArgumentsError):
        device.client.get_local_deployment_status(deployment_id="xyz")
    with pytest.raises(InvalidArgumentsError):
        device.client.create_local_deployment(group_name="a:b")
    password = device.client.create_debug_password()
    assert (password.username, len(password.password)) == ("debug", 43)
