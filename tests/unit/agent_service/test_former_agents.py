"""What former agents wrote down goes as their sandboxes do (M-AG-15)."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

from mesos_service.agent.garbage import SandboxGarbage
from mesos_service.checkpoints.files import MetaDirectory
from mesos_service.domain.ids import AgentId
from tests.unit.agent_service.support import until


def test_m_ag_15_records_of_former_agents_go_when_they_are_old_and_those_of_this_one_never(tmp_path: Path) -> None:
    meta = MetaDirectory(tmp_path)
    slaves = tmp_path / "meta/slaves"
    for name, days in (("old", 30), ("mine", 30), ("young", 0)):
        meta.begin(AgentId(name)).write_text("records")
        written = time.time() - days * 86_400
        for path in (slaves / name / "journal", slaves / name):
            os.utime(path, (written, written))
    meta.choose(AgentId("mine"))
    defects: list[BaseException] = []
    hidden: list[Path] = []

    async def scenario() -> None:
        # So long that a full disk of whoever tests makes no difference.
        garbage = SandboxGarbage(
            tmp_path, delay_seconds=86_400, headroom=0.0, interval_seconds=0.01, hide=hidden.append
        )
        garbage.start((), defects.append, meta.former())
        await until(lambda: not (slaves / "old").exists())
        # The directory is gone a moment before that is counted.
        await until(lambda: garbage.metrics()["gc/path_removals_succeeded"] == 1)
        await garbage.collect()
        await garbage.stop()
        assert garbage.metrics()["gc/path_removals_succeeded"] == 1

    asyncio.run(scenario())
    meta.close()
    assert sorted(one.name for one in slaves.iterdir()) == ["latest", "mine", "young"]
    assert meta.journal_of_latest() is not None
    assert (hidden, defects) == ([], []), "no sandbox was removed"
