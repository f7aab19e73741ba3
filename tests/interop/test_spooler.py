"""Store and forward: what a component publishes while the device is offline arrives afterwards."""

import json

import pytest
from awsiot.greengrasscoreipc import connect, model
from awsiot.greengrasscoreipc.clientv2 import GreengrassCoreIPCClientV2

from conftest import own_user
from harness import scenario
from harness.fleet import Fleet, allow, recipe
from harness.ipc_calls import allow_all, token
from harness.programs import Cloud, Core, remove_folder, temporary_folder
from harness.scenario import PYTHON, source
from harness.waiting import until

NAME = "com.example.Counter"
COUNT = 20


@pytest.fixture(params=["Memory", "Disk"])
def place(request):
    folder = temporary_folder()
    cloud = Cloud(folder).start()
    core = Core(cloud, folder, options=own_user())
    core.configure("mqtt", spooler={"storageType": request.param})
    core.start()
    monitor = scenario.monitor(cloud, folder)
    yield cloud, core, monitor, request.param
    monitor.stop()
    core.stop()
    cloud.stop()
    remove_folder(folder)


def numbers(monitor, topic):
    """What arrived, each number once, in the order of its first arrival."""
    seen = []
    for payload in monitor.messages(topic):
        number = json.loads(payload)
        if number not in seen:
            seen.append(number)
    return seen


def set_certificate(fleet, core, status):
    """Without an active certificate a device is offline, and everybody else is not."""
    (principal,) = fleet.iot.list_thing_principals(thingName=core.thing)["principals"]
    certificate = principal.rsplit("/", 1)[1]
    fleet.iot.update_certificate(certificateId=certificate, newStatus=status)


def test_messages_of_an_offline_device_arrive_in_order(place):
    cloud, core, monitor, storage = place
    topic = f"fleet/{core.thing}/numbers"
    monitor.subscribe("fleet/#")
    fleet = Fleet(cloud)
    artifact = source(fleet, "counter.py", "1.0.0")
    access = allow(NAME, "mqttproxy", "PublishToIoTCore", topic)
    go = core.root / "work" / NAME / "go"
    lifecycle = {"run": f"{PYTHON} -u {{artifacts:path}}/1.0.0 {topic} {COUNT} {go}"}
    fleet.create(
        recipe(
            NAME,
            "1.0.0",
            lifecycle,
            configuration={"accessControl": access},
            artifacts=[artifact],
        )
    )
    fleet.until_succeeded(core, fleet.deploy(core.group_arn(), {NAME: "1.0.0"}))
    core.until_log(NAME, "ready")
    set_certificate(fleet, core, "INACTIVE")
    until(lambda: "not connected to the cloud" in core.nucleus_log(), "the device is offline")
    go.write_text("")
    core.until_log(NAME, f"spooled {COUNT}")
    if storage == "Disk":
        core.kill()
        go.unlink()
        core.start()
    set_certificate(fleet, core, "ACTIVE")
    expected = list(range(1, COUNT + 1))
    until(lambda: numbers(monitor, topic) == expected, f"{expected} arrived", timeout_s=60)
    assert "a component's message is given up" not in core.nucleus_log()


@pytest.fixture
def mqtt3():
    """A device whose connection is MQTT 3.1.1, and a client of a component that may publish."""
    folder = temporary_folder()
    cloud = Cloud(folder).start()
    core = Core(cloud, folder, options=(*own_user(), "--allow-topic", "fleet/*"))
    core.configure("mqtt", version="mqtt3", maximumReconnectDelaySeconds=1)
    core.start()
    fleet = Fleet(cloud)
    configuration = {"accessControl": allow_all("aws.greengrass.ipc.mqttproxy")}
    run = {"run": "echo $SVCUID > token; exec sleep 1000"}
    fleet.create(recipe(NAME, "1.0.0", run, configuration=configuration))
    fleet.until_succeeded(core, fleet.deploy(core.group_arn(), {NAME: "1.0.0"}))
    secret = until(lambda: token(core, NAME), "the component has its token")
    connection = connect(ipc_socket=str(core.root / "ipc.socket"), authtoken=secret)
    client = GreengrassCoreIPCClientV2(connection)
    monitor = scenario.monitor(cloud, folder)
    yield core, client, monitor
    client.close()
    monitor.stop()
    core.stop()
    cloud.stop()
    remove_folder(folder)


def test_a_message_that_makes_the_cloud_cut_mqtt_3_is_parked_and_the_others_flow(mqtt3):
    core, client, monitor = mqtt3
    topic = f"fleet/{core.thing}/numbers"
    monitor.subscribe("fleet/#")
    for number in range(1, COUNT + 1):
        is_refused = number == COUNT // 2
        where = "not/allowed" if is_refused else topic
        client.publish_to_iot_core(topic_name=where, qos="1", payload=str(number).encode())
    expected = [number for number in range(1, COUNT + 1) if number != COUNT // 2]
    until(lambda: numbers(monitor, topic) == expected, f"{expected} arrived", timeout_s=60)
    folder = core.root / "work" / "aws.greengrass.DiskSpooler" / "parked"
    (file,) = until(lambda: list(folder.glob("*.json")), "the refused one is parked")
    parked = json.loads(file.read_text())
    assert parked["topic"] == "not/allowed"
    assert "3 connections on which it was alone" in parked["reason"]
    connections = core.nucleus_log().count("not connected to the cloud")
    client.publish_to_iot_core(topic_name=topic, qos="1", payload=b"1000")
    monitor.until_message(topic, lambda payload: payload == b"1000")
    assert core.nucleus_log().count("not connected to the cloud") == connections


def test_a_topic_for_which_the_cloud_cuts_costs_a_few_connections_and_no_more(mqtt3):
    core, client, monitor = mqtt3
    topic = f"fleet/{core.thing}/numbers"
    monitor.subscribe("fleet/#")

    def refusal():
        try:
            client.publish_to_iot_core(topic_name="not/allowed", qos="0", payload=b"x")
        except model.ServiceError as error:
            return "has ended the connection" in error.message
        return False

    until(refusal, "messages of QoS 0 on the topic are refused", timeout_s=60)
    connections = core.nucleus_log().count("not connected to the cloud")
    assert connections < 10
    for number in range(1, COUNT + 1):
        client.publish_to_iot_core(topic_name=topic, qos="1", payload=str(number).encode())
        assert refusal()
    expected = list(range(1, COUNT + 1))
    until(lambda: numbers(monitor, topic) == expected, f"{expected} arrived", timeout_s=60)
    assert core.nucleus_log().count("not connected to the cloud") == connections
