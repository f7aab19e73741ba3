"""Conformance cases of the control plane that no other file has, as boto3 sees them."""

import json

import pytest
from botocore.exceptions import ClientError

from harness import stores
from harness.fleet import recipe
from harness.mqtt import Identity, Mqtt5, statement
from harness.waiting import until


@pytest.fixture(scope="module", params=stores.STORES)
def store(request):
    return request.param


@pytest.fixture(scope="module")
def device(cloud, folder):
    """May do everything over MQTT, and is connected."""
    identity = Identity(cloud, "device", [statement("Allow", ["iot:*"], "*")], folder)
    client = Mqtt5(identity)
    client.until("connected")
    yield client
    client.stop()


def error(call, **arguments):
    """The code and the status that boto3 sees."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    response = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def report(device, thing, sequence=1):
    """What a core device says of itself."""
    body = {
        "ggcVersion": "2.17.0",
        "platform": "linux",
        "architecture": "amd64",
        "thing": thing,
        "sequenceNumber": sequence,
        "timestamp": 1767323045000 + sequence,
        "messageType": "COMPLETE",
        "trigger": "NUCLEUS_LAUNCH",
        "components": [],
        "overallDeviceStatus": "HEALTHY",
    }
    device.publish(f"$aws/things/{thing}/greengrassv2/health/json", json.dumps(body))


def test_a3_exactly_one_source_is_needed(fleet):
    create = fleet.greengrass.create_component_version
    source = {"lambdaArn": "arn:aws:lambda:us-east-1:123456789012:function:f:1"}
    document = json.dumps(recipe("com.example.Two", "1.0.0", {"run": "true"}))
    assert error(create) == ("ValidationException", 400)
    both = error(create, inlineRecipe=document, lambdaFunction=source)
    assert both == ("ValidationException", 400)
    assert error(create, lambdaFunction=source) == ("ValidationException", 400)


def test_a6_a_recipe_comes_in_the_form_that_is_asked_for(fleet):
    yaml = (
        "RecipeFormatVersion: '2020-01-25'\nComponentName: com.example.A6\n"
        "ComponentVersion: 1.0.0\nManifests:\n  - Lifecycle: {run: 'true'}\n"
    )
    arn = fleet.greengrass.create_component_version(inlineRecipe=yaml)["arn"]
    got = fleet.greengrass.get_component(arn=arn, recipeOutputFormat="JSON")
    assert json.loads(got["recipe"])["ComponentName"] == "com.example.A6"
    got = fleet.greengrass.get_component(arn=arn, recipeOutputFormat="YAML")
    assert got["recipeOutputFormat"] == "YAML" and b"ComponentName: com.example.A6" in got["recipe"]


def test_a11_an_active_deployment_is_cancelled_before_it_is_deleted(cloud, fleet):
    fleet.iot.create_thing(thingName="a11")
    deployment = {"deploymentId": fleet.deploy(cloud.arn("iot", "thing/a11"), {})}
    active = error(fleet.greengrass.delete_deployment, **deployment)
    assert active == ("ConflictException", 409)
    fleet.greengrass.cancel_deployment(**deployment)
    deleted = fleet.greengrass.delete_deployment(**deployment)
    assert deleted["ResponseMetadata"]["HTTPStatusCode"] == 204
    gone = error(fleet.greengrass.get_deployment, **deployment)
    assert gone == ("ResourceNotFoundException", 404)


def test_a13_a_subgroup_has_one_parent_whose_next_revision_replaces_it(cloud, fleet):
    fleet.iot.create_thing(thingName="a13")
    arn = {}
    for group in ("a13-g", "a13-h", "a13-s"):
        fleet.iot.create_thing_group(thingGroupName=group)
        arn[group] = cloud.arn("iot", f"thinggroup/{group}")
    create, get = fleet.greengrass.create_deployment, fleet.greengrass.get_deployment
    parent = {"parentTargetArn": arn["a13-g"]}
    thing = error(create, targetArn=cloud.arn("iot", "thing/a13"), **parent)
    assert thing == ("ValidationException", 400)
    create(targetArn=arn["a13-g"])
    create(targetArn=arn["a13-h"])
    sub = create(targetArn=arn["a13-s"], **parent)["deploymentId"]
    other = error(create, targetArn=arn["a13-s"], parentTargetArn=arn["a13-h"])
    assert other == ("ConflictException", 409)
    listed = fleet.greengrass.list_deployments(**parent)["deployments"]
    assert [row["deploymentId"] for row in listed] == [sub]
    create(targetArn=arn["a13-g"])
    assert get(deploymentId=sub)["deploymentStatus"] == "CANCELED"


def test_a14_a15_core_devices_come_in_pages_and_come_back(fleet, device):
    names = [f"a14-{number}" for number in range(5)]
    for name in names:
        fleet.iot.create_thing(thingName=name)
        report(device, name)

    def pages():
        paginator = fleet.greengrass.get_paginator("list_core_devices")
        return list(paginator.paginate(PaginationConfig={"PageSize": 2}))

    def found():
        return [row["coreDeviceThingName"] for page in pages() for row in page["coreDevices"]]

    until(lambda: found() == names, "all are listed")
    assert [len(page["coreDevices"]) for page in pages()] == [2, 2, 1]
    deleted = fleet.greengrass.delete_core_device(coreDeviceThingName=names[0])
    assert deleted["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert found() == names[1:]
    report(device, names[0], sequence=2)
    until(lambda: found() == names, "it is back")


def test_a20_tags_of_a_deployment_travel_as_a_map(cloud, fleet):
    fleet.iot.create_thing(thingName="a20")
    deployment = fleet.deploy(cloud.arn("iot", "thing/a20"), {})
    arn = {"resourceArn": cloud.arn("greengrass", f"deployments:{deployment}")}
    fleet.greengrass.tag_resource(tags={"line": "7", "a b": "c/d"}, **arn)
    assert fleet.greengrass.list_tags_for_resource(**arn)["tags"] == {"line": "7", "a b": "c/d"}
    fleet.greengrass.untag_resource(tagKeys=["a b"], **arn)
    assert fleet.greengrass.list_tags_for_resource(**arn)["tags"] == {"line": "7"}
    fleet.iot.create_thing_group(thingGroupName="a20", tags=[{"Key": "k", "Value": "v"}])
    group = {"resourceArn": cloud.arn("iot", "thinggroup/a20")}
    assert fleet.iot.list_tags_for_resource(**group)["tags"] == [{"Key": "k", "Value": "v"}]


def test_a24_an_active_certificate_or_an_attached_one_is_not_deleted(fleet):
    made = fleet.iot.create_keys_and_certificate(setAsActive=True)
    certificate = {"certificateId": made["certificateId"]}
    delete = fleet.iot.delete_certificate
    assert error(delete, **certificate) == ("CertificateStateException", 406)
    fleet.iot.update_certificate(newStatus="INACTIVE", **certificate)
    attached = {"thingName": "a24", "principal": made["certificateArn"]}
    fleet.iot.create_thing(thingName="a24")
    fleet.iot.attach_thing_principal(**attached)
    assert error(delete, **certificate) == ("DeleteConflictException", 409)
    fleet.iot.detach_thing_principal(**attached)
    delete(**certificate)


def test_a25_update_thing_replaces_or_merges_attributes(fleet):
    before = {"attributes": {"a": "0", "b": "2"}}
    fleet.iot.create_thing(thingName="a25", attributePayload=before)

    def updated(**payload):
        fleet.iot.update_thing(thingName="a25", attributePayload=payload)
        return fleet.iot.describe_thing(thingName="a25")["attributes"]

    assert updated(attributes={"a": "1"}, merge=False) == {"a": "1"}
    assert updated(attributes={"a": "", "c": "3"}, merge=True) == {"c": "3"}
    old = error(fleet.iot.update_thing, thingName="a25", expectedVersion=1)
    assert old == ("VersionConflictException", 409)


def test_a27_publishing_to_a_shadows_topic_changes_it(cloud, fleet, device):
    data = cloud.client("iot-data")
    fleet.iot.create_thing(thingName="a27")
    assert device.subscribe("$aws/things/a27/shadow/#") <= 1
    payload = json.dumps({"state": {"desired": {"x": 1}}})
    data.publish(topic="$aws/things/a27/shadow/update", payload=payload)
    accepted = device.until_message("$aws/things/a27/shadow/update/accepted")
    assert json.loads(accepted)["state"] == {"desired": {"x": 1}}
    shadow = json.loads(data.get_thing_shadow(thingName="a27")["payload"].read())
    assert shadow["state"]["desired"] == {"x": 1}
