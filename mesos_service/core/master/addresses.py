"""Which agents are at which address. A new one at the address of another that is away has taken its place.

That presumes that one machine has one agent to a port. A hostname alone may be what many machines are called, and an
address what many have behind their own gates; only both together, and the port, are one place.
"""

from __future__ import annotations

from mesos_service.core.master.state import MasterState
from mesos_service.domain.agents import AgentInfo
from mesos_service.domain.ids import AgentId


def place(info: AgentInfo) -> tuple[str, str, int]:
    """Where an agent is: hostname, address and port."""
    return info.hostname, info.ip, info.port


def enter(state: MasterState, agent_id: AgentId, info: AgentInfo) -> None:
    """List an agent at its address."""
    state.addresses.setdefault(place(info), {})[agent_id] = None


def strike(state: MasterState, agent_id: AgentId, info: AgentInfo) -> None:
    """Take an agent off the list; does nothing for one that is not on it."""
    address = place(info)
    there = state.addresses.get(address)
    if there is not None:
        there.pop(agent_id, None)
        if not there:
            del state.addresses[address]


def others_at(state: MasterState, info: AgentInfo) -> list[AgentId]:
    """All agents at the address of ``info``."""
    return list(state.addresses.get(place(info), ()))
