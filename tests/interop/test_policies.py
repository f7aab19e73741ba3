"""`componentUpdatePolicy` and `configurationValidationPolicy`, from the cloud's API down to a
component that is asked through the Device SDK."""

import re
import time

import pytest

from harness.fleet import recipe
from harness.scenario import PYTHON, configured, source
from harness.waiting import until

NUCLEUS = "aws.greengrass.Nucleus"
OTHER = "com.example.Other"


def notify(timeout_s):
    return {"action": "NOTIFY_COMPONENTS", "timeoutInSeconds": timeout_s}


SKIP = {"action": "SKIP_NOTIFY_COMPONENTS", "timeoutInSeconds": 60}


@pytest.fixture
def asked(fleet, core):
    """Deploys a component that is asked, and leaves the device as it was."""

    def deploy(name, deferrals="0", verdict="ACCEPTED"):
        artifact = source(fleet, "consulted.py", "1.0.0")
        run = f"{PYTHON} -u {{artifacts:path}}/1.0.0 {deferrals} {verdict}"
        configuration = {"rate": 1, "kept": {"deep": True}}
        fleet.create(
            recipe(name, "1.0.0", {"run": run}, artifacts=[artifact], configuration=configuration)
        )
        deploy_components(fleet, core, {name: "1.0.0"}, SKIP)
        core.until_log(name, "subscribed")
        return name

    yield deploy
    deploy_components(fleet, core, {}, SKIP)


@pytest.fixture(scope="module", autouse=True)
def other(fleet):
    fleet.create(recipe(OTHER, "1.0.0", {"run": "sleep 1000"}))


def start(fleet, core, components, update, validation_s=30, target=None):
    return fleet.deploy(
        target or core.group_arn(),
        components,
        deploymentPolicies={
            "failureHandlingPolicy": "DO_NOTHING",
            "componentUpdatePolicy": update,
            "configurationValidationPolicy": {"timeoutInSeconds": validation_s},
        },
    )


def deploy_components(fleet, core, components, update):
    fleet.until_succeeded(core, start(fleet, core, components, update))


def events(core, name):
    """What it was asked and told so far, each with its deployment."""
    return re.findall(r"stdout\. (pre|post|validate) ([\w-]+)", core.log(name))


def until_told(core, name, deployment):
    """The component hears of the end a moment after the cloud does, or before."""
    until(lambda: ("post", deployment) in events(core, name), f"{name} is told of the end")


def test_engine_notify_a_component_defers_twice_and_then_lets_go(fleet, core, asked):
    name = asked("com.example.DefersTwice", "2000,2000,0")
    began = time.monotonic()
    deployment = start(fleet, core, {name: "1.0.0", OTHER: "1.0.0"}, notify(60))
    fleet.until_succeeded(core, deployment)
    assert time.monotonic() - began >= 4, "twice two seconds"
    until_told(core, name, deployment)
    assert events(core, name) == [("pre", deployment)] * 3 + [("post", deployment)]
    assert "restarting=False" in core.log(name)


def test_engine_notify_a_silent_component_costs_the_timeout(fleet, core, asked):
    name = asked("com.example.Silent", "silent")
    began = time.monotonic()
    deployment = start(fleet, core, {name: "1.0.0", OTHER: "1.0.0"}, notify(3))
    fleet.until_succeeded(core, deployment)
    assert time.monotonic() - began >= 3
    until_told(core, name, deployment)
    assert events(core, name) == [("pre", deployment), ("post", deployment)]


def test_engine_skip_notify_sends_no_events(fleet, core, asked):
    name = asked("com.example.NeverAsked", "600000")
    deploy_components(fleet, core, {name: "1.0.0", OTHER: "1.0.0"}, SKIP)
    deployment = start(fleet, core, {name: configured("1.0.0", rate=5)}, SKIP)
    fleet.until_succeeded(core, deployment)
    assert [word for word, _ in events(core, name)] == ["validate"], "configuration is another"


def test_engine_notify_and_a_validator_that_rejects(fleet, core, asked):
    name = asked("com.example.Rejects", "0", "REJECTED")
    update = {name: configured("1.0.0", rate=9), OTHER: "1.0.0"}
    deployment = start(fleet, core, update, notify(60))
    row = fleet.until_failed(core, deployment)
    assert "COMPONENT_CONFIGURATION_NOT_VALID" in row["reason"], row
    assert f"name = {name}, message = too fast" in row["reason"], row
    until_told(core, name, deployment)
    told = events(core, name)
    assert [word for word, _ in told] == ["pre", "validate", "post"]
    assert told[0][1] == told[2][1] == deployment
    assert '"kept": {"deep": true}, "rate": 9' in core.log(name), "all of the configuration"
    assert OTHER not in fleet.installed(core)


def test_engine_a_validator_silent_past_the_timeout_fails_the_deployment(fleet, core, asked):
    name = asked("com.example.SilentValidator", "0", "silent")
    update = {name: configured("1.0.0", rate=9)}
    row = fleet.until_failed(core, start(fleet, core, update, notify(60), validation_s=2))
    assert "COMPONENT_CONFIGURATION_NOT_VALID" in row["reason"], row
    assert f"{name} did not say within 2 s" in row["reason"], row


def test_b5_7_an_accepted_configuration_is_applied_and_an_equal_one_is_not_asked_about(
    fleet, core, asked
):
    name = asked("com.example.Accepts")
    update = {name: configured("1.0.0", rate=7)}
    deploy_components(fleet, core, update, notify(60))
    asked_once = [word for word, _ in events(core, name)].count("validate")
    assert asked_once == 1
    deploy_components(fleet, core, update, notify(60))
    assert [word for word, _ in events(core, name)].count("validate") == asked_once
    effective = core.root / "config/effectiveConfig.yaml"
    until(lambda: "rate: 7" in effective.read_text(), "the new rate is in force")


def test_b5_7_a_deferred_deployment_is_cancelled_at_once_and_its_end_is_told(fleet, core, asked):
    name = asked("com.example.DefersLong", "3600000")
    # The cloud takes a thing's deployment back also while it goes on.
    deployment = start(fleet, core, {OTHER: "1.0.0"}, notify(60), target=core.thing_arn())
    core.until_log(name, "pre ")
    fleet.greengrass.cancel_deployment(deploymentId=deployment)
    until_told(core, name, deployment)
    until(
        lambda: fleet.effective(core, deployment)["coreDeviceExecutionStatus"] == "CANCELED",
        "the cloud hears that it was cancelled",
    )
    assert OTHER not in fleet.installed(core)


def test_b5_7_a_component_that_defers_for_ever_fails_the_deployment(fleet, core, asked):
    name = asked("com.example.DefersForEver", "1000")
    limit = configured("2.17.0", componentUpdateMaxDeferralSeconds=3)
    deploy_components(fleet, core, {name: "1.0.0", NUCLEUS: limit}, SKIP)
    deployment = start(fleet, core, {name: "1.0.0", OTHER: "1.0.0", NUCLEUS: limit}, notify(60))
    row = fleet.until_failed(core, deployment)
    assert f"{name} put the update off for 3 s" in row["reason"], row
    assert "componentUpdateMaxDeferralSeconds" in row["reason"], row
    until_told(core, name, deployment)
    told = events(core, name)
    assert told.count(("pre", deployment)) >= 3 and told[-1] == ("post", deployment)
    assert OTHER not in fleet.installed(core)


def test_b5_7_killed_while_a_component_defers_the_device_asks_it_again(fleet, core, asked):
    name = asked("com.example.DefersThroughKills", "3600000")
    deployment = start(fleet, core, {OTHER: "1.0.0"}, notify(60), target=core.thing_arn())
    core.until_log(name, "pre ")
    core.kill()
    core.start()
    until(lambda: events(core, name) == [("pre", deployment)] * 2, f"{name} is asked again")
    assert OTHER not in fleet.installed(core)
    fleet.greengrass.cancel_deployment(deploymentId=deployment)
    until_told(core, name, deployment)


def test_b5_7_a_component_is_told_that_the_nucleus_will_restart(fleet, core, asked):
    name = asked("com.example.HearsOfRestarts")
    boots = "com.example.Boots"
    fleet.create(recipe(boots, "1.0.0", {"bootstrap": "true", "run": "sleep 1000"}))
    deployment = start(fleet, core, {name: "1.0.0", boots: "1.0.0"}, notify(60))
    fleet.until_succeeded(core, deployment)
    assert f"pre {deployment} restarting=True" in core.log(name)
    assert events(core, name) == [("pre", deployment)], "it was restarted itself: no post"
