"""Whoever is offered nothing hears why, and it is true: the change that is named brings the offer (N01, N02)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random

import pytest

from mesos_service.core.allocation import reasons
from mesos_service.core.allocation.explanation import EXAMPLES_MAX, Listener
from mesos_service.domain.ids import AgentId, FrameworkId, Role
from mesos_service.domain.values import to_milli
from mesos_service.plugins.verdict import Remedy, Veto
from tests.unit.allocation.cluster import Cluster, Reasons, make_filter
from tests.unit.allocation.gates import listed, revocable

SMALL = "cpus:2;mem:1024"
F = "f"


def suppressed() -> Cluster:
    cluster = Cluster()
    cluster.framework(F, "a", suppressed=["a"])
    cluster.agent("x", SMALL)
    return cluster


def inactive() -> Cluster:
    cluster = Cluster()
    cluster.framework(F, "a", active=False)
    cluster.agent("x", SMALL)
    return cluster


def agent_away() -> Cluster:
    cluster = suppressed()
    cluster.revive(F)
    cluster.allocator.set_agent_active(AgentId("x"), False)
    return cluster


def whitelisted() -> Cluster:
    cluster = suppressed()
    cluster.revive(F)
    cluster.allocator.update_whitelist(["elsewhere"])
    return cluster


def nothing_free() -> Cluster:
    cluster = Cluster()
    cluster.framework("holder", "b")
    cluster.agent("x", SMALL)
    cluster.cycle()
    cluster.framework(F, "a")
    return cluster


def below_minimum() -> Cluster:
    cluster = Cluster(minimum=[{"cpus": 4000}, {"mem": 8_000_000}])
    cluster.framework(F, "a")
    cluster.agent("x", SMALL)
    return cluster


def gpus() -> Cluster:
    cluster = Cluster()
    cluster.framework(F, "a")
    cluster.agent("x", f"{SMALL};gpus:1")
    return cluster


def remote() -> Cluster:
    cluster = Cluster(region="here")
    cluster.framework(F, "a")
    cluster.agent("x", SMALL, region="there")
    return cluster


def reserved() -> Cluster:
    cluster = Cluster()
    cluster.framework(F, "a")
    cluster.agent("x", "cpus(z):2;mem(z):1024")
    return cluster


def all_revocable() -> Cluster:
    cluster = Cluster()
    cluster.framework(F, "a")
    cluster.agent("x", listed(revocable("cpus", 2)))
    return cluster


def refused() -> Cluster:
    cluster = Cluster()
    cluster.framework(F, "a")
    cluster.agent("x", SMALL)
    cluster.cycle()
    cluster.decline(F, 60)
    return cluster


def limited() -> Cluster:
    cluster = Cluster()
    cluster.framework(F, "a")
    cluster.quota("a", limits="cpus:0.001;mem:1")
    cluster.agent("x", SMALL)
    return cluster


def sliced() -> Cluster:
    """Of "x" only the slice for short tasks is left: a long task holds the rest."""
    cluster = Cluster(short_slice=0.5)
    cluster.framework("long", "b", minimum={"b": [{"cpus": 1}]})
    cluster.agent("x", SMALL)
    cluster.cycle()
    cluster.framework(F, "a")
    return cluster


def promised() -> Cluster:
    cluster = Cluster()
    cluster.framework(F, "a")
    cluster.quota("q", guarantees="cpus:2;mem:1024")
    cluster.agent("x", SMALL)
    return cluster


def recovering() -> Cluster:
    cluster = promised()
    cluster.quota("q", guarantees="cpus:0.001")
    cluster.allocator.expect_agents(10, 0.0)
    return cluster


def behind_a_share() -> Cluster:
    """Both are refused nothing; "f" holds more, and each wants the one agent that is free."""
    cluster = Cluster()
    cluster.agent("held", "cpus:6;mem:4096", used={F: {"a": "cpus:4;mem:2048"}, "other": {"b": "cpus:2;mem:2048"}})
    cluster.framework("other", "b")
    cluster.framework(F, "a")
    cluster.agent("x", SMALL)
    return cluster


def behind_a_guarantee() -> Cluster:
    cluster = Cluster()
    cluster.framework(F, "a")
    cluster.framework("owed", "q")
    cluster.quota("q", guarantees=SMALL)
    cluster.agent("x", SMALL)
    return cluster


def behind_a_priority() -> Cluster:
    cluster = Cluster("strict_priority", weights={"b": 2.0})
    cluster.framework(F, "a")
    cluster.framework("other", "b")
    cluster.agent("x", SMALL)
    return cluster


def unwanted(name: str, parameters: Mapping[str, object]) -> Callable[[], Cluster]:
    def made() -> Cluster:
        cluster = Cluster()
        cluster.framework(F, "a", filters=[make_filter(name, **parameters)])
        cluster.agent("x", SMALL)
        return cluster

    return made


def asks_too_much() -> Cluster:
    cluster = Cluster("request_driven")
    cluster.framework(F, "a")
    cluster.agent("x", SMALL)
    cluster.request(F, "cpus:64")
    return cluster


def _capabilities(cluster: Cluster, remedy: Remedy) -> None:
    cluster.update(F, "a", capabilities=[str(remedy.arguments["capability"])])


def _amounts(remedy: Remedy) -> dict[str, int]:
    return {name: to_milli(amount) for name, amount in remedy.arguments.items() if isinstance(amount, float)}


def _text(amounts: Mapping[str, int]) -> str:
    return ";".join(f"{name}:{amount / 1000}" for name, amount in amounts.items())


def _wait(cluster: Cluster, remedy: Remedy) -> None:
    """Until the time that is named, or until those who hold something give it back, for good."""
    until = remedy.arguments.get("until")
    if isinstance(until, float):
        cluster.now = until + 0.001
        return
    for grant in cluster.last:
        if grant.framework_id != F:
            cluster.recover(grant, refuse=1e6)


def _raise_limit(cluster: Cluster, remedy: Remedy) -> None:
    cluster.quota(
        "a", limits=_text({name: least + _amounts(remedy).get(name, 0) for name, least in (("cpus", 1), ("mem", 1000))})
    )


def _lower_guarantees(cluster: Cluster, remedy: Remedy) -> None:
    left = {name: amount - _amounts(remedy).get(name, 0) for name, amount in (("cpus", 2000), ("mem", 1_024_000))}
    cluster.quota("q", guarantees=_text(left))


def _add_agent(cluster: Cluster, remedy: Remedy) -> None:
    cluster.agent("new", _text(_amounts(remedy)) or SMALL)


def _reconnect(cluster: Cluster, remedy: Remedy) -> None:
    cluster.allocator.set_agent_active(AgentId("x"), True)


def _reconnect_all(cluster: Cluster, remedy: Remedy) -> None:
    cluster.agents(int(remedy.arguments["agents"]), SMALL)


APPLY: Mapping[str, Callable[[Cluster, Remedy], None]] = {
    "subscribe": lambda cluster, remedy: cluster.set_active(F, True),
    "revive": lambda cluster, remedy: cluster.revive(F, str(remedy.arguments["role"])),
    "reconnect_agent": _reconnect,
    "reconnect_agents": _reconnect_all,
    "whitelist": lambda cluster, remedy: cluster.allocator.update_whitelist([str(remedy.arguments["hostname"])]),
    "wait": _wait,
    "add_agent": _add_agent,
    "lower_minimum": lambda cluster, remedy: cluster.update(F, "a", minimum={"a": [_amounts(remedy)]}),
    "add_capability": _capabilities,
    "join_role": lambda cluster, remedy: cluster.update(F, "a", str(remedy.arguments["role"])),
    "declare_short": lambda cluster, remedy: cluster.update(F, "a", short=[str(remedy.arguments["role"])]),
    "raise_limit": _raise_limit,
    "lower_guarantees": _lower_guarantees,
    "raise_weight": lambda cluster, remedy: cluster.weigh(
        str(remedy.arguments["role"]), float(remedy.arguments["weight"])
    ),
    "drop_filter": lambda cluster, remedy: cluster.update(F, "a"),
    "request": lambda cluster, remedy: cluster.request(F, _text(_amounts(remedy))),
}

SCENES: Mapping[str, tuple[Callable[[], Cluster], Sequence[str]]] = {
    reasons.FRAMEWORK_INACTIVE: (inactive, ["subscribe"]),
    reasons.ROLE_SUPPRESSED: (suppressed, ["revive"]),
    reasons.AGENT_INACTIVE: (agent_away, ["reconnect_agent"]),
    reasons.AGENT_NOT_WHITELISTED: (whitelisted, ["whitelist"]),
    reasons.NOTHING_FREE: (nothing_free, ["wait", "add_agent"]),
    reasons.BELOW_MINIMUM: (below_minimum, ["lower_minimum"]),
    reasons.CAPABILITY_MISSING: (gpus, ["add_capability"]),
    f"{reasons.CAPABILITY_MISSING} in a region": (remote, ["add_capability"]),
    reasons.NOTHING_FOR_ROLE: (reserved, ["join_role"]),
    f"{reasons.NOTHING_FOR_ROLE} but revocable": (all_revocable, ["add_capability"]),
    reasons.REFUSAL_FILTER: (refused, ["revive", "wait"]),
    reasons.SHORT_SLICE: (sliced, ["declare_short", "wait"]),
    reasons.QUOTA_LIMIT: (limited, ["raise_limit"]),
    reasons.QUOTA_HEADROOM: (promised, ["lower_guarantees", "add_agent"]),
    reasons.RECOVERING: (recovering, ["wait", "reconnect_agents"]),
    f"{reasons.OFFER_FILTER} on agents": (unwanted("never_agents", {"agents": ["x"]}), ["drop_filter"]),
    f"{reasons.OFFER_FILTER} on what is free": (unwanted("at_least", {"resources": {"cpus": 3}}), ["drop_filter"]),
    reasons.NO_REQUEST_FITS: (asks_too_much, ["request"]),
    reasons.OTHERS_FIRST: (behind_a_share, ["raise_weight", "wait"]),
    f"{reasons.OTHERS_FIRST} by priority": (behind_a_priority, ["wait"]),
    reasons.GUARANTEES_FIRST: (behind_a_guarantee, ["add_agent"]),
}
"""By reason: a cluster in which it is what keeps "f" from agent "x", and the remedies that are named and tried."""


def told(cluster: Cluster) -> list[Veto]:
    """What "f" hears of "x", or of everything, in a full pass that offers it nothing."""
    heard = Reasons()
    cluster.cycle(observer=heard)
    assert not [grant for grant in cluster.last if grant.framework_id == F]
    return [veto for who, _, where, veto in heard.heard if who == F and where in ("x", None)]


@pytest.mark.parametrize("scene", SCENES)
def test_n01_each_gate_names_itself(scene: str) -> None:
    (veto,) = told(SCENES[scene][0]())
    assert veto.reason == scene.partition(" ")[0]
    assert veto.culprit and veto.detail.endswith(".")


@pytest.mark.parametrize("scene,action", [(scene, action) for scene, (_, named) in SCENES.items() for action in named])
def test_n02_each_remedy_applied_brings_the_offer(scene: str, action: str) -> None:
    cluster = SCENES[scene][0]()
    twin = SCENES[scene][0]()
    held = cluster.last
    (veto,) = told(cluster)
    cluster.last = [*held, *cluster.last]
    remedy = next(one for one in veto.remedies if one.action == action)
    if action == "raise_weight":
        cluster = twin  # whose turn it is can only be changed before the pass
    APPLY[action](cluster, remedy)
    cluster.cycle()
    assert [grant for grant in cluster.last if grant.framework_id == F], f"{remedy.detail} changed nothing"


@pytest.mark.parametrize("scene", SCENES)
def test_n02_no_remedy_is_named_that_is_not_tried(scene: str) -> None:
    """Above, or below where waiting is one that takes somebody whose task ends."""
    make, tried = SCENES[scene]
    (veto,) = told(make())
    elsewhere = {"wait"} if scene in (reasons.BELOW_MINIMUM, reasons.QUOTA_LIMIT) else set()
    assert {one.action for one in veto.remedies} == {*tried, *elsewhere}
    assert all(one.by and one.detail.endswith(".") for one in veto.remedies)


@pytest.mark.parametrize("reason", [reasons.BELOW_MINIMUM, reasons.QUOTA_LIMIT])
def test_n02_waiting_until_a_task_ends_brings_the_offer(reason: str) -> None:
    """Either what runs takes too much of the agent, or it takes all that the role may have."""
    cluster = Cluster(minimum=[{"cpus": 2000}])
    cluster.framework("runs", "a")
    cluster.agent("x", "cpus:3;mem:1024")
    cluster.cycle()
    (grant,) = cluster.last
    cluster.launch(grant, "cpus:2;mem:512", refuse=1e6)
    if reason == reasons.QUOTA_LIMIT:
        cluster.quota("a", limits="cpus:3")
        cluster.agent("y", SMALL)
        cluster.suppress("runs")
    cluster.framework(F, "a")
    heard = Reasons()
    cluster.cycle(observer=heard)
    assert not cluster.last
    where = "y" if reason == reasons.QUOTA_LIMIT else "x"
    (veto,) = [veto for who, _, agent, veto in heard.heard if who == F and agent == where]
    assert veto.reason == reason and "wait" in {one.action for one in veto.remedies}
    cluster.recover(grant, part="cpus:2;mem:512", allocated=True)
    cluster.suppress("runs")
    if where == "y":
        cluster.allocator.set_agent_active(AgentId("x"), False)  # or the first of the two has all of the limit
    cluster.cycle()
    assert where in {grant.agent_id for grant in cluster.last if grant.framework_id == F}


def test_n01_every_reason_has_a_scene() -> None:
    """Those that no gate of an allocator speaks are the master's, and tried with it."""
    masters = {
        reasons.NO_AGENTS,
        reasons.NO_ROLE,
        reasons.ALLOCATOR_SILENT,
        reasons.ALLOCATOR_FAILED,
        reasons.PASS_FULL,
        reasons.AGENT_DEACTIVATED,
    }
    of_modules = {reasons.OFFER_SIZE}
    """``test_parts`` has its scene."""
    codes = {value for name, value in vars(reasons).items() if name.isupper() and isinstance(value, str)}
    assert codes - masters - of_modules - {reasons.ALLOCATOR} == {scene.partition(" ")[0] for scene in SCENES}


def test_n01_whose_turn_it_was_is_told_with_the_shares_of_that_moment() -> None:
    """Each agent goes to whoever holds least when it comes: the shares that are named are those of then."""
    cluster = behind_a_share()
    (veto,) = told(cluster)
    assert veto.culprit == "other"
    assert "role 'b' held 0.4 of its dominant resource and role 'a' 0.5" in veto.detail


@pytest.mark.parametrize("seed", range(8))
def test_n02_what_a_limit_lacks_is_told_each_framework_of_a_role_as_it_is_after_the_pass(seed: int) -> None:
    """One who is content with little takes the rest after others were refused it: more is missing then than before."""
    cluster = Cluster(seed=seed)
    for name in ("f", "g"):
        cluster.framework(name, "q", minimum={"q": [{"cpus": 3000}]})
    cluster.framework("modest", "q", minimum={"q": [{"cpus": 1000}]})
    cluster.quota("q", limits="cpus:5")
    cluster.agents(3, "cpus:4;mem:1024")
    heard = Reasons()
    cluster.cycle(observer=heard)
    assert sum(grant.resources.quantities()["cpus"] for grant in cluster.last) == 5000
    missing = {
        (who, where): remedy.arguments["cpus"]
        for who, _, where, veto in heard.heard
        for remedy in veto.remedies
        if remedy.action == "raise_limit"
    }
    untouched = {f"agent{number:03}" for number in range(3)} - {grant.agent_id for grant in cluster.last}
    assert untouched
    for agent in untouched:
        assert missing["f", agent] == missing["g", agent] == 3.0
        assert missing["modest", agent] == 1.0


def test_n01_a_pass_that_is_cut_off_says_so() -> None:
    cluster = Cluster()
    cluster.framework(F, "a")
    cluster.agents(3, SMALL)
    heard = Reasons()
    cluster.cycle(limit=1, observer=heard)
    assert [veto.reason for *_, veto in heard.heard] == [reasons.PASS_FULL] * 2


def test_n01_a_listener_for_one_hears_nothing_of_others() -> None:
    cluster = behind_a_share()
    listener = Listener([FrameworkId(F)])
    cluster.cycle(observer=listener)
    nothing = reasons.no_agents()
    heard = listener.role(FrameworkId(F), Role("a"), 0, nothing).obstacles
    assert [one.reason for one in heard] == [reasons.NOTHING_FREE, reasons.OTHERS_FIRST]
    assert listener.role(FrameworkId("other"), Role("b"), 1, nothing).obstacles == ()


def test_n01_a_listener_counts_all_and_names_a_few() -> None:
    cluster = Cluster()
    cluster.framework(F, "a")
    cluster.agents(30, "cpus:0.001")
    listener = Listener([FrameworkId(F)])
    cluster.cycle(observer=listener)
    (obstacle,) = listener.role(FrameworkId(F), Role("a"), 0, reasons.no_agents()).obstacles
    assert (obstacle.reason, obstacle.agents, len(obstacle.examples)) == (reasons.BELOW_MINIMUM, 30, EXAMPLES_MAX)


@pytest.mark.parametrize("seed", range(30))
def test_n01_whoever_is_offered_nothing_hears_a_reason_for_every_agent(seed: int) -> None:
    random = Random(seed)
    cluster = Cluster(seed=seed, role_sorter=random.choice(["drf", "random"]))
    names = [f"f{number}" for number in range(4)]
    for name in names:
        role = random.choice(["a", "b", "a/c"])
        cluster.framework(name, role, suppressed=[role] if random.random() < 0.2 else [])
    if random.random() < 0.5:
        cluster.quota("a", guarantees="cpus:3;mem:512", limits="cpus:5;mem:4096")
    for number in range(6):
        cluster.agent(f"x{number}", random.choice([SMALL, "cpus(a):2;mem:64", "cpus:0.001", f"{SMALL};gpus:1"]))
    for _ in range(4):
        heard = Reasons()
        cluster.cycle(observer=heard, limit=random.choice([None, 2]))
        for name in names:
            offered = {str(grant.agent_id) for grant in cluster.last if grant.framework_id == name}
            told_of = {where for who, _, where, veto in heard.heard if who == name and veto.reason and veto.detail}
            assert None in told_of or told_of | offered == {f"x{number}" for number in range(6)}
        for name in names:
            cluster.decline(name, random.choice([None, 0, 60]))
        cluster.now += 1
