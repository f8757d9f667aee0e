"""Filters by taints, by cost, and by expressions that strangers write (N10)."""

from __future__ import annotations

import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesos_service.domain.attributes import parse_attributes
from mesos_service.domain.errors import ConfigurationError
from mesos_service.domain.ids import AgentId
from mesos_service.domain.resources import Resources
from mesos_service.plugins.allocator import AgentView
from tests.unit.allocation.cluster import Cluster, make_filter


def agent(attributes: str = "", region: str | None = None) -> AgentView:
    return AgentView(
        agent_id=AgentId("s1"),
        hostname="web7.example.com",
        total=Resources.EMPTY,
        attributes=parse_attributes(attributes),
        region=region,
    )


def wanted(name: str, where: AgentView, **parameters: object) -> bool:
    veto = make_filter(name, **parameters).about_agent(where, 0.0)
    assert veto is None or (veto.reason == "offer_filter" and veto.culprit == name and veto.detail.endswith("."))
    return veto is None


@pytest.mark.parametrize(
    ("attributes", "tolerates", "holds"),
    [
        ("", [], True),
        ("taint:spot", [], False),
        ("taint:spot", ["spot"], True),
        ("taint:spot;taint:old", ["spot"], False),
        ("taint:spot;taint:old", ["spot", "old"], True),
        ("rack:spot", [], True),
        ("taint:3", ["3"], True),
    ],
)
def test_n10_every_taint_has_to_be_tolerated(attributes: str, tolerates: list[str], holds: bool) -> None:
    assert wanted("taints", agent(attributes), tolerates=tolerates) is holds


@pytest.mark.parametrize(
    ("attributes", "unpriced", "holds"),
    [
        ("cost:0.35", False, True),
        ("cost:0.3504", False, True),
        ("cost:0.351", False, False),
        ("cost:9;cost:0.1", False, False),
        ("", False, False),
        ("", True, True),
        ("cost:cheap", False, False),
        ("cost:cheap", True, True),
    ],
)
def test_n10_what_costs_too_much_is_not_wanted(attributes: str, unpriced: bool, holds: bool) -> None:
    assert wanted("cost", agent(attributes), at_most=0.35, unpriced=unpriced) is holds


HERE = agent("rack:r1;level:3.5;gpu-type:a100;hostname:other;ports:[1-3]", region="eu")


@pytest.mark.parametrize(
    ("holds", "does"),
    [
        ("rack == 'r1'", True),
        ("rack != 'r1'", False),
        ("rack in ('r1', 'r2')", True),
        ("rack not in ['r1']", False),
        ("rack", True),
        ("not colour", True),
        ("colour == 'red'", False),
        ("colour != 'red'", True),
        ("colour not in ('red',)", True),
        ("colour < 3", False),
        ("level > 3.499 and level <= 3.5", True),
        ("level == 3.5", True),
        ("level >= -1", True),
        ("level == '3.5'", False),
        ("rack > 3", False),
        ("rack >= 'r0'", True),
        ("hostname == 'web7.example.com'", True),
        ("attributes['hostname'] == 'other'", True),
        ("attributes['gpu-type'] == 'a100'", True),
        ("agent_id == 's1'", True),
        ("region == 'eu' and not zone", True),
        ("ports == '[1-3]'", True),
        (r"matches(hostname, 'web\\d+\\..*')", True),
        ("matches(hostname, 'web')", False),
        ("matches(level, '3.*')", False),
        ("rack == 'r2' or (region == 'eu' and not rack == 'r3')", True),
    ],
)
def test_n10_what_an_expression_says(holds: str, does: bool) -> None:
    assert wanted("expression", HERE, holds=holds) is does


@pytest.mark.parametrize(
    ("holds", "said"),
    [
        ("rack ==", "cannot be read"),
        ("rack = 'r1'", "cannot be read"),
        ("'r1' == rack", "the name of an attribute belongs here"),
        ("rack == level", "a number or a text in quotes"),
        ("rack == -'r1'", "a number or a text in quotes"),
        ("rack == True", "a number or a text in quotes"),
        ("level == 1e400", "finite"),
        ("1 < level < 3", "nothing here"),
        ("rack.startswith('r')", "nothing here"),
        ("__import__('os').system('true')", "nothing here"),
        ("(lambda: 1)()", "nothing here"),
        ("[x for x in (1,)]", "nothing here"),
        ("rack in level", "a list of numbers and texts"),
        ("rack is 'r1'", "only ==, !="),
        ("matches(hostname, '(')", "'('"),
        ("matches(hostname, rack)", "nothing here"),
        ("not " * 40 + "rack", "more than 32 conditions"),
        ("(" * 400 + "rack" + ")" * 400, "cannot be read"),
        ("a" * 2000, "at most 1024"),
        ("True", "nothing here"),
    ],
)
def test_n10_what_is_no_expression_is_refused_with_a_sentence(holds: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said.replace("(", r"\(").replace("!=", "!=")):
        make_filter("expression", holds=holds)


WORDS = (
    "rack level hostname attributes not and or in == != < <= ( ) [ ] , 'r1' 3 -1 0.5 matches . lambda : * ** x if else"
    " for is ~ - {{ }} @ f'{rack}' b'x' 1j ... yield await"
)
PIECES = st.lists(st.sampled_from(WORDS.split()), max_size=60)


@given(PIECES)
def test_n10_whatever_strangers_write_is_refused_or_answered_and_nothing_of_it_is_run(pieces: list[str]) -> None:
    holds = " ".join(pieces) or "x"
    try:
        made = make_filter("expression", holds=holds)
    except ConfigurationError:
        return
    assert made.about_agent(HERE, 0.0) == made.about_agent(HERE, 0.0)


@pytest.mark.parametrize("holds", ["-" * 1000 + "1", "x**" * 300 + "x", "9**9**9**9", "'" + "x" * 500 + "' * 10**9"])
def test_n10_an_expression_takes_no_time_to_read(holds: str) -> None:
    began = time.thread_time()
    with pytest.raises(ConfigurationError):
        make_filter("expression", holds=holds)
    assert time.thread_time() - began < 5.0 and sys.getrecursionlimit() > 100


@pytest.mark.parametrize(
    ("name", "parameters", "said"),
    [
        ("cost", {}, "at_most"),
        ("cost", {"at_most": -1}, "negative"),
        ("taints", {"tolerates": "spot"}, "tolerates"),
        ("expression", {"holds": ""}, "holds"),
    ],
)
def test_n10_parameters_of_these_that_make_no_sense_are_named(
    name: str, parameters: dict[str, object], said: str
) -> None:
    with pytest.raises(ConfigurationError, match=said):
        make_filter(name, **parameters)


def test_n10_agents_that_are_set_apart_go_to_those_who_tolerate_them() -> None:
    cluster = Cluster()
    cluster.framework("anybody", "a", filters=[make_filter("taints")])
    cluster.framework(
        "frugal", "b", filters=[make_filter("taints", tolerates=["spot"]), make_filter("cost", at_most=1)]
    )
    cluster.agent("plain", "cpus:2;mem:1024", attributes=parse_attributes("cost:3"))
    cluster.agent("spot", "cpus:2;mem:1024", attributes=parse_attributes("taint:spot;cost:0.5"))
    cluster.cycle()
    assert {(grant.framework_id, grant.agent_id) for grant in cluster.last} == {
        ("anybody", "plain"),
        ("frugal", "spot"),
    }
