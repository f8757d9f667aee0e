"""How many tasks of a shape fit now, and how many would if what is free were in one place (N16)."""

from __future__ import annotations

from collections.abc import Mapping

from mesos_service.core.allocation.shapes import is_countable
from mesos_service.core.master.state import Agent, MasterState
from mesos_service.domain.ids import FrameworkId, Role
from mesos_service.domain.resources import Resources
from mesos_service.domain.values import Ranges, from_milli
from mesos_service.wire.fragmentation import FragmentationAgent, FragmentationAnswer

Milli = Mapping[str, int]


def fragmentation_answer(state: MasterState, shape: Milli) -> FragmentationAnswer:
    """``shape`` is what one task needs, thousandths by name, all above 0. Linear in agents and offers."""
    rows: list[FragmentationAgent] = []
    total: dict[str, int] = {}
    stranded: dict[str, int] = {}
    fits = as_offered = 0
    for agent in state.agents.values():
        pieces = _pieces(agent, shape) if agent.active else []
        free: dict[str, int] = {}
        for piece in pieces:
            as_offered += _fits(piece, shape)
            for name, amount in piece.items():
                free[name] = free.get(name, 0) + amount
        if not free:
            continue
        count = _fits(free, shape)
        rest = {name: free.get(name, 0) - count * amount for name, amount in shape.items()}
        fits += count
        for name, amount in free.items():
            total[name] = total.get(name, 0) + amount
        for name, amount in rest.items():
            stranded[name] = stranded.get(name, 0) + amount
        rows.append(
            FragmentationAgent(
                agent_id=agent.agent_id,
                hostname=agent.info.hostname,
                fits=count,
                free=_amounts(free),
                stranded=_amounts(rest),
                short_of=tuple(sorted(name for name, amount in shape.items() if rest[name] < amount)),
            )
        )
    return FragmentationAnswer(
        shape=_amounts(shape),
        fits=fits,
        fits_if_defragmented=_fits(total, shape),
        fits_as_offered=as_offered,
        free=_amounts(total),
        stranded=_amounts(stranded),
        agents=tuple(rows),
    )


def _pieces(agent: Agent, shape: Milli) -> list[dict[str, int]]:
    """What nobody was offered, and what each framework was in each role: a task can have what is in one of them."""
    offered: dict[tuple[FrameworkId, Role], Resources] = {}
    for offer in agent.offers.values():
        key = offer.framework_id, offer.role
        offered[key] = offered.get(key, Resources.EMPTY) + offer.resources.unallocated()
    pieces = (_counted(piece, shape) for piece in (agent.free, *offered.values()))
    return [piece for piece in pieces if piece]


def _counted(resources: Resources, shape: Milli) -> dict[str, int]:
    found = {name: amount for name, amount in resources.filter(is_countable).quantities().items() if amount}
    for resource in resources:
        key, value = resource.key, resource.value
        if isinstance(value, Ranges) and key.name in shape and not (key.reservations or key.revocable or key.shared):
            found[key.name] = found.get(key.name, 0) + value.size() * 1000
    return found


def _fits(free: Milli, shape: Milli) -> int:
    return min(free.get(name, 0) // amount for name, amount in shape.items())


def _amounts(milli: Milli) -> dict[str, float]:
    return {name: from_milli(amount) for name, amount in sorted(milli.items()) if amount}
