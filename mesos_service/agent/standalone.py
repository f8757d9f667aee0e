"""Containers that operators launch by themselves, which belong to no framework (Mesos: "standalone containers").

What they use is charged to nobody: the agent offers what it has as if they were not there (as in Mesos). They outlive
the agent; what they were launched by, and how they ended, is written down in ``standalone`` of the runtime directory
until they are removed.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from mesos_service.agent.background import Background
from mesos_service.agent.guests import Guests
from mesos_service.agent.launch_plans import LaunchSettings, plan_standalone, user_of_standalone
from mesos_service.agent.nested import Unfinished
from mesos_service.agent.sandboxes import Sandboxes
from mesos_service.containers.containerizer import Containerizer
from mesos_service.containers.garbage import NotRemoved, remove_tree
from mesos_service.containers.launcher import Child
from mesos_service.containers.plan import REASON_LAUNCH_FAILED, LaunchFailed, LaunchPlan
from mesos_service.domain.ids import ContainerId
from mesos_service.wire.agent_operator import Call, CallLaunchContainer
from mesos_service.wire.decode import decode_agent_call
from mesos_service.wire.encode import encode_message
from mesos_service.wire.errors import WireError

log = logging.getLogger(__name__)


class _Record(msgspec.Struct):
    """What is written down of one."""

    call: msgspec.Raw
    ended: bool = False
    status: int | None = None


@dataclass(slots=True, eq=False)
class _Standalone:
    call: Call
    sandbox: Path
    removing: asyncio.Task[str | None] | None = None
    """Done with why it could not be removed."""
    ended: asyncio.Future[int | None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    """Its raw wait status, once nothing of it is left; ``None`` when nobody saw how it ended."""


class StandaloneContainers:
    """All of one agent, recorded in ``directory``. Everything on the loop's thread."""

    def __init__(
        self,
        containerizer: Containerizer,
        guests: Guests,
        background: Background,
        sandboxes: Sandboxes,
        settings: LaunchSettings,
        directory: Path,
    ) -> None:
        self._containerizer = containerizer
        self._guests = guests
        self._background = background
        self._sandboxes = sandboxes
        self._settings = settings
        self._directory = directory
        self._fresh = directory.with_name(f"{directory.name}.new")
        """Where a record is written, before it takes its place: any name may be a container's."""
        self._containers: dict[ContainerId, _Standalone] = {}
        self._clearing: dict[ContainerId, asyncio.Task[None]] = {}
        """The removal of sandboxes whose containers were never launched."""

    def __contains__(self, container_id: ContainerId) -> bool:
        return container_id in self._containers

    def running(self) -> Sequence[ContainerId]:
        """Those that have not ended."""
        return [container_id for container_id, one in self._containers.items() if not one.ended.done()]

    async def launch(self, container_id: ContainerId, asked: CallLaunchContainer) -> bool:
        """Start one in a sandbox of its own. ``False``: it is there already.

        Raises:
            LaunchFailed: it could not be started, and nothing of it is left.
            DestroyFailed: something of it may be left.
        """
        if self._is_taken(container_id):
            return False
        call = Call(type="LAUNCH_CONTAINER", launch_container=asked)
        # Refused before anything is made.
        place = self._sandboxes.standalone_path(container_id)
        plan_standalone(container_id, asked, self._settings, place)
        if container_id in self._clearing or _is_there(place):
            # Of a launch that failed, or in which an agent before was killed: nobody could ask for its removal.
            await asyncio.wait((self._clear(container_id, place),))
            if self._is_taken(container_id):
                return False
        sandbox = self._sandboxes.make_standalone(container_id, user_of_standalone(asked, self._settings))
        plan = plan_standalone(container_id, asked, self._settings, sandbox)
        one = self._containers[container_id] = _Standalone(call, sandbox)
        try:
            self._write(container_id, _Record(msgspec.Raw(encode_message(call))))
            ended = await self._guests.launch(plan)
        except BaseException as error:
            del self._containers[container_id]
            self._forget(container_id)
            self._sandboxes.hide_standalone(sandbox)
            self._clear(container_id, sandbox)
            one.ended.set_result(None)  # Somebody may have come to wait for it.
            if isinstance(error, OSError):
                raise LaunchFailed(REASON_LAUNCH_FAILED, f"It cannot be written down: {error.strerror}") from error
            raise
        self._background.start(self._see_off(container_id, one, ended))
        return True

    async def wait(self, container_id: ContainerId) -> int | None:
        """How it ended: a raw wait status. Raises ``KeyError``."""
        return await asyncio.shield(self._containers[container_id].ended)

    async def remove(self, container_id: ContainerId) -> None:
        """Forget how it ended, and remove its sandbox.

        Who asks for it meanwhile waits for the same: a second removal could meet a new container of this name.

        Raises:
            Unfinished: it still runs.
            NotRemoved: something of its sandbox is still there.
        """
        one = self._containers[container_id]
        if not one.ended.done():
            raise Unfinished("Container has not terminated yet")
        if one.removing is None:
            one.removing = asyncio.create_task(self._remove(container_id, one))
        failure = await asyncio.shield(one.removing)
        if failure is not None:
            raise NotRemoved(failure)

    async def _remove(self, container_id: ContainerId, one: _Standalone) -> str | None:
        self._sandboxes.hide_standalone(one.sandbox)
        try:
            await asyncio.to_thread(remove_tree, one.sandbox, threading.Event())
        except NotRemoved as error:
            one.removing = None  # To be tried again.
            return str(error)
        del self._containers[container_id]
        self._forget(container_id)
        return None

    # -- after a restart -------------------------------------------------------------------------------------
    def recover(self) -> Sequence[LaunchPlan]:
        """Read what an agent before this one has written down; what is to be taken over of it."""
        plans = []
        with suppress(FileNotFoundError):
            for path in sorted(self._directory.iterdir()):
                container_id = ContainerId(path.name)
                try:
                    record = msgspec.json.decode(path.read_bytes(), type=_Record)
                    call = decode_agent_call(bytes(record.call))
                except (OSError, msgspec.DecodeError, WireError) as error:
                    log.error("Stand-alone container %s is not known any more: %s", container_id, error)
                    continue
                sandbox = self._sandboxes.take_over_standalone(container_id)
                one = self._containers[container_id] = _Standalone(call, sandbox)
                if record.ended:
                    one.ended.set_result(record.status)
                    continue
                assert call.launch_container is not None, "nothing else is written down"
                try:
                    plans.append(plan_standalone(container_id, call.launch_container, self._settings, sandbox))
                except LaunchFailed as failure:
                    # It was launched once; what this agent would not launch any more ends as an orphan.
                    log.warning("Stand-alone container %s cannot go on here: %s", container_id, failure)
        return plans

    def recovered(self, found: Mapping[ContainerId, Child]) -> None:
        """Those that were found go on, or are seen off; of the others nobody knows how they ended."""
        for container_id in self.running():
            one = self._containers[container_id]
            child = found.get(container_id)
            if child is None:
                self._end(container_id, one, None)
            else:
                ended = self._guests.take_over(container_id)
                if child.exited.done():
                    self._guests.exited(container_id, child.exited.result())
                self._background.start(self._see_off(container_id, one, ended))

    def others(self, found: Collection[ContainerId]) -> list[ContainerId]:
        """Those of the containers found that are none of these."""
        return [container_id for container_id in found if container_id not in self._containers]

    # -- inside ----------------------------------------------------------------------------------------------
    def _is_taken(self, container_id: ContainerId) -> bool:
        return container_id in self._containers or self._containerizer.phase(container_id) is not None

    def _clear(self, container_id: ContainerId, sandbox: Path) -> asyncio.Task[None]:
        clearing = self._clearing.get(container_id)
        if clearing is None:
            clearing = self._background.start(asyncio.to_thread(_remove, sandbox))
            self._clearing[container_id] = clearing
            clearing.add_done_callback(lambda _: self._clearing.pop(container_id))
        return clearing

    async def _see_off(self, container_id: ContainerId, one: _Standalone, ended: asyncio.Future[int | None]) -> None:
        status = await ended
        # Before its process is reaped, which then is all that knows of it: this agent may go meanwhile.
        self._write_end(container_id, one, status)
        await self._guests.destroy(container_id)
        one.ended.set_result(status)

    def _end(self, container_id: ContainerId, one: _Standalone, status: int | None) -> None:
        self._write_end(container_id, one, status)
        one.ended.set_result(status)

    def _write_end(self, container_id: ContainerId, one: _Standalone, status: int | None) -> None:
        try:
            self._write(container_id, _Record(msgspec.Raw(encode_message(one.call)), ended=True, status=status))
        except OSError as error:
            log.error("How container %s ended cannot be written down: %s", container_id, error.strerror)

    def _write(self, container_id: ContainerId, record: _Record) -> None:
        fresh = self._fresh / container_id
        for directory in (self._directory, self._fresh):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(msgspec.json.encode(record))
            file.flush()
            os.fdatasync(handle)
        fresh.rename(self._directory / container_id)

    def _forget(self, container_id: ContainerId) -> None:
        for directory in (self._directory, self._fresh):
            (directory / container_id).unlink(missing_ok=True)


def _is_there(sandbox: Path) -> bool:
    return os.path.lexists(sandbox)


def _remove(sandbox: Path) -> None:
    try:
        remove_tree(sandbox, threading.Event())
    except NotRemoved as error:
        log.warning("%s of a container that was never launched cannot be removed: %s", sandbox, error)
