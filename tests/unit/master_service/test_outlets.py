"""What the master drops rather than lose an agent's link: messages that nobody promised to deliver (M-SC-11)."""

from __future__ import annotations

import asyncio
import logging
from typing import cast

import pytest

from mesos_service.core import link
from mesos_service.core.master.state import MasterState
from mesos_service.domain.ids import AgentId, ExecutorId, FrameworkId, LinkId, TaskId
from mesos_service.http.held_stream import HeldStream
from mesos_service.master.outlets import MasterOutlets
from mesos_service.wire.agents import MasterInfo

LINK, AGENT = LinkId("L"), AgentId("S1")


def message(size: int) -> link.MessageToAgent:
    return link.MessageToAgent(framework_id=FrameworkId("F"), executor_id=ExecutorId("e"), data=b"x" * size)


def test_m_sc_11_a_burst_of_messages_does_not_cost_an_agent_its_link(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        outlets = MasterOutlets(cast("MasterState", None), cast("MasterInfo", None), lambda kind, framework: None)
        stream = outlets.links[LINK] = HeldStream(bytes, lag_bytes_max=100_000)
        for _ in range(1000):
            outlets.send_agent(LINK, AGENT, message(1000))
        assert not stream.overrun
        assert 50_000 < stream.unsent_bytes < 52_000, "half of the bound is theirs"
        before = stream.unsent_bytes
        kill = link.KillTask(framework_id=FrameworkId("F"), task_id=TaskId("t"))
        outlets.send_agent(LINK, AGENT, kill)
        assert stream.unsent_bytes > before, "what must arrive has the other half"

    with caplog.at_level(logging.WARNING):
        asyncio.run(scenario())
    assert [one.getMessage() for one in caplog.records] == [
        "A message for agent S1 is dropped: its link L is far behind"
    ]
