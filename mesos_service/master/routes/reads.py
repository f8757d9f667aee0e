"""What the master's routes may look at, and how an endpoint gets hold of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Protocol, cast

from fastapi import Depends, FastAPI, Request

from mesos_service.core.effects import OpenStream, Reply
from mesos_service.core.master.state import MasterState
from mesos_service.core.messages import MasterMessage
from mesos_service.http.large import LargeAnswers
from mesos_service.master.operator_events import OperatorEvents
from mesos_service.telemetry.master_metrics import MasterMetrics
from mesos_service.wire.agents import MasterInfo


class Calls(Protocol):
    """The one way in: a message for the core, and its answer."""

    def new_request(self) -> int: ...
    def call(self, request: int, message: MasterMessage) -> Reply | OpenStream | None: ...
    async def answer(self, request: int) -> Reply | OpenStream: ...


class MasterReads(Protocol):
    """A master as its reads see it. Nothing of it is theirs to change; TEARDOWN goes through ``driver``."""

    @property
    def state(self) -> MasterState: ...

    @property
    def driver(self) -> Calls: ...

    @property
    def description(self) -> MasterInfo: ...

    @property
    def metrics(self) -> MasterMetrics: ...

    @property
    def flags(self) -> Mapping[str, str]:
        """What ``/flags`` shows, by name."""

    @property
    def large_answers(self) -> LargeAnswers: ...

    @property
    def operator_events(self) -> OperatorEvents: ...

    def clock(self) -> float:
        """Unix seconds."""


def give_reads(application: FastAPI, service: MasterReads) -> None:
    """Make ``service`` the one that the routes of ``application`` are about."""
    application.state.reads = service


def reads_of(request: Request) -> MasterReads:
    """The master that a request is about."""
    # Starlette's state takes anything; ``give_reads`` is the only one that writes this.
    return cast("MasterReads", request.app.state.reads)


Reads = Annotated[MasterReads, Depends(reads_of)]
"""An endpoint's parameter of this type is filled with the master."""
