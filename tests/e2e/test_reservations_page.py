"""The examples of ``docs/reservations.md`` do what the page says."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from pathlib import Path

from mesos_service.local import AgentSpec, LocalCluster
from tests.e2e.frameworks import play
from tests.support.asking import patient_client

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reservations.md"
PROGRAM = re.compile(r"```python\n(.*?)```", re.DOTALL)
CALL = re.compile(r"```sh\ncurl [^']*'[^']*' -d '(.*?)'\n```", re.DOTALL)
AGENT = AgentSpec(resources="cpus:1;mem:256;disk:128")


def test_m_op_04_the_scheduler_of_the_page_keeps_a_file(tmp_path: Path) -> None:
    [program] = PROGRAM.findall(PAGE.read_text())
    (tmp_path / "keeper.py").write_text(program)

    async def scenario() -> None:
        async with LocalCluster([AGENT] * 3, work_dir=tmp_path / "cluster") as cluster:
            process = await asyncio.create_subprocess_exec(
                sys.executable, tmp_path / "keeper.py", cluster.master, stdout=asyncio.subprocess.PIPE
            )
            said, _ = await asyncio.wait_for(process.communicate(), 180)
            lines = said.decode().splitlines()
            assert process.returncode == 0, lines
            assert "the-volume OPERATION_FINISHED" in lines
            assert [line for line in lines if line.startswith("write ")][-1] == "write TASK_FINISHED"
            assert lines[-1] == "read TASK_FINISHED"
            # The volume is offered again when its task has ended, which may be before that is told.
            assert not [line for line in lines if line.endswith("TASK_ERROR")], lines
            read = next((tmp_path / "cluster").rglob("executors/read/runs/*/stdout"))
            assert read.read_text() == "remembered\n"

    play(scenario)


def test_m_om_10_the_calls_of_the_page_are_accepted_in_turn(tmp_path: Path) -> None:
    calls = CALL.findall(PAGE.read_text())
    assert len(calls) == 3

    async def scenario() -> None:
        async with (
            LocalCluster([AGENT], work_dir=tmp_path / "cluster") as cluster,
            patient_client(base_url=f"http://{cluster.master}") as client,
        ):
            [agent] = (await client.get("/slaves")).json()["slaves"]
            for call in calls:
                document = json.loads(call.replace("AGENT", agent["id"]))
                answer = await client.post("/api/v1", json=document)
                assert (answer.status_code, answer.text) == (202, "")
            [agent] = (await client.get("/slaves")).json()["slaves"]
            assert agent["reserved_resources"]["ops"]["disk"] == 64.0

    play(scenario)
