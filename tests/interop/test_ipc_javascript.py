"""The Device SDK for JavaScript: a component that connects, publishes, subscribes and configures.

Skipped without Node.js: `cargo xtask test` then says so.
"""

import json
import os
import re
import shutil
from pathlib import Path

import pytest

from harness.fleet import allow, merged, recipe
from harness.scenario import source

MODULES = os.environ.get("MARRAM_NODE_MODULES", "")
NAME = "com.example.JavaScript"

pytestmark = pytest.mark.skipif(
    not (shutil.which("node") and Path(MODULES, "aws-iot-device-sdk-v2").is_dir()),
    reason="no Node.js, or no Device SDK for JavaScript in MARRAM_NODE_MODULES",
)


@pytest.fixture(scope="module")
def said(fleet, core):
    """What the component said, by its first word."""
    artifact = source(fleet, "javascript.js", "1.0.0")
    run = f"NODE_PATH={MODULES} exec {shutil.which('node')} {{artifacts:path}}/1.0.0 js"
    access = merged(
        allow(NAME, "pubsub", "PublishToTopic", "js/*"),
        allow(NAME, "pubsub", "SubscribeToTopic", "js/*"),
    )
    fleet.create(
        recipe(
            NAME,
            "1.0.0",
            {"run": run},
            artifacts=[artifact],
            configuration={"rate": 1, "accessControl": access},
        )
    )
    fleet.until_succeeded(core, fleet.deploy(core.group_arn(), {NAME: "1.0.0"}))
    core.until_log(NAME, "stdout. done")
    core.until_log(NAME, "stdout. changed")
    core.until_log(NAME, "stdout. binary")
    found = re.findall(r"stdout\. (\w+) (.*?)\. \{", core.log(NAME))
    return [(word, json.loads(value)) for word, value in found]


def of(said, word):
    return [value for found, value in said if found == word]


def test_it_connects_and_stays_connected(said):
    assert of(said, "connected") == [None]
    assert not of(said, "failed") and not of(said, "disconnected"), said


def test_it_publishes_and_hears_json_and_bytes(said):
    assert of(said, "json") == [["js/a", {"n": 1}]]
    assert of(said, "binary") == [["js/b", "bytes"]]


def test_errors_reach_it_as_their_own_shapes(said):
    (message,) = of(said, "denied")
    assert f"Principal {NAME} is not authorized to perform" in message
    assert of(said, "missing") == ["Key not found"]
    assert not of(said, "allowed")


def test_it_reads_changes_and_follows_its_configuration(said):
    assert of(said, "configuration") == [{"rate": 1}, {"rate": 2}]
    assert of(said, "changed") == [["rate"]]
