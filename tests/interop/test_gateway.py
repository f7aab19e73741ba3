"""The device gateway as the Device SDK sees it: identity, policies, shadows and jobs over MQTT."""

import json

import pytest
from awscrt import mqtt5
from awscrt.exceptions import AwsCrtError

from harness.mqtt import Identity, Mqtt5, Mqtt311, statement
from harness.waiting import until

NOT_AUTHORIZED = 0x87


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
def mqtt(device):
    client = Mqtt5(device)
    client.until("connected")
    yield client
    client.stop()


def test_mqtt5_message_reaches_a_subscriber(mqtt):
    assert mqtt.subscribe("open/+") <= 1
    assert mqtt.publish("open/a", b"hello") == 0
    assert mqtt.until_message("open/a") == b"hello"


def test_mqtt311_message_reaches_a_subscriber(device):
    client = Mqtt311(device).connect()
    assert client.subscribe("open/b") is not None
    client.publish("open/b", b"hello 3")
    until(lambda: ("open/b", b"hello 3") in client.received, "the message")
    client.disconnect()


def test_versions_meet_on_one_topic(device, mqtt):
    other = Mqtt311(device, client_id="gate1#2").connect()
    other.subscribe("open/both")
    assert mqtt.publish("open/both", b"from 5") == 0
    until(lambda: ("open/both", b"from 5") in other.received, "the message")
    other.disconnect()


def test_d2_connect_needs_the_policys_client_id(device):
    client = Mqtt5(device, client_id="somebody-else")
    refused = client.until("refused")
    assert refused.connack_packet.reason_code == NOT_AUTHORIZED
    client.stop()


def test_publish_and_subscribe_without_permission_are_refused(mqtt):
    assert mqtt.publish("closed/a", b"x") == NOT_AUTHORIZED
    assert mqtt.publish("open/secret", b"x") == NOT_AUTHORIZED
    assert mqtt.subscribe("closed/#") == NOT_AUTHORIZED


def test_mqtt311_unauthorised_publish_is_disconnected(device):
    client = Mqtt311(device, client_id="gate1#3").connect()
    client.connection.publish(topic="closed/a", payload=b"x", qos=1)
    assert client.interrupted.wait(15)
    client.connection.disconnect()


def test_a26b_receive_is_checked_at_each_delivery(mqtt):
    mqtt.subscribe("open/#")
    assert mqtt.publish("open/deaf", b"never") == 0
    assert mqtt.publish("open/heard", b"after") == 0
    mqtt.until_message("open/heard")
    assert mqtt.messages("open/deaf") == []


def test_d3_a_second_connection_takes_the_session_over(device, mqtt):
    second = Mqtt5(device)
    second.until("connected")
    lost = mqtt.until("disconnected")
    assert lost.disconnect_packet.reason_code == mqtt5.DisconnectReasonCode.SESSION_TAKEN_OVER
    mqtt.stop()
    second.stop()


def test_d36_a_message_over_the_limit_is_refused_not_hung(mqtt):
    with pytest.raises(AwsCrtError):
        mqtt.publish("open/big", b"x" * 200_000)
    assert mqtt.publish("open/small", b"x") == 0


def test_d4_get_pending_answers_without_a_subscription(mqtt):
    topic = "$aws/things/gate1/jobs/$next/namespace-aws-gg-deployment/get"
    verdict, reply = mqtt.request(topic, {"clientToken": "x"})
    assert verdict == "accepted"
    assert reply["clientToken"] == "x" and "execution" not in reply
    assert isinstance(reply["timestamp"], int)
    verdict, reply = mqtt.request(topic, {})
    assert "clientToken" not in reply


def test_d30_d31_shadow_over_mqtt(mqtt):
    topic = "$aws/things/gate1/shadow"
    mqtt.subscribe(topic + "/update/delta")
    verdict, reply = mqtt.request(topic + "/update", {"state": {"desired": {"a": 1}}})
    assert (verdict, reply["version"]) == ("accepted", 1)
    delta = json.loads(mqtt.until_message(topic + "/update/delta"))
    assert delta["state"] == {"a": 1}
    stale = {"state": {"desired": {"a": 2}}, "version": 7}
    verdict, reply = mqtt.request(topic + "/update", stale)
    assert (verdict, reply["code"]) == ("rejected", 409)
    verdict, reply = mqtt.request(topic + "/get", {})
    assert reply["state"]["desired"] == {"a": 1} and reply["state"]["delta"] == {"a": 1}


def test_another_things_reserved_topics_are_closed(mqtt):
    assert mqtt.publish("$aws/things/other/shadow/update", b"{}") == NOT_AUTHORIZED


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
