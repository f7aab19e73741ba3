"""The device gateway as the Device SDK sees it: identity, policies, shadows and jobs over MQTT."""

import json

import pytest
from awscrt import mqtt, mqtt5
from awscrt.exceptions import AwsCrtError

from harness.mqtt import Identity, Mqtt5, Mqtt311, statement
from harness.waiting import until

NOT_AUTHORIZED = 0x87
# Success, and success without a subscriber.
DELIVERED = (0, 0x10)


@pytest.fixture(scope="module")
def device(cloud, folder):
    """May use its own reserved topics and `open/*`, except `open/secret`."""
    arn = lambda kind, name: cloud.arn("iot", f"{kind}/{name}")  # noqa: E731
    own = "$aws/things/gate1/*"
    statements = [
        statement("Allow", "iot:Connect", arn("client", "gate1"), arn("client", "gate1#*")),
        statement(
            "Allow",
            ["iot:Publish", "iot:RetainPublish"],
            arn("topic", "open/*"),
            arn("topic", own),
        ),
        statement("Allow", "iot:Subscribe", arn("topicfilter", "open/*"), arn("topicfilter", own)),
        statement("Allow", "iot:Receive", arn("topic", "open/*"), arn("topic", own)),
        statement("Deny", "iot:Publish", arn("topic", "open/secret")),
        statement("Deny", "iot:Receive", arn("topic", "open/deaf")),
    ]
    return Identity(cloud, "gate1", statements, folder)


@pytest.fixture
def device5(device):
    client = Mqtt5(device)
    client.until("connected")
    yield client
    client.stop()


def test_mqtt5_message_reaches_a_subscriber(device5):
    assert device5.subscribe("open/+") <= 1
    assert device5.publish("open/a", b"hello") == 0
    assert device5.until_message("open/a") == b"hello"


def test_mqtt311_message_reaches_a_subscriber(device):
    client = Mqtt311(device).connect()
    assert client.subscribe("open/b") is not None
    client.publish("open/b", b"hello 3")
    until(lambda: ("open/b", b"hello 3") in client.received, "the message")
    client.disconnect()


def test_versions_meet_on_one_topic(device, device5):
    other = Mqtt311(device, client_id="gate1#2").connect()
    other.subscribe("open/both")
    assert device5.publish("open/both", b"from 5") == 0
    until(lambda: ("open/both", b"from 5") in other.received, "the message")
    other.disconnect()


def test_d2_connect_needs_the_policys_client_id(device):
    client = Mqtt5(device, client_id="somebody-else")
    refused = client.until("refused")
    assert refused.connack_packet.reason_code == NOT_AUTHORIZED
    client.stop()


def test_publish_and_subscribe_without_permission_are_refused(device5):
    assert device5.publish("closed/a", b"x") == NOT_AUTHORIZED
    assert device5.publish("open/secret", b"x") == NOT_AUTHORIZED
    assert device5.subscribe("closed/#") == NOT_AUTHORIZED


def test_mqtt311_unauthorised_publish_is_disconnected(device):
    client = Mqtt311(device, client_id="gate1#3").connect()
    client.connection.publish(topic="closed/a", payload=b"x", qos=mqtt.QoS.AT_LEAST_ONCE)
    assert client.interrupted.wait(15)
    client.connection.disconnect()


def test_a26b_receive_is_checked_at_each_delivery(device5):
    device5.subscribe("open/#")
    assert device5.publish("open/deaf", b"never") == 0
    assert device5.publish("open/heard", b"after") == 0
    device5.until_message("open/heard")
    assert device5.messages("open/deaf") == []


def test_d3_a_second_connection_takes_the_session_over(device, device5):
    second = Mqtt5(device)
    second.until("connected")
    lost = device5.until("disconnected")
    assert lost.disconnect_packet.reason_code == mqtt5.DisconnectReasonCode.SESSION_TAKEN_OVER
    device5.stop()
    second.stop()


def test_d36_a_message_over_the_limit_is_refused_not_hung(device5):
    with pytest.raises(AwsCrtError):
        device5.publish("open/big", b"x" * 200_000)
    assert device5.publish("open/small", b"x") in DELIVERED


def test_d4_get_pending_answers_without_a_subscription(device5):
    topic = "$aws/things/gate1/jobs/$next/namespace-aws-gg-deployment/get"
    verdict, reply = device5.request(topic, {"clientToken": "x"})
    assert verdict == "accepted"
    assert reply["clientToken"] == "x" and "execution" not in reply
    assert isinstance(reply["timestamp"], int)
    verdict, reply = device5.request(topic, {})
    assert "clientToken" not in reply


def test_d30_d31_shadow_over_mqtt(device5):
    topic = "$aws/things/gate1/shadow"
    device5.subscribe(topic + "/update/delta")
    verdict, reply = device5.request(topic + "/update", {"state": {"desired": {"a": 1}}})
    assert (verdict, reply["version"]) == ("accepted", 1)
    delta = json.loads(device5.until_message(topic + "/update/delta"))
    assert delta["state"] == {"a": 1}
    stale = {"state": {"desired": {"a": 2}}, "version": 7}
    verdict, reply = device5.request(topic + "/update", stale)
    assert (verdict, reply["code"]) == ("rejected", 409)
    verdict, reply = device5.request(topic + "/get", {})
    assert reply["state"]["desired"] == {"a": 1} and reply["state"]["delta"] == {"a": 1}


def test_another_things_reserved_topics_are_closed(device5):
    assert device5.publish("$aws/things/other/shadow/update", b"{}") == NOT_AUTHORIZED


def test_an_inactive_certificate_loses_its_connection(cloud, folder):
    arn = cloud.arn("iot", "client/cut")
    identity = Identity(cloud, "cut", [statement("Allow", "iot:Connect", arn)], folder)
    client = Mqtt5(identity)
    client.until("connected")
    identity.iot.update_certificate(
        certificateId=identity.certificate_id, newStatus="INACTIVE"
    )
    client.until("disconnected")
    client.until("refused")
    client.stop()
