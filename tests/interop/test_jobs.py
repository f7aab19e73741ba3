"""Jobs on a running cloud: boto3 for people, the Device SDK's jobs client for devices."""

import json
import queue

import pytest
from awscrt import mqtt, mqtt_request_response
from awsiot import V2ServiceException, iotjobs

from harness import stores
from harness.fleet import Fleet
from harness.mqtt import TIMEOUT_S, Identity, Mqtt5, Mqtt311, statement
from harness.programs import Cloud, marram, remove_folder, temporary_folder
from harness.waiting import until

QOS = mqtt.QoS.AT_LEAST_ONCE
DOCUMENT = {"operation": "reboot", "after": 5}


class Device:
    """A thing with the Device SDK's jobs client, which keeps every answer and notification."""

    def __init__(self, cloud, name, folder):
        jobs = f"$aws/things/{name}/jobs/*"
        arn = lambda kind, text: cloud.arn("iot", f"{kind}/{text}")  # noqa: E731
        statements = [
            statement("Allow", "iot:Connect", arn("client", name)),
            statement("Allow", "iot:Subscribe", arn("topicfilter", jobs)),
            statement("Allow", ["iot:Publish", "iot:Receive"], arn("topic", jobs)),
        ]
        self.name = name
        self.identity = Identity(cloud, name, statements, folder)
        self.connect()

    def connect(self):
        self.mqtt = Mqtt311(self.identity).connect()
        self.jobs = iotjobs.IotJobsClient(self.mqtt.connection)
        self.changes, self.nexts = queue.Queue(), queue.Queue()
        changed = iotjobs.JobExecutionsChangedSubscriptionRequest(thing_name=self.name)
        self._subscribe("job_executions_changed_events", changed, self.changes)
        changed = iotjobs.NextJobExecutionChangedSubscriptionRequest(thing_name=self.name)
        self._subscribe("next_job_execution_changed_events", changed, self.nexts)
        return self

    def _subscribe(self, name, request, answers):
        subscribe = getattr(self.jobs, f"subscribe_to_{name}")
        subscribe(request, QOS, answers.put)[0].result(TIMEOUT_S)

    def call(self, operation, **members):
        """One call of the jobs client: the accepted response, or a RejectedError."""
        words = operation.title().replace("_", "")
        about = {"thing_name": self.name}
        if "job_id" in members:
            about["job_id"] = members["job_id"]
        answers = queue.Queue()
        subscription = getattr(iotjobs, f"{words}SubscriptionRequest")(**about)
        for end in ("accepted", "rejected"):
            self._subscribe(f"{operation}_{end}", subscription, answers)
        request = getattr(iotjobs, f"{words}Request")(thing_name=self.name, **members)
        getattr(self.jobs, f"publish_{operation}")(request, QOS).result(TIMEOUT_S)
        return answers.get(timeout=TIMEOUT_S)

    def next_job(self):
        """The execution of the next notification of a first job that is another one."""
        return self.nexts.get(timeout=TIMEOUT_S).execution

    def update(self, job, status, **members):
        return self.call("update_job_execution", job_id=job, status=status, **members)

    def stop(self):
        self.mqtt.disconnect()


@pytest.fixture(scope="module", params=stores.STORES)
def store(request):
    return request.param


@pytest.fixture(scope="module")
def device(cloud, folder):
    device = Device(cloud, "jobber", folder)
    yield device
    device.stop()


@pytest.fixture
def data(cloud):
    return cloud.client("iot-jobs-data")


def create(cloud, fleet, job, target, **members):
    members.setdefault("document", json.dumps(DOCUMENT))
    arn = cloud.arn("iot", target)
    return fleet.iot.create_job(jobId=job, targets=[arn], **members)


def executions(fleet, job):
    """Thing → status of a job's executions, page by page."""
    pages = fleet.iot.get_paginator("list_job_executions_for_job")
    rows = [
        row
        for page in pages.paginate(jobId=job, PaginationConfig={"PageSize": 1})
        for row in page["executionSummaries"]
    ]
    name = lambda row: row["thingArn"].rsplit("/", 1)[1]  # noqa: E731
    return {name(row): row["jobExecutionSummary"]["status"] for row in rows}


def error_of(client, operation, **members):
    with pytest.raises(client.exceptions.ClientError) as raised:
        getattr(client, operation)(**members)
    response = raised.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def test_a_job_goes_from_a_user_to_a_device_and_back(cloud, fleet, device):
    tags = [{"Key": "team", "Value": "line 7"}]
    made = create(cloud, fleet, "plain", "thing/jobber", description="Restart", tags=tags)
    assert made["jobArn"] == cloud.arn("iot", "job/plain")
    assert fleet.iot.list_tags_for_resource(resourceArn=made["jobArn"])["tags"] == tags

    execution = device.next_job()
    assert (execution.job_id, execution.job_document) == ("plain", DOCUMENT)
    queued = device.changes.get(timeout=TIMEOUT_S).jobs["QUEUED"]
    assert [one.job_id for one in queued] == ["plain"]

    started = device.call("start_next_pending_job_execution", status_details={"step": "1"})
    assert started.execution.status == "IN_PROGRESS"
    described = fleet.iot.describe_job_execution(jobId="plain", thingName="jobber")["execution"]
    assert described["statusDetails"]["detailsMap"] == {"step": "1"}
    assert described["startedAt"] >= described["queuedAt"]

    stale = device.update("plain", "SUCCEEDED", expected_version=1)
    assert (stale.code, stale.execution_state.version_number) == ("VersionMismatch", 2)
    done = device.update(
        "plain", "SUCCEEDED", expected_version=2, include_job_execution_state=True
    )
    assert (done.execution_state.status, done.execution_state.version_number) == ("SUCCEEDED", 3)
    assert device.next_job() is None
    again = device.update("plain", "FAILED")
    assert again.code == "InvalidStateTransition"
    over = device.call("describe_job_execution", job_id="plain")
    assert over.code == "TerminalStateReached"
    assert device.call("describe_job_execution", job_id="other").code == "ResourceNotFound"
    wrong = device.update("plain", "SUCCEEDED", step_timeout_in_minutes=0)
    assert wrong.code == "InvalidRequest"

    job = fleet.iot.describe_job(jobId="plain")["job"]
    assert (job["status"], job["targetSelection"]) == ("COMPLETED", "SNAPSHOT")
    assert job["jobProcessDetails"]["numberOfSucceededThings"] == 1
    assert json.loads(fleet.iot.get_job_document(jobId="plain")["document"]) == DOCUMENT


def test_a22_a28_a_device_may_use_https_instead(cloud, fleet, data, device):
    fleet.s3.create_bucket(Bucket="documents")
    fleet.s3.put_object(Bucket="documents", Key="one.json", Body=json.dumps(DOCUMENT))
    source = "https://s3.us-east-1.amazonaws.com/documents/one.json"
    arn = cloud.arn("iot", "thing/jobber")
    fleet.iot.create_job(jobId="https", targets=[arn], documentSource=source)
    assert fleet.iot.describe_job(jobId="https")["documentSource"] == source
    listed = fleet.iot.list_job_executions_for_thing(thingName="jobber", status="QUEUED")
    assert [row["jobId"] for row in listed["executionSummaries"]] == ["https"]

    pending = data.get_pending_job_executions(thingName="jobber")
    assert [one["jobId"] for one in pending["queuedJobs"]] == ["https"]
    assert isinstance(pending["queuedJobs"][0]["queuedAt"], int)
    started = data.start_next_pending_job_execution(thingName="jobber", stepTimeoutInMinutes=10)
    execution = started["execution"]
    assert json.loads(execution["jobDocument"]) == DOCUMENT
    assert 590 < execution["approximateSecondsBeforeTimedOut"] <= 600
    described = data.describe_job_execution(
        thingName="jobber", jobId="$next", includeJobDocument=True
    )
    assert isinstance(described["execution"]["jobDocument"], str)
    over_mqtt = device.call("describe_job_execution", job_id="https", include_job_document=True)
    assert over_mqtt.execution.job_document == DOCUMENT

    asked = {"thingName": "jobber", "jobId": "https"}
    conflict = ("InvalidStateTransitionException", 409)
    stale = {"status": "SUCCEEDED", "expectedVersion": 7, **asked}
    assert error_of(data, "update_job_execution", **stale) == conflict
    updated = data.update_job_execution(
        status="REJECTED", statusDetails={"why": "no"}, includeJobExecutionState=True, **asked
    )
    assert updated["executionState"]["statusDetails"] == {"why": "no"}
    assert error_of(data, "describe_job_execution", **asked) == ("TerminalStateException", 410)
    assert "execution" not in data.describe_job_execution(thingName="jobber", jobId="$next")
    nobody = error_of(data, "get_pending_job_executions", thingName="nobody")
    assert nobody == ("ResourceNotFoundException", 404)


def test_the_sdks_second_client_of_jobs_is_answered(cloud, fleet, device):
    """It subscribes to both replies at once, and knows its own by the client token."""
    drain(device)
    create(cloud, fleet, "second", "thing/jobber")
    options = mqtt_request_response.ClientOptions(
        max_request_response_subscriptions=4,
        max_streaming_subscriptions=2,
        operation_timeout_in_seconds=TIMEOUT_S,
    )
    client = iotjobs.IotJobsClientV2(device.mqtt.connection, options)
    thing = {"thing_name": "jobber"}
    request = iotjobs.GetPendingJobExecutionsRequest(**thing)
    pending = client.get_pending_job_executions(request).result(TIMEOUT_S)
    assert [one.job_id for one in pending.queued_jobs] == ["second"]
    request = iotjobs.StartNextPendingJobExecutionRequest(**thing, step_timeout_in_minutes=5)
    started = client.start_next_pending_job_execution(request).result(TIMEOUT_S)
    assert started.execution.job_document == DOCUMENT
    about = {**thing, "job_id": "second"}
    request = iotjobs.UpdateJobExecutionRequest(**about, status="SUCCEEDED", expected_version=1)
    with pytest.raises(V2ServiceException) as raised:
        client.update_job_execution(request).result(TIMEOUT_S)
    assert raised.value.modeled_error.code == "VersionMismatch"
    request = iotjobs.UpdateJobExecutionRequest(**about, status="SUCCEEDED", expected_version=2)
    assert client.update_job_execution(request).result(TIMEOUT_S).timestamp is not None
    until(lambda: executions(fleet, "second") == {"jobber": "SUCCEEDED"}, "the job is done")


def test_cli_job_life(cloud, fleet, folder, device):
    drain(device)
    document = folder / "document.json"
    document.write_text(json.dumps(DOCUMENT))
    arn = cloud.arn("iot", "thing/jobber")
    made = cloud.aws(
        *("iot", "create-job", "--job-id", "cli", "--targets", arn),
        *("--document", f"file://{document}", "--timeout-config", "inProgressTimeoutInMinutes=5"),
        *("--tags", "Key=by,Value=cli"),
    )
    assert made["jobArn"] == cloud.arn("iot", "job/cli")
    assert device.next_job().job_id == "cli"
    asked = ("--job-id", "cli")
    started = cloud.aws(
        *("iot-jobs-data", "start-next-pending-job-execution", "--thing-name", "jobber")
    )
    assert started["execution"]["jobId"] == "cli"
    job = cloud.aws("iot", "describe-job", *asked)["job"]
    assert job["jobProcessDetails"]["numberOfInProgressThings"] == 1
    cloud.aws("iot", "cancel-job", *asked, "--force", "--reason-code", "NO_MORE")
    assert device.next_job() is None
    job = cloud.aws("iot", "describe-job", *asked)["job"]
    assert (job["forceCanceled"], job["reasonCode"]) == (True, "NO_MORE")
    cloud.aws("iot", "delete-job", *asked)
    failed = cloud.aws("iot", "describe-job", *asked, check=False)
    assert "ResourceNotFoundException" in failed.stderr


def test_a26d_a_job_ends_on_failures_and_its_retries_with_it(cloud, fleet, device):
    drain(device)
    criteria = {"failureType": "FAILED", "action": "CANCEL", "thresholdPercentage": 50.0}
    create(
        cloud,
        fleet,
        "failing",
        "thing/jobber",
        jobExecutionsRetryConfig={
            "criteriaList": [{"failureType": "FAILED", "numberOfRetries": 5}]
        },
        abortConfig={"criteriaList": [{**criteria, "minNumberOfExecutedThings": 3}]},
    )
    for number in (1, 2, 3):
        execution = device.next_job()
        assert (execution.job_id, execution.execution_number) == ("failing", number)
        device.update("failing", "FAILED")
    assert device.next_job() is None
    job = fleet.iot.describe_job(jobId="failing")["job"]
    assert (job["status"], job["reasonCode"]) == ("CANCELED", "ABORT_CRITERIA_MET")
    rows = fleet.iot.list_job_executions_for_thing(thingName="jobber", jobId="failing")
    assert rows["executionSummaries"][0]["jobExecutionSummary"]["retryAttempt"] == 2


def test_who_joins_a_group_gets_its_continuous_job_and_who_leaves_loses_it(cloud, fleet, device):
    drain(device)
    fleet.iot.create_thing_group(thingGroupName="joined")
    fleet.iot.create_thing(thingName="silent")
    member = {"thingGroupName": "joined", "thingName": "jobber"}
    create(cloud, fleet, "follow", "thinggroup/joined", targetSelection="CONTINUOUS")
    assert executions(fleet, "follow") == {}
    fleet.iot.add_thing_to_thing_group(**member)
    assert device.next_job().job_id == "follow"
    fleet.iot.remove_thing_from_thing_group(**member)
    assert device.next_job() is None
    until(lambda: executions(fleet, "follow") == {"jobber": "REMOVED"}, "the execution is removed")

    fleet.iot.associate_targets_with_job(jobId="follow", targets=[cloud.arn("iot", "thing/silent")])
    until(lambda: executions(fleet, "follow").get("silent") == "QUEUED", "the new target has it")
    fleet.iot.update_job(jobId="follow", description="later")
    jobs = fleet.iot.list_jobs(targetSelection="CONTINUOUS", thingGroupName="joined")["jobs"]
    assert [job["jobId"] for job in jobs] == ["follow"]
    fleet.iot.cancel_job(jobId="follow", reasonCode="DONE", comment="enough")
    job = fleet.iot.describe_job(jobId="follow")["job"]
    assert (job["status"], job["reasonCode"], job["description"]) == ("CANCELED", "DONE", "later")
    assert executions(fleet, "follow") == {"jobber": "REMOVED", "silent": "CANCELED"}
    number = {"jobId": "follow", "thingName": "silent", "executionNumber": 1}
    fleet.iot.delete_job_execution(**number)
    assert executions(fleet, "follow") == {"jobber": "REMOVED"}


def test_one_execution_is_cancelled_and_a_job_deleted(cloud, fleet, device):
    drain(device)
    create(cloud, fleet, "held", "thing/jobber")
    assert device.next_job().job_id == "held"
    device.call("start_next_pending_job_execution")
    asked = {"jobId": "held", "thingName": "jobber"}
    conflict = ("InvalidStateTransitionException", 409)
    assert error_of(fleet.iot, "cancel_job_execution", **asked) == conflict
    stale = {"force": True, "expectedVersion": 1, **asked}
    assert error_of(fleet.iot, "cancel_job_execution", **stale) == ("VersionConflictException", 409)
    fleet.iot.cancel_job_execution(force=True, **asked)
    assert device.next_job() is None
    described = fleet.iot.describe_job_execution(**asked)["execution"]
    assert (described["status"], described["forceCanceled"]) == ("CANCELED", True)
    assert fleet.iot.describe_job(jobId="held")["job"]["status"] == "COMPLETED"

    create(cloud, fleet, "gone", "thing/jobber")
    assert device.next_job().job_id == "gone"
    assert error_of(fleet.iot, "delete_job", jobId="gone") == conflict
    fleet.iot.delete_job(jobId="gone", force=True)
    assert device.next_job() is None
    missing = ("ResourceNotFoundException", 404)
    assert error_of(fleet.iot, "describe_job", jobId="gone") == missing
    taken = {"jobId": "held", "targets": [cloud.arn("iot", "thing/jobber")], "document": "{}"}
    assert error_of(fleet.iot, "create_job", **taken) == ("ResourceAlreadyExistsException", 409)


def test_a_killed_cloud_loses_no_execution(cloud, fleet, device):
    """The cloud dies between a job's creation and its end, and again after each report."""
    drain(device)
    device.stop()
    create(cloud, fleet, "kept", "thing/jobber")
    create(cloud, fleet, "next", "thing/jobber")
    revive(cloud)
    device.connect()
    started = device.call("start_next_pending_job_execution", step_timeout_in_minutes=60)
    assert (started.execution.job_id, started.execution.job_document) == ("kept", DOCUMENT)
    device.update("kept", "IN_PROGRESS", status_details={"step": "2"})
    device.stop()
    revive(cloud)
    device.connect()
    described = device.call("describe_job_execution", job_id="$next").execution
    assert (described.job_id, described.status, described.version_number) == (
        "kept",
        "IN_PROGRESS",
        3,
    )
    assert described.status_details == {"step": "2"}
    row = fleet.iot.describe_job_execution(jobId="kept", thingName="jobber")["execution"]
    assert 3000 < row["approximateSecondsBeforeTimedOut"] <= 3600
    device.update("kept", "SUCCEEDED")
    revive(cloud)
    assert executions(fleet, "kept") == {"jobber": "SUCCEEDED"}
    assert executions(fleet, "next") == {"jobber": "QUEUED"}
    assert fleet.iot.describe_job(jobId="kept")["job"]["status"] == "COMPLETED"


def drain(device):
    """Forgets what earlier tests were told."""
    for told in (device.changes, device.nexts):
        while not told.empty():
            told.get_nowait()


def revive(cloud):
    cloud.kill()
    cloud.start()


@pytest.fixture
def virtual():
    """A cloud whose clock only the test moves."""
    folder = temporary_folder()
    cloud = Cloud(folder, ["--clock", "virtual"]).start()
    yield cloud
    cloud.stop()
    remove_folder(folder)


def advance(cloud, duration):
    marram("cloud", "clock", "advance", duration, "--ready-file", cloud.ready_file)


def test_a26c_a_job_spreads_over_200_things_as_its_rate_grows(virtual):
    fleet = Fleet(virtual)
    everything = virtual.arn("iot", "*")
    actions = ["iot:Connect", "iot:Subscribe", "iot:Receive"]
    watcher = [statement("Allow", actions, everything)]
    client = Mqtt5(Identity(virtual, "watcher", watcher, virtual.folder))
    client.until("connected")
    client.subscribe("$aws/things/+/jobs/notify-next")
    fleet.iot.create_thing_group(thingGroupName="many")
    for number in range(200):
        name = f"thing{number}"
        fleet.iot.create_thing(thingName=name)
        fleet.iot.add_thing_to_thing_group(thingGroupName="many", thingName=name)
    rate = {
        "baseRatePerMinute": 10,
        "incrementFactor": 2.0,
        "rateIncreaseCriteria": {"numberOfNotifiedThings": 15},
    }
    rollout = {"exponentialRate": rate, "maximumPerMinute": 50}
    create(virtual, fleet, "wide", "thinggroup/many", jobExecutionsRolloutConfig=rollout)
    told = 0
    for released in (10, 10, 20, 40, 50, 50, 20):
        told += released
        job = fleet.iot.describe_job(jobId="wide")["job"]
        assert job["isConcurrent"] == (told < 200)
        until(lambda: len(client.received) >= told, f"{told} things are told")
        assert len(client.received) == told
        advance(virtual, "60s")
    client.stop()


def test_timers_and_retries_go_by_the_minute(virtual):
    fleet, data = Fleet(virtual), virtual.client("iot-jobs-data")
    fleet.iot.create_thing(thingName="slow")
    retries = [{"failureType": "TIMED_OUT", "numberOfRetries": 1}]
    create(
        virtual,
        fleet,
        "timed",
        "thing/slow",
        timeoutConfig={"inProgressTimeoutInMinutes": 20},
        jobExecutionsRetryConfig={"criteriaList": retries},
    )

    def left():
        asked = {"thingName": "slow", "jobId": "timed"}
        return data.describe_job_execution(**asked)["execution"]["approximateSecondsBeforeTimedOut"]

    def step(minutes):
        data.update_job_execution(
            thingName="slow", jobId="timed", status="IN_PROGRESS", stepTimeoutInMinutes=minutes
        )
        return left()

    # The example of AWS's developer guide: a step never outlasts the job's own timer.
    assert data.start_next_pending_job_execution(thingName="slow")["execution"]["status"] == (
        "IN_PROGRESS"
    )
    assert left() == 20 * 60
    advance(virtual, "5m")
    assert step(7) == 7 * 60
    advance(virtual, "5m")
    assert step(5) == 5 * 60
    advance(virtual, "3m")
    assert step(9) == 7 * 60
    assert step(-1) == 7 * 60
    advance(virtual, "7m")
    again = data.describe_job_execution(thingName="slow", jobId="$next")["execution"]
    assert (again["status"], again["executionNumber"]) == ("QUEUED", 2)
    data.start_next_pending_job_execution(thingName="slow", stepTimeoutInMinutes=1)
    advance(virtual, "1m")
    assert executions(fleet, "timed") == {"slow": "TIMED_OUT"}
    assert fleet.iot.describe_job(jobId="timed")["job"]["status"] == "COMPLETED"
