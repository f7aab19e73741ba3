"""The first of the two commands."""

import os
import signal
import subprocess
import sys

import pytest

from harness.programs import AWS_CLI, BIN, clean_environment, remove_folder, temporary_folder
from harness.waiting import until


def leftovers(folder):
    """Processes that still belong to a quickstart in this folder."""
    found = []
    for entry in os.listdir("/proc"):
        try:
            command = open(f"/proc/{entry}/cmdline", "rb").read()
        except OSError:
            continue
        if str(folder).encode() in command:
            found.append((entry, command))
    return found


@pytest.fixture
def data():
    path = temporary_folder()
    yield path / "quickstart"
    remove_folder(path)


def start(data, *options):
    return subprocess.Popen(
        [BIN / "marram", "quickstart", "--data", data, *options],
        env=clean_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_once_goes_from_nothing_to_healthy_and_leaves_nothing(data):
    process = start(data, "--once")
    text, _ = process.communicate(timeout=60)
    assert process.returncode == 0, text
    assert "Hello, Marram!" in text, text
    assert "HEALTHY" in text and "SUCCEEDED" in text
    assert leftovers(data) == []


def test_two_side_by_side(data):
    other = data.with_name("other")
    processes = [start(data, "--once"), start(other, "--once")]
    for process in processes:
        text, _ = process.communicate(timeout=60)
        assert process.returncode == 0, text


def test_stays_up_until_ctrl_c_and_its_hints_work(data):
    process = start(data)
    lines = []
    try:
        for line in process.stdout:
            lines.append(line)
            if "own log" in line:
                break
        text = "".join(lines)
        exports = "".join(line for line in lines if line.startswith("  export AWS_"))
        command = next(line for line in lines if line.startswith("  aws greengrassv2")).strip()
        aws = command.replace("aws", f"{sys.executable} {AWS_CLI}", 1)
        done = subprocess.run(
            ["sh", "-c", exports + aws], env=clean_environment(), capture_output=True, text=True
        )
        assert "MyCore" in done.stdout, text + done.stderr
        process.send_signal(signal.SIGINT)
        assert process.wait(15) == 0
        until(lambda: leftovers(data) == [], "everything is stopped")
    finally:
        process.kill()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become an ordinary user")
def test_works_as_an_ordinary_user():
    folder = temporary_folder()
    folder.chmod(0o777)
    program = folder / "marram"
    program.write_bytes((BIN / "marram").read_bytes())
    program.chmod(0o755)
    try:
        done = subprocess.run(
            [program, "quickstart", "--once", "--data", folder / "quickstart"],
            env=clean_environment() | {"HOME": str(folder)},
            capture_output=True,
            text=True,
            timeout=60,
            user="nobody",
            group="nogroup",
            extra_groups=[],
        )
        assert done.returncode == 0, done.stderr
    finally:
        remove_folder(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can take the network away")
def test_works_without_a_network(data):
    done = subprocess.run(
        ["unshare", "--net", "sh", "-c", 'ip link set lo up 2>/dev/null || true; exec "$@"', "sh"]
        + [BIN / "marram", "quickstart", "--once", "--data", data],
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    if "unshare failed" in done.stderr:
        pytest.skip("this machine does not allow network namespaces")
    assert done.returncode == 0, done.stderr
