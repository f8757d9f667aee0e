"""Containers that operators nest in those of tasks: launched, waited for, signalled, attached to (M-OA-03, M-OA-04).

They share the namespaces of the container they are nested in, and its control groups unless they ask for their own.
They go with it at the latest, and with the agent. How one ended can be asked until it is removed; of a great many, the
latest are remembered.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGKILL
from typing import Final

from mesos_service.agent.background import Background
from mesos_service.agent.guests import Guests
from mesos_service.agent.launch_plans import Amounts, plan_guest
from mesos_service.agent.terminals import Reader, Size, Terminal
from mesos_service.containers.containerizer import Containerizer
from mesos_service.containers.garbage import NotRemoved, remove_tree
from mesos_service.containers.log_files import open_log
from mesos_service.containers.plan import REASON_LAUNCH_FAILED, LaunchFailed, LaunchPlan
from mesos_service.containers.sandbox import SandboxError, create_nested, nested_path
from mesos_service.containers.users import CannotSwitchUser, NoSuchUser, User, user_to_switch_to
from mesos_service.domain.errors import OperatingFault
from mesos_service.domain.ids import ContainerId
from mesos_service.wire.containers import CommandInfo

ENDED_REMEMBERED_MAX: Final = 1000
DEPTH_MAX: Final = 32
"""As in Mesos."""

log = logging.getLogger(__name__)


class NotNested(OperatingFault):
    """There is no such container here, or no longer."""


class Unfinished(OperatingFault):
    """The container still runs."""


class NothingToAttach(OperatingFault):
    """The container has no input or output that others could have, or somebody has it already."""


@dataclass(slots=True, eq=False)
class _Nested:
    container_id: ContainerId
    parent: ContainerId
    sandbox: Path | None
    """Its own, where it has one."""
    terminal: Terminal | None
    ended: asyncio.Future[int | None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    """Its raw wait status, once nothing of it is left; ``None`` when nobody saw how it ended."""


class NestedContainers:
    """All of one agent. Everything on the loop's thread."""

    def __init__(self, containerizer: Containerizer, guests: Guests, background: Background) -> None:
        self._containerizer = containerizer
        self._guests = guests
        self._background = background
        self._nested: OrderedDict[ContainerId, _Nested] = OrderedDict()
        self._terminals: dict[ContainerId, Terminal] = {}
        """Of tasks that asked for one."""
        self._waiting: dict[ContainerId, list[asyncio.Future[int | None]]] = {}
        """Who waits for the end of a container that the core had launched."""
        self._statuses: dict[ContainerId, int | None] = {}
        """How those have ended of which something is still left."""
        self._removals: dict[tuple[ContainerId, ContainerId | None], asyncio.Task[None]] = {}
        """What is being removed, by name and by what is around it, and has its name until then."""

    # -- asking ----------------------------------------------------------------------------------------------
    def is_here(self, container_id: ContainerId, parent: ContainerId | None) -> bool:
        """Whether there is a container of this id, or was one of ours, nested where it is said to be."""
        nested = self._nested.get(container_id)
        if nested is not None:
            return parent is None or nested.parent == parent
        return self._containerizer.phase(container_id) is not None

    async def wait(self, container_id: ContainerId) -> int | None:
        """How it ended: a raw wait status. Raises :class:`NotNested`."""
        nested = self._nested.get(container_id)
        if nested is not None:
            return await asyncio.shield(nested.ended)
        if self._containerizer.phase(container_id) is None:
            raise NotNested(f"Container {container_id} cannot be found")
        ended: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        waiting = self._waiting.setdefault(container_id, [])
        waiting.append(ended)
        try:
            return await ended
        finally:
            waiting.remove(ended)
            if not waiting:
                self._waiting.pop(container_id, None)

    # -- doing -----------------------------------------------------------------------------------------------
    async def launch(
        self,
        container_id: ContainerId,
        parent: ContainerId,
        command: CommandInfo,
        *,
        tty: bool = False,
        size: Size | None = None,
        own: Amounts | None = None,
    ) -> bool:
        """Start one that goes on by itself, in a sandbox of its own. ``False``: it is there already.

        With ``own`` it has control groups of its own.

        Raises:
            NotNested: the parent is not there.
            LaunchFailed: it could not be started, or there is one of this name in another container.
        """
        host = self._host(container_id, parent)
        if host is None:
            return False
        if own is not None and not self._containerizer.makes_groups:
            raise LaunchFailed(
                REASON_LAUNCH_FAILED,
                "The container asks for control groups of its own, and none of this agent's isolators makes any",
            )
        user = _user(host.user)
        try:
            sandbox = create_nested(host.sandbox, container_id, host.user)
        except SandboxError as error:
            raise LaunchFailed(REASON_LAUNCH_FAILED, str(error)) from error
        try:
            terminal, stdout = self._terminal(user, size, tty=True) if tty else None, None
            if terminal is not None:
                try:
                    stdout = open_log(sandbox, "stdout", user)
                except LaunchFailed:
                    await terminal.close()
                    raise
            await self._start(host, container_id, command, terminal, sandbox, stdout, own)
        except LaunchFailed:
            # Nobody could ask for its removal, and a next try would find the name taken.
            try:
                await asyncio.to_thread(remove_tree, sandbox, threading.Event())
            except NotRemoved as error:
                log.error("Sandbox %s of a container that was not launched is left: %s", sandbox, error)
            raise
        return True

    async def launch_session(
        self, container_id: ContainerId, parent: ContainerId, command: CommandInfo, *, tty: bool, size: Size | None
    ) -> Reader | None:
        """Start one for somebody who is attached to it from the beginning, in its parent's sandbox. ``None``: it is
        there already.

        Raises:
            NotNested: the parent is not there.
            LaunchFailed: it could not be started, or there is one of this name in another container.
        """
        host = self._host(container_id, parent)
        if host is None:
            return None
        terminal = self._terminal(_user(host.user), size, tty=tty)
        reader = terminal.attach(owner=True)
        await self._start(host, container_id, command, terminal, None, None)
        return reader

    def end_session(self, container_id: ContainerId, reader: Reader) -> None:
        """Who it was for has gone."""
        nested = self._nested.get(container_id)
        if nested is not None and nested.terminal is not None:
            nested.terminal.detach(reader)
        if nested is not None and not nested.ended.done():
            self._background.start(self._guests.destroy(container_id))

    def kill(self, container_id: ContainerId, parent: ContainerId | None, signum: int | None) -> bool:
        """Send a signal, KILL if none is named, to all of it; whether there was anything, where it is said to be.

        Its launch, where that is still under way, is given up.
        """
        if self._containerizer.phase(container_id) is None or not self.is_here(container_id, parent):
            return False
        if not self._containerizer.signal(container_id, SIGKILL if signum is None else signum):
            # It may be fetching for hours. What it was to run never will, whatever the signal (as in Mesos).
            self._background.start(self._guests.destroy(container_id))
        return True

    async def remove(self, container_id: ContainerId, parent: ContainerId | None) -> None:
        """Forget how it ended, and remove its sandbox, also one that an agent before this one has left.

        Nothing happens when there is none. Who asks for it meanwhile waits for the same: a second removal could meet a
        new container of this name.

        Raises:
            Unfinished: it still runs.
            NotRemoved: something of its sandbox is still there.
        """
        nested = self._nested.get(container_id)
        is_another = nested is not None and parent is not None and nested.parent != parent
        if nested is None or is_another:
            if nested is None and self._containerizer.phase(container_id) is not None:
                raise Unfinished("The container belongs to a task, and is the agent's to remove")
            host = None if parent is None else self._containerizer.plan(parent)
            sandbox = None if host is None else nested_path(host.sandbox, container_id)
        elif not nested.ended.done():
            raise Unfinished("Nested container has not terminated yet")
        else:
            sandbox = nested.sandbox
        around = parent if nested is None or is_another else nested.parent
        removal = self._removals.get((container_id, around))
        if removal is None:
            removing = self._remove(container_id, around, sandbox)
            removal = self._removals[container_id, around] = asyncio.create_task(removing)
        await asyncio.shield(removal)

    async def _remove(self, container_id: ContainerId, around: ContainerId | None, sandbox: Path | None) -> None:
        try:
            if sandbox is not None:
                await asyncio.to_thread(remove_tree, sandbox, threading.Event())
            nested = self._nested.get(container_id)
            if nested is not None and nested.parent == around:
                del self._nested[container_id]
        finally:
            del self._removals[container_id, around]

    # -- attaching -------------------------------------------------------------------------------------------
    def terminal_of(self, container_id: ContainerId) -> Terminal:
        """The input and output of a container. Raises :class:`NothingToAttach`, :class:`NotNested`."""
        nested = self._nested.get(container_id)
        terminal = self._terminals.get(container_id) if nested is None else nested.terminal
        if terminal is not None and not (terminal.ended.is_set() and nested is not None and nested.ended.done()):
            return terminal
        if not self.is_here(container_id, None):
            raise NotNested(f"Container {container_id} cannot be found")
        raise NothingToAttach(f"Container {container_id} was launched without an input or output to attach to")

    def plan(self, container_id: ContainerId) -> LaunchPlan | None:
        """What a container was launched by."""
        return self._containerizer.plan(container_id)

    def open_for_task(
        self, container_id: ContainerId, plan_user: str | None, size: Size | None, sandbox: Path
    ) -> Terminal:
        """A terminal for a task that asks for one; what it shows goes to the task's ``stdout`` as well.

        Raises:
            LaunchFailed: there is none to be had.
        """
        user = _user(plan_user)
        terminal = self._terminal(user, size, tty=True)
        try:
            terminal.start(open_log(sandbox, "stdout", user))
        except LaunchFailed:
            self._background.start(terminal.close())
            raise
        self._terminals[container_id] = terminal
        return terminal

    def exited(self, container_id: ContainerId, status: int | None) -> None:
        """A container that the core had launched has ended; a lost status is ``None``."""
        self._statuses[container_id] = status

    def gone(self, container_id: ContainerId) -> None:
        """Nothing is left of a container that the core had launched, or it never came to be."""
        status = self._statuses.pop(container_id, None)
        for waiting in self._waiting.get(container_id, ()):
            if not waiting.done():
                waiting.set_result(status)
        terminal = self._terminals.pop(container_id, None)
        if terminal is not None:
            self._background.start(self._finish(terminal))

    def hang_up(self) -> None:
        """The agent goes: nobody hears any more."""
        for terminal in (*self._terminals.values(), *(one.terminal for one in self._nested.values() if one.terminal)):
            self._background.start(terminal.close())

    # -- inside ----------------------------------------------------------------------------------------------
    def _host(self, container_id: ContainerId, parent: ContainerId) -> LaunchPlan | None:
        """What the parent was launched by; ``None`` when the container is there already."""
        host = self._containerizer.plan(parent)
        if host is None:
            raise NotNested(f"Container {parent} cannot be found")
        nested = self._nested.get(container_id)
        if nested is not None and nested.parent != parent:
            if not nested.ended.done() or self._containerizer.phase(nested.parent) is not None:
                # Whoever asks was told otherwise that his is there.
                raise LaunchFailed(
                    REASON_LAUNCH_FAILED,
                    f"There is a container '{container_id}' in container '{nested.parent}': names are told apart here"
                    " without those around them",
                )
            # It went with its task, and few would come to remove it: its name is free again.
            nested = None
            del self._nested[container_id]
        there = nested is not None or any(name == container_id for name, _ in self._removals)
        if there or self._containerizer.phase(container_id) is not None:
            return None
        depth, above = 1, host.parent
        while above is not None:
            depth += 1
            its = self._containerizer.plan(above)
            above = None if its is None else its.parent
        if depth >= DEPTH_MAX:
            raise LaunchFailed(REASON_LAUNCH_FAILED, f"Containers can be nested {DEPTH_MAX} deep at most")
        return host

    def _terminal(self, user: User | None, size: Size | None, *, tty: bool) -> Terminal:
        try:
            return Terminal.open(size, user, tty=tty)
        except OSError as error:
            raise LaunchFailed(REASON_LAUNCH_FAILED, f"Failed to open a terminal: {error.strerror}") from error

    async def _start(
        self,
        host: LaunchPlan,
        container_id: ContainerId,
        command: CommandInfo,
        terminal: Terminal | None,
        sandbox: Path | None,
        output: int | None,
        own: Amounts | None = None,
    ) -> None:
        nested = self._nested[container_id] = _Nested(container_id, host.container_id, sandbox, terminal)
        if terminal is not None:
            terminal.start(output)
        streams = None if terminal is None else terminal.streams
        try:
            plan = plan_guest(host, container_id, command, streams=streams, sandbox=sandbox, own=own)
            ended = await self._guests.launch(plan)
        except BaseException:
            del self._nested[container_id]
            nested.ended.set_result(None)  # Somebody may have come to wait for it: fetching takes as long as it takes.
            if terminal is not None:
                await terminal.close()
            raise
        if terminal is not None:
            terminal.given_away()
        self._background.start(self._see_off(nested, ended))

    async def _see_off(self, nested: _Nested, ended: asyncio.Future[int | None]) -> None:
        status = await ended
        await self._guests.destroy(nested.container_id)
        nested.ended.set_result(status)
        if nested.terminal is not None:
            await self._finish(nested.terminal)
        over = [one for one in self._nested.values() if one.ended.done()]
        for one in over[:-ENDED_REMEMBERED_MAX]:
            del self._nested[one.container_id]

    async def _finish(self, terminal: Terminal) -> None:
        """Its process is gone; what it has written last is still given on."""
        terminal.given_away()
        await terminal.ended.wait()
        await terminal.close()


def _user(name: str | None) -> User | None:
    """Whom to become. Raises :class:`LaunchFailed`: a user may have been removed since the task began."""
    try:
        return user_to_switch_to(name)
    except (NoSuchUser, CannotSwitchUser) as error:
        raise LaunchFailed(REASON_LAUNCH_FAILED, str(error)) from error
