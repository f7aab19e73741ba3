"""A component inside the nucleus that answers operations of the IPC, deployed and removed: a device
whose program (`edge/marramd/examples/guest.rs`) has one more native component than `marramd`."""

import queue

import pytest
from awsiot.greengrasscoreipc import connect, model
from awsiot.greengrasscoreipc.clientv2 import GreengrassCoreIPCClientV2

from conftest import own_user
from harness.fleet import recipe
from harness.ipc_calls import allow_all, token
from harness.programs import BIN, Core
from harness.scenario import configured
from harness.waiting import until

GUEST, CALLER = "com.example.Vault", "com.example.GuestCaller"
ARN = "arn:aws:secretsmanager:eu-west-1:1:secret:pump-AbCdEf"
EVENT_TIMEOUT_S = 15


@pytest.fixture
def core(cloud, folder):
    core = Core(cloud, folder, options=own_user())
    core.program = BIN / "examples" / "guest"
    core.start()
    yield core
    core.stop()


@pytest.fixture
def client(fleet, core):
    """The SDK's client of a component that may read the secret and watch certificates."""
    run = {"run": "echo $SVCUID > token; exec sleep 1000"}
    access = allow_all("aws.greengrass.clientdevices.Auth")
    policy = {"p": {"operations": ["*"], "resources": ["arn:aws:secretsmanager:*"]}}
    access["aws.greengrass.SecretManager"] = policy
    fleet.create(recipe(CALLER, "1.0.0", run, configuration={"accessControl": access}))
    fleet.create(recipe(GUEST, "1.0.0", {}))
    fleet.until_succeeded(core, fleet.deploy(core.group_arn(), {CALLER: "1.0.0"}))
    secret = until(lambda: token(core, CALLER), "the component has its token")
    connection = connect(ipc_socket=str(core.root / "ipc.socket"), authtoken=secret)
    client = GreengrassCoreIPCClientV2(connection)
    yield client
    client.close()


def unsupported(call):
    with pytest.raises(model.ServiceError) as caught:
        call()
    return "is not supported by Greengrass" in caught.value.message


def test_operations_are_answered_only_while_their_component_is_deployed(fleet, core, client):
    events, closed = queue.Queue(), queue.Queue()

    def secret(secret_id=ARN):
        return client.get_secret_value(secret_id=secret_id)

    def watch():
        return client.subscribe_to_certificate_updates(
            certificate_options=model.CertificateOptions(certificate_type="SERVER"),
            on_stream_event=events.put,
            on_stream_closed=lambda: closed.put("closed"),
        )

    assert unsupported(secret) and unsupported(watch)

    guest = configured("1.0.0", secrets={ARN: "pressure"})
    components = {CALLER: "1.0.0", GUEST: guest}
    fleet.until_succeeded(core, fleet.deploy(core.group_arn(), components))
    answer = secret()
    assert (answer.secret_id, answer.secret_value.secret_string) == (ARN, "pressure")
    with pytest.raises(model.ResourceNotFoundError):
        secret(ARN + "2")
    with pytest.raises(model.UnauthorizedError) as caught:
        secret("pump")
    assert "on resource pump" in caught.value.message
    watch()
    update = events.get(timeout=EVENT_TIMEOUT_S).certificate_update
    assert (update.certificate, update.ca_certificates) == ("certificate", ["root"])

    fleet.until_succeeded(core, fleet.deploy(core.group_arn(), {CALLER: "1.0.0"}))
    assert closed.get(timeout=EVENT_TIMEOUT_S) == "closed", "the stream ended with the component"
    assert unsupported(secret) and unsupported(watch)
