"""The OpenAPI documents of both services: valid, complete, and true of what is answered."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import get_args

import pytest
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator, OpenAPIV32SpecValidator

from mesos_service.agent import app as agent_app
from mesos_service.agent.routes import legacy as agent_legacy
from mesos_service.cli.main import run
from mesos_service.master import app as master_app
from mesos_service.master.routes import legacy as master_legacy
from mesos_service.wire import executor, operator, scheduler
from mesos_service.wire.openapi import Documents
from tests.contract.live import Live
from tests.contract.shapes import recorded

REF = "#/components/schemas/"

SERVICES: dict[str, Callable[[], Documents]] = {
    "master": master_app.openapi_documents,
    "agent": agent_app.openapi_documents,
}


@pytest.fixture(scope="module", params=SERVICES)
def service(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def documents(service: str) -> Documents:
    return SERVICES[service]()


def test_documents_are_valid(documents: Documents) -> None:
    OpenAPIV31SpecValidator(documents.plain).validate()
    OpenAPIV32SpecValidator(documents.streaming).validate()
    assert (documents.plain["openapi"], documents.streaming["openapi"]) == ("3.1.0", "3.2.0")
    assert "itemSchema" not in json.dumps(documents.plain)
    assert "itemSchema" in json.dumps(documents.streaming)


def test_every_read_is_described(service: str, documents: Documents) -> None:
    reads = master_legacy.READ_PATHS if service == "master" else agent_legacy.READ_PATHS
    # Second spellings of paths, and a page for people.
    assert {*reads} - {"/state.json", "/monitor/statistics.json", "/help"} <= documents.plain["paths"].keys()


def test_n04_every_model_has_a_name_of_its_own(documents: Documents) -> None:
    """Generators call a component by its title, and what stands inline after its place; of two alike one is lost."""
    schemas = documents.plain["components"]["schemas"]
    made_here = {name for name, schema in schemas.items() if "title" in schema}
    assert {name: schemas[name]["title"] for name in made_here} == {name: name for name in made_here}
    assert len(made_here) > 200
    inline = [
        schema.get("title") or name + "".join(part.capitalize() for part in key.split("_"))
        for name, model in schemas.items()
        for key, schema in model.get("properties", {}).items()
        if "additionalProperties" in schema or "properties" in schema or "enum" in schema
    ]
    assert "OfferConstraintsMap" in inline or "OfferConstraints" not in schemas
    assert [name for name in inline if name in schemas] == []


def test_n04_calls_without_a_body_in_the_answer_have_a_path_that_says_so(documents: Documents) -> None:
    """A generated client reads a body wherever the document has one, and stumbles over nothing."""
    schemas = documents.plain["components"]["schemas"]
    commands = schemas["OperatorCommand"]["discriminator"]["mapping"].keys()
    answers = schemas["OperatorResponse"]["discriminator"]["mapping"].keys()
    calls = schemas["OperatorCall"]["discriminator"]["mapping"].keys()
    streamed = {"SUBSCRIBE", "LAUNCH_NESTED_CONTAINER_SESSION", "ATTACH_CONTAINER_OUTPUT", "ATTACH_CONTAINER_INPUT"}
    assert not commands & answers
    assert calls - commands - answers == streamed & calls
    for status in ("200", "202"):
        assert "content" not in documents.plain["paths"]["/api/v1/operator"]["post"]["responses"][status]


def test_n04_the_events_that_operators_subscribe_to_are_described() -> None:
    document = master_app.openapi_documents().plain
    content = document["paths"]["/api/v1"]["post"]["responses"]["200"]["content"]
    events = {name for name, one in content.items() if one["schema"] == {"$ref": REF + "OperatorEvent"}}
    assert events == {"application/jsonl", "text/event-stream"}
    mapping = document["components"]["schemas"]["OperatorEvent"]["discriminator"]["mapping"]
    assert mapping.keys() == {*get_args(operator.EventType)} - {"UNKNOWN"}


def test_operations_have_names_of_their_own(documents: Documents) -> None:
    names = [operation["operationId"] for path in documents.plain["paths"].values() for operation in path.values()]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[a-z_]+", name) for name in names)


API_TYPES: dict[str, tuple[str, str, tuple[str, str], tuple[object, object]]] = {
    "scheduler": ("master", "/api/v1/scheduler", ("Call", "Event"), (scheduler.CallType, scheduler.EventType)),
    "executor": (
        "agent",
        "/api/v1/executor",
        ("ExecutorCall", "ExecutorEvent"),
        (executor.CallType, executor.EventType),
    ),
}
"""Of each API with a stream: who serves it and where, the models of its two directions, and their types."""

WITHOUT_PAYLOAD = {
    "Call": {"TEARDOWN", "HEARTBEAT"},
    "Event": {"HEARTBEAT"},
    "ExecutorCall": {"HEARTBEAT"},
    "ExecutorEvent": {"SHUTDOWN", "HEARTBEAT"},
}


@pytest.mark.parametrize("api", API_TYPES)
def test_d15_both_directions_are_documented_calls_and_events_with_their_payloads(live: Live, api: str) -> None:
    """As served, not as built: what a framework's author finds."""
    server, path, (call, event), (call_types, event_types) = API_TYPES[api]
    document = json.loads(live.answers[f"{server}/openapi.json"].content)
    schemas = document["components"]["schemas"]
    post = document["paths"][path]["post"]
    sent = post["requestBody"]["content"]["application/json"]["schema"]
    received = post["responses"]["200"]["content"]["application/json"]["schema"]
    assert (sent, received) == ({"$ref": REF + call}, {"$ref": REF + event})
    for model, types in ((call, call_types), (event, event_types)):
        mapping = schemas[model]["discriminator"]["mapping"]
        assert mapping.keys() == {*get_args(types)} - {"UNKNOWN"}
        for kind, reference in mapping.items():
            described = schemas[reference.removeprefix(REF)]["properties"]
            assert described["type"]["const"] == kind
            payload = described.get(kind.lower())
            assert (payload is None) == (kind in WITHOUT_PAYLOAD[model]), kind
            if payload is not None:
                assert schemas[payload["$ref"].removeprefix(REF)]["properties"], f"{kind} says nothing of what it holds"


def test_operator_calls_are_those_that_are_answered(live: Live, service: str, documents: Documents) -> None:
    described = documents.plain["components"]["schemas"]["OperatorCall"]["discriminator"]["mapping"].keys()
    prefix = f"{service}-api-v1/idle-"
    for name, answer in live.answers.items():
        if name.startswith(prefix):
            call = name.removeprefix(prefix).partition("-")[0]
            assert (call in described) == (answer.status_code != 501), call


def test_answers_are_what_their_schema_says(live: Live, service: str, documents: Documents) -> None:
    document = documents.plain
    checked = 0
    for name, answer in live.answers.items():
        exchange = recorded()["exchanges"].get(name)
        if exchange is None or answer.status_code != 200 or not answer.content:
            continue
        if answer.headers.get("content-type") != "application/json":
            continue
        folder = name.partition("/")[0]
        if folder not in (service, f"{service}-api-v1"):
            continue
        method, path = exchange["method"].lower(), exchange["path"].partition("?")[0].removeprefix("/slave(1)")
        content = document["paths"][path][method]["responses"]["200"].get("content")
        if content is None:
            # What is browsed and downloaded has any shape.
            assert path.startswith("/files/")
            continue
        schema = content["application/json"]["schema"] | {"components": document["components"]}
        OAS31Validator(schema).validate(json.loads(answer.content))
        checked += 1
    assert checked > 10


def test_documents_and_pages_are_served(live: Live, service: str, documents: Documents) -> None:
    plain, streaming, page = (
        live.answers[f"{service}{path}"] for path in ("/openapi.json", "/openapi-3.2.json", "/docs")
    )
    assert (json.loads(plain.content), json.loads(streaming.content)) == (documents.plain, documents.streaming)
    assert "/openapi.json" in page.text


def test_the_command_line_prints_them(service: str, documents: Documents, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["openapi", service]) == 0
    assert json.loads(capsys.readouterr().out) == documents.plain
    assert run(["openapi", service, "--streaming"]) == 0
    assert json.loads(capsys.readouterr().out) == documents.streaming
