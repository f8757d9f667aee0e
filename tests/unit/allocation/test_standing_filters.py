"""Filters that stand: which agents a framework never sees, and what that costs (B44, B45, D09, M-AL-14, N10)."""

from __future__ import annotations

from random import Random

import pytest

from mesos_service.domain.attributes import parse_attributes
from mesos_service.domain.errors import ConfigurationError
from mesos_service.domain.ids import AgentId
from mesos_service.domain.resources import Resources
from mesos_service.plugins.allocator import AgentView
from mesos_service.plugins.offer_filter import OfferFilter
from tests.unit.allocation.cluster import Cluster, Reasons, make_filter

SMALL = "cpus:2;mem:1024"
NAMES = ("x0", "x1", "x2")


def cluster_with(*filters: OfferFilter, seed: int = 1) -> Cluster:
    cluster = Cluster(seed=seed)
    cluster.framework("f", "a", filters=filters)
    cluster.agents_named(NAMES, SMALL)
    return cluster


def offered(cluster: Cluster, framework: str = "f") -> set[str]:
    cluster.cycle()
    return {str(grant.agent_id) for grant in cluster.last if grant.framework_id == framework}


def test_b44_d09_only_agents_of_a_list_by_id_or_hostname() -> None:
    assert offered(cluster_with(make_filter("only_agents", agents=["x0", "x2.host"]))) == {"x0", "x2"}


def test_d09_never_these_agents() -> None:
    assert offered(cluster_with(make_filter("never_agents", agents=["x0"]))) == {"x1", "x2"}


def test_n10_several_filters_all_have_to_agree() -> None:
    only, never = make_filter("only_agents", agents=["x0", "x1"]), make_filter("never_agents", agents=["x0"])
    assert offered(cluster_with(only, never)) == {"x1"}


def test_b45_at_least_so_much_of_every_resource_that_is_named() -> None:
    cluster = cluster_with(make_filter("at_least", resources={"cpus": 2, "mem": 2048}))
    cluster.agent("large", "cpus:2;mem:2048")
    cluster.agent("gives only half of it", "cpus:8;mem:64")
    assert offered(cluster) == {"large"}
    cluster.decline("f", None)
    (grant,) = cluster.last
    cluster.framework("other", "b")
    cluster.allocator.suppress(grant.framework_id, [])
    cluster.cycle("large")
    (taken,) = cluster.last
    cluster.launch(taken, "cpus:1;mem:64")
    cluster.suppress("other")
    cluster.revive("f")
    assert offered(cluster) == set(), "what is left is less"
    cluster.end(taken, "cpus:1;mem:64")
    assert offered(cluster) == {"large"}


def test_x29b_what_quota_leaves_of_an_offer_is_filtered_again() -> None:
    cluster = Cluster()
    cluster.quota("a", limits="cpus:1")
    cluster.framework("f", "a", filters=[make_filter("at_least", resources={"cpus": 2})])
    cluster.agent("x", SMALL)
    reasons = Reasons()
    assert cluster.cycle(observer=reasons) == {}
    assert reasons.codes("f", "x") == ["offer_filter"]


def test_n10_others_get_what_a_filter_keeps_away() -> None:
    cluster = cluster_with(make_filter("never_agents", agents=["x0"]))
    cluster.framework("other", "b")
    cluster.cycle()
    assert {str(grant.framework_id) for grant in cluster.last if grant.agent_id == "x0"} == {"other"}


def test_n10_a_filter_is_changed_and_dropped_by_an_update() -> None:
    cluster = cluster_with(make_filter("only_agents", agents=["x0"]))
    cluster.update("f", "a", filters=[make_filter("only_agents", agents=["x1"])])
    assert offered(cluster) == {"x1"}
    cluster.update("f", "a")
    assert offered(cluster) == {"x0", "x2"}


def test_n10_a_filter_outlasts_revive_suppress_and_failover() -> None:
    cluster = cluster_with(make_filter("only_agents", agents=["x0"]))
    cluster.suppress("f")
    cluster.revive("f")
    cluster.set_active("f", False)
    cluster.set_active("f", True)
    assert offered(cluster) == {"x0"}


def test_n10_agents_that_come_later_or_change_are_looked_at() -> None:
    constraint = make_filter("attribute_constraints", groups=[group(("rack", {"text_equals": {"value": "r1"}}))])
    cluster = cluster_with(constraint)
    assert offered(cluster) == set()
    cluster.agent("new", SMALL, attributes=parse_attributes("rack:r1"))
    cluster.agent("x0", SMALL, attributes=parse_attributes("rack:r1"))
    assert offered(cluster) == {"new", "x0"}
    cluster.decline("f", None)
    cluster.agent("new", SMALL, attributes=parse_attributes("rack:r2"))
    assert offered(cluster) == {"x0"}


def test_n10_a_filtered_pair_costs_a_pass_nothing() -> None:
    """All that is left to look at is nothing at all: no agent is even put in order."""
    cluster = cluster_with(make_filter("only_agents", agents=["elsewhere"]))
    cluster.cycle()
    active = cluster.ledger.sorter.active
    assert [agent for agent in cluster.ledger.agents.values() if agent.is_open and active & ~agent.vetoed] == []


def test_n10_filters_by_the_hour_open_and_close() -> None:
    night = make_filter("time_window", begin="22:00", end="06:00")
    cluster = cluster_with(night)
    for hour, expected in ((12.0, 0), (21.99, 0), (22.0, 3), (29.99, 3), (30.0, 0), (46.0, 3)):
        cluster.now = hour * 3600
        assert len(offered(cluster)) == expected, hour
        cluster.decline("f", None)


def test_n10_a_window_of_equal_ends_is_the_whole_day() -> None:
    assert len(offered(cluster_with(make_filter("time_window", begin="06:00", end="06:00")))) == 3


# -- constraints -----------------------------------------------------------------------------------------------------


def group(*constraints: tuple[str, dict[str, object]]) -> dict[str, object]:
    def selector(name: str) -> dict[str, str]:
        return {"pseudoattribute_type": name} if name.isupper() else {"attribute_name": name}

    return {"attribute_constraints": [{"selector": selector(name), "predicate": said} for name, said in constraints]}


AGENT = AgentView(
    agent_id=AgentId("s"),
    hostname="node7.eu.example.com",
    total=Resources.EMPTY,
    attributes=parse_attributes("rack:r1;level:3;rack:r2"),
    region="eu",
)


@pytest.mark.parametrize(
    "name,predicate,holds",
    [
        ("rack", {"exists": {}}, True),
        ("colour", {"exists": {}}, False),
        ("rack", {"not_exists": {}}, False),
        ("colour", {"not_exists": {}}, True),
        ("rack", {"text_equals": {"value": "r1"}}, True),
        ("rack", {"text_equals": {"value": "r2"}}, False),
        ("rack", {"text_not_equals": {"value": "r2"}}, True),
        ("colour", {"text_equals": {"value": "red"}}, False),
        ("colour", {"text_not_equals": {"value": "red"}}, True),
        ("colour", {"text_matches": {"regex": ".*"}}, False),
        ("colour", {"text_not_matches": {"regex": ".*"}}, True),
        ("level", {"text_equals": {"value": "4"}}, True),
        ("level", {"text_not_matches": {"regex": "3"}}, True),
        ("rack", {"text_matches": {"regex": "r[12]"}}, True),
        ("rack", {"text_matches": {"regex": "r"}}, False),
        ("rack", {"text_not_matches": {"regex": "r[2-9]"}}, True),
        ("HOSTNAME", {"text_matches": {"regex": r"node\d+\.eu\..*"}}, True),
        ("HOSTNAME", {"exists": {}}, True),
        ("REGION", {"text_equals": {"value": "eu"}}, True),
        ("ZONE", {"exists": {}}, False),
    ],
)
def test_m_al_14_x49_what_each_predicate_says(name: str, predicate: dict[str, object], holds: bool) -> None:
    """Of several attributes of one name the first counts (X49); predicates about text hold for what is no text."""
    constraint = make_filter("attribute_constraints", groups=[group((name, predicate))])
    assert (constraint.about_agent(AGENT, 0.0) is None) is holds


def test_m_al_14_all_of_a_group_and_any_of_the_groups() -> None:
    here: tuple[str, dict[str, object]] = ("rack", {"exists": {}})
    away: tuple[str, dict[str, object]] = ("rack", {"not_exists": {}})
    both = make_filter("attribute_constraints", groups=[group(here, away)])
    either = make_filter("attribute_constraints", groups=[group(away), group(here)])
    veto = both.about_agent(AGENT, 0.0)
    assert veto is not None and "group 0: rack is r1, not not_exists" in veto.detail
    assert either.about_agent(AGENT, 0.0) is None


@pytest.mark.parametrize(
    "name,parameters,said",
    [
        ("attribute_constraints", {"groups": []}, "at least 1"),
        ("attribute_constraints", {"groups": [group(("rack", {}))]}, "exactly one of"),
        ("attribute_constraints", {"groups": [group(("rack", {"exists": {}, "not_exists": {}}))]}, "exactly one of"),
        ("attribute_constraints", {"groups": [group(("rack", {"text_matches": {"regex": "("}}))]}, "without its"),
        ("attribute_constraints", {"groups": [group(("UNKNOWN", {"exists": {}}))]}, "pseudoattribute_type"),
        ("only_agents", {"agents": []}, "agents"),
        ("only_agents", {"agent": ["x"]}, "agent"),
        ("at_least", {"resources": {"cpus": "many"}}, "resources.cpus"),
        ("at_least", {"resources": {"cpus": -1}}, "negative"),
        ("at_least", {"resources": {"cpus": 1e400}}, "finite"),
        ("time_window", {"begin": "25:00", "end": "06:00"}, "begin"),
    ],
)
def test_n10_parameters_that_make_no_sense_are_named(name: str, parameters: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        make_filter(name, **parameters)


@pytest.mark.parametrize("seed", range(20))
def test_n10_whatever_happens_no_offer_breaks_a_filter(seed: int) -> None:
    """Against a naive check of every grant, with filters that come and go among refusals and time."""
    random = Random(seed)
    cluster = Cluster(seed=seed)
    standing: dict[str, list[OfferFilter]] = {}

    def drawn() -> list[OfferFilter]:
        return [
            one
            for one in (
                make_filter("only_agents", agents=random.sample(NAMES, 2)),
                make_filter("never_agents", agents=random.sample(NAMES, 1)),
                make_filter("time_window", begin="01:00", end="02:00"),
                make_filter("at_least", resources={"cpus": 1.5}),
            )
            if random.random() < 0.3
        ]

    for name in ("f", "g", "h"):
        standing[name] = drawn()
        cluster.framework(name, "a", filters=standing[name])
    cluster.agents_named(NAMES, SMALL)
    views = {name: AgentView(agent_id=AgentId(name), hostname=f"{name}.host", total=Resources.EMPTY) for name in NAMES}
    for _ in range(30):
        cluster.now += random.choice([1.0, 1800.0])
        cluster.cycle()
        for grant in cluster.last:
            for one in standing[grant.framework_id]:
                assert one.about_agent(views[grant.agent_id], cluster.now) is None
                assert one.about_free(grant.resources.unallocated()) is None
        free_for_all = {str(grant.agent_id) for grant in cluster.last}
        for name in set(NAMES) - free_for_all:
            for framework, filters in standing.items():
                wanted = all(
                    one.about_agent(views[name], cluster.now) is None and one.about_free(Resources.parse(SMALL)) is None
                    for one in filters
                )
                refused = cluster.ledger.filters.blocking(
                    next(one.serial for one in cluster.ledger.clients() if one.framework_id == framework),
                    cluster.ledger.agents[AgentId(name)].index,
                    Resources.parse(SMALL),
                )
                assert not wanted or refused is not None, f"{framework} would have taken {name}"
        for name in ("f", "g", "h"):
            cluster.decline(name, random.choice([None, 3.0]))
        who = random.choice(["f", "g", "h"])
        if random.random() < 0.3:
            standing[who] = drawn()
            cluster.update(who, "a", filters=standing[who])
