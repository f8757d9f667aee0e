"""One launch: sandbox looked at, isolators asked, URIs fetched, process started, isolated and let go (X50)."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from typing import Final

from mesos_service.containers.container import Container, Phase, asked, config_of
from mesos_service.containers.fetcher import Fetcher, FetchFailed
from mesos_service.containers.first_process import Launch
from mesos_service.containers.images import NoImage
from mesos_service.containers.launcher import Child, Launcher
from mesos_service.containers.log_files import open_logs
from mesos_service.containers.mounts import Becoming, Inside, look
from mesos_service.containers.namespaces import Begun, Namespaces, namespaces_of
from mesos_service.containers.overseer import Overseer
from mesos_service.containers.plan import (
    CONTAINER_ID_VARIABLE,
    REASON_LAUNCH_FAILED,
    LaunchFailed,
    Streams,
)
from mesos_service.containers.provisioner import Provisioner
from mesos_service.containers.shared_groups import SharedGroups, seen_by
from mesos_service.containers.users import CannotSwitchUser, NoSuchUser, User, user_to_switch_to
from mesos_service.domain.containers import Mount
from mesos_service.domain.errors import OperatingFault
from mesos_service.domain.ids import ContainerId
from mesos_service.plugins.isolator import Isolator, LaunchInfo

_BEGUN_SECONDS_MAX: Final = 30.0
"""What isolators put before a command takes hundredths of a second; a machine may be busy."""


class BringUp:
    """Brings containers up, among those of ``containers``, which it only reads."""

    def __init__(
        self,
        launcher: Launcher,
        fetcher: Fetcher,
        overseer: Overseer,
        containers: Mapping[ContainerId, Container],
        shared: SharedGroups,
        provisioner: Provisioner | None = None,
    ) -> None:
        self._shared = shared
        self._launcher = launcher
        self._fetcher = fetcher
        self._provisioner = provisioner
        self._overseer = overseer
        self._containers = containers

    async def bring_up(self, container: Container) -> Child:
        """Do all of it; its first process executes the command then. Raises :class:`LaunchFailed`."""
        plan = container.plan
        if plan.parent is not None:
            self._look_at_parent(plan.parent)
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
                logs += open_logs(plan.sandbox, ("stdout", "stderr"), user)
                streams = Streams(None, logs[0], logs[1])
            await self._provision(container)
            infos = await self._prepare(container)
            await self._fetch(container, user, streams.stderr)
            return await self._fork(container, user, infos, streams)
        finally:
            for log in logs:
                os.close(log)

    def _look_at_parent(self, parent: ContainerId) -> None:
        """Whether it has a process to be beside, and is not about to go: who came now would outlive it."""
        around = self._containers.get(parent)
        if around is None:
            raise LaunchFailed(REASON_LAUNCH_FAILED, f"There is no container '{parent}' to nest in")
        if around.destroying is not None:
            raise LaunchFailed(REASON_LAUNCH_FAILED, f"Container '{parent}' to nest in is being destroyed")
        if around.child is None:
            raise LaunchFailed(REASON_LAUNCH_FAILED, f"Container '{parent}' to nest in has not begun: {around.phase}")

    async def _provision(self, container: Container) -> None:
        image = container.plan.wishes.image
        if image is None:
            return
        provisioner = self._provisioner
        assert provisioner is not None, "who wishes for an image where there are none is refused"
        container.phase = Phase.PROVISIONING

        async def provision() -> None:
            container.root = await provisioner.provision(container.plan.container_id, image)

        try:
            await _unless_destroyed(container, provision())
        except NoImage as error:
            raise LaunchFailed(REASON_LAUNCH_FAILED, str(error)) from error
        container.phase = Phase.PREPARING

    async def _prepare(self, container: Container) -> list[tuple[Isolator, LaunchInfo]]:
        plan = container.plan
        config = config_of(plan, self._containers, container.root)
        infos: list[tuple[Isolator, LaunchInfo]] = []
        await self._shared.join(container)
        for isolator in container.isolators:
            container.prepared.append(isolator)
            info = await asked(
                isolator, "prepare", isolator.prepare(plan.container_id, seen_by(isolator, container, config))
            )
            if info is not None:
                infos.append((isolator, info))
            container.go_on()
        return infos

    async def _fetch(self, container: Container, user: User | None, log: int) -> None:
        plan = container.plan
        if not plan.uris:
            return
        container.phase = Phase.FETCHING
        try:
            await _unless_destroyed(container, self._fetcher.fetch(plan.uris, plan.sandbox, user))
        except FetchFailed as error:
            os.write(log, f"{error}\n".encode(errors="replace"))
            raise LaunchFailed(
                REASON_LAUNCH_FAILED, f"Failed to fetch all URIs for container '{plan.container_id}': {error}"
            ) from error

    async def _fork(
        self, container: Container, user: User | None, infos: Sequence[tuple[Isolator, LaunchInfo]], streams: Streams
    ) -> Child:
        plan = container.plan
        container.phase = Phase.ISOLATING
        prefix = [part for _, info in infos for part in info.command_prefix]
        mounts = [mount for _, info in infos for mount in info.mounts]
        if mounts:
            look(mounts, plan.sandbox, None if container.root is None else container.root.place)
        joined = await self._namespaces_of_parent(container)
        try:
            return await self._start(container, user, infos, streams, prefix, mounts, joined)
        finally:
            if joined is not None:
                _close_when_entered(joined, container.begun)

    async def _start(
        self,
        container: Container,
        user: User | None,
        infos: Sequence[tuple[Isolator, LaunchInfo]],
        streams: Streams,
        prefix: Sequence[str],
        mounts: Sequence[Mount],
        joined: Namespaces | None,
    ) -> Child:
        plan = container.plan
        environment = dict(plan.environment)
        for _, info in infos:
            environment.update(info.environment)
        environment[CONTAINER_ID_VARIABLE] = plan.container_id
        if plan.directory is None:
            inside, entered = None, () if joined is None else joined.entering()
        else:
            inside, entered = Inside(plan.directory, container.root, joined), ()
        try:
            begun = container.begun = Begun() if prefix or entered or inside else None
        except OSError as error:
            raise LaunchFailed(REASON_LAUNCH_FAILED, f"No pipe can be made: {error.strerror}") from error
        gating = [isolator for isolator in container.isolators if isolator.isolates_before_exec]
        joins = {join: isolator for isolator, info in infos for join in info.joins}
        try:
            child = container.child = await self._launcher.fork(
                Launch(
                    argv=plan.argv,
                    program=plan.program,
                    missing_program_status=plan.missing_program_status,
                    environment=environment,
                    sandbox=plan.sandbox,
                    streams=streams,
                    becoming=_becoming(user, infos),
                    command_prefix=[*entered, *prefix],
                    mounts=mounts,
                    inside=inside,
                    joins=list(joins),
                    gated=bool(gating),
                    begun=None if begun is None else begun.path,
                    name=plan.container_id,
                    survives=plan.survives,
                )
            )
        except CannotSwitchUser as error:
            raise LaunchFailed(REASON_LAUNCH_FAILED, str(error)) from error
        except LaunchFailed as error:
            for join, isolator in joins.items():
                if join in error.message:
                    raise LaunchFailed(
                        error.reason, f"Isolator '{isolator.name}' failed to isolate: {error.message}"
                    ) from error
            raise
        if begun is not None:
            child.exited.add_done_callback(lambda _: begun.close())
        child.exited.add_done_callback(
            lambda _: self._overseer.report_exit(container, child) if container.reporting else None
        )
        for isolator in container.isolators:
            if not isolator.isolates_before_exec:
                await asked(isolator, "isolate", isolator.isolate(plan.container_id, child.pid))
        if gating:
            await _side_by_side(
                asked(isolator, "isolate", isolator.isolate(plan.container_id, child.pid)) for isolator in gating
            )
        container.go_on()
        self._overseer.watch(container)
        container.phase = Phase.RUNNING
        if gating:
            self._launcher.release(child)
        return child

    async def _namespaces_of_parent(self, container: Container) -> Namespaces | None:
        """Where the parent is, if that is elsewhere."""
        if container.plan.parent is None:
            return None
        parent = self._containers.get(container.plan.parent)
        if parent is None or parent.child is None:
            raise LaunchFailed(REASON_LAUNCH_FAILED, f"Container '{container.plan.parent}' to nest in is gone")
        if parent.begun is not None:
            await _unless_destroyed(container, _to_its_command(container.plan.parent, parent.begun))
        try:
            return namespaces_of(parent.child.pid, parent.child.kept.handle, stays=parent.child.kept.stays)
        except OSError as error:
            raise LaunchFailed(
                REASON_LAUNCH_FAILED, f"The namespaces of container '{container.plan.parent}' cannot be opened: {error}"
            ) from error


async def _to_its_command(parent: ContainerId, begun: Begun) -> None:
    """Before, its process may be in some of its namespaces, and in no root of its own."""
    await asyncio.wait({begun.known}, timeout=_BEGUN_SECONDS_MAX)
    if not begun.known.done() or not begun.known.result():
        raise LaunchFailed(REASON_LAUNCH_FAILED, f"Container '{parent}' to nest in has not come to its command")


def _close_when_entered(joined: Namespaces, begun: Begun | None) -> None:
    """Who enters opens them by this process' descriptors."""
    if begun is None:
        joined.close()
    else:
        begun.known.add_done_callback(lambda _: joined.close())


def _becoming(user: User | None, infos: Sequence[tuple[Isolator, LaunchInfo]]) -> Becoming:
    capabilities = next((info.capabilities for _, info in infos if info.capabilities is not None), None)
    program = None
    for isolator, info in infos:
        if info.system_calls is not None:
            try:
                program = info.system_calls.program(capabilities)
            except OperatingFault as error:
                raise LaunchFailed(
                    REASON_LAUNCH_FAILED, f"Isolator '{isolator.name}' failed to prepare: {error}"
                ) from error
    return Becoming(user=user, capabilities=capabilities, system_calls=program)


async def _unless_destroyed(container: Container, work: Coroutine[object, object, None]) -> None:
    """Do what may take long; it is given up when the container is destroyed."""
    container.fetching = asyncio.ensure_future(work)
    try:
        await asyncio.wait({container.fetching})
        if container.fetching.cancelled():
            container.go_on()
        container.fetching.result()
    finally:
        container.fetching.cancel()
        await asyncio.wait({container.fetching})
        container.fetching = None
    container.go_on()


async def _side_by_side(work: Iterable[Coroutine[object, object, None]]) -> None:
    """Do all at once and wait for all; raises the first failure only then, so that nothing goes on behind our back."""
    for outcome in await asyncio.gather(*work, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome
