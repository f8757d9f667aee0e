"""An agent goes where the leader is, and nowhere else (X22, M-HA-01)."""

from __future__ import annotations

import asyncio

from mesos_service.agent.master_detector import make_detector, some_address
from mesos_service.agent.master_link import LinkOptions, MasterLink
from mesos_service.core import link
from mesos_service.core.agent_messages import AgentMessage, MasterConnected, MasterLost
from mesos_service.domain.ids import AgentId, ExecutorId, FrameworkId
from mesos_service.election.detector import ZooKeeperDetector
from mesos_service.election.interface import ElectionFault, Leader
from mesos_service.election.standalone import StandaloneDetector
from tests.unit.agent_service.support import FakeMaster, fake_master, until

SLOW = LinkOptions(backoff_seconds=1000, backoff_seconds_max=1000, call_seconds_max=30, spread_seconds=0.01)
"""Whoever waits out one of these pauses does not come back within a test."""
QUICK = LinkOptions(backoff_seconds=0.01, backoff_seconds_max=0.05, call_seconds_max=30, spread_seconds=0.01)


class Oracle:
    """A detector that knows what the test says."""

    def __init__(self) -> None:
        self.leader: Leader | None = None
        self.fault: ElectionFault | None = None
        self.asked = 0
        self._changed = asyncio.Event()

    def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def detect(self, previous: Leader | None = None) -> Leader | None:
        self.asked += 1
        while self.leader == previous:
            if self.fault is not None:
                raise self.fault
            await self._changed.wait()
        return self.leader

    def say(self, leader: Leader | None, fault: ElectionFault | None = None) -> None:
        self.leader, self.fault = leader, fault
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


class World:
    """An agent's link and its oracle."""

    def __init__(self, options: LinkOptions) -> None:
        self.oracle = Oracle()
        self.heard: list[AgentMessage] = []
        self.defects: list[BaseException] = []
        self.link = MasterLink(self.oracle, options)
        self.uplink = self.link.attach(self.heard.append)

    def kinds(self) -> list[type[AgentMessage]]:
        return [type(one) for one in self.heard]

    def say(self, number: int) -> None:
        opened = self.link.open
        assert opened is not None
        message = link.ExitedExecutor(framework_id=FrameworkId("f"), executor_id=ExecutorId("e"), status=number)
        self.uplink.send(opened.link_id, AgentId("a"), message)

    async def __aenter__(self) -> World:
        self.link.start(self.defects.append)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.link.stop()
        assert self.defects == []


def leads(master: FakeMaster, election: int = 1) -> Leader:
    return Leader("127.0.0.1", master.port, "here", election)


def test_x22_without_a_leader_no_master_is_listened_to() -> None:
    async def scenario() -> None:
        async with fake_master() as master, World(SLOW) as world:
            await until(lambda: world.oracle.asked)
            assert master.attempts == 0
            world.oracle.say(leads(master))
            await until(lambda: world.kinds() == [MasterConnected])
            world.oracle.say(None)
            await until(lambda: world.kinds() == [MasterConnected, MasterLost])
            await until(lambda: not master.streams)
            assert master.attempts == 1

    asyncio.run(scenario())


def test_x22_an_agent_leaves_a_leader_that_leads_no_more_though_its_link_is_whole() -> None:
    """As of one that is frozen: it says nothing, and nothing breaks."""

    async def scenario() -> None:
        async with fake_master() as old, fake_master() as new, World(SLOW) as world:
            world.oracle.say(leads(old))
            await until(lambda: world.kinds() == [MasterConnected])
            world.oracle.say(leads(new, 2))
            await until(lambda: world.kinds() == [MasterConnected, MasterLost, MasterConnected])
            assert len(new.links) == 1
            assert world.link.master is not None
            assert world.link.master.port == new.port

    asyncio.run(scenario())


def test_x26_a_new_leader_ends_the_waiting_for_an_old_one() -> None:
    """However often the old one was tried in vain, agents are back soon after an election."""

    async def scenario() -> None:
        async with fake_master() as old, fake_master() as new, World(SLOW) as world:
            old.refusal = (503, "No leader elected")
            world.oracle.say(leads(old))
            await until(lambda: old.attempts == 1)
            world.oracle.say(leads(new, 2))
            await until(lambda: world.kinds() == [MasterConnected])
            assert old.attempts == 1

    asyncio.run(scenario())


def test_x26_agents_that_wait_for_a_leader_do_not_all_go_there_in_one_moment() -> None:
    """Each goes at a moment of its own, after the leader is known and not before."""
    options = LinkOptions(backoff_seconds=0.001, backoff_seconds_max=0.001, call_seconds_max=30, spread_seconds=1000)

    async def scenario() -> None:
        async with fake_master() as old, fake_master() as new, World(options) as world:
            world.oracle.say(leads(old))
            await until(lambda: world.kinds() == [MasterConnected])
            world.oracle.say(None)
            await until(lambda: world.kinds() == [MasterConnected, MasterLost])
            await until(lambda: world.oracle.asked == 4)  # It waits for the next one.
            world.oracle.say(leads(new, 2))
            for _ in range(5):
                await asyncio.sleep(0)
            assert new.attempts == 0, "its moment is within the next quarter of an hour"

    asyncio.run(scenario())


def test_the_same_master_elected_again_is_a_new_leader() -> None:
    async def scenario() -> None:
        async with fake_master() as master, World(SLOW) as world:
            world.oracle.say(leads(master, 1))
            await until(lambda: len(master.links) == 1)
            world.oracle.say(leads(master, 2))
            await until(lambda: len(master.links) == 2)

    asyncio.run(scenario())


def test_a_detector_at_a_loss_ends_no_link_and_is_asked_again() -> None:
    async def scenario() -> None:
        async with fake_master() as master, World(QUICK) as world:
            world.oracle.say(None, ElectionFault("no permission"))
            await until(lambda: world.oracle.asked > 3)
            world.oracle.say(leads(master))
            await until(lambda: world.kinds() == [MasterConnected])
            asked = world.oracle.asked
            world.oracle.say(leads(master), ElectionFault("no permission"))
            await until(lambda: world.oracle.asked > asked)
            assert world.kinds() == [MasterConnected]

    asyncio.run(scenario())


def test_x22_a_call_that_a_leader_in_doubt_does_not_take_is_made_again_in_order() -> None:
    """Its links stay open, and nothing that was said on them is lost."""

    async def scenario() -> None:
        async with fake_master() as master, World(QUICK) as world:
            world.oracle.say(leads(master))
            await until(lambda: world.kinds() == [MasterConnected])
            master.call_status = 503
            world.say(1)
            await until(lambda: len(master.calls) >= 2)
            world.say(2)
            taken = len(master.calls)
            master.call_status = 202
            await until(lambda: len(master.calls) >= taken + 2)
            assert await world.link.drain(30)
            said = [one.status for call in master.calls[-2:] for batch in call.batches for one in batch.messages]  # type: ignore[union-attr]
            assert said == [1, 2]
            assert world.kinds() == [MasterConnected]
            assert len(master.links) == 1

    asyncio.run(scenario())


def test_a_master_that_takes_no_calls_for_good_is_left() -> None:
    options = LinkOptions(backoff_seconds=0.01, backoff_seconds_max=0.05, call_seconds_max=0.3)

    async def scenario() -> None:
        async with fake_master() as master, World(options) as world:
            world.oracle.say(leads(master))
            await until(lambda: world.kinds() == [MasterConnected])
            master.call_status = 503
            world.say(1)
            await until(lambda: MasterLost in world.kinds())
            await until(lambda: len(master.links) >= 2)

    asyncio.run(scenario())


def test_m_ha_01_the_flag_says_how_the_leader_is_found() -> None:
    async def scenario() -> None:
        detector = make_detector("zk://u:p@h1:2182,h2/mesos", 3.0)
        assert isinstance(detector, ZooKeeperDetector)
        assert str(detector.url) == "zk://u:***@h1:2182,h2:2181/mesos"
        named = make_detector("http://h:5055", 3.0)
        assert isinstance(named, StandaloneDetector)
        assert await named.detect() == Leader("h", 5055, "h")

    asyncio.run(scenario())
    assert str(some_address("zk://u:p@h1:2182,h2/mesos")) == "h1:2182"
    assert str(some_address("h")) == "h:5050"
