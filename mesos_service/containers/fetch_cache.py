"""Files that several tasks fetch, kept on this machine for a while (M-AG-14; Mesos docs, "Fetcher cache").

An entry is one URI for one user. Whoever asks while it is being brought waits for the same bringing. Room is made by
the entries that were used longest ago and that nobody copies from just now; what finds no room is fetched past the
cache. An entry is not looked at again at its source: who changes a file gives it another name.

Nothing outlives the agent: the directory is emptied when it starts.
"""

from __future__ import annotations

import asyncio
import shutil
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

Bring = Callable[[Path], Awaitable[None]]
Key = tuple[str, str]
"""User (empty for the agent's own) and URI."""


class NoRoom(Exception):
    """The cache cannot take it, now or ever; to be fetched past it."""


@dataclass(slots=True, eq=False)
class _Entry:
    path: Path
    size: int
    bringing: asyncio.Task[None] | None
    users: int = 0
    """Who waits for it or copies from it."""
    waiting: int = field(default=0)


class FetchCache:
    """At most ``bytes_max`` of files in ``directory``, which is made and emptied when it is first used."""

    def __init__(self, directory: Path, bytes_max: int) -> None:
        self._directory = directory
        self._bytes_max = bytes_max
        self._bytes = 0
        self._entries: OrderedDict[Key, _Entry] = OrderedDict()
        """The one that was used longest ago in front."""
        self._count = 0
        self._ready = False

    def metrics(self) -> Mapping[str, float]:
        """By Mesos' names."""
        return {
            "containerizer/fetcher/cache_size_total_bytes": float(self._bytes_max),
            "containerizer/fetcher/cache_size_used_bytes": float(self._bytes),
        }

    @asynccontextmanager
    async def file(self, key: Key, name: str, size: Callable[[], Awaitable[int]], bring: Bring) -> AsyncIterator[Path]:
        """The file, there until the end of the context. ``bring`` fetches it to a path where it is not here yet, and
        ``size`` says how large it will be; ``name`` is its own.

        Raises:
            NoRoom: it is to be fetched past the cache.
            Exception: whatever ``size`` or ``bring`` raised, for all who waited.
        """
        entry = self._entries.get(key)
        if entry is None:
            expected = await size()
            entry = self._entries.get(key) or self._begin(key, name, expected, bring)
        self._entries.move_to_end(key)
        entry.users += 1
        try:
            if entry.bringing is not None:
                await self._wait(key, entry, entry.bringing)
            yield entry.path
        finally:
            entry.users -= 1

    def _begin(self, key: Key, name: str, expected: int, bring: Bring) -> _Entry:
        self._make_room(expected)
        if not self._ready:
            shutil.rmtree(self._directory, ignore_errors=True)
            self._directory.mkdir(parents=True, mode=0o700)
            self._ready = True
        self._count += 1
        # A place of its own for each: its name says what it is, and an archive's what it becomes.
        path = self._directory / str(self._count) / name
        path.parent.mkdir()
        entry = _Entry(path, expected, None)
        self._bytes += expected
        self._entries[key] = entry

        async def bringing() -> None:
            try:
                await bring(path)
                found = (await asyncio.to_thread(path.stat)).st_size
            except BaseException:
                self._forget(key, entry)
                raise
            entry.bringing = None
            if self._entries.get(key) is entry:
                self._bytes += found - entry.size
                entry.size = found
                with suppress(NoRoom):  # It came out larger than it was said to be.
                    self._make_room(0)

        entry.bringing = asyncio.ensure_future(bringing())
        return entry

    async def _wait(self, key: Key, entry: _Entry, bringing: asyncio.Task[None]) -> None:
        """One who gives up does not spoil it for the others; when all have, nobody needs it."""
        entry.waiting += 1
        try:
            await asyncio.shield(bringing)
        finally:
            entry.waiting -= 1
            if not entry.waiting and not bringing.done():
                self._forget(key, entry)
                bringing.cancel()
                await asyncio.wait((bringing,))
                if not bringing.cancelled():
                    bringing.exception()  # Nobody is left to hear of it.

    def _make_room(self, size: int) -> None:
        if size > self._bytes_max:
            raise NoRoom
        free = self._bytes_max - self._bytes
        idle = [(key, entry) for key, entry in self._entries.items() if not entry.users]
        if free + sum(entry.size for _, entry in idle) < size:
            raise NoRoom
        for key, entry in idle:
            if self._bytes_max - self._bytes >= size:
                return
            self._forget(key, entry)

    def _forget(self, key: Key, entry: _Entry) -> None:
        if self._entries.get(key) is entry:
            del self._entries[key]
            self._bytes -= entry.size
        shutil.rmtree(entry.path.parent, ignore_errors=True)
