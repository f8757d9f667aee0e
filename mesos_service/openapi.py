"""The OpenAPI documents of a service: what FastAPI knows of its routes, and what only the wire structs know (N04)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
from fastapi import FastAPI

from mesos_service.wire.openapi import Described, Documents, add_wire_schemas, components, tidied

_REF: Final = "#/components/schemas/"

Responses = dict[int | str, dict[str, Any]]  # Any: OpenAPI's own words, as FastAPI takes them


def answers_json(cls: type[msgspec.Struct], description: str) -> Responses:
    """For a route's ``responses``: 200 with this struct as JSON. The struct goes into the document as a component."""
    schema = {"$ref": _REF + cls.__name__}
    return {200: {"description": description, "content": {"application/json": {"schema": schema}}}}


def answers_list(cls: type[msgspec.Struct], description: str) -> Responses:
    """The same for an array of them."""
    schema = {"type": "array", "items": {"$ref": _REF + cls.__name__}}
    return {200: {"description": description, "content": {"application/json": {"schema": schema}}}}


def answers_map(values: Mapping[str, Any], description: str) -> Responses:
    """The same for an object with any keys; ``values`` is the schema of what stands behind them."""
    schema = {"type": "object", "additionalProperties": dict(values)}
    return {200: {"description": description, "content": {"application/json": {"schema": schema}}}}


def answers_text(description: str) -> Responses:
    """For a route's ``responses``: 200 with plain text."""
    return refusal(200, description)


def takes_json(schema_name: str, *, listed: bool = False) -> dict[str, Any]:  # Any: as in Responses
    """For a route's ``openapi_extra``: a body that is a component, or with ``listed`` an array of them."""
    schema: dict[str, Any] = {"$ref": _REF + schema_name}  # Any: as in Responses
    if listed:
        schema = {"type": "array", "items": schema}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def refusal(status: int, description: str) -> Responses:
    """For a route's ``responses``: plain text that says why."""
    return {status: {"description": description, "content": {"text/plain": {"schema": {"type": "string"}}}}}


def make_documents(
    application: FastAPI, endpoints: Iterable[Described], structs: Iterable[type[msgspec.Struct]]
) -> Documents:
    """Both documents of an application: its routes, the hot ``endpoints``, and the ``structs`` that routes refer to."""
    document = application.openapi()
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas.update(components(list(structs)))
    # Ours is a validator that answers in plain text (``http.faults``), so FastAPI's own words describe nothing.
    for path in document["paths"].values():
        for operation in path.values():
            operation["responses"].pop("422", None)
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    document["paths"] = tidied(document["paths"], {name: name for name in schemas})
    return add_wire_schemas(document, endpoints)
