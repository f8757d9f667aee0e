"""Where the documents on a service's API are to be had: ``/docs``, ``/help``, and OpenAPI (N04); ``/`` leads there."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from html import escape
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import Response

from mesos_service.http.answers import Answer
from mesos_service.http.asgi import CONTENT_LENGTH, HeaderName
from mesos_service.wire.openapi import Documents

_PLAIN_PATH: Final = "/openapi.json"
_STREAMING_PATH: Final = "/openapi-3.2.json"


def add_documentation(application: FastAPI, documents: Callable[[], Documents], title: str) -> None:
    """Mount ``/``, ``/docs``, ``/help`` and both documents, which are made when somebody first asks."""

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

    @application.api_route("/", methods=["GET", "HEAD"], include_in_schema=False, response_class=Response)
    async def front_door() -> Response:
        return _document(_front_page(title), b"text/html")

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


def _front_page(title: str) -> bytes:
    """For whoever asks for nothing in particular: people with the address alone, and checks that somebody is there."""
    name = escape(title)
    links = ", ".join(f'<a href="{path}">{path}</a>' for path in ("/state", "/metrics/snapshot", "/help", "/docs"))
    return f"<html><head><title>{name}</title></head><body><h1>{name}</h1><p>{links}</p></body></html>\n".encode()


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
