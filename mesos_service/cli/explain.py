"""``mesos-service explain``: why a framework is offered nothing, or who is not offered an agent (N01, N02)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Final, TypeVar
from urllib.parse import quote

import httpx
import msgspec

from mesos_service.cli.output import OutputFormat, print_json
from mesos_service.cli.reads import READS, ask, find_master, request
from mesos_service.domain.errors import ConfigurationError, OperatingFault
from mesos_service.wire.explain import ExplainAgentAnswer, ExplainFrameworkAnswer, ExplainObstacle
from mesos_service.wire.operator import Response

T = TypeVar("T")

TIMEOUT_SECONDS: Final = 15.0
SHOWN_MAX: Final = 3
"""Agents that are shown for one reason; ``-o json`` has more of them."""


def explain(framework: str, master: str, output: OutputFormat) -> None:
    """``framework`` is an id or the name of one framework.

    Raises:
        ConfigurationError: ``master`` is no address, or nobody or several are called so.
        OperatingFault: the master does not answer, or not as one that explains.
    """
    framework_id = _framework_id(framework, master)
    answer = _ask(f"frameworks/{quote(framework_id, safe='')}", master, output, ExplainFrameworkAnswer)
    if answer is not None:
        print("\n".join(lines(answer)))


def explain_agent(agent: str, master: str, output: OutputFormat) -> None:
    """``agent`` is an id or the hostname of one agent. Raises as :func:`explain`."""
    agent_id = _agent_id(agent, master)
    answer = _ask(f"agents/{quote(agent_id, safe='')}", master, output, ExplainAgentAnswer)
    if answer is not None:
        print("\n".join(agent_lines(answer)))


def _ask(path: str, master: str, output: OutputFormat, kind: type[T]) -> T | None:
    """What the master explains; ``None`` where it was printed already, as JSON."""
    address = find_master(master)
    try:
        response = request(master, "GET", address, f"/api/v1/explain/{path}")
    except httpx.HTTPError as error:
        raise OperatingFault(f"no explanation from {address}: {error}") from error
    if response.status_code != httpx.codes.OK:
        said = response.text.strip()[:300] or response.reason_phrase
        raise OperatingFault(f"the master at {address} explains nothing ({response.status_code}): {said}")
    if output is OutputFormat.JSON:
        print_json(json.loads(response.content))
        return None
    try:
        return msgspec.json.decode(response.content, type=kind)
    except (msgspec.DecodeError, ValueError) as error:
        raise OperatingFault(f"what {address} sent is no explanation: {error}") from error


def _agent_id(agent: str, master: str) -> str:
    call, _ = READS["agents"]
    answer = msgspec.json.decode(ask(master, call), type=Response, strict=False).get_agents
    infos = [one.agent_info for one in (answer.agents if answer else ())]
    return _only(agent, [(info.id.value, info.hostname) for info in infos if info.id is not None], "agents are on")


def _framework_id(framework: str, master: str) -> str:
    call, _ = READS["frameworks"]
    answer = msgspec.json.decode(ask(master, call), type=Response, strict=False).get_frameworks
    infos = [one.framework_info for one in (answer.frameworks if answer else ())]
    known = [(info.id.value, info.name) for info in infos if info.id is not None]
    return _only(framework, known, "frameworks are called")


def _only(wanted: str, known: list[tuple[str, str]], several: str) -> str:
    """The id of who has this id, or else this name; of nobody, as it was given: the master says what became of it."""
    if any(own_id == wanted for own_id, _ in known):
        return wanted
    named = [own_id for own_id, name in known if name == wanted]
    if len(named) > 1:
        raise ConfigurationError(f"several {several} '{wanted}': {', '.join(named)}")
    return named[0] if named else wanted


def lines(answer: ExplainFrameworkAnswer) -> Iterator[str]:
    """The answer for people."""
    name = f"{answer.framework_id} ({answer.framework_name})" if answer.framework_name else answer.framework_id
    yield f"Framework {name}, as of the pass of {_time(answer.at)} by {answer.allocator}:"
    yield answer.summary
    last = "not by this master" if answer.last_offered_at is None else f"at {_time(answer.last_offered_at)}"
    yield f"Last offered something: {last}. Offers that wait for its answer: {answer.offers}. Agents: {answer.agents}."
    machines = _machines(answer)
    for role in answer.roles:
        yield ""
        yield f"Role {role.role}: offered something of {_agents(role.offered)}."
        for obstacle in role.obstacles:
            yield from _obstacle(obstacle, machines)


def agent_lines(answer: ExplainAgentAnswer) -> Iterator[str]:
    """The answer for people: those who were offered something first, others by what keeps them away."""
    yield f"Agent {answer.agent_id} ({answer.hostname}), as of the pass of {_time(answer.at)} by {answer.allocator}:"
    yield answer.summary
    for one in sorted(answer.roles, key=lambda one: (not one.offered, one.reason or "", one.framework_id, one.role)):
        yield f"  {one.framework_name or one.framework_id} as {one.role}: {one.reason or 'offered'}"
        if one.detail:
            yield f"    {one.detail}"
        for remedy in one.remedies:
            yield f"    -> {remedy.detail}{'' if remedy.by == 'time' else f' ({remedy.by})'}"


def _machines(answer: ExplainFrameworkAnswer) -> Counter[str | None]:
    """How many of the agents that are named have each hostname."""
    examples = (one for role in answer.roles for obstacle in role.obstacles for one in obstacle.examples)
    return Counter(hostname for _, hostname in {(one.agent_id, one.hostname) for one in examples})


def _agents(count: int) -> str:
    return f"{count} agent{'' if count == 1 else 's'}"


def _obstacle(obstacle: ExplainObstacle, machines: Counter[str | None]) -> Iterator[str]:
    where = "everywhere" if not obstacle.agents else _agents(obstacle.agents)
    yield f"  {obstacle.reason} ({where}{', waiting alone will not help' if obstacle.lasting else ''})"
    shown = obstacle.examples[:SHOWN_MAX]
    for example in shown:
        # Of agents on one machine the hostname tells none from another, whatever keeps each of them away.
        alone = machines[example.hostname] == 1
        place = example.hostname if alone and example.hostname else example.agent_id
        yield f"    {f'{place}: ' if place else ''}{example.detail}"
    if obstacle.agents > SHOWN_MAX:
        yield f"    ... and {obstacle.agents - SHOWN_MAX} more"
    for remedy in obstacle.examples[0].remedies if obstacle.examples else ():
        yield f"    -> {remedy.detail}{'' if remedy.by == 'time' else f' ({remedy.by})'}"


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().isoformat(" ", "milliseconds")
