"""What the maintenance schedule says of the machine that an agent is on."""

from __future__ import annotations

from collections.abc import Iterable

from mesos_service.core.master.state import MasterState
from mesos_service.domain.agents import AgentInfo
from mesos_service.domain.machines import Machine, machines_of


def of(state: MasterState, info: AgentInfo) -> Machine | None:
    """``None`` where the schedule does not name it."""
    if not state.machines:
        return None
    found: Iterable[Machine | None] = (state.machines.get(name) for name in machines_of(info))
    return next((one for one in found if one is not None), None)
