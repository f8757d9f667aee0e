"""Parts of the stock policy that a module puts others in the place of: orders, sizes of offers, revokers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from mesos_service.conformance.modules import check_module
from mesos_service.core.allocation import reasons
from mesos_service.core.allocation.parts import Order, Parts, Sibling
from mesos_service.core.messages import NewAllocator, ReplaceModules
from mesos_service.domain.ids import FrameworkId, Role
from mesos_service.domain.resources import Resources
from mesos_service.plugins.allocator import Allocator, AllocatorOptions
from mesos_service.plugins.loader import ALLOCATORS, load
from mesos_service.plugins.revocation import Revocation, Situation
from tests.support.written_modules import write_examples
from tests.unit.allocation.cluster import Cluster, Reasons
from tests.unit.core.master.infos import framework_info
from tests.unit.core.master.told import facts
from tests.unit.core.master.world import World

SMALL = "cpus:2;mem:1024"
Stock: Any = load(ALLOCATORS, "hierarchical")  # Any: a class to extend


def policy(**parts: Any) -> type[Allocator]:  # Any: as Parts has them
    class Own(Stock):  # type: ignore[misc]
        name = "own"

        def make_parts(self) -> Parts:
            return Parts(**parts)

    return Own


def cluster(**parts: Any) -> Cluster:  # Any: as above
    made = Cluster()
    made.allocator = policy(**parts)(AllocatorOptions())
    return made


def by_name(siblings: Sequence[Sibling], chance: Callable[[], float]) -> Iterable[Sibling]:
    return sorted(siblings, key=lambda one: one.name, reverse=True)


def winners(made: Cluster) -> list[str]:
    made.cycle()
    return [grant.framework_id for grant in made.last]


def test_m_al_02_an_order_of_roles_decides_among_roles_and_nowhere_else() -> None:
    made = cluster(role_order=by_name)
    for name, role in (("f", "a"), ("g", "a"), ("h", "b/x"), ("i", "b/y")):
        made.framework(name, role)
    made.agents(4, SMALL)
    assert winners(made) == ["i"] * 4, "of 'b' and 'a' the later, and of its sub-roles the later"
    made.suppress("i")
    made.suppress("h")
    made.agents_named(["w", "x", "y", "z"], SMALL)
    assert sorted(winners(made)) == ["f", "f", "g", "g"], "frameworks of one role still share"


def test_m_al_02_an_order_of_frameworks_decides_within_each_role() -> None:
    made = cluster(framework_order=by_name)
    for name, role in (("f", "a"), ("g", "a"), ("h", "b"), ("i", "b")):
        made.framework(name, role)
    made.agents(4, SMALL)
    assert sorted(winners(made)) == ["g", "g", "i", "i"], "roles still share"


def test_m_al_02_an_order_sees_what_the_shares_are_made_of() -> None:
    seen: list[tuple[Sibling, ...]] = []

    def fewest(siblings: Sequence[Sibling], chance: Callable[[], float]) -> Iterable[Sibling]:
        seen.append(tuple(siblings))
        assert 0.0 <= chance() < 1.0 and chance() != chance()
        return sorted(siblings, key=lambda one: one.served)

    made = cluster(role_order=fewest)
    made.weigh("a/x", 2.0)
    made.framework("own", "a")
    made.framework("below", "a/x")
    made.framework("above", "b")
    made.agent("held", "cpus:8;mem:4096", used={"below": {"a/x": "cpus:4;mem:1024"}, "own": {"a": "cpus:4;mem:512"}})
    made.agent("x", "cpus:2;mem:4096")
    made.cycle()
    roles = {one.name: one for siblings in reversed(seen) for one in siblings if not one.above}
    assert set(roles) == {"a", "b"}
    below = {one.name: one for siblings in seen for one in siblings if one.above == "a"}
    assert (roles["a"].share, roles["a"].held) == (0.8, {"cpus": 8000, "mem": 1_536_000})
    assert (roles["b"].share, roles["b"].served, roles["b"].held) == (0.0, 0, {})
    made.suppress("above")
    made.agent("y", "cpus:2;mem:1024")
    made.cycle()
    below = {one.name: one for siblings in seen for one in siblings if one.above == "a"}
    assert set(below) == {".", "x"}, "a role's own frameworks stand beside its sub-roles"
    assert below["x"].weight == 2.0 and below["x"].held["cpus"] == 4000


def test_m_al_02_whom_an_order_leaves_out_is_asked_last() -> None:
    made = cluster(role_order=lambda siblings, chance: [one for one in siblings if one.name == "c"])
    for name, role in (("f", "a"), ("g", "b"), ("h", "c")):
        made.framework(name, role, minimum={"c": [{"cpus": 4000}]} if role == "c" else None)
    made.agents(2, SMALL)
    assert sorted(winners(made)) == ["f", "g"], "'h' was first, and would not have it"


def test_m_al_23_an_order_by_chance_is_the_same_for_the_same_seed() -> None:
    def any_order(siblings: Sequence[Sibling], chance: Callable[[], float]) -> Iterable[Sibling]:
        return sorted(siblings, key=lambda _: chance())

    def order() -> list[str]:
        made = cluster(role_order=any_order)
        for name in ("f", "g", "h"):
            made.framework(name, name)
        made.agents(20, SMALL)
        return winners(made)

    assert order() == order() and len(set(order())) == 3


@pytest.mark.parametrize(
    "order",
    [
        lambda siblings, chance: [siblings[0], siblings[0]],
        lambda siblings, chance: [siblings[0]._replace(name="nobody")],
        lambda siblings, chance: ["a"],
        lambda siblings, chance: None,
        lambda siblings, chance: 1 / 0,
    ],
    ids=["twice", "unknown", "texts", "nothing", "raises"],
)
def test_n09_an_order_that_is_none_fails_its_module_and_nobody_else(order: Order) -> None:
    """The module's failure as any other: it is named, and what was there before can take its place again."""
    world = World(policy(role_order=order)(AllocatorOptions()))
    world.agent()
    first = world.framework(framework_info("f", roles=("a",)))
    second = world.framework(framework_info("g", roles=("b",)))
    assert "allocator.failed" in facts(world.advance(3.0))
    assert not first.offers and not second.offers
    mended = NewAllocator(Stock(AllocatorOptions()))
    world.take(ReplaceModules(allocator=mended, shadow=None, offer_filters={}))
    world.advance(2.0)
    assert first.offers or second.offers


def half(framework_id: FrameworkId, role: Role, offer: Resources) -> Resources:
    """At most two cpus with a part of the memory at once, and never the last."""
    cpus = min(2000, offer.scalar("cpus") - 1000)
    return (
        Resources.parse(f"cpus:{cpus / 1000};mem:512") if cpus > 0 and offer.scalar("mem") >= 512_000 else offer.EMPTY
    )


def test_b32_an_offers_size_leaves_the_rest_to_others() -> None:
    made = cluster(offer_size=half)
    for name in ("f", "g", "h"):
        made.framework(name, name)
    made.agent("x", "cpus:5;mem:4096")
    made.cycle()
    assert {grant.framework_id: str(grant.resources.unallocated()) for grant in made.last} == {
        "f": "cpus:2; mem:512",
        "g": "cpus:2; mem:512",
    }
    heard = Reasons()
    made.cycle(observer=heard)
    assert not made.last and heard.codes("h", "x") == [reasons.OFFER_SIZE]


def test_n01_n02_where_an_offers_size_is_nothing_that_is_told_and_more_room_brings_an_offer() -> None:
    made = cluster(offer_size=half)
    made.framework("holder", "b")
    made.agent("x", "cpus:3;mem:1024")
    made.cycle()
    (held,) = made.last
    made.suppress("holder")
    made.framework("f", "a")
    heard = Reasons()
    made.cycle(observer=heard)
    ((veto,),) = [[veto for who, _, where, veto in heard.heard if who == "f" and where == "x"]]
    assert veto.reason == reasons.OFFER_SIZE and [one.action for one in veto.remedies] == ["wait"]
    made.recover(held)
    assert winners(made) == ["f"]


def test_x31_default_parts_are_no_parts() -> None:
    """A module without parts decides as the stock one does, number for number."""
    outcomes = []
    for made in (Cluster(), cluster()):
        for name, role in (("f", "a"), ("g", "a/x"), ("h", "b")):
            made.framework(name, role)
        made.agents(50, SMALL)
        made.cycle()
        outcomes.append(list(made.last))
    assert outcomes[0] == outcomes[1] and len(outcomes[0]) == 50


@pytest.mark.parametrize(
    "size",
    [lambda *_: Resources.parse("cpus:64"), lambda *_: None, lambda *_: 1 / 0],
    ids=["more than there is", "nothing", "raises"],
)
def test_n09_a_size_that_is_none_fails_its_module_and_nothing_is_offered_twice(size: Any) -> None:  # Any: as in Parts
    world = World(policy(offer_size=size)(AllocatorOptions()))
    world.agent()
    scheduler = world.framework()
    assert "allocator.failed" in facts(world.advance(3.0)) and not scheduler.offers


def test_b36c_a_revoker_decides_who_ends() -> None:
    asked: list[Situation] = []

    def nobody(situation: Situation) -> Sequence[Revocation]:
        asked.append(situation)
        return ()

    situation = Situation(quotas={}, consumed={})
    assert policy(revoker=nobody)(AllocatorOptions()).revocations(situation) == ()
    assert asked == [situation]


def test_n09_the_page_has_one_and_it_conforms(tmp_path: Path) -> None:
    """Two processors at once, and whoever was offered something less often is first."""
    write_examples(tmp_path)
    _, name, outcomes = check_module(tmp_path / "allocators" / "by_turns.py")
    assert name == "by_turns" and [one for one in outcomes if one.fault is not None] == []
    made = Cluster()
    made.allocator = load(ALLOCATORS, "by_turns", [tmp_path])(AllocatorOptions())
    made.agent("held", "cpus:8;mem:4096", used={"rich": {"a": "cpus:8;mem:4096"}})
    made.framework("rich", "a")
    made.framework("poor", "b")
    made.agents(2, "cpus:4;mem:4096")
    made.cycle()
    assert sorted(grant.framework_id for grant in made.last) == ["poor", "poor", "rich", "rich"]


def test_n09_the_same_with_smaller_pieces_conforms(tmp_path: Path) -> None:
    """A pass that may make two offers does not come round to all agents in a fixed number of them."""
    write_examples(tmp_path)
    file = tmp_path / "allocators" / "by_turns.py"
    whole = file.read_text(encoding="utf-8")
    smaller = whole.replace('{"cpus": 2_000, "mem": 2_048_000}', '{"cpus": 100, "mem": 102_400}')
    assert smaller != whole
    file.write_text(smaller, encoding="utf-8")
    _, _, outcomes = check_module(file)
    assert [one for one in outcomes if one.fault is not None] == []
