"""`marram core config get --explain`: who set each value of a device's configuration."""

import json

import pytest

from harness.programs import marram
from harness.scenario import PYTHON, configured, source

NAME = "com.example.Explained"
DEFAULTS = {"starts": 0, "rate": 1, "mode": "slow"}


@pytest.fixture(scope="module")
def deployed(fleet, core):
    """A component with defaults, a deployment's value, and one that it writes itself."""
    from harness.fleet import recipe

    artifact = source(fleet, "settings_keeper.py", "explained")
    lifecycle = {"run": f"{PYTHON} -u {{artifacts:path}}/explained; sleep 1000"}
    document = recipe(NAME, "1.0.0", lifecycle, configuration=DEFAULTS, artifacts=[artifact])
    fleet.create(document)
    deployment = fleet.deploy(core.group_arn(), {NAME: configured("1.0.0", rate=5)})
    fleet.until_succeeded(core, deployment)
    core.until_log(NAME, "kept 1")
    return deployment


def explained(core, *arguments):
    done = marram("core", "config", "get", *arguments, "--explain", "--root", core.root,
                  "--output", "json")
    return {"/".join(row["path"]): row for row in json.loads(done.stdout)}


def test_each_value_names_its_origin(core, deployed):
    rows = explained(core, NAME)
    assert {key: row["value"] for key, row in rows.items()} == {
        "mode": "slow",
        "rate": 5,
        "starts": 1,
    }
    target = f"thinggroup/{core.groups[0]}:1"
    assert rows["mode"]["origin"] == {"kind": "recipe", "version": "1.0.0"}
    assert rows["rate"]["origin"] == {"kind": "deployment", "id": deployed, "target": target}
    assert rows["starts"]["origin"] == {"kind": "component", "name": NAME}


def test_origins_survive_a_kill_of_the_device(core, deployed):
    before = explained(core, NAME, "/rate")
    core.kill()
    core.start()
    assert explained(core, NAME, "/rate") == before


def test_what_the_provisioning_wrote_comes_from_its_file(core, deployed):
    rows = explained(core, "aws.greengrass.Nucleus", "/iotDataEndpoint")
    (row,) = rows.values()
    assert row["origin"] == {"kind": "file", "path": str(core.root / "config" / "config.yaml")}


def test_people_get_a_table(core, deployed):
    text = marram("core", "config", "get", NAME, "--explain", "--root", core.root).stdout
    assert text.splitlines()[1].split() == ["KEY", "VALUE", "ORIGIN", "SET", "AT"]
    assert f"/rate    5       deployment {deployed} to thinggroup/{core.groups[0]}:1" in text
    plain = marram("core", "config", "get", NAME, "/mode", "--root", core.root).stdout
    assert plain.strip() == '"slow"'


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["com.example.Nobody"], "there is no com.example.Nobody on this device"),
        ([NAME, "/nope"], f"there is no {NAME}/nope on this device"),
        ([NAME, "rate"], "`rate` is no JSON pointer"),
    ],
)
def test_what_is_not_there_is_said(core, deployed, arguments, message):
    command = ["core", "config", "get", *arguments, "--root", core.root]
    done = marram(*command, check=False)
    assert done.returncode == 64 and message in done.stderr, done


def test_a_folder_without_a_device_is_refused(tmp_path):
    done = marram("core", "config", "get", "--root", tmp_path, check=False)
    assert done.returncode == 64 and "is no device's root folder" in done.stderr
