"""What a master remembers. Changed only inside ``step``; read by anyone (``wire`` renders it, nobody else writes it).

All of it but the registry is soft: agents and schedulers bring it back when they register again (A42, B52).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf

from mesos_service.core.link import OperationStatus
from mesos_service.core.master.guard import Guard
from mesos_service.core.registry.operations import Operation
from mesos_service.core.registry.registry import RegisteredRevocation, Registry
from mesos_service.core.scheduler_messages import Subscribe
from mesos_service.core.timers import Timers
from mesos_service.core.trace import TraceParent
from mesos_service.core.watch import Unwatched, Watch
from mesos_service.domain.agents import AgentInfo, Deactivation
from mesos_service.domain.executors import ExecutorInfo
from mesos_service.domain.fault_domains import FaultDomain
from mesos_service.domain.frameworks import FrameworkInfo
from mesos_service.domain.ids import (
    AgentId,
    ExecutorId,
    FrameworkId,
    LinkId,
    MasterId,
    OfferId,
    OperationId,
    RevocationId,
    Role,
    StreamId,
    TaskId,
)
from mesos_service.domain.machines import Machine, MachineId
from mesos_service.domain.offers import InverseAnswer, InverseOffer, Offer
from mesos_service.domain.operations import Operation as ResourceChange
from mesos_service.domain.randomness import RandomSource
from mesos_service.domain.resources import Resources
from mesos_service.domain.tasks import TaskInfo, TaskState, TaskStatus
from mesos_service.plugins.allocator import Quota
from mesos_service.plugins.offer_filter import OfferFilter


@dataclass(frozen=True, slots=True, kw_only=True)
class MasterOptions:
    """The flags a decision may depend on; names are Mesos' flags with their unit."""

    offer_timeout_seconds: float | None = 30.0
    allocation_interval_seconds: float = 1.0
    heartbeat_interval_seconds: float = 15.0
    agent_ping_timeout_seconds: float = 15.0
    max_agent_ping_timeouts: int = 5
    agent_reregister_timeout_seconds: float = 600.0
    agent_removal_interval_seconds: float | None = None
    """Least time between two agents being marked unreachable (``--agent_removal_rate_limit``); ``None``: any number
    at once (M-HA-06)."""
    recovery_agent_removal_limit: float = 1.0
    """Which part of the registry's agents may be marked unreachable when the time to come back to a new master has
    passed; with more it gives up (M-HA-07)."""
    registry_gc_interval_seconds: float = 900.0
    registry_max_agent_age_seconds: float = 14 * 86_400.0
    registry_max_agent_count: int = 102_400
    """Unreachable agents, and those that are gone, kept in the registry, each (M-HA-09)."""
    max_completed_frameworks: int = 50
    removed_frameworks_max: int = 10_000
    """Ids of removed frameworks that are remembered, so that nobody takes them up again (X18f)."""
    max_completed_tasks_per_framework: int = 1000
    max_unreachable_tasks_per_framework: int = 1000
    max_statuses_per_task: int = 16
    outstanding_offers_max: int = 4096
    """A pass grants no more while so many offers are unanswered: a cold start cannot bury the master."""
    standby_grace_seconds: float = 5.0
    """How long schedulers that stand by wait, at a new master, for the one that acted before (A44)."""
    roles: frozenset[Role] | None = None
    """Roles that frameworks may use (``--roles``); ``None`` allows all."""
    root_submissions: bool = True
    fault_domain: FaultDomain | None = None
    """Where the master is (``--domain``)."""
    require_agent_domain: bool = False
    starvation_seconds: float | None = 600.0
    """A framework that has wanted offers for so long and got none is told of (N08); ``None``: never."""
    starvation_boost: bool = False
    """Whether it then comes first."""
    revocation: bool = False
    """Whether tasks are revoked for guarantees at all (B36a)."""
    revocation_delay_seconds: float = 30.0
    """How long a guarantee must have lacked something before."""
    revocation_grace_seconds: float = 30.0
    """What a task that is revoked has to end by itself."""
    short_task_seconds_max: float | None = None
    """Where a part of each agent is kept for short tasks: how long those may run (A54)."""
    offer_filters: Mapping[str, type[OfferFilter]] = field(default_factory=dict)
    """The filters that frameworks may ask for, by name (``--offer_filters``)."""
    hung_filters: dict[type[OfferFilter], str] = field(default_factory=dict, compare=False)
    """Those of which a method did not come back, and which: they are not made again."""
    watch: Watch = field(default_factory=Unwatched, compare=False)
    """Sees that filters come back when they are made."""
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
    statuses: tuple[TaskStatus, ...] = ()
    """History without ``data``, one entry per run of equal states (X12). Replaced, never changed: who reads it may keep
    it."""
    trace: TraceParent | None = None
    launched_at: float = 0.0
    charged: Resources = Resources.EMPTY
    """What this task holds in the books now; empty once its latest state is terminal."""
    forwarded_at: float = 0.0
    """When the update that waits for its acknowledgement was first passed on; unix seconds."""
    update_trace: TraceParent | None = None
    """The span of that update."""


@dataclass(slots=True, kw_only=True)
class OperationRecord:
    """An operation on an agent's resources, in the books already, until nothing more is to be said of it."""

    uuid: bytes
    agent_id: AgentId
    operation: ResourceChange
    framework_id: FrameworkId | None
    """``None`` for an operator's."""
    operation_id: OperationId | None
    status: OperationStatus


@dataclass(slots=True)
class Agent:
    """One registered agent."""

    agent_id: AgentId
    info: AgentInfo
    link_id: LinkId | None
    registered_at: float
    total: Resources = Resources.EMPTY
    """What it has, with what operations have made of it; those under way are done in here already (X14c). What it lends
    is in it, too."""
    oversubscribed: Resources = Resources.EMPTY
    """What of ``total`` it lends, as it said last (M-AG-26); written by ``oversubscription.py`` alone."""
    operations: dict[bytes, OperationRecord] = field(default_factory=dict)
    reregistered_at: float | None = None
    connected: bool = True
    active: bool = True
    """Offered to frameworks; false while disconnected (X23)."""
    tasks: dict[FrameworkId, dict[TaskId, Task]] = field(default_factory=dict)
    copies: dict[FrameworkId, dict[TaskId, Task]] = field(default_factory=dict)
    """What runs here under an id that stands for another task; written by ``copies.py`` alone, ..."""
    executors: dict[FrameworkId, dict[ExecutorId, ExecutorInfo]] = field(default_factory=dict)
    """Executors the framework named; built-in command executors are not among them."""
    offers: dict[OfferId, Offer] = field(default_factory=dict)
    used: dict[FrameworkId, Resources] = field(default_factory=dict)
    """Tasks' and executors' resources by framework, with allocation roles; what is offered is not in it.

    A framework that holds nothing here has no entry.
    """
    free: Resources = Resources.EMPTY
    """Neither used nor offered, without allocation roles; a running figure that ``invariants`` adds up anew."""
    overbooked: bool = False
    """It came back smaller than what runs on it: of what is short, nothing is free until enough has ended."""
    pending_kills: dict[tuple[FrameworkId, TaskId], float | None] = field(default_factory=dict)
    """Kills that no terminal state has answered yet, with their grace in seconds; repeated when it registers again,
    because a message may be lost with its connection (X14j, X21)."""
    unproven_executors: dict[tuple[FrameworkId, ExecutorId], int] = field(default_factory=dict)
    """Executors that a launch named and of which the agent has shown nothing yet, with the number of tasks sent to
    them: should it drop them all, that executor never was."""
    registration: str = ""
    """The agent's word for the registration that was last answered."""
    pings_unanswered: int = 0


@dataclass(slots=True)
class Lease:
    """A scheduler's promise to make some call every ``seconds``, so that one that hangs is noticed (A44)."""

    seconds: float
    heard_at: float
    due_at: float
    """When it is looked at next; only that of the scheduler that acts is."""
    lapsed: bool = False
    """It was found broken, by a master that was awake all the time; void when there has been a call since."""

    def holds(self, now: float) -> bool:
        return now < self.heard_at + self.seconds


@dataclass(slots=True)
class Standby:
    """A scheduler that waits to take over (A44). ``call`` is what it subscribed with, and will act on."""

    stream_id: StreamId
    call: Subscribe
    joined_at: float
    lease: Lease | None

    def is_alive(self, now: float) -> bool:
        """Without a lease it is alive as long as its stream is open."""
        return self.lease is None or self.lease.holds(now)


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
    copies: dict[AgentId, None] = field(default_factory=dict)
    """... which lists here the agents that have some."""
    recovered: bool = False
    """Known from before this master was elected, and not back yet; gets no offers until it subscribes (X20)."""
    generation: int = 0
    """As the registry has it (N11): the token of the scheduler that acts, and no other's; 0 while only agents know of
    the framework."""
    fenced: bool = False
    """The scheduler that acts has been told its token."""
    lease: Lease | None = None
    """What the scheduler that acts has promised."""
    standbys: dict[StreamId, Standby] = field(default_factory=dict)
    """In the order in which they came."""
    deposed: dict[StreamId, int] = field(default_factory=dict)
    """The last streams whose schedulers acted and do so no more, with their tokens."""
    filters: Mapping[Role, tuple[OfferFilter, ...]] = field(default_factory=dict)
    """What was made of ``filters_asked``; written by ``filtering.py`` alone."""
    filters_asked: object = None
    aged: bool = False
    """Whether the allocator was told that it comes first; written by ``starvation.py`` alone."""
    offered_at: float | None = None
    """When it was last made an offer, by this master."""
    offers_sent: int = 0
    offers_accepted: int = 0
    offers_declined: int = 0
    offers_rescinded: int = 0

    @property
    def connected(self) -> bool:
        return self.stream_id is not None


@dataclass(slots=True)
class RevocationUnderWay:
    """How far a revocation has come, by this master; unix seconds."""

    recorded: RegisteredRevocation
    killed_at: float | None = None
    destroyed_at: float | None = None
    """When its executor was told to end last."""


@dataclass(slots=True)
class MasterState:
    """The whole of it. ``frameworks`` and ``completed_frameworks`` exclude each other, as do the agent collections.

    ``touched``, ``full_pass_wanted`` and ``pass_due_at`` are what has been gathered for the next pass.
    """

    master_id: MasterId
    options: MasterOptions
    allocator: Guard
    """Handed in as a module, or in a guard that watches its time."""
    random: RandomSource
    started_at: float = 0.0
    elected_at: float = 0.0
    agents: dict[AgentId, Agent] = field(default_factory=dict)
    links: dict[LinkId, dict[AgentId, None]] = field(default_factory=dict)
    addresses: dict[tuple[str, str, int], dict[AgentId, None]] = field(default_factory=dict)
    """``agents`` and ``recovered`` by hostname, address and port; written by ``addresses.py`` alone."""
    registrations: dict[LinkId, dict[str, AgentId]] = field(default_factory=dict)
    """First registrations by link, so that one that is repeated gets the same id."""
    registering: dict[AgentId, int] = field(default_factory=dict)
    """Agents whose admission is being stored, with the number of that operation. None of them is in ``agents``."""
    recovered: dict[AgentId, AgentInfo] = field(default_factory=dict)
    """Admitted before this master was elected, and not back yet: what runs on them may be anything (X15b, X24)."""
    leaving: dict[AgentId, int] = field(default_factory=dict)
    """Those of ``agents`` and ``recovered`` whose end, or being unreachable, is being stored; offered to nobody, and
    not taken back before that is done."""
    removals: dict[AgentId, str] = field(default_factory=dict)
    """Agents that are to be marked unreachable as soon as ``--agent_removal_rate_limit`` allows, with why; first come,
    first served, and struck out when the agent gives a sign of life (M-HA-05, M-HA-06)."""
    removal_allowed_at: float = 0.0
    """When that limit lets the next one through."""
    unreachable: dict[AgentId, float] = field(default_factory=dict)
    """Since when; longest first."""
    gone: dict[AgentId, float] = field(default_factory=dict)
    """Marked gone by an operator, and when: told to shut down if they come back (X17)."""
    deactivated: dict[AgentId, Deactivation] = field(default_factory=dict)
    """Those of ``agents``, ``recovered`` and ``unreachable`` that operators have taken out of use; as the registry has
    them (M-OM-12, ``draining``)."""
    machines: dict[MachineId, Machine] = field(default_factory=dict)
    """Those that the maintenance schedule names, as the registry has them (M-OM-11, ``maintenance``)."""
    inverse_offers: dict[OfferId, InverseOffer] = field(default_factory=dict)
    """Those that have not been answered (M-SE-08)."""
    inverse_answers: dict[tuple[AgentId, FrameworkId], InverseAnswer] = field(default_factory=dict)
    """What each framework said last of each agent that goes."""
    removed: deque[AgentId] = field(default_factory=lambda: deque(maxlen=100_000))
    frameworks: dict[FrameworkId, Framework] = field(default_factory=dict)
    completed_frameworks: dict[FrameworkId, Framework] = field(default_factory=dict)
    removed_frameworks: dict[FrameworkId, float] = field(default_factory=dict)
    """When each was removed, by this master or one before it; oldest first, and bounded (X18f)."""
    recording: dict[FrameworkId, int] = field(default_factory=dict)
    """Frameworks of which something is being stored, with the number of the last such operation."""
    departing: dict[FrameworkId, None] = field(default_factory=dict)
    """Those of ``frameworks`` whose removal is being stored: none is connected, nor may subscribe any more."""
    offers: dict[OfferId, Offer] = field(default_factory=dict)
    operations: dict[tuple[FrameworkId, OperationId], OperationRecord] = field(default_factory=dict)
    """Those of ``agents`` that have an id; written by ``operations.py`` alone."""
    streams: dict[StreamId, FrameworkId] = field(default_factory=dict)
    timers: Timers = field(default_factory=Timers)
    registry: Registry = field(default_factory=Registry)
    """The registry as it was read when this master was elected; what was stored since shows in the collections."""
    persisting: dict[int, tuple[Operation, object]] = field(default_factory=dict)
    """Operations under way by number, each with the continuation that waits: a record that ``step`` knows."""
    touched: dict[AgentId, None] = field(default_factory=dict)
    """Agents with something new to offer since the last pass (B32)."""
    full_pass_wanted: bool = False
    """Somebody new or revived is to be offered whatever is free, on whichever agent."""
    pass_due_at: float | None = None
    """When a pass over what is gathered is due: at the next tick, save while agents come back to a new master; ``None``
    when nothing is gathered."""
    passed_at: float = -inf
    """When the last pass ran."""
    returning_until: float = -inf
    """Until when it is believed that more agents of before come back; written by ``books.came_back`` alone."""
    full_pass_due_at: float | None = None
    """When the next full pass is due (``--allocation_interval``); ``None`` until there is somebody to serve."""
    agent_questions: dict[AgentId, list[int]] = field(default_factory=dict)
    """Who asked about which agent, as below."""
    questions: dict[FrameworkId, list[int]] = field(default_factory=dict)
    """Who asked why a framework is offered nothing, by framework: requests that the next full pass answers (N01)."""
    waiting_since: dict[FrameworkId, float] = field(default_factory=dict)
    """Frameworks that want an offer and hold none, since when; written by ``starvation.py`` alone."""
    starving: dict[FrameworkId, float] = field(default_factory=dict)
    """Those of them who have waited too long, and of whom somebody is told."""
    revocations: dict[RevocationId, RevocationUnderWay] = field(default_factory=dict)
    """Tasks that are being revoked, until they are no longer there; written by ``revoking.py`` alone."""
    deciding_revocations: bool = False
    """Some are being stored."""
    short_since: dict[Role, float] = field(default_factory=dict)
    """Since when a role's guarantee could have been satisfied by a revocation, and by nothing else."""
    offer_expiries: deque[tuple[float, OfferId]] = field(default_factory=deque)
    """Offers by the time they expire, earliest first; those answered since are skipped when they come up."""
    ended: bool = False
    """It has given up: whatever still comes in, nothing is decided any more."""
    agent_counter: int = 0
    framework_counter: int = 0
    offer_counter: int = 0
    operation_counter: int = 0
    weights: dict[Role, float] = field(default_factory=dict)
    """Those of ``--weights``, or what operators have set since (M-OM-07); roles that are not here weigh 1."""
    registered_weights: bool = False
    """The registry has weights, or will: then it alone says what roles weigh, and not the flag."""
    quotas: dict[Role, Quota] = field(default_factory=dict)
    """Of top-level roles, as the registry has them (M-OM-08); both are written by ``policy.py`` alone."""
