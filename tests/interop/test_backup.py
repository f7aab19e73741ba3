"""Back-ups of a running cloud, restored into either store."""

import hashlib
import json
import threading
import zipfile

import pytest

from harness import stores
from harness.fleet import BUCKET, Fleet, recipe
from harness.programs import Cloud, marram, remove_folder, temporary_folder
from harness.waiting import until

NAME = "com.example.Kept"
BODY = bytes(range(256)) * 5000


@pytest.fixture
def places():
    first, second = temporary_folder(), temporary_folder()
    yield first, second
    remove_folder(first)
    remove_folder(second)


def backup(cloud, file, **options):
    return marram("cloud", "backup", file, "--ready-file", cloud.ready_file, **options)


def restore(file, folder, *options, **more):
    return marram("cloud", "restore", file, "--data", folder / "cloud", *options, **more)


def fill(cloud):
    fleet = Fleet(cloud)
    artifact = fleet.artifact("kept.bin", BODY)
    arn, _ = fleet.create(recipe(NAME, "1.0.0", {"run": "true"}, artifacts=[artifact]))
    thing = fleet.iot.create_thing(thingName="kept")["thingArn"]
    fleet.iot.create_thing_group(thingGroupName="parent")
    fleet.iot.create_thing_group(thingGroupName="child", parentGroupName="parent")
    fleet.iot.add_thing_to_thing_group(thingGroupName="child", thingName="kept")
    certificate = fleet.iot.create_keys_and_certificate(setAsActive=True)["certificateId"]
    return arn, fleet.deploy(thing, {NAME: "1.0.0"}), certificate


def assert_holds(cloud, arn, deployment, certificate):
    """The same cloud: its first key still signs, and all it knew is there."""
    fleet = Fleet(cloud)
    found = fleet.greengrass.get_deployment(deploymentId=deployment)
    assert found["components"][NAME]["componentVersion"] == "1.0.0"
    assert fleet.greengrass.describe_component(arn=arn)["status"]["componentState"] == "DEPLOYABLE"
    url = fleet.greengrass.get_component_version_artifact(arn=arn, artifactName="kept.bin")
    assert url["preSignedUrl"]
    assert fleet.s3.get_object(Bucket=BUCKET, Key="kept.bin")["Body"].read() == BODY
    members = fleet.iot.list_things_in_thing_group(thingGroupName="parent", recursive=True)
    assert members["things"] == ["kept"]
    assert fleet.iot.describe_certificate(certificateId=certificate)
    # Without an artifact's copy a component could not be deployed any more.
    assert any(
        hashlib.sha256(path.read_bytes()).digest() == hashlib.sha256(BODY).digest()
        for path in (cloud.folder / "cloud/blobs/buckets").glob("marram-*/content/*")
    )


@pytest.mark.parametrize("source", stores.STORES)
@pytest.mark.parametrize("target", stores.STORES)
def test_a_running_cloud_is_backed_up_and_restored(places, source, target):
    here, there = places
    cloud = Cloud(here, stores.options(source, here)).start()
    try:
        made = fill(cloud)
        before = cloud.ready
        file = here / "cloud.backup"
        backup(cloud, file)
        assert file.stat().st_mode & 0o777 == 0o600
        assert not list((here / "cloud").glob("backup-*"))
        Fleet(cloud).iot.create_thing(thingName="later")
    finally:
        cloud.stop()
    options = stores.options(target, there)
    restore(file, there, *options)
    again = Cloud(there, options).start()
    try:
        for name in ("account_id", "access_key_id", "secret_access_key", "region"):
            assert again.ready[name] == before[name]
        ca = (there / "cloud/ca/root-ca.pem").read_text()
        assert ca == (here / "cloud/ca/root-ca.pem").read_text()
        assert_holds(again, *made)
        things = Fleet(again).iot.list_things()["things"]
        assert [thing["thingName"] for thing in things] == ["kept"], "of the back-up's moment"
    finally:
        again.stop()


@pytest.mark.parametrize("kind", stores.STORES)
def test_a_back_up_under_load_holds_what_was_acknowledged_before(places, kind):
    here, there = places
    cloud = Cloud(here, stores.options(kind, here)).start()
    acknowledged, stop = [], threading.Event()

    def load():
        fleet = Fleet(cloud)
        artifact = fleet.artifact("loaded", b"loaded")
        for count in range(10_000):
            if stop.is_set():
                return
            name = f"com.example.L{count}"
            document = recipe(name, "1.0.0", {"run": "true"}, artifacts=[artifact])
            acknowledged.append(fleet.create(document)[0])

    thread = threading.Thread(target=load)
    try:
        thread.start()
        files = []
        for number in range(3):
            until(lambda: len(acknowledged) > 4 * number, "more components are there")
            before = list(acknowledged)
            files.append((before, here / f"{number}.backup"))
            backup(cloud, files[-1][1])
    finally:
        stop.set()
        thread.join(30)
        cloud.kill()
    before, file = files[-1]
    assert before, "some were acknowledged before the last back-up"
    options = stores.options(kind, there)
    restore(file, there, *options)
    again = Cloud(there, options).start()
    try:
        greengrass = again.client("greengrassv2")
        listed = greengrass.list_components(maxResults=100)["components"]
        for component in listed:
            arn = component["latestVersion"]["arn"]
            status = greengrass.describe_component(arn=arn)["status"]
            assert status["componentState"] == "DEPLOYABLE"
            artifact = greengrass.get_component_version_artifact(arn=arn, artifactName="loaded")
            assert artifact["preSignedUrl"]
        for arn in before:
            assert greengrass.describe_component(arn=arn)["arn"] == arn
    finally:
        again.kill()


def test_a_target_that_holds_something_is_replaced_only_when_asked(places):
    here, there = places
    cloud = Cloud(here).start()
    file = here / "cloud.backup"
    try:
        backup(cloud, file)
        refused = backup(cloud, file, check=False)
        assert refused.returncode == 64 and "exists" in refused.stderr
        refused = restore(file, here, check=False)
        assert refused.returncode == 64 and "--replace" in refused.stderr
        refused = restore(file, here, "--replace", check=False)
        assert refused.returncode == 1 and "another process uses" in refused.stderr
        Fleet(cloud).iot.create_thing(thingName="later")
    finally:
        cloud.stop()
    done = restore(file, here, "--replace")
    kept = done.stdout.strip().rsplit(" ", 1)[1]
    assert kept.startswith(str(here / "cloud.before-restore-"))
    cloud.start()
    try:
        assert Fleet(cloud).iot.list_things()["things"] == []
    finally:
        cloud.stop()


def test_a_damaged_back_up_is_refused_and_changes_nothing(places):
    here, there = places
    cloud = Cloud(here).start()
    file = here / "cloud.backup"
    try:
        backup(cloud, file)
    finally:
        cloud.stop()
    whole = file.read_bytes()
    with zipfile.ZipFile(file) as archive:
        at = archive.getinfo("secrets.key").header_offset + 75  # in its content
        manifest = json.loads(archive.read("manifest.json"))
    assert manifest["format"] == 1 and "secrets.key" in manifest["entries"]
    changed = bytearray(whole)
    changed[at] ^= 0xFF
    for number, damaged in enumerate((bytes(changed), whole[:-100], b"no archive")):
        file.write_bytes(damaged)
        refused = restore(file, there, check=False)
        assert refused.returncode == 1, number
        assert "cannot be used" in refused.stderr, refused.stderr
        assert list(there.iterdir()) == []


def test_only_the_root_key_may_make_a_back_up(places):
    here, _ = places
    cloud = Cloud(here).start()
    try:
        ready = json.loads(cloud.ready_file.read_text())
        ready["secret_access_key"] = "x" * 40
        forged = here / "forged.json"
        forged.write_text(json.dumps(ready))
        file = here / "cloud.backup"
        refused = marram("cloud", "backup", file, "--ready-file", forged, check=False)
        assert refused.returncode == 1 and not file.exists()
        assert not list(here.glob("*.part"))
    finally:
        cloud.stop()
