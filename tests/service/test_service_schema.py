"""The OpenAPI document: whatever it allows, and much that it does not, is answered without a fault of the server's."""

from __future__ import annotations

import os
from contextlib import closing, suppress

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance
from service_world import queue_up, record

from tuner.ledger import open_ledger
from tuner.service import Settings, allowed_workloads, create_app

EXAMPLES = int(os.environ.get("TUNER_SOAK_EXAMPLES", "2"))  # of each operation and kind; `make soak` asks for more
KNOWN = {"sweep": "digits-1", "name": "nightly", "index": 3}  # what is there, for every second request
CHECKS = [not_a_server_error, response_schema_conformance, content_type_conformance]


@pytest.fixture(scope="module")
def schema(tmp_path_factory):
    """What the document of a service says, where there are sweeps to ask for and to change."""
    with closing(open_ledger(f"sqlite:///{tmp_path_factory.mktemp('schema')}/store.db")) as ledger:
        record(ledger, "digits")
        queue_up(ledger, "waiting")
        app = create_app(ledger, Settings(workloads=allowed_workloads(None), hosts=("testserver",)))
        yield schemathesis.openapi.from_asgi("/api/v1/openapi.json", app)


def ask(operation, mode, seen):
    """Ask for an operation in several ways; what was answered is noted in ``seen``."""

    @settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck), deadline=None, database=None)
    @given(operation.as_strategy(generation_mode=mode))
    def test(case):
        if len(seen) % 2:
            case.path_parameters |= {name: KNOWN[name] for name in case.path_parameters}
        case.headers.pop("Authorization", None)  # wrong ones are another file's
        answer = case.call()
        seen.append((operation.label, answer.status_code))
        case.validate_response(answer, checks=CHECKS)

    test()


@pytest.mark.parametrize("mode", GenerationMode, ids=lambda mode: mode.value)
def test_no_request_is_a_fault_of_the_servers(schema, mode):
    seen = []
    for operation in (found.ok() for found in schema.get_all_operations()):
        with suppress(Unsatisfiable):  # it takes nothing, so nothing of it can be wrong
            ask(operation, mode, seen)
    answered = set(seen)
    assert {status for _, status in answered} >= ({200, 404, 422} if mode is GenerationMode.POSITIVE else {422})
    assert {label for label, _ in answered} >= {
        "GET /api/v1/sweeps",
        "POST /api/v1/sweeps",
        "PATCH /api/v1/queue/{sweep}",
    }


def test_the_document_says_everything_of_every_operation(schema):
    document = schema.raw_schema
    assert len(document["paths"]) > 25
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert operation["description"].endswith("."), (method, path)
            assert operation["tags"], (method, path)
            assert operation.get("security") or path in ("/health", "/ready"), (method, path)
            for parameter in operation.get("parameters", []):
                assert parameter["description"], (method, path, parameter["name"])
    body = document["paths"]["/api/v1/sweeps"]["post"]["requestBody"]["content"]
    assert set(body) == {"application/json", "application/yaml"}
    assert all("example" in kind for kind in body.values())
