"""Every operation of the Device SDK's model: its result, and each error that it may end with.

The callers are components that a deployment runs; each writes its token down, and the SDK's
`clientv2` connects with it from here, so that one table shows who asks what and what comes of it.
An error that no request can bring about is in `UNREACHABLE`, with the reason. The calls
are in `harness/ipc_calls.py`.
"""

import json
import queue
import re

import pytest
from awsiot.greengrasscoreipc import connect, model
from awsiot.greengrasscoreipc.clientv2 import GreengrassCoreIPCClientV2

from harness.fleet import recipe
from harness.ipc_calls import (
    ACCESS,
    CASES,
    CONFIGURATION,
    DENIED,
    MANAGER,
    MATRIX,
    PERSON,
    SPARE,
    text,
    token,
)
from harness.ipc_model import MODELLED, SHORT, UNREACHABLE
from harness.scenario import configured
from harness.waiting import until

EVENT_TIMEOUT_S = 15

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


@pytest.fixture(scope="module")
def clients(fleet, core):
    """Connected clients, by caller."""
    run = {"run": "echo $SVCUID > token; exec sleep 1000"}
    for name in [MATRIX, DENIED, MANAGER, SPARE]:
        fleet.create(recipe(name, "1.0.0", run, configuration={"watched": {"n": "0"}}))
    components = {name: "1.0.0" for name in [DENIED, MANAGER, SPARE]}
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
    components = {name: "1.0.0" for name in [MATRIX, MANAGER, SPARE]}
    components[DENIED] = configured("1.0.0", accessControl=access)
    fleet.until_succeeded(core, fleet.deploy(core.group_arn(), components))
    client.publish_to_topic(**text("granted/later"))
    with pytest.raises(model.UnauthorizedError):
        client.publish_to_topic(**text("granted/later/more"))


def test_the_connection_status_follows_the_cloud(core, cloud, clients):
    events = queue.Queue()
    _, stream = clients[DENIED].subscribe_to_iot_core_connection_status(
        on_stream_event=events.put
    )

    def next_status():
        return events.get(timeout=60).connection_status_event.status

    assert next_status() == "CONNECTED"
    cloud.stop()
    assert next_status() == "DISCONNECTED"
    cloud.start()
    assert next_status() == "CONNECTED", "and not DISCONNECTED a second time"
    assert events.empty()
    stream.close().result(timeout=EVENT_TIMEOUT_S)
