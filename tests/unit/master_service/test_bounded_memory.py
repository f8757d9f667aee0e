"""What clients and agents make up, or leave behind, is not kept by the master's adapters."""

from __future__ import annotations

import asyncio
import json

import pytest

from mesos_service.core.link import Unregister
from mesos_service.domain.ids import FrameworkId
from mesos_service.http.asgi import Message
from mesos_service.master.config import MasterConfig
from mesos_service.master.outlets import OfferEncoder
from mesos_service.master.service import MasterService
from tests.unit.core.master.infos import framework_info
from tests.unit.core.master.world import World


def test_an_invented_framework_id_gets_no_counter_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[tuple[str, FrameworkId | None]] = []

    async def scenario() -> None:
        service = MasterService(MasterConfig.load({"port": 0}))
        await service.lead()
        monkeypatch.setattr(
            service.metrics, "call", lambda kind, framework_id, *_: counted.append((kind, framework_id))
        )
        body = json.dumps({"type": "REVIVE", "framework_id": {"value": "invented"}}).encode()
        sent: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            sent.append(message)

        headers = [(b"content-type", b"application/json")]
        await service.scheduler_api({"type": "http", "method": "POST", "headers": headers}, receive, send)
        assert sent[0]["status"] == 400
        await service.close()

    asyncio.run(scenario())
    assert counted == [("REVIVE", None)]


def test_descriptions_of_agents_that_went_are_not_kept() -> None:
    world = World()
    scheduler = world.framework(framework_info())
    encoder = OfferEncoder(world.state)
    for _ in range(200):
        node = world.agent()
        world.advance(1.1)
        event = encoder.encode(scheduler.offers, scheduler.record.info)
        assert node.agent_id.encode() in event
        node.say(Unregister())
    assert world.state.agents == {}
    assert len(encoder) < 100
