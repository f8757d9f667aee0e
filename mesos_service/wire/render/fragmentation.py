"""How many tasks of a shape fit now, and how many would if what is free were in one place (N16)."""

from __future__ import annotations

from collections.abc import Mapping

from mesos_service.core.allocation.shapes import is_countable
from mesos_service.core.master.state import Agent, MasterState
from mesos_service.domain.values import from_milli
from mesos_service.wire.fragmentation import FragmentationAgent, FragmentationAnswer

Milli = Mapping[str, int]


def fragmentation_answer(state: MasterState, shape: Milli) -> FragmentationAnswer:
    """``shape`` is what one task needs, thousandths by name, all above 0. Linear in agents and offers."""
    rows: list[FragmentationAgent] = []
    total: dict[str, int] = {}
    stranded: dict[str, int] = {}
    fits = 0
    for agent in state.agents.values():
        free = _free(agent) if agent.active else {}
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
        free=_amounts(total),
        stranded=_amounts(stranded),
        agents=tuple(rows),
    )


def _free(agent: Agent) -> dict[str, int]:
    found = agent.free
    for offer in agent.offers.values():
        found = found + offer.resources.unallocated()
    return {name: amount for name, amount in found.filter(is_countable).quantities().items() if amount}


def _fits(free: Milli, shape: Milli) -> int:
    return min(free.get(name, 0) // amount for name, amount in shape.items())


def _amounts(milli: Milli) -> dict[str, float]:
    return {name: from_milli(amount) for name, amount in sorted(milli.items()) if amount}
