"""More small clusters, of the kinds that were put to Apache Mesos' own allocator: what its rules say it would offer.

No recording stands behind these; each outcome was worked out by hand from the rules that Mesos documents and its
allocator follows (X29 to X38), as the sentence with it says. Every order of agents has to give it.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.contract.derive_decisions import derive
from tests.contract.test_decisions import SEEDS, run

DERIVED: Sequence[tuple[str, str, Sequence[str]]] = (
    (
        "a weight at the top",
        "Shares are divided by weights: six agents to a are as much as two to b.",
        (
            "weight a 3",
            "framework f1 roles a",
            "framework f2 roles b",
            "agents 8 x cpus:2;mem:1024",
            "cycle",
            "=> f1 role a: 6 agents, cpus:12; mem:6144 | f2 role b: 2 agents, cpus:4; mem:2048",
        ),
    ),
    (
        "a weight below one",
        "As above, the other way round.",
        (
            "weight a 0.5",
            "framework f1 roles a",
            "framework f2 roles b",
            "agents 9 x cpus:2;mem:1024",
            "cycle",
            "=> f1 role a: 3 agents, cpus:6; mem:3072 | f2 role b: 6 agents, cpus:12; mem:6144",
        ),
    ),
    (
        "a weight of a leaf does not count among its uncles",
        "Siblings compare: a/x outweighs a/y, and a as a whole is as heavy as b.",
        (
            "weight a/x 3",
            "framework f1 roles a/x",
            "framework f2 roles a/y",
            "framework f3 roles b",
            "agents 8 x cpus:2;mem:1024",
            "cycle",
            "=> f1 role a/x: 3 agents, cpus:6; mem:3072 | f2 role a/y: 1 agents, cpus:2; mem:1024"
            " | f3 role b: 4 agents, cpus:8; mem:4096",
        ),
    ),
    (
        "a parent's own framework beside its child's",
        "The frameworks of a role itself compete with its children as one of them (X34).",
        (
            "framework f1 roles a",
            "framework f2 roles a/x",
            "framework f3 roles b",
            "agents 12 x cpus:2;mem:1024",
            "cycle",
            "=> f1 role a: 3 agents, cpus:6; mem:3072 | f2 role a/x: 3 agents, cpus:6; mem:3072"
            " | f3 role b: 6 agents, cpus:12; mem:6144",
        ),
    ),
    (
        "one of two roles suppressed",
        "The other role stands alone against c.",
        (
            "framework f1 roles a b suppressed b",
            "framework f2 roles c",
            "agents 8 x cpus:2;mem:1024",
            "cycle",
            "=> f1 role a: 4 agents, cpus:8; mem:4096 | f2 role c: 4 agents, cpus:8; mem:4096",
        ),
    ),
    (
        "a guarantee for a role that nobody is in",
        "Head-room: four cpus stay free somewhere, and memory, of which none is guaranteed, does not (X38).",
        (
            "framework f2 roles b",
            "quota q guarantees {cpus:4} limits {}",
            "agents 10 x cpus:2;mem:1024",
            "cycle",
            "=> f2 role b: 10 agents, cpus:16; mem:10240",
            "cycle",
            "=> nothing",
        ),
    ),
    (
        "a guarantee without a limit",
        "Two agents satisfy it; then both have as much, and the rest is shared.",
        (
            "framework f1 roles q",
            "framework f2 roles b",
            "quota q guarantees {cpus:4} limits {}",
            "agents 10 x cpus:2;mem:1024",
            "cycle",
            "=> f1 role q: 5 agents, cpus:10; mem:5120 | f2 role b: 5 agents, cpus:10; mem:5120",
        ),
    ),
    (
        "two guarantees, and too little for both",
        "The first stage goes by shares as well: q, r and q again, and nothing is left for b.",
        (
            "framework f1 roles q",
            "framework f2 roles r",
            "framework f3 roles b",
            "quota q guarantees {cpus:4} limits {}",
            "quota r guarantees {cpus:4} limits {}",
            "agents 3 x cpus:2;mem:1024",
            "cycle",
            "=> f1 role q: 2 agents, cpus:4; mem:2048 | f2 role r: 1 agents, cpus:2; mem:1024",
        ),
    ),
    (
        "a guarantee that a reservation satisfies",
        "What is reserved to the role is consumed, used or not (X36): nothing has to stay free.",
        (
            "framework f2 roles b",
            "quota q guarantees {cpus:3} limits {}",
            "agent x cpus(q):3;mem(q):512;cpus:1;mem:512",
            "cycle",
            "=> f2 role b: 1 agents, cpus:1; mem:512",
        ),
    ),
    (
        "a limit of which a reservation takes a part",
        "Three of four cpus are reserved, so one more may be had; what is reserved is not cut (X37).",
        (
            "framework f1 roles q",
            "quota q guarantees {} limits {cpus:4}",
            "agent x cpus(q):3;cpus:3;mem:1024",
            "cycle",
            "=> f1 role q: 1 agents, cpus(reservations: [(STATIC,q)]):3; cpus:1; mem:1024",
        ),
    ),
    (
        "a limit of nothing",
        "Ports are not cut, but alone they are too little to be an offer (M-AL-13).",
        (
            "framework f1 roles q",
            "quota q guarantees {} limits {cpus:0;mem:0}",
            "agents 3 x cpus:2;mem:1024;ports:[31000-31009]",
            "cycle",
            "=> nothing",
        ),
    ),
    (
        "a limit after everything was given back",
        "What was given back is consumed no more: the same is offered again.",
        (
            "framework f1 roles q",
            "quota q guarantees {} limits {cpus:3}",
            "agents 4 x cpus:2;mem:1024",
            "cycle",
            "=> f1 role q: 4 agents, cpus:3; mem:4096",
            "decline all offers of the last cycle of f1 with refuse_seconds 0",
            "cycle",
            "=> f1 role q: 4 agents, cpus:3; mem:4096",
        ),
    ),
    (
        "reserved to a parent",
        "Roles below the one that it is reserved to may have it (X32).",
        (
            "framework f1 roles a/x",
            "framework f2 roles b",
            "agent x cpus(a):2;mem(a):256",
            "cycle",
            "=> f1 role a/x: 1 agents, cpus(reservations: [(STATIC,a)]):2; mem(reservations: [(STATIC,a)]):256",
        ),
    ),
    (
        "reserved to a child",
        "The role above it may not.",
        (
            "framework f1 roles a",
            "agent x cpus(a/x):2;mem(a/x):256;cpus:1;mem:256",
            "cycle",
            "=> f1 role a: 1 agents, cpus:1; mem:256",
        ),
    ),
    (
        "what is reserved goes on when the rest is gone",
        "b is served first, as a holds something; what is reserved to a is left, and goes to a in the same pass.",
        (
            "framework f1 roles a",
            "framework f2 roles b",
            "agent y cpus:4;mem:1024 used by f1 in role a: cpus:4;mem:1024",
            "agent x cpus(a):2;mem(a):256;cpus:2;mem:256",
            "cycle",
            "=> f1 role a: 1 agents, cpus(reservations: [(STATIC,a)]):2; mem(reservations: [(STATIC,a)]):256"
            " | f2 role b: 1 agents, cpus:2; mem:256",
        ),
    ),
    (
        "a refusal is of one agent",
        "The filter stands for the agent that was refused; a new one is offered (X27).",
        (
            "framework f1 roles a",
            "agent x cpus:2;mem:1024",
            "cycle",
            "=> f1 role a: 1 agents, cpus:2; mem:1024",
            "decline all offers of the last cycle of f1 with refuse_seconds 3600",
            "agent y cpus:4;mem:512",
            "cycle",
            "=> f1 role a: 1 agents, cpus:4; mem:512",
        ),
    ),
    (
        "a refusal in one role is none in another",
        "Filters are by role (X27): what f1 refused as a is offered to it as b.",
        (
            "framework f1 roles a b",
            "agent x cpus:2;mem:1024",
            "cycle",
            "=> f1 role a: 1 agents, cpus:2; mem:1024",
            "decline all offers of the last cycle of f1 with refuse_seconds 3600",
            "cycle",
            "=> f1 role b: 1 agents, cpus:2; mem:1024",
        ),
    ),
    (
        "gpus only where somebody knows of them",
        "Nobody knows of them, so the agent that has some is offered to nobody at all (M-AL-20).",
        (
            "framework f1 roles a",
            "agent g cpus:2;mem:1024;gpus:2",
            "agent c cpus:2;mem:1024",
            "cycle",
            "=> f1 role a: 1 agents, cpus:2; mem:1024",
        ),
    ),
    (
        "gpus are somebody's dominant resource",
        "Half of all gpus is half of the cluster (X30), so that the other agent goes to f2.",
        (
            "framework f1 roles a +GPU_RESOURCES",
            "framework f2 roles b +GPU_RESOURCES",
            "agent g cpus:1;mem:64;gpus:2 used by f1 in role a: cpus:1;mem:64;gpus:2",
            "agent h cpus:1;mem:64;gpus:2",
            "cycle",
            "=> f2 role b: 1 agents, cpus:1; gpus:2; mem:64",
        ),
    ),
)


@pytest.mark.parametrize(("name", "why", "steps"), DERIVED, ids=[one[0] for one in DERIVED])
def test_x32_x36_x37_x38_ours_offers_what_the_rules_of_mesos_say(name: str, why: str, steps: Sequence[str]) -> None:
    [cluster] = derive([{"name": name, "steps": list(steps)}])
    for seed in range(SEEDS):
        for ours, rules in run(cluster["steps"], seed):
            assert [ours] == rules, why
