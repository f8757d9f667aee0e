"""What an agent remembers. Changed only inside ``step``; read by anyone (``wire`` renders it, nobody else writes it).

A framework holds executors, an executor holds tasks, and what is still to be told about a task is in its update
stream. Each nests in the one before, save the streams: a stream outlives its task's executor, because the last word
on a task is repeated until the framework has acknowledged it (X08).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum

from mesos_service.core.agent.records import Termination
from mesos_service.core.agent.update_stream import UpdateStream
from mesos_service.core.effects import AgentEffect
from mesos_service.core.link import OperationReport
from mesos_service.core.timers import Timers
from mesos_service.core.trace import TraceParent
from mesos_service.domain.agents import AgentInfo
from mesos_service.domain.checks import CheckStatus, Purpose
from mesos_service.domain.executors import ExecutorInfo
from mesos_service.domain.frameworks import FrameworkInfo
from mesos_service.domain.ids import AgentId, ContainerId, ExecutorId, FrameworkId, LinkId, StreamId, TaskId
from mesos_service.domain.operations import VolumePlace
from mesos_service.domain.randomness import RandomSource
from mesos_service.domain.resources import Resources
from mesos_service.domain.tasks import TaskInfo, TaskState, TaskStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentOptions:
    """The flags a decision may depend on; names are Mesos' flags and constants with their unit (M-AG-24)."""

    registration_backoff_factor_seconds: float = 1.0
    registration_retry_interval_max_seconds: float = 60.0
    executor_registration_timeout_seconds: float = 60.0
    executor_shutdown_grace_period_seconds: float = 5.0
    executor_heartbeat_interval_seconds: float = 1800.0
    recovery_timeout_seconds: float = 900.0
    """How long an executor of a checkpointing framework may be away from its agent (M-EX-05)."""
    executor_reregistration_timeout_seconds: float = 2.0
    """How long a restarted agent waits for the executors that it left running (X53)."""
    kill_grace_seconds: float = 3.0
    status_update_retry_interval_min_seconds: float = 10.0
    status_update_retry_interval_max_seconds: float = 600.0
    max_completed_frameworks: int = 50
    max_completed_executors_per_framework: int = 150
    max_completed_tasks_per_executor: int = 200
    isolation: frozenset[str] = frozenset({"posix/cpu", "posix/mem"})
    """Names of the isolators in use: resource limits need the ones that enforce them."""


class ExecutorState(StrEnum):
    REGISTERING = "REGISTERING"
    """Being started: no task has reached it."""
    RUNNING = "RUNNING"
    TERMINATING = "TERMINATING"
    """To end, or ended with something left to clean up; takes no new tasks (X57)."""
    TERMINATED = "TERMINATED"
    """Gone, and kept only while the last updates of its tasks are unacknowledged."""


class ContainerPhase(StrEnum):
    LAUNCHING = "LAUNCHING"
    RUNNING = "RUNNING"
    DESTROYING = "DESTROYING"


@dataclass(slots=True)
class Checking:
    """A check of a running task, of either purpose."""

    started_at: float
    """When the task began to run: from then on its grace counts."""
    probe: int | None = None
    """The number of the try under way."""
    failures: int = 0
    """In a row, that count."""


@dataclass(slots=True)
class Task:
    """One task here, in exactly one of its executor's ``queued``, ``launched``, ``terminated``, ``completed``."""

    info: TaskInfo
    framework_id: FrameworkId
    executor_id: ExecutorId
    """For a command task its own id."""
    received_at: float
    group: tuple[TaskId, ...] = ()
    """All tasks of its task group, itself included; empty for a task launched alone."""
    state: TaskState = TaskState.STAGING
    """The latest state, perhaps not yet shown to the framework (X04)."""
    statuses: list[TaskStatus] = field(default_factory=list)
    """History without ``data``, one entry per run of equal states (X12)."""
    container_id: ContainerId | None = None
    """Where a built-in executor runs it; ``None`` for the tasks of a custom executor, which are its own affair."""
    launched_at: float | None = None
    kill_started_at: float | None = None
    """When a built-in executor sent the first TERM, or the kill was passed to a custom executor."""
    kill_grace_seconds: float | None = None
    """The grace that a custom executor was last told of, to be told again when it subscribes again; for a task of a
    built-in executor the shortest one so far."""
    overdue: bool = False
    """``max_completion_time`` has passed (M-AG-22)."""
    termination: Termination | None = None
    """Why its container is being destroyed, when that is neither its own doing nor a kill."""
    healthy: bool | None = None
    """What its health check last said; ``None`` before that, and without one."""
    check_status: CheckStatus | None = None
    """What its check last said; ``None`` without one."""
    checking: dict[Purpose, Checking] = field(default_factory=dict)
    """The checks that are made of it; empty unless it runs and is not being killed."""
    trace: TraceParent | None = None
    """The master's launch span."""
    launch_trace: TraceParent | None = None
    running_trace: TraceParent | None = None
    """The process sees this one as TRACEPARENT."""


@dataclass(slots=True)
class Executor:
    """One run of an executor; ``container_id`` names the run, as the executor id may be used again (X55)."""

    info: ExecutorInfo
    framework_id: FrameworkId
    container_id: ContainerId
    launched_at: float
    state: ExecutorState = ExecutorState.REGISTERING
    registered_at: float | None = None
    stream_id: StreamId | None = None
    """Where a custom executor listens; ``None`` while it does not."""
    pid: int | None = None
    """``None`` for a default executor, which has no process of its own."""
    queued: dict[TaskId, Task] = field(default_factory=dict)
    """Not delivered yet, in the order they came."""
    launched: dict[TaskId, Task] = field(default_factory=dict)
    terminated: dict[TaskId, Task] = field(default_factory=dict)
    """In a terminal state whose update is not acknowledged yet (X08)."""
    completed: deque[Task] = field(default_factory=deque)
    """The last ones that are over and acknowledged."""
    ever_sent_task: bool = False
    live_containers: int = 0
    """How many containers of it the containerizer has not yet declared gone."""
    termination: Termination | None = None
    """Why the agent ends it, when the executor did not end by itself; of a default executor, when it is preempted."""
    exit_status: int | None = None
    """Raw wait status."""

    @property
    def resources(self) -> Resources:
        """What it occupies: its own resources and those of its live tasks.

        Summed when asked: a running sum would make each of many tasks with ports pay for all the ports before it.
        """
        total = self.info.resources
        for tasks in (self.queued, self.launched):
            for task in tasks.values():
                total += task.info.resources
        return total

    @property
    def is_ending(self) -> bool:
        """Whether it is to end, or has ended."""
        return self.state in (ExecutorState.TERMINATING, ExecutorState.TERMINATED)

    @property
    def has_unfinished_tasks(self) -> bool:
        """Whether anything of it is still to be done or to be acknowledged."""
        return bool(self.queued or self.launched or self.terminated)


@dataclass(slots=True)
class Framework:
    """A framework with something on this agent."""

    framework_id: FrameworkId
    info: FrameworkInfo
    terminating: bool = False
    """Being torn down: its updates are told to nobody any more (X11)."""
    executors: dict[ExecutorId, Executor] = field(default_factory=dict)
    tasks: dict[TaskId, Executor] = field(default_factory=dict)
    """Which executor has a task that is not completed: an index into the executors."""
    completed_executors: deque[Executor] = field(default_factory=deque)


@dataclass(slots=True)
class Container:
    """One container that the containerizer was asked for; gone once it said that nothing is left."""

    framework_id: FrameworkId
    executor_id: ExecutorId
    task_id: TaskId | None
    """``None`` for a custom executor's own container."""
    phase: ContainerPhase = ContainerPhase.LAUNCHING
    pid: int | None = None
    exit_status: int | None = None
    """Raw wait status."""


# -- deadlines -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RegistrationDue:
    """(Re-)register with the master, again if it has not answered (X26)."""


@dataclass(frozen=True, slots=True)
class RetryDue:
    """Send the head of a stream again (X02)."""

    framework_id: FrameworkId
    task_id: TaskId


@dataclass(frozen=True, slots=True)
class OperationRetryDue:
    """Say again what became of an operation (M-SC-15)."""

    uuid: bytes


@dataclass(frozen=True, slots=True)
class ExecutorRegistrationOverdue:
    """The executor in this container has not subscribed (M-EX-04)."""

    container_id: ContainerId


@dataclass(frozen=True, slots=True)
class ExecutorReconnectOverdue:
    """The executor in this container went away and has not come back (M-EX-05)."""

    container_id: ContainerId


@dataclass(frozen=True, slots=True)
class RecoveryOverdue:
    """Executors that the agent left running have not come back after its restart (X53)."""


@dataclass(frozen=True, slots=True)
class ExecutorShutdownOverdue:
    """The executor in this container was told to shut down and has not ended (X55)."""

    container_id: ContainerId


@dataclass(frozen=True, slots=True)
class ExecutorHeartbeatDue:
    container_id: ContainerId


@dataclass(frozen=True, slots=True)
class KillOverdue:
    """The container ignores TERM (X56)."""

    container_id: ContainerId


@dataclass(frozen=True, slots=True)
class CompletionOverdue:
    """The task has run for its ``max_completion_time`` (M-AG-22)."""

    container_id: ContainerId


@dataclass(frozen=True, slots=True)
class CheckDue:
    """Try a check of the task in this container."""

    container_id: ContainerId
    purpose: Purpose


@dataclass(frozen=True, slots=True)
class CheckOverdue:
    """The try under way has taken longer than its time-out."""

    container_id: ContainerId
    purpose: Purpose


Deadline = (
    RegistrationDue
    | RetryDue
    | OperationRetryDue
    | ExecutorRegistrationOverdue
    | ExecutorReconnectOverdue
    | RecoveryOverdue
    | ExecutorShutdownOverdue
    | ExecutorHeartbeatDue
    | KillOverdue
    | CompletionOverdue
    | CheckDue
    | CheckOverdue
)


@dataclass(slots=True)
class PendingOperation:
    """An operation that its framework has not acknowledged."""

    report: OperationReport
    retry_seconds: float = 0.0
    """The pause before its status is sent again."""


@dataclass(frozen=True, slots=True)
class Ending:
    """The agent ends with this status and message once nothing runs on it."""

    status: int
    message: str


@dataclass(slots=True)
class Recovering:
    """A restart under way; until it is over the agent registers with no master (X53)."""

    cleanup: bool = False
    """Whether everything that was left running is to be ended, and then the agent."""
    containers_known: bool = False
    """Whether the containerizer has said what it found."""
    awaited: set[ContainerId] = field(default_factory=set)
    """Runs of custom executors that live and have not subscribed again."""


@dataclass(slots=True, kw_only=True)
class AgentState:
    """The whole of it. ``frameworks`` and ``completed_frameworks`` exclude each other.

    ``containers`` and ``executor_streams`` are indices into the executors; ``streams`` stands on its own.
    """

    info: AgentInfo
    """With its ``agent_id`` once the master has given one."""
    options: AgentOptions
    random: RandomSource
    started_at: float = 0.0
    link_id: LinkId | None = None
    """The open connection to the leading master."""
    registered: bool = False
    """Only then updates travel (X03)."""
    registered_at: float | None = None
    registration: str = ""
    """The word by which the answer to the registration under way is known."""
    registration_attempts: int = 0
    frameworks: dict[FrameworkId, Framework] = field(default_factory=dict)
    completed_frameworks: dict[FrameworkId, Framework] = field(default_factory=dict)
    containers: dict[ContainerId, Container] = field(default_factory=dict)
    executor_streams: dict[StreamId, ContainerId] = field(default_factory=dict)
    streams: dict[tuple[FrameworkId, TaskId], UpdateStream] = field(default_factory=dict)
    total: Resources = Resources.EMPTY
    """What it was configured with, and what operations have made of that (X14c)."""
    lendable: Resources = Resources.EMPTY
    """What the resource estimator said last; nothing before it has."""
    oversubscribed: Resources = Resources.EMPTY
    """What the master was told last that this agent lends beside ``total``; as ``lending.py`` has it."""
    operations: dict[bytes, PendingOperation] = field(default_factory=dict)
    """Those with an id, by the master's name for them."""
    doomed: dict[str, VolumePlace] = field(default_factory=dict)
    """Volumes that were destroyed and perhaps not removed yet, by the token of that."""
    timers: Timers = field(default_factory=Timers)
    probes: int = 0
    """The number of the last try of a check."""
    checkpoints: int = 0
    """The number of the last checkpoint that was asked for."""
    checkpointed: int = 0
    """The number of the last one that is stored."""
    withheld: deque[tuple[int, AgentEffect]] = field(default_factory=deque)
    """What waits to go out, with the checkpoint that it waits for, in order."""
    recovering: Recovering | None = None
    ending: Ending | None = None
    """Set once the agent is shutting down: nothing new starts."""
    exited: bool = False

    def __post_init__(self) -> None:
        if not self.total:
            self.total = self.info.resources

    @property
    def agent_id(self) -> AgentId | None:
        return self.info.agent_id

    def executor_of(self, container_id: ContainerId) -> tuple[Framework, Executor] | None:
        """The executor whose run, or one of whose tasks, is in this container."""
        container = self.containers.get(container_id)
        if container is None:
            return None
        framework = self.frameworks.get(container.framework_id)
        executor = framework.executors.get(container.executor_id) if framework else None
        return (framework, executor) if framework and executor else None
