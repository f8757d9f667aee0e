"""Agents: the machines that run tasks (Mesos: ``SlaveInfo``)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from mesos_service.domain.attributes import Attribute
from mesos_service.domain.ids import AgentId
from mesos_service.domain.resources import Resources

RESIZE_VOLUME: Final = "RESIZE_VOLUME"
AGENT_OPERATION_FEEDBACK: Final = "AGENT_OPERATION_FEEDBACK"
"""It tells what became of operations on its own resources (M-SC-15)."""
TASK_RESOURCE_LIMITS: Final = "TASK_RESOURCE_LIMITS"
"""Its isolators heed a task's limits (M-AL-27)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentInfo:
    """What an agent says of itself when it registers; ``resources`` is what it was configured with, unallocated.

    Its total is that with what operations have made of it (``domain.operations``).
    """

    hostname: str
    ip: str = "127.0.0.1"
    port: int = 5051
    agent_id: AgentId | None = None
    resources: Resources = Resources.EMPTY
    attributes: tuple[Attribute, ...] = ()
    checkpoint: bool = True
    region: str | None = None
    zone: str | None = None
    capabilities: frozenset[str] = frozenset()
    version: str = ""
    carried: object = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drain:
    """How an operator wants an agent emptied (Mesos: ``DrainConfig``)."""

    max_grace_seconds: float | None = None
    """No task has longer to end than this; ``None`` leaves each its own kill policy."""
    mark_gone: bool = False
    """Mark the agent gone as soon as it is empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deactivation:
    """An agent is out of use because an operator said so."""

    since: float
    """Unix seconds."""
    drain: Drain | None = None
    """``None`` where its tasks may run on."""
    drained: bool = False
    """All its tasks have ended, and their frameworks know."""

    @property
    def is_draining(self) -> bool:
        return self.drain is not None and not self.drained
