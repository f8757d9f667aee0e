"""What is added to the files that a task writes to: all there is to attach to where it has no terminal."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from mesos_service.agent.terminals import CHUNK_BYTES, Stream

_POLL_SECONDS: Final = 0.1
_NAMES: Final[tuple[tuple[str, Stream], ...]] = (("stdout", "STDOUT"), ("stderr", "STDERR"))


async def follow(sandbox: Path, lives: Callable[[], bool]) -> AsyncIterator[tuple[Stream, bytes]]:
    """Pieces as they are written, from now on and until the task does not live any more; a file that is cut off, as by
    rotation, is read on from its new beginning."""
    with ExitStack() as stack:
        files: list[tuple[int, Stream]] = []
        offsets: dict[int, int] = {}
        for name, stream in _NAMES:
            try:
                number = os.open(sandbox / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            except OSError:
                continue  # The task has put something else in its place, or nothing.
            stack.callback(os.close, number)
            files.append((number, stream))
            offsets[number] = os.fstat(number).st_size
        while True:
            living = lives()
            nothing = True
            for number, stream in files:
                if os.fstat(number).st_size < offsets[number]:
                    offsets[number] = 0
                data = os.pread(number, CHUNK_BYTES, offsets[number])
                if data:
                    offsets[number] += len(data)
                    nothing = False
                    yield stream, data
            if nothing and not living:
                return
            if nothing:
                await asyncio.sleep(_POLL_SECONDS)
