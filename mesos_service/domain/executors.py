"""Executors: the processes that run a framework's tasks on an agent (Mesos: ``ExecutorInfo``)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from mesos_service.domain.ids import ExecutorId, FrameworkId
from mesos_service.domain.resources import Resources


class ExecutorType(StrEnum):
    COMMAND = "COMMAND"
    """Built in, one per command task; never on the wire: there it is a task without an executor."""
    DEFAULT = "DEFAULT"
    """Built in, runs task groups."""
    CUSTOM = "CUSTOM"
    """A process of the framework's own that speaks the executor API."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorInfo:
    """Two executors of one id on one agent must be equal, ``carried`` included (X14i)."""

    executor_id: ExecutorId
    type: ExecutorType = ExecutorType.CUSTOM
    framework_id: FrameworkId | None = None
    resources: Resources = Resources.EMPTY
    name: str = ""
    source: str = ""
    command: object = field(default=None, repr=False)
    """The wire ``CommandInfo``, carried; ``None`` for built-in executors."""
    shutdown_grace_seconds: float | None = None
    refusal: str | None = None
    """Why the resources, as they were sent, may not be used; validation answers with it (X14d)."""
    carried: object = field(default=None, repr=False)
