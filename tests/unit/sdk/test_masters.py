"""A scheduler goes where the leader is, and waits for one that makes sure that it leads (M-HA-01, X22)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from mesos_service.http.client import ConnectionFault
from mesos_service.http.server import bind
from mesos_service.sdk import subscription
from mesos_service.sdk.errors import NotConnected, Unreachable
from mesos_service.sdk.masters import DetectedMasters, NamedMasters, masters
from mesos_service.sdk.subscription import Address, Backoff, Subscription
from tests.support.ports import fixed_port
from tests.unit.sdk.fake_server import Answer, FakeServer, fake_master
from tests.unit.sdk.recording import Recording, in_loop, running


@dataclass(frozen=True)
class Elsewhere:
    """A leader that is no server of the test's."""

    address: str


class Oracle:
    """Masters as the test says."""

    names_leader = True

    def __init__(self) -> None:
        self.leader: FakeServer | Elsewhere | None = None
        self.stopped = False
        self.awaited = asyncio.Event()
        self.asked = asyncio.Event()
        self._changed = asyncio.Event()

    def start(self) -> None: ...

    async def addresses(self) -> Sequence[Address]:
        self.asked.set()
        if self.leader is None:
            raise ConnectionFault("no master leads")
        return (Address.parse(self.leader.address, 5050),)

    async def news(self) -> None:
        self.awaited.set()
        await self._changed.wait()

    async def stop(self) -> None:
        self.stopped = True

    def say(self, leader: FakeServer | None) -> None:
        self.leader = leader
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


def test_x22_a_scheduler_leaves_a_leader_that_leads_no_more_though_its_stream_is_whole() -> None:
    async def test() -> None:
        async with fake_master() as old, fake_master() as new:
            scheduler = Recording("unused:1")
            scheduler._masters = oracle = Oracle()
            oracle.say(old)
            async with running(scheduler):
                await scheduler.heard("subscribed")
                # Nothing is to be had from it any more, and it does not say so.
                old.answers["SUBSCRIBE"] = Answer(503, "No leader elected")
                oracle.say(new)
                await scheduler.heard("subscribed", 2)
                (call,) = await new.called("SUBSCRIBE")
                assert call["framework_id"] == {"value": "F1"}
            assert oracle.stopped

    in_loop(test())


def test_x26_a_new_leader_ends_the_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mesos_service.sdk.scheduler.Backoff.next", lambda self: 1000.0)

    async def test() -> None:
        async with fake_master() as master:
            scheduler = Recording("unused:1")
            scheduler._masters = oracle = Oracle()
            async with running(scheduler):
                await oracle.awaited.wait()
                oracle.say(master)
                await scheduler.heard("subscribed")

    in_loop(test())


class Waits:
    """How long a scheduler would have waited at most each time; it waits a moment only."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ceilings: list[float] = []
        self._grown = asyncio.Event()
        honest = Backoff.next

        def seen(backoff: Backoff) -> float:
            self.ceilings.append(backoff._ceiling_seconds)
            self._grown.set()
            honest(backoff)
            return 0.001

        monkeypatch.setattr(Backoff, "next", seen)

    async def until(self, count: int) -> None:
        while len(self.ceilings) < count:
            self._grown.clear()
            await self._grown.wait()


def test_x26_how_long_the_old_leader_was_away_does_not_keep_a_scheduler_from_the_new_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The new one is not ready at once. Whoever has waited long for the old one must not wait as long again."""

    async def test() -> None:
        waits = Waits(monkeypatch)
        async with fake_master() as new:
            new.answers["SUBSCRIBE"] = Answer(503, "Master has not finished recovery")
            scheduler = Recording("unused:1")
            scheduler._masters = oracle = Oracle()
            oracle.leader = Elsewhere(f"127.0.0.1:{fixed_port()}")
            async with running(scheduler):
                await waits.until(6)
                assert waits.ceilings[5] > 3.0, "it did not wait longer and longer"
                oracle.leader = new  # It learns of it as it asks, not while it waits.
                await new.called("SUBSCRIBE")
                before = len(waits.ceilings)
                await waits.until(before + 1)
                first, again = waits.ceilings[before:][:1], len(waits.ceilings)
                assert first == [0.1] or waits.ceilings[before - 1] == 0.1, waits.ceilings
                await waits.until(again + 3)
                assert waits.ceilings[-1] > 0.2, "of the new one it waits longer and longer too"
                del new.answers["SUBSCRIBE"]
                await scheduler.heard("subscribed")

    in_loop(test())


def test_x26_a_scheduler_that_is_trying_the_old_leader_turns_to_the_new_one_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def test() -> None:
        waits = Waits(monkeypatch)
        async with fake_master() as new:
            with bind("127.0.0.1", 0) as frozen:
                scheduler = Recording("unused:1")
                scheduler._masters = oracle = Oracle()
                oracle.leader = Elsewhere(f"127.0.0.1:{fixed_port()}")
                async with running(scheduler):
                    await waits.until(6)
                    oracle.leader = Elsewhere(f"127.0.0.1:{frozen.getsockname()[1]}")
                    oracle.asked.clear()
                    await oracle.asked.wait()  # From here on it waits for the frozen one's answer.
                    tried = len(waits.ceilings)
                    oracle.awaited.clear()
                    await oracle.awaited.wait()
                    oracle.say(new)
                    await scheduler.heard("subscribed")
                    assert waits.ceilings[tried:] == [0.1], waits.ceilings

    in_loop(test())


def test_x22_a_call_that_a_leader_in_doubt_does_not_take_is_made_again() -> None:
    async def test() -> None:
        async with fake_master() as master:
            scheduler = Recording(master.address)
            async with running(scheduler):
                await scheduler.heard("subscribed")
                master.answers["REVIVE"] = Answer(503, "ask again")
                reviving = asyncio.create_task(scheduler.revive())
                await master.called("REVIVE", 2)
                del master.answers["REVIVE"]
                await reviving
                assert len(await master.called("SUBSCRIBE")) == 1

    in_loop(test())


def test_a_call_that_is_never_taken_ends_the_subscription(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscription, "_NOT_NOW_SECONDS_MAX", 0.3)

    async def test() -> None:
        async with fake_master() as master:
            scheduler = Recording(master.address)
            async with running(scheduler):
                await scheduler.heard("subscribed")
                master.answers["REVIVE"] = Answer(503, "ask again")
                with pytest.raises(NotConnected, match="has given up this subscription: HTTP 503 ask again"):
                    await scheduler.revive()
                await scheduler.heard("subscribed", 2)

    in_loop(test())


def test_a_master_that_does_not_answer_subscribe_is_frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscription, "_ANSWER_SECONDS", 0.2)

    async def test() -> None:
        with bind("127.0.0.1", 0) as listener:  # The kernel takes the connection, and nobody reads.
            host, port = listener.getsockname()
            with pytest.raises(ConnectionFault, match=r"did not answer within 0\.2 s"):
                await Subscription.open(Address(host, port), "/api/v1/scheduler", b"{}")

    in_loop(test())


def test_x22_a_leader_that_is_frozen_keeps_no_scheduler_from_the_next_one() -> None:
    """Its kernel takes the connection, and nobody answers: whoever waits there is away for as long."""

    async def test() -> None:
        async with fake_master() as master:
            with bind("127.0.0.1", 0) as frozen:
                scheduler = Recording("unused:1")
                scheduler._masters = oracle = Oracle()
                oracle.leader = Elsewhere(f"127.0.0.1:{frozen.getsockname()[1]}")
                async with running(scheduler):
                    await oracle.awaited.wait()
                    oracle.say(master)
                    await scheduler.heard("subscribed")
                    # Nor when it was this scheduler's own leader.
                    scheduler._leader = Address.parse(f"127.0.0.1:{frozen.getsockname()[1]}", 5050)
                    master.end_stream()
                    await scheduler.heard("subscribed", 2)

    in_loop(test())


def test_without_zookeeper_a_scheduler_says_so_and_shows_no_password() -> None:
    async def test() -> None:
        port = fixed_port()
        scheduler = Recording(f"zk://u:hunter2@127.0.0.1:{port}/mesos", patience_seconds=0.1)
        with pytest.raises(Unreachable, match=rf"no ZooKeeper answers at zk://u:\*\*\*@127.0.0.1:{port}/mesos"):
            await scheduler.run()

    in_loop(test())


def test_what_is_no_master_is_refused_without_its_password() -> None:
    assert isinstance(masters("a:1,b"), NamedMasters)
    assert isinstance(masters("zk://h/mesos"), DetectedMasters)
    with pytest.raises(ValueError, match="the path is missing") as caught:
        masters("zk://u:hunter2@h:2181")
    assert "hunter2" not in str(caught.value)
