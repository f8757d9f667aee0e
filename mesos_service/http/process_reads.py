"""What Mesos' processes tell of themselves under paths of their own, whatever service runs in them:
``/logging/toggle`` and ``/system/stats.json`` (Mesos docs, HTTP endpoints). ``/help`` is made where ``/docs`` is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Final, Protocol

import msgspec
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from mesos_service.configuration.units import Duration
from mesos_service.http.answers import empty_answer, legacy_answer, text_answer
from mesos_service.openapi import answers_map, answers_text, refusal

PROCESS_PATHS: Final = ("/help", "/logging/toggle", "/system/stats.json")

LEVEL_MAX: Final = 2**31 - 1
_LEVEL: Final = re.compile(r"-?[0-9]{1,18}", re.ASCII)


class LogVerbosity(Protocol):
    """The log's verbosity: 0 is the usual one."""

    @property
    def level(self) -> int: ...

    def set(self, level: int, seconds: float) -> None: ...


def add_process_reads(router: APIRouter, verbosity: LogVerbosity, system: Callable[[], Mapping[str, float]]) -> None:
    """``system`` tells of the machine, by the names of metrics."""

    @router.get(
        "/logging/toggle",
        operation_id="toggle_logging",
        response_class=Response,
        responses=refusal(400, "A parameter is missing or makes no sense.")
        | answers_text("Without parameters the level in force."),
    )
    async def toggle_logging(
        level: Annotated[str | None, Query(description="0 is the usual one; a higher one tells everything.")] = None,
        duration: Annotated[str | None, Query(description="For how long, such as `10mins`.")] = None,
    ) -> Response:
        """What the log's verbosity is, or another one for a while."""
        if level is None and duration is None:
            return text_answer(200, f"{verbosity.level}\n")
        if level is None or duration is None:
            missing = "level" if level is None else "duration"
            return text_answer(400, f"Expecting '{missing}=value' in query.\n")
        if not _LEVEL.fullmatch(level) or int(level) > LEVEL_MAX:
            return text_answer(400, f"Failed to convert '{level}' to number.\n")
        if int(level) < 0:
            return text_answer(400, f"Invalid level '{int(level)}'.\n")
        try:
            seconds = Duration.parse(duration).seconds
        except ValueError as error:
            return text_answer(400, f"{error}.\n")
        verbosity.set(int(level), seconds)
        return empty_answer()

    @router.get(
        "/system/stats.json",
        operation_id="get_system_stats",
        response_class=Response,
        responses=answers_map({"type": "number"}, "By name."),
    )
    async def system_stats(request: Request) -> Response:
        """Load, processors and memory of the machine, in bytes."""
        return legacy_answer(request, msgspec.json.encode(_stats(system())))


def _stats(told: Mapping[str, float]) -> dict[str, float | int]:
    """Numbers that are counts are written as such (recorded)."""
    return {
        "avg_load_15min": told["system/load_15min"],
        "avg_load_1min": told["system/load_1min"],
        "avg_load_5min": told["system/load_5min"],
        "cpus_total": int(told["system/cpus_total"]),
        "mem_free_bytes": int(told["system/mem_free_bytes"]),
        "mem_total_bytes": int(told["system/mem_total_bytes"]),
    }
