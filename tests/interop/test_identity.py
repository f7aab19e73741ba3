"""Who may do what through the control plane: access keys, IAM policies, and roles of devices."""

import json

import botocore.exceptions
import pytest

from harness.programs import Core, marram

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "credentials.iot.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}


def policy(*statements):
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(action, resource="*"):
    return {"Effect": "Allow", "Action": action, "Resource": resource}


def keys(cloud, *arguments, check=True):
    return marram("cloud", "keys", *arguments, "--ready-file", cloud.ready_file,
                  "--output", "json", check=check)


def key(cloud, folder, name, *statements):
    """A new key with a policy, as what boto3 takes."""
    file = folder / f"{name}.json"
    file.write_text(json.dumps(policy(*statements)))
    made = json.loads(keys(cloud, "create", name, "--policy", file).stdout)
    return {
        "access_key": made["accessKeyId"],
        "secret_key": made["secretAccessKey"],
    }


def denied(call, **arguments):
    with pytest.raises(botocore.exceptions.ClientError) as raised:
        call(**arguments)
    response = raised.value.response
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 403, response
    return response["Error"]


def test_a_key_may_do_what_its_policy_says_and_nothing_else(cloud, folder):
    may = key(cloud, folder, "lister", allow("greengrass:List*"), allow("iot:DescribeEndpoint"))
    assert cloud.client("greengrassv2", **may).list_components()["components"] == []
    assert cloud.client("iot", **may).describe_endpoint(endpointType="iot:Data-ATS")
    error = denied(cloud.client("iot", **may).create_thing, thingName="T")
    assert error["Code"] == "AccessDeniedException", error
    user = cloud.arn("iam", "user/lister").replace(f":{cloud.ready['region']}:", "::")
    assert error["Message"].startswith(
        f"User: {user} is not authorized to perform: iot:CreateThing on resource: "
        f"{cloud.arn('iot', 'thing/T')}"
    ), error
    error = denied(cloud.client("s3", **may).list_buckets)
    assert error["Code"] == "AccessDenied" and "s3:ListAllMyBuckets" in error["Message"], error
    jobs = cloud.client("iot-jobs-data", **may)
    assert denied(jobs.get_pending_job_executions, thingName="T")["Code"]
    data = cloud.client("iot-data", **may)
    assert denied(data.publish, topic="a", payload=b"x")["Code"]
    identity = cloud.client("sts", **may).get_caller_identity()
    assert identity["Arn"] == user


def test_resources_and_denials_count(cloud, folder):
    mine = cloud.arn("iot", "thing/mine-*")
    secret = {"Effect": "Deny", "Action": "iot:*", "Resource": cloud.arn("iot", "thing/mine-not")}
    may = key(cloud, folder, "maker", allow("iot:*Thing", mine), secret)
    iot = cloud.client("iot", **may)
    iot.create_thing(thingName="mine-1")
    assert iot.describe_thing(thingName="mine-1")["thingName"] == "mine-1"
    assert "no identity-based policy" in denied(iot.create_thing, thingName="theirs")["Message"]
    assert "explicit deny" in denied(iot.create_thing, thingName="mine-not")["Message"]


def test_a_denial_of_listing_hides_the_bucket(cloud, folder):
    cloud.client("s3").create_bucket(Bucket="hidden")
    found = allow("s3:GetBucketLocation")
    secret = {"Effect": "Deny", "Action": "s3:ListBucket", "Resource": "*"}
    cloud.client("s3", **key(cloud, folder, "finder", found)).head_bucket(Bucket="hidden")
    blind = cloud.client("s3", **key(cloud, folder, "blind", found, secret))
    denied(blind.head_bucket, Bucket="hidden")


def test_who_names_a_role_must_be_allowed_to_pass_it(cloud, folder):
    may = key(cloud, folder, "aliases", allow("iot:*RoleAlias"))
    error = denied(cloud.client("iot", **may).create_role_alias, roleAlias="Sneaky",
                   roleArn="arn:aws:iam::123456789012:role/Admin")
    assert "iam:PassRole" in error["Message"], error


def test_a_disabled_key_is_refused_at_once(cloud, folder):
    may = key(cloud, folder, "guest", allow("*"))
    iot = cloud.client("iot", **may)
    iot.list_things()
    keys(cloud, "disable", may["access_key"])
    assert denied(iot.list_things)["Code"] == "UnrecognizedClientException"
    keys(cloud, "enable", may["access_key"])
    iot.list_things()
    keys(cloud, "delete", may["access_key"])
    assert denied(iot.list_things)["Code"] == "UnrecognizedClientException"


def test_a_rotated_key_takes_the_old_ones_place(cloud, folder):
    may = key(cloud, folder, "rotated", allow("iot:ListThings"))
    old = may["access_key"]
    made = json.loads(keys(cloud, "rotate", old, "--disable-old").stdout)
    assert made["accessKeyId"] != old
    assert denied(cloud.client("iot", **may).list_things)["Code"]
    new = {
        "access_key": made["accessKeyId"],
        "secret_key": made["secretAccessKey"],
    }
    cloud.client("iot", **new).list_things()
    assert denied(cloud.client("iot", **new).list_policies)["Code"] == "AccessDeniedException"
    listed = {row["accessKeyId"]: row for row in json.loads(keys(cloud, "list").stdout)["keys"]}
    assert listed[old]["status"] == "DISABLED" and "secretAccessKey" not in listed[old]


def test_nobody_locks_everybody_out(cloud):
    root = cloud.ready["access_key_id"]
    for command in ("disable", "delete"):
        refused = keys(cloud, command, root, check=False)
        assert refused.returncode != 0
        assert "the last one that works and has full access" in refused.stderr, refused.stderr
    cloud.client("iot").list_things()


def test_a_malformed_policy_names_what_is_wrong(cloud, folder):
    file = folder / "wrong.json"
    file.write_text(json.dumps(policy({"Effect": "Maybe", "Action": "*", "Resource": "*"})))
    refused = keys(cloud, "create", "wrong", "--policy", file, check=False)
    assert refused.returncode != 0 and "Effect" in refused.stderr, refused.stderr
    file.write_text("{")
    refused = keys(cloud, "create", "wrong", "--policy", file, check=False)
    assert refused.returncode == 64 and str(file) in refused.stderr, refused.stderr


def test_installers_make_their_role_with_the_aws_cli(cloud, folder):
    trust = folder / "trust.json"
    trust.write_text(json.dumps(TRUST))
    access = folder / "access.json"
    access.write_text(json.dumps(policy(allow("s3:GetObject"))))
    role = cloud.aws("iam", "create-role", "--role-name", "FieldRole",
                     "--assume-role-policy-document", f"file://{trust}")["Role"]
    made = cloud.aws("iam", "create-policy", "--policy-name", "FieldAccess",
                     "--policy-document", f"file://{access}")
    arn = made["Policy"]["Arn"]
    cloud.aws("iam", "attach-role-policy", "--role-name", "FieldRole", "--policy-arn", arn)
    iam = cloud.client("iam")
    assert iam.get_role(RoleName="FieldRole")["Role"]["Arn"] == role["Arn"]
    attached = iam.list_attached_role_policies(RoleName="FieldRole")["AttachedPolicies"]
    assert attached == [{"PolicyName": "FieldAccess", "PolicyArn": arn}]
    with pytest.raises(iam.exceptions.NoSuchEntityException):
        iam.get_role(RoleName="Nobody")
    with pytest.raises(iam.exceptions.EntityAlreadyExistsException):
        iam.create_role(RoleName="FieldRole", AssumeRolePolicyDocument=json.dumps(TRUST))


def test_a_devices_role_is_limited_while_its_credentials_are_in_use(cloud, folder):
    cloud.client("s3").create_bucket(Bucket="field")
    device = Core(cloud, folder, thing="limited", groups=()).credentials()
    s3, iam = cloud.client("s3", **device), cloud.client("iam")
    s3.put_object(Bucket="field", Key="open/a", Body=b"1")
    assert denied(cloud.client("iot", **device).create_thing, thingName="T")["Code"]
    assert denied(s3.delete_object, Bucket="field", Key="open/a")["Code"] == "AccessDenied"
    role = "GreengrassV2TokenExchangeRole"
    (attached,) = iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
    assert attached["PolicyName"] == "MarramDeviceAccess"
    iam.put_role_policy(
        RoleName=role,
        PolicyName="narrow",
        PolicyDocument=json.dumps(policy(allow("s3:PutObject", "arn:aws:s3:::field/open/*"))),
    )
    iam.detach_role_policy(RoleName=role, PolicyArn=attached["PolicyArn"])
    s3.put_object(Bucket="field", Key="open/b", Body=b"1")
    error = denied(s3.put_object, Bucket="field", Key="closed/b", Body=b"1")
    assert error["Code"] == "AccessDenied" and "s3:PutObject" in error["Message"], error
    assert denied(s3.get_object, Bucket="field", Key="open/a")["Code"] == "AccessDenied"
