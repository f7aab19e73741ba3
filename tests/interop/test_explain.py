"""`marram cloud deployments explain`: the explanation is what the device then does."""

import json

import pytest

from harness.fleet import recipe
from harness.programs import marram
from harness.waiting import until

APP, LIB, TOOL, OTHER = (f"com.example.{name}" for name in ("App", "Lib", "Tool", "Other"))


def explain(cloud, deployment, *arguments, check=True):
    arguments = ["explain", deployment, "--ready-file", cloud.ready_file, *arguments]
    return marram("cloud", "deployment", *arguments, check=check)


def as_json(cloud, deployment, *arguments):
    return json.loads(explain(cloud, deployment, "--output", "json", *arguments).stdout)


def needs(name, range_):
    return {name: {"VersionRequirement": range_}}


@pytest.fixture(scope="module")
def components(fleet):
    run = {"run": "sleep 600"}
    for version in ("1.0.0", "1.5.0", "2.0.0"):
        fleet.create(recipe(LIB, version, run))
    fleet.create(recipe(APP, "1.0.0", run, dependencies=needs(LIB, "^1.0.0")))
    fleet.create(recipe(TOOL, "1.0.0", run, dependencies=needs(LIB, "<1.4.0")))
    fleet.create(recipe(OTHER, "1.0.0", run, dependencies=needs(LIB, "^2.0.0")))


def test_the_device_does_what_was_explained(cloud, fleet, core, components):
    fleet.until_healthy(core)
    fleet.iot.create_thing_group(thingGroupName="tools")
    tools = cloud.arn("iot", "thinggroup/tools")
    fleet.iot.add_thing_to_thing_group(thingGroupName="tools", thingName=core.thing)
    app = fleet.deploy(core.group_arn(), {APP: "1.0.0"})
    fleet.until_succeeded(core, app)
    fleet.until_installed(core, LIB, "1.5.0")

    # Prepared for a group that the device is not in yet, so nothing of it happens.
    fleet.iot.remove_thing_from_thing_group(thingGroupName="tools", thingName=core.thing)
    tool = fleet.deploy(tools, {TOOL: "1.0.0"})
    done = explain(cloud, tool, "--device", core.thing, check=False)
    assert done.returncode == 1 and "device" in done.stderr
    assert as_json(cloud, tool)["outcomes"] == []
    fleet.greengrass.cancel_deployment(deploymentId=tool)
    fleet.iot.add_thing_to_thing_group(thingGroupName="tools", thingName=core.thing)

    (outcome,) = as_json(cloud, tool)["outcomes"]
    assert outcome["samples"] == [core.thing]
    assert {d["target"] for d in outcome["deployments"]} == {"thinggroup/tools", "thinggroup/line1"}
    expected = {c["componentName"]: c for c in outcome["components"]}
    assert expected[APP]["change"] == "NONE" and expected[TOOL]["change"] == "INSTALL"
    library = expected[LIB]
    assert (library["change"], library["reason"]) == ("DOWNGRADE", "NEWEST")
    assert {r["by"] for r in library["requirements"]} == {APP, TOOL}
    assert library["broughtBy"] == ["thinggroup/tools", "thinggroup/line1"]
    text = explain(cloud, tool).stdout
    line = next(line for line in text.splitlines() if line.startswith(LIB))
    assert f"{APP} requires >=1.0.0 <2.0.0, {TOOL} requires <1.4.0" in line

    deployed = fleet.deploy(tools, {TOOL: "1.0.0"})
    fleet.until_succeeded(core, deployed)

    def as_explained():
        installed = {name: version for name, (version, _) in fleet.installed(core).items()}
        return all(
            installed.get(name) == component.get("componentVersion")
            for name, component in expected.items()
        )

    until(as_explained, f"the device runs {expected}")
    changes = {
        c["change"] for o in as_json(cloud, deployed)["outcomes"] for c in o["components"]
    }
    assert changes == {"NONE"}


def test_a_conflict_between_groups_names_both_and_the_device_fails_with_it(
    cloud, fleet, core, components
):
    fleet.iot.create_thing_group(thingGroupName="others")
    others = cloud.arn("iot", "thinggroup/others")
    app = fleet.deploy(core.group_arn(), {APP: "1.0.0"})
    fleet.until_succeeded(core, app)
    fleet.iot.add_thing_to_thing_group(thingGroupName="others", thingName=core.thing)
    other = fleet.deploy(others, {OTHER: "1.0.0"})
    done = explain(cloud, other, "--check", check=False)
    assert done.returncode == 1 and "would fail on 1 device" in done.stderr
    for who in (f"{APP} requires >=1.0.0 <2.0.0", f"{OTHER} requires >=2.0.0 <3.0.0"):
        assert who in done.stdout, done.stdout
    row = fleet.until_failed(core, other)
    assert "NO_AVAILABLE_COMPONENT_VERSION" in str(row), row


def test_a_large_group_is_told_by_counts_and_samples(cloud, fleet, components):
    fleet.iot.create_thing_group(thingGroupName="large")
    for i in range(300):
        fleet.iot.create_thing(thingName=f"large{i:03}")
        fleet.iot.add_thing_to_thing_group(thingGroupName="large", thingName=f"large{i:03}")
    deployment = fleet.deploy(cloud.arn("iot", "thinggroup/large"), {APP: "1.0.0"})
    (outcome,) = as_json(cloud, deployment)["outcomes"]
    assert outcome["devices"] == 300
    assert outcome["samples"] == [f"large{i:03}" for i in range(5)]
    text = explain(cloud, deployment, "--max-devices", 100).stdout
    assert "300, of which 100 were looked at" in text and "and 95 more" in text
    assert "no report yet" in text


def test_explaining_takes_no_more_than_it_may_and_names_what_is_wrong(cloud, fleet, components):
    done = explain(cloud, "00000000-0000-0000-0000-000000000000", check=False)
    assert done.returncode == 1 and "ResourceNotFoundException" in done.stderr
    fleet.iot.create_thing_group(thingGroupName="none")
    deployment = fleet.deploy(cloud.arn("iot", "thinggroup/none"), {APP: "1.0.0"})
    done = explain(cloud, deployment, "--max-devices", 10_001, check=False)
    assert done.returncode == 1 and "maxDevices" in done.stderr and "10001" in done.stderr
