"""The agent's end of the agent link, against a master on a real socket (X62)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from mesos_service.agent import open_link
from mesos_service.agent.master_link import AgentUplink, LinkOptions, MasterLink
from mesos_service.agent.open_link import REDIRECTS_MAX
from mesos_service.core import link
from mesos_service.core.agent_messages import AgentMessage, FromMaster, MasterConnected, MasterLost
from mesos_service.domain.agents import AgentInfo
from mesos_service.domain.ids import AgentId, ExecutorId, FrameworkId, LinkId
from mesos_service.election.standalone import StandaloneDetector
from mesos_service.wire import agent_link
from tests.support.ports import fixed_port
from tests.unit.agent_service.support import FakeMaster, fake_master, until

QUICK = LinkOptions(backoff_seconds=0.01, backoff_seconds_max=0.05, call_seconds_max=30.0)


class Agent:
    """What one agent hears, and how it answers."""

    def __init__(self, master_link: MasterLink) -> None:
        self.heard: list[AgentMessage] = []
        self.uplink: AgentUplink = master_link.attach(self.heard.append)

    @property
    def link_id(self) -> LinkId | None:
        """The link it was told of and not told the end of."""
        states = [one for one in self.heard if isinstance(one, MasterConnected | MasterLost)]
        return states[-1].link_id if states and isinstance(states[-1], MasterConnected) else None

    def heard_from_master(self) -> list[link.Downlink]:
        return [one.message for one in self.heard if isinstance(one, FromMaster)]

    def say(self, agent_id: str | None, message: link.Uplink) -> None:
        assert self.link_id is not None
        self.uplink.send(self.link_id, None if agent_id is None else AgentId(agent_id), message)


@asynccontextmanager
async def linked(port: int, options: LinkOptions = QUICK, agents: int = 1) -> AsyncIterator[tuple[MasterLink, Agent]]:
    master_link = MasterLink(StandaloneDetector("127.0.0.1", port), options)
    agent = Agent(master_link)
    defects: list[BaseException] = []
    master_link.start(defects.append)
    try:
        yield master_link, agent
    finally:
        await master_link.stop()
        assert not defects


def exited(number: int) -> link.ExitedExecutor:
    return link.ExitedExecutor(framework_id=FrameworkId("f"), executor_id=ExecutorId("e"), status=number)


def statuses(master: FakeMaster, agent_id: str | None) -> list[int]:
    return [one.status for one in master.said(agent_id) if isinstance(one, agent_link.ExitedExecutor)]


def test_first_registration_is_answered_by_its_word() -> None:
    async def scenario() -> None:
        async with fake_master() as master, linked(master.port) as (master_link, agent):
            await until(lambda: agent.link_id)
            other = Agent(master_link)
            await until(lambda: other.link_id)
            agent.say(None, link.Register(agent=AgentInfo(hostname="one"), registration="r1"))
            other.say(None, link.Register(agent=AgentInfo(hostname="two"), registration="r2"))
            await until(lambda: len(master.said(None)) == 2)
            master.tell(None, agent_link.Registered(registration="r2", agent_id="S2"))
            master.tell(None, agent_link.Registered(registration="r1", agent_id="S1"))
            await until(lambda: agent.heard_from_master() and other.heard_from_master())
            assert agent.heard_from_master() == [link.Registered(registration="r1", agent_id=AgentId("S1"))]
            assert other.heard_from_master() == [link.Registered(registration="r2", agent_id=AgentId("S2"))]
            # From now on each is addressed by its id, and whoever is not here is passed over.
            master.tell("S3", agent_link.Ping())
            master.tell("S1", agent_link.ShutdownFramework(framework_id="f"))
            master.tell("S2", agent_link.Ping(connected=False))
            await until(lambda: len(other.heard_from_master()) == 2)
            assert agent.heard_from_master()[1:] == [link.ShutdownFramework(FrameworkId("f"))]
            assert other.heard_from_master()[1:] == [link.Ping(connected=False)]

    asyncio.run(scenario())


def test_x62_one_call_at_a_time_and_order_is_kept() -> None:
    async def scenario() -> None:
        async with fake_master() as master, linked(master.port) as (_, agent):
            await until(lambda: agent.link_id)
            master.answering.clear()
            agent.say("S1", exited(0))
            await until(lambda: len(master.calls) == 1)
            for number in range(1, 200):
                agent.say("S1", exited(number))
                await asyncio.sleep(0)
            assert len(master.calls) == 1, "a second call went out while the first was on its way"
            master.answering.set()
            await until(lambda: len(statuses(master, "S1")) == 200)
            assert statuses(master, "S1") == list(range(200))
            assert len(master.calls) == 2, "what came up meanwhile goes in one call"

    asyncio.run(scenario())


def test_x62_a_call_is_bounded_in_bytes_and_order_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """A master takes no call of any size; a backlog goes in as many as it needs, and one large message goes alone."""
    monkeypatch.setattr(open_link, "CALL_BYTES_MAX", 2000)

    def told(number: int, size: int) -> link.MessageFromExecutor:
        data = b"%d:" % number + b"x" * size
        return link.MessageFromExecutor(framework_id=FrameworkId("f"), executor_id=ExecutorId("e"), data=data)

    async def scenario() -> None:
        async with fake_master() as master, linked(master.port) as (master_link, agent):
            other = Agent(master_link)
            await until(lambda: agent.link_id and other.link_id)
            for number in range(60):
                agent.say("S1", told(number, 9000 if number == 30 else 100))
                other.say("S2", told(number, 10))
            assert await master_link.drain(30.0)
            for speaker in ("S1", "S2"):
                said = [one for one in master.said(speaker) if isinstance(one, agent_link.MessageFromExecutor)]
                assert [int(one.data.split(b":")[0]) for one in said] == list(range(60))
            sizes = [len(agent_link.encode_link_call(call)) for call in master.calls]
            assert len(sizes) > 6
            (large,) = (call for call in master.calls if len(agent_link.encode_link_call(call)) > 2300)
            assert sum(len(batch.messages) for batch in large.batches) == 1
            assert sum(size < 1000 for size in sizes) < 4, "calls are not filled"

    asyncio.run(scenario())


def test_a_burst_of_executors_messages_is_dropped_and_what_must_arrive_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_link, "WAITING_BYTES_MAX", 5000)
    burst = link.MessageFromExecutor(framework_id=FrameworkId("f"), executor_id=ExecutorId("e"), data=b"x" * 100)

    async def scenario() -> None:
        async with fake_master() as master, linked(master.port) as (master_link, agent):
            await until(lambda: agent.link_id)
            for number in range(100):
                agent.say("S1", burst)
                agent.say("S1", exited(number))
            assert await master_link.drain(30.0)
            assert statuses(master, "S1") == list(range(100))
            assert 10 < len(master.said("S1")) - 100 < 50
            agent.say("S1", burst)
            assert await master_link.drain(30.0)
            assert isinstance(master.said("S1")[-1], agent_link.MessageFromExecutor), "the backlog is gone"

    asyncio.run(scenario())


def test_what_is_said_in_one_turn_goes_in_one_call() -> None:
    async def scenario() -> None:
        async with fake_master() as master, linked(master.port) as (master_link, agent):
            await until(lambda: agent.link_id)
            other = Agent(master_link)
            await until(lambda: other.link_id)
            for number in range(3):
                agent.say("S1", exited(number))
                other.say("S2", exited(10 + number))
            await until(lambda: len(master.batches) == 2)
            assert len(master.calls) == 1
            assert statuses(master, "S1") == [0, 1, 2]
            assert statuses(master, "S2") == [10, 11, 12]

    asyncio.run(scenario())


def test_a_lost_stream_is_told_and_opened_anew_under_another_id() -> None:
    async def scenario() -> None:
        async with fake_master() as master, linked(master.port) as (_, agent):
            await until(lambda: agent.link_id)
            first = agent.link_id
            assert first is not None
            master.hang_up()
            await until(lambda: len(master.links) == 2 and agent.link_id not in (None, first))
            assert agent.heard[:3] == [
                MasterConnected(first),
                MasterLost(first),
                MasterConnected(LinkId(master.links[1])),
            ]
            # What is still said on the old link must not reach the master as if it came on the new one.
            agent.uplink.send(first, AgentId("S1"), exited(1))
            agent.say("S1", exited(2))
            await until(lambda: statuses(master, "S1"))
            assert statuses(master, "S1") == [2]

    asyncio.run(scenario())


@pytest.mark.parametrize("trouble", ["refused call", "unanswered call", "stream ended by the master's word"])
def test_whatever_breaks_ends_the_whole_link(trouble: str) -> None:
    async def scenario() -> None:
        options = LinkOptions(backoff_seconds=0.01, backoff_seconds_max=0.05, call_seconds_max=0.1)
        async with fake_master() as master, linked(master.port, options) as (_, agent):
            await until(lambda: agent.link_id)
            first = agent.link_id
            if trouble == "refused call":
                master.call_status = 404
            elif trouble == "unanswered call":
                master.answering.clear()
            else:
                master.tell(None, agent_link.LinkRefused(message="go away"))
            agent.say("S1", exited(1))
            # There may be more of them: on a slow machine a tenth of a second is too short for a new one as well.
            await until(lambda: len(master.links) >= 2 and agent.link_id not in (None, first))

    asyncio.run(scenario())


def test_a_master_that_is_not_there_yet_is_tried_again() -> None:
    async def scenario() -> None:
        port = fixed_port()
        async with linked(port) as (_, agent), fake_master(port) as master:
            await until(lambda: agent.link_id)
            assert master.links == [agent.link_id]

    asyncio.run(scenario())


def test_a_redirect_is_followed_to_the_leader_for_calls_too() -> None:
    async def scenario() -> None:
        async with fake_master() as leader, fake_master() as standby, linked(standby.port) as (master_link, agent):
            await until(lambda: agent.link_id)  # A standby that has nobody to name yet serves as any other.
            standby.redirect = f"//127.0.0.1:{leader.port}/master/api/v1/agent"
            standby.hang_up()
            await until(lambda: leader.links and agent.link_id == leader.links[0])
            assert master_link.master is not None
            assert master_link.master.port == leader.port
            agent.say("S1", exited(1))
            await until(lambda: statuses(leader, "S1") == [1])
            assert not standby.calls

    asyncio.run(scenario())


def test_redirects_in_a_circle_and_refusals_end_in_another_attempt() -> None:
    async def scenario() -> None:
        async with fake_master() as master:
            master.redirect = f"//127.0.0.1:{master.port}/api/v1/agent"
            async with linked(master.port) as (_, agent):
                await until(lambda: master.attempts > 2 * REDIRECTS_MAX)
                assert agent.heard == []
                master.redirect, master.refusal = None, (503, "no leader is known")
                tried = master.attempts
                await until(lambda: master.attempts > tried + 2)
                assert agent.heard == []
                master.refusal = None
                await until(lambda: agent.link_id)

    asyncio.run(scenario())


def test_drain_waits_for_the_answer() -> None:
    async def scenario() -> None:
        async with fake_master() as master, linked(master.port) as (master_link, agent):
            await until(lambda: agent.link_id)
            master.answering.clear()
            agent.say("S1", link.Unregister())
            assert not await master_link.drain(0.05)
            master.answering.set()
            assert await master_link.drain(30.0)
            assert [type(one) for one in master.said("S1")] == [agent_link.Unregister]

    asyncio.run(scenario())


def test_an_agent_that_left_hears_nothing_more() -> None:
    async def scenario() -> None:
        async with fake_master() as master, linked(master.port) as (master_link, agent):
            await until(lambda: agent.link_id)
            other = Agent(master_link)
            await until(lambda: other.link_id)
            agent.say("S1", exited(1))
            other.say("S2", exited(2))
            await until(lambda: len(master.batches) == 2)
            heard = len(agent.heard)
            master_link.detach(agent.uplink)
            master.tell("S1", agent_link.Ping())
            master.tell("S2", agent_link.Ping())
            await until(lambda: other.heard_from_master())
            await master_link.stop()
            assert isinstance(other.heard[-1], MasterLost)
            assert len(agent.heard) == heard

    asyncio.run(scenario())


def test_a_defect_of_a_receiver_is_not_taken_for_a_fault_of_the_network() -> None:
    async def scenario() -> None:
        def fail(message: AgentMessage) -> None:
            raise ZeroDivisionError(message)

        async with fake_master() as master:
            master_link = MasterLink(StandaloneDetector("127.0.0.1", master.port), QUICK)
            master_link.attach(fail)
            defects: list[BaseException] = []
            master_link.start(defects.append)
            await until(lambda: defects)
            assert isinstance(defects[0], ZeroDivisionError)
            assert len(master.links) == 1

    asyncio.run(scenario())
