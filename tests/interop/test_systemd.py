"""`marramd install` under a real systemd: one that boots in namespaces, on an overlay of this system."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from harness.programs import BIN, remove_folder, temporary_folder
from harness.waiting import until

SYSTEMD = Path("/lib/systemd/systemd")
DEADLINE_S = 120

# Runs outside first: a mount namespace takes all of this away when it ends.
BOOT = r"""
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs {folder}/layers
mkdir {folder}/layers/upper {folder}/layers/work
mount -t overlay overlay {folder}/root \
    -o lowerdir=/,upperdir={folder}/layers/upper,workdir={folder}/layers/work
cd {folder}/root
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t cgroup2 none sys/fs/cgroup
for place in run tmp dev; do mount -t tmpfs tmpfs $place; done
for device in null zero full random urandom tty; do
    touch dev/$device
    mount --bind /dev/$device dev/$device
done
mkdir -p dev/shm shared
mount --bind {folder}/shared shared
rm -rf etc/systemd/system
mkdir -p etc/systemd/system/multi-user.target.wants
ln -s /lib/systemd/system/multi-user.target etc/systemd/system/default.target
cp shared/scenario.service etc/systemd/system/
ln -s ../scenario.service etc/systemd/system/multi-user.target.wants/
"""
SYSTEM = r"""
exec env -i container=lxc PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    chroot . /lib/systemd/systemd --log-target=console
"""

UNIT = """
[Unit]
Description=What the test does
[Service]
ExecStart=/bin/sh /shared/scenario.sh
"""

# Each line of the result is `step key=value`.
SCENARIO = r"""
exec > /shared/output 2>&1
tell() { for key in "$@"; do
    echo "$step $key=$(systemctl show marramd -p $key --value)" >> /shared/result; done; }
until_true() { for _ in $(seq 600); do eval "$1" && return; sleep 0.1; done; }

step=installed
/shared/marramd install --root /greengrass/v2 --setup-system-service true --start true
echo "$step exit=$?" >> /shared/result
echo "$step enabled=$(systemctl is-enabled marramd)" >> /shared/result
tell ActiveState SubState WatchdogUSec NotifyAccess
test -S /greengrass/v2/ipc.socket && echo "$step socket=there" >> /shared/result

step=killed
killed=$(systemctl show marramd -p MainPID --value)
kill -9 $killed
until_true '[ "$(systemctl show marramd -p NRestarts --value)" = 1 ]'
until_true '[ "$(systemctl show marramd -p ActiveState --value)" = active ]'
tell ActiveState NRestarts

step=stopped
systemctl stop marramd
tell ActiveState Result ExecMainCode ExecMainStatus
echo done >> /shared/result
"""


def cgroup2():
    """Where this system has its hierarchy of version 2, if we may make groups there."""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, place, kind, *_ = line.split()
        if kind == "cgroup2" and os.access(place, os.W_OK):
            return Path(place)
    return None


@pytest.fixture
def group():
    """A control group for the whole of that system."""
    group = cgroup2() / f"marram-systemd-{os.getpid()}"
    group.mkdir()
    yield group
    (group / "cgroup.kill").write_text("1")
    events = group / "cgroup.events"
    until(lambda: "populated 0" in events.read_text(), "all of its processes are gone")
    for below, _, _ in sorted(os.walk(group), reverse=True):
        os.rmdir(below)


@pytest.fixture
def machine(group):
    folder = temporary_folder()
    for name in ("layers", "root", "shared"):
        (folder / name).mkdir()
    shutil.copy(BIN / "marramd", folder / "shared" / "marramd")
    (folder / "shared" / "scenario.sh").write_text(SCENARIO)
    (folder / "shared" / "scenario.service").write_text(UNIT)
    boot = BOOT.format(folder=folder)
    (folder / "probe.sh").write_text(boot)
    (folder / "boot.sh").write_text(boot + SYSTEM)
    enter = f"echo $$ > {group}/cgroup.procs; exec unshare -mpCnui --fork --kill-child sh {folder}"
    try:
        probe = subprocess.run(["sh", "-c", f"{enter}/probe.sh"], capture_output=True, text=True)
        if probe.returncode != 0:
            pytest.skip(f"this system lets nobody boot another one: {probe.stderr}")
        with open(folder / "console", "wb") as console:
            command = ["sh", "-c", f"{enter}/boot.sh"]
            process = subprocess.Popen(command, stdout=console, stderr=console)
        yield folder
        process.kill()
        process.wait()
    finally:
        remove_folder(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make namespaces")
@pytest.mark.skipif(not SYSTEMD.exists(), reason="this system has no systemd")
@pytest.mark.skipif(cgroup2() is None, reason="this system has no control groups of version 2")
def test_systemd_starts_watches_restarts_and_stops_the_device(machine):
    result = machine / "shared" / "result"

    def is_done():
        return result.exists() and "done" in result.read_text().splitlines()

    try:
        until(is_done, "the scenario is over", DEADLINE_S)
    except AssertionError as error:
        told = [machine / "console", machine / "shared" / "output", result]
        texts = [path.read_text(errors="replace") for path in told if path.exists()]
        raise AssertionError("\n".join([str(error), *texts])) from error
    lines = [line.split(" ", 1) for line in result.read_text().splitlines() if line != "done"]
    steps = {}
    for step, pair in lines:
        key, value = pair.split("=", 1)
        steps.setdefault(step, {})[key] = value
    assert steps["installed"] == {
        "exit": "0",
        "enabled": "enabled",
        "ActiveState": "active",
        "SubState": "running",
        "WatchdogUSec": "1min",
        "NotifyAccess": "main",
        "socket": "there",
    }
    assert steps["killed"] == {"ActiveState": "active", "NRestarts": "1"}
    stopped = {"ActiveState": "inactive", "Result": "success"}
    assert steps["stopped"] == stopped | {"ExecMainCode": "1", "ExecMainStatus": "0"}
