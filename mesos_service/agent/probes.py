"""Makes the tries of checks that the core asks for, one task of the loop each (M-AG-19, M-AG-20).

A command runs in the task's own container, in its sandbox and as its user; what it writes is thrown away. What cannot
be made says nothing about the task, and is told as aborted.
"""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import Callable
from typing import Final

from mesos_service.agent.background import Background
from mesos_service.agent.guests import Guests
from mesos_service.agent.launch_plans import plan_guest
from mesos_service.containers.containerizer import Containerizer
from mesos_service.containers.network_probe import probe_network
from mesos_service.containers.plan import DestroyFailed, LaunchFailed, Streams
from mesos_service.core.agent_messages import AgentMessage, ProbeEnded
from mesos_service.core.effects import StartProbe
from mesos_service.domain.checks import CheckType, ProbeResult
from mesos_service.domain.ids import ContainerId
from mesos_service.wire.convert.infos import command_of

PROBES_MAX: Final = 64
"""Commands of checks that run at once; a machine full of tasks is not to be kept busy by looking after them."""


class Probes:
    """All tries of one agent that are under way."""

    def __init__(
        self,
        containerizer: Containerizer,
        guests: Guests,
        background: Background,
        submit: Callable[[AgentMessage], None],
    ) -> None:
        self._containerizer = containerizer
        self._guests = guests
        self._background = background
        self._submit = submit
        self._running: dict[int, asyncio.Task[None]] = {}
        self._slots = asyncio.Semaphore(PROBES_MAX)
        self._nowhere: int | None = None

    def start(self, effect: StartProbe) -> None:
        """Answered by ``ProbeEnded``, unless it is stopped before."""
        task = self._running[effect.probe] = self._background.start(self._run(effect))
        task.add_done_callback(lambda _: self._running.pop(effect.probe))

    def stop(self, probe: int) -> None:
        """Nothing happens when it is over already."""
        if (task := self._running.get(probe)) is not None:
            task.cancel()

    def stop_all(self) -> None:
        """Nobody is interested any more."""
        for task in self._running.values():
            task.cancel()

    async def _run(self, effect: StartProbe) -> None:
        if effect.check.type is CheckType.COMMAND:
            async with self._slots:
                result = await self._command(effect)
        else:
            result = await probe_network(effect.check)
        self._submit(ProbeEnded(effect.container_id, effect.purpose, effect.probe, result))

    async def _command(self, effect: StartProbe) -> ProbeResult:
        plan = self._containerizer.plan(effect.container_id)
        command = command_of(effect.check.command)
        if plan is None or command is None:
            return ProbeResult(None, "its container has gone", aborted=True)
        guest = ContainerId(str(uuid.uuid4()))
        try:
            ended = await self._guests.launch(
                plan_guest(plan, guest, command, streams=Streams(self._nothing(), self._nothing(), self._nothing()))
            )
            status = await ended
        except (LaunchFailed, DestroyFailed) as failure:
            return ProbeResult(None, str(failure), aborted=True)
        finally:
            await self._guests.destroy(guest)
        if status is None:
            return ProbeResult(None, "how it ended is not known", aborted=True)
        if os.WIFSIGNALED(status):
            return ProbeResult(None, f"terminated by signal {os.WTERMSIG(status)}")
        return ProbeResult(os.waitstatus_to_exitcode(status))

    def _nothing(self) -> int:
        if self._nowhere is None:
            self._nowhere = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        return self._nowhere
