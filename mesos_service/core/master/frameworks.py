"""What every file about frameworks needs: their record in the memory, and the one in the registry.

The registry comes first (X16): whatever changes in a framework's record is stored, and what was asked goes on when it
is. Operations are stored in the order in which they were asked for, and go on in that order, so that several may be
under way for one framework; what is decided meanwhile is decided on the newest record, stored or not.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from mesos_service.core.effects import CloseStream, OpenStream, SendScheduler
from mesos_service.core.events import Error, Heartbeat, Subscribed
from mesos_service.core.link import FrameworkUpdated
from mesos_service.core.master import books, filtering, passes
from mesos_service.core.master.deadlines import FailoverOverdue, GraceOver, HeartbeatDue, LeaseDue
from mesos_service.core.master.state import Framework, Lease, MasterOptions, MasterState
from mesos_service.core.master.turn import Turn
from mesos_service.core.registry.operations import RecordFramework, RemoveFramework
from mesos_service.core.registry.registry import RegisteredFramework, Registry
from mesos_service.core.scheduler_messages import Subscribe
from mesos_service.domain.frameworks import FrameworkInfo
from mesos_service.domain.ids import AgentId, FrameworkId, Role, StreamId
from mesos_service.plugins.allocator import FrameworkView

REMOVED: Final = "Framework has been removed"

# -- in the registry -----------------------------------------------------------------------------------------


def newest_record(state: MasterState, framework_id: FrameworkId) -> RegisteredFramework | None:
    """A framework as the registry has it, or will when all that is under way is stored; ``None`` for one never seen.

    Generation 0 is one that the registry does not have: agents alone know it (X20).
    """
    number = state.recording.get(framework_id)
    operation = None if number is None else state.persisting[number][0]
    if isinstance(operation, RecordFramework):
        return RegisteredFramework(operation.info, operation.generation)
    framework = state.frameworks.get(framework_id)
    return None if framework is None else RegisteredFramework(framework.info, framework.generation)


def is_stored(state: MasterState, framework_id: FrameworkId, record: RegisteredFramework) -> bool:
    """Whether the registry has exactly this already, and nothing under way will change it."""
    framework = state.frameworks.get(framework_id)
    return (
        framework is not None
        and framework_id not in state.recording
        and framework.generation > 0
        and (framework.info, framework.generation) == (record.info, record.generation)
    )


def store(turn: Turn, operation: RecordFramework | RemoveFramework, continuation: object) -> None:
    """Have a framework's record changed; ``continuation`` goes on when that is durable."""
    turn.state.recording[operation.framework_id] = turn.persist(operation, continuation)


def was_stored(state: MasterState, framework_id: FrameworkId, number: int) -> None:
    """One operation is durable; others may be under way for the same framework."""
    if state.recording.get(framework_id) == number:
        del state.recording[framework_id]


def recover_registered(state: MasterState, registry: Registry, now: float) -> None:
    """Take up all frameworks of the registry as a master begins to lead: none is connected, none forgotten (X18d).

    Mesos knows them only from agents and schedulers that come back, so that one which never does leaves its tasks
    running for ever (MESOS-4659).
    """
    state.removed_frameworks = dict(sorted(registry.removed_frameworks.items(), key=lambda entry: entry[1]))
    for record in registry.frameworks.values():
        recover(state, record, now)


def recover(state: MasterState, record: RegisteredFramework, now: float) -> Framework:
    """Enter a framework of before: it gets no offers until it subscribes (X20).

    Its failover timeout begins anew, since nobody knows when it was last seen, and is at least as long as agents have
    to come back: a scheduler that was connected when the master failed must have the time to see that.
    """
    framework = make(state, record.info, now)
    framework.generation = record.generation
    framework.recovered = True
    state.frameworks[framework.framework_id] = framework
    state.allocator.add_framework(view(framework, state.options), {}, False)
    state.timers.set(FailoverOverdue(framework.framework_id), now + recovery_seconds(state, framework))
    return framework


def recovery_seconds(state: MasterState, framework: Framework) -> float:
    """How long a framework has to come back to a new master."""
    return max(framework.info.failover_timeout_seconds, state.options.agent_reregister_timeout_seconds)


# -- in the memory -------------------------------------------------------------------------------------------


def next_id(state: MasterState) -> FrameworkId:
    """An id for a framework that brings none along."""
    while True:
        framework_id = FrameworkId(f"{state.master_id}-{state.framework_counter:04d}")
        state.framework_counter += 1
        # A framework may have brought this very id along.
        if newest_record(state, framework_id) is None and framework_id not in state.removed_frameworks:
            return framework_id


def make(state: MasterState, info: FrameworkInfo, now: float) -> Framework:
    """A framework's record in the memory; ``info`` has its id."""
    assert info.framework_id is not None, "whoever makes a record has given an id"
    return Framework(
        framework_id=info.framework_id,
        info=info,
        stream_id=None,
        registered_at=now,
        principal=info.principal,
        completed_tasks=deque(maxlen=state.options.max_completed_tasks_per_framework),
    )


def view(framework: Framework, options: MasterOptions) -> FrameworkView:
    """What the allocator may know of it."""
    info = framework.info
    return FrameworkView(
        framework_id=framework.framework_id,
        roles=frozenset(info.roles),
        suppressed=framework.suppressed,
        capabilities=info.capabilities,
        min_allocatable=info.min_allocatable,
        aged=framework.aged,
        short_tasks=info.short_tasks,
        filters=filtering.of(framework, options),
    )


def seat(turn: Turn, framework: Framework, stream_id: StreamId, record: RegisteredFramework, call: Subscribe) -> None:
    """From here on the scheduler at this stream acts for the framework, with what it said when it subscribed.

    ``record`` is stored. Whoever acted before has been detached.
    """
    state = turn.state
    framework_id = framework.framework_id
    framework.stream_id = stream_id
    state.streams[stream_id] = framework_id
    framework.generation = record.generation
    framework.fenced = knows_of_tokens(call)
    framework.principal = call.principal or record.info.principal
    framework.recovered = False
    state.timers.cancel(FailoverOverdue(framework_id))
    state.timers.cancel(GraceOver(framework_id))
    framework.lease = new_lease(call, turn.now)
    if framework.lease is not None:
        state.timers.set(LeaseDue(framework_id), framework.lease.due_at)
    change(turn, framework, record.info, frozenset(call.suppressed_roles))
    state.allocator.set_framework_active(framework_id, True)
    passes.plan(state, turn.now)
    books.want_full_pass(turn)


def knows_of_tokens(call: Subscribe) -> bool:
    """Whether a scheduler speaks of what only this master has; others are told nothing that Mesos would not say."""
    return call.mode is not None or call.fencing_token is not None or call.lease_seconds is not None


def new_lease(call: Subscribe, now: float) -> Lease | None:
    return None if call.lease_seconds is None else Lease(call.lease_seconds, now, now + call.lease_seconds)


def open_stream(turn: Turn, call: Subscribe, framework_id: FrameworkId, token: int | None) -> StreamId:
    """Answer SUBSCRIBE with a stream; ``token`` is ``None`` for one that stands by."""
    state = turn.state
    stream_id = StreamId(turn.new_uuid_text())
    interval = state.options.heartbeat_interval_seconds
    subscribed = Subscribed(framework_id, interval)
    if knows_of_tokens(call):
        subscribed = Subscribed(framework_id, interval, "STANDBY" if token is None else "PRIMARY", token)
    state.streams[stream_id] = framework_id
    state.timers.set(HeartbeatDue(stream_id), turn.now + interval)
    turn.do(OpenStream(call.request, framework_id, stream_id))
    turn.do(SendScheduler(stream_id, subscribed))
    turn.do(SendScheduler(stream_id, Heartbeat()))
    return stream_id


def end_stream(turn: Turn, stream_id: StreamId, why: str) -> None:
    """Say one last thing, and forget the stream."""
    state = turn.state
    turn.do(SendScheduler(stream_id, Error(why)))
    turn.do(CloseStream(stream_id))
    state.timers.cancel(HeartbeatDue(stream_id))
    state.streams.pop(stream_id, None)


def agents_of(framework: Framework) -> list[AgentId]:
    """Agents on which it has tasks, executors or copies, in the order in which it came to them."""
    on = (task.agent_id for task in framework.tasks.values())
    return list(dict.fromkeys([*on, *framework.executors, *framework.copies]))


def change(turn: Turn, framework: Framework, info: FrameworkInfo, suppressed: frozenset[Role]) -> None:
    """Take over what a framework says of itself now, and tell the agents that run something of it.

    They are told even of nothing new: an agent takes it as a sign that somebody listens again, and repeats at once
    what is not acknowledged, instead of when its back-off has run out (X02).
    """
    state = turn.state
    framework.info = info
    framework.suppressed = suppressed
    state.allocator.update_framework(view(framework, state.options))
    for agent_id in agents_of(framework):
        turn.tell_agent(state.agents[agent_id], FrameworkUpdated(info))
