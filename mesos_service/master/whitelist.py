"""``--whitelist``: hosts that may be offered, from a file that is read again every five seconds (M-AL-15).

One host a line; an empty file is nobody. A file that cannot be read changes nothing: what was read last still holds.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final

from mesos_service.core.messages import UpdateWhitelist

INTERVAL_SECONDS: Final = 5.0

log = logging.getLogger(__name__)


class Whitelist:
    """Reads ``file`` and says what has changed to ``tell``, from :meth:`start` to :meth:`stop`."""

    def __init__(
        self, file: Path, tell: Callable[[UpdateWhitelist], object], interval_seconds: float = INTERVAL_SECONDS
    ) -> None:
        self._file = file
        self._tell = tell
        self._interval_seconds = interval_seconds
        self._told: frozenset[str] | None = None
        self._complained = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Read it now, and again and again."""
        self.read()
        self._task = asyncio.create_task(self._reread(), name="whitelist")

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def read(self) -> None:
        """Tell who is on the list, unless that is what was told last."""
        try:
            hosts = frozenset(filter(None, (line.strip() for line in self._file.read_text("utf-8").splitlines())))
        except (OSError, UnicodeDecodeError) as fault:
            if not self._complained:
                log.error("--whitelist: %s cannot be read, and changes nothing: %s", self._file, fault)
            self._complained = True
            return
        self._complained = False
        if hosts != self._told:
            self._told = hosts
            log.info("Whitelist: %d hosts", len(hosts))
            self._tell(UpdateWhitelist(hostnames=hosts))

    async def _reread(self) -> None:
        while True:
            await asyncio.sleep(self._interval_seconds)
            self.read()
