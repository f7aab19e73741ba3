"""The automation contract: ready files, exports, signals and exit codes."""

import json
import os
import socket
import stat
import subprocess

import pytest

from harness.fleet import Fleet, recipe
from harness.programs import BIN, Cloud, Core, Process, marram, remove_folder, temporary_folder

READY_MEMBERS = {
    "endpoint_url",
    "mqtt_endpoint",
    "device_endpoint",
    "credentials_endpoint",
    "ca_file",
    "region",
    "account_id",
    "access_key_id",
    "secret_access_key",
}


@pytest.fixture
def own_folder():
    path = temporary_folder()
    yield path
    remove_folder(path)


def run(program, *arguments):
    return subprocess.run(
        [BIN / program, *map(str, arguments)], capture_output=True, text=True, timeout=30
    )


def test_ready_file_has_every_member_and_is_private(cloud):
    assert READY_MEMBERS <= set(cloud.ready)
    assert stat.S_IMODE(cloud.ready_file.stat().st_mode) == 0o600
    for name in ("mqtt_endpoint", "device_endpoint", "credentials_endpoint"):
        host, port = cloud.ready[name].rsplit(":", 1)
        socket.create_connection((host, int(port)), timeout=5).close()


def test_env_makes_plain_aws_commands_work(cloud):
    identity = cloud.aws("sts", "get-caller-identity")
    assert identity["Account"] == cloud.ready["account_id"]


def test_restart_on_the_same_directory_keeps_everything(own_folder):
    cloud = Cloud(own_folder).start()
    before = dict(cloud.ready)
    fleet = Fleet(cloud)
    fleet.iot.create_thing(thingName="kept")
    arn, _ = fleet.create(recipe("com.example.Kept", "1.0.0", {"run": "true"}))
    assert cloud.stop() == 0
    cloud.start()
    assert cloud.ready == before
    assert fleet.iot.describe_thing(thingName="kept")["thingName"] == "kept"
    assert fleet.greengrass.describe_component(arn=arn)["status"]["componentState"] == "DEPLOYABLE"
    assert cloud.stop() == 0


def test_marram_cloud_run_is_the_same_program(own_folder):
    ready_file = own_folder / "ready.json"
    process = Process(
        [BIN / "marram", "cloud", "run", "--data", own_folder / "cloud"]
        + ["--ready-file", ready_file],
        own_folder / "out",
    ).start()
    try:
        from harness.waiting import until

        until(ready_file.exists, "ready")
        assert READY_MEMBERS <= set(json.loads(ready_file.read_text()))
        assert process.stop() == 0
    finally:
        process.kill()


@pytest.mark.parametrize("program", ["marram", "marramd", "marram-cloud"])
def test_bad_arguments_exit_64_and_name_the_argument(program):
    done = run(program, "--no-such-option")
    assert done.returncode == 64
    assert "--no-such-option" in done.stderr


@pytest.mark.parametrize("program", ["marram", "marramd", "marram-cloud"])
def test_help_teaches(program):
    done = run(program, "--help")
    assert done.returncode == 0
    assert "xit codes" in done.stdout


def test_a_port_in_use_is_named(own_folder):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("marram-cloud", "--data", own_folder / "cloud", "--mqtt-port", port)
    assert done.returncode == 69
    assert str(port) in done.stderr and "in use" in done.stderr.lower()


def test_a_data_directory_in_use_is_refused(cloud):
    done = run("marram-cloud", "--data", cloud.folder / "cloud")
    assert done.returncode not in (0, None)
    assert "in use" in done.stderr.lower() or "another" in done.stderr.lower()


def test_a_missing_ready_file_says_how_to_get_one(own_folder):
    done = marram("env", "--ready-file", own_folder / "none.json", check=False)
    assert done.returncode == 64
    assert "none.json" in done.stderr and "marram-cloud" in done.stderr


def test_bad_device_configuration_exits_64_and_names_the_key(own_folder):
    config = own_folder / "bad.yaml"
    config.write_text("services:\n  aws.greengrass.Nucleus:\n    configuration: [1, 2]\n")
    done = run("marramd", "--root", own_folder / "core", "--init-config", config)
    assert done.returncode == 64, done.stderr
    assert "configuration" in done.stderr


def test_a_root_in_use_is_refused(cloud, own_folder):
    core = Core(cloud, own_folder, thing="twice", groups=()).start()
    try:
        done = run("marramd", "--root", core.root)
        assert done.returncode not in (0, None)
        assert str(core.root) in done.stderr
    finally:
        assert core.stop() == 0


def test_provision_writes_the_official_configuration(cloud, own_folder):
    core = Core(cloud, own_folder, thing="files", groups=("a", "b"))
    text = (core.root / "config/config.yaml").read_text()
    for key in ("thingName: files", "iotDataEndpoint", "iotCredEndpoint", "awsRegion"):
        assert key in text
    assert stat.S_IMODE((core.root / "privKey.key").stat().st_mode) == 0o600
    iot = cloud.client("iot")
    groups = iot.list_thing_groups_for_thing(thingName="files")["thingGroups"]
    assert {group["groupName"] for group in groups} == {"a", "b"}
    assert len(iot.list_thing_principals(thingName="files")["principals"]) == 1


def test_sigterm_stops_components_first(cloud, own_folder):
    own = ("--default-user", "root") if os.geteuid() == 0 else ()
    core = Core(cloud, own_folder, thing="stopped", groups=("stops",), options=own).start()
    fleet = Fleet(cloud)
    marker = own_folder / "component-stopped"
    script = f"trap 'touch {marker}; exit 0' TERM; echo up; while :; do sleep 1 & wait $!; done"
    fleet.create(recipe("com.example.Stops", "1.0.0", {"run": script}))
    deployment = fleet.deploy(core.group_arn(), {"com.example.Stops": "1.0.0"})
    fleet.until_succeeded(core, deployment)
    core.until_log("com.example.Stops", "up")
    assert core.stop() == 0
    assert marker.exists()
