"""`marram doctor`: nothing to complain of on a device and a cloud that are well, and the right
remedy for each thing that is broken."""

import json
import os
import shutil
import socket
import subprocess
from contextlib import contextmanager
from itertools import count

import pytest
import yaml

from conftest import own_user
from harness.programs import BIN, Cloud, Core, clean_environment, marram
from harness.waiting import until

NOBODY = 65534
NUMBERS = count()


def doctor(*arguments, **options):
    """The finished process, and its findings by id."""
    done = subprocess.run(
        [BIN / "marram", "doctor", *map(str, arguments), "--output", "json"],
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        **options,
    )
    checks = json.loads(done.stdout)["checks"] if done.stdout else []
    return done, {check["id"]: check for check in checks}


def examined(device, **options):
    return doctor("--root", device.root, **options)


def assert_found(findings, check, status, *remedy):
    found = findings[check]
    assert found["status"] == status, found
    for text in remedy:
        assert text in (found["remedy"] or ""), found


def assert_failed_alone(done, findings, check, *remedy):
    assert_found(findings, check, "failed", *remedy)
    others = {c["id"]: c for c in findings.values() if c["status"] == "failed"}
    assert set(others) == {check}, others
    assert done.returncode == 1


@pytest.fixture
def device(cloud, folder):
    """A provisioned device that does not run, to break something of."""
    return Core(cloud, folder, thing=f"patient{next(NUMBERS)}", groups=(), options=own_user())


@contextmanager
def configured(device):
    """The device's config.yaml, to be changed."""
    path = device.root / "config/config.yaml"
    document = yaml.safe_load(path.read_text())
    yield document["system"], document["services"]["aws.greengrass.Nucleus"]["configuration"]
    path.write_text(yaml.safe_dump(document))


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def certificate_arn(cloud, device):
    return cloud.client("iot").list_thing_principals(thingName=device.thing)["principals"][0]


def test_a_running_device_is_well_and_is_not_disturbed(core, fleet):
    fleet.until_healthy(core)
    done, findings = examined(core)
    # Control groups and a large disk are the machine's to have.
    wrong = [
        check
        for check in findings.values()
        if check["status"] != "ok" and check["id"] not in {"cgroups", "disk", "inodes"}
    ]
    assert wrong == [] and done.returncode == 0
    assert "core1#doctor" in findings["mqtt"]["detail"]
    assert str(core.process.child.pid) in findings["nucleus"]["detail"]
    assert "not connected" not in (core.root / "logs/greengrass.log").read_text()


def test_a_device_before_its_first_start_is_well(device):
    before = sorted(path.relative_to(device.root) for path in device.root.rglob("*"))
    done, findings = examined(device)
    assert done.returncode == 0
    assert_found(findings, "mqtt", "ok")
    assert findings["mqtt"]["detail"].endswith(f"takes client id {device.thing}")
    assert_found(findings, "nucleus", "warning", f"marramd --root {device.root}")
    assert_found(findings, "ipc", "skipped")
    after = sorted(path.relative_to(device.root) for path in device.root.rglob("*"))
    assert after == before, "it only looks"


def test_an_expired_certificate(device, tmp_path):
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed: nothing else makes an expired certificate")
    key, request = device.root / "privKey.key", tmp_path / "request.pem"
    version_3 = tmp_path / "extensions"
    version_3.write_text("basicConstraints = CA:FALSE\n")
    subprocess.run(
        ["openssl", "req", "-new", "-key", key, "-out", request, "-subj", "/CN=old"], check=True
    )
    subprocess.run(
        ["openssl", "x509", "-req", "-in", request, "-signkey", key, "-days", "-1"]
        + ["-out", device.root / "thingCert.crt", "-extfile", version_3],
        check=True,
        capture_output=True,
    )
    _, findings = examined(device)
    assert_found(findings, "certificate", "failed", "issue a new certificate")
    assert "has expired on" in findings["certificate"]["detail"]
    assert_found(findings, "private-key", "ok")
    # The cloud does not know it either.
    assert_found(findings, "mqtt", "failed", "ACTIVE and registered")


def test_a_wrong_root_ca(device):
    shutil.copy(device.root / "thingCert.crt", device.root / "rootCA.pem")
    done, findings = examined(device)
    assert done.returncode == 1
    for check in ("mqtt", "data-plane", "credentials"):
        assert_found(findings, check, "failed", "does not chain to the root CA", "system.rootCaPath")
    assert_found(findings, "private-key", "ok")


def test_a_closed_port(device):
    with configured(device) as (_, nucleus):
        nucleus["mqtt"]["port"] = free_port()
    done, findings = examined(device)
    assert_failed_alone(done, findings, "mqtt", "check that the cloud runs", "mqtt.port")


def test_a_name_that_nobody_knows(device):
    with configured(device) as (_, nucleus):
        nucleus["iotCredEndpoint"] = "credentials.invalid:443"
    done, findings = examined(device)
    assert_failed_alone(done, findings, "credentials", "iotCredEndpoint", "DNS")


def test_a_foreign_key(device, core):
    shutil.copy(core.root / "privKey.key", device.root / "privKey.key")
    done, findings = examined(device)
    assert_failed_alone(done, findings, "private-key", "issued together")
    assert_found(findings, "mqtt", "skipped")


def test_a_key_that_others_may_read(device):
    (device.root / "privKey.key").chmod(0o644)
    done, findings = examined(device)
    assert_found(findings, "private-key", "warning", f"chmod 600 {device.root}/privKey.key")
    assert done.returncode == 0


def test_a_key_that_may_not_be_read(device):
    key = device.root / "privKey.key"
    options = {}
    if os.geteuid() == 0:
        # Root reads everything, so somebody else looks.
        for path in [device.root, *device.root.rglob("*")]:
            os.chown(path, NOBODY, NOBODY)
        os.chown(key, 0, 0)
        options = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
    else:
        key.chmod(0)
    done, findings = examined(device, **options)
    assert_found(findings, "private-key", "failed", str(key), "may read it")
    assert_found(findings, "mqtt", "skipped")
    assert done.returncode == 1


def test_a_default_user_that_does_not_exist(device):
    with configured(device) as (_, nucleus):
        nucleus["runWithDefault"] = {"posixUser": "no-such-user"}
    done, findings = examined(device)
    assert_failed_alone(done, findings, "default-user", "useradd", "runWithDefault.posixUser")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root closes a folder to a component's user")
def test_a_default_user_who_cannot_get_in(device):
    with configured(device) as (_, nucleus):
        nucleus["runWithDefault"] = {"posixUser": f"{NOBODY}:{NOBODY}"}
    device.root.chmod(0o700)
    done, findings = examined(device)
    assert_failed_alone(done, findings, "default-user", f"chmod o+x {device.root}")


def test_a_full_disk(device, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m,mode=0755", "tmpfs", small]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("mounting a small file system needs root and a kernel that lets it")
    try:
        shutil.copytree(device.root, small / "root")
        done, findings = doctor("--root", small / "root")
        assert_found(findings, "disk", "failed", "larger file system")
        assert "deployments are refused" in findings["disk"]["detail"]
        assert done.returncode == 1
    finally:
        subprocess.run(["umount", small], check=True)


def test_a_policy_that_denies_the_connection(cloud, device):
    iot = cloud.client("iot")
    statement = {"Effect": "Deny", "Action": "iot:Connect", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iot.create_policy(policyName=f"{device.thing}-deny", policyDocument=document)
    iot.attach_policy(
        policyName=f"{device.thing}-deny", target=certificate_arn(cloud, device)
    )
    done, findings = examined(device)
    assert_failed_alone(
        done, findings, "mqtt", f"iot:Connect on client/{device.thing}", "ACTIVE"
    )


def test_an_inactive_certificate(cloud, device):
    identifier = certificate_arn(cloud, device).rsplit("/", 1)[1]
    cloud.client("iot").update_certificate(certificateId=identifier, newStatus="INACTIVE")
    done, findings = examined(device)
    assert done.returncode == 1
    assert_found(findings, "mqtt", "failed", "ACTIVE")
    assert_found(findings, "data-plane", "failed", "ACTIVE")


def test_a_missing_role_alias(device):
    with configured(device) as (_, nucleus):
        nucleus["iotRoleAlias"] = "NoSuchAlias"
    done, findings = examined(device)
    assert_failed_alone(done, findings, "credentials", "NoSuchAlias")


def test_a_configuration_with_a_slip(device):
    path = device.root / "config/config.yaml"
    path.write_text(path.read_text().replace("thingName:", "thingNam:"))
    done, findings = examined(device)
    assert_failed_alone(done, findings, "configuration", "config.yaml")
    assert "thingNam" in findings["configuration"]["detail"]
    assert_found(findings, "mqtt", "skipped")


def test_a_device_without_one_key_of_its_cloud(device):
    with configured(device) as (_, nucleus):
        nucleus["awsRegion"] = ""
    done, findings = examined(device)
    assert_found(findings, "configuration", "warning", "provision the device again")
    assert "awsRegion" in findings["configuration"]["detail"]
    assert done.returncode == 0


def test_no_device_at_all(tmp_path):
    done, findings = doctor("--root", tmp_path / "nothing")
    assert done.returncode == 1
    assert_found(findings, "root", "failed", "marram core provision")


def test_a_root_folder_that_others_may_write(device):
    device.root.chmod(0o777)
    done, findings = examined(device)
    assert_failed_alone(done, findings, "root", f"chmod go-w {device.root}")


def test_a_nucleus_that_does_not_answer(cloud, folder):
    device = Core(cloud, folder, thing="frozen", groups=(), options=own_user()).start()
    pid = device.process.child.pid
    try:
        socket_file = device.root / "ipc.socket"
        socket_file.unlink()
        _, findings = examined(device)
        assert_found(findings, "ipc", "failed", "restart the nucleus")
        assert_found(findings, "nucleus", "ok")
        assert str(pid) in findings["nucleus"]["detail"]
    finally:
        device.stop()


def test_only_and_list_and_bad_arguments(device):
    done, findings = doctor("--root", device.root, "--only", "clock", "--only", "disk")
    assert list(findings) == ["disk", "clock"]
    assert_found(findings, "clock", "ok")
    assert done.returncode == 0
    listed = marram("doctor", "--list").stdout
    assert listed.startswith("root ") and "\nmqtt " in listed
    for arguments in (["--only", "nope"], ["--data", "/x"], ["--cloud"], ["--root", "/x", "--cloud"]):
        refused = marram("doctor", *arguments, check=False)
        assert refused.returncode == 64, arguments
    assert "private-key" in marram("doctor", "--only", "nope", check=False).stderr


def test_the_table_is_plain_when_nobody_watches(device):
    shown = marram("doctor", "--root", device.root, "--only", "private-key").stdout
    assert shown.startswith(f"Examined the core device in {device.root}\n✓ private-key  ")
    assert shown.endswith("1 ok, 0 warnings, 0 failed, 0 skipped\n")
    assert "\x1b" not in shown


def test_a_running_cloud_is_well(cloud):
    done, findings = doctor("--cloud", "--ready-file", cloud.ready_file)
    wrong = [
        check
        for check in findings.values()
        if check["status"] != "ok" and check["id"] not in {"ports", "disk", "inodes"}
    ]
    assert wrong == [] and done.returncode == 0
    assert_found(findings, "ports", "skipped")


def test_ports_are_free_ours_or_somebody_elses(cloud):
    own = cloud.ready["mqtt_endpoint"].rsplit(":", 1)[1]
    where = ("--cloud", "--ready-file", cloud.ready_file, "--only", "ports")
    _, findings = doctor(*where, "--port", own, "--port", free_port())
    assert_found(findings, "ports", "ok")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done, findings = doctor(*where, "--port", port)
        assert_failed_alone(done, findings, "ports", f"sport = :{port}")


def test_a_cloud_that_is_gone_and_one_with_open_secrets(tmp_path):
    cloud = Cloud(tmp_path).start()
    cloud.stop()
    done, findings = doctor("--cloud", "--ready-file", cloud.ready_file)
    assert done.returncode == 1
    assert_found(findings, "api", "failed", "start the cloud")
    assert_found(findings, "device-ports", "failed", "check that the cloud runs")
    assert_found(findings, "authority", "ok")
    data = tmp_path / "cloud"
    (data / "ca/root-ca.key").chmod(0o644)
    (data / "cloud.db").write_text("no database, but long enough to be one")
    _, findings = doctor("--cloud", "--data", data)
    assert_found(findings, "authority", "failed", f"chmod 600 {data}/ca/root-ca.key")
    assert_found(findings, "database", "failed", "backup")
    assert_found(findings, "api", "skipped")
    (data / "ca/root-ca.pem").unlink()
    (data / "cloud.db").unlink()
    _, findings = doctor("--cloud", "--data", data)
    assert_found(findings, "database", "skipped")
    assert "PostgreSQL" in findings["database"]["detail"]
    assert_found(findings, "authority", "failed", "restore ca/")


def test_a_failed_local_deployment_is_told(cloud, folder):
    device = Core(cloud, folder, thing="unlucky", groups=(), options=own_user()).start()
    try:
        cli = ["core", "--ggcRootPath", device.root, "--output", "json"]
        made = marram(*cli, "deployment", "create", "--merge", "com.example.Nowhere=1.0.0")
        assert made.returncode == 0

        def told():
            return examined(device)[1]["deployments"]["status"] == "warning"

        until(told, "the failure is told")
        assert_found(examined(device)[1], "deployments", "warning", "deployment status -i")
    finally:
        device.stop()
