"""What is told of the store's time (M-OM-03)."""

from __future__ import annotations

import asyncio

import pytest

from mesos_service.core.registry.operations import AdmitAgent
from mesos_service.domain.agents import AgentInfo
from mesos_service.domain.ids import AgentId
from mesos_service.registrar.sql import SqlRegistrar


def test_fetching_and_storing_are_timed(registry_url: str) -> None:
    async def scenario() -> dict[str, float]:
        told: asyncio.Queue[int] = asyncio.Queue()
        registrar = SqlRegistrar(registry_url, told.put_nowait, lambda error: pytest.fail(str(error)))
        assert registrar.metrics() == {}
        await registrar.take(None, "a")
        for number in range(2):
            registrar.persist(number, AdmitAgent(AgentId(f"S{number}"), AgentInfo(hostname="h")))
            assert await asyncio.wait_for(told.get(), 30) == number
        await registrar.close()
        return dict(registrar.metrics())

    metrics = asyncio.run(scenario())
    assert metrics["registrar/state_fetch_ms"] > 0
    assert metrics["registrar/state_store_ms/count"] == 2
    assert 0 < metrics["registrar/state_store_ms/min"] <= metrics["registrar/state_store_ms/max"]
