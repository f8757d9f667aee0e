"""All control groups that a machine has, and namespaces, from a launch to the end (M-AG-05, M-AG-06; X53).

It runs on this machine, and on one that has nothing but version 2 (``test_in_a_machine.py``).
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import psutil
import pytest

from mesos_service.local import LocalCluster
from mesos_service.sdk import tasks
from tests.e2e.frameworks import Patient, play, subscribed_as
from tests.e2e.restarting import pid_of, restartable
from tests.support.children import runs
from tests.support.waiting import PATIENCE
from tests.unit.cgroups.live import Live, live_groups, written_down

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="making control groups takes root")
live = live_groups
ISOLATION = "cgroups/all,namespaces/pid,namespaces/ipc,posix/rlimits"
PIDS_MAX = 20
BOMB = """
import os, time
born = 1
try:
    while True:
        if os.fork() == 0:
            time.sleep(1000)
        born += 1
except BlockingIOError:
    with open("born.new", "w") as file:
        file.write(str(born))
    os.rename("born.new", "born")
time.sleep(1000)
"""
EATER = "hoard = [bytearray(1 << 20) for _ in range(500)]; __import__('time').sleep(1000)"
WAIT = "while [ ! -e go ]; do sleep 0.05; done"


def sandbox(work_dir: Path, name: str) -> Path:
    """Of the only run of an executor. Who makes a namespace works elsewhere."""
    [place] = work_dir.glob(f"slaves/*/frameworks/*/executors/{name}/runs/latest")
    return place


def test_m_ag_05_m_ag_06_x53_all_groups_hold_over_a_restart_and_nothing_is_left(tmp_path: Path, live: Live) -> None:
    lines = {
        "quiet": "setsid sleep 1000 & exec sleep 1000",
        "stubborn": "trap '' TERM; while :; do sleep 0.1; done",
        "hungry": f'{WAIT}; exec {sys.executable} -I -S -c "{EATER}"',
        "bomb": f"{WAIT}; exec {sys.executable} -I -S {tmp_path}/bomb.py",
        "brief": "exit 3",
    }
    (tmp_path / "bomb.py").write_text(BOMB)

    async def scenario() -> None:
        async with (
            LocalCluster(
                0, work_dir=tmp_path / "master", master_flags={"agent_ping_timeout": f"{15 * PATIENCE:g}secs"}
            ) as cluster,
            restartable(
                cluster,
                tmp_path / "agent",
                isolation=ISOLATION,
                cgroups_root=live.root,
                cgroups_pids_max=PIDS_MAX,
            ) as agent,
            subscribed_as(Patient, cluster) as framework,
        ):
            offer = await framework.an_offer()
            made = [
                tasks.task(name, offer, "cpus:0.1;mem:40", line, kill_grace_seconds=0.2) for name, line in lines.items()
            ]
            await framework.accept([offer], [tasks.launch(*made)], refuse_seconds=0)
            await framework.reaches("brief", "STARTING", "RUNNING", "FAILED")
            staying = [name for name in lines if name != "brief"]
            for name in staying:
                await framework.reaches(name, "STARTING", "RUNNING")
            processes = {name: psutil.Process(pid_of(framework, name)) for name in staying}
            sandboxes = {name: sandbox(tmp_path / "agent", name) for name in staying}
            trees = {name: [process, *process.children(recursive=True)] for name, process in processes.items()}

            await agent.kill()
            await agent.start()

            for name in ("hungry", "bomb"):
                (sandboxes[name] / "go").touch()
            told = await framework.reaches("hungry", "STARTING", "RUNNING", "FAILED")
            assert told.reason == "REASON_CONTAINER_LIMITATION_MEMORY"
            assert told.message is not None
            assert told.message.startswith("Memory limit exceeded: Requested: 40MB Maximum Used: 40MB\n")
            async with asyncio.timeout(60 * PATIENCE):
                while not (sandboxes["bomb"] / "born").exists():  # noqa: ASYNC110 - another process writes it
                    await asyncio.sleep(0.02)
            # One more is in the group: who made the namespace, and waits for process 1 in it.
            assert int((sandboxes["bomb"] / "born").read_text()) == PIDS_MAX - 1
            trees["bomb"] = [processes["bomb"], *processes["bomb"].children(recursive=True)]
            assert len(trees["bomb"]) >= PIDS_MAX - 1
            for name in ("quiet", "stubborn", "bomb"):
                assert framework.states(name) == ["STARTING", "RUNNING"], "nobody else is disturbed"
                await framework.kill(name)
                await framework.reaches(name, "STARTING", "RUNNING", "KILLED")
            async with asyncio.timeout(60 * PATIENCE):
                while live.containers() or written_down(tmp_path / "agent" / "runtime"):  # noqa: ASYNC110 - the agent's
                    await asyncio.sleep(0.02)
            assert not [one for tree in trees.values() for one in tree if runs(one)]

    play(scenario)
    assert not live.groups(), "an agent that ends for good leaves nothing"
