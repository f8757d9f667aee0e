"""One framework's offer constraints are bounded, as everybody waits while they are read (M-AL-14)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from mesos_service.core.master import filtering
from mesos_service.core.master.state import MasterOptions
from mesos_service.domain.attributes import parse_attributes
from mesos_service.domain.frameworks import FilterSpec, OfferConstraints
from mesos_service.domain.ids import AgentId, Role
from mesos_service.domain.patterns import Pattern
from mesos_service.domain.resources import Resources
from mesos_service.plugins.allocator import AgentView
from mesos_service.plugins.loader import OFFER_FILTERS, load
from tests.unit.core.master.infos import framework_info

OPTIONS = MasterOptions(offer_filters={filtering.CONSTRAINTS: load(OFFER_FILTERS, filtering.CONSTRAINTS)})
MOST = filtering.CONSTRAINTS_MAX
TOLD = 4
"""Of so many groups a veto says why they do not hold."""


def constraints(count: int, *, each_in_a_group: bool = False) -> Mapping[str, object]:
    listed = [
        {"selector": {"attribute_name": "rack"}, "predicate": {"text_matches": {"regex": f"r{number}(a|b)*"}}}
        for number in range(count)
    ]
    groups = [[one] for one in listed] if each_in_a_group else [listed]
    return {"groups": [{"attribute_constraints": one} for one in groups]}


def refusal(by_role: Mapping[str, Mapping[str, object]], **by_name: Mapping[str, object]) -> str | None:
    info = replace(
        framework_info("f", roles=("a", "b")),
        constraints=OfferConstraints(by_role={Role(role): said for role, said in by_role.items()}),
        filters={Role(role): (FilterSpec(filtering.CONSTRAINTS, said),) for role, said in by_name.items()},
    )
    return filtering.refuse(info, OPTIONS)


@pytest.mark.parametrize("each_in_a_group", [True, False])
def test_m_al_14_more_constraints_than_may_stand_are_refused_before_any_is_read(each_in_a_group: bool) -> None:
    said = refusal({"a": constraints(MOST + 1, each_in_a_group=each_in_a_group)})
    assert said == f"There are {MOST + 1} offer constraints; at most {MOST} may stand."


def test_m_al_14_constraints_of_all_roles_count_together_however_they_are_asked_for() -> None:
    assert refusal({"a": constraints(MOST // 2), "b": constraints(MOST // 2)}) is None
    too_many = f"There are {MOST + 1} offer constraints; at most {MOST} may stand."
    assert refusal({"a": constraints(MOST // 2), "b": constraints(MOST // 2 + 1)}) == too_many
    assert refusal({"a": constraints(MOST // 2)}, b=constraints(MOST // 2 + 1)) == too_many


@pytest.mark.parametrize("groups", [None, 7, "x" * 5000, [7, None], [{"attribute_constraints": 7}], [{}], {}])
def test_m_al_14_what_is_no_list_of_constraints_is_refused_with_a_sentence(groups: object) -> None:
    said = refusal({}, a={"groups": groups})
    assert said is not None
    assert "attribute_constraints" in said


def machine(number: int, rack: str) -> AgentView:
    attributes = parse_attributes(f"serial:n{number};rack:{rack}")
    return AgentView(
        agent_id=AgentId(f"a{number}"), hostname=f"h{number}", total=Resources.parse("cpus:1"), attributes=attributes
    )


def test_m_al_14_agents_alike_in_what_is_asked_for_are_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand patterns, each tried on each of two thousand agents, kept everybody waiting for ten seconds."""
    tried: list[str] = []
    matches = Pattern.matches

    def counting(pattern: Pattern, text: str) -> bool:
        tried.append(text)
        return matches(pattern, text)

    monkeypatch.setattr(Pattern, "matches", counting)
    filter_ = filtering.make(
        FilterSpec(filtering.CONSTRAINTS, constraints(MOST, each_in_a_group=True)), OPTIONS.offer_filters
    )
    racks = ("r7ab", "s1")
    vetoes = [filter_.about_agent(machine(number, racks[number % 2]), 0.0) for number in range(100)]
    assert [veto is None for veto in vetoes] == [True, False] * 50
    assert tried.count("r7ab") == 8, "those up to the one that holds"
    assert tried.count("s1") <= MOST + 50 * TOLD
    for veto in vetoes[1::2]:
        assert veto is not None and veto.detail.endswith(f"; and so on, {MOST - TOLD} more.")
        assert veto.detail.count("rack is s1, not ") == TOLD


@pytest.mark.parametrize(("text", "wanted"), [("r7", True), ("r8", False), ("7", True), ("[1-7]", True), ("", False)])
def test_x49_one_look_answers_for_all_texts_that_would_do(text: str, wanted: bool) -> None:
    """As one group after the other would: of what is there and is no text, each predicate about text holds."""
    listed = [
        {"selector": {"attribute_name": "rack"}, "predicate": {"text_equals": {"value": f"r{number}"}}}
        for number in range(8)
    ]
    groups = [{"attribute_constraints": [one]} for one in listed]
    filter_ = filtering.make(FilterSpec(filtering.CONSTRAINTS, {"groups": groups}), OPTIONS.offer_filters)
    attributes = parse_attributes(f"rack:{text};rack:r1" if text else "other:r7")
    agent = AgentView(agent_id=AgentId("a"), hostname="r7", total=Resources.parse("cpus:1"), attributes=attributes)
    assert (filter_.about_agent(agent, 0.0) is None) is wanted
