"""The registry and the operations that change it (M-HA-02)."""

from __future__ import annotations

import pytest

from mesos_service.core.registry.operations import (
    AdmitAgent,
    MarkAgentReachable,
    MarkAgentUnreachable,
    Operation,
    RemoveAgent,
    apply,
)
from mesos_service.core.registry.registry import Registry
from mesos_service.domain.agents import AgentInfo
from mesos_service.domain.ids import AgentId

A, B = AgentId("a"), AgentId("b")
INFO = AgentInfo(hostname="host")
EMPTY = Registry()


def test_an_agent_is_in_one_collection_at_most() -> None:
    admitted = apply(EMPTY, [AdmitAgent(A, INFO), AdmitAgent(B, INFO)])
    assert admitted.admitted == {A: INFO, B: INFO}
    away = apply(admitted, [MarkAgentUnreachable(A, 5.0)])
    assert (away.admitted, away.unreachable) == ({B: INFO}, {A: 5.0})
    back = apply(away, [MarkAgentReachable(A, INFO)])
    assert (set(back.admitted), back.unreachable) == ({A, B}, {})
    assert apply(back, [RemoveAgent(A), RemoveAgent(B)]) == EMPTY


def test_the_first_time_of_being_unreachable_is_kept() -> None:
    away = apply(EMPTY, [MarkAgentUnreachable(A, 5.0), MarkAgentUnreachable(A, 9.0)])
    assert away.unreachable == {A: 5.0}


def test_a_registry_is_a_value() -> None:
    admitted = apply(EMPTY, [AdmitAgent(A, INFO)])
    apply(admitted, [RemoveAgent(A)])
    assert admitted.admitted == {A: INFO}
    assert EMPTY.admitted == {}


@pytest.mark.parametrize(
    "operation", [AdmitAgent(A, INFO), MarkAgentUnreachable(A, 1.0), MarkAgentReachable(A, INFO), RemoveAgent(A)]
)
def test_applying_twice_changes_nothing_more(operation: Operation) -> None:
    for before in (EMPTY, apply(EMPTY, [AdmitAgent(A, INFO)]), apply(EMPTY, [MarkAgentUnreachable(A, 3.0)])):
        once = apply(before, [operation])
        assert apply(once, [operation]) == once
