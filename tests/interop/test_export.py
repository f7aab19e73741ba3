"""`marram cloud export` and `import`: plain files that make the same cloud again."""

import json
import shutil

import pytest

from harness.fleet import BUCKET, Fleet, recipe
from harness.programs import Cloud, marram, remove_folder, temporary_folder

NAME = "com.example.Kept"
BODY = bytes(range(256)) * 100
YAML = """\
RecipeFormatVersion: '2020-01-25'
ComponentName: com.example.Yaml
ComponentVersion: 2.0.0
ComponentDependencies:
  com.example.Kept: {VersionRequirement: ^1.0.0}
Manifests:
  - Platform: {os: linux}
    Lifecycle: {run: "echo ${HOME} {configuration:/a}"}
"""


@pytest.fixture(scope="module")
def place():
    path = temporary_folder()
    yield path
    remove_folder(path)


def transfer(verb, cloud, folder, *options, check=True):
    arguments = ["cloud", verb, folder, "--ready-file", cloud.ready_file, *options]
    return marram(*arguments, check=check)


def results(cloud, folder, check=True):
    done = transfer("import", cloud, folder, "--output", "json", check=check)
    return {row["item"]: row["result"] for row in json.loads(done.stdout)["items"]}


def contents(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def fill(cloud):
    fleet = Fleet(cloud)
    for key, body in (("a.bin", BODY), ("deep/é ü/.hidden", b"hidden")):
        artifact = fleet.artifact(key, body)
        artifact["URI"] = artifact["URI"].replace(" ", "%20")
        version = "1.0.0" if key == "a.bin" else "1.1.0"
        fleet.create(recipe(NAME, version, {"run": "true"}, artifacts=[artifact]))
    fleet.create(YAML)
    missing = {"URI": f"s3://{BUCKET}/missing", "Permission": {"Read": "ALL"}}
    fleet.create(recipe(NAME, "0.1.0", {"run": "true"}, artifacts=[missing]), "FAILED")
    iot = fleet.iot
    properties = {
        "thingGroupDescription": "all of them",
        "attributePayload": {"attributes": {"site": "north", "line": "7"}},
    }
    # A child that sorts before its parent.
    iot.create_thing_group(thingGroupName="z:parent", thingGroupProperties=properties)
    iot.create_thing_group(thingGroupName="child", parentGroupName="z:parent")
    iot.create_thing(thingName="pump:1", attributePayload={"attributes": {"serial": "5"}})
    iot.add_thing_to_thing_group(thingGroupName="child", thingName="pump:1")
    document = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": "iot:Publish",
                "Resource": cloud.arn("iot", "topic/${iot:Connection.Thing.ThingName}/*"),
            }
        ],
    }
    iot.create_policy(policyName="Pumps", policyDocument=json.dumps(document))
    account = cloud.ready["account_id"]
    iot.create_role_alias(
        roleAlias="Exchange",
        roleArn=f"arn:aws:iam::{account}:role/Exchange",
        credentialDurationSeconds=1800,
    )
    fleet.deploy(cloud.arn("iot", "thinggroup/child"), {NAME: "1.0.0"})
    specification = {
        "componentVersion": "1.1.0",
        "configurationUpdate": {"merge": json.dumps({"a": [1, "é"]}), "reset": ["/b"]},
    }
    fleet.deploy(
        cloud.arn("iot", "thinggroup/child"),
        {NAME: specification, "com.example.Yaml": "2.0.0"},
        deploymentName="second",
        deploymentPolicies={"failureHandlingPolicy": "DO_NOTHING"},
        iotJobConfiguration={"jobExecutionsRolloutConfig": {"maximumPerMinute": 10}},
    )
    cancelled = fleet.deploy(cloud.arn("iot", "thinggroup/z:parent"), {NAME: "1.0.0"})
    fleet.greengrass.cancel_deployment(deploymentId=cancelled)
    fleet.deploy(cloud.arn("iot", "thing/pump:1"), {NAME: "1.0.0"})


@pytest.fixture(scope="module")
def exported(cloud, place):
    """The folder of an export of a cloud with something of everything."""
    fill(cloud)
    folder = place / "first"
    text = transfer("export", cloud, folder, "--things").stdout
    assert "left out, as it is not DEPLOYABLE" in text and ":versions:0.1.0" in text
    return folder


def another(place, name):
    folder = place / name
    folder.mkdir()
    return Cloud(folder).start()


def test_an_export_is_plain_files_of_no_one_cloud(cloud, exported):
    found = contents(exported)
    assert set(found) == {
        "export.json",
        "policies/Pumps.json",
        "role-aliases/Exchange.json",
        "thing-groups/child.json",
        "thing-groups/z%3Aparent.json",
        "things/pump%3A1.json",
        f"components/{NAME}/1.0.0/recipe.json",
        f"components/{NAME}/1.0.0/artifacts/{BUCKET}/a.bin",
        f"components/{NAME}/1.1.0/recipe.json",
        f"components/{NAME}/1.1.0/artifacts/{BUCKET}/deep/%C3%A9%20%C3%BC/%2Ehidden",
        "components/com.example.Yaml/2.0.0/recipe.yaml",
        "deployments/thinggroup/child.json",
        "deployments/thing/pump%3A1.json",
    }
    assert found[f"components/{NAME}/1.0.0/artifacts/{BUCKET}/a.bin"] == BODY
    assert not any(cloud.ready["account_id"].encode() in body for body in found.values())
    deployment = json.loads(found["deployments/thinggroup/child.json"])
    assert deployment["target"] == "thinggroup/child"
    assert deployment["deploymentName"] == "second"
    policy = json.loads(found["policies/Pumps.json"])["policyDocument"]["Statement"][0]
    account = "arn:aws:iot:${marram:region}:${marram:account}:topic/"
    assert policy["Resource"] == account + "${iot:Connection.Thing.ThingName}/*"


def test_export_import_export_is_byte_identical_and_an_import_is_idempotent(
    cloud, exported, place
):
    other = another(place, "other")
    try:
        assert other.ready["account_id"] != cloud.ready["account_id"]
        assert set(results(other, exported).values()) == {"created"}
        again = place / "second"
        transfer("export", other, again, "--things")
        assert contents(again) == contents(exported)
        assert set(results(other, exported).values()) == {"unchanged"}
        fleet = Fleet(other)
        policy = fleet.iot.get_policy(policyName="Pumps")["policyDocument"]
        assert other.ready["account_id"] in policy
        parent = fleet.iot.describe_thing_group(thingGroupName="child")["thingGroupMetadata"]
        assert parent["parentGroupName"] == "z:parent"
        members = fleet.iot.list_things_in_thing_group(thingGroupName="child")["things"]
        assert members == ["pump:1"]
        pending = fleet.greengrass.list_deployments(targetArn=other.arn("iot", "thinggroup/child"))
        assert pending["deployments"][0]["deploymentStatus"] == "ACTIVE"
    finally:
        other.stop()


def test_without_things_there_are_none(cloud, exported, place):
    transfer("export", cloud, f"{place}/groups/")
    found = contents(place / "groups")
    assert "thing-groups/child.json" in found
    assert not any(path.startswith(("things/", "deployments/thing/")) for path in found)
    done = transfer("export", cloud, place / "groups", check=False)
    assert done.returncode == 64 and "not an empty folder" in done.stderr
    (place / "mine.part").mkdir()
    done = transfer("export", cloud, place / "mine", check=False)
    assert done.returncode == 64 and "mine.part" in done.stderr, "it may be somebody's"


def test_what_is_there_with_other_content_is_left_and_told(cloud, exported, place):
    other = another(place, "conflicts")
    try:
        fleet = Fleet(other)
        fleet.artifact("a.bin", b"not the same")
        fleet.create(recipe("com.example.Yaml", "2.0.0", {"run": "echo mine"}))
        fleet.iot.create_thing_group(thingGroupName="child")
        done = transfer("import", other, exported, "--output", "json", check=False)
        assert done.returncode == 1 and "4 of 10 were left as they are" in done.stderr
        rows = {row["item"]: row for row in json.loads(done.stdout)["items"]}
        conflicts = {item: row["note"] for item, row in rows.items() if row["result"] == "conflict"}
        assert set(conflicts) == {
            "thing-groups/child.json",
            f"components/{NAME}/1.0.0",
            "components/com.example.Yaml/2.0.0",
        }
        # Its component is one of the conflicts; all others were tried.
        deployment = rows["deployments/thing/pump%3A1.json"]
        assert deployment["result"] == "failed" and NAME in deployment["note"]
        assert rows["deployments/thinggroup/child.json"]["result"] == "created"
        assert "parentGroupName" in conflicts["thing-groups/child.json"]
        assert f"s3://{BUCKET}/a.bin" in conflicts[f"components/{NAME}/1.0.0"]
        group = fleet.iot.describe_thing_group(thingGroupName="child")
        assert "parentGroupName" not in group["thingGroupMetadata"]
        body = fleet.s3.get_object(Bucket=BUCKET, Key="a.bin")["Body"].read()
        assert body == b"not the same"
    finally:
        other.stop()


def edit(path, change):
    def apply(folder):
        document = json.loads((folder / path).read_text())
        change(document)
        (folder / path).write_text(json.dumps(document))

    return apply


def rename(path, name):
    return lambda folder: (folder / path).rename((folder / path).with_name(name))


def link(path):
    def apply(folder):
        (folder / path).unlink()
        (folder / path).symlink_to("/etc/hostname")

    return apply


def write(path, text):
    def apply(folder):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)

    return apply


RECIPE = f"components/{NAME}/1.0.0/recipe.json"
ARTIFACT = f"components/{NAME}/1.0.0/artifacts/{BUCKET}/a.bin"
GROUP = "thing-groups/child.json"


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (write(GROUP, "{"), [GROUP, "EOF", "JSON object"]),
        (edit(GROUP, lambda d: d.pop("thingGroupName")), [GROUP, "thingGroupName", "missing"]),
        (edit(GROUP, lambda d: d.update(colour="red")), [GROUP, "colour", "red", "remove it"]),
        (edit(GROUP, lambda d: d.update(attributes={"a": 5})), [GROUP, "attributes.a", "is 5"]),
        (
            edit("thing-groups/z%3Aparent.json", lambda d: d.update(parentGroupName="child")),
            ["thing-groups", "child", "z:parent", "circle"],
        ),
        (rename(GROUP, "other.json"), ["thing-groups/other.json", "child", "call it child.json"]),
        (write("policies/README", "x"), ["policies/README", ".json"]),
        (
            edit("deployments/thinggroup/child.json", lambda d: d.update(target="thing/x")),
            ["deployments/thinggroup/child.json", "target", "thing/x", "thinggroup/NAME"],
        ),
        (write(ARTIFACT, "other bytes"), [RECIPE, "Digest", ARTIFACT]),
        (edit(RECIPE, lambda d: d.update(ComponentVersion="9.0.0")), [RECIPE, "9.0.0", "folder"]),
        (edit(RECIPE, lambda d: d.update(Colour=1)), [RECIPE, "Colour"]),
        (link(ARTIFACT), [ARTIFACT, "link"]),
        (link(GROUP), [GROUP, "link"]),
        (write("export.json", '{"format": 2}'), ["export.json", "format", "2", "reads format 1"]),
        (lambda folder: (folder / "export.json").unlink(), ["export.json", "an export wrote"]),
    ],
)
def test_a_malformed_folder_is_refused_before_anything_is_changed(
    cloud, exported, place, damage, words
):
    folder = place / "damaged"
    shutil.copytree(exported, folder)
    try:
        damage(folder)
        before = Fleet(cloud).greengrass.list_deployments()["deployments"]
        done = transfer("import", cloud, folder, check=False)
        assert done.returncode == 64, done.stderr
        assert all(word in done.stderr for word in words), done.stderr
        assert done.stdout == ""
        assert Fleet(cloud).greengrass.list_deployments()["deployments"] == before
    finally:
        shutil.rmtree(folder)


def test_files_that_people_write_may_leave_out_what_has_a_default(place):
    other = another(place, "written")
    folder = place / "by-hand"
    try:
        write("export.json", '{"format": 1}')(folder)
        write("thing-groups/hand.json", '{"thingGroupName": "hand"}')(folder)
        write(
            "deployments/thinggroup/hand.json",
            json.dumps({"target": "thinggroup/hand", "components": {
                "com.example.Hand": {"componentVersion": "1.0.0"}}}),
        )(folder)
        document = recipe(
            "com.example.Hand",
            "1.0.0",
            {"run": "true"},
            artifacts=[{"URI": "s3://new-bucket/../hand.sh"}],
        )
        base = "components/com.example.Hand/1.0.0"
        write(f"{base}/recipe.json", json.dumps(document))(folder)
        write(f"{base}/artifacts/new-bucket/%2E./hand.sh", "echo hand")(folder)
        assert set(results(other, folder).values()) == {"created"}
        assert set(results(other, folder).values()) == {"unchanged"}
    finally:
        other.stop()
