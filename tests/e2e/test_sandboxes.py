"""What becomes of sandboxes on a real agent, and of what tasks fetch into them (M-AG-14, M-AG-15, X59)."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

import pytest

from mesos_service.local import AgentSpec, LocalCluster
from mesos_service.sdk import tasks
from mesos_service.wire.containers import CommandInfoURI
from tests.e2e.frameworks import NEEDS, Patient, play, subscribed, subscribed_as
from tests.e2e.restarting import restartable
from tests.support.asking import patient_client
from tests.support.shop import Shop
from tests.unit.agent_service.support import until

AT_ONCE = {"gc_delay": "0ns", "disk_watch_interval": "20ms"}


async def metrics(address: str) -> dict[str, float]:
    async with patient_client() as client:
        found: dict[str, float] = (await client.get(f"http://{address}/metrics/snapshot")).json()
        return found


def executors(work_dir: Path) -> list[Path]:
    """The directories that executors have on an agent, while others of them are being removed."""
    try:
        return list(work_dir.glob("slaves/*/frameworks/*/executors/*"))
    except FileNotFoundError:
        return executors(work_dir)


def runs(work_dir: Path) -> set[str]:
    """Executors that have a sandbox."""
    return {one.name for one in executors(work_dir) if listed(one / "runs")}


def listed(directory: Path) -> set[str]:
    """What is in it; nothing is in one that is not there."""
    try:
        return {one.name for one in directory.iterdir()}
    except FileNotFoundError:
        return set()


def test_m_ag_15_ended_sandboxes_go_and_the_living_stay(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with (
            LocalCluster([AgentSpec(flags=AT_ONCE)], work_dir=tmp_path) as cluster,
            subscribed(cluster) as framework,
        ):
            await framework.run_tasks(lambda offer: tasks.task("lives", offer, NEEDS, "exec sleep 1000"))
            await framework.reaches("lives", "STARTING", "RUNNING")
            line = "mkdir -p a/b; ln -s /etc link; touch a/b/file; chmod 0 a; exit 0"
            await framework.run_tasks(lambda offer: tasks.task("ends", offer, NEEDS, line))
            await framework.reaches("ends", "STARTING", "RUNNING", "FINISHED")
            work_dir = tmp_path / "agent-0"
            # Of the directories above, only those stay that hold something.
            await until(lambda: [one.name for one in executors(work_dir)] == ["lives"])
            assert runs(work_dir) == {"lives"}
            async with asyncio.timeout(60):
                while not (found := await metrics(cluster.agents[0]))["gc/path_removals_succeeded"]:  # noqa: ASYNC110 - counted afterwards
                    await asyncio.sleep(0.02)
            assert (found["gc/path_removals_succeeded"], found["gc/path_removals_failed"]) == (1.0, 0.0)
            async with patient_client() as client:
                shown = (await client.get(f"http://{cluster.agents[0]}/files/debug")).json()
            assert not [path for path in shown if "/ends/" in path]
            assert [path for path in shown if "/lives/" in path]

    play(scenario)


def test_m_ag_15_sandboxes_of_the_agents_before_go_too(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with (
            LocalCluster(0, work_dir=tmp_path / "master") as cluster,
            restartable(cluster, tmp_path / "agent") as agent,
            subscribed_as(Patient, cluster) as framework,
        ):
            await framework.run_tasks(lambda offer: tasks.task("lives", offer, NEEDS, "exec sleep 1000"))
            await framework.reaches("lives", "STARTING", "RUNNING")
            await framework.run_tasks(lambda offer: tasks.task("ends", offer, NEEDS, "exit 0"))
            await framework.reaches("ends", "STARTING", "RUNNING", "FINISHED")
            assert runs(agent.work_dir) == {"lives", "ends"}, "a week is not over"
            await agent.kill()
            agent.flags.update(AT_ONCE)
            await agent.start()
            await until(lambda: runs(agent.work_dir) == {"lives"})
            await framework.kill("lives")
            await framework.reaches("lives", "STARTING", "RUNNING", "KILLED")
            await until(lambda: not runs(agent.work_dir))

    play(scenario)


@pytest.mark.parametrize("cache", [True, False])
def test_m_ag_14_tasks_share_a_download(tmp_path: Path, shop: Shop, cache: bool) -> None:
    async def scenario() -> None:
        async with LocalCluster(1, work_dir=tmp_path) as cluster, subscribed(cluster) as framework:
            uri = CommandInfoURI(value=f"{shop.url}/100-a", cache=cache, output_file="given")
            offer = await framework.an_offer()
            names = [f"t{number}" for number in range(5)]
            command = tasks.command_info("test $(stat -c %s given) = 100", uris=[uri])
            made = [tasks.task(name, offer, "cpus:0.01;mem:8", command) for name in names]
            await framework.accept([offer], [tasks.launch(*made)], refuse_seconds=0)
            for name in names:
                await framework.reaches(name, "STARTING", "RUNNING", "FINISHED")
            assert shop.gets == {"/100-a": 1 if cache else 5}
            found = await metrics(cluster.agents[0])
            assert found["containerizer/fetcher/cache_size_used_bytes"] == (100.0 if cache else 0.0)
            assert found["containerizer/fetcher/task_fetches_succeeded"] == 5.0

    play(scenario)


def logs(sandbox: Path) -> set[str]:
    return {name for name in listed(sandbox) if name.startswith("std")}


def number_of(file: Path) -> int | None:
    """By which it is known that another file has its name; ``None`` between one and the next."""
    try:
        return file.stat().st_ino
    except FileNotFoundError:
        return None


def test_m_ag_28_files_rotate_and_tasks_may_say_how(tmp_path: Path) -> None:
    flags = {
        "container_logger": "logrotate",
        "container_logger_max_stdout_size": "64KB",
        "container_logger_rotate": 2,
    }

    async def scenario() -> None:
        async with (
            LocalCluster(0, work_dir=tmp_path / "master") as cluster,
            restartable(cluster, tmp_path / "agent", **flags) as agent,
            subscribed_as(Patient, cluster) as framework,
        ):
            line = "while :; do head -c 10000 /dev/zero | tr '\\0' x; sleep 0.02; done"
            own = {"CONTAINER_LOGGER_LOGROTATE_STDOUT_OPTIONS": "rotate 1", "CONTAINER_LOGGER_MAX_STDOUT_SIZE": "32KB"}
            wrong = {"CONTAINER_LOGGER_MAX_STDOUT_SIZE": "much"}
            offer = await framework.an_offer()
            made = [
                tasks.task(name, offer, NEEDS, line, environment=environment)
                for name, environment in (("plain", {}), ("own", own), ("wrong", wrong))
            ]
            await framework.accept([offer], [tasks.launch(*made)], refuse_seconds=0)
            told = await framework.reaches("wrong", "FAILED")
            assert told.message is not None
            assert "CONTAINER_LOGGER_MAX_STDOUT_SIZE: 'much' is not a size" in told.message
            found = {}
            for name in ("plain", "own"):
                await framework.reaches(name, "STARTING", "RUNNING")
                found[name] = next((tmp_path / "agent").glob(f"slaves/*/frameworks/*/executors/{name}/runs/latest"))
            wanted = {
                "plain": {"stdout", "stdout.1", "stdout.2", "stderr"},
                "own": {"stdout", "stdout.1", "stderr"},
            }

            def rotated(name: str) -> bool:
                # While one takes the place of another, one is missing; there is never one too many.
                there = logs(found[name])
                assert there <= wanted[name]
                return there == wanted[name]

            for name in wanted:
                await until(partial(rotated, name))
            # The next agent goes on with it.
            await agent.kill()
            before = number_of(found["plain"] / "stdout.1")
            await agent.start()
            await until(lambda: number_of(found["plain"] / "stdout.1") not in (None, before))
            await until(partial(rotated, "plain"))

    play(scenario)
