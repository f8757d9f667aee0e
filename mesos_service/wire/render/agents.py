"""What masters and agents both tell of an agent."""

from __future__ import annotations

from typing import Final, get_args

from mesos_service.domain.addresses import join_host_port
from mesos_service.domain.agents import AgentInfo
from mesos_service.wire.agents import AgentInfoCapabilityType

_KNOWN: Final[tuple[AgentInfoCapabilityType, ...]] = get_args(AgentInfoCapabilityType)


def agent_pid(info: AgentInfo) -> str:
    """What libprocess called an agent; clients take its address from it."""
    return f"slave(1)@{join_host_port(info.ip, info.port)}"


def capability_names(info: AgentInfo) -> tuple[AgentInfoCapabilityType, ...]:
    """In the order of Mesos' enum, as Mesos prints them."""
    return tuple(name for name in _KNOWN if name in info.capabilities)
