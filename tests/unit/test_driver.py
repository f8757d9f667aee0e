"""A driver that is held: nothing is decided, nothing is lost, and no time passes (X22)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from mesos_service.driver import Driver, Held


class Recorder(Driver[str, str, str]):
    """A core that answers each call with its own text, and wants a tick at ``deadline``."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.allowed = True
        self.stepped: list[tuple[str, float]] = []
        self.deadline: float | None = None
        self.asked = asyncio.Event()
        self.ticked = asyncio.Event()
        super().__init__("tick", lambda: self.time, self._permitted)

    def _permitted(self) -> bool:
        self.asked.set()
        return self.allowed

    def _step(self, message: str, now: float) -> Sequence[str]:
        self.stepped.append((message, now))
        if message == "tick":
            self.deadline = None
            self.ticked.set()
        return [message]

    def _next_deadline(self) -> float | None:
        return self.deadline

    def _perform(self, effect: str, stimulus: str) -> None:
        if effect.startswith("call"):
            self._resolve(int(effect.removeprefix("call")), "answered")


def test_what_happens_while_held_is_stepped_later_and_in_order_and_calls_are_refused() -> None:
    driver = Recorder()
    driver.submit("before")
    driver.allowed = False
    driver.time += 5
    driver.submit("one")
    assert driver.held
    driver.allowed = True
    driver.submit("two")
    with pytest.raises(Held):
        driver.call(7, "call7")
    assert driver.stepped == [("before", 1000.0)]
    driver.time += 5
    driver.go_on()
    assert driver.call(8, "call8") == "answered"
    assert driver.stepped == [("before", 1000.0), ("one", 1000.0), ("two", 1000.0), ("call8", 1000.0)]
    driver.time += 1
    driver.submit("after")
    assert driver.stepped[-1] == ("after", 1001.0)


def test_a_hold_ends_only_when_it_is_permitted_and_may_begin_again_at_once() -> None:
    driver = Recorder()
    driver.allowed = False
    driver.submit("one")
    driver.go_on()
    assert (driver.held, driver.stepped) == (True, [])
    driver.allowed = True
    assert not driver.may_act()
    driver.go_on()
    assert driver.stepped == [("one", 1000.0)]


def test_no_deadline_passes_for_the_time_that_was_lost() -> None:
    """A ping that nobody could answer, as nobody listened, is not left unanswered."""

    async def scenario() -> None:
        driver = Recorder()
        driver.deadline = 1000.02
        driver.submit("before")
        driver.allowed = False
        driver.asked.clear()
        await asyncio.wait_for(driver.asked.wait(), 10)  # The timer fires, and it is not permitted.
        assert driver.held
        assert driver.stepped == [("before", 1000.0)]
        driver.time += 60
        driver.allowed = True
        driver.go_on()
        assert driver.stepped == [("before", 1000.0)]
        driver.time += 0.03
        await asyncio.wait_for(driver.ticked.wait(), 10)
        assert driver.stepped[1][0] == "tick"
        assert driver.stepped[1][1] == pytest.approx(1000.03)
        driver.stop()

    asyncio.run(scenario())
