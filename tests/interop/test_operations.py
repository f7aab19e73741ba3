"""Operations of greengrassv2, iot and iot-data beyond those of a first fleet, as boto3 sees them."""

import json
import socket
import ssl

import pytest
from awscrt import mqtt5
from botocore.exceptions import ClientError

from harness import stores
from harness.mqtt import Identity, Mqtt5, statement
from harness.waiting import until

ROLE = "arn:aws:iam::123456789012:role/Greengrass_ServiceRole"
DENY = json.dumps({"Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}})


@pytest.fixture(scope="module", params=stores.STORES)
def store(request):
    return request.param


@pytest.fixture(scope="module")
def iot(cloud):
    return cloud.client("iot")


@pytest.fixture(scope="module")
def greengrass(cloud):
    return cloud.client("greengrassv2")


@pytest.fixture(scope="module")
def data(cloud):
    return cloud.client("iot-data")


@pytest.fixture(scope="module")
def device(cloud, folder):
    """May do everything over MQTT."""
    everything = statement("Allow", ["iot:*"], "*")
    return Identity(cloud, "device", [everything], folder)


def error(call, **arguments):
    """The error that boto3 sees: its code, its status and the whole response."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    response = caught.value.response
    status = response["ResponseMetadata"]["HTTPStatusCode"]
    return response["Error"]["Code"], status, response


def test_all_operations_of_greengrassv2_are_served(greengrass):
    """Each answers by itself, not with UnknownOperationException; 29 are in the specification."""
    arn = "arn:aws:greengrass:us-east-1:123456789012:components:none:versions:1.0.0"
    values = {
        "arn": arn,
        "artifactName": "a",
        "components": {},
        "coreDeviceThingName": "none",
        "connectivityInfo": [],
        "deploymentId": "none",
        "entries": [{"thingName": "none"}],
        "resourceArn": arn,
        "roleArn": ROLE,
        "tagKeys": ["k"],
        "tags": {"k": "v"},
        "targetArn": "arn:aws:iot:us-east-1:123456789012:thing/none",
        "thingName": "none",
    }
    model = greengrass.meta.service_model
    assert len(model.operation_names) >= 29
    for name in model.operation_names:
        shape = model.operation_model(name).input_shape
        members = {m: values[m] for m in (shape.required_members if shape else [])}
        call = getattr(greengrass, xform(greengrass, name))
        try:
            call(**members)
        except ClientError as failed:
            assert failed.response["Error"]["Code"] != "UnknownOperationException", name
            assert failed.response["ResponseMetadata"]["HTTPStatusCode"] < 500, name


def xform(client, operation):
    names = client.meta.method_to_api_mapping
    return next(method for method, api in names.items() if api == operation)


def test_the_service_role_is_kept_until_it_is_taken_away(greengrass):
    greengrass.disassociate_service_role_from_account()
    assert error(greengrass.get_service_role_for_account)[:2] == ("ResourceNotFoundException", 404)
    at = greengrass.associate_service_role_to_account(roleArn=ROLE)["associatedAt"]
    kept = greengrass.get_service_role_for_account()
    assert (kept["roleArn"], kept["associatedAt"]) == (ROLE, at)
    assert greengrass.disassociate_service_role_from_account()["disassociatedAt"] >= at


def test_a18_associations_fail_only_for_things_that_are_missing(greengrass, iot):
    for thing in ("a18-core", "a18-x", "a18-y"):
        iot.create_thing(thingName=thing)
    core = {"coreDeviceThingName": "a18-core"}
    entries = [{"thingName": "a18-x"}, {"thingName": "a18-missing"}, {"thingName": "a18-y"}]
    reply = greengrass.batch_associate_client_device_with_core_device(entries=entries, **core)
    [failed] = reply["errorEntries"]
    assert failed["thingName"] == "a18-missing"
    assert failed["code"] == "ResourceNotFoundException"
    pages = greengrass.get_paginator("list_client_devices_associated_with_core_device")
    pages = list(pages.paginate(**core, PaginationConfig={"PageSize": 1}))
    found = [row["thingName"] for page in pages for row in page["associatedClientDevices"]]
    assert (found, len(pages)) == (["a18-x", "a18-y"], 2)
    greengrass.batch_disassociate_client_device_from_core_device(entries=entries[:1], **core)
    rows = greengrass.list_client_devices_associated_with_core_device(**core)
    assert [row["thingName"] for row in rows["associatedClientDevices"]] == ["a18-y"]


def test_a19_new_addresses_have_a_version_which_the_shadow_tells(greengrass, iot, data):
    iot.create_thing(thingName="a19")
    assert greengrass.get_connectivity_info(thingName="a19")["connectivityInfo"] == []
    address = {"id": "1", "hostAddress": "192.168.1.10", "portNumber": 8883, "metadata": "lan"}
    update = greengrass.update_connectivity_info(thingName="a19", connectivityInfo=[address])
    assert update["version"]
    assert greengrass.get_connectivity_info(thingName="a19")["connectivityInfo"] == [address]
    shadow = json.loads(data.get_thing_shadow(thingName="a19-gci")["payload"].read())
    assert shadow["state"]["desired"]["version"] == update["version"]


def test_policy_versions(iot, device):
    """The version in force is what a connected device may do."""
    client = Mqtt5(device)
    client.until("connected")
    assert client.subscribe("versions/+") <= 1
    policy = {"policyName": device.policy}
    made = iot.create_policy_version(policyDocument=DENY, setAsDefault=True, **policy)
    assert (made["policyVersionId"], made["isDefaultVersion"]) == ("2", True)
    assert client.publish("versions/a", b"x") == 0x87
    iot.set_default_policy_version(policyVersionId="1", **policy)
    assert client.publish("versions/a", b"x") == 0
    client.stop()
    versions = iot.list_policy_versions(**policy)["policyVersions"]
    rows = [(row["versionId"], row["isDefaultVersion"]) for row in versions]
    assert rows == [("2", False), ("1", True)]
    got = iot.get_policy_version(policyVersionId="2", **policy)
    assert got["policyDocument"] == DENY
    in_force = error(iot.delete_policy_version, policyVersionId="1", **policy)
    assert in_force[:2] == ("InvalidRequestException", 400)
    for _ in range(3):
        iot.create_policy_version(policyDocument=DENY, **policy)
    sixth = error(iot.create_policy_version, policyDocument=DENY, **policy)
    assert sixth[:2] == ("VersionsLimitExceededException", 409)
    iot.delete_policy_version(policyVersionId="5", **policy)
    made = iot.create_policy_version(policyDocument=DENY, **policy)
    assert made["policyVersionId"] == "6"
    for version in ("2", "3", "4", "6"):
        iot.delete_policy_version(policyVersionId=version, **policy)


def test_thing_types(iot):
    properties = {"thingTypeDescription": "a pump", "searchableAttributes": ["serial"]}
    pump = {"thingTypeName": "pump"}
    tags = [{"Key": "k", "Value": "v"}]
    made = iot.create_thing_type(thingTypeProperties=properties, tags=tags, **pump)
    assert iot.list_tags_for_resource(resourceArn=made["thingTypeArn"])["tags"] == tags
    assert iot.describe_thing_type(**pump)["thingTypeProperties"] == properties
    iot.create_thing(thingName="typed", **pump)
    assert iot.describe_thing(thingName="typed")["thingTypeName"] == "pump"
    things = iot.list_things(**pump)["things"]
    assert [(row["thingName"], row["thingTypeName"]) for row in things] == [("typed", "pump")]
    assert error(iot.delete_thing_type, **pump)[:2] == ("InvalidRequestException", 400)
    iot.deprecate_thing_type(**pump)
    [row] = iot.list_thing_types(**pump)["thingTypes"]
    assert row["thingTypeMetadata"]["deprecated"]
    refused = error(iot.create_thing, thingName="typed-2", **pump)
    assert refused[:2] == ("InvalidRequestException", 400)
    iot.update_thing(thingName="typed", removeThingType=True)
    iot.delete_thing_type(**pump)
    assert error(iot.describe_thing_type, **pump)[:2] == ("ResourceNotFoundException", 404)


def test_nested_groups_with_attributes(cloud, iot):
    attributes = {"attributes": {"hall": "north"}}
    root = {"thingGroupDescription": "all", "attributePayload": attributes}
    iot.create_thing_group(thingGroupName="site", thingGroupProperties=root)
    iot.create_thing_group(thingGroupName="hall", parentGroupName="site")
    iot.create_thing_group(thingGroupName="line", parentGroupName="hall")
    iot.create_thing(thingName="nested")
    move = {"thingName": "nested", "thingGroupsToAdd": ["line"], "thingGroupsToRemove": ["hall"]}
    iot.update_thing_groups_for_thing(**move)
    assert iot.describe_thing_group(thingGroupName="site")["thingGroupProperties"] == root
    metadata = iot.describe_thing_group(thingGroupName="line")["thingGroupMetadata"]
    assert metadata["parentGroupName"] == "hall"
    chain = [row["groupName"] for row in metadata["rootToParentThingGroups"]]
    assert chain == ["site", "hall"]

    def groups(**options):
        rows = iot.list_thing_groups(parentGroup="site", **options)["thingGroups"]
        return sorted(row["groupName"] for row in rows)

    assert groups() == ["hall", "line"]
    assert groups(recursive=False) == ["hall"]
    members = iot.list_things_in_thing_group
    assert members(thingGroupName="site", recursive=True)["things"] == ["nested"]
    assert members(thingGroupName="site")["things"] == []
    with_children = error(iot.delete_thing_group, thingGroupName="hall")
    assert with_children[:2] == ("InvalidRequestException", 400)


def test_a_certificate_of_another_authority_is_registered(cloud, iot, device):
    pem = cloud.ready["ca_file"]
    with open(pem, encoding="utf-8") as file:
        pem = file.read()
    made = iot.register_certificate_without_ca(certificatePem=pem, status="INACTIVE")
    described = iot.describe_certificate(certificateId=made["certificateId"])
    assert described["certificateDescription"]["certificateMode"] == "SNI_ONLY"
    code, status, response = error(iot.register_certificate_without_ca, certificatePem=pem)
    assert (code, status) == ("ResourceAlreadyExistsException", 409)
    assert response["resourceId"] == made["certificateId"]
    iot.delete_certificate(certificateId=made["certificateId"])
    # Our own authority signed itself.
    iot.register_certificate(certificatePem=pem)
    refused = error(
        iot.register_certificate,
        certificatePem=device.certificate.read_text(),
        caCertificatePem=device.certificate.read_text(),
    )
    assert refused[:2] == ("CertificateValidationException", 400)


def test_provisioning_templates_and_claims(iot):
    body = {
        "Parameters": {"Serial": {"Type": "String"}},
        "Resources": {
            "thing": {
                "Type": "AWS::IoT::Thing",
                "Properties": {
                    "ThingName": {"Fn::Join": ["-", ["registered", {"Ref": "Serial"}]]},
                    "AttributePayload": {"serial": {"Ref": "Serial"}},
                },
            }
        },
    }
    text = json.dumps(body)
    template = {"templateName": "fleet"}
    role = {"provisioningRoleArn": ROLE}
    iot.create_provisioning_template(templateBody=text, enabled=True, **template, **role)
    described = iot.describe_provisioning_template(**template)
    assert (described["templateBody"], described["type"]) == (text, "FLEET_PROVISIONING")
    listed = iot.list_provisioning_templates()["templates"]
    assert [row["templateName"] for row in listed] == ["fleet"]
    second = iot.create_provisioning_template_version(templateBody=text, **template)
    assert (second["versionId"], second["isDefaultVersion"]) == (2, False)
    iot.update_provisioning_template(defaultVersionId=2, description="second", **template)
    version = iot.describe_provisioning_template_version(versionId=2, **template)
    assert version["isDefaultVersion"] and version["templateBody"] == text
    in_force = error(iot.delete_provisioning_template_version, versionId=2, **template)
    assert in_force[:2] == ("DeleteConflictException", 409)
    iot.delete_provisioning_template_version(versionId=1, **template)
    rows = iot.list_provisioning_template_versions(**template)["versions"]
    assert [row["versionId"] for row in rows] == [2]

    claim = iot.create_provisioning_claim(**template)
    status = iot.describe_certificate(certificateId=claim["certificateId"])
    description = status["certificateDescription"]
    assert description["status"] == "ACTIVE"
    assert description["validity"]["notAfter"] == claim["expiration"]
    lived = claim["expiration"] - description["creationDate"]
    assert lived.total_seconds() == pytest.approx(300, abs=1)

    wrong = json.dumps({"Resources": {"x": {"Type": "AWS::S3::Bucket"}}})
    code, status, response = error(
        iot.create_provisioning_template, templateName="w", templateBody=wrong, **role
    )
    assert (code, status) == ("InvalidRequestException", 400)
    assert "Resources.x.Type" in response["Error"]["Message"]
    made = iot.register_thing(templateBody=text, parameters={"Serial": "7"})
    assert made["resourceArns"]["thing"].endswith(":thing/registered-7")
    assert iot.describe_thing(thingName="registered-7")["attributes"] == {"serial": "7"}
    iot.delete_provisioning_template(**template)
    gone = error(iot.describe_provisioning_template, **template)
    assert gone[:2] == ("ResourceNotFoundException", 404)


def test_named_shadows_are_listed_and_deleted(iot, data):
    iot.create_thing(thingName="shadowed")
    for name in (None, "b", "a", "c"):
        shadow = {} if name is None else {"shadowName": name}
        payload = json.dumps({"state": {"desired": {"x": 1}}})
        data.update_thing_shadow(thingName="shadowed", payload=payload, **shadow)
    first = data.list_named_shadows_for_thing(thingName="shadowed", pageSize=2)
    assert first["results"] == ["a", "b"]
    token = first["nextToken"]
    second = data.list_named_shadows_for_thing(thingName="shadowed", nextToken=token)
    assert second["results"] == ["c"] and "nextToken" not in second
    reply = data.delete_thing_shadow(thingName="shadowed", shadowName="a")
    assert json.loads(reply["payload"].read())["version"] == 1
    left = data.list_named_shadows_for_thing(thingName="shadowed")["results"]
    assert left == ["b", "c"]


def test_retained_messages_outlive_a_killed_cloud(cloud, data, device):
    publisher = Mqtt5(device)
    publisher.until("connected")
    data.publish(topic="kept/http", payload=b"from http", qos=1, retain=True)
    data.publish(topic="kept/gone", payload=b"x", retain=True)
    data.publish(topic="kept/gone", payload=b"", retain=True)
    publish_retained(publisher, "kept/mqtt", b"from mqtt")
    properties = [{"line": "7"}, {"line": "8"}]
    expiry = {"messageExpiry": 3600, "contentType": "text/plain"}
    data.publish(
        topic="kept/mqtt5", payload=b"x", retain=True, userProperties=properties, **expiry
    )
    publisher.stop()
    cloud.kill()
    cloud.start()
    got = data.get_retained_message(topic="kept/http")
    assert (got["payload"], got["qos"]) == (b"from http", 1)
    topics = data.list_retained_messages()["retainedTopics"]
    sizes = {row["topic"]: row["payloadSize"] for row in topics}
    assert sizes == {"kept/http": 9, "kept/mqtt": 9, "kept/mqtt5": 1}
    got = data.get_retained_message(topic="kept/mqtt5")
    assert json.loads(got["userProperties"]) == properties
    gone = error(data.get_retained_message, topic="kept/gone")
    assert gone[:2] == ("ResourceNotFoundException", 404)
    subscriber = Mqtt5(device)
    subscriber.until("connected")
    subscriber.subscribe("kept/+")
    assert subscriber.until_message("kept/http") == b"from http"
    assert subscriber.until_message("kept/mqtt") == b"from mqtt"
    subscriber.stop()


def publish_retained(client, topic, payload):
    packet = mqtt5.PublishPacket(
        topic=topic, payload=payload, qos=mqtt5.QoS.AT_LEAST_ONCE, retain=True
    )
    client.client.publish(packet).result(15)


def silent_connection(cloud, identity, client_id, keep_alive_s):
    """A device that connects and then says nothing more."""
    context = ssl.create_default_context(cafile=cloud.ready["ca_file"])
    context.load_cert_chain(identity.certificate, identity.key)
    host, port = identity.endpoint()
    raw = socket.create_connection((host, port), timeout=15)
    wire = context.wrap_socket(raw, server_hostname=host)
    name = client_id.encode()
    body = b"\x00\x04MQTT\x04\x02" + keep_alive_s.to_bytes(2, "big")
    body += len(name).to_bytes(2, "big") + name
    wire.sendall(bytes([0x10, len(body)]) + body)
    assert wire.recv(4) == b"\x20\x02\x00\x00"
    return wire


def test_a_vanished_device_is_shown_disconnected_with_since_when(cloud, iot, data, device):
    def look():
        return iot.get_thing_connectivity_data(
            thingName="device", includeSocketInformation=True
        )

    until(lambda: not look()["connected"], "the clients of other tests are gone")
    wire = silent_connection(cloud, device, "device", keep_alive_s=1)
    now = look()
    assert now["connected"] and now["sourceIp"] == "127.0.0.1"
    connection = data.get_connection(clientId="device")
    assert connection["connected"] and connection["thingName"] == "device"
    until(lambda: not look()["connected"], "the device is shown disconnected")
    gone = look()
    assert gone["disconnectReason"] == "MQTT_KEEP_ALIVE_TIMEOUT"
    # One and a half keep-alives after its last word, by the cloud's own clock.
    assert (gone["timestamp"] - now["timestamp"]).total_seconds() >= 1.5
    wire.close()
    connection = data.get_connection(clientId="device")
    assert connection["disconnectReason"] == "MQTT_KEEP_ALIVE_TIMEOUT"
    assert connection["disconnectedSince"] == int(gone["timestamp"].timestamp() * 1000)
    assert error(data.get_connection, clientId="nobody")[:2] == ("ResourceNotFoundException", 404)


def test_presence_is_right_after_a_killed_cloud(cloud, iot, device):
    def look():
        return iot.get_thing_connectivity_data(thingName="device")

    wire = silent_connection(cloud, device, "device", keep_alive_s=600)
    assert look()["connected"]
    client = Mqtt5(device)
    client.until("connected")
    wire.close()
    assert look()["connected"], "the newer connection counts"
    client.client.stop(mqtt5.DisconnectPacket())
    until(lambda: look().get("disconnectReason") == "CLIENT_INITIATED_DISCONNECT", "its goodbye")
    wire = silent_connection(cloud, device, "device", keep_alive_s=600)
    since = look()["timestamp"]
    iot.create_thing(thingName="unseen")
    cloud.kill()
    cloud.start()
    gone = look()
    assert not gone["connected"] and gone["timestamp"] >= since
    unseen = iot.get_thing_connectivity_data(thingName="unseen")
    assert not unseen["connected"] and "timestamp" not in unseen
    wire.close()
    unknown = error(iot.get_thing_connectivity_data, thingName="no-thing")
    assert unknown[:2] == ("ResourceNotFoundException", 404)
