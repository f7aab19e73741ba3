"""The scenario under kill -9: after each change one program dies at a seeded moment and comes back.

What each step must come to is the same as in test_scenario.py, except what a kill may cost by
itself: components of a killed device start anew.
"""

import random
import time

import pytest

from conftest import own_user
from harness import scenario
from harness.fleet import Fleet, recipe
from harness.programs import Cloud, Core, remove_folder, temporary_folder
from harness.scenario import A, B, C, configured, heard
from harness.waiting import until

BUCKET = "uploads"
OWN = "com.example.Own"
SEED = 20261126
LATEST_S = 1.5


class Place:
    """One cloud, one core, and a monitor on the gateway; `strike` kills the victim."""

    def __init__(self, folder, victim):
        self.cloud = Cloud(folder).start()
        self.core = Core(self.cloud, folder, options=own_user())
        # A device comes back to a cloud that breaks every connection ever more slowly, up to two
        # minutes. No cloud is killed every few seconds but this one.
        self.core.configure("mqtt", maximumReconnectDelaySeconds=4)
        self.core.start()
        self.fleet = Fleet(self.cloud)
        self.monitor = scenario.monitor(self.cloud, folder, keep_subscriptions=True)
        self.greetings = f"fleet/{self.core.thing}/greetings"
        assert self.monitor.subscribe("fleet/#") <= 1
        self.victim = {"device": self.core, "cloud": self.cloud}[victim]
        self.moments = random.Random(SEED)

    def strike(self):
        """Kills the victim somewhere in the seconds after a change, and starts it again."""
        time.sleep(self.moments.uniform(0, LATEST_S))
        self.victim.kill()
        self.victim.start()

    def deploy(self, target, components):
        deployment = self.fleet.deploy(target, components)
        self.strike()
        return deployment

    def deploy_to_group(self, components):
        return self.deploy(self.core.group_arn(), components)

    def until_heard(self, **expected):
        """A greeting that was sent after now."""
        self.monitor.forget()
        self.monitor.until_message(self.greetings, heard(**expected), timeout_s=30)

    def until_gone(self, name):
        until(
            lambda: name not in self.fleet.installed(self.core),
            f"{name} is gone: {self.fleet.installed(self.core)}",
        )

    def stop(self):
        self.monitor.stop()
        # In good order, so that no component of a killed device stays behind.
        self.core.stop()
        self.cloud.stop()


@pytest.fixture(scope="module", params=["device", "cloud"])
def place(request):
    folder = temporary_folder()
    place = Place(folder, request.param)
    yield place
    place.stop()
    remove_folder(folder)


def test_01_messages_flow_from_a_over_b_to_the_gateway(place):
    scenario.publisher(place.fleet, "1.0.0")
    scenario.forwarder(place.fleet, place.core)
    deployment = place.deploy_to_group({A: "1.0.0", B: "1.0.0"})
    place.fleet.until_succeeded(place.core, deployment)
    place.until_heard(greeting="hello", version="1.0.0")


def test_02_a_message_from_iot_core_reaches_the_component(place):
    place.strike()
    commands = f"fleet/{place.core.thing}/commands"

    def delivered():
        place.monitor.publish(commands, b"open the door")
        return "command open the door" in place.core.log(B)

    until(delivered, f"{B} hears the command")


def test_03_a_new_configuration_arrives(place):
    components = {A: configured("1.0.0", greeting="good day"), B: "1.0.0"}
    place.fleet.until_succeeded(place.core, place.deploy_to_group(components))
    place.until_heard(greeting="good day", version="1.0.0")


def test_04_a_third_component_uploads_with_the_devices_credentials(place):
    place.fleet.s3.create_bucket(Bucket=BUCKET)
    scenario.uploader(place.fleet, BUCKET)
    deployment = place.deploy_to_group({A: "1.0.0", B: "1.0.0", C: "1.0.0"})
    place.fleet.until_succeeded(place.core, deployment)

    def uploaded():
        return place.fleet.s3.get_object(Bucket=BUCKET, Key="from-the-device.txt")["Body"].read()

    assert until(uploaded, f"the upload; log: {place.core.log(C)}") == b"hello from the device"


def test_05_v2_replaces_v1(place):
    scenario.publisher(place.fleet, "2.0.0")
    deployment = place.deploy_to_group({A: "2.0.0", B: "1.0.0"})
    place.fleet.until_succeeded(place.core, deployment)
    place.until_heard(version="2.0.0", greeting="good day")
    place.fleet.until_installed(place.core, A, "2.0.0")


def test_06_a_broken_v3_is_rolled_back_and_the_cloud_says_why(place):
    scenario.broken_publisher(place.fleet, "3.0.0")
    deployment = place.deploy_to_group({A: "3.0.0", B: "1.0.0"})
    row = place.fleet.until_failed(place.core, deployment)
    assert "FAILED_ROLLBACK_COMPLETE" in row["reason"] and A in row["reason"], row
    assert "exited with code 7" in row["reason"], row
    place.fleet.until_installed(place.core, A, "2.0.0")
    place.until_heard(version="2.0.0")


def test_07_a_thing_deployment_adds_to_what_the_group_brought(place):
    place.fleet.create(recipe(OWN, "1.0.0", {"run": "echo own; sleep 1000"}))
    deployment = place.deploy(place.core.thing_arn(), {OWN: "1.0.0"})
    place.fleet.until_succeeded(place.core, deployment)
    place.fleet.until_installed(place.core, OWN, "1.0.0")
    assert A in place.fleet.installed(place.core)


def test_08_removing_a_component_from_the_deployment_stops_and_removes_it(place):
    deployment = place.deploy_to_group({B: "1.0.0"})
    place.fleet.until_succeeded(place.core, deployment)
    place.until_gone(A)
    until(lambda: not place.core.processes("2.0.0 2.0.0"), f"no process of {A} lives")


def test_09_leaving_the_group_removes_what_only_the_group_brought(place):
    place.fleet.iot.remove_thing_from_thing_group(
        thingGroupName=place.core.groups[0], thingName=place.core.thing
    )
    deployment = place.deploy(place.core.thing_arn(), {OWN: "1.0.0"})
    place.fleet.until_succeeded(place.core, deployment)
    place.until_gone(B)
    assert OWN in place.fleet.installed(place.core)
