"""What a master answers that does not lead, as recorded of Mesos, and one in doubt (X22)."""

from __future__ import annotations

import asyncio
import sys

import pytest

from mesos_service.core.master import passes
from mesos_service.core.master.state import MasterState
from mesos_service.core.messages import UpdateWhitelist
from mesos_service.domain.errors import InvariantBroken, MesosServiceError
from mesos_service.domain.ids import FrameworkId
from mesos_service.election.interface import Candidate, Leader
from mesos_service.http.asgi import Message
from mesos_service.master import leader_gate
from mesos_service.master import service as service_module
from mesos_service.master.config import MasterConfig
from mesos_service.master.leadership import Leadership, Phase
from mesos_service.master.routes.writes import teardown_framework
from mesos_service.master.service import MasterService
from mesos_service.registrar.memory import MemoryRegistrar

OTHER = Leader("10.0.0.2", 5050, "two", 1)


class Hand:
    """Contends as the test says."""

    candidate: Candidate
    stopped = False
    election = 7
    permitted = True

    def start(self, candidate: Candidate) -> None:
        self.candidate = candidate

    async def stop(self) -> None:
        self.stopped = True

    def permits(self) -> bool:
        return self.permitted


class World:
    """A master without doors, and a hand that decides who leads."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **flags: object) -> None:
        self.hand = Hand()
        monkeypatch.setattr(service_module, "make_contender", lambda config, description: self.hand)
        self.service = MasterService(MasterConfig.load({"port": 0, "hostname": "one", **flags}))
        self.leadership: Leadership = self.service.leadership
        self.gate = self.service.application

    async def ask(self, path: str, method: str = "GET", query: bytes = b"") -> tuple[int, dict[str, str], str]:
        """Status, headers and text."""
        sent: list[Message] = []
        received = False

        async def receive() -> Message:
            nonlocal received
            if received:
                await asyncio.Event().wait()  # The client stays.
            received = True
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Message) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": query,
            "headers": [(b"content-type", b"application/json")],
        }
        await self.gate(scope, receive, send)
        headers = {name.decode().title(): value.decode() for name, value in sent[0]["headers"]}
        return sent[0]["status"], headers, sent[1]["body"].decode()

    async def elect(self) -> None:
        self.leadership.on_elected(self.hand)
        await self.leadership.recovered()


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


def test_a_standby_redirects_with_path_and_query_or_says_that_nobody_leads(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leader_gate, "STANDBY_SECONDS_MAX", 0.01)

    async def scenario() -> None:
        await world.service.lead()
        for path in ("/state", "/api/v1/scheduler", "/redirect", "/master/redirect", "/nowhere"):
            assert (await world.ask(path))[::2] == (503, "No leader elected")
        world.leadership.on_leader(OTHER)
        for path, query, location in (
            ("/state", b"", "//two:5050/master/state"),
            ("/master/state", b"jsonp=f", "//two:5050/master/state?jsonp=f"),
            ("/master/slaves/", b"a=1&b=%20", "//two:5050/master/slaves/?a=1&b=%20"),
            ("/redirect", b"x=1", "//two:5050"),
            ("/master/redirect/", b"", "//two:5050"),
            ("//evil.example/x", b"", "//two:5050/master//evil.example/x"),
        ):
            status, headers, text = await world.ask(path, query=query)
            assert (status, headers, text) == (307, {"Location": location, "Content-Length": "0"}, "")
        for path in ("/api/v1", "/api/v1/scheduler", "/api/v1/agent", "/master/api/v1/scheduler"):
            status, headers, _ = await world.ask(path, "POST")
            assert (status, headers["Location"]) == (307, f"//two:5050/master{path.removeprefix('/master')}")
            assert world.gate.direct(path) is None
        await world.service.close()

    asyncio.run(scenario())


def test_the_first_question_to_a_new_leader_costs_no_more_than_the_next(world: World) -> None:
    def count(frame: object, event: str, argument: object) -> None:
        calls.append(event)

    calls: list[str] = []

    async def calls_of_one() -> int:
        calls.clear()
        sys.setprofile(count)
        try:
            assert (await world.ask("/slaves"))[0] == 200
        finally:
            sys.setprofile(None)
        return len(calls)

    async def scenario() -> None:
        await world.service.lead()
        await world.elect()
        first, second = await calls_of_one(), await calls_of_one()
        assert first < 2 * second, f"{first} calls for the first answer, {second} for the second"
        await world.service.close()

    asyncio.run(scenario())


def test_a_standby_tells_of_itself(world: World) -> None:
    async def scenario() -> None:
        await world.service.lead()
        world.leadership.on_leader(OTHER)
        for path in ("/health", "/version", "/flags", "/metrics/snapshot", "/master/health", "/master/flags/"):
            assert (await world.ask(path))[0] == 200
        assert '"master/elected":0.0' in (await world.ask("/metrics/snapshot"))[2]
        await world.elect()
        assert '"master/elected":1.0' in (await world.ask("/metrics/snapshot"))[2]
        status, headers, _ = await world.ask("/redirect")
        assert (status, headers["Location"]) == (307, f"//one:{world.service.port}")
        await world.service.close()

    asyncio.run(scenario())


def test_a_master_that_reads_its_registry_is_not_asked(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """X16, M-HA-04: it decides nothing before it knows what was decided."""
    readable = asyncio.Event()
    taken: list[tuple[int | None, str]] = []
    take = MemoryRegistrar.take

    async def slowly(self: MemoryRegistrar, election: int | None, leader: str) -> object:
        taken.append((election, leader))
        await readable.wait()
        return await take(self, election, leader)

    monkeypatch.setattr(MemoryRegistrar, "take", slowly)

    async def scenario() -> None:
        await world.service.lead()
        world.leadership.on_leader(OTHER)
        world.leadership.on_elected(world.hand)
        assert (await world.ask("/state"))[::2] == (503, "Master has not finished recovery")
        readable.set()
        await world.leadership.recovered()
        assert world.leadership.phase is Phase.LEADING
        assert (await world.ask("/state"))[0] == 200
        assert taken == [(7, f"master@127.0.0.1:{world.service.port}")]
        assert world.service.state.elected_at >= world.service.state.started_at > 0
        await world.service.close()

    asyncio.run(scenario())


def test_agents_wait_at_the_door_of_a_master_that_reads_its_registry(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A82: thousands come at that moment; sent away they would be back later, and come in vain meanwhile."""
    readable = asyncio.Event()
    take = MemoryRegistrar.take

    async def slowly(self: MemoryRegistrar, election: int | None, leader: str) -> object:
        await readable.wait()
        return await take(self, election, leader)

    monkeypatch.setattr(MemoryRegistrar, "take", slowly)

    async def scenario() -> None:
        await world.service.lead()
        world.leadership.on_elected(world.hand)
        asking = [asyncio.create_task(world.ask(path, "POST")) for path in ("/api/v1/agent", "/master/api/v1/agent")]
        assert (await world.ask("/api/v1/scheduler", "POST"))[::2] == (503, "Master has not finished recovery")
        assert not any(one.done() for one in asking)
        readable.set()
        # An empty body is no call; whoever says so has taken it.
        assert [status for status, _, _ in await asyncio.gather(*asking)] == [400, 400]
        await world.service.close()

    asyncio.run(scenario())


def test_agents_that_hear_of_a_leader_before_he_does_wait_at_his_door(world: World) -> None:
    """A82: ZooKeeper tells both at one moment. To schedulers it is said who leads, as far as he knows."""

    async def scenario() -> None:
        await world.service.lead()
        world.leadership.on_leader(OTHER)
        asking = asyncio.create_task(world.ask("/api/v1/agent", "POST"))
        assert (await world.ask("/api/v1/scheduler", "POST"))[0] == 307
        assert not asking.done()
        await world.elect()
        assert (await asking)[0] == 400, "an empty body is no call; whoever says so has taken it"
        await world.service.close()

    asyncio.run(scenario())


def test_a_standby_that_ends_keeps_no_agent_at_its_door(world: World) -> None:
    async def scenario() -> None:
        await world.service.lead()
        asking = asyncio.create_task(world.ask("/api/v1/agent", "POST"))
        await asyncio.sleep(0)
        await world.leadership.stop()
        assert (await asking)[::2] == (503, "This master is ending")
        await world.service.close()

    asyncio.run(scenario())


def test_agents_do_not_wait_for_ever_for_a_registry_that_cannot_be_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leader_gate, "WAIT_SECONDS_MAX", 0.01)

    async def never(self: MemoryRegistrar, election: int | None, leader: str) -> object:
        return await asyncio.get_running_loop().create_future()

    monkeypatch.setattr(MemoryRegistrar, "take", never)

    async def scenario() -> None:
        await world.service.lead()
        world.leadership.on_elected(world.hand)
        assert (await world.ask("/api/v1/agent", "POST"))[::2] == (503, "Master has not finished recovery")
        await world.service.close()

    asyncio.run(scenario())


def test_x22_in_doubt_nothing_is_answered_and_nothing_decided_until_it_is_certain_again(world: World) -> None:
    async def scenario() -> None:
        await world.service.lead()
        await world.elect()
        assert world.gate.direct("/api/v1/scheduler") is not None
        world.hand.permitted = False
        for path in ("/state", "/api/v1/scheduler", "/api/v1/agent", "/redirect"):
            status, _, text = await world.ask(path, "POST")
            assert (status, text) == (503, "This master does not know for certain that it still leads; ask again")
        assert world.gate.direct("/api/v1/scheduler") is None
        assert (await world.ask("/health"))[0] == 200
        world.hand.permitted = True
        assert (await world.ask("/state"))[0] == 503, "only the one who elects knows"
        world.leadership.on_proved()
        assert (await world.ask("/state"))[0] == 200
        await world.service.close()

    asyncio.run(scenario())


def test_x22_a_call_between_the_door_and_the_decision_is_refused(world: World) -> None:
    """The doors were open, and by the time the call was read leading was in doubt."""

    async def scenario() -> None:
        await world.service.lead()
        await world.elect()
        world.hand.permitted = False
        sent: list[Message] = []
        body = (
            b'{"type":"SUBSCRIBE","subscribe":{"framework_info":{"user":"u","name":"n"}}}',
            b'{"type":"REVIVE","framework_id":{"value":"f"}}',
        )

        async def send(message: Message) -> None:
            sent.append(message)

        for one in body:

            async def receive(one: bytes = one) -> Message:
                return {"type": "http.request", "body": one, "more_body": False}

            headers = [(b"content-type", b"application/json")]
            await world.service.scheduler_api({"type": "http", "method": "POST", "headers": headers}, receive, send)
        assert [one["status"] for one in sent if one["type"] == "http.response.start"] == [503, 503]
        refused = await teardown_framework(world.service, FrameworkId("f"))
        assert refused is not None
        assert refused.status == 503
        await world.service.close()

    asyncio.run(scenario())


def test_x22_leading_is_over_for_good(world: World) -> None:
    """M-HA-13: the process ends, not in order, and a supervisor starts another."""

    async def scenario() -> None:
        await world.service.lead()
        await world.elect()
        world.leadership.on_over(MesosServiceError("another one leads"))
        assert await world.service.ended() == 1
        assert (await world.ask("/state"))[::2] == (503, "This master is ending")
        world.leadership.on_proved()
        world.leadership.on_elected(world.hand)
        assert world.leadership.phase is Phase.OVER
        assert world.service.driver.held
        await world.service.close()

    asyncio.run(scenario())


def test_a82_a_master_that_stands_by_reads_the_registry_beforehand(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    read = asyncio.Event()

    async def rehearse(self: MemoryRegistrar) -> None:
        read.set()
        raise InvariantBroken("nobody thought of that")

    monkeypatch.setattr(MemoryRegistrar, "rehearse", rehearse)

    async def scenario() -> None:
        await world.service.lead()
        await asyncio.wait_for(read.wait(), 60)
        phases = [world.leadership.phase]
        await world.elect()
        assert [*phases, world.leadership.phase] == [Phase.STANDBY, Phase.LEADING], "it is no condition"
        await world.service.close()

    asyncio.run(scenario())
    assert "nobody thought of that" in caplog.text


def test_a_registry_that_fails_ends_the_master(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(self: MemoryRegistrar, election: int | None, leader: str) -> object:
        raise MesosServiceError("a newer leader has it")

    monkeypatch.setattr(MemoryRegistrar, "take", refuse)

    async def scenario() -> None:
        await world.service.lead()
        await world.elect()
        assert await world.service.ended() == 1
        assert world.service.driver.held
        await world.service.close()

    asyncio.run(scenario())


def test_a_defect_in_a_tick_ends_the_master_and_says_so(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """M-HA-13: a master that meets no deadline any more, and looks alive, is worse than none."""

    def broken(state: MasterState) -> None:
        raise InvariantBroken("two and two are five")

    async def scenario() -> None:
        await world.service.lead()
        await world.elect()
        monkeypatch.setattr(passes.run_due.__module__ + ".run_due", broken)
        passes.plan(world.service.state, 0.0)
        world.service.driver.submit(UpdateWhitelist(hostnames=frozenset()))  # Anything plans the next tick.
        assert await world.service.ended() == 1
        assert world.service.driver.held
        await world.service.close()

    asyncio.run(scenario())
    assert "two and two are five" in caplog.text
    assert "A defect of ours" in caplog.text


def test_who_stops_hands_over_before_anything_else_ends(world: World) -> None:
    async def scenario() -> None:
        await world.service.lead()
        await world.elect()
        await world.leadership.stop()
        assert world.hand.stopped
        assert world.service.driver.held
        await world.service.close()

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("region", "ends"), [("eu", False), (None, False), ("us", True)], ids=["the same", "nobody knows", "another"]
)
def test_m_al_21_a_standby_ends_where_another_region_leads(
    monkeypatch: pytest.MonkeyPatch, region: str | None, ends: bool
) -> None:
    """Mesos ends it, too: who is remote must not depend on who leads."""

    async def scenario() -> None:
        domain = '{"fault_domain": {"region": {"name": "eu"}, "zone": {"name": "z"}}}'
        world = World(monkeypatch, domain=domain)
        world.leadership.start()
        world.leadership.on_leader(Leader("10.0.0.2", 5050, "two", 1, region))
        assert (world.leadership.phase is Phase.OVER) is ends
        if ends:
            assert "10.0.0.2:5050 is in region 'us', and this one in 'eu'" in str(world.leadership.fault)
            world.leadership.on_elected(world.hand)
            assert world.leadership.phase is Phase.OVER
        await world.service.stop()

    asyncio.run(scenario())


def test_m_al_21_a_master_without_a_region_stands_by_for_any(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        world = World(monkeypatch)
        world.leadership.start()
        world.leadership.on_leader(Leader("10.0.0.2", 5050, "two", 1, "us"))
        assert world.leadership.phase is Phase.STANDBY
        await world.service.stop()

    asyncio.run(scenario())
