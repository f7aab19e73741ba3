"""MQTT devices as users build them: the Device SDK's clients, MQTT 5 and 3.1.1, over mutual TLS."""

import json
import threading

from awscrt import mqtt as mqtt3
from awscrt import mqtt5
from awsiot import mqtt5_client_builder, mqtt_connection_builder

from .waiting import until

TIMEOUT_S = 15


def statement(effect, action, *resources):
    return {"Effect": effect, "Action": action, "Resource": list(resources)}


class Identity:
    """A thing with a certificate and one policy."""

    def __init__(self, cloud, thing, statements, folder):
        self.cloud = cloud
        self.thing = thing
        self.iot = cloud.client("iot")
        self.iot.create_thing(thingName=thing)
        made = self.iot.create_keys_and_certificate(setAsActive=True)
        self.certificate_arn = made["certificateArn"]
        self.certificate_id = made["certificateId"]
        self.certificate = folder / f"{thing}.crt"
        self.key = folder / f"{thing}.key"
        self.certificate.write_text(made["certificatePem"])
        self.key.write_text(made["keyPair"]["PrivateKey"])
        self.policy = f"{thing}-policy"
        document = {"Version": "2012-10-17", "Statement": statements}
        self.iot.create_policy(policyName=self.policy, policyDocument=json.dumps(document))
        self.iot.attach_policy(policyName=self.policy, target=self.certificate_arn)
        self.iot.attach_thing_principal(thingName=thing, principal=self.certificate_arn)

    def endpoint(self):
        host, port = self.cloud.ready["mqtt_endpoint"].rsplit(":", 1)
        return host, int(port)

    def resource(self, kind, name):
        return self.cloud.arn("iot", f"{kind}/{name}")


class Mqtt5:
    """One MQTT 5 connection that keeps what it received.

    With `keep_subscriptions` it subscribes again whenever it connects to a server that has
    forgotten its session, as devices do.
    """

    def __init__(self, identity, client_id=None, keep_subscriptions=False):
        self.received = []
        self.arrived = []
        self.events = []
        self.filters = [] if keep_subscriptions else None
        self.lock = threading.Lock()
        host, port = identity.endpoint()
        self.client = mqtt5_client_builder.mtls_from_path(
            endpoint=host,
            port=port,
            cert_filepath=str(identity.certificate),
            pri_key_filepath=str(identity.key),
            ca_filepath=str(identity.cloud.ready["ca_file"]),
            client_id=client_id or identity.thing,
            on_publish_received=self._on_publish,
            on_lifecycle_connection_success=self._on_connected,
            on_lifecycle_connection_failure=lambda data: self._on_event("refused", data),
            on_lifecycle_disconnection=lambda data: self._on_event("disconnected", data),
        )
        self.client.start()

    def _on_publish(self, data):
        with self.lock:
            packet = data.publish_packet
            self.received.append((packet.topic, bytes(packet.payload or b"")))
            self.arrived.append(packet)

    def _on_connected(self, data):
        self._on_event("connected", data)
        if not data.connack_packet.session_present:
            for topic in self.filters or ():
                self.client.subscribe(self._subscription(topic))

    def _on_event(self, name, data):
        with self.lock:
            self.events.append((name, data))

    def names(self):
        with self.lock:
            return [name for name, _ in self.events]

    def until(self, event):
        until(lambda: event in self.names(), f"the connection is {event}", TIMEOUT_S)
        return next(data for name, data in self.events if name == event)

    def subscribe(self, topic):
        """Gives the reason code of the SUBACK."""
        if self.filters is not None:
            self.filters.append(topic)
        return self.client.subscribe(self._subscription(topic)).result(TIMEOUT_S).reason_codes[0]

    @staticmethod
    def _subscription(topic):
        return mqtt5.SubscribePacket(
            subscriptions=[mqtt5.Subscription(topic_filter=topic, qos=mqtt5.QoS.AT_LEAST_ONCE)]
        )

    def publish(self, topic, payload):
        """Gives the reason code of the PUBACK."""
        packet = mqtt5.PublishPacket(
            topic=topic, payload=payload, qos=mqtt5.QoS.AT_LEAST_ONCE
        )
        return self.client.publish(packet).result(TIMEOUT_S).puback.reason_code

    def forget(self):
        """What was received so far counts no more."""
        with self.lock:
            self.received.clear()

    def messages(self, topic):
        with self.lock:
            return [payload for name, payload in self.received if name == topic]

    def packets(self, topic):
        """What arrived on a topic, with all its properties."""
        with self.lock:
            return [packet for packet in self.arrived if packet.topic == topic]

    def until_message(self, topic, condition=lambda payload: True, timeout_s=TIMEOUT_S):
        """The first message on a topic that meets the condition."""

        def found():
            return next((m for m in self.messages(topic) if condition(m)), None)

        return until(found, f"a message on {topic}", timeout_s)

    def request(self, topic, payload):
        """Publishes to a reserved topic; gives (`accepted` or `rejected`, the reply)."""
        before = len(self.received)
        self.publish(topic, json.dumps(payload))

        def reply():
            with self.lock:
                fresh = self.received[before:]
            return next((m for m in fresh if m[0].startswith(topic + "/")), None)

        name, body = until(reply, f"a reply to {topic}", TIMEOUT_S)
        return name.rsplit("/", 1)[1], json.loads(body)

    def stop(self):
        self.client.stop()


class Mqtt311:
    """One MQTT 3.1.1 connection that keeps what it received."""

    def __init__(self, identity, client_id=None):
        self.received = []
        self.interrupted = threading.Event()
        host, port = identity.endpoint()
        self.connection = mqtt_connection_builder.mtls_from_path(
            endpoint=host,
            port=port,
            cert_filepath=str(identity.certificate),
            pri_key_filepath=str(identity.key),
            ca_filepath=str(identity.cloud.ready["ca_file"]),
            client_id=client_id or identity.thing,
            clean_session=True,
            keep_alive_secs=30,
            on_connection_interrupted=lambda **_: self.interrupted.set(),
        )

    def connect(self):
        self.connection.connect().result(TIMEOUT_S)
        return self

    def subscribe(self, topic):
        """Gives the granted QoS; None if it was refused."""
        future, _ = self.connection.subscribe(
            topic=topic,
            qos=mqtt3.QoS.AT_LEAST_ONCE,
            callback=lambda topic, payload, **_: self.received.append((topic, bytes(payload))),
        )
        return future.result(TIMEOUT_S)["qos"]

    def publish(self, topic, payload):
        future, _ = self.connection.publish(
            topic=topic, payload=payload, qos=mqtt3.QoS.AT_LEAST_ONCE
        )
        future.result(TIMEOUT_S)

    def disconnect(self):
        self.connection.disconnect().result(TIMEOUT_S)
