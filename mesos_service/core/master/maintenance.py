"""The maintenance schedule: which machines are not to be had when (M-OM-11, M-HA-12; Mesos docs, "Maintenance").

A machine that a schedule names is DRAINING: what is offered of its agents says when it goes, and frameworks that hold
resources there are asked to give them back (``inverse_offers``). An operator who begins his work brings it DOWN: its
agents are ended, their tasks are lost, and none may register until it is brought up again. Registry first (X16).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass

from mesos_service.core.effects import SendAgent
from mesos_service.core.link import ShutdownAgent
from mesos_service.core.master import departure, inverse_offers, machines, offers
from mesos_service.core.master.state import Agent, MasterState
from mesos_service.core.master.turn import Turn
from mesos_service.core.operator_messages import OperatorMachines, OperatorSchedule
from mesos_service.core.registry.operations import UpdateMachines
from mesos_service.domain.agents import AgentInfo
from mesos_service.domain.ids import AgentId, LinkId
from mesos_service.domain.machines import Machine, MachineId, MachineMode, parts_of

HOSTNAME_BYTES_MAX = 1024
"""Far above what names have; PostgreSQL takes no key of 8 KiB, and a master that cannot store ends."""
MACHINE_DOWN = "Machine is DOWN"
_STOPPED = "Operator initiated 'Machine DOWN'"


@dataclass(frozen=True, slots=True)
class Stored:
    """Waits for ``UpdateMachines`` to be stored; an operator waits for the answer to ``request``."""

    machines: Mapping[MachineId, Machine]
    request: int


# -- what operators ask ----------------------------------------------------------------------------------------


def on_schedule(turn: Turn, call: OperatorSchedule) -> None:
    """Replace the whole schedule. Machines that are down have to stay in it, or nobody could bring them up."""
    newest = _newest(turn.state)
    wanted: dict[MachineId, Machine] = {}
    for number, window in enumerate(call.windows):
        refusal = None if window.machines else "List of machines in the maintenance window is empty"
        if window.unavailability.duration is not None and window.unavailability.duration < 0:
            refusal = "Unavailability 'duration' is negative"
        for machine in window.machines:
            refusal = refusal or _refuse_name(machine)
            if refusal is None and machine in wanted:
                refusal = f"Machine '{machine}' appears more than once in the schedule"
            before = newest.get(machine)
            mode = MachineMode.DRAINING if before is None else before.mode
            wanted[machine] = Machine(mode, number, window.unavailability)
        if refusal is not None:
            turn.reply(call.request, 400, refusal)
            return
    for machine, before in newest.items():
        if before.mode is MachineMode.DOWN and machine not in wanted:
            turn.reply(call.request, 400, f"Machine '{machine}' is deactivated and cannot be removed from the schedule")
            return
    _store(turn, wanted, call.request)


def on_start(turn: Turn, call: OperatorMachines) -> None:
    """Bring machines of the schedule down: the work on them begins."""
    _change(turn, call, MachineMode.DRAINING, MachineMode.DOWN, "is not in DRAINING mode and cannot be brought down")


def on_stop(turn: Turn, call: OperatorMachines) -> None:
    """Bring machines up again, which takes them out of the schedule."""
    _change(turn, call, MachineMode.DOWN, None, "is not in DOWN mode and cannot be brought up")


def _change(turn: Turn, call: OperatorMachines, before: MachineMode, after: MachineMode | None, not_so: str) -> None:
    wanted = dict(_newest(turn.state))
    refusal = None if call.machines else "List of machines is empty"
    seen: set[MachineId] = set()
    for machine in call.machines:
        known = wanted.get(machine)
        refusal = refusal or _refuse_name(machine)
        if refusal is None and machine in seen:
            refusal = f"Machine '{machine}' appears more than once in the list of machines"
        elif refusal is None and known is None:
            refusal = f"Machine '{machine}' is not part of a maintenance schedule"
        elif refusal is None and known is not None and known.mode is not before:
            refusal = f"Machine '{machine}' {not_so}"
        seen.add(machine)
    if refusal is not None:
        turn.reply(call.request, 400, refusal)
        return
    for machine in call.machines:
        if after is None:
            del wanted[machine]
        else:
            wanted[machine] = Machine(after, wanted[machine].window, wanted[machine].unavailability)
    _store(turn, wanted, call.request)


def _refuse_name(machine: MachineId) -> str | None:
    hostname, ip = parts_of(machine)
    if not hostname and not ip:
        return "Both 'hostname' and 'ip' for a machine are empty"
    if len((hostname or "").encode()) > HOSTNAME_BYTES_MAX:
        return f"'hostname' of a machine is longer than {HOSTNAME_BYTES_MAX} bytes"
    try:
        if ip:
            ipaddress.ip_address(ip)
    except ValueError:
        return f"'{ip}' is not an IP address"
    return None


def _newest(state: MasterState) -> Mapping[MachineId, Machine]:
    """As the registry has them when all that is under way is stored."""
    under_way = [one.machines for _, one in state.persisting.values() if isinstance(one, Stored)]
    return under_way[-1] if under_way else state.machines


def _store(turn: Turn, wanted: Mapping[MachineId, Machine], request: int) -> None:
    struck = tuple(machine for machine in _newest(turn.state) if machine not in wanted)
    turn.persist(UpdateMachines(tuple(wanted.items()), struck), Stored(wanted, request))


# -- stored --------------------------------------------------------------------------------------------------


def on_stored(turn: Turn, stored: Stored) -> None:
    """What is offered by the old schedule is taken back, to be offered by the new one (as recorded of Mesos)."""
    state = turn.state
    before = (
        {agent_id: machines.of(state, agent.info) for agent_id, agent in state.agents.items()} if state.machines else {}
    )
    state.machines = dict(stored.machines)
    turn.reply(stored.request, 200)
    turn.note("maintenance.updated", machines=len(state.machines))
    for agent in list(state.agents.values()):
        machine = machines.of(state, agent.info)
        if machine == before.get(agent.agent_id):
            continue
        offers.rescind_all(turn, agent.offers.values(), "maintenance schedule changed")
        inverse_offers.rescind(turn, agent.agent_id)
        if machine is not None and machine.mode is MachineMode.DOWN:
            _end(turn, agent)
    inverse_offers.send(turn)


def end_if_down(turn: Turn, agent: Agent) -> bool:
    """Whether the machine of an agent that comes in went down while that was being stored; the agent is ended then."""
    machine = machines.of(turn.state, agent.info)
    if machine is None or machine.mode is not MachineMode.DOWN:
        return False
    _end(turn, agent)
    return True


def _end(turn: Turn, agent: Agent) -> None:
    turn.tell_agent(agent, ShutdownAgent(_STOPPED))
    departure.begin_removal(turn, agent.agent_id, _STOPPED, "agent.machine_down")


def refused(turn: Turn, info: AgentInfo, link_id: LinkId, agent_id: AgentId | None) -> bool:
    """Whether an agent may not register, because its machine is down; it is told to end."""
    machine = machines.of(turn.state, info)
    if machine is None or machine.mode is not MachineMode.DOWN:
        return False
    turn.note("agent.refused", agent_id=agent_id or "", reason=MACHINE_DOWN)
    if agent_id is not None:
        turn.do(SendAgent(link_id, agent_id, ShutdownAgent(MACHINE_DOWN)))
    return True
