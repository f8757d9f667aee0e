"""Tasks under control groups, on a real agent with a real master (M-AG-05; X53)."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import msgspec
import psutil
import pytest

from mesos_service.local import LocalCluster
from mesos_service.sdk import tasks
from mesos_service.wire.containers import ContainerInfo, LinuxInfo
from tests.e2e.frameworks import Patient, play, subscribed_as
from tests.e2e.restarting import pid_of, restartable
from tests.support.asking import patient_client
from tests.support.ports import fixed_port
from tests.support.waiting import PATIENCE
from tests.unit.cgroups.live import Live, hierarchies, live_groups, written_down

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="making control groups takes root")
live = live_groups
ISOLATION = "cgroups/cpu,cgroups/mem,cgroups/pids"
CONTROLLERS = ("cpu", "cpuacct", "memory", "pids")


def test_m_ag_05_x53_a_task_is_held_and_told_over_a_restart_of_its_agent(tmp_path: Path, live: Live) -> None:
    async def scenario() -> None:
        async with (
            cluster_for(tmp_path) as cluster,
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
            assert len(live.names()) == 2 * hierarchies(*CONTROLLERS)

            await agent.kill()
            await agent.start()

            async with patient_client() as client, asyncio.timeout(60 * PATIENCE):
                url = f"http://127.0.0.1:{agent.flags['port']}/monitor/statistics"
                while True:
                    statistics = {one["executor_id"]: one["statistics"] for one in (await client.get(url)).json()}
                    # Others may have the processor for as long as they like.
                    if statistics["busy"]["cpus_nr_throttled"] > 0:
                        break
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


def cluster_for(tmp_path: Path) -> LocalCluster:
    """A master that gives up no agent that is merely being started again, however slow this machine is."""
    flags = {"agent_ping_timeout": f"{15 * PATIENCE:g}secs"}
    return LocalCluster(0, work_dir=tmp_path / "master", master_flags=flags)


def some_told(framework: Patient, names: Sequence[str]) -> bool:
    return any(framework.states(name) for name in names)


def all_settled(framework: Patient, names: Sequence[str]) -> bool:
    return all(framework.states(name)[-1:] in (["RUNNING"], ["DROPPED"]) for name in names)


def test_x53_no_group_outlives_agents_that_die_while_they_launch(tmp_path: Path, live: Live) -> None:
    """Killed again and again with launches under way, in whatever step they are; then all ends, and nothing is left."""

    async def scenario() -> None:
        async with (
            cluster_for(tmp_path) as cluster,
            restartable(cluster, tmp_path / "agent", isolation=ISOLATION, cgroups_root=live.root) as agent,
            subscribed_as(Patient, cluster) as framework,
        ):
            ran = 0
            for life in range(3):
                offer = await framework.an_offer()
                made = [tasks.task(f"{life}-{number}", offer, "cpus:0.01;mem:4", "sleep 1000") for number in range(12)]
                await framework.accept([offer], [tasks.launch(*made)], refuse_seconds=0)
                names = [task.task_id.value for task in made]
                # Some run by then, and others are anywhere on their way.
                await framework.until(partial(some_told, framework, names))
                await agent.kill()
                await agent.start()
                await framework.until(partial(all_settled, framework, names))
                ran += sum(framework.states(name)[-1] == "RUNNING" for name in names)
                async with asyncio.timeout(60 * PATIENCE):
                    while len(set(live.names())) != ran:  # noqa: ASYNC110
                        await asyncio.sleep(0.02)  # Who never ran is ended while the agent works already.
            assert ran

    play(scenario)
    assert not live.containers()
    assert not written_down(tmp_path / "agent" / "runtime")


def test_m_ag_05_x53_who_took_too_much_while_the_agent_was_away_is_told_so(tmp_path: Path, live: Live) -> None:
    async def scenario() -> None:
        async with (
            cluster_for(tmp_path) as cluster,
            restartable(cluster, tmp_path / "agent", isolation=ISOLATION, cgroups_root=live.root) as agent,
            subscribed_as(Patient, cluster) as framework,
        ):
            eat = "import time; hoard = [bytearray(1 << 20) for _ in range(500)]; time.sleep(1000)"
            wait = "while [ ! -e go ]; do sleep 0.05; done"
            lines = {
                "first": f"{wait}; exec {sys.executable} -c '{eat}'",
                "child": f"{wait}; {sys.executable} -c '{eat}'; touch done; sleep 1000",
                "other": f"{wait}; touch done; kill -KILL $$",
            }
            offer = await framework.an_offer()
            made = [tasks.task(name, offer, "cpus:0.1;mem:48", line) for name, line in lines.items()]
            await framework.accept([offer], [tasks.launch(*made)], refuse_seconds=0)
            for name in lines:
                await framework.reaches(name, "STARTING", "RUNNING")
            processes = {name: psutil.Process(pid_of(framework, name)) for name in lines}
            sandboxes = {name: Path(process.cwd()) for name, process in processes.items()}
            await agent.kill()
            for sandbox in sandboxes.values():
                (sandbox / "go").touch()
            async with asyncio.timeout(60 * PATIENCE):
                # Version 2 ends the child's parent, too.
                while not (  # noqa: ASYNC110 - it happens in other processes
                    all(processes[name].status() == psutil.STATUS_ZOMBIE for name in ("first", "other"))
                    and ((sandboxes["child"] / "done").exists() or processes["child"].status() == psutil.STATUS_ZOMBIE)
                ):
                    await asyncio.sleep(0.02)
            await agent.start()
            for name in ("first", "child"):
                told = await framework.reaches(name, "STARTING", "RUNNING", "FAILED")
                assert told.reason == "REASON_CONTAINER_LIMITATION_MEMORY", name
                assert told.message is not None and told.message.startswith("Memory limit exceeded: Requested: 48MB")
            told = await framework.reaches("other", "STARTING", "RUNNING", "FAILED")
            assert told.reason != "REASON_CONTAINER_LIMITATION_MEMORY", "a kill that memory has nothing to do with"

    play(scenario)
    assert not live.containers()


def test_m_ag_30_statistics_are_what_the_groups_say(tmp_path: Path, live: Live) -> None:
    """A task that holds 20 MB and has spun for a while stands still; then every number can be read in two places."""

    async def scenario() -> None:
        async with (
            cluster_for(tmp_path) as cluster,
            restartable(
                cluster,
                tmp_path / "agent",
                isolation=ISOLATION,
                cgroups_root=live.root,
                cgroups_enable_cfs="true",
            ) as agent,
            subscribed_as(Patient, cluster) as framework,
        ):
            spin = 'hoard = bytearray(20 << 20); sum(range(3000000)); open("ready", "w"); __import__("time").sleep(1e3)'
            offer = await framework.an_offer()
            made = tasks.task("still", offer, "cpus:0.5;mem:64", f"exec {sys.executable} -c '{spin}'")
            await framework.accept([offer], [tasks.launch(made)], refuse_seconds=0)
            await framework.reaches("still", "STARTING", "RUNNING")
            process = psutil.Process(pid_of(framework, "still"))
            ready = Path(process.cwd()) / "ready"
            async with asyncio.timeout(60 * PATIENCE):
                while not ready.exists() or process.status() != psutil.STATUS_SLEEPING:  # noqa: ASYNC110 - a process
                    await asyncio.sleep(0.02)
            base = f"http://127.0.0.1:{agent.flags['port']}"
            groups = {path.parent.parent.name: path for path in live.containers() if path.parent.name == live.root}
            # The period that was begun last is counted when it ends, whoever stands still.
            async with patient_client() as client, asyncio.timeout(60 * PATIENCE):
                while True:
                    before = expected_statistics(groups)
                    monitored = (await client.get(f"{base}/monitor/statistics")).json()[0]["statistics"]
                    call = {"type": "GET_CONTAINERS", "get_containers": {}}
                    answer = await client.post(f"{base}/api/v1", json=call)
                    contained = answer.json()["get_containers"]["containers"][0]["resource_statistics"]
                    expected = expected_statistics(groups)
                    if expected == before:
                        break
            for name, value in expected.items():
                assert monitored[name] == contained[name] == value, name
            assert monitored["mem_anon_bytes"] > 20 << 20
            assert monitored["cpus_user_time_secs"] > 0

    play(scenario)
    assert not live.containers()


@pytest.mark.parametrize("shares", [True, False])
def test_m_ag_23_a_group_shares_its_executors_groups_or_has_its_own(tmp_path: Path, live: Live, shares: bool) -> None:
    """Over a restart of the agent, with a statistic that counts what is shared once."""

    async def scenario() -> None:
        async with (
            cluster_for(tmp_path) as cluster,
            restartable(cluster, tmp_path / "agent", isolation=ISOLATION, cgroups_root=live.root) as agent,
            subscribed_as(Patient, cluster) as framework,
        ):
            own = ContainerInfo(type="MESOS", linux_info=LinuxInfo(share_cgroups=False))
            offer = await framework.an_offer()
            made = [tasks.task(name, offer, "cpus:0.1;mem:40", "exec sleep 1000") for name in ("a", "b")]
            made = made if shares else [msgspec.structs.replace(one, container=own) for one in made]
            group = tasks.launch_group(tasks.default_executor("pod", "cpus:0.1;mem:32"), *made)
            await framework.accept([offer], [group], refuse_seconds=0)
            for name in ("a", "b"):
                await framework.reaches(name, "STARTING", "RUNNING")
            before = sorted(live.containers())
            assert len(set(live.names())) == (1 if shares else 2)

            await agent.kill()
            await agent.start()

            assert sorted(live.containers()) == before
            async with patient_client() as client:
                answer = await client.get(f"http://127.0.0.1:{agent.flags['port']}/monitor/statistics")
            [told] = answer.json()
            assert told["executor_id"] == "pod"
            # All of it is bounded together, with what the executor itself has.
            assert told["statistics"]["mem_limit_bytes"] == (32 + 80 if shares else 80) << 20
            assert 0 < told["statistics"]["mem_total_bytes"] < 112 << 20
            for name in ("a", "b"):
                await framework.kill(name)
            await framework.until(lambda: all(framework.states(name)[-1:] == ["KILLED"] for name in ("a", "b")))
            async with asyncio.timeout(60 * PATIENCE):
                while live.containers():  # noqa: ASYNC110 - the agent's doing
                    await asyncio.sleep(0.02)

    play(scenario)


def test_m_ag_09_m_ag_11_who_takes_more_disk_or_another_port_fails_with_its_reason(tmp_path: Path) -> None:
    """And a neighbour that does the same within what it has goes on."""
    port = fixed_port()
    listen = "import socket, time; held = socket.create_server(('127.0.0.1', {port})); time.sleep(1000)"

    async def scenario() -> None:
        async with (
            cluster_for(tmp_path) as cluster,
            restartable(
                cluster,
                tmp_path / "agent",
                resources=f"cpus:2;mem:512;disk:64;ports:[{port}-{port}]",
                isolation="posix/cpu,posix/mem,disk/du,network/ports",
                enforce_container_disk_quota="true",
                container_disk_watch_interval="50ms",
                enforce_container_ports="true",
                container_ports_watch_interval="50ms",
            ),
            subscribed_as(Patient, cluster) as framework,
        ):
            offer = await framework.an_offer()
            needs = "cpus:0.1;mem:32;disk:2"
            write = "head -c {count} /dev/zero > file"
            lines = {
                "modest": f'{write.format(count=1_000_000)}; exec {sys.executable} -c "{listen.format(port=port)}"',
                "full": f"{write.format(count=4_000_000)}; exec sleep 1000",
                "stray": f'exec {sys.executable} -c "{listen.format(port=0)}"',
            }
            amounts = {"modest": f"{needs};ports:[{port}-{port}]"}
            made = [tasks.task(name, offer, amounts.get(name, needs), line) for name, line in lines.items()]
            await framework.accept([offer], [tasks.launch(*made)], refuse_seconds=0)
            await framework.reaches("modest", "STARTING", "RUNNING")
            full = await framework.reaches("full", "STARTING", "RUNNING", "FAILED")
            assert full.reason == "REASON_CONTAINER_LIMITATION_DISK"
            assert full.message is not None and "exceeds quota (2MB)" in full.message
            stray = await framework.reaches("stray", "STARTING", "RUNNING", "FAILED")
            assert stray.reason == "REASON_CONTAINER_LIMITATION"
            assert stray.message is not None and "listens at ports that it does not hold" in stray.message
            assert framework.states("modest") == ["STARTING", "RUNNING"]
            await framework.kill("modest")
            await framework.reaches("modest", "STARTING", "RUNNING", "KILLED")

    play(scenario)


def expected_statistics(groups: Mapping[str, Path]) -> dict[str, float]:
    """What the kernel says of the one container, in Mesos' names."""
    if len(groups) == 1:
        return expected_of_version_2(*groups.values())

    def number(hierarchy: str, name: str) -> int:
        return int((groups[hierarchy] / name).read_text())

    def table(hierarchy: str, name: str) -> dict[str, int]:
        rows = (line.split() for line in (groups[hierarchy] / name).read_text().splitlines())
        return {key: int(value) for key, value in rows}

    memory, cpu, ticks = table("memory", "memory.stat"), table("cpu", "cpu.stat"), table("cpuacct", "cpuacct.stat")
    second = os.sysconf("SC_CLK_TCK")
    return {
        "threads": number("pids", "pids.current"),
        "cpus_user_time_secs": ticks["user"] / second,
        "cpus_system_time_secs": ticks["system"] / second,
        "cpus_nr_periods": cpu["nr_periods"],
        "cpus_nr_throttled": cpu["nr_throttled"],
        "cpus_throttled_time_secs": cpu["throttled_time"] / 1e9,
        "mem_total_bytes": number("memory", "memory.usage_in_bytes"),
        "mem_limit_bytes": number("memory", "memory.limit_in_bytes"),
        "mem_soft_limit_bytes": number("memory", "memory.soft_limit_in_bytes"),
        "mem_anon_bytes": memory["total_rss"],
        "mem_rss_bytes": memory["total_rss"],
        "mem_file_bytes": memory["total_cache"],
        "mem_cache_bytes": memory["total_cache"],
        "mem_mapped_file_bytes": memory["total_mapped_file"],
        "mem_unevictable_bytes": memory["total_unevictable"],
    }


def expected_of_version_2(group: Path) -> dict[str, float]:
    """The same from one group."""

    def table(name: str) -> dict[str, int]:
        rows = (line.split() for line in (group / name).read_text().splitlines())
        return {key: int(value) for key, value in rows}

    numbers = {
        "threads": "pids.current",
        "mem_total_bytes": "memory.current",
        "mem_limit_bytes": "memory.max",
        "mem_soft_limit_bytes": "memory.low",
    }
    memory, cpu = table("memory.stat"), table("cpu.stat")
    return {
        **{name: int((group / file).read_text()) for name, file in numbers.items()},
        "cpus_user_time_secs": cpu["user_usec"] / 1e6,
        "cpus_system_time_secs": cpu["system_usec"] / 1e6,
        "cpus_nr_periods": cpu["nr_periods"],
        "cpus_nr_throttled": cpu["nr_throttled"],
        "cpus_throttled_time_secs": cpu["throttled_usec"] / 1e6,
        "mem_anon_bytes": memory["anon"],
        "mem_rss_bytes": memory["anon"],
        "mem_file_bytes": memory["file"],
        "mem_cache_bytes": memory["file"],
        "mem_mapped_file_bytes": memory["file_mapped"],
        "mem_unevictable_bytes": memory["unevictable"],
    }
