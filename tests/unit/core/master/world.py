"""One master's core between schedulers and agents that are only messages. Invariants are checked after every step."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

from mesos_service.core.effects import MasterEffect, OpenStream, SendScheduler
from mesos_service.core.events import Error, Offers, Rescind, SchedulerEvent, Update
from mesos_service.core.link import (
    Pong,
    Register,
    Registered,
    Reregister,
    TaskReport,
    UpdateStatus,
    Uplink,
)
from mesos_service.core.master import invariants
from mesos_service.core.master.guard import Guard
from mesos_service.core.master.startup import start
from mesos_service.core.master.state import Agent, Framework, MasterOptions, MasterState
from mesos_service.core.master.step import next_deadline, step
from mesos_service.core.messages import FromAgent, LinkLost, MasterMessage, Persisted, Tick
from mesos_service.core.registry.operations import apply
from mesos_service.core.registry.registry import Registry
from mesos_service.core.scheduler_messages import (
    Accept,
    Acknowledge,
    Decline,
    Kill,
    LaunchOperation,
    Reconcile,
    Revive,
    SchedulerDisconnected,
    Subscribe,
    Suppress,
    Teardown,
    UpdateFramework,
)
from mesos_service.core.watch import Watch
from mesos_service.domain.agents import TASK_RESOURCE_LIMITS, AgentInfo
from mesos_service.domain.executors import ExecutorInfo
from mesos_service.domain.frameworks import FrameworkInfo
from mesos_service.domain.ids import AgentId, ExecutorId, FrameworkId, LinkId, MasterId, OfferId, Role, StreamId, TaskId
from mesos_service.domain.offers import Filters, Offer
from mesos_service.domain.resources import Resources
from mesos_service.domain.tasks import Source, TaskInfo, TaskState, TaskStatus
from mesos_service.plugins.allocator import Allocator, AllocatorOptions
from mesos_service.plugins.loader import ALLOCATORS, load
from tests.unit.core.master.infos import SMALL, TOTAL, framework_info, task_info
from tests.unit.core.master.told import Wanted, downlinks, launched, only

NOBODY = 999_999
"""No request has this number."""


def default_allocator() -> Allocator:
    return load(ALLOCATORS, "hierarchical_drf")(AllocatorOptions())


class World:
    """A master and its clock. ``take`` is the only way in."""

    def __init__(
        self,
        allocator: Allocator | None = None,
        options: MasterOptions | None = None,
        seed: int = 1,
        master_id: str = "master",
        watch: Watch | None = None,
    ) -> None:
        self.state = MasterState(
            master_id=MasterId(master_id),
            options=options or MasterOptions(),
            allocator=Guard(allocator or default_allocator(), watch),
            random=random.Random(seed),
        )
        self.now = 1000.0
        self.registry = Registry()
        """All that was stored."""
        self.stores = True
        """Whether operations are stored as soon as they are asked for."""
        self.subscribing: dict[int, Scheduler] = {}
        """Who waits for a stream, by request."""
        self._requests = 0
        self._links = 0
        self._agents = 0
        self._uuids = 0

    def fail_over(self, master_id: str = "successor") -> World:
        """Another master, that begins to lead on what this one has stored."""
        successor = World(options=self.state.options, master_id=master_id)
        successor.now, successor.registry = self.now, self.registry
        start(successor.state, successor.registry, successor.now)
        invariants.check(successor.state)
        return successor

    # -- time and messages -----------------------------------------------------------------------------------
    def take(self, message: MasterMessage) -> list[MasterEffect]:
        effects = self._step(message)
        while self.stores and self.state.persisting:
            effects += self._step(Persisted(next(iter(self.state.persisting))))
        return effects

    def _step(self, message: MasterMessage) -> list[MasterEffect]:
        if isinstance(message, Persisted) and message.operation in self.state.persisting:
            self.registry = apply(self.registry, [self.state.persisting[message.operation][0]])
        effects = step(self.state, message, self.now)
        invariants.check(self.state)
        for opened in only(effects, OpenStream):
            self.subscribing.pop(opened.request).opened(opened)
        return effects

    def tick(self, seconds: float = 0.0) -> list[MasterEffect]:
        """One tick ``seconds`` later, whatever was due before."""
        self.now += seconds
        return self.take(Tick())

    def settle(self) -> list[MasterEffect]:
        """Run what is due now."""
        effects: list[MasterEffect] = []
        while (at := next_deadline(self.state)) is not None and at <= self.now:
            effects += self.take(Tick())
        return effects

    def advance(self, seconds: float) -> list[MasterEffect]:
        """Let time pass, with a tick whenever one is due; the end included."""
        until = self.now + seconds
        effects = self.settle()
        while (at := next_deadline(self.state)) is not None and at <= until:
            self.now = max(self.now, at)
            effects += self.settle()
        self.now = until
        return effects

    def request(self) -> int:
        self._requests += 1
        return self._requests

    def uuid(self) -> bytes:
        self._uuids += 1
        return self._uuids.to_bytes(16, "big")

    # -- agents ----------------------------------------------------------------------------------------------
    def agent(self, resources: Resources | str = TOTAL, hostname: str | None = None) -> Node:
        """An agent that registers on a link of its own."""
        self._agents += 1
        total = resources if isinstance(resources, Resources) else Resources.parse(resources)
        name = hostname or f"host-{self._agents}"
        info = AgentInfo(hostname=name, resources=total, capabilities=frozenset({TASK_RESOURCE_LIMITS}))
        node = Node(self, info, self.new_link())
        node.register()
        return node

    def new_link(self) -> LinkId:
        self._links += 1
        return LinkId(f"link-{self._links}")

    # -- frameworks ------------------------------------------------------------------------------------------
    def store(self) -> list[MasterEffect]:
        """The one operation that was asked for first is durable."""
        return self._step(Persisted(next(iter(self.state.persisting))))

    def framework(self, info: FrameworkInfo | None = None, suppressed: Sequence[str] = ()) -> Scheduler:
        """A scheduler that subscribes."""
        scheduler = Scheduler(self, info or framework_info())
        scheduler.subscribe(suppressed)
        return scheduler


class Scheduler:
    """One framework's scheduler. Every call returns all effects of its step; ``hears`` picks this stream's events."""

    def __init__(self, world: World, info: FrameworkInfo) -> None:
        self.world = world
        self.info = info
        self.framework_id = FrameworkId("")
        self.stream_id = StreamId("")

    def subscribe(self, suppressed: Sequence[str] = (), principal: str | None = None) -> list[MasterEffect]:
        """Opens a stream at once, or when what has to be stored is."""
        request = self.world.request()
        self.world.subscribing[request] = self
        return self.world.take(
            Subscribe(
                request=request,
                framework=self.info,
                suppressed_roles=tuple(Role(role) for role in suppressed),
                principal=principal,
            )
        )

    def opened(self, stream: OpenStream) -> None:
        self.stream_id = stream.stream_id
        if stream.framework_id is not None:
            self.framework_id = stream.framework_id

    def subscribe_again(self, info: FrameworkInfo | None = None, suppressed: Sequence[str] = ()) -> list[MasterEffect]:
        """With its id, as after a failover."""
        base = info or self.info
        self.info = FrameworkInfo(
            name=base.name,
            user=base.user,
            framework_id=self.framework_id,
            roles=base.roles,
            capabilities=base.capabilities,
            failover_timeout_seconds=base.failover_timeout_seconds,
            checkpoint=base.checkpoint,
            principal=base.principal,
        )
        return self.subscribe(suppressed)

    def disconnect(self) -> list[MasterEffect]:
        return self.world.take(SchedulerDisconnected(framework_id=self.framework_id, stream_id=self.stream_id))

    @property
    def record(self) -> Framework:
        return self.world.state.frameworks[self.framework_id]

    @property
    def offers(self) -> list[Offer]:
        """Those it holds now."""
        return list(self.record.offers.values())

    # -- hearing ---------------------------------------------------------------------------------------------
    def events(self, effects: Iterable[MasterEffect]) -> list[SchedulerEvent]:
        return [effect.event for effect in only(effects, SendScheduler) if effect.stream_id == self.stream_id]

    def hears(self, effects: Iterable[MasterEffect], kind: type[Wanted]) -> list[Wanted]:
        return only(self.events(effects), kind)

    def offered(self, effects: Iterable[MasterEffect]) -> list[Offer]:
        return [offer for event in self.hears(effects, Offers) for offer in event.offers]

    def rescinded(self, effects: Iterable[MasterEffect]) -> list[OfferId]:
        return [event.offer_id for event in self.hears(effects, Rescind)]

    def statuses(self, effects: Iterable[MasterEffect]) -> list[TaskStatus]:
        return [event.status for event in self.hears(effects, Update)]

    def told(self, effects: Iterable[MasterEffect]) -> list[tuple[str, TaskState, str | None]]:
        """Task, state and reason of each update."""
        return [(status.task_id, status.state, status.reason) for status in self.statuses(effects)]

    def errors(self, effects: Iterable[MasterEffect]) -> list[str]:
        return [event.message for event in self.hears(effects, Error)]

    # -- calling ---------------------------------------------------------------------------------------------
    def accept(
        self,
        offers: Sequence[Offer | OfferId],
        *operations: LaunchOperation | object,
        refuse_seconds: float = 5.0,
    ) -> list[MasterEffect]:
        return self.world.take(
            Accept(
                request=self.world.request(),
                framework_id=self.framework_id,
                stream_id=self.stream_id,
                offer_ids=tuple(one.offer_id if isinstance(one, Offer) else one for one in offers),
                operations=operations,  # type: ignore[arg-type] # tests may say anything
                filters=Filters(refuse_seconds),
            )
        )

    def launch(self, offer: Offer, *tasks: TaskInfo, refuse_seconds: float = 5.0) -> list[MasterEffect]:
        return self.accept([offer], LaunchOperation(tasks), refuse_seconds=refuse_seconds)

    def decline(self, *offers: Offer | OfferId, refuse_seconds: float = 5.0) -> list[MasterEffect]:
        return self.world.take(
            Decline(
                request=self.world.request(),
                framework_id=self.framework_id,
                stream_id=self.stream_id,
                offer_ids=tuple(one.offer_id if isinstance(one, Offer) else one for one in offers),
                filters=Filters(refuse_seconds),
            )
        )

    def acknowledge(self, status: TaskStatus, agent_id: AgentId | None = None) -> list[MasterEffect]:
        assert status.uuid is not None and status.agent_id is not None
        return self.world.take(
            Acknowledge(
                request=self.world.request(),
                framework_id=self.framework_id,
                stream_id=self.stream_id,
                agent_id=agent_id or status.agent_id,
                task_id=status.task_id,
                uuid=status.uuid,
            )
        )

    def kill(self, task_id: str, agent_id: AgentId | None = None, grace: float | None = None) -> list[MasterEffect]:
        return self.world.take(
            Kill(
                request=self.world.request(),
                framework_id=self.framework_id,
                stream_id=self.stream_id,
                task_id=TaskId(task_id),
                agent_id=agent_id,
                grace_seconds=grace,
            )
        )

    def reconcile(self, *tasks: tuple[str, AgentId | None]) -> list[MasterEffect]:
        return self.world.take(
            Reconcile(
                request=self.world.request(),
                framework_id=self.framework_id,
                stream_id=self.stream_id,
                tasks=tuple((TaskId(task_id), agent_id) for task_id, agent_id in tasks),
            )
        )

    def revive(self, *roles: str, stream_id: str | None = "own") -> list[MasterEffect]:
        return self.world.take(
            Revive(
                request=self.world.request(),
                framework_id=self.framework_id,
                stream_id=self.stream_id if stream_id == "own" else stream_id,
                roles=tuple(Role(role) for role in roles),
            )
        )

    def suppress(self, *roles: str) -> list[MasterEffect]:
        return self.world.take(
            Suppress(
                request=self.world.request(),
                framework_id=self.framework_id,
                stream_id=self.stream_id,
                roles=tuple(Role(role) for role in roles),
            )
        )

    def update(self, info: FrameworkInfo, suppressed: Sequence[str] = ()) -> list[MasterEffect]:
        return self.world.take(
            UpdateFramework(
                request=self.world.request(),
                framework_id=self.framework_id,
                stream_id=self.stream_id,
                framework=info,
                suppressed_roles=tuple(Role(role) for role in suppressed),
            )
        )

    def tear_down(self) -> list[MasterEffect]:
        return self.world.take(
            Teardown(request=self.world.request(), framework_id=self.framework_id, stream_id=self.stream_id)
        )


class Node:
    """One agent."""

    def __init__(self, world: World, info: AgentInfo, link_id: LinkId) -> None:
        self.world = world
        self.info = info
        self.link_id = link_id
        self.agent_id = AgentId("")
        self.registrations = 0

    def say(self, message: Uplink) -> list[MasterEffect]:
        return self.world.take(
            FromAgent(link_id=self.link_id, agent_id=self.agent_id if self.agent_id else None, message=message)
        )

    def register(self) -> list[MasterEffect]:
        self.registrations += 1
        effects = self.say(Register(agent=self.info, registration=f"{self.info.hostname}-{self.registrations}"))
        for answer in downlinks(effects, Registered):
            self.agent_id = answer.agent_id
        return effects

    def come_back(
        self,
        *tasks: TaskReport,
        frameworks: Sequence[FrameworkInfo] = (),
        executors: Sequence[tuple[FrameworkId, ExecutorInfo]] = (),
        new_link: bool = True,
    ) -> list[MasterEffect]:
        """Register again, by default on a new link."""
        if new_link:
            self.link_id = self.world.new_link()
        self.registrations += 1
        return self.say(
            Reregister(
                agent=self.info,
                registration=f"{self.info.hostname}-{self.registrations}",
                tasks=tasks,
                frameworks=tuple(frameworks),
                executors=tuple(executors),
            )
        )

    def lose_link(self) -> list[MasterEffect]:
        return self.world.take(LinkLost(self.link_id))

    def pong(self) -> list[MasterEffect]:
        return self.say(Pong())

    @property
    def record(self) -> Agent:
        return self.world.state.agents[self.agent_id]

    def status(
        self,
        task_id: str,
        state: TaskState,
        *,
        uuid: bytes | None = None,
        reason: str | None = None,
        source: Source = Source.EXECUTOR,
        data: bytes | None = None,
    ) -> TaskStatus:
        return TaskStatus(
            task_id=TaskId(task_id),
            state=state,
            source=source,
            reason=reason,
            agent_id=self.agent_id,
            timestamp=self.world.now,
            uuid=uuid or self.world.uuid(),
            data=data,
        )

    def update(self, scheduler: Scheduler, status: TaskStatus, latest: TaskState | None = None) -> list[MasterEffect]:
        return self.say(
            UpdateStatus(
                framework_id=scheduler.framework_id,
                status=status,
                latest_state=status.state if latest is None else latest,
            )
        )

    def report(self, scheduler: Scheduler, task: TaskInfo, state: TaskState = TaskState.RUNNING) -> TaskReport:
        """What it would say of a task when it registers again; command tasks run in an executor of their own name."""
        executor_id = task.executor.executor_id if task.executor is not None else ExecutorId(task.task_id)
        return TaskReport(framework_id=scheduler.framework_id, info=task, state=state, executor_id=executor_id)


def running(
    world: World, node: Node, scheduler: Scheduler, task_id: str = "t", resources: Resources = SMALL
) -> TaskInfo:
    """A task that was launched on what is offered now, and of which RUNNING is acknowledged; as its agent knows it."""
    world.settle()
    (offer,) = [one for one in scheduler.offers if one.agent_id == node.agent_id]
    (info,) = launched(scheduler.launch(offer, task_info(task_id, node.agent_id, resources)))
    status = node.status(task_id, TaskState.RUNNING)
    node.update(scheduler, status)
    scheduler.acknowledge(status)
    return info
