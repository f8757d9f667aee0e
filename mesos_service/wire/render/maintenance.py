"""The maintenance schedule, and how far it is (maintenance.proto: ``Schedule``, ``ClusterStatus``)."""

from __future__ import annotations

from mesos_service.core.master.state import MasterState
from mesos_service.domain.machines import MachineId, MachineMode, machines_of
from mesos_service.wire import common
from mesos_service.wire.convert.maintenance import machine_to_wire, schedule_to_wire
from mesos_service.wire.convert.values import time_to_wire
from mesos_service.wire.policy import ClusterStatus, ClusterStatusDrainingMachine, InverseOfferStatus, Schedule


def schedule(state: MasterState) -> Schedule:
    return schedule_to_wire(state.machines)


def status(state: MasterState) -> ClusterStatus:
    """Machines that go, with what frameworks have answered, and machines that are gone."""
    modes = {machine: known.mode for machine, known in state.machines.items()}
    return ClusterStatus(
        draining_machines=tuple(
            ClusterStatusDrainingMachine(id=machine_to_wire(machine), statuses=_answers(state, machine))
            for machine, mode in modes.items()
            if mode is MachineMode.DRAINING
        ),
        down_machines=tuple(machine_to_wire(machine) for machine, mode in modes.items() if mode is MachineMode.DOWN),
    )


def _answers(state: MasterState, machine: MachineId) -> tuple[InverseOfferStatus, ...]:
    here = {agent_id for agent_id, agent in state.agents.items() if machine in machines_of(agent.info)}
    return tuple(
        InverseOfferStatus(
            status="ACCEPT" if answer.accepted else "DECLINE",
            framework_id=common.FrameworkID(value=framework_id),
            timestamp=time_to_wire(answer.at),
        )
        for (agent_id, framework_id), answer in state.inverse_answers.items()
        if agent_id in here
    )
