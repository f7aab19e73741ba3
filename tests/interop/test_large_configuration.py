"""Deployments whose configuration is too large for the job or the shadow that announces them."""

import json

import botocore.exceptions
import pytest

from harness.fleet import recipe
from harness.programs import marram
from harness.scenario import configured

NAME = "com.example.Large"
# Beyond what a shadow (8 KiB) and a job (32 KiB) carry.
TEXTS = {"thing": "t" * 9_000, "group": "g" * 200_000}


@pytest.fixture(scope="module", autouse=True)
def component(fleet):
    lifecycle = {"run": "sleep 1000"}
    fleet.create(recipe(NAME, "1.0.0", lifecycle, configuration={"text": "small", "kept": 1}))


@pytest.mark.parametrize("target", ["group", "thing"])
def test_the_device_fetches_what_did_not_fit(fleet, core, target):
    arn = core.group_arn() if target == "group" else core.thing_arn()
    deployment = fleet.deploy(arn, {NAME: configured("1.0.0", text=TEXTS[target])})
    fleet.until_succeeded(core, deployment)
    got = fleet.greengrass.get_deployment(deploymentId=deployment)
    merge = json.loads(got["components"][NAME]["configurationUpdate"]["merge"])
    assert merge == {"text": TEXTS[target]}
    done = marram("core", "config", "get", NAME, "--root", core.root)
    assert TEXTS[target] in done.stdout
    assert "whole configuration is here" in core.nucleus_log()


def test_more_than_ten_mebibytes_are_refused_when_they_are_asked_for(fleet, core):
    with pytest.raises(botocore.exceptions.ClientError) as raised:
        fleet.deploy(core.group_arn(), {NAME: configured("1.0.0", text="x" * 10_485_700)})
    error = raised.value.response["Error"]
    assert error["Code"] == "ValidationException", error
    assert "at most 10485760 are sent" in raised.value.response["Error"]["Message"]
