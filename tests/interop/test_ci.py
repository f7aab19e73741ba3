"""A cloud for CI: `--ephemeral`, `--clock virtual`, and the pytest file of docs/start/ci.md."""

import json
import os
import re
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from datetime import datetime, timezone
from pathlib import Path

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from harness.fleet import BUCKET, Fleet, recipe
from harness.programs import (
    BIN,
    Cloud,
    Core,
    Process,
    clean_environment,
    marram,
    remove_folder,
    temporary_folder,
)
from harness.waiting import until

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "start" / "ci.md"


@pytest.fixture
def place():
    path = temporary_folder()
    yield path
    remove_folder(path)


def start(place, *options, **environment):
    ready = place / "cloud.json"
    arguments = [BIN / "marram-cloud", "--ready-file", ready, *options]
    process = Process(arguments, place / "cloud.out", environment).start()

    def is_ready():
        process.assert_runs()
        return ready.exists()

    until(is_ready, "the cloud is ready")
    return process, ready


def clock(ready, *arguments, check=True):
    return marram("cloud", "clock", *arguments, "--ready-file", ready, check=check)


def now_s(ready):
    return json.loads(clock(ready, "show", "--output", "json").stdout)["nowMs"] / 1000


def test_the_pytest_file_of_the_documentation_passes_within_ten_seconds_a_test(place):
    (source,) = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    file = place / "test_rollout.py"
    file.write_text(source)
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    # The device's IPC socket has a short path only where the folder has.
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    command += ["--basetemp", place / "t", file]
    done = subprocess.run(
        [str(part) for part in command],
        cwd=place,
        env=clean_environment() | {"PATH": path, "TMPDIR": str(place)},
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout
    assert not list(place.glob("marram-ephemeral-*"))


def test_an_ephemeral_cloud_leaves_nothing_behind(place):
    process, ready = start(
        place, "--ephemeral", TMPDIR=str(place), MARRAM_STORE="postgres://nobody@127.0.0.1:1/none"
    )
    (folder,) = place.glob("marram-ephemeral-*")
    assert folder.stat().st_mode & 0o777 == 0o700
    assert Path(json.loads(ready.read_text())["ca_file"]).is_relative_to(folder)
    assert process.stop() == 0
    assert not list(place.glob("marram-ephemeral-*"))


def test_a_virtual_clock_stands_still_until_it_is_moved(place):
    process, ready = start(place, "--ephemeral", "--clock", "virtual", TMPDIR=str(place))
    try:
        began = now_s(ready)
        assert abs(began - time.time()) < 60
        assert now_s(ready) == began
        text = clock(ready, "advance", "40d12h").stdout
        assert now_s(ready) == began + 40.5 * 24 * 3600
        shown = datetime.fromtimestamp(int(now_s(ready)), timezone.utc)
        assert text == shown.strftime("%Y-%m-%dT%H:%M:%SZ (virtual)\n")
        for wrong in ("2", "0s", "soon"):
            done = clock(ready, "advance", wrong, check=False)
            assert done.returncode == 64 and wrong in done.stderr, done.stderr
    finally:
        process.stop()


def test_signatures_are_judged_by_their_makers_time(place):
    cloud = Cloud(place, ["--clock", "virtual"]).start()
    try:
        clock(cloud.ready_file, "advance", "3d")
        fleet = Fleet(cloud)
        artifact = fleet.artifact("a.bin", b"bytes")
        document = recipe("com.example.A", "1.0.0", {"run": "true"}, artifacts=[artifact])
        arn, _ = fleet.create(document)
        trust = ssl.create_default_context(cafile=cloud.ready["ca_file"])
        ours = fleet.greengrass.get_component_version_artifact(arn=arn, artifactName="a.bin")
        theirs = cloud.client("s3", Config(signature_version="s3v4")).generate_presigned_url(
            "get_object", Params={"Bucket": BUCKET, "Key": "a.bin"}
        )
        for url in (ours["preSignedUrl"], theirs):
            with urllib.request.urlopen(url, context=trust, timeout=10) as reply:
                assert reply.read() == b"bytes"
        fleet.iot.create_thing_group(thingGroupName="late")
        group = fleet.iot.describe_thing_group(thingGroupName="late")
        made = group["thingGroupMetadata"]["creationDate"].timestamp()
        assert made > time.time() + 2.9 * 24 * 3600
    finally:
        cloud.stop()


def status_of(cloud, given, method, path):
    """The HTTP status of a call of the service `marram`, signed by botocore."""
    keys = Credentials(given["access_key"], given["secret_key"], given["session_token"])
    body = b'{"seconds": 60}' if method == "POST" else None
    request = AWSRequest(method, cloud.ready["endpoint_url"] + path, data=body)
    SigV4Auth(keys, "marram", cloud.ready["region"]).add_auth(request)
    trust = ssl.create_default_context(cafile=cloud.ready["ca_file"])
    sent = urllib.request.Request(request.url, body, dict(request.headers), method=method)
    try:
        with urllib.request.urlopen(sent, context=trust, timeout=10) as reply:
            return reply.status
    except urllib.error.HTTPError as error:
        return error.code


def test_a_devices_credentials_expire_by_the_virtual_time_and_do_not_move_it(place):
    cloud = Cloud(place, ["--clock", "virtual"]).start()
    try:
        core = Core(cloud, place)
        given = core.credentials()
        device = cloud.client("sts", **given)
        clock(cloud.ready_file, "advance", "59m")
        assert ":assumed-role/" in device.get_caller_identity()["Arn"]
        for method, path in (
            ("POST", "/clock/advance"),
            ("GET", "/clock"),
            ("GET", "/deployments/any/explanation"),
            ("POST", "/backup"),
        ):
            assert status_of(cloud, given, method, path) == 403, path
        clock(cloud.ready_file, "advance", "2m")
        with pytest.raises(ClientError, match="ExpiredToken"):
            device.get_caller_identity()
    finally:
        cloud.stop()


def test_the_real_clock_is_not_moved(cloud):
    assert clock(cloud.ready_file, "show").stdout.endswith("(real)\n")
    done = clock(cloud.ready_file, "advance", "1s", check=False)
    assert done.returncode == 1 and "--clock virtual" in done.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--ephemeral", "--clock", "virtual", "--listen", "0.0.0.0"], ["--listen", "loopback"]),
        (["--ephemeral", "--data", "d"], ["--ephemeral", "--data"]),
        (["--ephemeral", "--store", "postgres://u@h/d"], ["--ephemeral", "--store"]),
        (["--ephemeral", "--clock", "sundial"], ["--clock", "virtual"]),
        ([], ["--data"]),
    ],
)
def test_what_does_not_go_together_is_refused(place, options, words):
    done = subprocess.run(
        [BIN / "marram-cloud", *options],
        env=clean_environment() | {"TMPDIR": str(place)},
        cwd=place,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 64, done.stderr
    assert all(word in done.stderr for word in words), done.stderr
    assert not list(place.glob("marram-ephemeral-*"))
