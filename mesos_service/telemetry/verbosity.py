"""How much the log tells for a while: Mesos' verbosity levels over ours (Mesos docs, logging; ``/logging/toggle``).

Level 0 is what ``--logging_level`` says; any higher one is DEBUG, as there is nothing beyond it here. The log is the
process's, and so is its verbosity: services that share a process share it.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

SECONDS_MAX: Final = 366 * 24 * 3600.0
"""Who wants it for longer changes the flag; event loops do not wait for arbitrary times."""

log = logging.getLogger(__name__)


class Verbosity:
    """The level in force, and what brings back the usual one. Belongs to the loop's thread."""

    def __init__(self, logger: logging.Logger | None = None) -> None:
        self._logger = logger or logging.getLogger()
        self._usual: int | None = None
        """The logger's own level, while another one is in force."""
        self._timer: asyncio.TimerHandle | None = None
        self.level = 0

    def set(self, level: int, seconds: float) -> None:
        """Have ``level`` in force for ``seconds``, and then the usual one again; 0 is that one, at once."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if level == 0:
            self._revert()
            return
        if self._usual is None:
            self._usual = self._logger.level
        self.level = level
        self._logger.setLevel(logging.DEBUG)
        seconds = max(0.0, min(seconds, SECONDS_MAX))
        log.info("Verbosity %d for %g s", level, seconds)
        self._timer = asyncio.get_running_loop().call_later(seconds, self._revert)

    def _revert(self) -> None:
        self._timer = None
        self.level = 0
        if self._usual is not None:
            self._logger.setLevel(self._usual)
            self._usual = None
            log.info("Verbosity as usual")


VERBOSITY: Final = Verbosity()
"""This process's."""
