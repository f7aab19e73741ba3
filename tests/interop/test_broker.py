"""The broker as clients other than the Device SDK see it: Paho for MQTT 3.1.1 and 5, and WebSocket."""

import os
import random
import resource
import socket
import threading
import time

import paho.mqtt.client as paho
import pytest
from awscrt import auth, mqtt5
from awsiot import mqtt5_client_builder
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from harness.mqtt import Identity, Mqtt5, statement
from harness.programs import Cloud
from harness.waiting import until

NOT_AUTHORIZED = 0x87
SOAK_S = 10


@pytest.fixture(scope="module")
def device(cloud, folder):
    """May use every topic but `closed/…`, as any client whose id begins with its name."""
    arn = lambda kind, name: cloud.arn("iot", f"{kind}/{name}")  # noqa: E731
    statements = [
        statement("Allow", "iot:Connect", arn("client", "paho*")),
        statement("Allow", ["iot:Publish", "iot:Receive", "iot:RetainPublish"], arn("topic", "*")),
        statement("Allow", "iot:Subscribe", arn("topicfilter", "*")),
        statement("Deny", "iot:Publish", arn("topic", "closed/*")),
        statement("Deny", "iot:Subscribe", arn("topicfilter", "closed/*")),
    ]
    return Identity(cloud, "paho", statements, folder)


class Paho:
    """One Paho client that keeps what it received."""

    def __init__(self, identity, client_id, version=paho.MQTTv5, expiry_s=0, will=None):
        self.version = version
        self.expiry_s = expiry_s
        self.connacks = []
        self.disconnects = []
        self.received = []
        self.granted = {}
        self.acknowledged = {}
        options = {} if version == paho.MQTTv5 else {"clean_session": expiry_s == 0}
        self.client = paho.Client(
            paho.CallbackAPIVersion.VERSION2, client_id, protocol=version, **options
        )
        self.client.tls_set(
            str(identity.cloud.ready["ca_file"]), str(identity.certificate), str(identity.key)
        )
        self.client.on_connect = self._on_connect
        self.client.on_disconnect = lambda _c, _u, _f, code, _p: self.disconnects.append(code)
        self.client.on_message = lambda _c, _u, message: self.received.append(message)
        self.client.on_subscribe = self._on_subscribe
        self.client.on_publish = self._on_publish
        if will:
            self.client.will_set(*will[:2], qos=1, properties=will[2] if len(will) > 2 else None)
        self.host, self.port = identity.endpoint()

    def _on_connect(self, _client, _user, flags, code, properties):
        self.connacks.append((flags.session_present, code, properties))

    def _on_subscribe(self, _client, _user, mid, codes, _properties):
        self.granted[mid] = codes

    def _on_publish(self, _client, _user, mid, code, _properties):
        self.acknowledged[mid] = code

    def connect(self, clean=False):
        """Gives whether the server had a session."""
        before = len(self.connacks)
        options = {}
        if self.version == paho.MQTTv5:
            properties = Properties(PacketTypes.CONNECT)
            properties.SessionExpiryInterval = self.expiry_s
            options = {"clean_start": clean, "properties": properties}
        self.client.connect(self.host, self.port, keepalive=30, **options)
        self.client.loop_start()
        until(lambda: len(self.connacks) > before, "a CONNACK", 15)
        return self.connacks[-1][0]

    def subscribe(self, topic, qos=1, **options):
        """Gives the reason code of the SUBACK."""
        if self.version == paho.MQTTv5:
            given = SubscribeOptions(qos=qos, **options)
            _, mid = self.client.subscribe(topic, options=given)
        else:
            _, mid = self.client.subscribe(topic, qos)
        return until(lambda: self.granted.get(mid), f"a SUBACK for {topic}", 15)[0].value

    def publish(self, topic, payload, **options):
        """Gives the reason code of the PUBACK."""
        sent = self.client.publish(topic, payload, qos=1, **options)
        until(lambda: sent.mid in self.acknowledged, f"a PUBACK for {topic}", 15)
        return self.acknowledged[sent.mid].value

    def payloads(self, topic=None):
        return [bytes(m.payload) for m in list(self.received) if topic in (None, m.topic)]

    def until_payload(self, payload):
        until(lambda: payload in self.payloads(), f"the message {payload}", 15)

    def leave(self):
        self.client.disconnect()
        self.client.loop_stop()

    def vanish(self):
        """The network fails: no DISCONNECT."""
        self.client.loop_stop()
        self.client._sock_close()


VERSIONS = pytest.mark.parametrize(
    "version", [paho.MQTTv311, paho.MQTTv5], ids=["mqtt311", "mqtt5"]
)


@VERSIONS
def test_paho_publishes_and_subscribes(device, version):
    client = Paho(device, f"paho-{version}", version)
    client.connect()
    assert client.subscribe("paho/+/x") == 1
    assert client.publish("paho/a/x", b"hello") == 0
    client.until_payload(b"hello")
    refusal = 0x80 if version == paho.MQTTv311 else NOT_AUTHORIZED
    assert client.subscribe("closed/a") == refusal
    client.leave()


def test_paho_properties_pass_through(device):
    client = Paho(device, "paho-properties")
    client.connect()
    client.subscribe("paho/properties")
    properties = Properties(PacketTypes.PUBLISH)
    properties.ResponseTopic = "paho/answers"
    properties.CorrelationData = b"\x00\x01"
    properties.ContentType = "text/plain"
    properties.UserProperty = [("a", "1"), ("a", "2")]
    properties.MessageExpiryInterval = 60
    client.publish("paho/properties", b"p", properties=properties)
    client.until_payload(b"p")
    got = client.received[0].properties
    assert (got.ResponseTopic, got.CorrelationData) == ("paho/answers", b"\x00\x01")
    assert (got.ContentType, got.UserProperty) == ("text/plain", [("a", "1"), ("a", "2")])
    assert 0 < got.MessageExpiryInterval <= 60
    client.leave()


@VERSIONS
def test_paho_sessions_survive_a_kill_of_the_cloud(cloud, device, version):
    name = f"paho-session-{version}"
    client = Paho(device, name, version, expiry_s=3600)
    assert client.connect() is False
    client.subscribe("paho/queue")
    client.leave()
    publisher = Paho(device, f"{name}-publisher", version)
    publisher.connect()
    numbers = [str(number).encode() for number in range(20)]
    for number in numbers:
        publisher.publish("paho/queue", number)
    publisher.vanish()
    cloud.kill()
    cloud.start()
    again = Paho(device, name, version, expiry_s=3600)
    assert again.connect() is True
    until(lambda: len(again.received) >= len(numbers), "the queue", 15)
    assert again.payloads("paho/queue") == numbers
    again.leave()


@VERSIONS
def test_paho_retained_messages_survive_a_kill_of_the_cloud(cloud, device, version):
    topic = f"paho/kept/{version}"
    publisher = Paho(device, f"paho-retain-{version}", version)
    publisher.connect()
    publisher.publish(topic, b"21", retain=True)
    publisher.vanish()
    cloud.kill()
    cloud.start()
    reader = Paho(device, f"paho-reader-{version}", version)
    reader.connect()
    reader.subscribe("paho/kept/#")
    reader.until_payload(b"21")
    assert next(m for m in reader.received if m.topic == topic).retain
    reader.publish(topic, b"", retain=True)
    reader.leave()


@VERSIONS
def test_paho_will_is_published_when_the_client_vanishes_and_not_when_it_leaves(device, version):
    watcher = Paho(device, f"paho-watcher-{version}", version)
    watcher.connect()
    watcher.subscribe("paho/wills")
    leaving = Paho(device, f"paho-leaving-{version}", version, will=("paho/wills", b"left"))
    leaving.connect()
    leaving.leave()
    vanishing = Paho(device, f"paho-vanishing-{version}", version, will=("paho/wills", b"gone"))
    vanishing.connect()
    vanishing.vanish()
    watcher.until_payload(b"gone")
    assert b"left" not in watcher.payloads()
    watcher.leave()


def test_paho_shared_subscription_shares(device):
    members = [Paho(device, f"paho-member-{number}") for number in range(2)]
    for member in members:
        member.connect()
        assert member.subscribe("$share/group/paho/work") == 1
    publisher = Paho(device, "paho-boss")
    publisher.connect()
    for number in range(10):
        publisher.publish("paho/work", str(number).encode())
    done = lambda: sorted(sum((member.payloads() for member in members), []))  # noqa: E731
    until(lambda: len(done()) >= 10, "all the work", 15)
    assert done() == sorted(str(number).encode() for number in range(10))
    assert all(member.received for member in members)
    for client in (*members, publisher):
        client.leave()


def test_paho_no_local_and_retain_handling(device):
    client = Paho(device, "paho-options")
    client.connect()
    client.publish("paho/options/kept", b"kept", retain=True)
    client.subscribe("paho/options/#", noLocal=True, retainHandling=2)
    client.publish("paho/options/own", b"own")
    client.subscribe("paho/options/#")
    client.until_payload(b"kept")
    assert b"own" not in client.payloads()
    client.publish("paho/options/kept", b"", retain=True)
    client.leave()


def test_paho_qos_2_is_refused_and_the_server_says_so_before(device):
    client = Paho(device, "paho-qos2")
    client.connect()
    assert client.connacks[0][2].MaximumQoS == 1
    assert client.subscribe("paho/two", qos=2) == 1
    client.client.publish("paho/two", b"x", qos=2)
    until(lambda: client.disconnects, "a DISCONNECT", 15)
    assert client.disconnects[0].value == 0x9B
    client.vanish()


def test_soak_every_acknowledged_message_arrives_though_clients_vanish(device):
    """Publisher and subscriber lose their connections again and again."""
    subscriber = Paho(device, "paho-soak-sub", expiry_s=3600)
    publisher = Paho(device, "paho-soak-pub", expiry_s=3600)
    for client in (subscriber, publisher):
        client.client.reconnect_delay_set(1, 1)
        client.connect()
    subscriber.subscribe("paho/soak")
    chance = random.Random(7)
    end = time.monotonic() + SOAK_S
    over = threading.Event()

    def disturb():
        while not over.wait(chance.uniform(0.2, 0.8)):
            client = chance.choice((subscriber, publisher))
            try:
                client.client.socket().shutdown(2)
            except (AttributeError, OSError):
                pass  # It is not connected at this moment.

    disturbing = threading.Thread(target=disturb)
    disturbing.start()
    sent = {}
    number = 0
    while time.monotonic() < end:
        until(lambda: len(sent) - len(publisher.acknowledged) < 20, "room", 15)
        info = publisher.client.publish("paho/soak", str(number).encode(), qos=1)
        sent[info.mid] = str(number).encode()
        number += 1
    over.set()
    disturbing.join()
    until(lambda: len(publisher.acknowledged) == len(sent), "all acknowledgements", 30)
    expected = set(sent.values())
    until(lambda: expected <= set(subscriber.payloads()), "all messages", 30)
    assert len(publisher.connacks) + len(subscriber.connacks) > 4, "nobody was disturbed"
    for client in (subscriber, publisher):
        client.leave()


class OverWebSocket:
    """The Device SDK's MQTT 5 client over WebSocket, with an access key."""

    def __init__(self, cloud, key=None, secret=None):
        self.events = []
        self.received = []
        keys = cloud.environment()
        provider = auth.AwsCredentialsProvider.new_static(
            key or keys["AWS_ACCESS_KEY_ID"], secret or keys["AWS_SECRET_ACCESS_KEY"]
        )
        host, port = cloud.ready["device_endpoint"].removeprefix("https://").rsplit(":", 1)
        self.client = mqtt5_client_builder.websockets_with_default_aws_signing(
            region="us-east-1",
            credentials_provider=provider,
            endpoint=host,
            port=int(port),
            ca_filepath=str(cloud.ready["ca_file"]),
            client_id="app",
            on_publish_received=lambda data: self.received.append(data.publish_packet),
            on_lifecycle_connection_success=lambda data: self.events.append("connected"),
            on_lifecycle_connection_failure=lambda data: self.events.append("refused"),
        )
        self.client.start()

    def until(self, event):
        until(lambda: event in self.events, f"the WebSocket is {event}", 15)


def test_ten_thousand_connections_that_never_finish_tls_keep_no_device_out(cloud, device):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    open_files = lambda: len(os.listdir(f"/proc/{cloud.process.child.pid}/fd"))  # noqa: E731
    before = open_files()
    silent = []
    try:
        for _ in range(min(10_000, hard - 200)):
            silent.append(socket.create_connection(device.endpoint(), timeout=15))
        # Paho uses select(), which knows no descriptor above 1023.
        client = Mqtt5(device, client_id="paho-in-a-crowd")
        client.until("connected")
        client.subscribe("paho/crowd")
        assert client.publish("paho/crowd", b"through") == 0
        client.until_message("paho/crowd")
        client.stop()
        # The first ones had to go for the later ones.
        assert silent[0].recv(1) == b""
        assert open_files() - before < 1000
    finally:
        for connection in silent:
            connection.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_the_cloud_opens_as_many_connections_as_the_system_grants(folder):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
    small = folder / "small"
    small.mkdir()
    cloud = Cloud(small)
    try:
        cloud.start()
        limit, _ = resource.prlimit(cloud.process.child.pid, resource.RLIMIT_NOFILE)
        assert limit == min(hard, 250_000)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        cloud.stop()


def test_websocket_with_sigv4_speaks_mqtt(cloud, device):
    app = OverWebSocket(cloud)
    app.until("connected")
    filters = [mqtt5.Subscription(topic_filter="paho/app", qos=mqtt5.QoS.AT_LEAST_ONCE)]
    app.client.subscribe(mqtt5.SubscribePacket(subscriptions=filters)).result(15)
    client = Paho(device, "paho-to-app")
    client.connect()
    large = b"x" * 100_000
    assert client.publish("paho/app", large) == 0
    until(lambda: app.received, "the message", 15)
    assert bytes(app.received[0].payload) == large
    packet = mqtt5.PublishPacket(topic="paho/app", payload=b"y", qos=mqtt5.QoS.AT_LEAST_ONCE)
    assert app.client.publish(packet).result(15).puback.reason_code == 0
    app.client.stop()
    client.leave()


def test_websocket_with_a_wrong_key_is_refused(cloud):
    app = OverWebSocket(cloud, secret="wrong" * 8)
    app.until("refused")
    assert "connected" not in app.events
    app.client.stop()
