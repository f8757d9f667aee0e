"""Runs of a small cluster, and their certificates."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

from mesos_service.core.effects import Told
from mesos_service.core.master.journal import Decided, Journaled
from mesos_service.domain.frameworks import REVOCABLE_RESOURCES
from mesos_service.domain.ids import AgentId, FrameworkId, Role
from mesos_service.domain.resources import Resources
from mesos_service.fairness.certificate import Certificate, Certifier
from mesos_service.fairness.restating import catch_up
from mesos_service.plugins.allocator import AgentView, Allocator, AllocatorOptions, FrameworkView, Grant, Quota
from mesos_service.plugins.loader import ALLOCATORS, load

Stock: type[Allocator] = load(ALLOCATORS, "hierarchical_drf")


SMALL = AllocatorOptions(min_allocatable=({"cpus": 10},))


HALF = "cpus:2;mem:1024"


class Run:
    """An allocator whose calls are written down."""

    def __init__(self, module: type[Allocator] = Stock, options: AllocatorOptions = SMALL, seed: int = 1) -> None:
        self.guard = Journaled(module(options))
        self.random = random.Random(seed)
        self.now = 0.0
        self.offered: list[Grant] = []
        self.names: list[AgentId] = []

    def framework(self, name: str, *roles: str, **named: Any) -> None:
        view = FrameworkView(framework_id=FrameworkId(name), roles=frozenset(map(Role, roles)), **named)
        self.guard.add_framework(view, {}, True)

    def agents(self, count: int, text: str = HALF) -> None:
        for number in range(count):
            name = f"{text.count('(')}-{len(self.guard.written)}-{number}"
            self.names.append(AgentId(name))
            self.guard.add_agent(AgentView(agent_id=AgentId(name), hostname=name, total=Resources.parse(text)), {})

    def quota(self, role: str, guarantees: dict[str, int], limits: dict[str, int] | None = None) -> None:
        self.guard.update_quota(Role(role), Quota(guarantees=guarantees, limits=limits or {}))

    def go(self, limit: int | None = None, agents: Collection[AgentId] | None = None) -> Sequence[Grant]:
        self.now += 1.0
        grants = self.guard.allocate(self.now, self.random, agents=agents, limit=limit)
        assert not self.guard.broken, self.guard.failures
        self.offered += grants
        return grants

    def give_back(self, which: Callable[[Grant], bool], refuse_seconds: float | None = 5.0) -> None:
        for one in [one for one in self.offered if which(one)]:
            self.offered.remove(one)
            self.guard.recover(
                one.framework_id,
                one.agent_id,
                one.resources,
                refuse_seconds=refuse_seconds,
                allocated=False,
                now=self.now,
            )


def certify(told: Sequence[Told], patience: float = 600.0) -> Certificate:
    certifier = Certifier(patience)
    for one in told:
        certifier.take(one)
    return certifier.close()


def three(**named: Any) -> Run:
    run = Run(**named)
    run.framework("f1", "a")
    run.framework("f2", "b")
    run.framework("f3", "b/x")
    run.agents(7)
    return run


class AtOnce:
    """Works out starts as soon as there is a segment."""

    def start(self, path: Path) -> None:
        catch_up(path, {})

    def is_busy(self) -> bool:
        return False

    def stop(self) -> None:
        """Nothing goes on."""


class Never(AtOnce):
    def start(self, path: Path) -> None:
        """What stood before is never worked out."""


LENDING = (
    '[{"name":"cpus","type":"SCALAR","scalar":{"value":4}},{"name":"mem","type":"SCALAR","scalar":{"value":256}},'
    '{"name":"cpus","type":"SCALAR","scalar":{"value":1},"revocable":{}}]'
)


BORROWS = frozenset({REVOCABLE_RESOURCES})


def forged(told: Sequence[Told], change: Callable[[tuple[Grant, ...]], Sequence[Grant]]) -> list[Told]:
    """The journal with other grants in its last pass."""
    made = list(told)
    place = max(number for number, one in enumerate(made) if one.method == "pass")
    decided = made[place].arguments
    assert isinstance(decided, Decided)
    made[place] = Told("pass", decided._replace(grants=tuple(change(decided.grants))))
    return made


def rules(found: Certificate) -> set[str]:
    return {one.rule for one in found.findings}
