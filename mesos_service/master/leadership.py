"""A master's life: standby, elected, its registry read, leading, and over.

Nothing is decided before the registry has been read, nor after leading is over, nor while it is in doubt: the driver is
held then, and the doors (``leader_gate``) ask here what to answer instead. A master that led does not become a standby
again: what it remembers may be wrong. It ends, and its supervisor starts a new one (M-HA-13, X22).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from enum import Enum
from typing import Final

from mesos_service.core.master import startup
from mesos_service.core.registry.registry import Registry
from mesos_service.domain.errors import ConfigurationError, MesosServiceError
from mesos_service.election.interface import Contender, Leader, Tenure
from mesos_service.http.asgi import Answered
from mesos_service.master.driver import MasterDriver
from mesos_service.memory import put_off_collections
from mesos_service.registrar.interface import Registrar

log = logging.getLogger(__name__)

NO_LEADER: Final = "No leader elected"
NOT_RECOVERED: Final = "Master has not finished recovery"
IN_DOUBT: Final[Answered] = (503, "This master does not know for certain that it still leads; ask again")
OVER: Final = "This master is ending"
RETURN_SECONDS: Final = 5.0
"""Nearly all agents are back within that, if they come back at all."""


class Phase(Enum):
    """What a master is; each follows from the one before, and any may be followed by OVER."""

    STANDBY = "standby"
    RECOVERING = "recovering"
    LEADING = "leading"
    OVER = "over"


class Leadership:
    """Leads ``driver`` through that life; ``ended`` is told once why it is over. ``name`` is shown in the registry,
    ``region`` is where this master is, if it was told."""

    def __init__(
        self,
        driver: MasterDriver,
        contender: Contender,
        registrar: Registrar,
        name: str,
        ended: Callable[[MesosServiceError], None],
        region: str | None = None,
    ) -> None:
        self.phase = Phase.STANDBY
        self.leader: Leader | None = None
        """Who leads, as far as is known; possibly this one."""
        self.fault: MesosServiceError | None = None
        """Why it is over, unless it was stopped."""
        self._driver = driver
        self._contender = contender
        self._registrar = registrar
        self._name = name
        self._ended = ended
        self._region = region
        self._recovery: asyncio.Task[None] | None = None
        self._rehearsal: asyncio.Task[None] | None = None
        self._no_standby = asyncio.Event()
        """Set when it is none any more: elected, or over."""

    # -- asked by the doors ----------------------------------------------------------------------------------
    @property
    def is_open(self) -> bool:
        """Whether this one leads, and may decide at this moment."""
        return self.phase is Phase.LEADING and self._driver.may_act()

    @property
    def obstacle(self) -> str | None:
        """Why nothing can be had here while :attr:`is_open` is false; ``None`` when another master is to be asked."""
        match self.phase:
            case Phase.STANDBY:
                return NO_LEADER if self.leader is None else None
            case Phase.RECOVERING:
                return NOT_RECOVERED
            case Phase.LEADING:
                return IN_DOUBT[1]
            case Phase.OVER:
                return OVER

    # -- life ------------------------------------------------------------------------------------------------
    def start(self) -> None:
        """Contend; whoever contends with nobody is elected before this returns."""
        self._contender.start(self)
        if self.phase is Phase.STANDBY:
            self._rehearsal = asyncio.create_task(self._registrar.rehearse(), name="registry-rehearsal")
            self._rehearsal.add_done_callback(_rehearsal_ended)

    async def recovered(self, standby_seconds: float = 0.0) -> None:
        """Wait until the registry has been read; a master that stands by is elected within so much time, or not."""
        if self.phase is Phase.STANDBY and standby_seconds > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(standby_seconds):
                    await self._no_standby.wait()
        if self._recovery is not None:
            await asyncio.wait((self._recovery,))

    async def stop(self) -> None:
        """Decide nothing any more, and let another one lead at once: whatever else has to end can end after that."""
        self.phase = Phase.OVER
        self._no_standby.set()
        self._driver.hold()
        for task in (self._recovery, self._rehearsal):
            if task is not None:
                task.cancel()
        await self._contender.stop()
        await self._registrar.close()

    def end(self, why: MesosServiceError) -> None:
        """Decide nothing any more; for faults that cannot be lived with."""
        if self.phase is not Phase.OVER:
            self.phase = Phase.OVER
            self._no_standby.set()
            self.fault = why
            self._driver.hold()
            self._ended(why)

    # -- told by the contender -------------------------------------------------------------------------------
    def on_leader(self, leader: Leader | None) -> None:
        self.leader = leader
        if leader is not None and None not in (leader.region, self._region) and leader.region != self._region:
            # As in Mesos: which agents are remote would depend on who happens to lead (M-AL-21).
            self.end(
                ConfigurationError(
                    f"the leading master {leader} is in region '{leader.region}', and this one in '{self._region}'"
                    " (--domain): all masters of a cluster have to be in one region"
                )
            )

    def on_elected(self, tenure: Tenure) -> None:
        if self.phase is Phase.STANDBY:
            self.phase = Phase.RECOVERING
            self._recovery = asyncio.create_task(self._recover(tenure), name="registry-recovery")
            self._recovery.add_done_callback(self._recovery_ended)
            self._no_standby.set()

    def on_proved(self) -> None:
        if self.phase is Phase.LEADING and self._driver.held:
            log.warning("It is certain again that this master leads: going on")
            self._driver.go_on()

    def on_over(self, why: MesosServiceError) -> None:
        self.end(why)

    async def _recover(self, tenure: Tenure) -> None:
        registry: Registry = await self._registrar.take(tenure.election, self._name)
        if self.phase is Phase.RECOVERING:
            if registry.admitted:
                put_off_collections(RETURN_SECONDS)
            state, now = self._driver.state, self._driver.now()
            state.elected_at = now
            startup.start(state, registry, now)
            self.phase = Phase.LEADING
            log.info("Master %s leads; its registry has %d agents", self._name, len(registry.admitted))
            self._driver.lead(tenure.permits)

    def _recovery_ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if isinstance(error, MesosServiceError):
            self.end(error)
        elif error is not None:
            log.critical("A defect of ours; please report it with these lines", exc_info=error)
            self.end(MesosServiceError("the registry could not be taken over"))


def _rehearsal_ended(task: asyncio.Task[None]) -> None:
    """It may be left out, but not in silence."""
    error = None if task.cancelled() else task.exception()
    if error is not None:
        log.critical("A defect of ours; please report it with these lines", exc_info=error)
