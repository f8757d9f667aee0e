"""A driver that is held: nothing is decided, nothing is lost, and no time passes (X22)."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence

import pytest

from mesos_service.domain.errors import InvariantBroken
from mesos_service.driver import CATCHING_UP, Driver, Held


class Recorder(Driver[str, str, str]):
    """A core that answers each call with its own text, and wants a tick at ``deadline``."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.allowed = True
        self.stepped: list[tuple[str, float]] = []
        self.deadline: float | None = None
        self.asked = asyncio.Event()
        self.ticked = asyncio.Event()
        self.defects: list[BaseException] = []
        self.broken = ""
        """The message that the core cannot cope with."""
        self.failed_once = asyncio.Event()
        super().__init__("tick", self._defect, lambda: self.time, self._permitted)

    def _defect(self, defect: BaseException) -> None:
        self.defects.append(defect)
        self.failed_once.set()

    def _permitted(self) -> bool:
        self.asked.set()
        return self.allowed

    def _step(self, message: str, now: float) -> Sequence[str]:
        self.stepped.append((message, now))
        if message == self.broken:
            raise InvariantBroken(f"{message} makes no sense")
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
    message, at = driver.stepped[-1]
    assert (message, at) == ("after", 1001.0 + CATCHING_UP)


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
        await asyncio.wait_for(driver.asked.wait(), 60)  # The timer fires, and it is not permitted.
        assert driver.held
        assert driver.stepped == [("before", 1000.0)]
        driver.time += 60
        driver.allowed = True
        driver.go_on()
        assert driver.stepped == [("before", 1000.0)]
        driver.time += 0.03
        await asyncio.wait_for(driver.ticked.wait(), 60)
        assert driver.stepped[1][0] == "tick"
        assert 1000.02 <= driver.stepped[1][1] <= 1000.04
        driver.stop()

    asyncio.run(scenario())


def hold_for(driver: Recorder, seconds: float) -> None:
    driver.allowed = False
    driver.submit("held")
    driver.time += seconds
    driver.allowed = True
    driver.go_on()


def test_x22_the_time_that_stood_still_is_caught_up_without_ever_going_back() -> None:
    """What the core dates is unix time to everybody else: however often it was in doubt, it does not fall behind."""
    driver = Recorder()
    driver.submit("before")
    for _ in range(3):
        hold_for(driver, 10.0)
        for _ in range(50):
            driver.time += 1.0
            driver.submit("second")
    seen = [at for _, at in driver.stepped]
    assert seen == sorted(seen)
    assert max(later - earlier for earlier, later in itertools.pairwise(seen)) <= 1 + CATCHING_UP + 1e-9
    assert seen[51] == pytest.approx(1050.0 + 50 * CATCHING_UP), "ten seconds late, and a twentieth of fifty less"
    driver.time += 30.0 / CATCHING_UP
    assert driver.now() == driver.time
    driver.time += 1.0
    assert driver.now() == driver.time


def test_x22_a_deadline_is_met_at_the_time_of_the_core_while_it_catches_up() -> None:
    driver = Recorder()
    driver.submit("before")
    hold_for(driver, 1.0)
    now = driver.now()
    for seconds in (0.5, 5.0, 21.0, 50.0):
        driver.time = 1001.0 + driver._seconds_until(now + seconds, now)
        assert driver.now() == pytest.approx(now + seconds)
        driver.time = 1001.0


def test_a_tick_that_fails_is_told_and_is_the_last() -> None:
    """M-HA-13: nothing that is due would be done any more, so whoever runs this ends it, and loudly."""

    async def scenario() -> None:
        driver = Recorder()
        driver.broken = "tick"
        driver.deadline = 1000.0
        driver.submit("before")
        await asyncio.wait_for(driver.failed_once.wait(), 60)
        assert [str(one) for one in driver.defects] == ["tick makes no sense"]
        driver.submit("after")
        for _ in range(5):
            await asyncio.sleep(0)
        assert [message for message, _ in driver.stepped] == ["before", "tick", "after"]

    asyncio.run(scenario())


def test_a_message_that_fails_does_not_keep_what_is_due_from_being_done() -> None:
    async def scenario() -> None:
        driver = Recorder()
        driver.broken = "bad"
        driver.deadline = 1000.0
        with pytest.raises(InvariantBroken):
            driver.submit("bad")
        await asyncio.wait_for(driver.ticked.wait(), 60)
        driver.stop()

    asyncio.run(scenario())
