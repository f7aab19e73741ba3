"""The scenario's components: A publishes, B forwards to IoT Core, C uploads with credentials."""

import json
import sys
from pathlib import Path

from .fleet import allow, merged, recipe
from .mqtt import Identity, Mqtt5, statement

SOURCES = Path(__file__).parent.parent / "components"
A, B, C = "com.example.Publisher", "com.example.Forwarder", "com.example.Uploader"
TOKEN_EXCHANGE = "aws.greengrass.TokenExchangeService"
PYTHON = sys.executable


def source(fleet, name, version):
    return fleet.artifact(f"{name}/{version}", (SOURCES / name).read_text())


def publisher(fleet, version):
    """Component A: each version says which it is."""
    artifact = source(fleet, "publisher.py", version)
    run = f"{PYTHON} -u {{artifacts:path}}/{version} {version}"
    access = allow(A, "pubsub", "PublishToTopic", "greetings/*")
    return fleet.create(
        recipe(
            A,
            version,
            {"run": run},
            configuration={"greeting": "hello", "accessControl": access},
            artifacts=[artifact],
        )
    )


def broken_publisher(fleet, version):
    """A version of A that never comes up."""
    run = "echo 'this version is broken' >&2; exit 7"
    return fleet.create(recipe(A, version, {"run": run}))


def forwarder(fleet, core):
    """Component B."""
    artifact = source(fleet, "forwarder.py", "1.0.0")
    fleet_topics = f"fleet/{core.thing}/*"
    access = merged(
        allow(B, "pubsub", "SubscribeToTopic", "greetings/*"),
        allow(B, "mqttproxy", "PublishToIoTCore", fleet_topics),
        allow(B, "mqttproxy", "SubscribeToIoTCore", fleet_topics),
    )
    return fleet.create(
        recipe(
            B,
            "1.0.0",
            {"run": f"{PYTHON} -u {{artifacts:path}}/1.0.0"},
            configuration={"accessControl": access},
            artifacts=[artifact],
        )
    )


def uploader(fleet, bucket):
    """Component C."""
    artifact = source(fleet, "uploader.py", "1.0.0")
    endpoint = fleet.cloud.ready["endpoint_url"]
    run = f"{PYTHON} -u {{artifacts:path}}/1.0.0 {endpoint} {bucket}"
    dependency = {"VersionRequirement": ">=2.0.0 <3.0.0", "DependencyType": "HARD"}
    return fleet.create(
        recipe(
            C,
            "1.0.0",
            {"run": run},
            dependencies={TOKEN_EXCHANGE: dependency},
            artifacts=[artifact],
        )
    )


def configured(version, **values):
    """A component's specification with a configuration merge."""
    update = {"merge": json.dumps(values)}
    return {"componentVersion": version, "configurationUpdate": update}


def monitor(cloud, folder, thing="monitor", **options):
    """An MQTT client on the gateway that may hear the fleet and command it."""
    arn = lambda kind, name: cloud.arn("iot", f"{kind}/{name}")  # noqa: E731
    identity = Identity(
        cloud,
        thing,
        [
            statement("Allow", "iot:Connect", arn("client", thing)),
            statement("Allow", "iot:Subscribe", arn("topicfilter", "fleet/*")),
            statement("Allow", ["iot:Receive", "iot:Publish"], arn("topic", "fleet/*")),
        ],
        folder,
    )
    client = Mqtt5(identity, **options)
    client.until("connected")
    return client


def heard(**expected):
    """A condition on a message's members."""

    def condition(payload):
        message = json.loads(payload)
        return all(message.get(key) == value for key, value in expected.items())

    return condition
