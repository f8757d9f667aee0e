"""Performs the core's container effects with the containerizer, and tells the core what came of them.

Each effect is one task of the loop, so the driver never waits, and nothing is told before the step that asked for it
is over. A container that is destroyed while it is being launched is told of once, as destroyed (X51).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

from mesos_service.agent.background import Background
from mesos_service.agent.guests import Guests
from mesos_service.agent.launch_plans import LaunchSettings, command_to_run, plan_launch, user_of, window_of
from mesos_service.agent.nested import NestedContainers
from mesos_service.agent.probes import Probes
from mesos_service.agent.sandboxes import Sandboxes
from mesos_service.agent.standalone import StandaloneContainers
from mesos_service.agent.terminals import Size
from mesos_service.containers.containerizer import Containerizer
from mesos_service.containers.launcher import Child
from mesos_service.containers.plan import REASON_LAUNCH_FAILED, DestroyFailed, LaunchFailed, LaunchPlan
from mesos_service.containers.volumes import Volumes
from mesos_service.core.agent.state import AgentState
from mesos_service.core.agent_messages import (
    AgentMessage,
    ContainerDestroyed,
    ContainerExited,
    ContainerLaunched,
    ContainerLaunchFailed,
    ContainerLimited,
    ContainerLost,
    ContainersRecovered,
    FoundContainer,
)
from mesos_service.core.effects import LaunchContainer, RecoverContainers, StartProbe
from mesos_service.domain.containers import Source, Wish
from mesos_service.domain.ids import AgentId, ContainerId
from mesos_service.plugins.isolator import Limitation

LAUNCHES_MAX: Final = 16
"""Launches under way at once. More would only make each of them slower."""
MACHINE_RESTARTED: Final = "The machine was restarted"
UNSEEN: Final = "How it ended is not known: the keeper of its container had died"
FETCHES_MAX: Final = 32
"""The same for launches that fetch files first, which may take minutes and must not hold the others up."""

log = logging.getLogger(__name__)


class AgentContainers:
    """The containers of one agent, as its driver wants them (``agent.driver.Containers``)."""

    def __init__(
        self,
        state: AgentState,
        containerizer: Containerizer,
        sandboxes: Sandboxes,
        settings: LaunchSettings,
        background: Background,
        submit: Callable[[AgentMessage], None],
        machine_restarted: bool,
        volumes: Volumes,
        standalone_directory: Path,
    ) -> None:
        self._state = state
        self._containerizer = containerizer
        self._sandboxes = sandboxes
        self._settings = settings
        self._background = background
        self._submit = submit
        self._machine_restarted = machine_restarted
        self._volumes = volumes
        self.recovered: asyncio.Task[None] | None = None
        """Done when ``ContainersRecovered`` has been told; raises ``OperatingFault`` when it cannot be."""
        self._launching: dict[ContainerId, asyncio.Task[None]] = {}
        self._doomed: set[ContainerId] = set()
        """To be destroyed, and not told yet that they are."""
        self._quick = asyncio.Semaphore(LAUNCHES_MAX)
        self._fetching = asyncio.Semaphore(FETCHES_MAX)
        self.guests = Guests(containerizer)
        self.nested = NestedContainers(containerizer, self.guests, background)
        self.standalone = StandaloneContainers(
            containerizer, self.guests, background, sandboxes, settings, standalone_directory
        )
        self._probes = Probes(containerizer, self.guests, background, submit)
        containerizer.on_exit = self._exited
        containerizer.on_limitation = self._limited

    # -- agent.driver.Containers -----------------------------------------------------------------------------
    def recover(self, effect: RecoverContainers) -> None:
        """Answered by ``ContainersRecovered``. Whoever awaits ``recovered`` learns if that is not to be had."""
        self.recovered = asyncio.get_running_loop().create_task(self._recover(effect))

    def launch(self, effect: LaunchContainer) -> None:
        """Answered by ``ContainerLaunched`` or ``ContainerLaunchFailed``, unless it is destroyed before."""
        container_id = effect.container_id
        task = self._launching[container_id] = self._background.start(self._launch(effect))
        # Here rather than in the task itself, which does not even begin when it is cancelled at once.
        task.add_done_callback(lambda _: self._launching.pop(container_id))

    def signal(self, container_id: ContainerId, signal: int) -> None:
        """To the whole tree (X56); nothing happens where there is none."""
        self._containerizer.signal(container_id, signal)

    def destroy(self, container_id: ContainerId) -> None:
        """Answered by ``ContainerDestroyed``, also when there is no such container."""
        if container_id not in self._doomed:
            self._doomed.add(container_id)
            self._background.start(self._destroy(container_id))

    def attach_volumes(self, launched: LaunchContainer) -> None:
        """As soon as the container's sandbox is there."""
        self._background.start(self._attach_late(launched))

    def start_probe(self, effect: StartProbe) -> None:
        """Answered by ``ProbeEnded``, unless it is stopped before."""
        self._probes.start(effect)

    def stop_probe(self, probe: int) -> None:
        """Nothing of it is left behind, and nothing answers."""
        self._probes.stop(probe)

    async def _recover(self, effect: RecoverContainers) -> None:
        plans = []
        for launched in effect.launched:
            assert self._state.agent_id is not None, "only an agent with an id launches"
            own, run = self._sandboxes.take_over(launched, self._state.agent_id)
            try:
                plans.append(self._plan(launched, self._state.agent_id, own, run))
            except LaunchFailed as failure:
                # It was launched once; what this agent would not launch any more ends as an orphan.
                log.warning("Container %s cannot go on here: %s", launched.container_id, failure)
        children = await self._containerizer.recover([*plans, *self.standalone.recover()])
        self.standalone.recovered(children)
        if self._machine_restarted:
            found = [
                FoundContainer(container_id=one.container_id, pid=None, alive=False, lost=MACHINE_RESTARTED)
                for one in effect.launched
            ]
        else:
            known = self.standalone.others(children)
            found = [await self._found(container_id, children[container_id]) for container_id in known]
        self._submit(ContainersRecovered(tuple(found)))
        self._background.start(self._containerizer.destroy_orphans())

    async def _found(self, container_id: ContainerId, child: Child) -> FoundContainer:
        ended = child.exited.done()
        breach = await self._containerizer.breach(container_id) if ended else None
        return FoundContainer(
            container_id=container_id,
            pid=child.pid,
            alive=not ended,
            status=child.exited.result() if ended else None,
            lost=UNSEEN,
            limited=None if breach is None else ContainerLimited(container_id, breach.reason, breach.message),
        )

    async def leave(self) -> None:
        """Take no more part in what runs; launches under way are given up."""
        await self._background.cancel()
        await self._containerizer.leave()

    # -- the agent's own end ---------------------------------------------------------------------------------
    async def destroy_all(self) -> None:
        """Leave no process behind, whatever the core knows of it."""
        self._probes.stop_all()
        for container_id in {*self._launching, *self._containerizer.containers()}:
            self.destroy(container_id)
        await self._background.finish()
        await self._containerizer.close()

    # -- tasks -----------------------------------------------------------------------------------------------
    async def _launch(self, effect: LaunchContainer) -> None:
        container_id = effect.container_id
        command = command_to_run(effect)
        slots = self._fetching if command is not None and command.uris else self._quick
        async with slots:
            try:
                agent_id = self._state.agent_id
                assert agent_id is not None, "only a registered agent is given tasks"
                user = user_of(effect, self._settings)
                own, run = self._sandboxes.make(effect, agent_id, user)
                self._attach_volumes(effect, own, run, user)
                pid = await self._bring_up(self._plan(effect, agent_id, own, run), window_of(effect))
            except LaunchFailed as failure:
                failed = ContainerLaunchFailed(container_id, failure.reason, failure.message)
            except DestroyFailed as failure:
                log.error("Container %s could not be launched and perhaps not be ended: %s", container_id, failure)
                failed = ContainerLaunchFailed(container_id, REASON_LAUNCH_FAILED, str(failure))
            else:
                self._submit(ContainerLaunched(container_id, pid))
                return
        self.nested.gone(container_id)
        if container_id not in self._doomed:
            self._sandboxes.ended(container_id)
            self._submit(failed)

    async def _attach_late(self, launched: LaunchContainer) -> None:
        container_id, executor = launched.container_id, launched.executor
        launching = self._launching.get(container_id)
        if launching is not None:
            await asyncio.wait((launching,))
        agent_id = self._state.agent_id
        assert agent_id is not None and executor.framework_id is not None, "it was launched"
        run = self._sandboxes.run_path(agent_id, executor.framework_id, executor.executor_id, container_id)
        try:
            self._volumes.attach(launched.resources, run, user_of(launched, self._settings))
        except LaunchFailed as failure:
            log.error("Executor %s has to do without: %s", executor.executor_id, failure)

    def _attach_volumes(self, effect: LaunchContainer, own: Path, run: Path, user: str | None) -> None:
        """A task's volumes appear in its own sandbox, those of the executor in the executor's."""
        resources = effect.resources if effect.task is None else effect.task.resources
        if self._mounts_volumes(effect):
            self._volumes.make_ready(resources, user)
        else:
            self._volumes.attach(resources, own, user)
        if effect.task is not None:
            self._volumes.attach(effect.executor.resources, run, user)

    def _mounts_volumes(self, effect: LaunchContainer) -> bool:
        """Custom executors are given volumes while they run, and nothing is mounted into what runs: they have links."""
        return effect.task is not None and Wish.VOLUMES in self._settings.provided

    def _plan(self, effect: LaunchContainer, agent_id: AgentId, own: Path, run: Path) -> LaunchPlan:
        """With the container's persistent volumes among what it sees, where it has mounts of its own.

        A task of a group sees a volume of its executor's by naming the sandbox of its parent, as in Mesos; what is
        there is a link, through which nothing is mounted, so that it is the volume itself that is.
        """
        plan = plan_launch(effect, agent_id, self._settings, own, run)
        if effect.task is None or not self._mounts_volumes(effect):
            return plan
        of_parent = {_steps(one.container_path): one for one in self._volumes.mounts(effect.executor.resources)}
        asked = []
        for one in plan.wishes.volumes:
            held = of_parent.get(_steps(one.path)) if one.source is Source.PARENT else None
            if held is not None:
                one = replace(held, container_path=one.container_path, read_only=one.read_only or held.read_only)
            asked.append(one)
        seen = self._volumes.mounts(effect.task.resources)
        return replace(plan, wishes=replace(plan.wishes, volumes=(*seen, *asked)))

    async def _bring_up(self, plan: LaunchPlan, window: Size | None) -> int:
        if window is None:
            return await self._containerizer.launch(plan)
        terminal = self.nested.open_for_task(plan.container_id, plan.user, window, plan.sandbox)
        try:
            # The agent holds the other end of the terminal, and takes it along.
            return await self._containerizer.launch(replace(plan, streams=terminal.streams, survives=False))
        finally:
            terminal.given_away()

    async def _destroy(self, container_id: ContainerId) -> None:
        launching = self._launching.get(container_id)
        if launching is not None and self._containerizer.phase(container_id) is None:
            # It still waits for its turn. From here on to its launch there is no other place where it could be.
            launching.cancel()
        try:
            await self._containerizer.destroy(container_id)
        except DestroyFailed as failure:
            log.error("%s", failure)
        if launching is not None:
            await asyncio.wait((launching,))
        self._doomed.discard(container_id)
        self.nested.gone(container_id)
        self._sandboxes.ended(container_id)
        self._submit(ContainerDestroyed(container_id))

    # -- the containerizer's word ----------------------------------------------------------------------------
    def _exited(self, container_id: ContainerId, status: int | None) -> None:
        if self.guests.exited(container_id, status):
            return
        self.nested.exited(container_id, status)
        if status is None:
            self._submit(ContainerLost(container_id, UNSEEN))
        else:
            self._submit(ContainerExited(container_id, status))

    def _limited(self, container_id: ContainerId, limitation: Limitation) -> None:
        if not self.guests.limited(container_id, limitation):
            self._submit(ContainerLimited(container_id, limitation.reason, limitation.message))


def _steps(path: str) -> tuple[str, ...]:
    return tuple(part for part in path.split("/") if part not in ("", "."))
