"""The control plane as the AWS CLI and boto3 see it."""

import base64
import hashlib
import json

import pytest
from botocore.exceptions import ClientError

from harness import stores
from harness.fleet import BUCKET, recipe

YAML_RECIPE = """\
RecipeFormatVersion: '2020-01-25'
ComponentName: com.example.FromYaml
ComponentVersion: 1.0.0
ComponentDescription: written in YAML
Manifests:
  - Platform: {os: linux}
    Lifecycle: {run: echo hi}
"""


@pytest.fixture(scope="module", params=stores.STORES)
def store(request):
    return request.param


def code(call, **arguments):
    """The error code and status that boto3 sees."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    response = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def write(folder, name, text):
    path = folder / name
    path.write_text(text)
    return path


def test_cli_creates_things_groups_certificates_and_policies(cloud):
    aws = cloud.aws
    thing = aws("iot", "create-thing", "--thing-name", "cli-thing")
    assert thing["thingArn"] == cloud.arn("iot", "thing/cli-thing")
    group = aws("iot", "create-thing-group", "--thing-group-name", "cli-group")
    assert group["thingGroupArn"] == cloud.arn("iot", "thinggroup/cli-group")
    member = ["--thing-group-name", "cli-group", "--thing-name", "cli-thing"]
    aws("iot", "add-thing-to-thing-group", *member)
    found = aws("iot", "list-things-in-thing-group", "--thing-group-name", "cli-group")
    assert found["things"] == ["cli-thing"]
    aws("iot", "remove-thing-from-thing-group", *member)
    found = aws("iot", "list-things-in-thing-group", "--thing-group-name", "cli-group")
    assert found["things"] == []

    keys = aws("iot", "create-keys-and-certificate", "--set-as-active")
    pem = keys["certificatePem"].split("-----")[2].replace("\n", "")
    assert keys["certificateId"] == hashlib.sha256(base64.b64decode(pem)).hexdigest()
    document = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "iot:Connect", "Resource": "*"}],
    }
    policy = ["--policy-name", "cli-policy", "--policy-document", json.dumps(document)]
    assert aws("iot", "create-policy", *policy)["policyVersionId"] == "1"
    aws("iot", "attach-policy", *policy[:2], "--target", keys["certificateArn"])
    attached = aws("iot", "list-attached-policies", "--target", keys["certificateArn"])
    assert [p["policyName"] for p in attached["policies"]] == ["cli-policy"]
    principal = ["--thing-name", "cli-thing", "--principal", keys["certificateArn"]]
    aws("iot", "attach-thing-principal", *principal)
    found = aws("iot", "list-thing-principals", "--thing-name", "cli-thing")
    assert found["principals"] == [keys["certificateArn"]]

    endpoint = aws("iot", "describe-endpoint", "--endpoint-type", "iot:Data-ATS")
    assert endpoint["endpointAddress"] == cloud.ready["mqtt_endpoint"].rsplit(":", 1)[0]
    role = f"arn:aws:iam::{cloud.ready['account_id']}:role/any"
    alias = aws("iot", "create-role-alias", "--role-alias", "cli-alias", "--role-arn", role)
    assert alias["roleAliasArn"] == cloud.arn("iot", "rolealias/cli-alias")


def test_cli_component_life(cloud, folder):
    aws = cloud.aws
    document = recipe("com.example.FromJson", "1.0.0", {"run": "echo hi"})
    json_file = write(folder, "recipe.json", json.dumps(document))
    yaml_file = write(folder, "recipe.yaml", YAML_RECIPE)
    created = aws("greengrassv2", "create-component-version", "--inline-recipe", f"fileb://{json_file}")
    assert created["componentName"] == "com.example.FromJson"
    yaml = aws("greengrassv2", "create-component-version", "--inline-recipe", f"fileb://{yaml_file}")

    described = aws("greengrassv2", "describe-component", "--arn", created["arn"])
    assert described["status"]["componentState"] == "DEPLOYABLE"
    assert described["platforms"][0]["attributes"]["os"] == "linux"

    got = aws("greengrassv2", "get-component", "--arn", yaml["arn"], "--recipe-output-format", "JSON")
    as_json = json.loads(base64.b64decode(got["recipe"]))
    assert as_json["ComponentDescription"] == "written in YAML"
    got = aws("greengrassv2", "get-component", "--arn", yaml["arn"], "--recipe-output-format", "YAML")
    assert b"ComponentName:" in base64.b64decode(got["recipe"])

    names = {c["componentName"] for c in aws("greengrassv2", "list-components")["components"]}
    assert {"com.example.FromJson", "com.example.FromYaml"} <= names
    name_arn = created["arn"].split(":versions:")[0]
    versions = aws("greengrassv2", "list-component-versions", "--arn", name_arn)
    assert [v["componentVersion"] for v in versions["componentVersions"]] == ["1.0.0"]
    aws("greengrassv2", "delete-component", "--arn", created["arn"])
    gone = aws("greengrassv2", "describe-component", "--arn", created["arn"], check=False)
    assert gone.returncode != 0 and "ResourceNotFoundException" in gone.stderr


def test_cli_deployment_life(cloud):
    aws = cloud.aws
    aws("iot", "create-thing-group", "--thing-group-name", "cli-deploy")
    target = cloud.arn("iot", "thinggroup/cli-deploy")
    made = aws("greengrassv2", "create-deployment", "--target-arn", target, "--components", "{}")
    assert made["iotJobArn"].endswith(made["iotJobId"])
    deployment = ["--deployment-id", made["deploymentId"]]
    got = aws("greengrassv2", "get-deployment", *deployment)
    assert (got["revisionId"], got["deploymentStatus"], got["isLatestForTarget"]) == ("1", "ACTIVE", True)
    listed = aws("greengrassv2", "list-deployments", "--target-arn", target)["deployments"]
    assert [d["deploymentId"] for d in listed] == [made["deploymentId"]]
    assert "message" in aws("greengrassv2", "cancel-deployment", *deployment)
    assert aws("greengrassv2", "get-deployment", *deployment)["deploymentStatus"] == "CANCELED"


def test_cli_s3_mb_cp_ls(cloud, folder):
    aws = cloud.aws
    file = write(folder, "artifact.txt", "an artifact")
    aws("s3", "mb", "s3://cli-bucket")
    aws("s3", "cp", file, "s3://cli-bucket/a/artifact.txt")
    assert "artifact.txt" in aws("s3", "ls", "s3://cli-bucket/a/")
    copy = folder / "copy.txt"
    aws("s3", "cp", "s3://cli-bucket/a/artifact.txt", copy)
    assert copy.read_text() == "an artifact"


def test_s3_multipart_range_and_listing(fleet):
    big = bytes(range(256)) * 4 * 1024 * 9  # 9 MiB: more than one part
    fleet.artifact("small.txt", "x")
    import io

    fleet.s3.upload_fileobj(io.BytesIO(big), BUCKET, "big.bin")
    assert fleet.s3.head_object(Bucket=BUCKET, Key="big.bin")["ContentLength"] == len(big)
    part = fleet.s3.get_object(Bucket=BUCKET, Key="big.bin", Range="bytes=1000000-1000009")
    assert part["Body"].read() == big[1000000:1000010]
    assert part["ResponseMetadata"]["HTTPStatusCode"] == 206
    whole = fleet.s3.get_object(Bucket=BUCKET, Key="big.bin")["Body"].read()
    assert hashlib.sha256(whole).digest() == hashlib.sha256(big).digest()
    listed = fleet.s3.list_objects_v2(Bucket=BUCKET, Prefix="b")
    assert [o["Key"] for o in listed["Contents"]] == ["big.bin"]


def test_a31_aws_chunked_upload_stores_the_decoded_bytes(fleet):
    fleet.artifact("chunked.txt", "x")
    fleet.s3.put_object(Bucket=BUCKET, Key="chunked.txt", Body=b"hello")
    got = fleet.s3.get_object(Bucket=BUCKET, Key="chunked.txt")
    assert got["ContentLength"] == 5 and got["Body"].read() == b"hello"
    assert "aws-chunked" not in got.get("ContentEncoding", "")


@pytest.mark.parametrize("service", ["greengrassv2", "iot", "s3", "sts"])
def test_a_wrong_secret_gets_403(cloud, service):
    calls = {
        "greengrassv2": "list_components",
        "iot": "list_things",
        "s3": "list_buckets",
        "sts": "get_caller_identity",
    }
    client = cloud.client(service, secret_key="wrong" * 8)
    error, status = code(getattr(client, calls[service]))
    assert status == 403
    expected = {"s3": "SignatureDoesNotMatch", "sts": "SignatureDoesNotMatch"}
    assert error == expected.get(service, "InvalidSignatureException")


def test_an_unknown_access_key_gets_403(cloud):
    client = cloud.client("greengrassv2", access_key="AKIAUNKNOWNUNKNOWN12")
    assert code(client.list_components) == ("UnrecognizedClientException", 403)


def test_a1_a_component_version_is_unique(fleet):
    document = recipe("com.example.Unique", "1.0.0", {"run": "true"})
    arn, _ = fleet.create(document)
    with pytest.raises(ClientError) as caught:
        fleet.greengrass.create_component_version(inlineRecipe=json.dumps(document))
    assert caught.value.response["Error"]["Code"] == "ConflictException"
    assert caught.value.response["resourceId"] == arn


def test_a2_one_client_token_makes_one_version(fleet):
    blob = json.dumps(recipe("com.example.Token", "1.0.0", {"run": "true"}))
    create = fleet.greengrass.create_component_version
    first = create(inlineRecipe=blob, clientToken="token-1")
    again = create(inlineRecipe=blob, clientToken="token-1")
    assert first["arn"] == again["arn"]


def test_a5_the_cloud_computes_digests(fleet):
    artifact = fleet.artifact("digest/hello.txt", "hello")
    arn, _ = fleet.create(
        recipe("com.example.Digest", "1.0.0", {"run": "true"}, artifacts=[artifact])
    )
    reply = fleet.greengrass.get_component(arn=arn, recipeOutputFormat="JSON")
    stored = json.loads(reply["recipe"])["Manifests"][0]["Artifacts"][0]
    assert stored["Algorithm"] == "SHA-256"
    assert stored["Digest"] == "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="


def test_a7_latest_is_the_highest_version_not_the_last_made(fleet):
    for version in ("1.0.0", "1.10.0", "1.9.0"):
        fleet.create(recipe("com.example.Latest", version, {"run": "true"}))
    rows = fleet.greengrass.list_components()["components"]
    [row] = [r for r in rows if r["componentName"] == "com.example.Latest"]
    assert row["latestVersion"]["componentVersion"] == "1.10.0"


def test_a8_a9_revisions_supersede(cloud, fleet):
    fleet.iot.create_thing(thingName="a8")
    deploy = fleet.deploy(cloud.arn("iot", "thing/a8"), {})
    got = fleet.greengrass.get_deployment(deploymentId=deploy)
    assert "iotJobId" not in got
    assert (got["revisionId"], got["deploymentStatus"]) == ("1", "ACTIVE")

    fleet.iot.create_thing_group(thingGroupName="a9")
    target = cloud.arn("iot", "thinggroup/a9")
    first, second = fleet.deploy(target, {}), fleet.deploy(target, {})
    old = fleet.greengrass.get_deployment(deploymentId=first)
    new = fleet.greengrass.get_deployment(deploymentId=second)
    assert (old["deploymentStatus"], old["isLatestForTarget"]) == ("CANCELED", False)
    assert (new["revisionId"], new["isLatestForTarget"]) == ("2", True)
    latest = fleet.greengrass.list_deployments(targetArn=target)["deployments"]
    every = fleet.greengrass.list_deployments(targetArn=target, historyFilter="ALL")["deployments"]
    assert (len(latest), len(every)) == (1, 2)


def test_a12_an_unknown_target_is_not_found(cloud, fleet):
    target = cloud.arn("iot", "thinggroup/Nope")
    error, status = code(fleet.greengrass.create_deployment, targetArn=target)
    assert (error, status) == ("ResourceNotFoundException", 404)


def test_a10_merge_must_be_an_object_in_a_string(cloud, fleet):
    fleet.iot.create_thing_group(thingGroupName="a10")
    fleet.create(recipe("com.example.Merge", "1.0.0", {"run": "true"}))
    for merge in ("not json", "[1]"):
        components = {
            "com.example.Merge": {
                "componentVersion": "1.0.0",
                "configurationUpdate": {"merge": merge},
            }
        }
        error, status = code(
            fleet.greengrass.create_deployment,
            targetArn=cloud.arn("iot", "thinggroup/a10"),
            components=components,
        )
        assert (error, status) == ("ValidationException", 400)


def test_pagination_round_trips(fleet):
    for number in range(5):
        fleet.iot.create_thing(thingName=f"page-{number}")
    pages = fleet.iot.get_paginator("list_things").paginate(PaginationConfig={"PageSize": 2})
    names = [thing["thingName"] for page in pages for thing in page["things"]]
    assert len(names) == len(set(names))
    assert {f"page-{n}" for n in range(5)} <= set(names)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"UnknownField": 1}, "UnknownField"),
        ({"ComponentVersion": "1.0"}, "ComponentVersion"),
        ({"ComponentName": "a/b"}, "ComponentName"),
        ({"RecipeFormatVersion": "2019-01-01"}, "RecipeFormatVersion"),
        ({"Manifests": []}, "Manifests"),
    ],
)
def test_a_bad_recipe_is_refused_naming_the_field(fleet, change, named):
    document = recipe("com.example.Bad", "1.0.0", {"run": "true"}) | change
    with pytest.raises(ClientError) as caught:
        fleet.greengrass.create_component_version(inlineRecipe=json.dumps(document))
    response = caught.value.response
    assert response["Error"]["Code"] == "ValidationException"
    assert named in response["Error"]["Message"]
    assert any(named in field["name"] for field in response["fields"])


def test_a4_a_missing_artifact_fails_the_component_with_its_uri(fleet):
    uri = f"s3://{BUCKET}/no/such/file.zip"
    document = recipe("com.example.NoFile", "1.0.0", {"run": "true"}, artifacts=[{"URI": uri}])
    fleet.artifact("there.txt", "x")
    _, status = fleet.create(document, state="FAILED")
    assert uri in status["errors"]


def test_a_failed_version_is_not_deployed(cloud, fleet):
    uri = f"s3://{BUCKET}/no/such/file.zip"
    document = recipe("com.example.Failed", "1.0.0", {"run": "true"}, artifacts=[{"URI": uri}])
    fleet.create(document, state="FAILED")
    fleet.iot.create_thing_group(thingGroupName="failed")
    with pytest.raises(ClientError) as caught:
        fleet.deploy(cloud.arn("iot", "thinggroup/failed"), {"com.example.Failed": "1.0.0"})
    response = caught.value.response
    assert response["Error"]["Code"] == "ValidationException"
    assert [field["name"] for field in response["fields"]] == ["components.com.example.Failed"]
    assert "version 1.0.0 is FAILED" in response["Error"]["Message"]
    target = cloud.arn("iot", "thinggroup/failed")
    assert fleet.greengrass.list_deployments(targetArn=target)["deployments"] == []


def test_a_deployment_may_pin_the_nucleus(cloud, fleet):
    fleet.iot.create_thing_group(thingGroupName="pinned")
    target = cloud.arn("iot", "thinggroup/pinned")
    fleet.deploy(target, {"aws.greengrass.Nucleus": "2.17.0"})
    specification = {"aws.greengrass.Nucleus": {"componentVersion": "2.9.0"}}
    refused = code(
        fleet.greengrass.create_deployment, targetArn=target, components=specification
    )
    assert refused == ("ResourceNotFoundException", 404)


def test_a_core_accepts_a_pinned_nucleus(fleet, core):
    fleet.until_succeeded(core, fleet.deploy(core.thing_arn(), {"aws.greengrass.Nucleus": "2.17.0"}))


def test_a_rollout_is_checked_and_returned(cloud, fleet):
    fleet.iot.create_thing_group(thingGroupName="rollout")
    target = cloud.arn("iot", "thinggroup/rollout")
    increase = {"numberOfNotifiedThings": 3}
    rate = {"baseRatePerMinute": 5, "incrementFactor": 1.5, "rateIncreaseCriteria": increase}
    criteria = {
        "failureType": "ALL",
        "action": "CANCEL",
        "thresholdPercentage": 12.5,
        "minNumberOfExecutedThings": 4,
    }
    rollout = {
        "jobExecutionsRolloutConfig": {"exponentialRate": rate, "maximumPerMinute": 50},
        "abortConfig": {"criteriaList": [criteria]},
        "timeoutConfig": {"inProgressTimeoutInMinutes": 30},
    }
    deployment = fleet.deploy(target, {}, iotJobConfiguration=rollout)
    got = fleet.greengrass.get_deployment(deploymentId=deployment)
    assert got["iotJobConfiguration"] == rollout
    wrong = {"timeoutConfig": {"inProgressTimeoutInMinutes": 0}}
    refused = code(
        fleet.greengrass.create_deployment, targetArn=target, iotJobConfiguration=wrong
    )
    assert refused == ("ValidationException", 400)


def test_the_fleets_own_bucket_is_hidden(fleet):
    own = "marram-component-artifacts"
    artifact = fleet.artifact("hidden/a.txt", "a")
    fleet.create(recipe("com.example.Hidden", "1.0.0", {"run": "true"}, artifacts=[artifact]))
    assert own not in [bucket["Name"] for bucket in fleet.s3.list_buckets()["Buckets"]]
    assert code(fleet.s3.create_bucket, Bucket=own) == ("BucketAlreadyExists", 409)
    assert code(fleet.s3.list_objects_v2, Bucket=own) == ("NoSuchBucket", 404)
    assert code(fleet.s3.put_object, Bucket=own, Key="k", Body=b"x") == ("NoSuchBucket", 404)
    assert code(fleet.s3.delete_bucket, Bucket=own) == ("NoSuchBucket", 404)
