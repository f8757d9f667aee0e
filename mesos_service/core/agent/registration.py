"""The link to the master: registering, being pinged, and what becomes of updates meanwhile (X03, X21, X26).

An agent without an id registers, one that has an id re-registers, and says then all that a new master must know of
it (X20). A first registration waits a random moment, as a fleet is often started all at once. An agent that comes back
asks at once: links to a new master are opened at random moments already, and until it is back nothing new runs on it.
Each further attempt waits up to twice as long as the one before, and at least half of that: a link loses nothing, so
that a repetition within moments would only find the master busier with what it was asked already.
"""

from __future__ import annotations

from dataclasses import replace

from mesos_service.core.agent import lending, operation_updates, status_updates
from mesos_service.core.agent.recording import resources_kept
from mesos_service.core.agent.records import AgentKept, FrameworkKept
from mesos_service.core.agent.state import ExecutorState, Framework, RegistrationDue, Task
from mesos_service.core.agent.turn import Turn
from mesos_service.core.agent_messages import MasterConnected, MasterLost
from mesos_service.core.effects import Exit
from mesos_service.core.link import (
    FrameworkUpdated,
    Ping,
    Pong,
    ReconcileTasks,
    Register,
    Registered,
    Reregister,
    Reregistered,
    TaskReport,
)
from mesos_service.domain.executors import ExecutorInfo, ExecutorType
from mesos_service.domain.frameworks import FrameworkInfo
from mesos_service.domain.ids import AgentId, FrameworkId, TaskId

REASON_RECONCILIATION = "REASON_RECONCILIATION"
RETRY_SECONDS_MIN = 1.0
"""Retries spread over at least this long, however short the first wait was set."""


def on_master_connected(turn: Turn, message: MasterConnected) -> None:
    """A way to the leading master is open; whoever was on the other end before is not any more."""
    state = turn.state
    state.link_id = message.link_id
    _lose_registration(turn)
    if state.ending is None and state.recovering is None:
        start_registration(turn)


def on_master_lost(turn: Turn, message: MasterLost) -> None:
    """Tasks go on; their updates wait (X03)."""
    if message.link_id == turn.state.link_id:
        turn.note("agent.disconnected", agent_id=turn.state.agent_id or "", link_id=message.link_id)
        _lose_registration(turn)
        turn.state.link_id = None


def on_registration_due(turn: Turn) -> None:
    """(Re-)register, and plan to do so again for as long as no answer comes (X26)."""
    state, options = turn.state, turn.state.options
    state.registration_attempts += 1
    state.oversubscribed = lending.current(state)
    if state.agent_id is None:
        turn.tell_master(
            Register(
                agent=state.info,
                registration=state.registration,
                total=state.total,
                oversubscribed=state.oversubscribed,
            )
        )
    else:
        turn.tell_master(_reregister(turn))
    factor = max(options.registration_backoff_factor_seconds, RETRY_SECONDS_MIN)
    # The exponent is bounded because a float is: long before, the longest interval is reached.
    longest = min(factor * 2.0 ** min(state.registration_attempts, 32), options.registration_retry_interval_max_seconds)
    state.timers.set(RegistrationDue(), turn.now + (1 + state.random.random()) * longest / 2)


def on_registered(turn: Turn, message: Registered) -> None:
    _registered(turn, message.registration, message.agent_id)


def on_reregistered(turn: Turn, message: Reregistered) -> None:
    if _registered(turn, message.registration, message.agent_id):
        _answer_for(turn, message.asked)


def on_reconcile(turn: Turn, message: ReconcileTasks) -> None:
    _answer_for(turn, message.tasks)


def on_ping(turn: Turn, message: Ping) -> None:
    """Answer; and register again when the master believes that this agent is not there (X26)."""
    turn.tell_master(Pong())
    if turn.state.registered and not message.connected:
        turn.note("agent.marked_disconnected", agent_id=turn.state.agent_id or "")
        _lose_registration(turn)
        start_registration(turn)


def on_framework_updated(turn: Turn, message: FrameworkUpdated) -> None:
    framework_id = message.framework.framework_id
    framework = turn.state.frameworks.get(framework_id) if framework_id is not None else None
    if framework is not None:
        take_framework_info(turn, framework, message.framework)
        status_updates.resume(turn, framework_id)


def take_framework_info(turn: Turn, framework: Framework, info: FrameworkInfo) -> None:
    """Use what the framework says of itself from now on. Whether it checkpoints is settled when it first comes here."""
    if info.checkpoint != framework.info.checkpoint:
        info = replace(info, checkpoint=framework.info.checkpoint)
    if info.checkpoint and info != framework.info:
        turn.checkpoint(FrameworkKept(info, framework.terminating))
    framework.info = info


def start_registration(turn: Turn) -> None:
    """Under a new word: register after a random moment, or with an id re-register at once (X26).

    X26's random second is for first registrations. Of agents that have an id, links come up spread over a moment
    (``agent/master_link.py``); a second one on top of that would only keep them away from a new master for longer.
    """
    state = turn.state
    state.registration = turn.new_uuid_text()
    state.registration_attempts = 0
    if state.agent_id is not None:
        on_registration_due(turn)
        return
    wait = state.random.random() * state.options.registration_backoff_factor_seconds
    state.timers.set(RegistrationDue(), turn.now + wait)


def begin_anew(turn: Turn) -> None:
    """Register again on the same link: the master's books and this agent's differ, and what is told then holds."""
    _lose_registration(turn)
    start_registration(turn)


def _lose_registration(turn: Turn) -> None:
    turn.state.timers.cancel(RegistrationDue())
    if turn.state.registered:
        turn.state.registered = False
        status_updates.pause(turn)
        operation_updates.pause(turn)


def _registered(turn: Turn, registration: str, agent_id: AgentId) -> bool:
    """Whether this answered the registration under way; an answer to an older one is an echo."""
    state = turn.state
    if state.registered or registration != state.registration or state.ending is not None:
        return False
    if state.agent_id is not None and state.agent_id != agent_id:
        turn.do(Exit(1, f"The master calls this agent {agent_id}, but it is {state.agent_id}"))
        state.exited = True
        return False
    state.timers.cancel(RegistrationDue())
    fact = "agent.registered" if state.agent_id is None else "agent.reregistered"
    if state.agent_id is None:
        state.info = replace(state.info, agent_id=agent_id)
        turn.checkpoint(AgentKept(state.info))
        if state.total != state.info.resources or state.doomed:
            # Made under another id, of the agent that worked here before.
            turn.checkpoint(resources_kept(state))
    state.registered = True
    state.registered_at = turn.now
    turn.note(fact, agent_id=agent_id, attempts=state.registration_attempts)
    status_updates.resume(turn)
    operation_updates.resume(turn)
    lending.tell(turn)
    return True


def _answer_for(turn: Turn, asked: tuple[tuple[FrameworkId, TaskId], ...]) -> None:
    """Say of each task that was never here that it was dropped; of all others an update is under way or due (X21)."""
    state = turn.state
    for framework_id, task_id in asked:
        framework = state.frameworks.get(framework_id)
        if (framework is not None and task_id in framework.tasks) or (framework_id, task_id) in state.streams:
            continue
        status_updates.drop(
            turn,
            framework_id,
            framework.info if framework is not None else None,
            task_id,
            REASON_RECONCILIATION,
            "Reconciliation: Task is unknown to the agent",
        )


def _reregister(turn: Turn) -> Reregister:
    executors: list[tuple[FrameworkId, ExecutorInfo]] = []
    tasks: list[TaskReport] = []
    for framework in turn.state.frameworks.values():
        if framework.terminating:
            continue
        for executor in framework.executors.values():
            if executor.info.type is not ExecutorType.COMMAND and executor.state is not ExecutorState.TERMINATED:
                executors.append((framework.framework_id, executor.info))
            for held in (executor.queued, executor.launched, executor.terminated):
                tasks.extend(_task_report(task) for task in held.values())
    return Reregister(
        agent=turn.state.info,
        registration=turn.state.registration,
        total=turn.state.total,
        oversubscribed=turn.state.oversubscribed,
        operations=tuple(pending.report for pending in turn.state.operations.values()),
        executors=tuple(executors),
        tasks=tuple(tasks),
        frameworks=tuple(one.info for one in turn.state.frameworks.values() if not one.terminating),
    )


def _task_report(task: Task) -> TaskReport:
    return TaskReport(
        framework_id=task.framework_id,
        info=task.info,
        state=task.state,
        executor_id=task.executor_id,
        statuses=tuple(task.statuses),
    )
