"""What operations have made of an agent's resources, on its disk (M-AL-09, M-AL-10)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from mesos_service.agent.kept import KeptState, open_kept
from mesos_service.checkpoints.writer import CheckpointWriter
from mesos_service.core.agent.records import AgentKept, Record, ResourcesKept
from mesos_service.core.agent.replay import kept_resources
from mesos_service.core.agent_messages import Checkpointed
from mesos_service.domain.agents import AgentInfo
from mesos_service.domain.errors import ConfigurationError
from mesos_service.domain.ids import AgentId
from mesos_service.domain.resources import Resources
from tests.unit.core.master.resource_world import reserved, volumes

INFO = AgentInfo(hostname="h", agent_id=AgentId("M-S0"), resources=Resources.parse("cpus:4;disk:100"))
MADE = reserved("cpus:1") + volumes(40)


def write(work_dir: Path, *records: Record) -> None:
    """What an agent with these records leaves behind."""

    async def run() -> None:
        kept = opened(work_dir)
        stored: list[int] = []

        def submit(message: Checkpointed) -> None:
            stored.append(message.number)

        def fail(error: object) -> None:
            raise AssertionError(error)

        writer = CheckpointWriter(kept.meta, lambda: (), submit, fail, fail)
        for number, record in enumerate(records, 1):
            writer.store(number, record)
        await writer.finish()
        assert stored[-1] == len(records)
        kept.meta.close()

    asyncio.run(run())


def opened(work_dir: Path, info: AgentInfo = INFO) -> KeptState:
    return open_kept(work_dir, info, True, "additive")


def test_m_al_09_reservations_are_the_places_and_not_the_agents(tmp_path: Path) -> None:
    write(tmp_path, AgentKept(INFO), ResourcesKept(MADE))
    kept = opened(tmp_path)
    assert kept.journal is not None and kept_resources(kept.records) == MADE
    kept.meta.forget()
    kept.meta.close()
    anew = opened(tmp_path)
    assert (anew.journal, kept_resources(anew.records)) == (None, MADE)
    anew.meta.close()


def test_m_al_09_what_was_given_back_is_not_there_any_more(tmp_path: Path) -> None:
    write(tmp_path, AgentKept(INFO), ResourcesKept(MADE), ResourcesKept(Resources.EMPTY))
    kept = opened(tmp_path)
    kept.meta.forget()
    kept.meta.close()
    anew = opened(tmp_path)
    assert kept_resources(anew.records) == Resources.EMPTY
    anew.meta.close()


@pytest.mark.parametrize("forgotten", [False, True])
def test_m_al_09_an_agent_without_what_was_reserved_does_not_start(tmp_path: Path, forgotten: bool) -> None:
    write(tmp_path, AgentKept(INFO), ResourcesKept(MADE))
    if forgotten:
        kept = opened(tmp_path)
        kept.meta.forget()
        kept.meta.close()
    small = AgentInfo(hostname="h", resources=Resources.parse("cpus:4;disk:30"))
    with pytest.raises(ConfigurationError) as caught:
        open_kept(tmp_path, small, True, None)
    assert "does not contain disk:40" in str(caught.value)
    assert "remove" in str(caught.value)
