"""Takes containers through their lives: prepare, fetch, fork, isolate, run, destroy (X50, X51).

The containerizer does and does not decide: the agent's core says when to launch, signal and destroy. For every launch
that succeeded, ``on_exit`` is called exactly once; somebody must destroy the container then, which kills what its
first process left behind, cleans up and reaps. A launch that fails has destroyed already what it had begun.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from signal import SIGKILL
from typing import TypeVar

from mesos_service.containers.fetcher import Fetcher, FetchFailed
from mesos_service.containers.launcher import Child, Fence, Launch, Launcher, open_log
from mesos_service.containers.mounts import look
from mesos_service.containers.namespaces import entering
from mesos_service.containers.plan import (
    CONTAINER_ID_VARIABLE,
    REASON_KILLED_DURING_LAUNCH,
    REASON_LAUNCH_FAILED,
    DestroyFailed,
    LaunchFailed,
    LaunchPlan,
    Streams,
)
from mesos_service.containers.users import CannotSwitchUser, NoSuchUser, User, user_to_switch_to
from mesos_service.domain.containers import Wish
from mesos_service.domain.errors import OperatingFault
from mesos_service.domain.ids import ContainerId
from mesos_service.domain.resources import Resources, from_milli
from mesos_service.plugins.isolator import (
    UNLIMITED,
    ContainerConfig,
    ContainerState,
    Host,
    Isolator,
    LaunchInfo,
    Limitation,
    Usage,
)

_MEGABYTE = 1024 * 1024

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")
Question = Callable[[ContainerId], Coroutine[object, object, Limitation | None]]


class Phase(StrEnum):
    """How far a container has come; the words are used in messages."""

    PREPARING = "PREPARING"
    FETCHING = "FETCHING"
    ISOLATING = "ISOLATING"
    RUNNING = "RUNNING"
    DESTROYING = "DESTROYING"


@dataclass(slots=True, eq=False)
class _Container:
    plan: LaunchPlan
    isolators: tuple[Isolator, ...]
    phase: Phase = Phase.PREPARING
    prepared: list[Isolator] = field(default_factory=list)
    """Those whose ``prepare`` was called, in that order."""
    resources: Resources = Resources.EMPTY
    limits: Mapping[str, int] = field(default_factory=dict)
    child: Child | None = None
    command_prefix: Sequence[str] = ()
    """What isolators put before the command."""
    reporting: bool = False
    """Whether an exit is to be reported as it happens: from the moment that ``launch`` gives out the process id."""
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when ``launch`` will do nothing more to the container."""
    fetching: asyncio.Task[None] | None = None
    watching: list[asyncio.Task[None]] = field(default_factory=list)
    post_mortem: asyncio.Task[None] | None = None
    """Asks isolators why the first process ended, and tells that it did."""
    limited: set[Isolator] = field(default_factory=set)
    """Those whose breach was told of: ``watch`` and ``post_mortem`` may both see it."""
    destroying: asyncio.Task[None] | None = None


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
        on_exit: Callable[[ContainerId, int | None], None] = _ignore_exit,
        on_limitation: Callable[[ContainerId, Limitation], None] = _ignore_limitation,
    ) -> None:
        self._isolators = tuple(isolators)
        self._launcher = launcher
        self._fetcher = fetcher or Fetcher()
        self._containers: dict[ContainerId, _Container] = {}
        self._orphans: dict[ContainerId, Child] = {}
        """Left by an agent before this one, and to be destroyed."""
        self.on_exit = on_exit
        """Told the raw wait status of a container's first process; ``None`` when nobody saw how it ended."""
        self.on_limitation = on_limitation
        if host is not None:
            host.bind(self.processes)

    # -- asking ----------------------------------------------------------------------------------------------

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
        fence = _fence(container)
        return self._launcher.processes(container.child) if fence is None else fence()

    async def usage(self, container_id: ContainerId) -> Usage:
        """What all isolators measured, and what was promised; only a timestamp for an unknown container."""
        usage = Usage(timestamp=time.time())
        container = self._containers.get(container_id)
        if container is None:
            return usage
        usage = usage.merged(_promised(container.resources, container.limits))
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
            plan.container_id: _Container(
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
        for isolator in self._isolators:
            states = [
                ContainerState(
                    container_id=container_id, pid=left[container_id].pid, config=self._config(container.plan)
                )
                for container_id, container in found.items()
                if isolator in container.isolators
            ]
            await _recovered(isolator, isolator.recover(states, tuple(self._orphans)))
        for container_id, container in found.items():
            self._adopt(container_id, container, left[container_id])
        return {container_id: left[container_id] for container_id in found}

    def _adopt(self, container_id: ContainerId, container: _Container, child: Child) -> None:
        container.prepared.extend(container.isolators)
        container.settled.set()
        self._containers[container_id] = container
        if not child.exited.done():
            child.exited.add_done_callback(lambda _: self._report_exit(container, child))
        self._watch_all(container)

    async def breach(self, container_id: ContainerId) -> Limitation | None:
        """Why a recovered container has ended, if that was a breach; ``on_limitation`` does not tell it then."""
        container = self._containers.get(container_id)
        for isolator in () if container is None else container.isolators:
            try:
                limitation = await isolator.post_mortem(container_id)
            except OperatingFault as fault:
                log.error("Isolator '%s' cannot say why container %s ended: %s", isolator.name, container_id, fault)
                continue
            if limitation is not None and container is not None:
                container.limited.add(isolator)
                return limitation
        return None

    async def destroy_orphans(self) -> None:
        """End what an agent before this one left and nobody knows. Failures are told in the log."""
        for container_id, child in self._orphans.items():
            log.info("Container %s of an agent before is nobody's any more: destroying it", container_id)
            failures = await _outcome(self._launcher.destroy(child))
            for isolator in reversed(self._isolators):
                cleaned = isolator.cleanup(container_id)
                failures += await _outcome(cleaned, f"Isolator '{isolator.name}' failed to clean up")
            for failure in failures:
                log.error("Container %s of an agent before: %s", container_id, failure)
        self._orphans = {}

    async def leave(self) -> None:
        """Watch over nothing any more, and let everything run on: the agent goes, its containers stay."""
        watching = [task for container in self._containers.values() for task in container.watching]
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)
        self._containers.clear()

    async def close(self) -> None:
        """The agent goes for good, and nothing runs: isolators remove what they made for all."""
        for isolator in reversed(self._isolators):
            for failure in await _outcome(isolator.close(), f"Isolator '{isolator.name}' failed to close"):
                log.error("%s", failure)

    # -- launching -------------------------------------------------------------------------------------------

    async def launch(self, plan: LaunchPlan) -> int:
        """Bring a container up; returns the process id of its first process, which is executing the command.

        Raises :class:`LaunchFailed` when nothing of it is left, :class:`DestroyFailed` when something may be.
        """
        if plan.container_id in self._containers:
            raise LaunchFailed(REASON_LAUNCH_FAILED, f"Container '{plan.container_id}' exists already")
        container = _Container(plan, self._isolators_for(plan), resources=plan.resources, limits=plan.limits)
        self._containers[plan.container_id] = container
        try:
            child = await self._bring_up(container)
        except BaseException:
            container.settled.set()
            await self.destroy(plan.container_id)
            raise
        container.settled.set()
        if child.exited.done():
            # Two turns later, whoever waits for this launch has heard of it, even through a task of its own.
            loop = asyncio.get_running_loop()
            loop.call_soon(loop.call_soon, self._report_exit, container, child)
        else:
            container.reporting = True
        return child.pid

    def _config(self, plan: LaunchPlan) -> ContainerConfig:
        parent = None if plan.parent is None else self._containers.get(plan.parent)
        return ContainerConfig(
            sandbox=str(plan.sandbox),
            resources=plan.resources,
            limits=plan.limits,
            user=plan.user,
            parent=plan.parent,
            wishes=plan.wishes,
            parent_sandbox=None if parent is None else str(parent.plan.sandbox),
        )

    @property
    def provided(self) -> frozenset[Wish]:
        """What containers may ask for."""
        return frozenset(kind for isolator in self._isolators for kind in isolator.provides)

    def _isolators_for(self, plan: LaunchPlan) -> tuple[Isolator, ...]:
        return self._isolators if plan.parent is None else tuple(one for one in self._isolators if one.nesting)

    async def _bring_up(self, container: _Container) -> Child:
        plan = container.plan
        if plan.parent is not None and plan.parent not in self._containers:
            raise LaunchFailed(REASON_LAUNCH_FAILED, f"There is no container '{plan.parent}' to nest in")
        if not plan.sandbox.is_absolute() or not plan.sandbox.is_dir():
            raise LaunchFailed(REASON_LAUNCH_FAILED, f"There is no sandbox directory '{plan.sandbox}'")
        try:
            user = user_to_switch_to(plan.user)
        except (NoSuchUser, CannotSwitchUser) as error:
            raise LaunchFailed(REASON_LAUNCH_FAILED, str(error)) from error
        logs: list[int] = []
        try:
            streams = plan.streams
            if streams is None:
                logs.append(open_log(plan.sandbox, "stdout", user))
                logs.append(open_log(plan.sandbox, "stderr", user))
                streams = Streams(None, logs[0], logs[1])
            infos = await self._prepare(container)
            await self._fetch(container, user, streams.stderr)
            return await self._fork(container, user, infos, streams)
        finally:
            for log in logs:
                os.close(log)

    async def _prepare(self, container: _Container) -> list[LaunchInfo]:
        plan = container.plan
        config = self._config(plan)
        infos: list[LaunchInfo] = []
        for isolator in container.isolators:
            container.prepared.append(isolator)
            info = await _asked(isolator, "prepare", isolator.prepare(plan.container_id, config))
            if info is not None:
                infos.append(info)
            _go_on(container)
        return infos

    async def _fetch(self, container: _Container, user: User | None, log: int) -> None:
        plan = container.plan
        if not plan.uris:
            return
        container.phase = Phase.FETCHING
        container.fetching = asyncio.create_task(self._fetcher.fetch(plan.uris, plan.sandbox, user))
        try:
            await asyncio.wait({container.fetching})
            if container.fetching.cancelled():
                _go_on(container)
            container.fetching.result()
        except FetchFailed as error:
            os.write(log, f"{error}\n".encode(errors="replace"))
            raise LaunchFailed(
                REASON_LAUNCH_FAILED, f"Failed to fetch all URIs for container '{plan.container_id}': {error}"
            ) from error
        finally:
            container.fetching.cancel()
            await asyncio.wait({container.fetching})
            container.fetching = None
        _go_on(container)

    async def _fork(
        self, container: _Container, user: User | None, infos: Sequence[LaunchInfo], streams: Streams
    ) -> Child:
        plan = container.plan
        container.phase = Phase.ISOLATING
        environment = dict(plan.environment)
        for info in infos:
            environment.update(info.environment)
        environment[CONTAINER_ID_VARIABLE] = plan.container_id
        container.command_prefix = [part for info in infos for part in info.command_prefix]
        mounts = [mount for info in infos for mount in info.mounts]
        look(mounts, plan.sandbox)
        entered = await self._entering_parent(plan)
        gating = [isolator for isolator in container.isolators if isolator.isolates_before_exec]
        try:
            child = container.child = await self._launcher.fork(
                Launch(
                    argv=plan.argv,
                    program=plan.program,
                    missing_program_status=plan.missing_program_status,
                    environment=environment,
                    sandbox=plan.sandbox,
                    streams=streams,
                    user=user,
                    command_prefix=[*entered, *container.command_prefix],
                    capabilities=next((info.capabilities for info in infos if info.capabilities is not None), None),
                    mounts=mounts,
                    gated=bool(gating),
                    name=plan.container_id,
                    survives=plan.survives,
                )
            )
        except CannotSwitchUser as error:
            raise LaunchFailed(REASON_LAUNCH_FAILED, str(error)) from error
        child.exited.add_done_callback(lambda _: self._report_exit(container, child) if container.reporting else None)
        for isolator in container.isolators:
            if not isolator.isolates_before_exec:
                await _asked(isolator, "isolate", isolator.isolate(plan.container_id, child.pid))
        if gating:
            await _side_by_side(
                _asked(isolator, "isolate", isolator.isolate(plan.container_id, child.pid)) for isolator in gating
            )
        _go_on(container)
        self._watch_all(container)
        container.phase = Phase.RUNNING
        self._launcher.release(child)
        return child

    async def _entering_parent(self, plan: LaunchPlan) -> Sequence[str]:
        """How to come to where the parent is, if that is elsewhere."""
        parent = self._containers.get(plan.parent) if plan.parent is not None else None
        if parent is None or parent.child is None:
            return ()
        return await entering(parent.child.pid, parent.command_prefix)

    def _watch_all(self, container: _Container) -> None:
        for isolator in container.isolators:
            if type(isolator).watch is not Isolator.watch:
                container.watching.append(asyncio.create_task(self._watch(container, isolator, isolator.watch)))

    def _report_exit(self, container: _Container, child: Child) -> None:
        status = child.exited.result()
        coroners = [one for one in container.isolators if type(one).post_mortem is not Isolator.post_mortem]
        if not coroners:
            self.on_exit(container.plan.container_id, status)
        else:
            container.post_mortem = asyncio.create_task(self._examine(container, coroners, status))

    async def _examine(self, container: _Container, coroners: Sequence[Isolator], status: int | None) -> None:
        """An end that a breach brought about is told as one: the breach first, then the exit."""
        for isolator in coroners:
            await self._watch(container, isolator, isolator.post_mortem)
        self.on_exit(container.plan.container_id, status)

    async def _watch(self, container: _Container, isolator: Isolator, ask: Question) -> None:
        limitation: Limitation | None
        try:
            limitation = await ask(container.plan.container_id)
        except Exception as error:  # noqa: BLE001 - what is not watched any more must not go on running (Mesos)
            limitation = Limitation(
                resources=Resources.EMPTY,
                message=f"Isolator '{isolator.name}' failed to watch: {error or repr(error)}",
                reason="REASON_CONTAINER_LIMITATION",
            )
        if limitation is not None and container.destroying is None and isolator not in container.limited:
            container.limited.add(isolator)
            self.on_limitation(container.plan.container_id, limitation)

    # -- changing --------------------------------------------------------------------------------------------

    async def update(self, container_id: ContainerId, resources: Resources, limits: Mapping[str, int]) -> None:
        """New totals; does nothing for an unknown container. Raises what an isolator raises."""
        container = self._containers.get(container_id)
        if container is None or container.destroying is not None:
            return
        container.resources, container.limits = resources, limits
        for isolator in container.isolators:
            await isolator.update(container_id, resources, limits)

    def signal(self, container_id: ContainerId, signum: int) -> None:
        """Send to every process of the container; does nothing where there is none (X56)."""
        container = self._containers.get(container_id)
        if container is not None and container.child is not None:
            self._launcher.signal(container.child, signum)

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

    async def _tear_down(self, container: _Container) -> None:
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
            failures += await _outcome(self._launcher.destroy(container.child, _fence(container)))
        for task in container.watching:
            task.cancel()
        await asyncio.gather(*container.watching, return_exceptions=True)
        if container.post_mortem is not None:
            await container.post_mortem
        for isolator in reversed(container.prepared):
            failures += await _outcome(isolator.cleanup(container_id), f"Isolator '{isolator.name}' failed to clean up")
        del self._containers[container_id]
        if failures:
            raise DestroyFailed(f"Failed to destroy container '{container_id}': {'; '.join(failures)}")


def _fence(container: _Container) -> Fence | None:
    container_id = container.plan.container_id
    for isolator in container.prepared:
        if isolator.fence(container_id) is not None:
            return lambda: isolator.fence(container_id) or ()
    return None


async def _recovered(isolator: Isolator, work: Coroutine[object, object, None]) -> None:
    try:
        await work
    except Exception as error:
        raise OperatingFault(f"Isolator '{isolator.name}' failed to recover: {error or repr(error)}") from error


async def _asked(isolator: Isolator, verb: str, answer: Coroutine[object, object, Answer]) -> Answer:
    """Whatever goes wrong inside an isolator fails the launch by the isolator's name."""
    try:
        return await answer
    except Exception as error:
        raise LaunchFailed(
            REASON_LAUNCH_FAILED, f"Isolator '{isolator.name}' failed to {verb}: {error or repr(error)}"
        ) from error


async def _side_by_side(work: Iterable[Coroutine[object, object, None]]) -> None:
    """Do all at once and wait for all; raises the first failure only then, so that nothing goes on behind our back."""
    for outcome in await asyncio.gather(*work, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome


async def _outcome(work: Coroutine[object, object, None], words: str = "") -> list[str]:
    """Do it, and give back the failure as text, so that what comes after is still done."""
    [failure] = await asyncio.gather(work, return_exceptions=True)
    if failure is None:
        return []
    return [f"{words}: {failure}" if words else str(failure)]


def _go_on(container: _Container) -> None:
    if container.destroying is not None:
        raise LaunchFailed(
            REASON_KILLED_DURING_LAUNCH,
            f"Container '{container.plan.container_id}' was destroyed during launch, while {container.phase}",
        )


def _promised(resources: Resources, limits: Mapping[str, int]) -> Usage:
    """Limits as statistics: the request is the soft one, and the hard one of memory where none was given."""
    names = resources.quantities()
    cpus, memory = names.get("cpus"), names.get("mem")
    bounds = {name: limit for name, limit in limits.items() if limit != UNLIMITED}
    memory_limit = bounds.get("mem", None if "mem" in limits else memory)
    cpus_limit = bounds.get("cpus")
    return Usage(
        cpus_soft_limit=None if cpus is None else from_milli(cpus),
        cpus_limit=None if cpus_limit is None else from_milli(cpus_limit),
        mem_soft_limit_bytes=None if memory is None else memory * _MEGABYTE // 1000,
        mem_limit_bytes=None if memory_limit is None else memory_limit * _MEGABYTE // 1000,
    )
