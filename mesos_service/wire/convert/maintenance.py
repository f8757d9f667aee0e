"""Draining and maintenance between the wire and the core (mesos.proto, maintenance.proto)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mesos_service.core.operator_messages import MaintenanceWindow
from mesos_service.domain.agents import Deactivation, Drain
from mesos_service.domain.machines import Machine, MachineId, Unavailability, machine_id, parts_of
from mesos_service.wire import common
from mesos_service.wire.convert.values import NANOSECONDS, NANOSECONDS_MAX, duration_from_wire, duration_to_wire
from mesos_service.wire.operator import CallDrainAgent
from mesos_service.wire.policy import DrainConfig, DrainInfo, Schedule, Window


def drain_from_call(call: CallDrainAgent) -> Drain:
    """Raises ``ValueError``, with a sentence, for a time below nothing, or longer than any that can be stored."""
    period = call.max_grace_period
    grace = None if period is None else (period.seconds or 0) + (period.nanos or 0) / 1e9
    if grace is not None and grace < 0:
        raise ValueError("'max_grace_period' is less than nothing")
    if grace is not None and grace * NANOSECONDS > NANOSECONDS_MAX:
        raise ValueError("'max_grace_period' is out of range")
    return Drain(max_grace_seconds=grace, mark_gone=call.mark_gone)


def drain_from_wire(config: DrainConfig) -> Drain:
    return Drain(max_grace_seconds=duration_from_wire(config.max_grace_period), mark_gone=config.mark_gone)


def drain_to_wire(drain: Drain) -> DrainConfig:
    grace = drain.max_grace_seconds
    return DrainConfig(max_grace_period=None if grace is None else duration_to_wire(grace), mark_gone=drain.mark_gone)


def drain_info_to_wire(found: Deactivation | None) -> DrainInfo | None:
    """``None`` of an agent that is in use, or merely deactivated."""
    if found is None or found.drain is None:
        return None
    return DrainInfo(state="DRAINED" if found.drained else "DRAINING", config=drain_to_wire(found.drain))


def unavailability_to_wire(when: Unavailability) -> common.Unavailability:
    duration = None if when.duration is None else common.DurationInfo(nanoseconds=when.duration)
    return common.Unavailability(start=common.TimeInfo(nanoseconds=when.start), duration=duration)


def machine_from_wire(machine: common.MachineID) -> MachineId:
    return machine_id(machine.hostname, machine.ip)


def machine_to_wire(machine: MachineId) -> common.MachineID:
    hostname, ip = parts_of(machine)
    return common.MachineID(hostname=hostname, ip=ip)


def windows_from_wire(schedule: Schedule) -> tuple[MaintenanceWindow, ...]:
    return tuple(
        MaintenanceWindow(
            tuple(map(machine_from_wire, window.machine_ids)),
            Unavailability(
                window.unavailability.start.nanoseconds,
                None if window.unavailability.duration is None else window.unavailability.duration.nanoseconds,
            ),
        )
        for window in schedule.windows
    )


def schedule_to_wire(machines: Mapping[MachineId, Machine]) -> Schedule:
    """The windows as they were given; a window has lost the machines that were brought up since."""
    windows: dict[int, list[MachineId]] = {}
    for machine, known in machines.items():
        windows.setdefault(known.window, []).append(machine)
    return Schedule(windows=tuple(_window(machines, windows[number]) for number in sorted(windows)))


def _window(machines: Mapping[MachineId, Machine], named: Iterable[MachineId]) -> Window:
    names = tuple(named)
    return Window(
        machine_ids=tuple(map(machine_to_wire, names)),
        unavailability=unavailability_to_wire(machines[names[0]].unavailability),
    )
