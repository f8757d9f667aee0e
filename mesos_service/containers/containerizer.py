"""Takes containers through their lives: prepare, fetch, fork, isolate, run, destroy (X50, X51).

The containerizer does and does not decide: the agent's core says when to launch, signal and destroy. For every launch
that succeeded, ``on_exit`` is called exactly once; somebody must destroy the container then, which kills what its
first process left behind, cleans up and reaps. A launch that fails has destroyed already what it had begun.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from signal import SIGKILL
from typing import Final

from mesos_service.containers.bring_up import BringUp
from mesos_service.containers.container import Container, Phase, config_of, outcome
from mesos_service.containers.fetcher import Fetcher
from mesos_service.containers.launcher import Child, Launcher
from mesos_service.containers.overseer import Overseer
from mesos_service.containers.plan import (
    REASON_LAUNCH_FAILED,
    DestroyFailed,
    LaunchFailed,
    LaunchPlan,
)
from mesos_service.containers.provisioner import Provisioner
from mesos_service.containers.shared_groups import SharedGroups, seen_by
from mesos_service.domain.containers import Wish
from mesos_service.domain.errors import OperatingFault
from mesos_service.domain.ids import ContainerId
from mesos_service.domain.resources import Resources
from mesos_service.plugins.isolator import (
    ContainerState,
    Host,
    Isolator,
    Limitation,
    Usage,
)

_ENDINGS_SECONDS_MAX: Final = 5.0

log = logging.getLogger(__name__)


class Members(Host):
    """Tells isolators who belongs to a container. Made before the isolators, and bound to the containerizer later."""

    def __init__(self) -> None:
        self._find: Callable[[ContainerId], Sequence[int]] = lambda container_id: ()

    def bind(self, find: Callable[[ContainerId], Sequence[int]]) -> None:
        """From now on, ask ``find``."""
        self._find = find

    def processes(self, container_id: ContainerId) -> Sequence[int]:
        """The process ids of the container."""
        return self._find(container_id)


def _ignore_exit(container_id: ContainerId, status: int | None) -> None:
    """Nobody listens."""


def _ignore_limitation(container_id: ContainerId, limitation: Limitation) -> None:
    """Nobody listens."""


class Containerizer:
    """All containers of one agent. Every method belongs in the thread of the event loop.

    ``isolators`` are asked in the order given, and cleaned up in reverse. ``host`` is what they were made with.
    """

    def __init__(
        self,
        isolators: Sequence[Isolator],
        launcher: Launcher,
        *,
        host: Members | None = None,
        fetcher: Fetcher | None = None,
        provisioner: Provisioner | None = None,
        on_exit: Callable[[ContainerId, int | None], None] = _ignore_exit,
        on_limitation: Callable[[ContainerId, Limitation], None] = _ignore_limitation,
    ) -> None:
        self._isolators = tuple(isolators)
        self._launcher = launcher
        self._containers: dict[ContainerId, Container] = {}
        self._orphans: dict[ContainerId, Child] = {}
        """Left by an agent before this one, and to be destroyed."""
        self._destroy_errors = self._root_errors = 0
        self.on_exit = on_exit
        """Told the raw wait status of a container's first process; ``None`` when nobody saw how it ended."""
        self.on_limitation = on_limitation
        self._overseer = Overseer(
            lambda container_id, status: self.on_exit(container_id, status),
            lambda container_id, limitation: self.on_limitation(container_id, limitation),
        )
        self._provisioner = provisioner
        self.shared = SharedGroups(self._isolators)
        self._bring_up = BringUp(
            launcher, fetcher or Fetcher(), self._overseer, self._containers, self.shared, provisioner
        )
        if host is not None:
            host.bind(self.processes)

    # -- asking ----------------------------------------------------------------------------------------------

    def metrics(self) -> Mapping[str, float]:
        """By Mesos' names."""
        return {
            "containerizer/mesos/container_destroy_errors": float(self._destroy_errors),
            "containerizer/mesos/provisioner/remove_container_errors": float(self._root_errors),
        }

    def containers(self) -> Collection[ContainerId]:
        """Those that were begun and are not destroyed yet."""
        return tuple(self._containers)

    def phase(self, container_id: ContainerId) -> Phase | None:
        """How far it has come; ``None`` when it is unknown."""
        container = self._containers.get(container_id)
        return container.phase if container else None

    def nested_in(self, container_id: ContainerId) -> Sequence[ContainerId]:
        """Those that were launched into it, and are there."""
        return [other for other, its in self._containers.items() if its.plan.parent == container_id]

    def plan(self, container_id: ContainerId) -> LaunchPlan | None:
        """What it was launched by; ``None`` when it is unknown."""
        container = self._containers.get(container_id)
        return container.plan if container else None

    def processes(self, container_id: ContainerId) -> Sequence[int]:
        """Process ids of a container, at most a second old; empty when there is none."""
        container = self._containers.get(container_id)
        if container is None or container.child is None:
            return ()
        fence = container.fence()
        return self._launcher.processes(container.child) if fence is None else fence()

    async def usage(self, container_id: ContainerId) -> Usage:
        """What all isolators measured, and what was promised; only a timestamp for an unknown container."""
        usage = Usage(timestamp=time.time())
        container = self._containers.get(container_id)
        if container is None:
            return usage
        usage = usage.merged(container.promised())
        for isolator in container.isolators:
            usage = usage.merged(await isolator.usage(container_id))
        return usage

    async def status(self, container_id: ContainerId) -> dict[str, object]:
        """What all isolators say of it, and the process id of the first process as ``executor_pid``."""
        container = self._containers.get(container_id)
        status: dict[str, object] = {}
        if container is None:
            return status
        if container.child is not None:
            status["executor_pid"] = container.child.pid
        for isolator in container.isolators:
            status.update(await isolator.status(container_id))
        return status

    # -- after a restart -------------------------------------------------------------------------------------

    async def recover(self, plans: Sequence[LaunchPlan]) -> Mapping[ContainerId, Child]:
        """Take over what an agent before this one left: ``plans`` are of those that go on, as they were launched.

        Gives those of them that were found, alive or dead; ``on_exit`` is called for a living one when it ends, and
        each must be destroyed some time. Whatever else was found is an orphan (see :meth:`destroy_orphans`).

        Raises:
            OperatingFault: an isolator could not recover, or the keeper's place cannot be used.
        """
        left = {ContainerId(name): child for name, child in (await self._launcher.recover()).items()}
        found = {
            plan.container_id: Container(
                plan,
                self._isolators_for(plan),
                phase=Phase.RUNNING,
                resources=plan.resources,
                limits=plan.limits,
                child=left[plan.container_id],
            )
            for plan in plans
            # What was never let through its gate has run nothing yet, and is launched no more.
            if plan.container_id in left and left[plan.container_id].kept.released
        }
        self._orphans = {container_id: child for container_id, child in left.items() if container_id not in found}
        if self._provisioner is not None:
            self._provisioner.recover(set(left))
        self.shared.recover(found)
        pids = {container_id: child.pid for container_id, child in left.items()}
        for isolator in self._isolators:
            states = [
                ContainerState(
                    container_id=container_id,
                    pid=left[container_id].pid,
                    config=seen_by(isolator, container, config_of(container.plan, self._containers)),
                )
                for container_id, container in found.items()
                if isolator in container.isolators
            ]
            states = [*self.shared.states(isolator, pids), *states]
            await _recovered(isolator, isolator.recover(states, tuple(self._orphans)))
        for container_id, container in found.items():
            self._adopt(container_id, container, left[container_id])
        return {container_id: left[container_id] for container_id in found}

    def _adopt(self, container_id: ContainerId, container: Container, child: Child) -> None:
        container.prepared.extend(container.isolators)
        container.settled.set()
        self._containers[container_id] = container
        if not child.exited.done():
            child.exited.add_done_callback(lambda _: self._overseer.report_exit(container, child))
        self._overseer.watch(container)

    async def breach(self, container_id: ContainerId) -> Limitation | None:
        """Why a recovered container has ended, if that was a breach; ``on_limitation`` does not tell it then."""
        container = self._containers.get(container_id)
        return None if container is None else await self._overseer.breach(container)

    async def destroy_orphans(self) -> None:
        """End what an agent before this one left and nobody knows. Failures are told in the log."""
        for container_id, child in tuple(self._orphans.items()):
            log.info("Container %s of an agent before is nobody's any more: destroying it", container_id)
            failures = await outcome(self._launcher.destroy(child))
            for isolator in reversed(self._isolators):
                cleaned = isolator.cleanup(container_id)
                failures += await outcome(cleaned, f"Isolator '{isolator.name}' failed to clean up")
            resisted = await self._remove_root(container_id)
            self._root_errors += bool(resisted)
            failures += resisted
            for failure in failures:
                log.error("Container %s of an agent before: %s", container_id, failure)
            del self._orphans[container_id]

    async def _remove_root(self, container_id: ContainerId) -> list[str]:
        if self._provisioner is None:
            return []
        return await outcome(self._provisioner.destroy(container_id), "Its root file system is left")

    async def leave(self) -> None:
        """Watch over nothing any more, and let everything run on: the agent goes, its containers stay.

        Those that are being ended go with it, as far as that takes no longer than ``_ENDINGS_SECONDS_MAX``: the keeper
        would stay for what is left of them.
        """
        ending = [one.destroying for one in self._containers.values() if one.destroying is not None]
        for ended in (await asyncio.wait(ending, timeout=_ENDINGS_SECONDS_MAX))[0] if ending else ():
            if not ended.cancelled() and (failure := ended.exception()) is not None:
                log.error("%s", failure)  # Whoever asked for its end has gone.
        watching = [task for container in self._containers.values() for task in container.watching]
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)
        for container in self._containers.values():
            if container.begun is not None:
                container.begun.close()
        self._containers.clear()
        if self._provisioner is not None:
            await self._provisioner.close()

    async def close(self) -> None:
        """The agent goes for good, and nothing runs: isolators remove what they made for all."""
        for isolator in reversed(self._isolators):
            for failure in await outcome(isolator.close(), f"Isolator '{isolator.name}' failed to close"):
                log.error("%s", failure)
        if self._provisioner is not None:
            await self._provisioner.close()

    # -- launching -------------------------------------------------------------------------------------------

    async def launch(self, plan: LaunchPlan) -> int:
        """Bring a container up; returns the process id of its first process, which is executing the command.

        Raises :class:`LaunchFailed` when nothing of it is left, :class:`DestroyFailed` when something may be.
        """
        # Operators say what is nested or stands alone is called, and isolators tell groups by these names alone.
        names = {plan.container_id} if plan.shared is None else {plan.container_id, plan.shared.container_id}
        if plan.container_id in self.shared or not names.isdisjoint(self._containers):
            raise LaunchFailed(REASON_LAUNCH_FAILED, f"Container '{', '.join(sorted(names))}' exists already")
        if not names.isdisjoint(self._orphans):
            # What is made for it now would be cleaned up with the other.
            raise LaunchFailed(
                REASON_LAUNCH_FAILED, f"Container '{plan.container_id}' of an agent before is still being ended"
            )
        container = Container(plan, self._isolators_for(plan), resources=plan.resources, limits=plan.limits)
        self._containers[plan.container_id] = container
        try:
            child = await self._bring_up.bring_up(container)
        except BaseException:
            container.settled.set()
            await self.destroy(plan.container_id)
            raise
        container.settled.set()
        if child.exited.done():
            # Two turns later, whoever waits for this launch has heard of it, even through a task of its own.
            loop = asyncio.get_running_loop()
            loop.call_soon(loop.call_soon, self._overseer.report_exit, container, child)
        else:
            container.reporting = True
        return child.pid

    @property
    def provided(self) -> frozenset[Wish]:
        """What containers may ask for."""
        provided = frozenset(kind for isolator in self._isolators for kind in isolator.provides)
        return provided if self._provisioner is None else provided | {Wish.IMAGE}

    @property
    def makes_groups(self) -> bool:
        """Whether containers have control groups."""
        return any(one.shareable for one in self._isolators)

    def _isolators_for(self, plan: LaunchPlan) -> tuple[Isolator, ...]:
        return self._isolators if plan.parent is None else tuple(one for one in self._isolators if one.nesting)

    # -- changing --------------------------------------------------------------------------------------------

    async def update(self, container_id: ContainerId, resources: Resources, limits: Mapping[str, int]) -> None:
        """New totals; does nothing for an unknown container. Raises what an isolator raises."""
        container = self._containers.get(container_id)
        if container is None or container.destroying is not None:
            return
        container.resources, container.limits = resources, limits
        for isolator in container.isolators:
            await isolator.update(container_id, resources, limits)

    def signal(self, container_id: ContainerId, signum: int) -> bool:
        """Send to every process of the container; ``False`` where there is none, not yet for instance (X56)."""
        container = self._containers.get(container_id)
        if container is None or container.child is None:
            return False
        self._launcher.signal(container.child, signum)
        return True

    async def destroy(self, container_id: ContainerId) -> None:
        """Kill everything, wait until no process is left, clean up. In any phase, any number of times (X51).

        A launch under way fails with ``REASON_TASK_KILLED_DURING_LAUNCH``. Containers nested in this one go first.
        Raises :class:`DestroyFailed` when a process or an isolator's cleanup resisted; the container is gone from
        the books even then.
        """
        container = self._containers.get(container_id)
        if container is None:
            return
        if container.destroying is None:
            container.destroying = asyncio.create_task(self._tear_down(container))
        await asyncio.shield(container.destroying)

    async def _tear_down(self, container: Container) -> None:
        container_id = container.plan.container_id
        failures: list[str] = []
        outcomes = await asyncio.gather(*map(self.destroy, self.nested_in(container_id)), return_exceptions=True)
        failures += [str(outcome) for outcome in outcomes if isinstance(outcome, BaseException)]
        if container.fetching is not None:
            container.fetching.cancel()
        if container.child is not None and not container.settled.is_set():
            self._launcher.signal(container.child, SIGKILL)
        await container.settled.wait()
        container.phase = Phase.DESTROYING
        if container.child is not None:
            failures += await outcome(self._launcher.destroy(container.child, container.fence()))
        if container.begun is not None:
            container.begun.close()
        for task in container.watching:
            task.cancel()
        await asyncio.gather(*container.watching, return_exceptions=True)
        if container.post_mortem is not None:
            await container.post_mortem
        for isolator in reversed(container.prepared):
            failures += await outcome(isolator.cleanup(container_id), f"Isolator '{isolator.name}' failed to clean up")
        failures += await self.shared.leave(container)
        if container.plan.wishes.image is not None:
            resisted = await self._remove_root(container_id)
            self._root_errors += bool(resisted)
            failures += resisted
        self._containers.pop(container_id, None)  # The agent may have gone meanwhile.
        if failures:
            self._destroy_errors += 1
            raise DestroyFailed(f"Failed to destroy container '{container_id}': {'; '.join(failures)}")


async def _recovered(isolator: Isolator, work: Coroutine[object, object, None]) -> None:
    try:
        await work
    except Exception as error:
        raise OperatingFault(f"Isolator '{isolator.name}' failed to recover: {error or repr(error)}") from error
