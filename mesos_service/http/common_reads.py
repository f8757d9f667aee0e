"""The reads that masters and agents have alike: ``/health``, ``/version``, ``/flags``, ``/metrics``,
``/metrics/snapshot``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Final

import msgspec
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from mesos_service.configuration.units import Duration
from mesos_service.http.answers import Answer, coded, empty_answer, legacy_answer, text_answer
from mesos_service.http.asgi import CONTENT_LENGTH, HeaderName
from mesos_service.http.build import version_answer
from mesos_service.openapi import answers_map, answers_text, refusal

COMMON_PATHS: Final = ("/health", "/version", "/flags", "/metrics", "/metrics/snapshot")

PROMETHEUS: Final = (HeaderName(b"Content-Type"), b"text/plain; version=0.0.4; charset=utf-8")
_ENCODER: Final = msgspec.json.Encoder()
_SORTING_ENCODER: Final = msgspec.json.Encoder(order="sorted")


def jsonp_parameter(
    jsonp: Annotated[str | None, Query(description="A function's name: the answer becomes a call of it.")] = None,
) -> None:
    """Declares ``jsonp``, which every read takes (``http.answers``)."""


def json_answer(request: Request, value: object, *, sort: bool = False) -> Answer:
    """The answer of a read: ``value`` as msgspec writes it. With ``sort`` keys are in the order of the alphabet, as
    they are where Mesos makes a JSON object of a protobuf message before it is printed."""
    return legacy_answer(request, (_SORTING_ENCODER if sort else _ENCODER).encode(value))


def exposition_answer(request: Request, text: bytes) -> Answer:
    """The answer of ``/metrics`` where there is little to say."""
    body, coding = coded(request.scope, text)
    return Answer(200, body, [*coding, (CONTENT_LENGTH, b"%d" % len(body)), PROMETHEUS])


def add_common_reads(
    router: APIRouter,
    flags: Callable[[Request], Mapping[str, str]],
    snapshot_answer: Callable[[Request], Response],
    prometheus_answer: Callable[[Request], Response],
) -> None:
    """``flags`` says what the service that a request is about has of them; ``snapshot_answer`` is the answer of
    ``/metrics/snapshot``, and ``prometheus_answer`` that of ``/metrics``."""

    @router.get("/health", operation_id="get_health", response_class=Response)
    async def health() -> Response:
        """Whether the service answers at all."""
        return empty_answer()

    @router.get(
        "/version",
        operation_id="get_version",
        response_class=Response,
        responses=answers_map({"anyOf": [{"type": "string"}, {"type": "number"}]}, "By name."),
    )
    async def version(request: Request) -> Response:
        """Which Mesos this speaks as, and in `service_version` which program it is."""
        return json_answer(request, version_answer())

    @router.get(
        "/flags",
        operation_id="get_flags",
        response_class=Response,
        responses=answers_map(
            {"type": "object", "additionalProperties": {"type": "string"}}, "`flags`, by name, as text."
        ),
    )
    async def shown_flags(request: Request) -> Response:
        """The flags that the service runs with; secrets are not shown."""
        return json_answer(request, {"flags": flags(request)})

    @router.get(
        "/metrics",
        operation_id="get_metrics",
        response_class=Response,
        responses=answers_text("Text for Prometheus."),
    )
    async def metrics(request: Request) -> Response:
        """All metrics in the form that Prometheus reads."""
        return prometheus_answer(request)

    @router.get(
        "/metrics/snapshot",
        operation_id="get_metrics_snapshot",
        response_class=Response,
        responses=answers_map({"type": "number"}, "By name.") | refusal(400, "`timeout` is no duration."),
    )
    async def metrics_snapshot(
        request: Request,
        wait: Annotated[
            str | None,
            Query(alias="timeout", description="How long to wait, such as `5secs`. Nothing here takes any time."),
        ] = None,
    ) -> Response:
        """All metrics, sorted by name."""
        if wait is not None:
            try:
                Duration.parse(wait)
            except ValueError as error:
                return text_answer(400, f"Unable to parse timeout: {error}.\n")
        return snapshot_answer(request)
