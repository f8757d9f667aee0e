"""The OpenAPI documents of a service: what FastAPI knows of its routes, and what only the wire structs know (N04)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from html import escape
from typing import Any, Final

import msgspec
from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import Response

from mesos_service.http.answers import Answer
from mesos_service.http.asgi import CONTENT_LENGTH, HeaderName
from mesos_service.wire.openapi import Described, Documents, add_wire_schemas, components, tidied

_REF: Final = "#/components/schemas/"
_PLAIN_PATH: Final = "/openapi.json"
_STREAMING_PATH: Final = "/openapi-3.2.json"

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


def add_documentation(application: FastAPI, documents: Callable[[], Documents], title: str) -> None:
    """Mount ``/docs``, ``/help`` and both documents, which are made when somebody first asks."""

    @cache
    def encoded() -> tuple[bytes, bytes, bytes]:
        made = documents()
        return json.dumps(made.plain).encode(), json.dumps(made.streaming).encode(), _page(title, made.plain["paths"])

    @application.get(_PLAIN_PATH, include_in_schema=False, response_class=Response)
    async def openapi() -> Response:
        return _document(encoded()[0])

    @application.get(_STREAMING_PATH, include_in_schema=False, response_class=Response)
    async def openapi_streaming() -> Response:
        return _document(encoded()[1])

    @application.get("/docs", include_in_schema=False, response_class=Response)
    async def docs() -> Response:
        return _document(
            bytes(get_swagger_ui_html(openapi_url=_PLAIN_PATH, title=title).body), b"text/html; charset=utf-8"
        )

    @application.get("/help", include_in_schema=False, response_class=Response)
    async def show_help() -> Response:
        return _document(encoded()[2], b"text/html")


def _document(body: bytes, kind: bytes = b"application/json") -> Answer:
    """With the headers of Mesos' ``/help``, which has no charset (recorded)."""
    return Answer(200, body, [(HeaderName(b"Content-Type"), kind), (CONTENT_LENGTH, b"%d" % len(body))])


def _page(title: str, paths: Mapping[str, Mapping[str, Any]]) -> bytes:
    """What may be asked, for people without JavaScript; ``paths`` are those of a document."""
    lines = [
        f"<dt><code>{method.upper()} {escape(path)}</code></dt>"
        f"<dd>{escape(str(operation.get('description') or operation.get('summary', '')).partition(chr(10))[0])}</dd>"
        for path, operations in sorted(paths.items())
        for method, operation in operations.items()
    ]
    return (
        f"<html><head><title>{escape(title)}</title></head><body><h1>{escape(title)}</h1>"
        f'<p>With all parameters: <a href="/docs">/docs</a>.</p><dl>{"".join(lines)}</dl></body></html>\n'
    ).encode()
