"""Containers that operators nest in those of tasks, in control groups of their own (M-AG-23, M-OA-03)."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from mesos_service.local import LocalCluster
from mesos_service.sdk import tasks
from tests.e2e.attaching import Json, call, nested_id
from tests.e2e.frameworks import Patient, play, subscribed_as
from tests.e2e.restarting import restartable
from tests.support.waiting import PATIENCE
from tests.unit.cgroups.live import Live, hierarchies, live_groups, written_down

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="making control groups takes root")
live = live_groups
ISOLATION = "cgroups/cpu,cgroups/mem,cgroups/pids,namespaces/pid"
TREES = ("cpu", "cpuacct", "memory", "pids")
OWN: Json = {"type": "MESOS", "linux_info": {"share_cgroups": False}}
EAT = f"exec {sys.executable} -c 'hoard = [bytearray(1 << 20) for _ in range(500)]; __import__(\"time\").sleep(1e3)'"
MEGABYTE = 1 << 20


def scalars(**amounts: float) -> list[Json]:
    return [{"name": name, "type": "SCALAR", "scalar": {"value": value}} for name, value in amounts.items()]


def memory_of(live: Live, container: str) -> int:
    """The hard bound of a container's group, in bytes."""
    for group in live.containers():
        for name in ("memory.limit_in_bytes", "memory.max"):
            if group.name == container and (group / name).exists():
                return int((group / name).read_text())
    raise AssertionError(f"no group of {container} bounds memory: {live.containers()}")


async def left_are(live: Live, names: set[str]) -> None:
    async with asyncio.timeout(60 * PATIENCE):
        while set(live.names()) != names:  # noqa: ASYNC110 - the agent's doing
            await asyncio.sleep(0.02)


def test_m_ag_23_m_oa_03_what_is_nested_may_have_groups_of_its_own(tmp_path: Path, live: Live) -> None:
    async def scenario() -> None:
        async with (
            LocalCluster(
                0, work_dir=tmp_path / "master", master_flags={"agent_ping_timeout": f"{15 * PATIENCE:g}secs"}
            ) as cluster,
            restartable(cluster, tmp_path / "agent", isolation=ISOLATION, cgroups_root=live.root) as agent,
            subscribed_as(Patient, cluster) as framework,
        ):
            address = f"127.0.0.1:{agent.flags['port']}"
            offer = await framework.an_offer()
            made = tasks.task("t", offer, "cpus:0.1;mem:64", "exec sleep 1000")
            await framework.accept([offer], [tasks.launch(made)], refuse_seconds=0)
            told = await framework.reaches("t", "STARTING", "RUNNING")
            assert told.container_status is not None and told.container_status.container_id is not None
            task = told.container_status.container_id.value

            async def launch(kind: str, name: str, line: str, **more: Any) -> tuple[int, str]:  # Any: JSON
                own = nested_id(task, name)
                answer = await call(address, kind, container_id=own, command={"value": line}, **more)
                return answer.status_code, answer.text

            # What a task has is shared by default, and nothing can be asked for beside it.
            assert (await launch("LAUNCH_CONTAINER", "plain", "exec sleep 1000"))[0] == 200
            assert set(live.names()) == {task}
            much: Json = {"resources": scalars(cpus=0.1, mem=48)}
            status, why = await launch("LAUNCH_CONTAINER", "wants", "true", **much)
            assert (status, "unless it says linux_info.share_cgroups: false" in why) == (400, True)
            wrong: Json = {"resources": scalars(mem=-1)}
            assert (await launch("LAUNCH_CONTAINER", "wrong", "true", container=OWN, **wrong))[0] == 400
            assert (await launch("LAUNCH_NESTED_CONTAINER_SESSION", "debug", "true", container=OWN))[0] == 400

            assert await launch("LAUNCH_CONTAINER", "own", "exec sleep 1000", container=OWN, **much) == (200, "")
            assert await launch("LAUNCH_NESTED_CONTAINER", "alike", "exec sleep 1000", container=OWN) == (200, "")
            assert sorted(live.names()) == sorted([task, "own", "alike"] * hierarchies(*TREES))
            assert [memory_of(live, one) for one in (task, "own", "alike")] == [
                megabytes * MEGABYTE for megabytes in (64, 48, 64)
            ]
            bounded: Json = {**much, "limits": {"mem": {"value": 80}}}
            assert (await launch("LAUNCH_CONTAINER", "limited", "exec sleep 1000", container=OWN, **bounded))[0] == 200
            assert memory_of(live, "limited") == 80 * MEGABYTE
            measured = await call(address, "GET_CONTAINERS", show_nested=True)
            found = {
                one["container_id"]["value"]: one["resource_statistics"]
                for one in measured.json()["get_containers"]["containers"]
            }
            assert found["own"]["mem_limit_bytes"] == 48 * MEGABYTE
            assert "mem_total_bytes" in found["own"] and "mem_total_bytes" not in found["plain"]

            # Too much is its own affair: the task and the others live on.
            assert (await launch("LAUNCH_CONTAINER", "hungry", EAT, container=OWN, **much))[0] == 200
            ended = await call(address, "WAIT_CONTAINER", container_id=nested_id(task, "hungry"))
            assert ended.json()["wait_container"]["exit_status"] == 9
            await left_are(live, {task, "own", "alike", "limited"})
            # What is nested in one with groups of its own is in those.
            deep = {"value": "deep", "parent": nested_id(task, "own")}
            line = {"value": "cat /proc/self/cgroup; exec sleep 1000"}
            assert (await call(address, "LAUNCH_NESTED_CONTAINER", container_id=deep, command=line)).status_code == 200
            assert set(live.names()) == {task, "own", "alike", "limited"}
            assert (await call(address, "KILL_CONTAINER", container_id=nested_id(task, "limited"))).status_code == 200
            await left_are(live, {task, "own", "alike"})
            assert framework.states("t") == ["STARTING", "RUNNING"]

            # They go with the agent, however that goes, and leave nothing.
            await agent.kill()
            await agent.start()
            await left_are(live, {task})
            assert await launch("LAUNCH_CONTAINER", "again", "exec sleep 1000", container=OWN, **much) == (200, "")
            await left_are(live, {task, "again"})
            # What an earlier one has left holds its name until it is removed.
            status, why = await launch("LAUNCH_CONTAINER", "own", "exec sleep 1000", container=OWN, **much)
            assert (status, "File exists" in why) == (400, True)
            removals = [call(address, "REMOVE_CONTAINER", container_id=nested_id(task, "own")) for _ in range(3)]
            assert {answer.status_code for answer in await asyncio.gather(*removals)} == {200}
            assert await launch("LAUNCH_CONTAINER", "own", "exec sleep 1000", container=OWN, **much) == (200, "")
            await left_are(live, {task, "again", "own"})
            await framework.kill("t")
            await framework.reaches("t", "STARTING", "RUNNING", "KILLED")
            await left_are(live, set())

    play(scenario)
    assert not live.containers()
    assert not written_down(tmp_path / "agent" / "runtime")
