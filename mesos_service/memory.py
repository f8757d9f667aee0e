"""How a service that keeps hundreds of thousands of records treats Python's collector of cycles, and its own end.

Such records form no cycles, and go when the last reference to them goes. What does form cycles (tracebacks, closed
connections) is small and can wait.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

COLLECTIONS: Final = (50_000, 50, 100)
"""Allocations between two looks at young objects, such looks between two at older ones, those between two at all."""
PUT_OFF_ALLOCATIONS: Final = 1_000_000
"""What bounds the memory of a stretch without collections: some hundred MB at the very most."""


def tame_garbage_collection() -> None:
    """Make collections rarer: looking at all records again and again would stall every stream for as long."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTIONS)


def put_off_collections(seconds: float) -> None:
    """Look at nothing that is made within so many seconds, neither then nor later; up to a million objects.

    For a stretch in which nearly all that is made lives on: looking at each new record once is a twentieth of what it
    costs to make them.
    """
    gc.set_threshold(PUT_OFF_ALLOCATIONS, *COLLECTIONS[1:])
    asyncio.get_running_loop().call_later(seconds, _go_on)


@contextmanager
def collections_put_off() -> Iterator[None]:
    """Look at nothing that is made within, up to a million objects, before it has ended.

    For an allocation pass: its grants are as many as there are agents, are no part of any cycle, and are gone when the
    step that asked for them ends. To look at them once takes as long as to make them.
    """
    often = gc.get_threshold()
    gc.set_threshold(max(often[0], PUT_OFF_ALLOCATIONS), *often[1:])
    try:
        yield
    finally:
        gc.set_threshold(*often)


def _go_on() -> None:
    gc.freeze()
    gc.set_threshold(*COLLECTIONS)


def leave_memory(service: object) -> None:
    """Let the process end without taking apart what ``service`` remembers, once it is stopped and has closed all.

    Python would give back hundreds of thousands of records one by one, 0.2 s of a processor for 4,000 agents, while the
    next one is already at work or waits to be started; the system takes the memory as a whole. All else that happens
    at an exit still does.
    """
    gc.freeze()
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(service))
