"""Waiting for what happens in another process: by asking, as one must."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")
PAUSE_SECONDS = 0.02
PATIENCE = float(os.environ.get("TESTS_PATIENCE", "1"))
"""How many times longer than usual things may take here: a machine that is emulated is slow."""


class NeverHappened(AssertionError):
    """What was waited for did not come about in time; the text says what."""


def until(what: str, condition: Callable[[], Found | None], seconds_max: float = 30.0) -> Found:
    """Ask until ``condition`` answers something true, and return that.

    For code that runs outside of an event loop; from within one, call it by ``asyncio.to_thread``.

    Raises:
        NeverHappened: it did not within ``seconds_max``.
    """
    deadline = time.monotonic() + seconds_max * PATIENCE
    pause = threading.Event()
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise NeverHappened(f"not within {seconds_max:g} s: {what}")
        pause.wait(PAUSE_SECONDS)
