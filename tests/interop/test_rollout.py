"""`iotJobConfiguration` on a running cloud, with MQTT devices of the Device SDK."""

import json

import pytest

from harness.mqtt import Identity, Mqtt5, statement

GROUP = "rolled"
NAMESPACE = "namespace-aws-gg-deployment"


@pytest.fixture
def devices(cloud, fleet, folder):
    """Two connected things of one group."""
    fleet.iot.create_thing_group(thingGroupName=GROUP)
    clients = []
    for name in ("roll1", "roll2"):
        arn = lambda kind, text: cloud.arn("iot", f"{kind}/{text}")  # noqa: E731
        jobs = f"$aws/things/{name}/jobs/*"
        statements = [
            statement("Allow", "iot:Connect", arn("client", name)),
            statement("Allow", "iot:Subscribe", arn("topicfilter", jobs)),
            statement("Allow", ["iot:Publish", "iot:Receive"], arn("topic", jobs)),
        ]
        client = Mqtt5(Identity(cloud, name, statements, folder))
        fleet.iot.add_thing_to_thing_group(thingGroupName=GROUP, thingName=name)
        client.until("connected")
        client.thing = name
        clients.append(client)
    yield clients
    for client in clients:
        client.stop()


def next_job(client):
    topic = f"$aws/things/{client.thing}/jobs/$next/{NAMESPACE}/get"
    verdict, reply = client.request(topic, {})
    assert verdict == "accepted", reply
    return reply.get("execution")


def test_a26c_a26d_one_device_a_minute_and_none_after_a_failure(cloud, fleet, devices):
    first, second = devices
    made = fleet.greengrass.create_deployment(
        targetArn=cloud.arn("iot", f"thinggroup/{GROUP}"),
        iotJobConfiguration={
            "jobExecutionsRolloutConfig": {"maximumPerMinute": 1},
            "abortConfig": {
                "criteriaList": [
                    {
                        "failureType": "FAILED",
                        "action": "CANCEL",
                        "thresholdPercentage": 50,
                        "minNumberOfExecutedThings": 1,
                    }
                ]
            },
            "timeoutConfig": {"inProgressTimeoutInMinutes": 60},
        },
    )
    job = made["iotJobId"]
    assert next_job(first)["jobId"] == job
    assert next_job(second) is None
    details = fleet.iot.describe_job(jobId=job)["job"]["jobProcessDetails"]
    assert details["numberOfQueuedThings"] == 2

    update = f"$aws/things/{first.thing}/jobs/{job}/{NAMESPACE}/update"
    verdict, _ = first.request(update, {"status": "IN_PROGRESS"})
    assert verdict == "accepted"
    execution = fleet.iot.describe_job_execution(jobId=job, thingName=first.thing)["execution"]
    assert 3500 < execution["approximateSecondsBeforeTimedOut"] <= 3600

    verdict, _ = first.request(update, {"status": "FAILED"})
    assert verdict == "accepted"
    described = fleet.iot.describe_job(jobId=job)["job"]
    assert described["status"] == "CANCELED", json.dumps(described, default=str)
    assert described["jobProcessDetails"]["numberOfCanceledThings"] == 1
    status = fleet.greengrass.get_deployment(deploymentId=made["deploymentId"])
    assert status["deploymentStatus"] == "CANCELED"
    assert next_job(second) is None
