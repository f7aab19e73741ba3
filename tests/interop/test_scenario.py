"""The scenario, in order: each test carries on where the one before stopped."""

import pytest

from harness import scenario
from harness.scenario import A, B, C, configured, heard
from harness.waiting import until

BUCKET = "uploads"


@pytest.fixture(scope="module")
def monitor(cloud, folder, core):
    client = scenario.monitor(cloud, folder)
    client.topic = f"fleet/{core.thing}/greetings"
    assert client.subscribe("fleet/#") <= 1
    yield client
    client.stop()


def test_01_a_publishes_b_forwards_and_the_gateway_delivers(fleet, core, monitor):
    scenario.publisher(fleet, "1.0.0")
    scenario.forwarder(fleet, core)
    deployment = fleet.deploy(core.group_arn(), {A: "1.0.0", B: "1.0.0"})
    row = fleet.until_succeeded(core, deployment)
    assert row["coreDeviceExecutionStatus"] == "SUCCEEDED"
    monitor.until_message(monitor.topic, heard(greeting="hello", version="1.0.0"))


def test_02_the_cloud_lists_what_runs(fleet, core, cloud):
    fleet.until_healthy(core)
    fleet.until_installed(core, A, "1.0.0")
    fleet.until_installed(core, B, "1.0.0")
    device = cloud.aws("greengrassv2", "get-core-device", "--core-device-thing-name", core.thing)
    assert device["status"] == "HEALTHY" and device["platform"] == "linux"
    listed = cloud.aws("greengrassv2", "list-core-devices")["coreDevices"]
    assert [d["coreDeviceThingName"] for d in listed] == [core.thing]
    rows = cloud.aws(
        "greengrassv2", "list-installed-components", "--core-device-thing-name", core.thing
    )["installedComponents"]
    assert {A, B} <= {r["componentName"] for r in rows}
    rows = cloud.aws(
        "greengrassv2", "list-effective-deployments", "--core-device-thing-name", core.thing
    )["effectiveDeployments"]
    assert rows[0]["coreDeviceExecutionStatus"] == "SUCCEEDED"


def test_03_a_message_from_iot_core_reaches_the_component(core, monitor):
    assert monitor.publish(f"fleet/{core.thing}/commands", b"open the door") == 0
    core.until_log(B, "command open the door")


def test_04_a_new_configuration_arrives_without_a_restart(fleet, core, monitor):
    starts = core.log(A).count("started 1.0.0")
    deployment = fleet.deploy(
        core.group_arn(), {A: configured("1.0.0", greeting="good day"), B: "1.0.0"}
    )
    fleet.until_succeeded(core, deployment)
    monitor.until_message(monitor.topic, heard(greeting="good day", version="1.0.0"))
    core.until_log(A, "updated ['greeting'] to good day")
    assert core.log(A).count("started 1.0.0") == starts


def test_05_a_third_component_uploads_with_the_devices_credentials(fleet, core):
    fleet.s3.create_bucket(Bucket=BUCKET)
    scenario.uploader(fleet, BUCKET)
    components = {A: "1.0.0", B: "1.0.0", C: "1.0.0"}
    fleet.until_succeeded(core, fleet.deploy(core.group_arn(), components))

    def uploaded():
        return fleet.s3.get_object(Bucket=BUCKET, Key="from-the-device.txt")["Body"].read()

    assert until(uploaded, f"the upload; log: {core.log(C)}") == b"hello from the device"


def test_06_v2_replaces_v1(fleet, core, monitor):
    scenario.publisher(fleet, "2.0.0")
    fleet.until_succeeded(core, fleet.deploy(core.group_arn(), {A: "2.0.0", B: "1.0.0"}))
    monitor.until_message(monitor.topic, heard(version="2.0.0", greeting="good day"))
    fleet.until_installed(core, A, "2.0.0")


def test_07_a_broken_v3_is_rolled_back_and_the_cloud_says_why(fleet, core, monitor):
    scenario.broken_publisher(fleet, "3.0.0")
    deployment = fleet.deploy(core.group_arn(), {A: "3.0.0", B: "1.0.0"})
    row = fleet.until_failed(core, deployment)
    assert "FAILED_ROLLBACK_COMPLETE" in row["reason"] and A in row["reason"], row
    assert "exited with code 7" in row["reason"], row
    assert "COMPONENT_BROKEN" in row["statusDetails"]["errorStack"]
    fleet.until_installed(core, A, "2.0.0")
    monitor.forget()
    monitor.until_message(monitor.topic, heard(version="2.0.0"))


def test_08_a_thing_deployment_adds_to_what_the_group_brought(fleet, core):
    from harness.fleet import recipe

    fleet.create(recipe("com.example.Own", "1.0.0", {"run": "echo own; sleep 1000"}))
    deployment = fleet.deploy(core.thing_arn(), {"com.example.Own": "1.0.0"})
    row = fleet.until_ended(core, deployment)
    assert row["coreDeviceExecutionStatus"] == "COMPLETED", row
    got = fleet.greengrass.get_deployment(deploymentId=deployment)
    assert got["deploymentStatus"] == "COMPLETED"
    fleet.until_installed(core, "com.example.Own", "1.0.0")
    assert A in fleet.installed(core)


def test_09_removing_a_component_from_the_deployment_stops_and_removes_it(fleet, core):
    fleet.until_succeeded(core, fleet.deploy(core.group_arn(), {B: "1.0.0"}))
    until(lambda: A not in fleet.installed(core), f"{A} is gone: {fleet.installed(core)}")
    assert not core.processes("2.0.0 2.0.0")


def test_10_leaving_the_group_removes_what_only_the_group_brought(fleet, core):
    fleet.iot.remove_thing_from_thing_group(
        thingGroupName=core.groups[0], thingName=core.thing
    )
    deployment = fleet.deploy(core.thing_arn(), {"com.example.Own": "1.0.0"})
    fleet.until_succeeded(core, deployment)
    until(lambda: B not in fleet.installed(core), f"{B} is gone: {fleet.installed(core)}")
    assert "com.example.Own" in fleet.installed(core)


def test_11_cancelling_a_queued_deployment_keeps_it_from_the_device(fleet, core, cloud):
    fleet.iot.add_thing_to_thing_group(thingGroupName=core.groups[0], thingName=core.thing)
    assert core.stop() == 0
    deployment = fleet.deploy(core.group_arn(), {A: "1.0.0"})
    cloud.aws("greengrassv2", "cancel-deployment", "--deployment-id", deployment)
    core.start()
    later = fleet.deploy(core.thing_arn(), {"com.example.Own": "1.0.0"})
    fleet.until_succeeded(core, later)
    assert A not in fleet.installed(core)
    row = fleet.effective(core, deployment)
    assert row is None or row["coreDeviceExecutionStatus"] == "CANCELED"
