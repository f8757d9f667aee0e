"""Executes revocations (B36d): the plan is stored, the task is killed with a grace, then its executor is destroyed.

The plan is in the registry before the first KILL is sent, so that the next master goes on with it and counts what is
ending: else it might choose others beside, and take a role below its guarantee. Each entry is looked at again and
again, from wherever it stands, until its task is no longer there, for whatever reason; there is no other state to lose.

Nothing of this happens without ``--revocation`` (B36a), or before a guarantee has gone unsatisfied for
``--revocation_delay``: most tasks are short.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from mesos_service.core.effects import Reply
from mesos_service.core.link import ShutdownExecutor
from mesos_service.core.master import tasks
from mesos_service.core.master.deadlines import RevocationDue
from mesos_service.core.master.revocation_plan import obstacle, preview, proposals, situation
from mesos_service.core.master.state import Agent, MasterState, RevocationUnderWay, Task
from mesos_service.core.master.turn import Turn
from mesos_service.core.operator_messages import PreviewRevocation
from mesos_service.core.registry.operations import ForgetRevocations, RecordRevocations
from mesos_service.core.registry.registry import RegisteredRevocation, Registry
from mesos_service.domain.ids import RevocationId
from mesos_service.domain.tasks import TERMINAL_STATES

MARGIN_SECONDS: Final = 5.0
"""Beyond the grace, for the kill to reach the agent and the task's end to come back."""
REPEAT_SECONDS: Final = 30.0
"""Between two attempts to destroy an executor."""


@dataclass(frozen=True, slots=True)
class Decided:
    """Waits for ``RecordRevocations`` to be stored."""

    revocations: tuple[RegisteredRevocation, ...]


def recover(state: MasterState, registry: Registry, now: float) -> None:
    """Go on with what the master before has begun; whether it had sent a kill, nobody knows."""
    for recorded in registry.revocations.values():
        state.revocations[recorded.revocation_id] = RevocationUnderWay(recorded)
    if state.revocations or state.options.revocation:
        state.timers.set(RevocationDue(), now + state.options.allocation_interval_seconds)


def on_preview(turn: Turn, call: PreviewRevocation) -> None:
    turn.do(Reply(call.request, 200, revocation=preview(turn.state, turn.now)))


def on_due(turn: Turn) -> None:
    """Look at what is under way, and whether there is more to do."""
    state = turn.state
    state.timers.set(RevocationDue(), turn.now + state.options.allocation_interval_seconds)
    _go_on(turn)
    if state.options.revocation and not obstacle(state) and not state.deciding_revocations:
        _decide(turn)


def on_decided_stored(turn: Turn, stored: Decided) -> None:
    state = turn.state
    state.deciding_revocations = False
    for recorded in stored.revocations:
        state.revocations[recorded.revocation_id] = RevocationUnderWay(recorded)
    _go_on(turn)


def _decide(turn: Turn) -> None:
    state, now = turn.state, turn.now
    if not any(quota.guarantees for quota in state.quotas.values()):
        state.short_since.clear()
        return
    lawful, refused = proposals(state, situation(state, now))
    for one in refused:
        turn.note(
            "revocation.refused", allocator=state.allocator.name, framework_id=one.framework_id, task_id=one.task_id
        )
    short = {one.beneficiary for one in lawful}
    state.short_since = {role: state.short_since.get(role, now) for role in sorted(short)}
    due = [
        RegisteredRevocation(one.framework_id, one.task_id, task.agent_id, one.beneficiary, now)
        for one in lawful
        if now - state.short_since[one.beneficiary] >= state.options.revocation_delay_seconds
        and (task := state.frameworks[one.framework_id].tasks.get(one.task_id)) is not None
    ]
    if due:
        state.deciding_revocations = True
        turn.persist(RecordRevocations(tuple(due)), Decided(tuple(due)))


def _go_on(turn: Turn) -> None:
    state = turn.state
    over: list[RevocationId] = []
    for key, entry in state.revocations.items():
        recorded = entry.recorded
        framework = state.frameworks.get(recorded.framework_id)
        task = None if framework is None else framework.tasks.get(recorded.task_id)
        if task is None or task.agent_id != recorded.agent_id:
            # While its agent is not back at a new master, nobody knows whether it still runs.
            if recorded.agent_id not in state.recovered:
                over.append(key)
        elif task.state not in TERMINAL_STATES:
            _press(turn, entry, state.agents[task.agent_id], task)
    for key in over:
        recorded = state.revocations.pop(key).recorded
        turn.note("revocation.over", framework_id=recorded.framework_id, task_id=recorded.task_id)
    if over:
        turn.persist(ForgetRevocations(tuple(over)), None)


def _press(turn: Turn, entry: RevocationUnderWay, agent: Agent, task: Task) -> None:
    """The next step against a task that still runs."""
    now, grace = turn.now, turn.state.options.revocation_grace_seconds
    key = (task.framework_id, task.info.task_id)
    if entry.killed_at is None:
        entry.killed_at = now
        agent.pending_kills[key] = grace
        turn.note(
            "task.revoked",
            framework_id=task.framework_id,
            task_id=task.info.task_id,
            agent_id=agent.agent_id,
            beneficiary=entry.recorded.beneficiary,
            grace_seconds=grace,
        )
        tasks.send_kill(turn, agent, task.framework_id, task.info.task_id, grace)
        return
    last, pause = entry.killed_at, grace + MARGIN_SECONDS
    if entry.destroyed_at is not None:
        last, pause = entry.destroyed_at, REPEAT_SECONDS
    # A command's executor is built into the agent, and does not outlive the grace.
    if task.executor_id is not None and now >= last + pause:
        entry.destroyed_at = now
        turn.note(
            "executor.revoked",
            framework_id=task.framework_id,
            executor_id=task.executor_id,
            agent_id=agent.agent_id,
        )
        turn.tell_agent(agent, ShutdownExecutor(framework_id=task.framework_id, executor_id=task.executor_id))
