"""Journals that were forged, and modules that cheat: each kind of unfairness is found (N23)."""

from __future__ import annotations

from typing import Any

from mesos_service.core.effects import Told
from mesos_service.core.master.filtering import Guarded
from mesos_service.domain.ids import FrameworkId, Role
from mesos_service.domain.resources import Resources
from mesos_service.plugins.allocator import FrameworkView, Grant
from mesos_service.plugins.loader import OFFER_FILTERS, load, read_config
from tests.unit.fairness.runs import HALF, Run, Stock, certify, forged, rules, three


def handed_to_the_other(grants: tuple[Grant, ...]) -> list[Grant]:
    """The first grant, as if it had gone to f2 in role b."""
    first = grants[0]
    resources = first.resources.unallocated().allocated_to("b")
    return [first._replace(framework_id=FrameworkId("f2"), role=Role("b"), resources=resources)]


def test_n23_who_was_next_and_passed_over_is_named_with_both_shares() -> None:
    """Priority inversion: f1 is served once more in the place of f2, whose share was smaller."""
    run = Run()
    run.framework("f1", "a")
    run.framework("f2", "b")
    run.agents(6)
    run.go()

    def steal(grants: tuple[Grant, ...]) -> list[Grant]:
        last = next(number for number in reversed(range(6)) if grants[number].role == "b")
        stolen = grants[last]._replace(
            framework_id=FrameworkId("f1"),
            role=Role("a"),
            resources=grants[last].resources.unallocated().allocated_to("a"),
        )
        return [stolen if number == last else grant for number, grant in enumerate(grants)]

    found = certify(forged(run.guard.written, steal))
    assert rules(found) == {"passed_over"}
    (finding,) = found.findings
    assert (finding.pass_number, finding.at) == (1, 1.0), "which of all passes it was"
    assert run.guard.written[finding.line - 1].method == "pass"
    text = finding.text
    assert "framework f2 in role 'b' was next" in text
    assert "framework f1 in role 'a' was served" in text


def test_n23_within_a_role_frameworks_are_held_to_their_order_too() -> None:
    run = Run()
    for name in ("f1", "f2"):
        run.framework(name, "a")
    run.agents(4)
    run.go()
    found = certify(
        forged(run.guard.written, lambda grants: [one._replace(framework_id=FrameworkId("f1")) for one in grants])
    )
    assert rules(found) == {"passed_over"}


def test_n23_weights_decide_who_is_next() -> None:
    run = three()
    run.go()
    heavier = [Told("update_weights", ({Role("a"): 5.0},))]
    place = next(number for number, one in enumerate(run.guard.written) if one.method == "pass")
    found = certify([*run.guard.written[:place], *heavier, *run.guard.written[place:]])
    assert rules(found) == {"passed_over"}
    assert "framework f1 in role 'a' was next" in found.findings[0].text


def test_n23_what_is_left_lying_is_found() -> None:
    run = three()
    run.go()
    found = certify(forged(run.guard.written, lambda grants: grants[:-1]))
    assert rules(found) == {"left_over"}
    assert "offered to nobody" in found.findings[0].text


def test_n23_what_a_limit_of_grants_left_out_is_nobodys_wrong() -> None:
    run = three()
    assert len(run.go(limit=3)) == 3
    assert certify(run.guard.written).is_fair


def test_n23_the_same_twice_is_not_free() -> None:
    run = three()
    run.go()
    assert "not_free" in rules(certify(forged(run.guard.written, lambda grants: [*grants, grants[0]])))


def test_n23_a_role_that_the_framework_is_not_in() -> None:
    run = three()
    run.go()
    other = Role("elsewhere")
    found = certify(
        forged(
            run.guard.written,
            lambda grants: [
                *grants[:-1],
                grants[-1]._replace(role=other, resources=grants[-1].resources.unallocated().allocated_to(other)),
            ],
        )
    )
    assert "role" in rules(found)


def test_n23_who_wants_none_is_not_offered_any() -> None:
    run = three()
    run.go()
    place = next(number for number, one in enumerate(run.guard.written) if one.method == "pass")
    before, after = run.guard.written[:place], run.guard.written[place:]
    suppressed = Told("suppress", (FrameworkId("f1"), ()))
    gone = Told("set_framework_active", (FrameworkId("f1"), False))
    for change in (suppressed, gone):
        assert "unwanted" in rules(certify([*before, change, *after]))


def test_n23_x39_an_agent_that_comes_and_goes_is_not_taken_for_all_that_are_waited_for() -> None:
    """The definition counts as the allocator does: what it decides meanwhile, and from when on it decides."""
    run = Run()
    run.framework("f1", "q")
    run.quota("q", {"cpus": 2000})
    run.guard.expect_agents(5, 0.0)
    for _ in range(5):
        run.agents(1)
        assert run.go() == []
        run.guard.remove_agent(run.names.pop())
    run.agents(3)
    assert run.go() == []
    too_early = certify(
        forged(
            run.guard.written,
            lambda _: [Grant(FrameworkId("f1"), Role("q"), run.names[0], Resources.parse(HALF).allocated_to("q"))],
        )
    )
    assert "recovering" in rules(too_early)
    run.agents(1)
    assert len(run.go()) == 4
    found = certify(run.guard.written)
    assert found.is_fair, found
    assert found.as_defined == found.passes == 7


def test_n23_agents_that_are_closed_are_offered_to_nobody() -> None:
    run = three()
    grants = run.go()
    place = next(number for number, one in enumerate(run.guard.written) if one.method == "pass")
    before, after = run.guard.written[:place], run.guard.written[place:]
    inactive = Told("set_agent_active", (grants[0].agent_id, False))
    unlisted = Told("update_whitelist", ((),))
    for change in (inactive, unlisted):
        assert "agent_closed" in rules(certify([*before, change, *after]))


def test_n23_what_is_reserved_to_others() -> None:
    run = Run()
    run.framework("f1", "a")
    run.framework("f2", "b")
    run.agents(1, "cpus(a):1;mem(a):100")
    run.go()
    stolen = forged(run.guard.written, handed_to_the_other)
    assert "reserved" in rules(certify(stolen))


def test_n23_gpus_go_to_those_who_know_of_them() -> None:
    run = Run()
    run.framework("f1", "a", capabilities=frozenset({"GPU_RESOURCES"}))
    run.framework("f2", "b")
    run.agents(1, "cpus:1;mem:100;gpus:1")
    run.go()
    stolen = forged(run.guard.written, handed_to_the_other)
    assert "capability" in rules(certify(stolen))


def test_n23_a_refusal_stands() -> None:
    run = Run()
    run.framework("f1", "a")
    run.agents(1)
    grants = run.go()
    run.give_back(lambda one: True, refuse_seconds=60.0)
    run.go()
    assert certify(run.guard.written).is_fair
    assert rules(certify(forged(run.guard.written, lambda _: grants))) == {"refused_before"}


def test_n23_too_little_is_no_offer() -> None:
    run = Run()
    run.framework("f1", "a", min_allocatable={Role("a"): ({"cpus": 3000},)})
    run.framework("f2", "b")
    run.agents(1)
    run.go()
    stolen = forged(
        run.guard.written,
        lambda grants: [
            grants[0]._replace(
                framework_id=FrameworkId("f1"),
                role=Role("a"),
                resources=grants[0].resources.unallocated().allocated_to("a"),
            )
        ],
    )
    assert rules(certify(stolen)) & {"too_little", "capability"}


def test_n23_a_standing_filter_stands() -> None:
    kind = load(OFFER_FILTERS, "never_agents")
    run = Run()
    run.agents(1)
    (agent,) = run.names
    parameters = {"agents": [agent]}
    never = Guarded("never_agents", kind(read_config(kind, parameters)), parameters)
    run.framework("f1", "a", filters={Role("a"): (never,)})
    assert run.go() == []
    assert certify(run.guard.written).is_fair
    all_of_it = Grant(FrameworkId("f1"), Role("a"), agent, Resources.parse(HALF).allocated_to("a"))
    assert rules(certify(forged(run.guard.written, lambda _: [all_of_it]))) == {"standing_filter"}


def test_n23_a_module_that_favours_a_role_is_caught() -> None:
    class Favours(Stock):  # type: ignore[misc, valid-type]
        name = "favours"

        def allocate(self, now: float, random: Any, **named: Any) -> Any:
            self.ledger.update_weights({Role("b"): 50.0})
            return super().allocate(now, random, **named)

    run = three(module=Favours)
    run.go()
    found = certify(run.guard.written)
    assert rules(found) == {"passed_over"}
    assert "framework f1 in role 'a' was next" in found.findings[0].text


def test_n23_a_module_that_forgets_somebody_is_caught() -> None:
    class Forgets(Stock):  # type: ignore[misc, valid-type]
        name = "forgets"

        def add_framework(self, framework: FrameworkView, used: Any, active: bool) -> None:
            super().add_framework(framework, used, active and framework.framework_id != "f1")

    run = three(module=Forgets)
    run.go()
    assert rules(certify(run.guard.written)) == {"passed_over"}
