"""The end of a framework: torn down by itself or by an operator, or away for too long (M-SC-02, M-OM-14, X18c).

That it ends is stored first, and so is that its id is spent: it holds for every master to come (X16, X18f). Then its
tasks are KILLED in our books before its agents are told to kill them. Nobody is left to hear of that: the stream ends
without another word (as recorded of Mesos). What its agents report of it later is not passed on (X11).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import Final

from mesos_service.core.effects import CloseStream
from mesos_service.core.link import ShutdownFramework
from mesos_service.core.master import books, copies, frameworks, inverse_offers, offers, operations, settling, tasks
from mesos_service.core.master.deadlines import FailoverOverdue, HeartbeatDue, LeaseDue
from mesos_service.core.master.state import Framework
from mesos_service.core.master.turn import Turn
from mesos_service.core.operator_messages import OperatorTeardown
from mesos_service.core.registry.operations import PruneFrameworks, RemoveFramework
from mesos_service.core.scheduler_messages import Teardown
from mesos_service.domain.ids import FrameworkId, StreamId
from mesos_service.domain.tasks import TERMINAL_STATES, TaskState

REASON_FRAMEWORK_REMOVED: Final = "REASON_FRAMEWORK_REMOVED"
FORGOTTEN_AT_ONCE: Final = 1000
"""So many ids of removed frameworks are forgotten together, the oldest of them: one operation for each new one would
double what is stored."""

DEPOSED_MAX: Final = 16
"""Streams of a framework whose late calls are told why they are refused; those of older ones are told that they are
not the framework's."""


@dataclass(frozen=True, slots=True)
class Removal:
    """Waits for ``RemoveFramework`` to be stored."""

    framework_id: FrameworkId
    at: float
    stream_id: StreamId | None
    """The stream that ends then."""
    waiting: tuple[int, int] | None
    """The call that waits for it, and the status to answer it with."""


# -- beginning -----------------------------------------------------------------------------------------------


def on_teardown(turn: Turn, framework: Framework, call: Teardown) -> None:
    turn.note("framework.torn_down", framework_id=framework.framework_id, by="framework")
    begin(turn, framework, (call.request, 202))


def on_operator_teardown(turn: Turn, call: OperatorTeardown) -> None:
    """An operator may end a framework that is not connected as well."""
    framework = turn.state.frameworks.get(call.framework_id)
    if framework is None:
        turn.reply(call.request, 400, "No framework found with specified ID")
        return
    turn.note("framework.torn_down", framework_id=framework.framework_id, by="operator")
    begin(turn, framework, (call.request, 200))


def begin(turn: Turn, framework: Framework, waiting: tuple[int, int] | None = None) -> None:
    """Have it stored that the framework is removed; it gets no more offers, and may not call nor come back."""
    state = turn.state
    framework_id, stream_id = framework.framework_id, framework.stream_id
    detach(turn, framework)
    state.timers.cancel(FailoverOverdue(framework_id))
    state.departing[framework_id] = None
    removal = Removal(framework_id, turn.now, stream_id, waiting)
    frameworks.store(turn, RemoveFramework(framework_id, turn.now), removal)


def left_alone(turn: Turn, framework: Framework) -> None:
    """Nobody acts for it, or stands by: ``failover_timeout`` to come back; by default none at all (X18c)."""
    state = turn.state
    framework_id = framework.framework_id
    if framework.connected or framework.standbys or framework_id in state.departing:
        return
    overdue = FailoverOverdue(framework_id)
    if framework.recovered:
        if state.timers.deadline(overdue) is None:
            state.timers.set(overdue, turn.now + frameworks.recovery_seconds(state, framework))
    elif framework.info.failover_timeout_seconds > 0:
        state.timers.set(overdue, turn.now + framework.info.failover_timeout_seconds)
    else:
        begin(turn, framework)


def detach(turn: Turn, framework: Framework) -> None:
    """Forget the framework's stream, and its offers and filters with it (X14g, X18g); closing it is the caller's."""
    state = turn.state
    stream_id = framework.stream_id
    if stream_id is None:
        return
    del state.streams[stream_id]
    state.timers.cancel(HeartbeatDue(stream_id))
    state.timers.cancel(LeaseDue(framework.framework_id))
    framework.deposed[stream_id] = framework.generation
    while len(framework.deposed) > DEPOSED_MAX:
        del framework.deposed[next(iter(framework.deposed))]
    framework.stream_id = None
    framework.lease = None
    state.allocator.set_framework_active(framework.framework_id, False)
    offers.discard_all(turn, framework)
    inverse_offers.forget_framework(state, framework.framework_id)


# -- stored --------------------------------------------------------------------------------------------------


def on_removal_stored(turn: Turn, number: int, stored: Removal) -> None:
    """Told as often as it was asked for; done once."""
    state = turn.state
    framework_id = stored.framework_id
    frameworks.was_stored(state, framework_id, number)
    if stored.waiting is not None:
        request, status = stored.waiting
        turn.reply(request, status)
    framework = state.frameworks.get(framework_id)
    if framework is None:
        return
    if stored.stream_id is not None:
        # Before its tasks, so that no update is put on a stream that ends without one.
        turn.do(CloseStream(stored.stream_id))
    for standby in framework.standbys:
        frameworks.end_stream(turn, standby, frameworks.REMOVED)
    framework.standbys.clear()
    del state.departing[framework_id]
    _remove(turn, framework)
    _remember(turn, framework_id, stored.at)


def _remove(turn: Turn, framework: Framework) -> None:
    """Forget the framework but for its history."""
    state = turn.state
    framework_id = framework.framework_id
    for agent_id in frameworks.agents_of(framework):
        agent = state.agents[agent_id]
        for task in list(agent.tasks.get(framework_id, {}).values()):
            if task.state not in TERMINAL_STATES:
                tasks.declare(
                    turn,
                    framework,
                    task,
                    TaskState.KILLED,
                    REASON_FRAMEWORK_REMOVED,
                    f"Framework {framework_id} removed",
                )
            task.charged = books.NOTHING
            settling.remove(framework, agent, task)
            framework.completed_tasks.append(task)
        copies.forget_framework(framework, agent)
        for executor_id in list(agent.executors.get(framework_id, {})):
            books.remove_executor(state, framework_id, agent, executor_id)
        books.release(turn, framework_id, agent, agent.used.get(framework_id, books.NOTHING))
        turn.tell_agent(agent, ShutdownFramework(framework_id))
    for agent in operations.forget_framework(state, framework_id):
        # It repeats what became of them until it hears this.
        turn.tell_agent(agent, ShutdownFramework(framework_id))
    state.allocator.remove_framework(framework_id)
    framework.unregistered_at = turn.now
    del state.frameworks[framework_id]
    state.completed_frameworks[framework_id] = framework
    while len(state.completed_frameworks) > state.options.max_completed_frameworks:
        del state.completed_frameworks[next(iter(state.completed_frameworks))]
    turn.note("framework.removed", framework_id=framework_id, name=framework.info.name)


def _remember(turn: Turn, framework_id: FrameworkId, at: float) -> None:
    """Its id is spent (X18f), and stays so until very many others are."""
    removed = turn.state.removed_frameworks
    removed[framework_id] = at
    if len(removed) >= turn.state.options.removed_frameworks_max + FORGOTTEN_AT_ONCE:
        oldest = tuple(islice(removed, FORGOTTEN_AT_ONCE))
        for one in oldest:
            del removed[one]
        turn.persist(PruneFrameworks(oldest), None)
