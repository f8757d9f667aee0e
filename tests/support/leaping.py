"""A loop whose clock can be put forward: what would happen after a minute happens now, and not before it is to."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


class LeapingLoop(asyncio.SelectorEventLoop):
    """``ahead`` is by how many seconds its clock is in front of the machine's."""

    ahead = 0.0

    def time(self) -> float:
        return super().time() + self.ahead


def leap(seconds: float) -> None:
    """Let so much time pass at once, in the running loop, which is one that leaps."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, LeapingLoop)
    loop.ahead += seconds


def run_leaping(body: Coroutine[Any, Any, Result]) -> Result:  # Any: what a coroutine yields is the loop's business
    """Run in a loop of this kind."""
    with asyncio.Runner(loop_factory=LeapingLoop) as runner:
        return runner.run(body)
