"""A master's metrics, and what roles use, in steps that are as long however large the cluster is (N17)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import ParamSpec, TypeVar

import pytest

from mesos_service.core.master import role_use
from mesos_service.core.master.state import MasterState
from mesos_service.domain.ids import AgentId, FrameworkId, OfferId, Role
from mesos_service.telemetry import master_metrics as module
from mesos_service.telemetry.master_metrics import MasterMetrics
from tests.unit.telemetry.masters import PART, a_master

P = ParamSpec("P")
R = TypeVar("R")


def test_n17_metrics_are_told_in_steps_of_one_agent_or_framework_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever sends them lets others have a turn in between (``http.large``)."""
    metrics, state = MasterMetrics(), many()
    frameworks, agents = len(state.frameworks), len(state.agents)
    worked: list[str] = []
    for name in ("_framework", "_principal"):
        monkeypatch.setattr(MasterMetrics, name, noted(worked, getattr(MasterMetrics, name)))
    for name in ("add_scalars", "_by_state"):
        monkeypatch.setattr(module, name, noted(worked, getattr(module, name)))
    steps: list[int] = []
    told: dict[str, float] = {}
    for one in metrics.told(state, now=160.0):
        steps.append(len(worked))
        worked.clear()
        if one is not None:
            told[one[0]] = one[1]
    assert max(steps) <= 2, "one agent's total and what is used of it, or one framework and what is active of it"
    assert sum(steps) >= 3 * frameworks + 2 * agents
    assert list(told) == sorted(told)
    assert told.keys() == MasterMetrics().snapshot(state, now=160.0).keys()


def test_n17_whatever_goes_while_metrics_are_told_is_told_as_it_was_or_is_not() -> None:
    """At each step of it."""
    steps = len(list(MasterMetrics().told(many(), now=160.0)))
    names = set(MasterMetrics().snapshot(many(), now=160.0))
    for gone_at in range(0, steps, 7):
        state, found = many(), set[str]()
        for step, one in enumerate(MasterMetrics().told(state, now=160.0)):
            if step == gone_at:
                for held in (state.frameworks, state.agents, state.offers, state.quotas):
                    held.clear()
            if one is not None:
                found.add(one[0])
        assert found <= names
        assert {"master/cpus_total", "master/tasks_running", "allocator/mesos/resources/mem/total"} <= found


def many() -> MasterState:
    """A few of each, in whichever order their names sort."""
    state = a_master()
    (agent,), (framework,), (offer,) = state.agents.values(), state.frameworks.values(), state.offers.values()
    for number, name in enumerate(("b", "a", "a-", "a/", "a b", "_")):
        framework_id = FrameworkId(f"m-000{number}")
        info = replace(framework.info, name=name, principal=f"p{number}", roles=(Role(f"a/{number}"),))
        state.frameworks[framework_id] = replace(framework, framework_id=framework_id, info=info)
        used = {framework_id: PART.allocated_to(f"a/{number}")}
        state.agents[AgentId(f"m-S{number}")] = replace(agent, agent_id=AgentId(f"m-S{number}"), used=used)
        offer_id = OfferId(f"m-O1{number}")
        state.offers[offer_id] = replace(offer, offer_id=offer_id, framework_id=framework_id)
    return state


def noted(calls: list[str], function: Callable[P, R]) -> Callable[P, R]:
    def called(*arguments: P.args, **named: P.kwargs) -> R:
        calls.append(function.__name__)
        return function(*arguments, **named)

    return called


def test_n17_what_roles_use_is_counted_in_steps_of_one_agent_offer_or_role_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    state = many()
    agents, offers = len(state.agents), len(state.offers)
    whole = role_use.roles_in_use(state)
    worked: list[str] = []
    monkeypatch.setattr(role_use, "_count_allocations", noted(worked, role_use._count_allocations))
    steps: list[int] = []
    counting = role_use.count_roles(state)
    while True:
        try:
            next(counting)
        except StopIteration as done:
            assert done.value == whole, "what went after the first step is still in it"
            break
        if not steps:
            for held in (state.frameworks, state.agents, state.offers, state.quotas, state.weights):
                held.clear()
        steps.append(len(worked))
        worked.clear()
    assert max(steps) == 1
    assert sum(steps) == agents + offers
