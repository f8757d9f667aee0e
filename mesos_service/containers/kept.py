"""The agent's side of the keeper: starts one where none is, asks it to spawn, and hears how processes end.

The keeper outlives the agent, so the first thing it tells a new one is what it keeps (see ``keeper_packets.py`` for
the words). Should the keeper itself die, the processes it had live on: each is watched through its process descriptor,
and all that is lost is how it ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import socket
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from mesos_service.containers.keeper_books import Books
from mesos_service.containers.keeper_packets import PACKET_BYTES_MAX, VERSION
from mesos_service.containers.keeper_place import KeeperPlace
from mesos_service.containers.kept_process import Kept, from_books, watch
from mesos_service.containers.plan import Streams
from mesos_service.domain.errors import OperatingFault

log = logging.getLogger(__name__)

_GIVES_INPUT: Final = 2
"""The first version of the keeper that does."""
END_SECONDS_MAX: Final = 5.0
"""How long a keeper with nothing left to keep may take to end."""


class SpawnFailed(OperatingFault):
    """The keeper could not start a process, or there is no keeper; the text says why."""


class KeeperLink:
    """The one connection of an agent to its keeper, whose socket and books are in ``directory``.

    Everything happens on the loop's thread; packets are sent at once, or in order as soon as there is room.
    """

    def __init__(self, directory: Path) -> None:
        self._place = KeeperPlace(directory)
        self._books = self._place.books
        self._connection: socket.socket | None = None
        self._opening: asyncio.Task[None] | None = None
        self._ready: asyncio.Future[None] | None = None
        self._unsent: deque[tuple[bytes, Sequence[int]]] = deque()
        self._launching: dict[str, asyncio.Future[Kept]] = {}
        self._kept: dict[str, Kept] = {}
        self.leaders: set[int] = set()
        """Who lead containers and are not reaped; nobody else has their numbers, as long as the keeper lives."""
        self._own: int | None = None
        """A process descriptor of the keeper, where this process is its parent."""
        self._version = VERSION
        self.pid: int | None = None
        """The keeper's process id, while there is a connection."""

    # -- what there is ---------------------------------------------------------------------------------------
    async def recover(self) -> Sequence[Kept]:
        """All that is left of an agent before: from its keeper, or where that is gone, from the keeper's books.

        Raises:
            OperatingFault: the place cannot be used.
        """
        self._place.take()
        connection = self._place.connect()
        if connection is not None:
            await self._greet(connection)
        books = Books(str(self._books))
        if books.unreadable:
            log.warning("%d lines of the keeper's books %s cannot be read", books.unreadable, self._books)
        for name in sorted(books.entries.keys() - self._kept.keys()):
            self._kept[name] = from_books(name, books.entries[name])
        return tuple(self._kept.values())

    # -- processes -------------------------------------------------------------------------------------------
    async def launch(
        self,
        name: str,
        argv: Sequence[str],
        environment: Mapping[str, str],
        streams: Streams,
        *,
        gated: bool,
        survives: bool,
        speaks: bool = False,
        stays: bool = True,
    ) -> Kept:
        """Start a process; raises :class:`SpawnFailed`. One that ``speaks`` says for itself that it is started.

        Whether it ``stays`` is still known when it is recovered (see :class:`Kept`).
        """
        await self._open()
        if self._version < _GIVES_INPUT and (streams.terminal is not None or streams.stdin is not None):
            raise SpawnFailed(
                "The keeper of containers is of an earlier version, which gives no input to a process; it ends with the"
                " last of the containers that it keeps"
            )
        descriptors = [streams.stdout, streams.stderr, *(() if streams.stdin is None else (streams.stdin,))]
        packet = json.dumps(
            {
                "do": "launch",
                "id": name,
                "argv": list(argv),
                "environment": dict(environment),
                "gated": gated,
                "speaks": speaks,
                "survives": survives,
                "stays": stays,
                "terminal": streams.terminal,
            }
        ).encode()
        launching: asyncio.Future[Kept] = asyncio.get_running_loop().create_future()
        self._launching[name] = launching
        if len(packet) < PACKET_BYTES_MAX:
            self._send(packet, descriptors)
            one = await launching
        else:
            with os.fdopen(os.memfd_create("launch"), "wb") as file:
                file.write(packet)
                file.flush()
                self._send(b'{"large": true}', (*descriptors, file.fileno()))
                one = await launching
        one.stays = stays
        return one

    def release(self, one: Kept) -> None:
        """Let it through its gate."""
        one.released = True
        self._send(json.dumps({"do": "release", "id": one.name}).encode())

    def reap(self, one: Kept) -> None:
        """Its process is dead and nothing of its container is left: forget it."""
        self._kept.pop(one.name, None)
        self.leaders.discard(one.pid)
        one.close()
        if self._connection is not None:
            self._send(json.dumps({"do": "reap", "id": one.name}).encode())
        else:
            self._cross_out(one.name)

    async def close(self) -> None:
        """Hang up. A keeper that has nothing left to keep ends then, and is waited for."""
        idle = not self._kept
        if self._opening is not None:
            await asyncio.wait((self._opening,))
        self._hang_up()
        if self._own is not None and idle:
            handle, self._own = self._own, None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(END_SECONDS_MAX):
                    await _readable(handle)
                os.waitid(os.P_PIDFD, handle, os.WEXITED)  # noqa: ASYNC222 - it has ended
            os.close(handle)
        for one in self._kept.values():
            if one.handle is not None:
                asyncio.get_running_loop().remove_reader(one.handle)
            one.close()
        self._kept.clear()
        self._place.leave()

    # -- the connection --------------------------------------------------------------------------------------
    async def _open(self) -> None:
        while self._connection is None or self._opening is not None:
            if self._opening is None:
                self._opening = asyncio.create_task(self._start())
                self._opening.add_done_callback(lambda _: setattr(self, "_opening", None))
            await asyncio.shield(self._opening)

    async def _start(self) -> None:
        try:
            self._place.take()
            connection = self._place.connect() or self._spawn()
        except OSError as error:
            raise SpawnFailed(f"Failed to start the keeper of containers: {error}") from error
        await self._greet(connection)

    def _spawn(self) -> socket.socket:
        pid, connection = self._place.start_keeper()
        if self._own is not None:
            os.close(self._own)
        self._own = os.pidfd_open(pid)
        return connection

    async def _greet(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self._connection = connection
        ready = self._ready = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().add_reader(connection, self._on_readable, connection)
        try:
            await ready
        finally:
            self._ready = None

    def _on_readable(self, connection: socket.socket) -> None:
        while True:
            try:
                packet = connection.recv(PACKET_BYTES_MAX)
            except BlockingIOError:
                return
            except OSError:
                packet = b""
            if not packet:
                self._on_lost()
                return
            self._on_packet(json.loads(packet))

    def _on_packet(self, told: dict[str, Any]) -> None:  # Any: the keeper is ours, see there
        if "launched" in told:
            name = told["launched"]
            one = self._kept[name] = Kept(name, told["pid"], os.pidfd_open(told["pid"]), released=False, stays=True)
            self.leaders.add(one.pid)
            launching = self._launching.pop(name)
            if not launching.done():
                launching.set_result(one)
        elif "failed" in told:
            launching = self._launching.pop(told["failed"])
            if not launching.done():
                launching.set_exception(SpawnFailed(f"Failed to start a process: {told['why']}"))
        elif "exited" in told:
            if (ended := self._kept.get(told["exited"])) is not None:
                ended.end(told["status"])
        elif "kept" in told:
            # A keeper of a version before has not been told.
            stays = told.get("stays", True)
            one = Kept(told["kept"], told["pid"], os.pidfd_open(told["pid"]), told["released"], stays)
            self._kept[one.name] = one
            self.leaders.add(one.pid)
            if told["status"] is not None:
                one.end(told["status"])
        elif "ready" in told:
            self.pid = told["pid"]
            self._version = told["ready"]
            if self._ready is not None and not self._ready.done():
                self._ready.set_result(None)

    def _on_lost(self) -> None:
        """The keeper is gone: what it kept runs on, and is watched from here."""
        log.error("The keeper of containers died: what runs goes on, and how it ends can not be known any more")
        self._hang_up()
        for name, launching in self._launching.items():
            if not launching.done():
                launching.set_exception(SpawnFailed(f"The keeper died while it started container '{name}'"))
        self._launching.clear()
        if self._ready is not None and not self._ready.done():
            self._ready.set_exception(SpawnFailed("The keeper of containers ended when it was spoken to"))
        for one in self._kept.values():
            if not one.exited.done():
                watch(one)
        if self._own is not None:
            # As our child it stays a zombie until somebody looks.
            os.waitid(os.P_PIDFD, self._own, os.WEXITED)
            os.close(self._own)
            self._own = None

    def _hang_up(self) -> None:
        if self._connection is not None:
            loop = asyncio.get_running_loop()
            loop.remove_reader(self._connection)
            loop.remove_writer(self._connection)
            self._connection.close()
            self._connection = None
            self.pid = None
            self.leaders.clear()
        self._unsent.clear()

    def _send(self, packet: bytes, descriptors: Sequence[int] = ()) -> None:
        if self._connection is None:
            return
        self._unsent.append((packet, descriptors))
        if len(self._unsent) == 1:
            self._flush(self._connection)

    def _flush(self, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while self._unsent:
            packet, descriptors = self._unsent[0]
            try:
                if descriptors:
                    socket.send_fds(connection, [packet], list(descriptors))
                else:
                    connection.send(packet)
            except BlockingIOError:
                loop.add_writer(connection, self._flush, connection)
                return
            except OSError:
                return  # It is gone, which is read in its turn.
            self._unsent.popleft()
        loop.remove_writer(connection)

    # -- without a keeper ------------------------------------------------------------------------------------
    def _cross_out(self, name: str) -> None:
        try:
            books = Books(str(self._books))
            if name in books.entries:
                books.write(name, None)
            books.close()
        except OSError as error:
            log.warning("The keeper's books %s cannot be written: %s", self._books, error)


async def _readable(handle: int) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_reader(handle, lambda: None if ready.done() else ready.set_result(None))
    try:
        await ready
    finally:
        loop.remove_reader(handle)
