"""Tasks under control groups, on a real agent with a real master (M-AG-05; X53)."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import httpx
import psutil
import pytest

from mesos_service.local import LocalCluster
from mesos_service.sdk import tasks
from tests.e2e.test_agent_restarts import Patient, pid_of, restartable
from tests.e2e.test_agent_service import play, subscribed_as
from tests.unit.cgroups.live import Live, live_groups

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="making control groups takes root")
live = live_groups
ISOLATION = "cgroups/cpu,cgroups/mem,cgroups/pids"


def test_m_ag_05_x53_a_task_is_held_and_told_over_a_restart_of_its_agent(tmp_path: Path, live: Live) -> None:
    async def scenario() -> None:
        async with (
            LocalCluster(0, work_dir=tmp_path / "master") as cluster,
            restartable(
                cluster,
                tmp_path / "agent",
                isolation=ISOLATION,
                cgroups_root=live.root,
                cgroups_enable_cfs="true",
                cgroups_pids_max=50,
            ) as agent,
            subscribed_as(Patient, cluster) as framework,
        ):
            eat = "import time; hoard = [bytearray(1 << 20) for _ in range(500)]; time.sleep(1000)"
            line = f"while [ ! -e go ]; do sleep 0.05; done; exec {sys.executable} -c '{eat}'"
            offer = await framework.an_offer()
            made = [
                tasks.task("hungry", offer, "cpus:0.5;mem:48", line),
                tasks.task("busy", offer, "cpus:0.1;mem:32", "while :; do :; done"),
            ]
            await framework.accept([offer], [tasks.launch(*made)], refuse_seconds=0)
            for name in ("hungry", "busy"):
                await framework.reaches(name, "STARTING", "RUNNING")
            assert len(live.containers()) == 8

            await agent.kill()
            await agent.start()

            async with httpx.AsyncClient(trust_env=False) as client:
                answer = await client.get(f"http://127.0.0.1:{agent.flags['port']}/monitor/statistics")
            statistics = {one["executor_id"]: one["statistics"] for one in answer.json()}
            assert statistics["busy"]["cpus_nr_throttled"] > 0
            assert statistics["hungry"]["mem_limit_bytes"] == 48 * 1024 * 1024
            (Path(psutil.Process(pid_of(framework, "hungry")).cwd()) / "go").touch()
            told = await framework.reaches("hungry", "STARTING", "RUNNING", "FAILED")
            assert told.reason == "REASON_CONTAINER_LIMITATION_MEMORY"
            assert told.message is not None
            assert told.message.startswith("Memory limit exceeded: Requested: 48MB Maximum Used: 48MB\n")
            assert framework.states("busy") == ["STARTING", "RUNNING"]
            await framework.kill("busy")
            await framework.reaches("busy", "STARTING", "RUNNING", "KILLED")

    play(scenario)
    assert not live.containers()
