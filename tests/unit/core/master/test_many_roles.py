"""One call of an operator may name very many roles: nobody else waits for it (X14h, M-OM-08)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mesos_service.core.allocation import accounts
from mesos_service.core.master import policy, room_for_quota
from tests.unit.core.master.infos import framework_info
from tests.unit.core.master.operating import milli, quota, set_quotas
from tests.unit.core.master.world import World

ROLES = 500


def counted(monkeypatch: pytest.MonkeyPatch, where: object, name: str, calls: list[str]) -> None:
    """Each call of this function is written down."""
    real: Callable[..., Any] = getattr(where, name)

    def noted(*arguments: object, **named: object) -> object:
        calls.append(name)
        return real(*arguments, **named)

    monkeypatch.setattr(where, name, noted)


def test_m_om_08_the_books_are_gone_through_once_for_a_call_not_for_each_of_its_roles(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A hundred thousand limits kept a master from everything else for an hour: each went through the whole cluster."""
    world = World()
    world.agent("cpus:4;mem:4096")
    world.framework(framework_info("greedy", roles=["a"]))
    world.settle()
    calls: list[str] = []
    counted(monkeypatch, room_for_quota, "uses_of", calls)
    counted(monkeypatch, policy, "uses_of", calls)
    counted(monkeypatch, accounts, "count", calls)
    set_quotas(world, *((f"r{number}", quota(limits=milli(cpus=1))) for number in range(ROLES)))
    world.settle()
    assert calls == ["uses_of", "uses_of", "count"]
    assert len(world.state.quotas) == ROLES


def test_x14h_two_roles_of_one_call_do_not_take_the_same_offers_back_for_both() -> None:
    """What went for the first is no more to be had, and the second lacks what it offered of it."""
    world = World()
    for _ in range(8):
        world.agent("cpus:4;mem:4096")
    greedy = world.framework(framework_info("greedy", roles=["a"]))
    world.settle()
    world.framework(framework_info("w1", roles=["b"]))
    world.framework(framework_info("w2", roles=["c"]))
    taken = greedy.rescinded(set_quotas(world, ("b", quota(milli(cpus=8))), ("c", quota(milli(cpus=12)))))
    assert len(taken) == len(set(taken)) == 5


def test_x14h_x37_offers_of_a_role_that_gets_a_guarantee_count_until_they_are_taken_back() -> None:
    """The limit of one takes its offers back first; the guarantee of the other finds these agents free."""
    world = World()
    for _ in range(3):
        world.agent("cpus:4;mem:4096")
    greedy = world.framework(framework_info("greedy", roles=["a"]))
    world.settle()
    assert len(greedy.offers) == 3
    taken = greedy.rescinded(set_quotas(world, ("a", quota(limits=milli(cpus=4))), ("b", quota(milli(cpus=4)))))
    assert len(taken) == len(set(taken)) == 3
    world.settle()
    assert sum(offer.resources.quantities().get("cpus", 0) for offer in greedy.offers) == 4000
