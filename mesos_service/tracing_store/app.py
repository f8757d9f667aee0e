"""The store's doors: exports in front, reads behind, and who may come in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from typing import Annotated, Final, Protocol

import msgspec
from fastapi import FastAPI, Path, Query, Request
from starlette.responses import Response

from mesos_service import __version__
from mesos_service.http.answers import Answer, coded, empty_answer, text_answer
from mesos_service.http.asgi import CONTENT_LENGTH, Application, HeaderName, HotPath
from mesos_service.http.authentication import CredentialStore, Door, Guard, is_at_or_below
from mesos_service.http.build import version_answer
from mesos_service.http.documentation import add_documentation
from mesos_service.http.faults import answer_faults
from mesos_service.openapi import Responses, answers_json, answers_map, make_documents, refusal
from mesos_service.telemetry.exposition import exposition
from mesos_service.tracing_store import ingest
from mesos_service.tracing_store.answers import StoredSpan, StoredTrace, TraceList, TraceSummary
from mesos_service.tracing_store.config import TracesConfig
from mesos_service.tracing_store.reading import TRACES_MAX, TooSlow
from mesos_service.tracing_store.reading import Query as TraceQuery
from mesos_service.tracing_store.records import ReceivedSpans
from mesos_service.tracing_store.schema import StoreFault
from mesos_service.wire.openapi import Documents

TITLE: Final = "mesos-service traces"
STRUCTS: Final = (StoredSpan, StoredTrace, TraceSummary, TraceList)
OPEN_PATHS: Final = frozenset({"/health", "/version"})
UNREADABLE: Final = "The traces cannot be read now; the log says why.\n"
_JSON: Final = (HeaderName(b"Content-Type"), b"application/json")
_PROMETHEUS: Final = (HeaderName(b"Content-Type"), b"text/plain; version=0.0.4; charset=utf-8")
_UNREADABLE: Final[Responses] = refusal(503, "The file cannot be read, or the search took too long.")


class Traces(Protocol):
    """The part of the service that its doors need."""

    config: TracesConfig

    @property
    def flags(self) -> Mapping[str, str]: ...
    async def take(self, octets: int, read: Callable[[], ReceivedSpans]) -> ReceivedSpans: ...
    async def trace(self, trace_id: bytes) -> StoredTrace | None: ...
    async def traces(self, query: TraceQuery) -> TraceList: ...
    async def snapshot(self) -> Mapping[str, float]: ...


def build_application(service: Traces, octets_max: int) -> Application:
    """Everything as one ASGI application, guarded as the flags say."""
    behind = build_fastapi(service)
    add_documentation(behind, openapi_documents, TITLE)
    doors = HotPath(behind, {ingest.PATH: ingest.Ingest(service.take, octets_max)})
    config = service.config
    if config.http_credentials is None:
        return doors
    return Guard(doors, _door_of(config), CredentialStore(config.http_credentials))


def _door_of(config: TracesConfig) -> Callable[[str], Door]:
    read_only = Door("mesos-traces-readonly", config.authenticate_http_readonly)
    read_write = Door("mesos-traces-readwrite", config.authenticate_http_readwrite)
    free = Door("mesos-traces", False)

    def door(path: str) -> Door:
        if path in OPEN_PATHS:
            return free
        return read_write if is_at_or_below(path, (ingest.PATH,)) else read_only

    return door


@cache
def openapi_documents() -> Documents:
    """The store's OpenAPI documents; no store is needed for them."""
    return make_documents(build_fastapi(None), (), STRUCTS)


def build_fastapi(service: Traces | None) -> FastAPI:
    """The reads; without a service, for their description only."""
    application = FastAPI(title=TITLE, version=__version__, openapi_url=None, docs_url=None)

    def there() -> Traces:
        assert service is not None, "nobody asks a description"
        return service

    async def answered(request: Request, read: Callable[[], Awaitable[object]]) -> Answer:
        try:
            found = await read()
        except TooSlow as fault:
            return text_answer(503, f"{fault}\n")
        except StoreFault:
            return text_answer(503, UNREADABLE)
        return text_answer(404, "There is no such trace.\n") if found is None else _json(request, found)

    @application.get("/health", operation_id="get_health", response_class=Response)
    async def health() -> Response:
        """Whether the service answers at all."""
        return empty_answer()

    @application.get("/version", operation_id="get_version", response_class=Response)
    async def version(request: Request) -> Response:
        """Which program this is, in `service_version`."""
        return _json(request, version_answer())

    @application.get("/flags", operation_id="get_flags", response_class=Response)
    async def flags(request: Request) -> Response:
        """The flags that the service runs with."""
        return _json(request, {"flags": there().flags})

    @application.get(
        "/metrics/snapshot",
        operation_id="get_metrics_snapshot",
        response_class=Response,
        responses=answers_map({"type": "number"}, "By name.") | _UNREADABLE,
    )
    async def metrics_snapshot(request: Request) -> Response:
        """How much there is, and what came."""
        return await answered(request, there().snapshot)

    @application.get("/metrics", operation_id="get_metrics", response_class=Response, responses=_UNREADABLE)
    async def metrics(request: Request) -> Response:
        """The same for Prometheus."""
        try:
            found = await there().snapshot()
        except StoreFault:
            return text_answer(503, UNREADABLE)
        return _whole(request, exposition(found), _PROMETHEUS)

    @application.get(
        "/api/v1/traces",
        operation_id="find_traces",
        response_class=Response,
        responses=answers_json(TraceList, "The newest first, or the slowest.") | _UNREADABLE,
    )
    async def find_traces(
        request: Request,
        offer: Annotated[str | None, Query(description="That speak of this offer.")] = None,
        task: Annotated[str | None, Query(description="That speak of this task.")] = None,
        span: Annotated[
            str | None, Query(description="With a span of this name, whose length then counts as the trace's.")
        ] = None,
        slowest: Annotated[bool, Query(description="The slowest first, not the newest.")] = False,
        limit: Annotated[int, Query(ge=1, le=TRACES_MAX, description="At most so many.")] = 20,
    ) -> Response:
        """Look for traces; all conditions hold at once."""
        query = TraceQuery(offer_id=offer, task_id=task, span=span, slowest=slowest, limit=limit)
        return await answered(request, lambda: there().traces(query))

    @application.get(
        "/api/v1/traces/{trace_id}",
        operation_id="get_trace",
        response_class=Response,
        responses=answers_json(StoredTrace, "With its spans, in the order of their starts.")
        | refusal(404, "There is no such trace.")
        | _UNREADABLE,
    )
    async def get_trace(
        request: Request,
        trace_id: Annotated[str, Path(pattern="^[0-9a-fA-F]{32}$", description="32 hexadecimal digits.")],
    ) -> Response:
        """One trace."""
        return await answered(request, lambda: there().trace(bytes.fromhex(trace_id)))

    answer_faults(application)
    return application


def _json(request: Request, value: object) -> Answer:
    # Not as the old paths of Mesos answer, which would be called as a script: nobody knows these from there.
    return _whole(request, msgspec.json.encode(value), _JSON)


def _whole(request: Request, body: bytes, kind: tuple[bytes, bytes]) -> Answer:
    body, coding = coded(request.scope, body)
    return Answer(200, body, [*coding, (CONTENT_LENGTH, b"%d" % len(body)), kind])
