"""Answers who is offered an agent, and what keeps it from all others (N01): from the next full pass, as ``explaining``.

Every framework is in the answer, in each of its roles: with what it was granted there, or the first gate that said no.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from mesos_service.core.allocation import reasons
from mesos_service.core.allocation.explanation import AgentExplanation, Listener, OnAgent, fallback
from mesos_service.core.effects import Reply
from mesos_service.core.master import books
from mesos_service.core.master.turn import Turn
from mesos_service.core.operator_messages import ExplainAgent
from mesos_service.domain.ids import AgentId, FrameworkId, Role
from mesos_service.plugins.allocator import Grant
from mesos_service.plugins.verdict import Veto

PATIENCE_SECONDS: Final = 2.0
"""A question waits no longer than this for a full pass that is due anyway."""


def on_explain(turn: Turn, call: ExplainAgent) -> None:
    """404 where there is no such agent; what keeps one that is away from everybody is said by the pass, too."""
    if call.agent_id not in turn.state.agents:
        turn.reply(call.request, 404, f"There is no agent '{call.agent_id}'.")
        return
    turn.state.agent_questions.setdefault(call.agent_id, []).append(call.request)
    want_pass_soon(turn)


def want_pass_soon(turn: Turn) -> None:
    """Somebody waits for a full pass: bring it forward if it is far away."""
    due = turn.state.full_pass_due_at
    if due is None or due > turn.now + PATIENCE_SECONDS:
        books.want_full_pass(turn)


def answer(turn: Turn, heard: Listener, grants: Iterable[Grant]) -> None:
    """The pass is over."""
    state = turn.state
    if not state.agent_questions:
        return
    granted = {
        (grant.framework_id, grant.role, grant.agent_id) for grant in grants if grant.agent_id in state.agent_questions
    }
    otherwise = fallback(state.allocator.name, len(state.agents))

    def why(framework_id: FrameworkId, role: Role, agent_id: AgentId) -> Veto | None:
        if (framework_id, role, agent_id) in granted:
            return None
        return heard.on_agent(framework_id, role, agent_id) or otherwise

    _answer_all(turn, why)


def answer_without_pass(turn: Turn, veto: Veto) -> None:
    """No pass runs; ``veto`` says why."""
    _answer_all(turn, lambda framework_id, role, agent_id: veto)


def _answer_all(turn: Turn, why: Callable[[FrameworkId, Role, AgentId], Veto | None]) -> None:
    state = turn.state
    questions, state.agent_questions = state.agent_questions, {}
    for agent_id, requests in questions.items():
        if agent_id not in state.agents:
            for request in requests:
                turn.reply(request, 404, f"There is no agent '{agent_id}'.")
            continue
        found = AgentExplanation(
            agent_id=agent_id,
            allocator=state.allocator.name,
            at=turn.now,
            roles=tuple(
                OnAgent(
                    framework_id=framework.framework_id,
                    role=role,
                    # Of one without a connection the allocator may know nothing more.
                    veto=why(framework.framework_id, role, agent_id)
                    if framework.connected
                    else reasons.framework_inactive(),
                )
                for framework in state.frameworks.values()
                for role in framework.info.roles
            ),
        )
        for request in requests:
            turn.do(Reply(request, 200, of_agent=found))
