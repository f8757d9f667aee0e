"""``mesos-service explain FRAMEWORK``: why it is offered nothing, and what would have to change (N01, N02)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Final
from urllib.parse import quote

import httpx
import msgspec

from mesos_service.cli.output import OutputFormat, print_json
from mesos_service.cli.reads import READS, ask, find_master, request
from mesos_service.domain.errors import ConfigurationError, OperatingFault
from mesos_service.wire.explain import ExplainFrameworkAnswer, ExplainObstacle
from mesos_service.wire.operator import Response

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
    address = find_master(master)
    try:
        path = f"/api/v1/explain/frameworks/{quote(framework_id, safe='')}"
        response = request(master, "GET", address, path)
    except httpx.HTTPError as error:
        raise OperatingFault(f"no explanation from {address}: {error}") from error
    if response.status_code != httpx.codes.OK:
        said = response.text.strip()[:300] or response.reason_phrase
        raise OperatingFault(f"the master at {address} explains nothing ({response.status_code}): {said}")
    if output is OutputFormat.JSON:
        print_json(json.loads(response.content))
        return
    try:
        answer = msgspec.json.decode(response.content, type=ExplainFrameworkAnswer)
    except (msgspec.DecodeError, ValueError) as error:
        raise OperatingFault(f"what {address} sent is no explanation: {error}") from error
    print("\n".join(lines(answer)))


def _framework_id(framework: str, master: str) -> str:
    call, _ = READS["frameworks"]
    answer = msgspec.json.decode(ask(master, call), type=Response, strict=False).get_frameworks
    infos = [one.framework_info for one in (answer.frameworks if answer else ())]
    if any(info.id is not None and info.id.value == framework for info in infos):
        return framework
    named = [info.id.value for info in infos if info.id is not None and info.name == framework]
    if len(named) > 1:
        raise ConfigurationError(f"several frameworks are called '{framework}': {', '.join(named)}")
    # The master says what became of an id that it does not list.
    return named[0] if named else framework


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
