"""Containers that operators launch by themselves: LAUNCH_CONTAINER and what follows, over restarts of the agent."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

from mesos_service.local import LocalCluster
from tests.e2e.frameworks import play
from tests.e2e.operators import Operator
from tests.e2e.restarting import restartable, until_dead
from tests.support.asking import patient_client


def resource(name: str, amount: float) -> dict[str, object]:
    return {"name": name, "type": "SCALAR", "scalar": {"value": amount}}


def test_m_oa_03_a_container_of_nobody_is_launched_shown_killed_and_removed(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with (
            LocalCluster(0, work_dir=tmp_path / "master") as cluster,
            restartable(cluster, tmp_path / "agent") as agent,
            patient_client() as client,
        ):
            operator = Operator(agent, client)
            before = await operator.offered()
            asked = [resource("cpus", 0.5), resource("mem", 32)]
            await operator.launch("one", "echo $MESOS_SANDBOX; exec sleep 1000", resources=asked)
            await operator.launch("one", "true", 202)
            assert await operator.offered() == before, "it is charged to nobody"
            sandbox = tmp_path / "agent" / "containers" / "one"
            [shown] = await operator.shown(show_standalone=True)
            assert shown["container_id"] == {"value": "one"} and "framework_id" not in shown
            assert shown["resource_statistics"]["mem_limit_bytes"] == 32 * 1024 * 1024
            assert await operator.shown() == await operator.shown(show_nested=True) == []
            inner = {"value": "in", "parent": {"value": "one"}}
            await operator.call("LAUNCH_CONTAINER", container_id=inner, command={"value": "pwd; exec sleep 1000"})
            names = [
                one["container_id"]["value"] for one in await operator.shown(show_standalone=True, show_nested=True)
            ]
            assert names == ["one", "in"]
            assert "has not terminated yet" in await operator.call(
                "REMOVE_CONTAINER", 500, container_id={"value": "one"}
            )
            async with asyncio.timeout(60):
                while not (sandbox / "stdout").read_text():  # noqa: ASYNC110 - it says so when it has begun
                    await asyncio.sleep(0.02)
            await operator.call("KILL_CONTAINER", container_id={"value": "one"}, signal=signal.SIGTERM)
            assert await operator.wait("one") == -signal.SIGTERM
            assert (sandbox / "stdout").read_text() == f"{sandbox}\n"
            await operator.call("REMOVE_CONTAINER", container_id={"value": "one"})
            assert not sandbox.exists()
            await operator.call("WAIT_CONTAINER", 404, container_id={"value": "one"})
            # Its name may be used again.
            await operator.launch("one", "exit 3")
            assert await operator.wait("one") == 3

    play(scenario)


def test_m_oa_03_what_cannot_be_launched_is_refused_in_words_and_leaves_nothing(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with (
            LocalCluster(0, work_dir=tmp_path / "master") as cluster,
            restartable(cluster, tmp_path / "agent") as agent,
            patient_client() as client,
        ):
            operator = Operator(agent, client)
            image = {"type": "MESOS", "mesos": {"image": {"type": "DOCKER", "docker": {"name": "x"}}}}
            true = {"value": "true"}
            cases: tuple[tuple[int, str, dict[str, object]], ...] = (
                (400, "is invalid", {"container_id": {"value": "../up"}}),
                (400, "Expecting 'command'", {"command": None}),
                (400, "container no does not exist", {"container_id": {"value": "x", "parent": {"value": "no"}}}),
                (400, "needs a value", {"command": {"shell": False}}),
                (400, "no terminal", {"container": {"type": "MESOS", "tty_info": {}}}),
                (400, "--image_providers is not set", {"container": image}),
                (400, "cpus", {"resources": [resource("cpus", -1)]}),
                (400, "No such user", {"command": {**true, "user": "nobody-at-all"}}),
                (400, "Failed to fetch", {"command": {**true, "uris": [{"value": "/nowhere"}]}}),
            )
            for expect, words, more in cases:
                fields = {"container_id": {"value": "x"}, "command": true, **more}
                if fields["command"] is None:
                    del fields["command"]
                assert words in await operator.call("LAUNCH_CONTAINER", expect, **fields), fields
            assert await operator.shown(show_standalone=True) == []
            async with asyncio.timeout(60):
                while list((tmp_path / "agent").glob("containers/*")):  # noqa: ASYNC110 - the agent sees to it
                    await asyncio.sleep(0.02)
            assert not list((tmp_path / "agent").glob("runtime/standalone/*"))

    play(scenario)


def test_x53_a_container_of_nobody_outlives_its_agent_and_its_end_is_remembered(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with (
            LocalCluster(0, work_dir=tmp_path / "master") as cluster,
            restartable(cluster, tmp_path / "agent") as agent,
            patient_client() as client,
        ):
            operator = Operator(agent, client)
            await operator.launch("over-new", "exit 4")
            assert await operator.wait("over-new") == 4
            await operator.launch("lives", "while [ ! -e go ]; do sleep 0.05; done; exit 5")
            await operator.launch("ends", "while [ ! -e go ]; do sleep 0.05; done; exit 6")
            pids = [one["container_status"]["executor_pid"] for one in await operator.shown(show_standalone=True)]
            await agent.kill()
            (tmp_path / "agent" / "containers" / "ends" / "go").touch()
            await until_dead(pids[1])
            await agent.start()
            assert await operator.wait("over-new") == 4
            assert await operator.wait("ends") == 6
            [shown] = await operator.shown(show_standalone=True)
            assert shown["container_status"]["executor_pid"] == pids[0]
            await agent.terminate()
            await agent.start()
            (tmp_path / "agent" / "containers" / "lives" / "go").touch()
            assert await operator.wait("lives") == 5
            for name in ("over-new", "ends", "lives"):
                await operator.call("REMOVE_CONTAINER", container_id={"value": name})
            assert not list((tmp_path / "agent" / "containers").iterdir())
            assert not list((tmp_path / "agent" / "runtime" / "standalone").iterdir())

    play(scenario)
