"""What a master remembers. Changed only inside ``step``; read by anyone (``wire`` renders it, nobody else writes it).

All of it but the registry is soft: agents and schedulers bring it back when they register again (A42, B52).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from mesos_service.core.registry.operations import Operation
from mesos_service.core.registry.registry import Registry
from mesos_service.core.timers import Timers
from mesos_service.core.trace import TraceParent
from mesos_service.domain.agents import AgentInfo
from mesos_service.domain.executors import ExecutorInfo
from mesos_service.domain.frameworks import FrameworkInfo
from mesos_service.domain.ids import (
    AgentId,
    ExecutorId,
    FrameworkId,
    LinkId,
    MasterId,
    OfferId,
    Role,
    StreamId,
    TaskId,
)
from mesos_service.domain.offers import Offer
from mesos_service.domain.randomness import RandomSource
from mesos_service.domain.resources import Resources
from mesos_service.domain.tasks import TaskInfo, TaskState, TaskStatus
from mesos_service.plugins.allocator import Allocator


@dataclass(frozen=True, slots=True, kw_only=True)
class MasterOptions:
    """The flags a decision may depend on; names are Mesos' flags with their unit."""

    offer_timeout_seconds: float | None = 30.0
    allocation_interval_seconds: float = 1.0
    heartbeat_interval_seconds: float = 15.0
    agent_ping_timeout_seconds: float = 15.0
    max_agent_ping_timeouts: int = 5
    agent_reregister_timeout_seconds: float = 600.0
    max_completed_frameworks: int = 50
    max_completed_tasks_per_framework: int = 1000
    max_unreachable_tasks_per_framework: int = 1000
    max_statuses_per_task: int = 16
    outstanding_offers_max: int = 4096
    """A pass grants no more while so many offers are unanswered: a cold start cannot bury the master (DESIGN 2.3)."""
    roles: frozenset[Role] | None = None
    """Roles that frameworks may use (``--roles``); ``None`` allows all."""
    root_submissions: bool = True
    tracing: bool = False


@dataclass(slots=True)
class Task:
    """One task in the master's memory; gone once its terminal update is acknowledged (X08)."""

    info: TaskInfo
    framework_id: FrameworkId
    agent_id: AgentId
    executor_id: ExecutorId | None
    """``None`` for a command task, whose executor is built in."""
    state: TaskState = TaskState.STAGING
    """The latest state the agent told: resources are accounted by it (X04)."""
    shown: TaskStatus | None = None
    """The last update that carried a uuid and was passed to the framework: reconciliation answers with it (X15a)."""
    statuses: list[TaskStatus] = field(default_factory=list)
    """History without ``data``, one entry per run of equal states (X12)."""
    trace: TraceParent | None = None
    launched_at: float = 0.0
    charged: Resources = Resources.EMPTY
    """What this task holds in the books now; empty once its latest state is terminal."""


@dataclass(slots=True)
class Agent:
    """One registered agent."""

    agent_id: AgentId
    info: AgentInfo
    link_id: LinkId | None
    registered_at: float
    reregistered_at: float | None = None
    connected: bool = True
    active: bool = True
    """Offered to frameworks; false while disconnected (X23)."""
    tasks: dict[FrameworkId, dict[TaskId, Task]] = field(default_factory=dict)
    executors: dict[FrameworkId, dict[ExecutorId, ExecutorInfo]] = field(default_factory=dict)
    """Executors the framework named; built-in command executors are not among them."""
    offers: dict[OfferId, Offer] = field(default_factory=dict)
    used: dict[FrameworkId, Resources] = field(default_factory=dict)
    """Tasks' and executors' resources by framework, with allocation roles; what is offered is not in it."""
    pending_kills: dict[tuple[FrameworkId, TaskId], float | None] = field(default_factory=dict)
    """Kills asked for while it was disconnected, with their grace (X14j)."""
    pings_unanswered: int = 0


@dataclass(slots=True)
class Framework:
    """One framework, connected or within its failover timeout."""

    framework_id: FrameworkId
    info: FrameworkInfo
    stream_id: StreamId | None
    """``None`` while disconnected."""
    registered_at: float
    reregistered_at: float | None = None
    unregistered_at: float | None = None
    suppressed: frozenset[Role] = frozenset()
    principal: str | None = None
    tasks: dict[TaskId, Task] = field(default_factory=dict)
    executors: dict[AgentId, dict[ExecutorId, ExecutorInfo]] = field(default_factory=dict)
    offers: dict[OfferId, Offer] = field(default_factory=dict)
    completed_tasks: deque[Task] = field(default_factory=deque)
    unreachable_tasks: dict[TaskId, Task] = field(default_factory=dict)
    recovered: bool = False
    """Known only from agents' word after a failover; gets no offers until it subscribes (X20)."""
    offers_sent: int = 0
    offers_accepted: int = 0
    offers_declined: int = 0
    offers_rescinded: int = 0

    @property
    def connected(self) -> bool:
        return self.stream_id is not None


@dataclass(slots=True)
class MasterState:
    """The whole of it. ``frameworks`` and ``completed_frameworks`` exclude each other, as do the agent collections.

    ``pending_offers`` and ``touched`` are what the current tick has gathered: agents to run a pass over, and nothing
    else waits outside these fields.
    """

    master_id: MasterId
    options: MasterOptions
    allocator: Allocator
    random: RandomSource
    started_at: float = 0.0
    elected_at: float = 0.0
    agents: dict[AgentId, Agent] = field(default_factory=dict)
    links: dict[LinkId, dict[AgentId, None]] = field(default_factory=dict)
    registering: dict[AgentId, int] = field(default_factory=dict)
    """Agents whose admission is being stored, with the number of that operation."""
    unreachable: dict[AgentId, float] = field(default_factory=dict)
    removed: deque[AgentId] = field(default_factory=lambda: deque(maxlen=100_000))
    frameworks: dict[FrameworkId, Framework] = field(default_factory=dict)
    completed_frameworks: dict[FrameworkId, Framework] = field(default_factory=dict)
    offers: dict[OfferId, Offer] = field(default_factory=dict)
    streams: dict[StreamId, FrameworkId] = field(default_factory=dict)
    timers: Timers = field(default_factory=Timers)
    registry: Registry = field(default_factory=Registry)
    """The registry as far as it is known to be durable."""
    persisting: dict[int, tuple[Operation, object]] = field(default_factory=dict)
    """Operations under way by number, each with the continuation (a record of ``registration.py``) that waits."""
    touched: dict[AgentId, None] = field(default_factory=dict)
    """Agents with something new to offer since the last pass (B32)."""
    agent_counter: int = 0
    framework_counter: int = 0
    offer_counter: int = 0
    operation_counter: int = 0
    weights: Mapping[Role, float] = field(default_factory=dict)
