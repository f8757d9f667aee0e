"""Telling systemd how the service fares (sd_notify(3)): that it is ready, that it ends, and that it is alive.

Without a supervisor that asks for it, nothing is sent.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import MutableMapping
from typing import Final

READY: Final = "READY=1"
STOPPING: Final = "STOPPING=1"
ALIVE: Final = "WATCHDOG=1"
_MICROSECONDS: Final = 1_000_000
_ALIVE_PER_TIMEOUT: Final = 3
"""So often within its time-out the watchdog hears of us: one late turn of the loop is no reason to be killed."""

log = logging.getLogger(__name__)


class Supervisor:
    """The supervisor that ``environment`` names by ``NOTIFY_SOCKET``, if it names one.

    The variables are taken out of ``environment``: they are not for the processes that this one starts.
    """

    def __init__(self, environment: MutableMapping[str, str] = os.environ) -> None:
        self._address = environment.pop("NOTIFY_SOCKET", "")
        self.watchdog_seconds = _watchdog_seconds(environment)
        self._beat: asyncio.TimerHandle | None = None

    def tell(self, state: str) -> None:
        """Send ``state``; a supervisor that cannot be reached is no reason to fail."""
        if not self._address:
            return
        # A leading @ stands for the abstract namespace, whose names begin with a zero byte.
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(
                socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
            ) as sender:
                sender.sendto(state.encode(), address)
        except OSError as error:
            log.warning("The supervisor at %s was not told %s: %s", self._address, state, error)

    def ready(self) -> None:
        """The service accepts connections. From now on the watchdog is fed, from the running loop: one that no longer
        turns is what it is to notice."""
        self.tell(READY)
        if self.watchdog_seconds is not None:
            self._feed(asyncio.get_running_loop(), self.watchdog_seconds / _ALIVE_PER_TIMEOUT)

    def stopping(self) -> None:
        """The service ends. The watchdog goes on being fed: an orderly end may take its time."""
        self.tell(STOPPING)

    def stopped(self) -> None:
        """Nothing more is said."""
        if self._beat is not None:
            self._beat.cancel()

    def _feed(self, loop: asyncio.AbstractEventLoop, pause_seconds: float) -> None:
        self.tell(ALIVE)
        self._beat = loop.call_later(pause_seconds, self._feed, loop, pause_seconds)


def _watchdog_seconds(environment: MutableMapping[str, str]) -> float | None:
    """How long the supervisor waits for a sign of life; ``None`` where it does not, or waits for another process."""
    for_process = environment.pop("WATCHDOG_PID", "")
    microseconds = environment.pop("WATCHDOG_USEC", "")
    if for_process and for_process != str(os.getpid()):
        return None
    return int(microseconds) / _MICROSECONDS if microseconds.isdecimal() and int(microseconds) > 0 else None
