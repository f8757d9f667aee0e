"""Offers by request: a framework says what it wants and is offered that, task by task (as in YARN; E13, N24).

REQUEST lists what a framework could use right now, one shape for each task: scalars, in thousandths. Each call replaces
the one before; an empty one asks for nothing. A shape that was offered is no longer asked for, whatever becomes of the
offer. Shapes are served one at a time, each to whoever holds the smallest dominant share then: where everybody asks,
this is the progressive filling of the DRF paper (section 4), where ``hierarchical_drf`` hands out whole agents.

What is left goes to the frameworks that never sent a REQUEST, as under ``hierarchical_drf``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import ClassVar

from mesos_service.core.allocation import reasons
from mesos_service.core.allocation.clients import Client
from mesos_service.core.allocation.entries import AgentBook
from mesos_service.core.allocation.one_pass import Pass
from mesos_service.core.allocation.over_ledger import LedgerAllocator
from mesos_service.domain.frameworks import Quantities
from mesos_service.domain.ids import AgentId, FrameworkId
from mesos_service.domain.randomness import RandomSource
from mesos_service.domain.resources import Resource, Resources
from mesos_service.plugins.allocator import LIMITS, AllocatorOptions, Grant, Observer
from mesos_service.plugins.verdict import Veto


class RequestDriven(LedgerAllocator):
    """``demand`` has, by framework, the shapes it asked for and was not offered yet, in the order it named them."""

    name: ClassVar[str] = "request_driven"
    api_version: ClassVar[int] = 1
    promises: ClassVar[frozenset[str]] = frozenset({LIMITS})

    def __init__(self, options: AllocatorOptions, config: object = None) -> None:
        super().__init__(options, config)
        self.demand: dict[FrameworkId, list[dict[str, int]]] = {}

    def request_resources(self, framework_id: FrameworkId, requests: Sequence[Quantities]) -> None:
        self.demand[framework_id] = [shape for request in requests if (shape := _positive(request))]

    def remove_framework(self, framework_id: FrameworkId) -> None:
        super().remove_framework(framework_id)
        self.demand.pop(framework_id, None)

    def allocate(
        self,
        now: float,
        random: RandomSource,
        *,
        agents: Collection[AgentId] | None,
        limit: int | None = None,
        observer: Observer | None = None,
    ) -> Sequence[Grant]:
        silent = 0
        for client in self.ledger.clients():
            if client.framework_id not in self.demand:
                silent |= client.bit
        return self.cycle.run(
            now,
            random,
            agents=agents,
            limit=limit,
            observer=observer,
            levels=[silent],
            before=self._serve_requests,
            why_not=self._why_not,
        )

    def _serve_requests(self, one_pass: Pass, agents: Sequence[AgentBook]) -> None:
        for agent in agents:
            while not one_pass.is_full and agent.free and self._serve_one(one_pass, agent):
                pass

    def _serve_one(self, one_pass: Pass, agent: AgentBook) -> bool:
        """Offer one shape to the first in order of whom one fits; whether there was such a one."""
        ledger = self.ledger
        asking = 0
        for framework_id, shapes in self.demand.items():
            for client in ledger.frameworks[framework_id].clients.values() if shapes else ():
                asking |= client.bit if client.standing else 0
        ledger.sorter.settle()
        for client in ledger.sorter.walk(asking & ~agent.vetoed):
            prepared = ledger.shapes.prepared(ledger.shapes.of(agent), client)
            if prepared.blocked is not None:
                continue
            shapes = self.demand[client.framework_id]
            for number, shape in enumerate(shapes):
                piece = _carve(prepared.offer, shape)
                if piece is not None and one_pass.grant(agent, client, piece):
                    del shapes[number]
                    return True
        return False

    def _why_not(self, client: Client, agent: AgentBook) -> Veto | None:
        shapes = self.demand.get(client.framework_id)
        return None if shapes is None else reasons.no_request_fits(len(shapes), agent.free)


def _positive(request: Quantities) -> dict[str, int]:
    return {name: amount for name, amount in request.items() if amount > 0}


def _carve(offer: Resources, shape: Mapping[str, int]) -> Resources | None:
    """Exactly ``shape`` out of ``offer``, what is reserved first; ``None`` when it does not fit."""
    missing = dict(shape)
    kept: list[Resource] = []
    for resource in sorted(offer, key=lambda one: not one.key.reservations):
        wanted = missing.get(resource.name, 0)
        if isinstance(resource.value, int) and wanted and not resource.key.is_counted:
            taken = min(wanted, resource.value)
            missing[resource.name] -= taken
            kept.append(Resource(resource.key, taken))
    return None if any(missing.values()) else Resources.of(kept)
