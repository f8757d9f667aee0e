"""The document of the hot endpoints: valid, complete, and told apart by type (N04)."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator, OpenAPIV32SpecValidator

from mesos_service.wire import executor, scheduler
from mesos_service.wire.openapi import AGENT_LINK, EXECUTOR, SCHEDULER, Documents, add_wire_schemas

REF = "#/components/schemas/"
# As FastAPI would hand it over: with a path of its own that streams.
BASE: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "t", "version": "1"},
    "paths": {
        "/other": {
            "get": {
                "responses": {
                    "200": {
                        "description": "lines",
                        "content": {"application/jsonl": {"itemSchema": {"type": "string"}}},
                    }
                }
            }
        }
    },
    "components": {"schemas": {"Mine": {"type": "object"}}},
}


@pytest.fixture(scope="module")
def documents() -> Documents:
    return add_wire_schemas(BASE)


@pytest.fixture(scope="module")
def schemas(documents: Documents) -> dict[str, Any]:
    found: dict[str, Any] = documents.plain["components"]["schemas"]
    return found


def test_both_documents_are_valid(documents: Documents) -> None:
    assert documents.plain["openapi"] == "3.1.0"
    assert documents.streaming["openapi"] == "3.2.0"
    OpenAPIV31SpecValidator(documents.plain).validate()
    OpenAPIV32SpecValidator(documents.streaming).validate()


def test_what_was_there_stays(documents: Documents) -> None:
    assert BASE["paths"].keys() == {"/other"}, "the document handed in is not touched"
    for document in documents:
        assert document["components"]["schemas"]["Mine"] == {"type": "object"}
        assert document["paths"].keys() == {"/other", "/api/v1/scheduler", "/api/v1/executor", "/api/v1/agent"}


def test_only_the_newer_document_has_item_schemas(documents: Documents) -> None:
    assert "itemSchema" not in json.dumps(documents.plain)
    other = documents.plain["paths"]["/other"]["get"]["responses"]["200"]["content"]["application/jsonl"]
    assert other == {"schema": {"type": "string"}}
    for path in ("/api/v1/scheduler", "/api/v1/executor", "/api/v1/agent"):
        content = documents.streaming["paths"][path]["post"]["responses"]["200"]["content"]
        assert "itemSchema" in content["application/jsonl"]
        assert "itemSchema" in content["text/event-stream"]


def test_streams_name_their_event(documents: Documents) -> None:
    content = documents.plain["paths"]["/api/v1/scheduler"]["post"]["responses"]["200"]["content"]
    assert content == {
        kind: {"schema": {"$ref": REF + "Event"}}
        for kind in ("application/json", "application/jsonl", "text/event-stream")
    }


@pytest.mark.parametrize(
    ("name", "types"),
    [
        ("Call", scheduler.CallType),
        ("Event", scheduler.EventType),
        ("ExecutorCall", executor.CallType),
        ("ExecutorEvent", executor.EventType),
    ],
)
def test_every_type_has_its_own_model(schemas: dict[str, Any], name: str, types: object) -> None:
    discriminator = schemas[name]["discriminator"]
    assert discriminator["propertyName"] == "type"
    assert discriminator["mapping"].keys() == set(get_args(types)) - {"UNKNOWN"}
    assert schemas[name]["oneOf"] == [{"$ref": ref} for ref in discriminator["mapping"].values()]
    for one, ref in discriminator["mapping"].items():
        model = schemas[ref.removeprefix(REF)]
        assert model["properties"]["type"] == {"type": "string", "const": one}
        assert "type" in model["required"]


def test_a_call_requires_what_validation_requires(schemas: dict[str, Any]) -> None:
    assert schemas["AcceptCall"]["required"] == ["type", "framework_id", "accept"]
    assert schemas["SubscribeCall"]["required"] == ["type", "subscribe"]
    assert schemas["ReviveCall"]["required"] == ["type", "framework_id"]
    assert schemas["AcceptCall"]["properties"].keys() == {"type", "framework_id", "accept"}
    assert schemas["ReviveCall"]["properties"].keys() == {"type", "framework_id", "revive"}
    assert schemas["ExecutorUpdateCall"]["required"] == ["type", "executor_id", "framework_id", "update"]
    assert schemas["HeartbeatEvent"]["properties"].keys() == {"type"}
    assert schemas["OffersEvent"]["required"] == ["type", "offers"]


def test_link_messages_are_told_apart(schemas: dict[str, Any]) -> None:
    assert schemas["LinkCall"]["discriminator"]["mapping"] == {
        "SUBSCRIBE": REF + "LinkSubscribeLink",
        "MESSAGES": REF + "LinkMessages",
    }
    items = schemas["LinkDownlinkBatch"]["properties"]["messages"]["items"]
    assert "RUN_TASK" in items["discriminator"]["mapping"]


def test_no_reference_dangles_and_nothing_is_nullable(documents: Documents) -> None:
    text = json.dumps(documents.plain)
    names = {part.split('"', 1)[0] for part in text.split(REF)[1:]}
    assert names <= documents.plain["components"]["schemas"].keys()
    assert '"null"' not in text


def test_fields_carry_their_defaults_bounds_and_encodings(schemas: dict[str, Any]) -> None:
    assert schemas["CommandInfo"]["properties"]["shell"] == {"type": "boolean", "default": True}
    assert schemas["Filters"]["properties"]["refuse_seconds"] == {"type": "number", "default": 5.0}
    assert schemas["CallAcknowledge"]["properties"]["uuid"] == {"type": "string", "contentEncoding": "base64"}
    assert schemas["MasterInfo"]["properties"]["port"] == {"type": "integer", "minimum": 0, "maximum": 2**32 - 1}
    assert schemas["TaskInfo"]["required"] == ["name", "task_id", "agent_id"]
    assert "default" not in schemas["TaskInfo"]["properties"]["resources"]


def test_a_service_describes_only_what_it_serves() -> None:
    agents = add_wire_schemas(BASE, [EXECUTOR]).plain
    assert "/api/v1/executor" in agents["paths"]
    assert "/api/v1/scheduler" not in agents["paths"]
    assert "Call" not in agents["components"]["schemas"]
    masters = add_wire_schemas(BASE, [SCHEDULER, AGENT_LINK]).plain
    assert "/api/v1/executor" not in masters["paths"]


def test_a_clash_of_names_is_an_error() -> None:
    clash = {**BASE, "components": {"schemas": {"TaskInfo": {"type": "string"}}}}
    with pytest.raises(ValueError, match="TaskInfo"):
        add_wire_schemas(clash)
