"""Messages between components and the cloud: cases 27 to 32 of the IPC's specification with the
Device SDK on one side and an MQTT 5 client on the other, and more subscriptions than AWS IoT Core
takes of one connection."""

import queue

import pytest
from awscrt import mqtt5
from awsiot.greengrasscoreipc import connect, model
from awsiot.greengrasscoreipc.clientv2 import GreengrassCoreIPCClientV2

from harness import scenario
from harness.fleet import recipe
from harness.ipc_calls import allow_all, token
from harness.waiting import until

NAME, DENIED = "com.example.Proxied", "com.example.NotProxied"
EVENT_TIMEOUT_S = 30
MANY = 120


@pytest.fixture(scope="module")
def clients(fleet, core):
    """The SDK's clients of a component that may do all with the cloud, and of one that may not."""
    run = {"run": "echo $SVCUID > token; exec sleep 1000"}
    access = allow_all("aws.greengrass.ipc.mqttproxy")
    fleet.create(recipe(NAME, "1.0.0", run, configuration={"accessControl": access}))
    fleet.create(recipe(DENIED, "1.0.0", run))
    components = dict.fromkeys([NAME, DENIED], "1.0.0")
    fleet.until_succeeded(core, fleet.deploy(core.group_arn(), components))
    connections = []
    for name in components:
        secret = until(lambda name=name: token(core, name), f"{name} has its token")
        connection = connect(ipc_socket=str(core.root / "ipc.socket"), authtoken=secret)
        connections.append(GreengrassCoreIPCClientV2(connection))
    yield connections
    for client in connections:
        client.close()


@pytest.fixture
def client(clients):
    return clients[0]


@pytest.fixture(scope="module")
def monitor(cloud, folder):
    client = scenario.monitor(cloud, folder)
    client.subscribe("fleet/#")
    yield client
    client.stop()


@pytest.fixture
def subscribed(client):
    """Subscribes, and ends all subscriptions afterwards."""
    streams = []

    def subscribe(topic, qos="1"):
        events = queue.Queue()
        _, stream = client.subscribe_to_iot_core(
            topic_name=topic, qos=qos, on_stream_event=lambda e: events.put(e.message)
        )
        streams.append(stream)
        return events

    yield subscribe
    closing = [stream.close() for stream in streams]
    for closed in closing:
        closed.result(EVENT_TIMEOUT_S)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"payload": b"x", "qos": "1"}, "Topic is required"),
        ({"topic_name": "fleet/t", "qos": "1"}, "Payload is required"),
        ({"topic_name": "fleet/t", "payload": b"x"}, "QoS is required"),
        ({"topic_name": "fleet/t", "payload": b"x", "qos": "2"}, "Invalid QoS value: 2"),
    ],
)
def test_i27_members_are_required(client, arguments, says):
    with pytest.raises(model.InvalidArgumentsError) as caught:
        client.publish_to_iot_core(**arguments)
    assert caught.value.message == says


def test_i27_the_topic_comes_before_the_policy_and_that_before_the_rest(clients):
    _, denied = clients
    with pytest.raises(model.InvalidArgumentsError):
        denied.publish_to_iot_core()
    with pytest.raises(model.UnauthorizedError) as caught:
        denied.publish_to_iot_core(topic_name="fleet/t")
    assert caught.value.message == "Not Authorized"


def test_i28_seven_slashes_are_the_most(client, monitor):
    deep = "fleet/b/c/d/e/f/g/h"
    client.publish_to_iot_core(topic_name=deep, qos="1", payload=b"deep")
    monitor.until_message(deep)
    with pytest.raises(model.ServiceError) as caught:
        client.publish_to_iot_core(topic_name=f"{deep}/i", qos="1", payload=b"deeper")
    assert "no more than 7 forward slashes" in caught.value.message
    client.publish_to_iot_core(topic_name=f"$aws/rules/r/{deep}", qos="0", payload=b"x")


def test_i29_a_payload_has_a_limit(client, monitor):
    with pytest.raises(model.ServiceError) as caught:
        client.publish_to_iot_core(topic_name="fleet/t", qos="1", payload=b"x" * 131_073)
    assert "131073 bytes" in caught.value.message and "131072 bytes" in caught.value.message
    client.publish_to_iot_core(topic_name="fleet/large", qos="1", payload=b"x" * 131_072)
    assert len(monitor.until_message("fleet/large")) == 131_072


def test_i30_overlapping_filters_get_one_event_each(subscribed, monitor):
    broad, narrow = subscribed("fleet/i30/#"), subscribed("fleet/i30/b")
    for payload in ["first", "second"]:
        monitor.publish("fleet/i30/b", payload)
    for events in [broad, narrow]:
        payloads = [events.get(timeout=EVENT_TIMEOUT_S).payload for _ in range(2)]
        assert payloads == [b"first", b"second"]
        assert events.empty()


def test_i31_an_empty_payload_is_written(subscribed, monitor):
    events = subscribed("fleet/i31")
    monitor.publish("fleet/i31", b"")
    message = events.get(timeout=EVENT_TIMEOUT_S)
    assert (message.topic_name, message.payload, message.retain) == ("fleet/i31", b"", False)
    assert message.payload_format == "0"


def test_i32_all_fields_of_mqtt_5_pass_to_the_cloud(client, monitor):
    client.publish_to_iot_core(
        topic_name="fleet/i32/up",
        qos="1",
        payload="grün".encode(),
        user_properties=[model.UserProperty(key="k", value=value) for value in "ab"],
        message_expiry_interval_seconds=60,
        correlation_data=b"\0\1",
        response_topic="fleet/answers",
        payload_format="1",
        content_type="text/plain",
    )
    monitor.until_message("fleet/i32/up")
    (packet,) = monitor.packets("fleet/i32/up")
    assert [(p.name, p.value) for p in packet.user_properties] == [("k", "a"), ("k", "b")]
    assert 50 <= packet.message_expiry_interval_sec <= 60
    assert packet.correlation_data_bytes == b"\0\1"
    assert packet.response_topic == "fleet/answers"
    assert packet.payload_format_indicator == mqtt5.PayloadFormatIndicator.AWS_MQTT5_PFI_UTF8
    assert packet.content_type == "text/plain"


def test_i32_all_fields_of_mqtt_5_pass_to_the_component(subscribed, monitor):
    events = subscribed("fleet/i32/down")
    packet = mqtt5.PublishPacket(
        topic="fleet/i32/down",
        qos=mqtt5.QoS.AT_LEAST_ONCE,
        payload="grün",
        user_properties=[mqtt5.UserProperty("k", "a"), mqtt5.UserProperty("k", "b")],
        message_expiry_interval_sec=60,
        correlation_data=b"\0\1",
        response_topic="fleet/answers",
        payload_format_indicator=mqtt5.PayloadFormatIndicator.AWS_MQTT5_PFI_UTF8,
        content_type="text/plain",
    )
    monitor.client.publish(packet).result(EVENT_TIMEOUT_S)
    message = events.get(timeout=EVENT_TIMEOUT_S)
    assert message.payload.decode() == "grün"
    assert [(p.key, p.value) for p in message.user_properties] == [("k", "a"), ("k", "b")]
    assert 50 <= message.message_expiry_interval_seconds <= 60
    assert (message.correlation_data, message.response_topic) == (b"\0\1", "fleet/answers")
    assert (message.payload_format, message.content_type) == ("1", "text/plain")


def test_more_subscriptions_than_one_connection_takes(core, subscribed, monitor):
    topics = [f"fleet/many/{number}" for number in range(MANY)]
    events = {topic: subscribed(topic) for topic in topics}
    assert f"{core.thing}#3" in core.nucleus_log(), "there are 50 of one connection at most"
    for topic in topics:
        monitor.publish(topic, topic)
    for topic in topics:
        message = events[topic].get(timeout=EVENT_TIMEOUT_S)
        assert (message.topic_name, message.payload) == (topic, topic.encode())
    assert all(each.empty() for each in events.values()), "each message came once"
