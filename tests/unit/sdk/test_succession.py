"""One scheduler among several, from the client's side (A44, N11)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest

from mesos_service.http.held_stream import HeldStream
from mesos_service.sdk import Scheduler, SubscriptionEnded
from mesos_service.wire.agents import MasterInfo
from tests.unit.sdk.fake_server import Answer, FakeServer, Json, fake_master
from tests.unit.sdk.recording import in_loop, running


class Recording(Scheduler):
    """Writes down what it is told."""

    def __init__(self, master: str, lease_seconds: float = 3600.0) -> None:
        super().__init__("several", master, framework_id="F1", standby=True, lease_seconds=lease_seconds)
        self.told: list[tuple[str, int | None]] = []
        self._news = asyncio.Event()

    def _tell(self, what: str) -> None:
        self.told.append((what, self.fencing_token))
        self._news.set()

    async def heard(self, *what: tuple[str, int | None]) -> None:
        """Wait until it was told exactly this."""
        async with asyncio.timeout(60):
            while self.told != [*what]:
                self._news.clear()
                await self._news.wait()

    async def subscribed(self, framework_id: str, master: MasterInfo | None) -> None:
        self._tell("subscribed")

    async def standing_by(self, framework_id: str, master: MasterInfo | None) -> None:
        self._tell("standing by")

    async def promoted(self, fencing_token: int) -> None:
        self._tell("promoted")

    async def disconnected(self, reason: str) -> None:
        self._tell("disconnected")


def subscribed_as(mode: str | None, token: int | None = None) -> Callable[[HeldStream, Json], None]:
    def answer(stream: HeldStream, call: Json) -> None:
        subscribed = {"framework_id": {"value": "F1"}, "heartbeat_interval_seconds": 15.0}
        if mode is not None:
            subscribed["mode"] = mode
        if token is not None:
            subscribed["fencing_token"] = token
        stream.write(json.dumps({"type": "SUBSCRIBED", "subscribed": subscribed}).encode())

    return answer


PROMOTED: Json = {"type": "PROMOTED", "promoted": {"framework_id": {"value": "F1"}, "fencing_token": 4}}


def play(scenario: Callable[[FakeServer], Awaitable[None]]) -> None:
    async def test() -> None:
        async with fake_master() as master:
            master.on_subscribe = subscribed_as("STANDBY")
            await scenario(master)

    in_loop(test())


def test_several_schedulers_must_agree_on_their_framework() -> None:
    with pytest.raises(ValueError, match="framework_id"):
        Scheduler("several", "127.0.0.1", standby=True)


def test_a44_it_stands_by_and_is_promoted() -> None:
    async def scenario(master: FakeServer) -> None:
        scheduler = Recording(master.address)
        async with running(scheduler):
            await scheduler.heard(("standing by", None))
            master.send(PROMOTED)
            await scheduler.heard(("standing by", None), ("promoted", 4), ("subscribed", 4))
        (call,) = await master.called("SUBSCRIBE")
        assert call["subscribe"]["mode"] == "STANDBY"
        assert call["subscribe"]["lease_seconds"] == 3600.0
        assert "fencing_token" not in call["subscribe"]

    play(scenario)


def test_n11_it_comes_back_with_the_token_it_held() -> None:
    async def scenario(master: FakeServer) -> None:
        scheduler = Recording(master.address)
        async with running(scheduler):
            await scheduler.heard(("standing by", None))
            master.send(PROMOTED)
            await master.called("SUBSCRIBE")
            await scheduler.heard(("standing by", None), ("promoted", 4), ("subscribed", 4))
            master.on_subscribe = subscribed_as("PRIMARY", 4)
            scheduler.told.clear()
            master.end_stream()
            await scheduler.heard(("disconnected", None), ("subscribed", 4))
        calls = await master.called("SUBSCRIBE", 2)
        assert calls[1]["subscribe"]["fencing_token"] == 4

    play(scenario)


@pytest.mark.parametrize("word", ["Deposed: no call within the lease of 3 s", "Framework failed over"])
def test_n11_one_that_is_deposed_stands_by_again(word: str) -> None:
    async def scenario(master: FakeServer) -> None:
        scheduler = Recording(master.address)
        async with running(scheduler):
            await scheduler.heard(("standing by", None))
            master.send(PROMOTED)
            master.send({"type": "ERROR", "error": {"message": word}})
            await master.called("SUBSCRIBE", 2)
            await scheduler.heard(
                ("standing by", None),
                ("promoted", 4),
                ("subscribed", 4),
                ("disconnected", None),
                ("standing by", None),
            )

    play(scenario)


def test_n11_a_call_refused_for_its_token_ends_the_subscription_and_not_the_scheduler() -> None:
    async def scenario(master: FakeServer) -> None:
        scheduler = Recording(master.address, lease_seconds=0.3)
        master.answers["HEARTBEAT"] = Answer(403, "Fencing token 3 is no longer valid: ...")
        async with running(scheduler):
            await master.called("SUBSCRIBE", 2)

    play(scenario)


def test_a44_it_says_several_times_a_lease_that_it_is_alive() -> None:
    async def scenario(master: FakeServer) -> None:
        scheduler = Recording(master.address, lease_seconds=0.1)
        async with running(scheduler):
            calls = await master.called("HEARTBEAT", 5)
        assert calls[0] == {"framework_id": {"value": "F1"}, "type": "HEARTBEAT"}

    play(scenario)


def test_x19_a_master_that_knows_nothing_of_this_is_no_place_for_several() -> None:
    async def scenario(master: FakeServer) -> None:
        master.on_subscribe = subscribed_as(None)
        with pytest.raises(SubscriptionEnded, match="knows nothing of several schedulers"):
            await Recording(master.address).run()

    play(scenario)
