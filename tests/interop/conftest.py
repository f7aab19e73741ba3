"""Fixtures: one cloud for a module, one core device for those that need it."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from harness import stores  # noqa: E402
from harness.fleet import Fleet  # noqa: E402
from harness.programs import Cloud, Core, remove_folder, temporary_folder  # noqa: E402


@pytest.fixture(scope="module")
def store():
    """Which store the module's cloud has; a module may have it on each in turn."""
    return "sqlite"


@pytest.fixture(scope="module")
def folder(store):
    path = temporary_folder()
    yield path
    remove_folder(path)


@pytest.fixture(scope="module")
def cloud(folder, store):
    cloud = Cloud(folder, stores.options(store, folder)).start()
    yield cloud
    if cloud.process is not None:
        cloud.process.kill()


@pytest.fixture(scope="module")
def fleet(cloud):
    return Fleet(cloud)


@pytest.fixture(scope="module")
def core(cloud, folder):
    """A running core device whose components run as the tests' own user."""
    core = Core(cloud, folder, options=own_user()).start()
    yield core
    if core.process is not None:
        core.stop()


def own_user():
    """Components in Python need an interpreter that only our own user may be able to read."""
    return ("--default-user", "root") if os.geteuid() == 0 else ()


def pytest_runtest_logreport(report):
    if report.when == "call" and report.failed:
        sys.stderr.write(f"\nfailed: {report.nodeid}\n")
