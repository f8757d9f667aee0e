"""An operator who takes one machine after another out of service and brings it up again (M-OM-11, M-HA-12).

He repeats what is not answered, as a master that fails answers nothing. Once he was told that a machine is down, no
master may act as if it were not, until he asks for it back: the registry has it (X16), nothing on it is offered, and no
agent there registers.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Final

from mesos_service.core import messages, operator_messages
from mesos_service.domain.errors import InvariantBroken
from mesos_service.domain.machines import MachineId, MachineMode, Unavailability, machine_id
from mesos_service.simulator.masters import Masters
from mesos_service.simulator.promises import Promises

HOUR_NANOSECONDS: Final = 3600 * 10**9
CANCELLED: Final = 0.2
"""How many of the windows come to nothing."""

Ask = Callable[[int], messages.MasterMessage]


class Maintainer:
    """Works on one of ``hostnames`` at a time. ``busy`` says whether; ``note`` is told what is begun."""

    def __init__(
        self,
        masters: Masters,
        promises: Promises,
        hostnames: Sequence[str],
        source: random.Random,
        note: Callable[[str], None],
    ) -> None:
        self.busy = False
        self._masters = masters
        self._clock = masters.clock
        self._promises = promises
        self._hostnames = hostnames
        self._source = source
        self._note = note
        self._step = 0
        """What is asked now; answers to what was asked before say nothing any more."""

    def begin(self) -> None:
        """Put the next machine on the schedule, unless one is there."""
        if self.busy:
            return
        self.busy = True
        machine = machine_id(self._source.choice(self._hostnames), None)
        self._note(f"maintain {machine}")
        follows = self._cancel if self._source.random() < CANCELLED else self._start
        self._ask_until(_schedule(machine), {200}, lambda: self._later(1.0, 5.0, lambda: follows(machine)))

    def _start(self, machine: MachineId) -> None:
        self._ask_until(
            lambda request: operator_messages.OperatorMachines(request=request, machines=(machine,)),
            # 400: it is down already, and the answer to that was lost.
            {200, 400},
            lambda: self._is_down(machine),
        )

    def _is_down(self, machine: MachineId) -> None:
        stored = self._masters.store.registry.machines.get(machine)
        if stored is None or stored.mode is not MachineMode.DOWN:
            raise InvariantBroken(f"an operator was told that machine {machine} is down, and stored is {stored}")
        self._promises.down.add(machine)
        self._later(2.0, 10.0, lambda: self._stop(machine))

    def _stop(self, machine: MachineId) -> None:
        self._promises.down.discard(machine)
        self._ask_until(
            lambda request: operator_messages.OperatorMachines(request=request, machines=(machine,), up=True),
            {200, 400},
            lambda: self._is_up(machine),
        )

    def _cancel(self, machine: MachineId) -> None:
        self._ask_until(_schedule(), {200}, lambda: self._is_up(machine))

    def _is_up(self, machine: MachineId) -> None:
        if machine in self._masters.store.registry.machines:
            raise InvariantBroken(f"an operator was told that machine {machine} is not on the schedule, and it is")
        self.busy = False

    def _ask_until(self, ask: Ask, wanted: set[int], done: Callable[[], None]) -> None:
        self._step += 1
        step = self._step

        def answered(status: int) -> None:
            if step == self._step and status in wanted:
                self._step += 1
                done()

        def again() -> None:
            if step == self._step:
                self._masters.operate(ask, answered)
                self._later(1.0, 2.0, again)

        again()

    def _later(self, least: float, most: float, function: Callable[[], None]) -> None:
        self._clock.after(self._source.uniform(least, most), function)


def _schedule(*machines: MachineId) -> Ask:
    window = operator_messages.MaintenanceWindow(machines, Unavailability(0, HOUR_NANOSECONDS))
    windows = (window,) if machines else ()
    return lambda request: operator_messages.OperatorSchedule(request=request, windows=windows)
