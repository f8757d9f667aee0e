"""The certificate: what was decided fairly is certified, and each kind of unfairness is found out (N23)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from mesos_service.core.effects import Told
from mesos_service.core.master.journal import Decided
from mesos_service.domain.ids import AgentId, FrameworkId, Role
from mesos_service.domain.resources import Resources
from mesos_service.fairness.certificate import Certificate
from mesos_service.plugins.allocator import AllocatorOptions, Grant
from tests.unit.fairness.runs import BORROWS, HALF, LENDING, Run, Stock, certify, forged, rules, three

# -- what is fair ----------------------------------------------------------------------------------------------


def test_n23_a_run_of_the_stock_allocator_is_certified_pass_by_pass() -> None:
    run = three()
    run.guard.update_weights({Role("a"): 2.0})
    run.go()
    run.give_back(lambda one: one.role == "a")
    run.go()
    run.quota("q", {"cpus": 6000}, {"cpus": 8000})
    run.framework("f4", "q")
    run.give_back(lambda one: True, refuse_seconds=None)
    run.go()
    run.go(agents=[one.agent_id for one in run.offered])
    run.guard.suppress(FrameworkId("f4"), ())
    run.give_back(lambda one: one.framework_id == "f4")
    run.go(limit=2)
    run.go()
    found = certify(run.guard.written)
    assert found.is_fair, found
    assert found.passes == found.as_defined == 6
    assert found.grants > 15


def test_n23_another_order_of_agents_wrongs_nobody() -> None:
    class Backwards(Stock):  # type: ignore[misc, valid-type]
        name = "backwards"

        def allocate(self, now: float, random: Any, **named: Any) -> Any:
            agents = sorted(self.ledger.agents, reverse=True)
            return [
                one
                for agent in agents
                for one in super(Backwards, self).allocate(now, random, **named | {"agents": [agent]})
            ]

    run = three(module=Backwards)
    run.go()
    run.give_back(lambda one: one.role == "b")
    run.go()
    found = certify(run.guard.written)
    assert found.is_fair, found
    assert found.as_defined < found.passes


def test_n23_drawn_lots_are_looked_at_for_what_is_lawful_only() -> None:
    run = three(options=AllocatorOptions(role_sorter="random"))
    grants = run.go()
    found = certify(run.guard.written)
    assert (found.is_fair, found.by_lot) == (True, 1)
    assert rules(certify(forged(run.guard.written, lambda all_: [*all_, grants[0]]))) == {"not_free"}


def test_n23_a_module_that_is_made_anew_begins_with_new_books() -> None:
    run = three()
    run.go()
    run.guard.broken = True
    run.framework("f9", "c")  # which nobody is told of
    assert run.guard.replace()
    run.offered.clear()
    run.framework("f1", "a")
    run.agents(2)
    run.go()
    assert certify(run.guard.written).is_fair


def without_seed(told: Sequence[Told]) -> list[Told]:
    """As of a module that draws otherwise: each pass has to be followed grant by grant."""
    return [
        Told("pass", one.arguments._replace(seed=None)) if isinstance(one.arguments, Decided) else one for one in told
    ]


def test_n23_pieces_of_one_agent_go_on_in_the_order_in_which_it_was_begun() -> None:
    """What f1 leaves, as it takes nothing that is lent, is f2's in the same role, which was first: although with what
    f1 has now the role holds more than that of f3."""
    run = Run()
    run.framework("f3", "q", capabilities=BORROWS)
    run.agents(1, "cpus:1;mem:64")
    run.go()
    run.framework("f1", "b")
    run.framework("f2", "b", capabilities=BORROWS)
    run.agents(1, LENDING)
    assert [one.framework_id for one in run.go()] == ["f1", "f2"]
    found = certify(run.guard.written)
    assert found.is_fair and found.as_defined == 2
    found = certify(without_seed(run.guard.written))
    assert found.is_fair and found.as_defined == 0, found


def test_n23_who_has_waited_for_too_long_comes_first_whatever_he_holds() -> None:
    run = Run()
    run.framework("f1", "a", aged=True)
    run.agents(2)
    run.go()
    run.framework("f2", "b")
    run.agents(1)
    assert [one.framework_id for one in run.go()] == ["f1"]
    assert certify(without_seed(run.guard.written)).is_fair
    stolen = Role("b")

    def steal(grants: tuple[Grant, ...]) -> list[Grant]:
        resources = grants[0].resources.unallocated().allocated_to(stolen)
        return [grants[0]._replace(framework_id=FrameworkId("f2"), role=stolen, resources=resources)]

    found = certify(forged(run.guard.written, steal))
    assert rules(found) == {"passed_over"}
    assert "framework f1 in role 'a' has waited for too long" in found.findings[0].text


# -- quota -----------------------------------------------------------------------------------------------------


def test_n23_a_limit_is_kept() -> None:
    run = Run()
    run.framework("f1", "q")
    run.quota("q", {}, {"cpus": 3000})
    run.agents(2)
    run.go()
    assert certify(run.guard.written).is_fair
    whole = Resources.parse(HALF).allocated_to("q")
    found = certify(forged(run.guard.written, lambda grants: [one._replace(resources=whole) for one in grants]))
    assert "limit" in rules(found)
    assert "1 cpus over the role's limit" in found.findings[0].text


def test_n23_headroom_is_kept() -> None:
    """q is guaranteed all, and nobody of it is there yet: what goes to b was promised."""
    run = Run()
    run.framework("f2", "b")
    run.quota("q", {"cpus": 4000})
    run.agents(2)
    assert not any(one.resources.unallocated().scalar("cpus") for one in run.go())
    assert certify(run.guard.written).is_fair
    found = certify(
        forged(
            run.guard.written,
            lambda grants: [
                Grant(FrameworkId("f2"), Role("b"), agent, Resources.parse(HALF).allocated_to("b"))
                for agent in run.names
            ],
        )
    )
    assert "headroom" in rules(found)
    assert "promised by guarantees" in found.findings[0].text


def test_n23_a_guarantee_that_could_be_served_is() -> None:
    """Everything goes to b, though q was guaranteed half of it and was waiting."""
    run = Run()
    run.framework("f1", "q")
    run.framework("f2", "b")
    run.quota("q", {"cpus": 4000})
    run.agents(4)
    run.go()
    assert certify(run.guard.written).is_fair
    robbed = forged(
        run.guard.written,
        lambda grants: [
            one._replace(
                framework_id=FrameworkId("f2"), role=Role("b"), resources=one.resources.unallocated().allocated_to("b")
            )
            for one in grants
        ],
    )
    found = certify(robbed)
    assert {"guarantee", "headroom"} <= rules(found)
    assert any("role 'q' is guaranteed 4 cpus more" in one.text for one in found.findings)


def test_n23_where_guarantees_are_served_an_inversion_is_still_seen() -> None:
    """b, which holds most, gets an agent in the place of c in the second stage of a pass."""
    run = Run()
    for name, role in (("f1", "q"), ("f2", "b"), ("f3", "c")):
        run.framework(name, role)
    run.agents(9)
    run.go()
    run.give_back(lambda one: one.role != "b", refuse_seconds=None)
    run.quota("q", {"cpus": 2000})
    run.go()
    assert certify(run.guard.written).is_fair
    last = run.guard.written[-1].arguments
    assert isinstance(last, Decided)
    assert {one.role for one in last.grants} == {"q", "c"}
    place = max(number for number, one in enumerate(last.grants) if one.role == "c")

    def steal(grants: tuple[Grant, ...]) -> list[Grant]:
        stolen = grants[place]._replace(
            framework_id=FrameworkId("f2"),
            role=Role("b"),
            resources=grants[place].resources.unallocated().allocated_to("b"),
        )
        return [stolen if number == place else grant for number, grant in enumerate(grants)]

    found = certify(forged(run.guard.written, steal))
    assert rules(found) == {"passed_over"}
    assert "framework f3 in role 'c' was next" in found.findings[0].text


# -- the run as a whole ----------------------------------------------------------------------------------------


def greedy(patience: float) -> Certificate:
    """f1 took all while nobody else was there, and keeps it; f2 waits for what is its part."""
    run = Run()
    run.framework("f1", "a")
    run.agents(10)
    for one in run.go():
        run.guard.offered_to_allocated(one.framework_id, one.agent_id, one.resources)
    run.framework("f2", "b")
    for _ in range(100):
        run.go()
    return certify(run.guard.written, patience)


def test_n23_a_greedy_framework_makes_it_fail_though_each_decision_was_fair() -> None:
    found = greedy(patience=60.0)
    assert found.unfair == 0
    assert not found.is_fair
    (one,) = found.inversions
    assert (one.role, one.above) == ("b", "a")
    assert (one.share, one.entitled, one.share_above) == (0.0, 0.5, 1.0)
    assert one.first_pass == 2
    assert one.last_pass == 101
    assert "role 'b' wanted offers and held 0.000" in str(one)


def test_n23_whoever_waits_for_less_than_the_patience_is_no_inversion() -> None:
    assert greedy(patience=600.0).is_fair


def test_n23_who_refuses_is_not_kept_below_his_part() -> None:
    run = Run()
    run.framework("f1", "a")
    run.framework("f2", "b")
    run.agents(10)
    for _ in range(50):
        run.go()
        run.give_back(lambda one: one.role == "b", refuse_seconds=1000.0)
    assert certify(run.guard.written, patience=10.0).inversions == []


# -- journals that cannot be -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda told: told[1:], "nothing has begun"),
        (lambda told: [*told, told[1]], "twice"),
        (lambda told: [one for one in told if one.method != "add_agent"], "not there"),
        (lambda told: [*told, Told("remove_agent", (AgentId("nobody"),))], "nobody knows"),
        (
            lambda told: [
                *told,
                Told(
                    "offered_to_allocated",
                    (FrameworkId("f1"), told[-2].arguments[0].agent_id, Resources.parse("cpus:99").allocated_to("a")),
                ),
            ],
            "does not contain",
        ),
    ],
)
def test_n23_a_journal_that_contradicts_itself_is_not_certified(
    change: Callable[[list[Told]], list[Told]], says: str
) -> None:
    run = three()
    run.go()
    found = certify(change(run.guard.written))
    assert not found.is_fair
    assert says in found.broken_off
    assert found.broken_off.startswith("line ")
