"""Calls that wait for the registry: nobody is answered before it is stored (X16)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from mesos_service.core.registry.operations import Operation
from mesos_service.domain.ids import FrameworkId
from mesos_service.http.asgi import Message
from mesos_service.master import service as service_module
from mesos_service.master.config import MasterConfig
from mesos_service.master.service import MasterService
from mesos_service.registrar.memory import MemoryRegistrar
from mesos_service.wire.recordio import RecordReader

MINE = FrameworkId("mine")
INFO = {"user": "me", "name": "mine", "id": {"value": MINE}}
SUBSCRIBE = {"type": "SUBSCRIBE", "framework_id": {"value": MINE}, "subscribe": {"framework_info": INFO}}


class SlowRegistrar(MemoryRegistrar):
    """Stores nothing before it is told to."""

    slow = True

    def __init__(self, persisted: Callable[[int], object]) -> None:
        super().__init__(persisted)
        self._kept: list[tuple[int, Operation]] = []

    def persist(self, number: int, operation: Operation) -> None:
        if self.slow:
            self._kept.append((number, operation))
        else:
            super().persist(number, operation)

    def store(self) -> None:
        kept, self._kept = self._kept, []
        for number, operation in kept:
            super().persist(number, operation)


class Client:
    """One request, and what has been answered to it so far."""

    def __init__(self, service: MasterService, call: dict[str, Any], stream_id: str | None = None) -> None:
        self.sent: list[Message] = []
        self._changed = asyncio.Event()
        self._gone = asyncio.Event()
        self._body: bytes | None = json.dumps(call).encode()
        headers = [(b"content-type", b"application/json"), (b"accept", b"application/json")]
        if stream_id is not None:
            headers.append((b"mesos-stream-id", stream_id.encode()))
        scope = {"type": "http", "method": "POST", "headers": headers}
        self.task = asyncio.create_task(service.scheduler_api(scope, self._receive, self._send))

    async def _receive(self) -> Message:
        body, self._body = self._body, None
        if body is not None:
            return {"type": "http.request", "body": body, "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        self.sent.append(message)
        self._changed.set()

    def leave(self) -> None:
        self._gone.set()

    async def until(self, count: int) -> None:
        async with asyncio.timeout(60):
            while len(self.sent) < count:
                self._changed.clear()
                await self._changed.wait()

    @property
    def status(self) -> int:
        status: int = self.sent[0]["status"]
        return status

    @property
    def stream_id(self) -> str:
        (found,) = [value for name, value in self.sent[0]["headers"] if bytes(name) == b"Mesos-Stream-Id"]
        text: str = found.decode()
        return text


def play(
    monkeypatch: pytest.MonkeyPatch,
    scenario: Callable[[MasterService, SlowRegistrar], Awaitable[None]],
    **flags: object,
) -> None:
    async def run() -> None:
        made: list[SlowRegistrar] = []

        def make(url: object, persisted: Callable[[int], object], *_: object, **__: object) -> SlowRegistrar:
            made.append(SlowRegistrar(persisted))
            return made[0]

        monkeypatch.setattr(service_module, "make_registrar", make)
        service = MasterService(MasterConfig.load({"port": 0, **flags}))
        await service.lead()
        async with asyncio.timeout(120):
            await scenario(service, made[0])
        await service.close()

    asyncio.run(run())


async def settle() -> None:
    """Let everything that is ready run."""
    for _ in range(20):
        await asyncio.sleep(0)


def test_x16_subscribe_is_answered_when_the_framework_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(service: MasterService, registrar: SlowRegistrar) -> None:
        client = Client(service, SUBSCRIBE)
        await settle()
        assert (client.sent, service.state.frameworks) == ([], {})
        registrar.store()
        await client.until(3)
        (event,) = RecordReader().feed(client.sent[1]["body"])
        assert (client.status, json.loads(event)["type"]) == (200, "SUBSCRIBED")
        assert MINE in registrar.registry.frameworks
        client.leave()
        await client.task

    play(monkeypatch, scenario)


def test_x16_one_that_has_left_meanwhile_was_there_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a failover timeout its framework is removed, which is stored as well."""

    async def scenario(service: MasterService, registrar: SlowRegistrar) -> None:
        client = Client(service, SUBSCRIBE)
        await settle()
        client.leave()
        registrar.store()
        await client.task
        assert MINE in service.state.departing
        registrar.store()
        await settle()
        assert service.state.frameworks == {}
        assert list(registrar.registry.removed_frameworks) == [MINE]

    play(monkeypatch, scenario)


@pytest.mark.parametrize(
    ("call", "status"),
    [
        ({"type": "TEARDOWN"}, 202),
        ({"type": "UPDATE_FRAMEWORK", "update_framework": {"framework_info": INFO | {"name": "renamed"}}}, 200),
    ],
)
def test_x16_what_changes_the_record_is_answered_when_that_is_stored(
    monkeypatch: pytest.MonkeyPatch, call: dict[str, Any], status: int
) -> None:
    async def scenario(service: MasterService, registrar: SlowRegistrar) -> None:
        client = Client(service, SUBSCRIBE)
        await settle()
        registrar.store()
        await client.until(3)
        caller = Client(service, {**call, "framework_id": {"value": MINE}}, client.stream_id)
        await settle()
        assert caller.sent == []
        registrar.store()
        await caller.task
        assert caller.status == status
        client.leave()
        await client.task

    play(monkeypatch, scenario)


def test_x22_a_master_in_doubt_takes_no_such_call(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(service: MasterService, registrar: SlowRegistrar) -> None:
        service.driver.hold()
        for call in (SUBSCRIBE, {"type": "TEARDOWN", "framework_id": {"value": MINE}}):
            client = Client(service, call)
            await client.task
            assert client.status == 503

    play(monkeypatch, scenario)


def test_m_al_28_calls_that_wait_for_their_turn_are_answered_by_a_master_that_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At once, and not by closing their connections a second later."""

    async def scenario(service: MasterService, registrar: SlowRegistrar) -> None:
        registrar.slow = False
        subscribed = Client(service, SUBSCRIBE)
        await subscribed.until(3)
        revive = {"type": "REVIVE", "framework_id": {"value": MINE}}
        callers = [Client(service, revive, subscribed.stream_id) for _ in range(3)]
        await callers[0].task
        await settle()
        assert [callers[0].status, callers[1].sent, callers[2].sent] == [202, [], []]
        await service.stop()
        await asyncio.gather(*(caller.task for caller in callers))
        assert [caller.status for caller in callers] == [202, 503, 503]
        await subscribed.task

    play(monkeypatch, scenario, rate_limits='{"aggregate_default_qps": 1e-9}')
