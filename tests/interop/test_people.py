"""`marram cloud status`, `devices`, `components` and `deployments`: what people see and filter."""

import json

import pytest

from harness.fleet import recipe
from harness.programs import marram
from harness.waiting import until

NAME = "com.example.Seen"


def cloud_command(cloud, *arguments, check=True):
    return marram("cloud", *arguments, "--ready-file", cloud.ready_file, check=check)


def as_json(cloud, *arguments):
    return json.loads(cloud_command(cloud, *arguments, "--output", "json").stdout)


@pytest.fixture(scope="module")
def seen(cloud, fleet, core):
    """A component on a device, brought by its group's deployment; gives the deployment's id."""
    for version in ("1.0.0", "1.1.0"):
        fleet.create(recipe(NAME, version, {"run": "sleep 600"}))
    deployment = fleet.deploy(core.group_arn(), {NAME: "1.0.0"}, deploymentName="first")
    fleet.until_succeeded(core, deployment)
    fleet.until_installed(core, NAME, "1.0.0")
    return deployment


def test_status_counts_the_fleet_and_can_be_a_check(cloud, fleet, core, seen):
    fleet.until_healthy(core)
    text = cloud_command(cloud, "status", "--check").stdout
    assert cloud.ready["endpoint_url"] in text
    assert "1: 1 HEALTHY" in text and "1 ACTIVE" in text
    assert "\x1b" not in text
    found = as_json(cloud, "status")
    assert found["coreDevices"] == {"HEALTHY": 1}
    assert found["components"]["PRIVATE"] == 1


def test_devices_are_listed_filtered_and_shown(cloud, fleet, core, seen):
    fleet.until_healthy(core)
    heads, row = cloud_command(cloud, "devices").stdout.splitlines()
    assert heads.split()[:2] == ["DEVICE", "STATUS"]
    assert row.split()[:2] == [core.thing, "HEALTHY"]
    names = lambda *filters: [  # noqa: E731 - one line says it
        d["coreDeviceThingName"] for d in as_json(cloud, "devices", *filters)["coreDevices"]
    ]
    fleet.iot.create_thing_group(thingGroupName="empty")
    assert names("--group", core.groups[0], "--status", "healthy") == [core.thing]
    assert names("--group", "empty") == names("--status", "UNHEALTHY") == []
    text = cloud_command(cloud, "devices", core.thing).stdout
    assert core.groups[0] in text and seen in text
    line = next(line for line in text.splitlines() if line.startswith(NAME))
    assert line.split()[:4] == [NAME, "1.0.0", "RUNNING", "yes"]


def test_components_are_listed_with_all_their_versions(cloud, seen):
    rows = [line.split() for line in cloud_command(cloud, "components").stdout.splitlines()]
    assert [NAME, "1.1.0", "PRIVATE"] in [row[:3] for row in rows]
    assert "aws.greengrass.Nucleus" in {row[0] for row in rows}
    own = as_json(cloud, "components", "--scope", "private")["components"]
    assert [component["componentName"] for component in own] == [NAME]
    versions = as_json(cloud, "component", NAME)["componentVersions"]
    assert [v["componentVersion"] for v in versions] == ["1.1.0", "1.0.0"]


def test_deployments_are_listed_filtered_and_shown(cloud, core, seen):
    target = f"thinggroup/{core.groups[0]}"
    ids = lambda *filters: [  # noqa: E731 - one line says it
        d["deploymentId"] for d in as_json(cloud, "deployments", *filters)["deployments"]
    ]
    assert ids("--target", target) == ids("--group", core.groups[0]) == [seen]
    assert ids("--target", core.group_arn(), "--status", "active", "--all") == [seen]
    assert ids("--status", "failed") == ids("--target", "thing/other") == []
    text = cloud_command(cloud, "deployment", seen).stdout
    assert f"{target}, revision 1, the latest" in text
    until(
        lambda: "1 succeeded" in cloud_command(cloud, "deployment", seen).stdout,
        "the job counts the device",
    )


def test_all_pages_are_read(cloud, fleet, core, seen):
    fleet.iot.create_thing_group(thingGroupName="paged")
    arn = cloud.arn("iot", "thinggroup/paged")
    made = [fleet.deploy(arn, {NAME: "1.0.0"}) for _ in range(130)]
    listed = as_json(cloud, "deployments", "--group", "paged", "--all")["deployments"]
    assert {row["deploymentId"] for row in listed} == set(made)
    assert [row["deploymentId"] for row in listed if row["isLatestForTarget"]] == made[-1:]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["devices", "--status", "ill"], 64, ["--status", "healthy"]),
        (["deployments", "--target", "line1"], 64, ["thinggroup/NAME"]),
        (["components", "com.example.None"], 64, ["com.example.None", "marram cloud components"]),
        (["devices", "nobody"], 1, ["nobody", "ResourceNotFoundException"]),
        (["deployment", "00000000-0000-0000-0000-000000000000"], 1, ["ResourceNotFound"]),
        (["devices", "--group", "no-group"], 1, ["ResourceNotFoundException"]),
    ],
)
def test_what_is_not_there_is_named_and_the_exit_code_says_whose_fault_it_is(
    cloud, arguments, code, words
):
    done = cloud_command(cloud, *arguments, check=False)
    assert done.returncode == code, done.stderr
    assert all(word in done.stderr for word in words), done.stderr
    assert done.stdout == ""


def test_a_cloud_that_is_gone_is_not_available(cloud, tmp_path):
    gone = tmp_path / "gone.json"
    gone.write_text(json.dumps(cloud.ready | {"endpoint_url": "https://127.0.0.1:1"}))
    done = marram("cloud", "status", "--ready-file", gone, check=False)
    assert done.returncode == 69, done.stderr
    assert "is it running" in done.stderr


@pytest.mark.parametrize("command", ["status", "devices", "components", "deployments"])
def test_help_has_an_example(command):
    text = marram("cloud", command, "--help").stdout
    assert "Example" in text and f"marram cloud {command}" in text
    assert "--output" in text and "--ready-file" in text
