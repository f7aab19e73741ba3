"""What a component sees of the device: environment, credentials endpoint, lifecycle steps."""

import json
import sys
import urllib.error
import urllib.request

import pytest

from harness.fleet import recipe
from harness.programs import Core
from harness.scenario import TOKEN_EXCHANGE
from harness.waiting import until
from conftest import own_user

NAME = "com.example.Environment"


@pytest.fixture(scope="module")
def environment(fleet, core):
    """The environment of a component that depends on the token exchange."""
    dump = "{work:path}/environment.json"
    run = f"{sys.executable} -c 'import json, os; json.dump(dict(os.environ), open(\"{dump}\", \"w\"))'; sleep 1000"
    hard = {"VersionRequirement": ">=2.0.0", "DependencyType": "HARD"}
    lifecycle = {"Setenv": {"OWN": "{configuration:/own}"}, "run": run}
    fleet.create(
        recipe(
            NAME,
            "1.0.0",
            lifecycle,
            configuration={"own": "value"},
            dependencies={TOKEN_EXCHANGE: hard},
        )
    )
    fleet.until_succeeded(core, fleet.deploy(core.group_arn(), {NAME: "1.0.0"}))
    path = core.root / "work" / NAME / "environment.json"
    return until(lambda: json.loads(path.read_text()), "the environment")


def test_environment_is_as_specified(environment, core, cloud):
    assert environment["AWS_IOT_THING_NAME"] == core.thing
    assert environment["AWS_REGION"] == cloud.ready["region"]
    assert environment["AWS_DEFAULT_REGION"] == cloud.ready["region"]
    assert environment["GGC_VERSION"]
    assert environment["GG_ROOT_CA_PATH"] == str(core.root / "rootCA.pem")
    socket = environment["AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT"]
    assert socket == environment["AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH"]
    assert len(environment["SVCUID"]) == 16
    assert environment["AWS_CONTAINER_AUTHORIZATION_TOKEN"] == environment["SVCUID"]
    assert environment["OWN"] == "value"


def get(url, token=None):
    request = urllib.request.Request(url, headers={"Authorization": token} if token else {})
    try:
        with urllib.request.urlopen(request, timeout=10) as reply:
            return reply.status, reply.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def test_credentials_endpoint_serves_only_tokens(environment):
    url = environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"]
    status, body = get(url, environment["SVCUID"])
    assert status == 200
    assert set(json.loads(body)) == {"AccessKeyId", "SecretAccessKey", "Token", "Expiration"}
    assert get(url)[0] == 403
    assert get(url, "WRONGWRONGWRONG1") == (403, b"")
    assert get(url + "x", environment["SVCUID"])[0] == 400


def test_the_devices_credentials_may_not_administer(environment, cloud):
    _, body = get(environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"], environment["SVCUID"])
    keys = json.loads(body)
    client = cloud.client(
        "iot",
        access_key=keys["AccessKeyId"],
        secret_key=keys["SecretAccessKey"],
        session_token=keys["Token"],
    )
    with pytest.raises(client.exceptions.ClientError) as caught:
        client.list_things()
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_the_nucleus_own_aws_variables_never_reach_a_component(fleet, core):
    core.stop()
    path = core.root / "work" / NAME / "environment.json"
    path.unlink()
    core.start(AWS_ACCESS_KEY_ID="leaked", AWS_PROFILE="leaked")
    seen = until(lambda: json.loads(path.read_text()), "the environment after the restart")
    assert "leaked" not in seen.values()


def test_install_startup_and_shutdown_run_in_order(fleet, core):
    name = "com.example.Steps"
    lifecycle = {
        "install": "echo install",
        "startup": {"Script": "echo startup", "Timeout": 20},
        "shutdown": "echo shutdown",
    }
    fleet.create(recipe(name, "1.0.0", lifecycle))
    fleet.until_succeeded(core, fleet.deploy(core.group_arn(), {NAME: "1.0.0", name: "1.0.0"}))
    fleet.until_installed(core, name, "1.0.0")
    fleet.until_succeeded(core, fleet.deploy(core.group_arn(), {NAME: "1.0.0"}))
    core.until_log(name, "shutdown")
    log = core.log(name)
    assert log.index("install") < log.index("startup") < log.index("shutdown")


def test_a_startup_that_hangs_fails_the_deployment_by_its_timeout(fleet, core):
    name = "com.example.Hangs"
    lifecycle = {"startup": {"Script": "sleep 1000", "Timeout": 1}}
    fleet.create(recipe(name, "1.0.0", lifecycle))
    row = fleet.until_failed(core, fleet.deploy(core.group_arn(), {NAME: "1.0.0", name: "1.0.0"}))
    assert name in row["reason"] and "FAILED_ROLLBACK_COMPLETE" in row["reason"]


def test_a_component_that_ignores_sigterm_is_killed_with_its_children(fleet, core):
    name = "com.example.Stubborn"
    marker = "stubborn-child-of-" + core.thing
    run = f"trap '' TERM; sh -c \"trap '' TERM; : {marker}; while :; do sleep 1; done\" & echo up; wait"
    fleet.create(recipe(name, "1.0.0", {"run": run, "shutdown": {"Script": "true", "Timeout": 1}}))
    fleet.until_succeeded(core, fleet.deploy(core.group_arn(), {NAME: "1.0.0", name: "1.0.0"}))
    core.until_log(name, "up")
    fleet.until_succeeded(core, fleet.deploy(core.group_arn(), {NAME: "1.0.0"}))

    def survivors():
        import os

        found = []
        for entry in filter(str.isdigit, os.listdir("/proc")):
            try:
                command = open(f"/proc/{entry}/cmdline", "rb").read().decode(errors="replace")
            except OSError:
                continue
            if f": {marker}" in command:
                found.append((entry, command))
        return found

    until(lambda: not survivors(), f"all processes are gone: {survivors()}", 30)


def test_a_device_that_speaks_mqtt_3_gets_and_reports_its_deployments(cloud, folder, fleet):
    old = Core(cloud, folder, thing="mqtt3", groups=("old",), options=own_user())
    config = old.root / "config/config.yaml"
    text = config.read_text()
    assert text.count("      mqtt:\n") == 1, text
    config.write_text(text.replace("      mqtt:\n", "      mqtt:\n        version: mqtt3\n"))
    old.start()
    try:
        name = "com.example.Old"
        for number, target in (("1.0.0", old.group_arn()), ("2.0.0", old.thing_arn())):
            fleet.create(recipe(name, number, {"run": f"echo up {number}; sleep 1000"}))
            # The group gives its component up before the thing asks for another version of it.
            if target == old.thing_arn():
                fleet.until_succeeded(old, fleet.deploy(old.group_arn(), {}))
            fleet.until_succeeded(old, fleet.deploy(target, {name: number}))
            fleet.until_installed(old, name, number)
        fleet.until_healthy(old)
        assert "mqtt3" in (old.root / "config/effectiveConfig.yaml").read_text()
    finally:
        old.stop()
