"""Every operation of the Device SDK's model: its result, and each error that it may end with.

The callers are components that a deployment runs; each writes its token down, and the SDK's
`clientv2` connects with it from here, so that one table shows who asks what and what comes of it.
An error that no request can bring about is in `UNREACHABLE`, with the reason.
"""

import datetime
import json
import queue
import re
import uuid
from dataclasses import dataclass, field

import pytest
from awsiot.greengrasscoreipc import connect, model
from awsiot.greengrasscoreipc.clientv2 import GreengrassCoreIPCClientV2
from awsiot.greengrasscoreipc.model import (
    BinaryMessage,
    ClientDeviceCredential,
    ConfigurationValidityReport,
    CertificateOptions,
    CredentialDocument,
    JsonMessage,
    Metric,
    MQTTCredential,
    PublishMessage,
    ReportedLifecycleState,
)

from harness.fleet import recipe
from harness.scenario import configured
from harness.waiting import until

MATRIX, DENIED = "com.example.Matrix", "com.example.Denied"
MANAGER = "aws.greengrass.StreamManager"
PERSON = "a person"
CONFIGURATION = {"a": {"b": 1, "c": [1, 2]}, "s": "x", "_p": 2}
EVENT_TIMEOUT_S = 15


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

# What the model lists, by operation (greengrass-ipc-model: main.smithy): S ServiceError,
# R ResourceNotFoundError, A InvalidArgumentsError, U UnauthorizedError.
SHORT = {
    "S": "ServiceError",
    "R": "ResourceNotFoundError",
    "A": "InvalidArgumentsError",
    "U": "UnauthorizedError",
}
MODELLED = {
    "PublishToTopic": "S U",
    "SubscribeToTopic": "A S U",
    "PublishToIoTCore": "S U",
    "SubscribeToIoTCore": "S U",
    "SubscribeToIoTCoreConnectionStatus": "S",
    "GetConfiguration": "S R",
    "UpdateConfiguration": "S U A ConflictError FailedUpdateConditionCheckError",
    "SubscribeToConfigurationUpdate": "S R",
    "SubscribeToValidateConfigurationUpdates": "S",
    "SendConfigurationValidityReport": "A S",
    "UpdateState": "S R",
    "SubscribeToComponentUpdates": "S R",
    "DeferComponentUpdate": "S R A",
    "PauseComponent": "U S R",
    "ResumeComponent": "U S R",
    "GetComponentDetails": "S R A",
    "ListComponents": "S",
    "RestartComponent": "S A ComponentNotFoundError",
    "StopComponent": "S A ComponentNotFoundError",
    "CreateLocalDeployment": "S A InvalidRecipeDirectoryPathError"
    " InvalidArtifactsDirectoryPathError",
    "CancelLocalDeployment": "S R A",
    "GetLocalDeploymentStatus": "S R",
    "ListLocalDeployments": "S",
    "CreateDebugPassword": "U S",
    "ValidateAuthorizationToken": "InvalidTokenError U S",
    "GetSecretValue": "U R S",
    "PutComponentMetric": "U S A",
    "GetThingShadow": "A R S U",
    "UpdateThingShadow": "A ConflictError S U",
    "DeleteThingShadow": "A R S U",
    "ListNamedShadowsForThing": "A R S U",
    "VerifyClientDeviceIdentity": "U S A",
    "GetClientDeviceAuthToken": "U S A InvalidCredentialError",
    "AuthorizeClientDeviceAction": "U S A InvalidClientDeviceAuthTokenError",
    "SubscribeToCertificateUpdates": "U S A",
}

BROKEN = "only if the nucleus itself fails, for example for want of disk space"
NO_POLICY = "there is no authorization for it: each component changes only its own configuration"
AS_JAVA = "the Java nucleus answers ResourceNotFoundError instead, and so does ours"
UNREACHABLE = {
    "PublishToTopic": {"S": BROKEN},
    "SubscribeToTopic": {"S": BROKEN},
    "SubscribeToIoTCoreConnectionStatus": {"S": BROKEN},
    "GetConfiguration": {"S": BROKEN},
    "UpdateConfiguration": {"U": NO_POLICY, "ConflictError": "the Java nucleus never raises it"},
    "SubscribeToConfigurationUpdate": {"S": BROKEN},
    "SubscribeToValidateConfigurationUpdates": {"S": BROKEN},
    "SendConfigurationValidityReport": {"S": BROKEN},
    "SubscribeToComponentUpdates": {"S": BROKEN},
    "DeferComponentUpdate": {"R": "who is unknown has no subscription, and hears that first"},
    "PauseComponent": {"S": "only where control groups fail; `ipc::tests::lifecycle`"},
    "ResumeComponent": {"S": "only where control groups fail; `ipc::tests::lifecycle`"},
    "GetComponentDetails": {"S": BROKEN},
    "ListComponents": {"S": BROKEN},
    "RestartComponent": {"S": BROKEN, "ComponentNotFoundError": AS_JAVA},
    "StopComponent": {"S": BROKEN, "ComponentNotFoundError": AS_JAVA},
    "CreateLocalDeployment": {
        "S": "only with 64 deployments waiting",
        "InvalidRecipeDirectoryPathError": "a wrong folder fails the deployment when its turn"
        " comes, as in the Java nucleus",
    },
    "CancelLocalDeployment": {"S": BROKEN},
    "GetLocalDeploymentStatus": {"S": BROKEN},
    "ListLocalDeployments": {"S": BROKEN},
    "CreateDebugPassword": {"S": BROKEN},
    "ValidateAuthorizationToken": {"S": BROKEN},
    "PutComponentMetric": {"S": BROKEN},
}
# Operations whose components are not there yet answer nothing but "not supported".
for operation in [
    "GetSecretValue",
    "GetThingShadow",
    "UpdateThingShadow",
    "DeleteThingShadow",
    "ListNamedShadowsForThing",
    "VerifyClientDeviceIdentity",
    "GetClientDeviceAuthToken",
    "AuthorizeClientDeviceAction",
    "SubscribeToCertificateUpdates",
]:
    others = [name for name in MODELLED[operation].split() if name != "S"]
    UNREACHABLE[operation] = {name: "no component here brings the operation" for name in others}


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
        {"component_name": "com.example.Spare"},
        check=lambda r: r.restart_status == "SUCCEEDED",
    ),
    Case("RestartComponent", {"component_name": ""}, "InvalidArgumentsError", "cannot be empty"),
    Case("RestartComponent", {"component_name": UNKNOWN}, "ResourceNotFoundError", UNKNOWN),
    Case(
        "StopComponent",
        {"component_name": "com.example.Spare"},
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
# Results that take more than one call; each has a test of its own below.
SEQUENCES = {
    "DeferComponentUpdate": "test_defer_component_update_late",
    "SendConfigurationValidityReport": "test_policies.py",
    "PauseComponent": "test_pause_and_resume",
    "ResumeComponent": "test_pause_and_resume",
    "CancelLocalDeployment": "test_local_deployments_are_known_by_their_id",
    "GetLocalDeploymentStatus": "test_local_deployments_are_known_by_their_id",
}
IN_SEQUENCES = {("DeferComponentUpdate", "ServiceError")}
UNSUPPORTED = {case.operation for case in CASES if "not supported" in case.says}


def operations():
    """The names of all operations, as the SDK has them."""
    found = re.findall(r"_(\w+)Operation\b", " ".join(dir(model)))
    assert len(found) > 30
    return set(found)


def method(client, operation):
    """`clientv2`'s method, found by its letters: `PublishToIoTCore` is `publish_to_iot_core`."""
    names = {name.replace("_", ""): name for name in dir(client) if not name.startswith("_")}
    return getattr(client, names[operation.lower()])


def token(core, component):
    return (core.root / "work" / component / "token").read_text().strip()


@pytest.fixture(scope="module")
def clients(fleet, core):
    """Connected clients, by caller."""
    run = {"run": "echo $SVCUID > token; exec sleep 1000"}
    spare = "com.example.Spare"
    for name in [MATRIX, DENIED, MANAGER, spare]:
        fleet.create(recipe(name, "1.0.0", run, configuration={"watched": {"n": "0"}}))
    components = {name: "1.0.0" for name in [DENIED, MANAGER, spare]}
    components[MATRIX] = configured("1.0.0", accessControl=ACCESS, **CONFIGURATION)
    fleet.until_succeeded(core, fleet.deploy(core.group_arn(), components))
    for name in components:
        until(lambda name=name: len(token(core, name)) == 16, f"{name} has its token")

    def connected(secret):
        socket = str(core.root / "ipc.socket")
        return GreengrassCoreIPCClientV2(connect(ipc_socket=socket, authtoken=secret))

    connections = {name: connected(token(core, name)) for name in [MATRIX, DENIED, MANAGER]}
    (info,) = (core.root / "cli_ipc_info").glob("user-*")
    secret = re.search(r'"cli_auth_token":\s*"(\w+)"', info.read_text())[1]
    connections[PERSON] = connected(secret)
    yield connections
    for client in connections.values():
        client.close()


def test_the_matrix_has_every_operation_of_the_sdk():
    assert set(MODELLED) == operations()
    assert {case.operation for case in CASES} == operations()


def test_every_operation_succeeds_somewhere_or_is_not_there_yet():
    succeed = {case.operation for case in CASES if not case.error} | set(SEQUENCES)
    assert succeed | UNSUPPORTED == operations()
    assert not succeed & UNSUPPORTED


def test_every_modelled_error_is_met_or_explained():
    met = {(case.operation, case.error) for case in CASES if case.error} | IN_SEQUENCES
    for operation, names in MODELLED.items():
        reasons = UNREACHABLE.get(operation, {})
        for name in names.split():
            is_met = (operation, SHORT.get(name, name)) in met
            assert is_met != bool(reasons.get(name)), f"{operation}: {name} is met: {is_met}"
        assert set(reasons) <= set(names.split()), f"{operation}: no such error in the model"


@pytest.mark.parametrize("case", CASES, ids=str)
def test_operation(clients, core, case):
    client = clients[case.caller]
    call = method(client, case.operation)
    arguments = case.arguments(core) if callable(case.arguments) else case.arguments
    events = queue.Queue()
    streams = case.operation.startswith("SubscribeTo")
    if streams:
        arguments = arguments | {"on_stream_event": events.put}
    if case.error:
        with pytest.raises(getattr(model, case.error)) as caught:
            call(**arguments)
        assert case.says in caught.value.message
        return
    answer = call(**arguments)
    response, stream = answer if streams else (answer, None)
    assert type(response) is getattr(model, f"{case.operation}Response")
    if case.check:
        assert case.check(response), response
    if case.trigger:
        case.trigger(clients)
    if case.event:
        event = events.get(timeout=EVENT_TIMEOUT_S)
        assert case.event(event), event
    if stream:
        stream.close().result(timeout=EVENT_TIMEOUT_S)


def test_defer_component_update_late(clients):
    _, stream = clients[DENIED].subscribe_to_component_updates(on_stream_event=lambda _: None)
    with pytest.raises(model.ServiceError) as caught:
        clients[DENIED].defer_component_update(deployment_id="d", recheck_after_ms=1)
    assert "Time limit to respond to PreComponentUpdateEvent exceeded" in caught.value.message
    stream.close().result(timeout=EVENT_TIMEOUT_S)


def test_pause_and_resume(clients):
    client = clients[MATRIX]
    try:
        client.pause_component(component_name=DENIED)
    except model.ServiceError as error:
        pytest.skip(f"this machine lets nobody pause: {error.message}")
    client.resume_component(component_name=DENIED)
    with pytest.raises(model.InvalidArgumentsError):
        client.resume_component(component_name=DENIED)


def test_local_deployments_are_known_by_their_id(clients):
    client = clients[MATRIX]
    created = client.create_local_deployment().deployment_id

    def ended():
        found = client.get_local_deployment_status(deployment_id=created).deployment
        return found if found.status in {"SUCCEEDED", "FAILED"} else None

    found = until(ended, "the local deployment has ended")
    assert (found.deployment_id, found.status) == (created, "SUCCEEDED"), found
    message = client.cancel_local_deployment(deployment_id=created).message
    assert "already finished" in message
    listed = client.list_local_deployments().local_deployments
    assert created in [deployment.deployment_id for deployment in listed]


def test_a_denied_call_logs_the_policy_that_allows_it(fleet, core, clients):
    client = clients[DENIED]
    with pytest.raises(model.UnauthorizedError):
        client.publish_to_topic(**text("granted/later"))
    pattern = r"add to the component's accessControl: (\{.*\})"
    lines = [line for line in core.log("greengrass").splitlines() if "granted/later" in line]
    logged = until(lambda: re.search(pattern, lines[-1]), f"the refusal is logged: {lines}")
    access = json.JSONDecoder().raw_decode(logged[1])[0]
    spare = "com.example.Spare"
    components = {name: "1.0.0" for name in [MATRIX, MANAGER, spare]}
    components[DENIED] = configured("1.0.0", accessControl=access)
    fleet.until_succeeded(core, fleet.deploy(core.group_arn(), components))
    client.publish_to_topic(**text("granted/later"))
    with pytest.raises(model.UnauthorizedError):
        client.publish_to_topic(**text("granted/later/more"))
