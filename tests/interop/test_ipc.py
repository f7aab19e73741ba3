"""What components do over IPC with the Device SDK, seen from outside of the device."""

import time
from pathlib import Path

import pytest

from harness.fleet import allow, recipe
from harness.mqtt import Identity, Mqtt5, Mqtt311, statement
from harness.scenario import PYTHON, source
from harness.waiting import until

QUIET = "com.example.Quiet"
FLOOD_TOPIC = "flood/core1"
PAYLOAD = b"x" * 100_000
MESSAGES = 1500
# A debug build's own 23 MB and the bounds of its queues: 64 messages from the broker, 64 for the
# IPC server and 4 MiB for the stream. The 150 MB of all messages would not fit.
MAX_RSS_KB = 64 * 1024


def python(fleet, name, file, *arguments, configuration=None):
    """A component that runs one of our sources, and stays."""
    artifact = source(fleet, file, "1.0.0")
    words = " ".join(arguments)
    run = f"{PYTHON} -u {{artifacts:path}}/1.0.0 {words}; sleep 1000"
    document = recipe(
        name, "1.0.0", {"run": run}, artifacts=[artifact], configuration=configuration or {}
    )
    fleet.create(document)


@pytest.fixture
def deployed(fleet, core):
    """Deploys one component, and leaves the device as it was."""

    def deploy(name):
        fleet.until_succeeded(core, fleet.deploy(core.group_arn(), {name: "1.0.0"}))

    yield deploy
    if core.process.child is None:
        core.start()
    fleet.until_succeeded(core, fleet.deploy(core.group_arn(), {}))


@pytest.fixture
def somebody(cloud, folder, request):
    """Somebody else in the cloud, who may publish and subscribe."""
    thing = f"somebody-{request.node.name[-40:]}".replace("_", "-")
    topics = ["iot:Publish", "iot:Subscribe", "iot:Receive"]
    statements = [statement("Allow", action, "*") for action in ["iot:Connect", *topics]]
    return Identity(cloud, thing, statements, folder)


def test_a_component_finds_what_it_configured_again_after_a_restart(fleet, core, deployed):
    name = "com.example.Keeper"
    python(fleet, name, "settings_keeper.py", configuration={"starts": 0})
    deployed(name)
    core.until_log(name, "kept 1")
    assert core.stop() == 0
    core.start()
    core.until_log(name, "kept 2")
    core.kill()
    core.start()
    core.until_log(name, "kept 3")
    assert core.log(name).count("found 0") == 1


def test_a_component_without_a_mqttproxy_policy_may_not_publish_to_iot_core(
    fleet, core, deployed, somebody
):
    topic = f"fleet/{core.thing}/secret"
    listener = Mqtt5(somebody)
    listener.until("connected")
    listener.subscribe(topic)
    python(fleet, QUIET, "cloud_publisher.py", topic)
    deployed(QUIET)
    core.until_log(QUIET, "refused: Not Authorized")
    assert "published" not in core.log(QUIET)

    name = "com.example.Heard"
    access = allow(name, "mqttproxy", "PublishToIoTCore", f"fleet/{core.thing}/*")
    python(fleet, name, "cloud_publisher.py", topic, configuration={"accessControl": access})
    deployed(name)
    core.until_log(name, "published")
    listener.until_message(topic)
    assert len(listener.messages(topic)) == 1, "the refused message went out too"
    listener.stop()


def test_a_flood_from_the_cloud_does_not_fill_the_devices_memory(
    fleet, core, deployed, somebody
):
    name = "com.example.NeverReading"
    access = allow(name, "mqttproxy", "SubscribeToIoTCore", FLOOD_TOPIC)
    python(
        fleet, name, "never_reading.py", FLOOD_TOPIC, configuration={"accessControl": access}
    )
    deployed(name)
    core.until_log(name, "subscribed")
    # The SDK's MQTT 5 client would keep to AWS IoT Core's 512 kB/s by itself.
    flooder = Mqtt311(somebody).connect()
    peak = 0
    for _ in range(MESSAGES):
        flooder.publish(FLOOD_TOPIC, PAYLOAD)
        peak = max(peak, resident_kb(core))
    assert peak < MAX_RSS_KB, f"{peak} kB after {MESSAGES} messages of {len(PAYLOAD)} bytes"
    flooder.disconnect()
    fleet.until_succeeded(core, fleet.deploy(core.group_arn(), {}))


def resident_kb(core):
    status = Path(f"/proc/{core.process.child.pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if "VmRSS" in line)


def test_a_component_that_ignores_sigterm_does_not_hold_up_the_devices_end(
    fleet, core, deployed
):
    name = "com.example.Deaf"
    run = "trap '' TERM; echo up; while :; do sleep 1; done"
    shutdown = {"Script": "trap '' TERM; echo shutting down; sleep 1000", "Timeout": 12}
    fleet.create(recipe(name, "1.0.0", {"run": run, "shutdown": shutdown}))
    deployed(name)
    core.until_log(name, "up")
    start = time.monotonic()
    assert core.stop() == 0, "stop() itself allows 10 s"
    took_s = time.monotonic() - start
    assert "shutting down" in core.log(name), "the shutdown step had its chance"
    assert 5 < took_s < 10, f"components have 7 s, and this one uses them up: {took_s:.1f} s"
    until(lambda: not processes(core.root / "work" / name), "its processes are gone", 5)


def processes(folder):
    """The processes that work in a folder."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and (entry / "cwd").resolve(strict=True) == folder.resolve():
                found.append(entry.name)
        except OSError:
            continue
    return found
