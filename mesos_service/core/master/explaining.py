"""Answers why a framework is offered nothing (N01): from the next full pass, which somebody then listens to.

Nobody listens as long as nobody asks, so that asking is all that explanations cost. A full pass is due at every
``--allocation_interval``; where that is far away it is brought forward, for nobody waits long for an answer.
"""

from __future__ import annotations

from collections.abc import Iterable

from mesos_service.core.allocation import reasons
from mesos_service.core.allocation.explanation import Explanation, Listener, RoleExplanation, fallback
from mesos_service.core.effects import Reply
from mesos_service.core.master import explaining_agents
from mesos_service.core.master.state import Framework, MasterState
from mesos_service.core.master.turn import Turn
from mesos_service.core.operator_messages import ExplainFramework
from mesos_service.domain.frameworks import DEFAULT_ROLE
from mesos_service.domain.ids import AgentId, FrameworkId, Role
from mesos_service.plugins.allocator import Grant
from mesos_service.plugins.verdict import Veto


def on_explain(turn: Turn, call: ExplainFramework) -> None:
    """404 where there is no such framework; without a connection it is no pass that keeps offers from it."""
    state = turn.state
    framework = state.frameworks.get(call.framework_id)
    if framework is None:
        _answer_for_nobody(turn, call.framework_id, (call.request,))
    elif not framework.connected:
        turn.do(Reply(call.request, 200, explanation=_all_roles(turn, framework, reasons.framework_inactive())))
    else:
        state.questions.setdefault(call.framework_id, []).append(call.request)
        explaining_agents.want_pass_soon(turn)


class _MastersListener(Listener):
    """Knows why an agent is not active, where the allocator knows only that it is not."""

    def __init__(self, state: MasterState) -> None:
        super().__init__(state.questions, state.agent_questions)
        self._state = state

    def refused(self, framework_id: FrameworkId, role: Role, agent_id: AgentId | None, veto: Veto) -> None:
        if veto.reason == reasons.AGENT_INACTIVE and agent_id is not None:
            veto = self._why(agent_id) or veto
        super().refused(framework_id, role, agent_id, veto)

    def _why(self, agent_id: AgentId) -> Veto | None:
        agent, word = self._state.agents.get(agent_id), self._state.deactivated.get(agent_id)
        if agent is None or agent.link_id is None or word is None:
            return None
        if word.is_draining:
            return reasons.agent_deactivated("An operator drains the agent.", draining=True)
        how = "has drained" if word.drained else "has deactivated"
        return reasons.agent_deactivated(f"An operator {how} the agent.", draining=False)


def listener(state: MasterState) -> Listener | None:
    """Who listens to the full pass that is about to begin; nobody where nothing is asked."""
    return _MastersListener(state) if is_asked(state) else None


def is_asked(state: MasterState) -> bool:
    """Whether anybody waits for an explanation."""
    return bool(state.questions or state.agent_questions)


def answer(turn: Turn, heard: Listener, grants: Iterable[Grant]) -> None:
    """The pass is over: answer all that was asked."""
    state = turn.state
    explaining_agents.answer(turn, heard, grants)
    agents_of: dict[tuple[FrameworkId, str], set[str]] = {}
    for grant in grants:
        if grant.framework_id in state.questions:
            agents_of.setdefault((grant.framework_id, grant.role), set()).add(grant.agent_id)
    otherwise = fallback(state.allocator.name, len(state.agents))
    questions, state.questions = state.questions, {}
    for framework_id, requests in questions.items():
        framework = state.frameworks.get(framework_id)
        if framework is None:
            _answer_for_nobody(turn, framework_id, requests)
            continue
        roles = tuple(
            heard.role(framework_id, role, len(agents_of.get((framework_id, role), ())), otherwise)
            for role in framework.info.roles
        )
        if not roles:
            roles = (heard.role(framework_id, DEFAULT_ROLE, 0, reasons.no_role()),)
        found = _explanation(turn, framework, roles)
        for request in requests:
            turn.do(Reply(request, 200, explanation=found))
        _tell_of_starving(turn, framework, found)


def _tell_of_starving(turn: Turn, framework: Framework, found: Explanation) -> None:
    """Who was asked for because it starves is told of, with what stands in its way on most agents (N08)."""
    since = turn.state.starving.get(framework.framework_id)
    obstacles = [one for role in found.roles for one in role.obstacles]
    if since is None or any(role.offered for role in found.roles) or not obstacles:
        return
    widest = max(obstacles, key=lambda one: (not one.agents, one.agents))
    # That it holds its own agents itself is no news to anybody, where others hold some as well.
    told = next((one for one in widest.examples if not _is_its_own(turn, framework, one.agent_id)), widest.examples[0])
    turn.note(
        "framework.starving",
        framework_id=framework.framework_id,
        name=framework.info.name,
        seconds=round(turn.now - since, 1),
        reason=widest.reason,
        detail=told.veto.detail,
    )


def _is_its_own(turn: Turn, framework: Framework, agent_id: AgentId | None) -> bool:
    """Whether nobody else holds anything of the agent."""
    agent = None if agent_id is None else turn.state.agents.get(agent_id)
    own = {framework.framework_id}
    return agent is not None and {*agent.used, *(one.framework_id for one in agent.offers.values())} == own


def answer_without_pass(turn: Turn, veto: Veto) -> None:
    """No pass runs; ``veto`` says why."""
    state = turn.state
    explaining_agents.answer_without_pass(turn, veto)
    questions, state.questions = state.questions, {}
    for framework_id, requests in questions.items():
        framework = state.frameworks.get(framework_id)
        if framework is None:
            _answer_for_nobody(turn, framework_id, requests)
            continue
        found = _all_roles(turn, framework, veto)
        for request in requests:
            turn.do(Reply(request, 200, explanation=found))


def _all_roles(turn: Turn, framework: Framework, veto: Veto) -> Explanation:
    nothing = Listener(())
    roles = framework.info.roles or (DEFAULT_ROLE,)
    return _explanation(turn, framework, tuple(nothing.role(framework.framework_id, role, 0, veto) for role in roles))


def _explanation(turn: Turn, framework: Framework, roles: tuple[RoleExplanation, ...]) -> Explanation:
    return Explanation(
        framework_id=framework.framework_id,
        allocator=turn.state.allocator.name,
        at=turn.now,
        agents=len(turn.state.agents),
        offers=len(framework.offers),
        last_offered_at=framework.offered_at,
        roles=roles,
    )


def _answer_for_nobody(turn: Turn, framework_id: FrameworkId, requests: Iterable[int]) -> None:
    ended = framework_id in turn.state.completed_frameworks or framework_id in turn.state.removed_frameworks
    text = f"Framework '{framework_id}' has ended." if ended else f"There is no framework '{framework_id}'."
    for request in requests:
        turn.reply(request, 404, text)
