"""systemResourceLimits of a deployment, enforced by the machine's own control groups."""

import os
import sys

import pytest

from harness.fleet import recipe
from harness.waiting import until

NAME = "com.example.InteropLimits"
LIMITS = {"memory": 60_000, "cpus": 0.2}


def control(name):
    """The content of a control file of the component's group, v1 or v2."""
    for controller in ("memory", "cpu,cpuacct", "cpu", "."):
        path = f"/sys/fs/cgroup/{controller}/greengrass/{NAME}/{name}"
        if os.path.exists(path):
            return open(path).read().strip()
    return None


@pytest.fixture(scope="module", autouse=True)
def groups():
    """Skips where the machine lets nobody make groups."""
    mounts = open("/proc/self/mountinfo").read()
    version_1 = os.path.exists("/sys/fs/cgroup/memory/memory.limit_in_bytes")
    version_2 = os.path.exists("/sys/fs/cgroup/cgroup.controllers")
    if "cgroup" not in mounts or not (version_1 or version_2):
        pytest.skip("this machine has no control groups for memory")
    folder = "/sys/fs/cgroup/memory" if version_1 else "/sys/fs/cgroup"
    probe = f"{folder}/marram-interop-probe-{os.getpid()}"
    try:
        os.mkdir(probe)
    except OSError as error:
        pytest.skip(f"control groups cannot be made here: {error}")
    os.rmdir(probe)


def test_memory_and_cpus_of_a_deployment_are_enforced(fleet, core):
    count = "import time; e=time.time()+3\nwhile time.time()<e: pass\nprint('used', time.process_time(), flush=True)"
    greedy = "print('got', len(bytearray(300000000)), flush=True)"
    run = f"""{sys.executable} -c "{count}"; {sys.executable} -c "{greedy}"; echo ended $?; sleep 1000"""
    fleet.create(recipe(NAME, "1.0.0", {"run": run}))
    component = {"componentVersion": "1.0.0", "runWith": {"systemResourceLimits": LIMITS}}
    fleet.until_succeeded(core, fleet.deploy(core.group_arn(), {NAME: component}))
    assert (control("memory.limit_in_bytes") or control("memory.max")) == "61440000"
    assert (control("cpu.cfs_quota_us") or control("cpu.max")).split()[0] == "20000"
    core.until_log(NAME, "ended 137")
    log = core.log(NAME)
    assert "got" not in log
    used = float(log.split("used ")[1].split()[0].rstrip(",\"}."))
    assert used < 1.5, f"{used} s of processor time in 3 s"


def test_other_limits_are_applied_without_a_restart(fleet, core):
    other = {"componentVersion": "1.0.0", "runWith": {"systemResourceLimits": {"memory": 50_000}}}
    fleet.until_succeeded(core, fleet.deploy(core.group_arn(), {NAME: other}))
    until(
        lambda: (control("memory.limit_in_bytes") or control("memory.max")) == "51200000",
        "the new limit",
    )
    assert core.log(NAME).count("ended 137") == 1


def test_the_group_goes_with_the_component(fleet, core):
    fleet.until_succeeded(core, fleet.deploy(core.group_arn(), {}))
    until(lambda: control("cgroup.procs") is None, "the group is removed")
