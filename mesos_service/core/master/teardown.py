"""The end of a framework: torn down by itself or by an operator, or away for too long (M-SC-02, M-OM-14, X18c).

Its tasks are KILLED in our books before its agents are told to kill them. Nobody is left to hear of that: the stream
ends without another word (as recorded of Mesos). What its agents report of it later is not passed on (X11).
"""

from __future__ import annotations

from typing import Final

from mesos_service.core.effects import CloseStream
from mesos_service.core.link import ShutdownFramework
from mesos_service.core.master import books, offers, tasks
from mesos_service.core.master.deadlines import FailoverOverdue, HeartbeatDue
from mesos_service.core.master.state import Framework
from mesos_service.core.master.turn import Turn
from mesos_service.core.messages import OperatorTeardown, Teardown
from mesos_service.domain.ids import AgentId
from mesos_service.domain.tasks import TERMINAL_STATES, TaskState

REASON_FRAMEWORK_REMOVED: Final = "REASON_FRAMEWORK_REMOVED"


def on_teardown(turn: Turn, framework: Framework, call: Teardown) -> None:
    turn.reply(call.request, 202)
    turn.note("framework.torn_down", framework_id=framework.framework_id, by="framework")
    remove(turn, framework)


def on_operator_teardown(turn: Turn, call: OperatorTeardown) -> None:
    """An operator may end a framework that is not connected as well."""
    framework = turn.state.frameworks.get(call.framework_id)
    if framework is None:
        turn.reply(call.request, 400, "No framework found with specified ID")
        return
    turn.reply(call.request, 200)
    turn.note("framework.torn_down", framework_id=framework.framework_id, by="operator")
    remove(turn, framework)


def agents_of(framework: Framework) -> list[AgentId]:
    """Agents on which it has tasks or executors, in the order in which it came to them."""
    return list(dict.fromkeys([*(task.agent_id for task in framework.tasks.values()), *framework.executors]))


def detach(turn: Turn, framework: Framework) -> None:
    """Forget the framework's stream, and its offers and filters with it (X14g, X18g); closing it is the caller's."""
    state = turn.state
    if framework.stream_id is None:
        return
    del state.streams[framework.stream_id]
    state.timers.cancel(HeartbeatDue(framework.stream_id))
    framework.stream_id = None
    state.allocator.set_framework_active(framework.framework_id, False)
    offers.discard_all(turn, framework)


def remove(turn: Turn, framework: Framework) -> None:
    """Forget the framework but for its history; its id cannot be used again (X18f)."""
    state = turn.state
    framework_id = framework.framework_id
    stream_id = framework.stream_id
    if stream_id is not None:
        # Before its tasks, so that no update is put on a stream that ends without one.
        turn.do(CloseStream(stream_id))
        detach(turn, framework)
    for agent_id in agents_of(framework):
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
            tasks.remove(framework, agent, task)
            framework.completed_tasks.append(task)
        for executor_id in list(agent.executors.get(framework_id, {})):
            books.remove_executor(state, framework_id, agent, executor_id)
        books.release(turn, framework_id, agent, agent.used.get(framework_id, books.NOTHING))
        turn.tell_agent(agent, ShutdownFramework(framework_id))
    state.allocator.remove_framework(framework_id)
    state.timers.cancel(FailoverOverdue(framework_id))
    framework.unregistered_at = turn.now
    del state.frameworks[framework_id]
    state.completed_frameworks[framework_id] = framework
    while len(state.completed_frameworks) > state.options.max_completed_frameworks:
        del state.completed_frameworks[next(iter(state.completed_frameworks))]
    turn.note("framework.removed", framework_id=framework_id, name=framework.info.name)
