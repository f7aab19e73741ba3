"""One call of each operation of the IPC, and one for each error that it can end with."""

import datetime
import uuid
from dataclasses import dataclass, field

from awsiot.greengrasscoreipc.model import (
    BinaryMessage,
    CertificateOptions,
    ClientDeviceCredential,
    ConfigurationValidityReport,
    CredentialDocument,
    JsonMessage,
    Metric,
    MQTTCredential,
    PublishMessage,
    ReportedLifecycleState,
)

MATRIX, DENIED = "com.example.Matrix", "com.example.Denied"
MANAGER = "aws.greengrass.StreamManager"
PERSON = "a person"
SPARE = "com.example.Spare"
CONFIGURATION = {"a": {"b": 1, "c": [1, 2]}, "s": "x", "_p": 2}


def allow_all(*services):
    policy = {"p": {"operations": ["*"], "resources": ["*"]}}
    return {service: policy for service in services}


ACCESS = allow_all(
    "aws.greengrass.ipc.pubsub",
    "aws.greengrass.ipc.mqttproxy",
    "aws.greengrass.ipc.lifecycle",
    "aws.greengrass.ipc.componentmetric",
    "aws.greengrass.Cli",
    "aws.greengrass.SecretManager",
    "aws.greengrass.ShadowManager",
    "aws.greengrass.clientdevices.Auth",
)


@dataclass
class Case:
    """One call, who makes it, and what comes of it: an error's name and words, or a check.

    Arguments that only a running core device knows are a function of it.
    """

    operation: str
    arguments: object = field(default_factory=dict)
    error: str = ""
    says: str = ""
    caller: str = MATRIX
    check: object = None
    # Of a subscription: what brings an event about, and the check of it.
    trigger: object = None
    event: object = None

    def __str__(self):
        words = [self.operation, self.error or "ok"]
        if self.caller != MATRIX:
            words.append(self.caller.rsplit(".", 1)[-1].replace(" ", "-"))
        return "-".join(words)


def text(topic, payload=b"x"):
    return {
        "topic": topic,
        "publish_message": PublishMessage(binary_message=BinaryMessage(message=payload)),
    }


def cloud_message(topic):
    return {"topic_name": topic, "qos": "1", "payload": b"x"}


def update(key_path, value, timestamp=None):
    timestamp = timestamp or datetime.datetime.now(datetime.timezone.utc)
    return {"key_path": key_path, "value_to_merge": value, "timestamp": timestamp}


LONG_AGO = datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)
DEEP = "a/b/c/d/e/f/g/h/i"
UNKNOWN = "com.example.Unknown"
NO_SUCH_DEPLOYMENT = str(uuid.uuid4())
NOT_ADMITTED = "is not authorized to perform aws.greengrass"


def report(**members):
    return {"configuration_validity_report": ConfigurationValidityReport(**members)}


def metrics(*values):
    return {"metrics": [Metric(name="Bytes", unit="BYTES", value=value) for value in values]}


def unsupported(operation, /, **arguments):
    says = f"Operation aws.greengrass#{operation} is not supported by Greengrass"
    return Case(operation, arguments, "ServiceError", says)


DEVICE_CREDENTIAL = CredentialDocument(mqtt_credential=MQTTCredential(client_id="c"))
CASES = [
    Case("PublishToTopic", text("nobody/listens")),
    Case("PublishToTopic", text("t"), "UnauthorizedError", "on resource t", DENIED),
    Case("PublishToTopic", text("a/+"), "InvalidArgumentsError", "wildcard"),
    Case(
        "SubscribeToTopic",
        {"topic": "matrix/#", "receive_mode": "RECEIVE_ALL_MESSAGES"},
        trigger=lambda clients: clients[MATRIX].publish_to_topic(
            topic="matrix/one",
            publish_message=PublishMessage(json_message=JsonMessage(message={"n": 1})),
        ),
        event=lambda e: e.json_message.message == {"n": 1}
        and e.json_message.context.topic == "matrix/one",
    ),
    Case("SubscribeToTopic", {"topic": "t"}, "UnauthorizedError", "on resource t", DENIED),
    Case("SubscribeToTopic", {}, "InvalidArgumentsError", "Subscribe topic must not be empty"),
    Case("PublishToIoTCore", cloud_message("fleet/matrix")),
    Case("PublishToIoTCore", cloud_message("t"), "UnauthorizedError", "Not Authorized", DENIED),
    Case("PublishToIoTCore", cloud_message(DEEP), "ServiceError", "7 forward slashes"),
    Case("PublishToIoTCore", {"topic_name": "t", "payload": b""}, "InvalidArgumentsError", "QoS"),
    Case(
        "SubscribeToIoTCore",
        {"topic_name": "fleet/core1/matrix/#", "qos": "1"},
        trigger=lambda clients: clients[MATRIX].publish_to_iot_core(
            topic_name="fleet/core1/matrix/back", qos="1", payload=b"hello"
        ),
        event=lambda e: e.message.payload == b"hello"
        and e.message.topic_name == "fleet/core1/matrix/back",
    ),
    Case("SubscribeToIoTCore", {"topic_name": "t", "qos": "1"}, "UnauthorizedError", "", DENIED),
    Case("SubscribeToIoTCore", {"topic_name": DEEP, "qos": "1"}, "ServiceError", "slashes"),
    Case(
        "SubscribeToIoTCoreConnectionStatus",
        event=lambda e: e.connection_status_event.status == "CONNECTED",
    ),
    Case(
        "GetConfiguration",
        {"key_path": ["a"]},
        check=lambda r: r.value == CONFIGURATION["a"] and r.component_name == MATRIX,
    ),
    Case(
        "GetConfiguration",
        {"component_name": MATRIX, "key_path": ["S"]},
        caller=DENIED,
        check=lambda r: r.value == {"s": "x"},
    ),
    Case("GetConfiguration", {"key_path": ["nope"]}, "ResourceNotFoundError", "Key not found"),
    Case("UpdateConfiguration", update(["w"], {"x": 1})),
    Case(
        "UpdateConfiguration",
        update([], {"accessControl": {}}),
        "InvalidArgumentsError",
        "[accessControl]",
    ),
    Case(
        "UpdateConfiguration",
        update(["a"], {"b": 3}, LONG_AGO),
        "FailedUpdateConditionCheckError",
        "Proposed timestamp is older",
    ),
    Case("UpdateConfiguration", update(["s", "t"], {"u": 1}), "ServiceError", "already a leaf"),
    Case(
        "SubscribeToConfigurationUpdate",
        {"key_path": ["watched"]},
        trigger=lambda clients: clients[MATRIX].update_configuration(
            **update(["watched"], {"n": str(uuid.uuid4())})
        ),
        event=lambda e: e.configuration_update_event.key_path == ["watched", "n"],
    ),
    Case(
        "SubscribeToConfigurationUpdate",
        {"key_path": ["nope"]},
        "ResourceNotFoundError",
        "Key not found",
    ),
    Case("SubscribeToValidateConfigurationUpdates"),
    Case(
        "SendConfigurationValidityReport",
        report(status="ACCEPTED", deployment_id="d"),
        "InvalidArgumentsError",
        "Validation request either timed out or was never made",
    ),
    Case("UpdateState", {"state": ReportedLifecycleState.RUNNING}),
    Case("UpdateState", {}, "ServiceError", "state is required"),
    Case(
        "UpdateState",
        {"state": ReportedLifecycleState.RUNNING},
        "ResourceNotFoundError",
        "Component with given name not found",
        PERSON,
    ),
    Case("SubscribeToComponentUpdates"),
    Case("SubscribeToComponentUpdates", {}, "ResourceNotFoundError", "not found", PERSON),
    Case(
        "DeferComponentUpdate",
        {"deployment_id": "d"},
        "InvalidArgumentsError",
        "Component is not subscribed",
        DENIED,
    ),
    Case("PauseComponent", {"component_name": DENIED}, "UnauthorizedError", "", DENIED),
    Case("PauseComponent", {"component_name": UNKNOWN}, "ResourceNotFoundError", UNKNOWN),
    Case("ResumeComponent", {"component_name": DENIED}, "UnauthorizedError", "", DENIED),
    Case("ResumeComponent", {"component_name": UNKNOWN}, "ResourceNotFoundError", UNKNOWN),
    Case(
        "ResumeComponent", {"component_name": DENIED}, "InvalidArgumentsError", "is not paused"
    ),
    Case(
        "GetComponentDetails",
        {"component_name": MATRIX},
        check=lambda r: (r.component_details.version, r.component_details.state)
        == ("1.0.0", "RUNNING"),
    ),
    Case("GetComponentDetails", {"component_name": ""}, "InvalidArgumentsError", "cannot be empty"),
    Case("GetComponentDetails", {"component_name": UNKNOWN}, "ResourceNotFoundError", UNKNOWN),
    Case("GetComponentDetails", {"component_name": MATRIX}, "UnauthorizedError", "", DENIED),
    Case(
        "ListComponents",
        check=lambda r: {MATRIX, DENIED, MANAGER} <= {c.component_name for c in r.components},
    ),
    Case("ListComponents", {}, "UnauthorizedError", NOT_ADMITTED, DENIED),
    Case(
        "RestartComponent",
        {"component_name": SPARE},
        check=lambda r: r.restart_status == "SUCCEEDED",
    ),
    Case("RestartComponent", {"component_name": ""}, "InvalidArgumentsError", "cannot be empty"),
    Case("RestartComponent", {"component_name": UNKNOWN}, "ResourceNotFoundError", UNKNOWN),
    Case(
        "StopComponent",
        {"component_name": SPARE},
        check=lambda r: r.stop_status == "SUCCEEDED",
    ),
    Case("StopComponent", {"component_name": ""}, "InvalidArgumentsError", "cannot be empty"),
    Case("StopComponent", {"component_name": UNKNOWN}, "ResourceNotFoundError", UNKNOWN),
    Case("CreateLocalDeployment", check=lambda r: uuid.UUID(r.deployment_id)),
    Case("CreateLocalDeployment", {"group_name": "a:b"}, "InvalidArgumentsError", "colon"),
    Case(
        "CreateLocalDeployment",
        lambda core: {"artifacts_directory_path": str(core.root / "packages")},
        "InvalidArtifactsDirectoryPathError",
        "parent of kernel artifacts directory path",
    ),
    Case("CancelLocalDeployment", {"deployment_id": "x"}, "InvalidArgumentsError", "UUID"),
    Case(
        "CancelLocalDeployment",
        {"deployment_id": NO_SUCH_DEPLOYMENT},
        "ResourceNotFoundError",
        NO_SUCH_DEPLOYMENT,
    ),
    Case("GetLocalDeploymentStatus", {"deployment_id": "x"}, "InvalidArgumentsError", "UUID"),
    Case(
        "GetLocalDeploymentStatus",
        {"deployment_id": NO_SUCH_DEPLOYMENT},
        "ResourceNotFoundError",
        "Cannot find deployment",
    ),
    Case("ListLocalDeployments", check=lambda r: isinstance(r.local_deployments, list)),
    Case(
        "CreateDebugPassword",
        check=lambda r: r.username == "debug" and len(r.password) == 43,
    ),
    Case("CreateDebugPassword", {}, "UnauthorizedError", NOT_ADMITTED, DENIED),
    Case("ValidateAuthorizationToken", {"token": "x"}, "UnauthorizedError", NOT_ADMITTED),
    Case("ValidateAuthorizationToken", {"token": "x"}, "InvalidTokenError", "Invalid", MANAGER),
    Case(
        "ValidateAuthorizationToken",
        lambda core: {"token": token(core, DENIED)},
        caller=MANAGER,
        check=lambda r: r.is_valid is True,
    ),
    Case("PutComponentMetric", metrics(1.0), caller=MANAGER),
    Case("PutComponentMetric", metrics(-1.0), "InvalidArgumentsError", "Invalid", MANAGER),
    Case("PutComponentMetric", metrics(1.0), "UnauthorizedError", NOT_ADMITTED),
    unsupported("GetSecretValue", secret_id="s"),
    unsupported("GetThingShadow", thing_name="t"),
    unsupported("UpdateThingShadow", thing_name="t", payload=b"{}"),
    unsupported("DeleteThingShadow", thing_name="t"),
    unsupported("ListNamedShadowsForThing", thing_name="t"),
    unsupported(
        "VerifyClientDeviceIdentity",
        credential=ClientDeviceCredential(client_device_certificate="c"),
    ),
    unsupported("GetClientDeviceAuthToken", credential=DEVICE_CREDENTIAL),
    unsupported(
        "AuthorizeClientDeviceAction",
        client_device_auth_token="t",
        operation="mqtt:connect",
        resource="r",
    ),
    unsupported(
        "SubscribeToCertificateUpdates",
        certificate_options=CertificateOptions(certificate_type="SERVER"),
    ),
]


def token(core, component):
    """What the component has written down."""
    return (core.root / "work" / component / "token").read_text().strip()
