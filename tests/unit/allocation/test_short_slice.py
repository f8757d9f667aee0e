"""A part of each agent is kept for short tasks (A54; Mesos paper, section 4.4)."""

from __future__ import annotations

from random import Random

import pytest

from mesos_service.core.allocation.shapes import countable
from mesos_service.domain.resources import Resources
from mesos_service.plugins.allocator import Grant
from tests.unit.allocation.cluster import Cluster, Reasons

AGENT = "cpus:10;mem:1000;disk:100;gpus:1;ports:[1-9]"


@pytest.fixture
def cluster() -> Cluster:
    cluster = Cluster(short_slice=0.2)
    cluster.agent("x", AGENT)
    return cluster


def short(cluster: Cluster, name: str = "short", role: str = "s") -> None:
    cluster.framework(name, role, short=[role], capabilities=["GPU_RESOURCES"])


def long(cluster: Cluster, name: str = "long", role: str = "l") -> None:
    cluster.framework(name, role, capabilities=["GPU_RESOURCES"])


def test_a54_others_get_what_is_above_the_slice_and_gpus_and_ports_whole(cluster: Cluster) -> None:
    long(cluster)
    expected = "cpus:8; disk:80; gpus:1; mem:800; ports:[1-9]"
    assert cluster.cycle() == {("long", "l"): (1, expected)}
    short(cluster)
    assert cluster.cycle() == {("short", "s"): (1, "cpus:2; disk:20; mem:200")}


def test_a54_short_tasks_may_have_all_there_is(cluster: Cluster) -> None:
    short(cluster)
    assert cluster.cycle()["short", "s"][1].startswith("cpus:10; disk:100;")


def test_a54_what_short_tasks_hold_of_it_is_not_kept_twice(cluster: Cluster) -> None:
    short(cluster)
    cluster.cycle()
    (grant,) = cluster.last
    cluster.launch(grant, "cpus:1.5;mem:200", refuse=1000)
    long(cluster)
    # Half a processor and all of the disk are still for short tasks; of memory they hold their slice.
    assert cluster.cycle() == {("long", "l"): (1, "cpus:8; disk:80; gpus:1; mem:800; ports:[1-9]")}
    cluster.end(grant, "cpus:1.5;mem:200")
    assert cluster.cycle() == {}, "what has ended was of the slice, and is refused by the one who may have it"
    cluster.revive("short")
    assert cluster.cycle() == {("short", "s"): (1, "cpus:2; disk:20; mem:200")}


def test_a54_short_tasks_beyond_the_slice_leave_room_for_long_ones_when_they_end(cluster: Cluster) -> None:
    short(cluster)
    cluster.cycle()
    (grant,) = cluster.last
    cluster.launch(grant, "cpus:10;mem:1000", refuse=1000)
    long(cluster)
    # Nothing that it could do with is free, until short tasks end that hold more than the slice.
    assert cluster.cycle() == {}
    cluster.end(grant, "cpus:3;mem:300")
    assert cluster.cycle() == {("long", "l"): (1, "cpus:3; disk:80; gpus:1; mem:300; ports:[1-9]")}


def test_a54_a_role_is_short_or_not_each_for_itself() -> None:
    cluster = Cluster(short_slice=0.5)
    cluster.agent("x", "cpus:4;mem:400")
    cluster.framework("both", "s", "l", short=["s"])
    got = cluster.cycle()
    assert {role for _, role in got} <= {"s", "l"}
    assert got.get(("both", "l"), (0, "cpus:2; mem:200"))[1] == "cpus:2; mem:200"


def test_a54_who_says_so_later_is_offered_it_then(cluster: Cluster) -> None:
    long(cluster, "first")
    cluster.cycle()
    long(cluster, "late", "m")
    heard = Reasons()
    assert cluster.cycle(observer=heard) == {}
    assert heard.codes("late", "x") == ["short_slice"]
    cluster.update("late", "m", short=["m"], capabilities=["GPU_RESOURCES"])
    assert cluster.cycle() == {("late", "m"): (1, "cpus:2; disk:20; mem:200")}
    # And who takes it back gets no more of it.
    for grant in cluster.last:
        cluster.recover(grant)
    cluster.update("late", "m", capabilities=["GPU_RESOURCES"])
    assert cluster.cycle() == {}


def test_a54_without_it_nothing_is_kept() -> None:
    cluster = Cluster()
    cluster.agent("x", "cpus:10;mem:1000")
    long(cluster)
    assert cluster.cycle() == {("long", "l"): (1, "cpus:10; mem:1000")}


def test_a54_what_is_reserved_is_not_sliced() -> None:
    cluster = Cluster(short_slice=0.5)
    cluster.agent("x", "cpus(l):4;mem(l):400;cpus:2;mem:200")
    long(cluster)
    (got,) = cluster.cycle().values()
    total = Resources.EMPTY
    for grant in cluster.last:
        total += grant.resources
    assert got[0] == 1 and total.quantities() == {"cpus": 5000, "mem": 500_000}


def held_by_long(grants: list[tuple[Grant, Resources]]) -> dict[str, int]:
    held: dict[str, int] = {}
    for grant, resources in grants:
        if grant.role == "l":
            for name, amount in countable(resources.unallocated()):
                held[name] = held.get(name, 0) + amount
    return held


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("policy", ["hierarchical_drf", "strict_priority", "request_driven"])
def test_a54_whatever_happens_long_tasks_never_hold_any_of_it(policy: str, seed: int) -> None:
    draw = Random(seed)
    share = draw.choice((0.1, 0.333, 0.5))
    cluster = Cluster(policy, short_slice=share, seed=seed)
    total = Resources.parse("cpus:7.5;mem:1111")
    cluster.agent("x", "cpus:7.5;mem:1111")
    bound = {name: amount - int(amount * share) for name, amount in total.quantities().items()}
    for number in range(2):
        cluster.framework(f"long{number}", "l")
        cluster.framework(f"short{number}", "s", short=["s"])
    offered: list[Grant] = []
    running: list[tuple[Grant, Resources]] = []
    for _ in range(60):
        cluster.cycle(*draw.choice(((), ("x",))))
        offered += cluster.last
        held = held_by_long([(grant, grant.resources) for grant in offered] + running)
        assert all(amount <= bound[name] for name, amount in held.items()), (held, bound)
        if offered and draw.random() < 0.7:
            grant = offered.pop(draw.randrange(len(offered)))
            has = grant.resources.quantities()
            used = Resources.scalars(cpus=draw.randrange(has.get("cpus", 0) // 500 + 1) * 0.5)
            if used and draw.random() < 0.8:
                cluster.launch(grant, f"cpus:{used.scalar('cpus') / 1000}", refuse=draw.choice((None, 0.0)))
                running.append((grant, used))
            else:
                cluster.recover(grant, refuse=draw.choice((None, 0.0)))
        if running and draw.random() < 0.5:
            grant, used = running.pop(draw.randrange(len(running)))
            cluster.end(grant, f"cpus:{used.scalar('cpus') / 1000}")
        cluster.now += 1.0
