"""Our route tables against the service models that the installed botocore carries."""

import json
import os
from pathlib import Path

import botocore.session
import pytest


def our_routes():
    return json.loads(Path(os.environ["MARRAM_ROUTES"]).read_text())


def template(uri):
    return uri.split("?")[0].rstrip("/") or "/"


@pytest.mark.parametrize("service", ["greengrassv2", "iot", "iot-data", "iot-jobs-data"])
def test_every_route_is_the_models(service):
    model = botocore.session.get_session().get_service_model(service)
    routes = our_routes()[service]
    assert routes, "the table is empty"
    for route in routes:
        operation = model.operation_model(route["operation"])
        assert route["method"] == operation.http["method"], route
        assert route["template"] == template(operation.http["requestUri"]), route
        assert route["status"] == operation.http.get("responseCode", 200), route
        members = operation.input_shape.members if operation.input_shape else {}
        wire = {
            (shape.serialization.get("location"), shape.serialization.get("name", name))
            for name, shape in members.items()
        }
        for name in route["query"]:
            assert ("querystring", name) in wire, (route["operation"], name)
        for name in route["headers"]:
            found = {(place, wire_name.lower()) for place, wire_name in wire if place == "header"}
            assert ("header", name) in found, (route["operation"], name)
        queries = {name for place, name in wire if place == "querystring"}
        assert queries == set(route["query"]), f"{route['operation']} misses query parameters"
