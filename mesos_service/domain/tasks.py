"""Tasks: what they are, which states they pass, what is reported of them (Mesos: ``TaskInfo``, ``TaskStatus``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from mesos_service.domain.checks import Check, CheckStatus, HealthCheck
from mesos_service.domain.executors import ExecutorInfo
from mesos_service.domain.ids import AgentId, ContainerId, ExecutorId, TaskId
from mesos_service.domain.resources import Resources


class TaskState(StrEnum):
    STAGING = "TASK_STAGING"
    STARTING = "TASK_STARTING"
    RUNNING = "TASK_RUNNING"
    KILLING = "TASK_KILLING"
    FINISHED = "TASK_FINISHED"
    FAILED = "TASK_FAILED"
    KILLED = "TASK_KILLED"
    ERROR = "TASK_ERROR"
    LOST = "TASK_LOST"
    DROPPED = "TASK_DROPPED"
    UNREACHABLE = "TASK_UNREACHABLE"
    GONE = "TASK_GONE"
    GONE_BY_OPERATOR = "TASK_GONE_BY_OPERATOR"
    UNKNOWN = "TASK_UNKNOWN"


TERMINAL_STATES: Final = frozenset(
    {
        TaskState.FINISHED,
        TaskState.FAILED,
        TaskState.KILLED,
        TaskState.ERROR,
        TaskState.LOST,
        TaskState.DROPPED,
        TaskState.GONE,
        TaskState.GONE_BY_OPERATOR,
    }
)
"""X13: UNREACHABLE and UNKNOWN are not terminal; LOST counts as terminal although the task may come back."""


class Source(StrEnum):
    MASTER = "SOURCE_MASTER"
    AGENT = "SOURCE_AGENT"
    EXECUTOR = "SOURCE_EXECUTOR"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskInfo:
    """What a framework wants run. ``resources`` carry their allocation role once the master has accepted them."""

    task_id: TaskId
    agent_id: AgentId
    name: str = ""
    resources: Resources = Resources.EMPTY
    limits: Mapping[str, int | None] = field(default_factory=dict)
    """Thousandths by resource name; ``None`` is "Infinity" (M-AL-27)."""
    executor: ExecutorInfo | None = None
    command: object = field(default=None, repr=False)
    """The wire ``CommandInfo``, carried. Exactly one of ``executor`` and ``command``, save in task groups."""
    refusal: str | None = None
    """Why the resources or the checks, as they were sent, may not be used; validation answers with it (X14d)."""
    kill_grace_seconds: float | None = None
    max_completion_seconds: float | None = None
    check: Check | None = None
    health_check: HealthCheck | None = None
    shares_cgroups: bool = True
    """Whether, in a task group, it has the control groups of its executor (Mesos: ``LinuxInfo.share_cgroups``)."""
    carried: object = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerStatus:
    """Where a task runs, as its agent reports it (Mesos: ``ContainerStatus``)."""

    container_id: ContainerId
    parent_id: ContainerId | None = None
    executor_pid: int | None = None
    ip_addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskStatus:
    """One report on one task. ``uuid`` is 16 bytes, or ``None`` when nobody waits for an acknowledgement (X09)."""

    task_id: TaskId
    state: TaskState
    source: Source | None = None
    reason: str | None = None
    message: str | None = None
    agent_id: AgentId | None = None
    executor_id: ExecutorId | None = None
    timestamp: float | None = None
    """Unix seconds."""
    uuid: bytes | None = None
    healthy: bool | None = None
    check_status: CheckStatus | None = None
    data: bytes | None = None
    unreachable_at: float | None = None
    container: ContainerStatus | None = None
    """Filled in by the agent for what its executors report."""
    carried: object = field(default=None, repr=False)
    """Wire fields the core only hands on: labels, limitation, an executor's own container status."""

    @property
    def is_terminal(self) -> bool:
        return self.state in TERMINAL_STATES
