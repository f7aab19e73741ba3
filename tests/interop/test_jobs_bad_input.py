"""Every member of every operation on jobs with values that nobody should send: a modelled error."""

import json
from urllib.parse import quote, urlencode

import botocore.session
import pytest
import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

LARGEST = 2**63 - 1
HOSTILE = [
    *(None, True, 0, -1, LARGEST, LARGEST + 1, -LARGEST - 1, 1.5, 1e300),
    *("", "a", "x" * 5000, "\u00e9\u2028", "a/b", "../..", "\u0001", "\u0000", "$next", "NaN"),
    *([], [None], [1], [["a"]], ["x" * 3000], {}, {"a": 1}),
    *({"criteriaList": None}, {"criteriaList": [{}]}),
    {"criteriaList": [{"failureType": "ALL", "numberOfRetries": LARGEST}]},
    {"inProgressTimeoutInMinutes": LARGEST},
    {"maximumPerMinute": 1e300},
    {
        "exponentialRate": {
            "baseRatePerMinute": 1,
            "incrementFactor": 1e308,
            "rateIncreaseCriteria": {"numberOfNotifiedThings": LARGEST},
        }
    },
]
# Values that are good, beside the one that is not.
GOOD = {"jobId": "j", "thingName": "T", "executionNumber": 1, "document": "{}"}


class Raw:
    """Sends what no SDK would: signed, and otherwise unchecked."""

    def __init__(self, cloud, service):
        keys = (cloud.ready["access_key_id"], cloud.ready["secret_access_key"])
        self.signer = SigV4Auth(Credentials(*keys), service, cloud.ready["region"])
        self.http = urllib3.PoolManager(ca_certs=cloud.ready["ca_file"])
        self.endpoint = cloud.ready["endpoint_url"]

    def send(self, operation, members):
        """The status and the error's name of one call."""
        shapes = operation.input_shape.members
        path, query, body = operation.http["requestUri"].split("?")[0], {}, {}
        for name, value in members.items():
            text = value if isinstance(value, str) else json.dumps(value)
            place = shapes[name].serialization.get("location")
            if place == "uri":
                path = path.replace("{" + name + "}", quote(text, safe=""))
            elif place == "querystring":
                query[shapes[name].serialization["name"]] = text
            else:
                body[name] = value
        url = self.endpoint + path + ("?" + urlencode(query, quote_via=quote) if query else "")
        data = None if operation.http["method"] == "GET" else json.dumps(body)
        request = AWSRequest(operation.http["method"], url, data=data)
        self.signer.add_auth(request)
        sent = request.prepare()
        reply = self.http.request(sent.method, sent.url, body=data, headers=dict(sent.headers))
        return reply.status, reply.headers.get("x-amzn-errortype")


def operations(service):
    model = botocore.session.get_session().get_service_model(service)
    names = [name for name in model.operation_names if "Job" in name and "Template" not in name]
    return [model.operation_model(name) for name in names]


@pytest.mark.parametrize("service", ["iot", "iot-jobs-data"])
def test_every_member_takes_hostile_values_with_a_modelled_error(cloud, fleet, service):
    if service == "iot":
        fleet.iot.create_thing(thingName="T")
    raw = Raw(cloud, service)
    good = {**GOOD, "targets": [cloud.arn("iot", "thing/T")]}
    wrong = []
    for operation in operations(service):
        shapes = operation.input_shape.members
        modelled = {error.name for error in operation.error_shapes}
        # A label that is empty or has another path's form leads to no operation at all.
        modelled.add("UnknownOperationException")
        needed = operation.input_shape.required_members + ["document"]
        required = {name: good[name] for name in needed if name in good and name in shapes}
        if operation.name == "UpdateJobExecution":
            required["status"] = "IN_PROGRESS"
        for name in shapes:
            for value in HOSTILE:
                status, error = raw.send(operation, {**required, name: value})
                if status >= 500 or (status >= 400 and error not in modelled):
                    wrong.append((operation.name, name, value, status, error))
    assert not wrong
    for job in fleet.iot.list_jobs()["jobs"]:
        described = fleet.iot.describe_job(jobId=job["jobId"])["job"]
        assert described["targets"] == good["targets"], "half a job was stored"
