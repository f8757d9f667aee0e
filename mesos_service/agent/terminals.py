"""Input and output of a container that others may attach to: a terminal, or three pipes (Mesos: I/O switchboard).

What the process writes is read from it only as fast as those who are attached take it: a process whose reader has
stopped stops too, as it would at a terminal, and nothing piles up here. One who is merely attached beside others is
dropped when it takes nothing for a while, so that it cannot stop them.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import struct
import termios
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Literal

from mesos_service.containers.plan import Streams
from mesos_service.containers.users import User

CHUNK_BYTES: Final = 16 * 1024
CHUNKS_UNTAKEN_MAX: Final = 32
"""How far a reader may be behind: 512 KB."""
STALL_SECONDS_MAX: Final = 30.0
"""How long a reader may take nothing, unless the container is there for it alone."""

Stream = Literal["STDOUT", "STDERR"]


@dataclass(frozen=True, slots=True)
class Size:
    """Of a terminal, in characters."""

    rows: int
    columns: int


class Reader:
    """Somebody who is attached. ``None`` is the end."""

    def __init__(self, owner: bool) -> None:
        self.owner = owner
        self._untaken: asyncio.Queue[tuple[Stream, bytes] | None] = asyncio.Queue(CHUNKS_UNTAKEN_MAX)
        self._closed = asyncio.Event()
        self.dropped = False

    async def take(self) -> tuple[Stream, bytes] | None:
        """The next piece; ``None`` when there are no more."""
        if not self._untaken.empty():
            return self._untaken.get_nowait()
        if self._closed.is_set():
            return None
        taking = asyncio.ensure_future(self._untaken.get())
        closing = asyncio.ensure_future(self._closed.wait())
        try:
            await asyncio.wait((taking, closing), return_when=asyncio.FIRST_COMPLETED)
            if taking.done():
                return taking.result()
            return None
        finally:
            taking.cancel()
            closing.cancel()

    async def give(self, piece: tuple[Stream, bytes]) -> None:
        """Wait until there is room; one who only listens is not waited for long."""
        if self._closed.is_set():
            return
        if not self._untaken.full():
            self._untaken.put_nowait(piece)
            return
        putting = asyncio.ensure_future(self._untaken.put(piece))
        closing = asyncio.ensure_future(self._closed.wait())
        try:
            limit = None if self.owner else STALL_SECONDS_MAX
            done, _ = await asyncio.wait((putting, closing), timeout=limit, return_when=asyncio.FIRST_COMPLETED)
            if not done:
                self.dropped = True
                self.close()
        finally:
            putting.cancel()
            closing.cancel()

    def close(self) -> None:
        """No more comes; what is there can still be taken."""
        self._closed.set()


class Terminal:
    """The agent's end of a container's input and output. Everything on the loop's thread."""

    def __init__(
        self, streams: Streams, given: tuple[int, ...], reads: dict[int, Stream], writes: int, tty: bool
    ) -> None:
        self.streams = streams
        """What the process is given; :meth:`given_away` closes it here."""
        self.tty = tty
        self._given = given
        self._reads = reads
        self._writes: int | None = writes
        self._readers: set[Reader] = set()
        self._pumps: list[asyncio.Task[None]] = []
        self._log: int | None = None
        self._has_reader = asyncio.Event()
        self.input_taken = False
        """Whether somebody is attached to the input: there is room for one."""
        self._idle: set[asyncio.Future[None]] = set()
        """Who waits to read or to write."""
        self.ended = asyncio.Event()
        """All that was written has been given on."""

    @classmethod
    def open(cls, size: Size | None, user: User | None, *, tty: bool) -> Terminal:
        """A new one. Raises ``OSError`` when the machine has no more of them."""
        if tty:
            master, slave = os.openpty()
            try:
                name = os.ttyname(slave)
                if user is not None:
                    os.fchown(slave, user.uid, -1)
                _resize(master, size or Size(24, 80))
            except OSError:
                os.close(master)
                os.close(slave)
                raise
            os.set_blocking(master, False)
            return cls(Streams(None, slave, slave, name), (slave,), {master: "STDOUT"}, master, tty=True)
        opened: list[int] = []
        try:
            for _ in range(3):
                opened += os.pipe2(os.O_CLOEXEC)
        except OSError:
            for one in opened:
                os.close(one)
            raise
        stdin, writes, out, stdout, err, stderr = opened
        for one in (writes, out, err):
            os.set_blocking(one, False)
        if user is not None:
            for one in (stdin, stdout, stderr):
                os.fchown(one, user.uid, user.gid)  # So that it can be opened again by name, as /dev/stderr.
        return cls(
            Streams(stdin, stdout, stderr), (stdin, stdout, stderr), {out: "STDOUT", err: "STDERR"}, writes, tty=False
        )

    def given_away(self) -> None:
        """The process has its ends, or never will."""
        for one in self._given:
            os.close(one)
        self._given = ()

    def start(self, log: int | None = None) -> None:
        """Begin to read. With ``log``, a file descriptor that is ours from now on, all output goes there too, and needs
        nobody attached to flow."""
        self._log = log
        self._pumps = [asyncio.create_task(self._pump(number, stream)) for number, stream in self._reads.items()]

    def attach(self, owner: bool = False) -> Reader:
        """Hear what is written from now on. ``owner``: it is all for this one, who may keep the process waiting."""
        reader = Reader(owner)
        if self.ended.is_set():
            reader.close()
        else:
            self._readers.add(reader)
            self._has_reader.set()
        return reader

    def detach(self, reader: Reader) -> None:
        """It has gone."""
        reader.close()
        self._readers.discard(reader)

    async def write(self, data: bytes) -> bool:
        """Give the process something to read; waits for as long as it does not. ``False``: it reads no more."""
        left = memoryview(data)
        while left:
            if self._writes is None:
                return False
            try:
                left = left[os.write(self._writes, left[:CHUNK_BYTES]) :]
            except BlockingIOError:
                await self._until(self._writes, reading=False)
            except OSError:
                return False  # It has closed its end, or is gone.
        return True

    def end_input(self) -> None:
        """There is nothing more to read.

        Nothing happens with a terminal, at which others may sit down next: who means an end there types it (Mesos: io
        switchboard).
        """
        if not self.tty and self._writes is not None:
            os.close(self._writes)
            self._writes = None

    def resize(self, size: Size) -> None:
        """Say how large the user's window is; nothing happens without a terminal."""
        if self.tty and self._writes is not None:
            with suppress(OSError):
                _resize(self._writes, size)

    async def close(self) -> None:
        """Nobody reads or writes any more."""
        self.given_away()
        numbers = {*self._reads, *(one for one in (self._writes, self._log) if one is not None)}
        self._reads, self._writes, self._log = {}, None, None
        for one in self._idle:
            if not one.done():
                one.set_result(None)
        for task in self._pumps:
            task.cancel()
        if self._pumps:
            await asyncio.wait(self._pumps)
        await asyncio.sleep(0)  # Whoever waited for a number has let go of it in the loop's next turn.
        for number in numbers:
            os.close(number)
        self._end()

    async def _pump(self, number: int, stream: Stream) -> None:
        while True:
            if self._log is None:
                # Whoever comes first hears it from the beginning.
                await self._has_reader.wait()
            try:
                data = os.read(number, CHUNK_BYTES)
            except BlockingIOError:
                await self._until(number, reading=True)
                continue
            except OSError as error:
                if error.errno != errno.EIO:  # So a terminal says that nobody has its other end any more.
                    raise
                data = b""
            if not data:
                break
            if self._log is not None:
                with suppress(OSError):  # The disk is full: the task goes on, as it would without us.
                    os.write(self._log, data)
            for reader in tuple(self._readers):
                await reader.give((stream, data))
                if reader.dropped:
                    self._readers.discard(reader)
        if all(task.done() or task is asyncio.current_task() for task in self._pumps):
            self._end()

    def _end(self) -> None:
        self.ended.set()
        for reader in self._readers:
            reader.close()
        self._readers.clear()

    async def _until(self, number: int, *, reading: bool) -> None:
        loop = asyncio.get_running_loop()
        ready: asyncio.Future[None] = loop.create_future()
        add: Callable[..., object] = loop.add_reader if reading else loop.add_writer
        remove = loop.remove_reader if reading else loop.remove_writer
        # A terminal is read and written by one number: each side has its own.
        add(number, lambda: None if ready.done() else ready.set_result(None))
        ready.add_done_callback(lambda _: remove(number))
        self._idle.add(ready)
        try:
            await ready
        finally:
            self._idle.discard(ready)
            ready.cancel()


def _resize(number: int, size: Size) -> None:
    fcntl.ioctl(number, termios.TIOCSWINSZ, struct.pack("HHHH", size.rows & 0xFFFF, size.columns & 0xFFFF, 0, 0))
