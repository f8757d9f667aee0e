"""Reservations and volumes with real processes: data outlives tasks and agents (M-OP-03, M-OP-04, M-AL-10)."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from mesos_service import sdk
from mesos_service.cli.main import run
from mesos_service.domain.resources import Resources
from mesos_service.local import LocalCluster
from mesos_service.sdk import tasks
from mesos_service.wire.frameworks import FrameworkInfoCapability
from tests.e2e.frameworks import Operating, play, subscribed_as
from tests.e2e.raw import until
from tests.e2e.restarting import ROOT, restartable
from tests.support.asking import patient_client

NEEDS = "cpus:0.1;mem:16"


async def agent_of(master: str) -> dict[str, Any]:
    async with patient_client() as client:
        [agent] = (await client.get(f"http://{master}/slaves")).json()["slaves"]
    found: dict[str, Any] = agent
    return found


@pytest.mark.parametrize("how", ["kill", "terminate"])
def test_m_al_10_a_file_on_a_volume_is_there_after_the_agent_was_restarted(tmp_path: Path, how: str) -> None:
    async def scenario() -> None:
        async with (
            LocalCluster(0, work_dir=tmp_path / "master") as cluster,
            restartable(cluster, tmp_path / "agent") as agent,
            subscribed_as(Operating, cluster) as framework,
        ):
            role = framework.roles[0]
            disk = sdk.reserved("disk:16", role)
            data = sdk.volume(disk, "data", "var/data")
            offer = await framework.an_offer()
            writes = tasks.task("writes", offer, Resources.parse(NEEDS) + data, "echo precious > var/data/file")
            await framework.accept(
                [offer],
                [sdk.reserve(disk, operation_id="r"), sdk.create(data, operation_id="c"), tasks.launch(writes)],
                refuse_seconds=0,
            )
            await framework.reaches("writes", "STARTING", "RUNNING", "FINISHED")
            await until(
                lambda: _holds(
                    lambda: {one.operation_id.value for one in framework.operations if one.operation_id} == {"r", "c"}
                )
            )
            assert [one.state for one in framework.operations] == ["OPERATION_FINISHED"] * 2
            on_disk = tmp_path / "agent" / "volumes" / "roles" / "store files" / "data" / "file"
            assert on_disk.read_text() == "precious\n"

            await (agent.kill() if how == "kill" else agent.terminate())
            await agent.start()
            offer = await framework.an_offer()
            while not tasks.available(offer).persistent_volumes():
                await framework.decline(offer, refuse_seconds=0)
                offer = await framework.an_offer()
            assert (await agent_of(cluster.master))["reserved_resources"][role]["disk"] == 16.0
            held = tasks.available(offer).persistent_volumes()
            elsewhere = sdk.volume(disk, "data", "again")
            reads = tasks.task("reads", offer, Resources.parse(NEEDS) + elsewhere, "cp again/file found")
            await framework.accept([offer], [tasks.launch(reads)], refuse_seconds=0)
            await framework.reaches("reads", "STARTING", "RUNNING", "FINISHED")
            assert next((tmp_path / "agent").rglob("reads/runs/*/found")).read_text() == "precious\n"

            offer = await framework.an_offer()
            while not tasks.available(offer).persistent_volumes():
                await framework.decline(offer, refuse_seconds=0)
                offer = await framework.an_offer()
            await framework.accept([offer], [sdk.destroy(held), sdk.unreserve(disk)], refuse_seconds=0)
            await until(lambda: _holds(lambda: not on_disk.exists()))
            assert (await agent_of(cluster.master))["reserved_resources"] == {}

    play(scenario)


def test_m_op_05_files_stay_where_a_volume_is_grown_and_shrunk(tmp_path: Path) -> None:
    """By the framework: its task finds in the larger, and in the smaller volume, what was written into the first."""

    async def scenario() -> None:
        async with (
            LocalCluster(0, work_dir=tmp_path / "master") as cluster,
            restartable(cluster, tmp_path / "agent") as agent,
            subscribed_as(Operating, cluster) as framework,
        ):
            role = framework.roles[0]
            half = sdk.reserved("disk:16", role)
            data = sdk.volume(half, "data", "var/data")
            on_disk = tmp_path / "agent" / "volumes" / "roles" / "store files" / "data"

            async def offer_with(megabytes: float) -> tuple[Any, Resources]:  # Any: an offer of the wire
                while True:
                    offer = await framework.an_offer()
                    held = tasks.available(offer).persistent_volumes()
                    if held.scalar("disk") == megabytes * 1000:
                        return offer, held
                    await framework.decline(offer, refuse_seconds=0)

            async def run(name: str, offer: Any, held: Resources, command: str) -> None:  # Any: as above
                task = tasks.task(name, offer, Resources.parse(NEEDS) + held, command)
                await framework.accept([offer], [tasks.launch(task)], refuse_seconds=0)
                await framework.reaches(name, "STARTING", "RUNNING", "FINISHED")

            offer = await framework.an_offer()
            made = [sdk.reserve(half), sdk.reserve(half), sdk.create(data)]
            await framework.accept([offer], made, refuse_seconds=0)
            offer, held = await offer_with(16)
            await run(
                "writes", offer, held, "mkdir var/data/d && echo first > var/data/d/file && ln -s d var/data/link"
            )
            directory = on_disk.stat().st_ino

            offer, held = await offer_with(16)
            await framework.accept([offer], [sdk.grow_volume(held, half)], refuse_seconds=0)
            offer, held = await offer_with(32)
            assert (on_disk / "link" / "file").read_text() == "first\n"
            await run("adds", offer, held, "cat var/data/link/file && echo second >> var/data/d/file")

            await agent.kill()
            await agent.start()
            offer, held = await offer_with(32)
            await framework.accept([offer], [sdk.shrink_volume(held, 24)], refuse_seconds=0)
            offer, held = await offer_with(8)
            await run("reads", offer, held, "cp var/data/link/file found")
            assert next((tmp_path / "agent").rglob("reads/runs/*/found")).read_text() == "first\nsecond\n"
            assert on_disk.stat().st_ino == directory, "the same directory from the first to the last"
            assert (await agent_of(cluster.master))["reserved_resources"][role]["disk"] == 32.0

            offer, held = await offer_with(8)
            await framework.accept([offer], [sdk.destroy(held)], refuse_seconds=0)
            await until(lambda: _holds(lambda: not on_disk.exists()))

    play(scenario)


class Sharing(Operating):
    def __init__(self, master: str) -> None:
        super().__init__(master)
        known = self.framework_info.capabilities
        self.framework_info = msgspec.structs.replace(
            self.framework_info, capabilities=(*known, FrameworkInfoCapability(type="SHARED_RESOURCES"))
        )


def test_m_al_11_two_running_tasks_share_a_volume(tmp_path: Path) -> None:
    """One waits for what the other writes; while they run the volume is offered, and cannot be destroyed."""

    async def scenario() -> None:
        async with (
            LocalCluster(0, work_dir=tmp_path / "master") as cluster,
            restartable(cluster, tmp_path / "agent"),
            subscribed_as(Sharing, cluster) as framework,
        ):
            role = framework.roles[0]
            disk = sdk.reserved("disk:16", role)
            data = sdk.volume(disk, "data", "in", shared=True)
            offer = await framework.an_offer()
            needs = Resources.parse(NEEDS)
            reads = tasks.task("reads", offer, needs + data, "until test -e in/file; do sleep 0.05; done; cat in/end")
            await framework.accept(
                [offer], [sdk.reserve(disk), sdk.create(data), tasks.launch(reads)], refuse_seconds=0
            )
            await framework.reaches("reads", "STARTING", "RUNNING")
            offer = await framework.an_offer()
            assert tasks.available(offer).persistent_volumes() == data, "offered while it is used"
            await framework.accept([offer], [sdk.destroy(data, operation_id="early")], refuse_seconds=0)
            await until(lambda: _holds(lambda: bool(framework.operations)))
            assert "Persistent volumes in use" in (framework.operations[0].message or "")
            offer = await framework.an_offer()
            elsewhere = sdk.volume(disk, "data", "out", shared=True)
            writes = tasks.task("writes", offer, needs + elsewhere, "echo end > out/end; touch out/file")
            await framework.accept([offer], [tasks.launch(writes)], refuse_seconds=0)
            await framework.reaches("writes", "STARTING", "RUNNING", "FINISHED")
            await framework.reaches("reads", "STARTING", "RUNNING", "FINISHED")
            assert next((tmp_path / "agent").rglob("reads/runs/*/stdout")).read_text().endswith("end\n")
            offer = await framework.an_offer()
            await framework.accept([offer], [sdk.destroy(data, operation_id="late")], refuse_seconds=0)
            await until(lambda: _holds(lambda: framework.operations[-1].state == "OPERATION_FINISHED"))
            assert not (tmp_path / "agent" / "volumes" / "roles" / "store files" / "data").exists()

    play(scenario)


async def _holds(condition: Any) -> bool:  # Any: a plain function
    return bool(condition())


@pytest.mark.parametrize(("path", "why"), [("../out", "must lead into the sandbox"), ("/abs", "must not be absolute")])
def test_m_op_04_a_volume_that_would_leave_the_sandbox_is_refused(tmp_path: Path, path: str, why: str) -> None:
    """At CREATE, and at the launch of a task that names the volume by such a path."""

    async def scenario() -> None:
        async with (
            LocalCluster(0, work_dir=tmp_path / "master") as cluster,
            restartable(cluster, tmp_path / "agent"),
            subscribed_as(Operating, cluster) as framework,
        ):
            disk = sdk.reserved("disk:16", framework.roles[0])
            offer = await framework.an_offer()
            good, bad = sdk.volume(disk, "data", "data"), sdk.volume(disk, "data", path)
            task = tasks.task("climbs", offer, Resources.parse(NEEDS) + bad, "true")
            await framework.accept(
                [offer], [sdk.reserve(disk), sdk.create(bad, operation_id="bad"), sdk.create(good), tasks.launch(task)]
            )
            failed = await framework.reaches("climbs", "FAILED")
            assert failed.reason == "REASON_CONTAINER_LAUNCH_FAILED"
            assert failed.message is not None and "is no path within the sandbox" in failed.message
            [status] = framework.operations
            assert status.state == "OPERATION_ERROR"
            assert status.message is not None and why in status.message

    play(scenario)


RESERVED = {
    "type": "SCALAR",
    "name": "disk",
    "scalar": {"value": 64},
    "reservations": [{"type": "DYNAMIC", "role": "ops", "principal": "op"}],
}
VOLUME = {
    **RESERVED,
    "scalar": {"value": 32},
    "disk": {"persistence": {"id": "v1", "principal": "op"}, "volume": {"mode": "RW", "container_path": "p"}},
}


def test_m_om_09_and_m_om_10_operators_calls_answer_as_recorded(tmp_path: Path) -> None:
    """M-LE-02: the old paths do the same."""

    async def scenario() -> None:
        async with (
            LocalCluster(0, work_dir=tmp_path / "master") as cluster,
            restartable(cluster, tmp_path / "agent"),
            patient_client(base_url=f"http://{cluster.master}") as client,
        ):
            await until(lambda: _registered(client))
            agent_id = (await agent_of(cluster.master))["id"]

            async def call(kind: str, **body: object) -> tuple[int, str]:
                document = {"type": kind, kind.lower(): {"agent_id": {"value": agent_id}, **body}}
                answer = await client.post("/api/v1", json=document)
                if answer.status_code == 202:
                    assert (answer.headers["content-length"], answer.content) == ("0", b"")
                return answer.status_code, answer.text

            assert await call("RESERVE_RESOURCES", resources=[RESERVED]) == (202, "")
            assert await call("CREATE_VOLUMES", volumes=[VOLUME]) == (202, "")
            addition = {**RESERVED, "scalar": {"value": 16}}
            assert await call("GROW_VOLUME", volume=VOLUME, addition=addition) == (202, "")
            grown = {**VOLUME, "scalar": {"value": 48}}
            assert await call("SHRINK_VOLUME", volume=grown, subtract={"value": 16}) == (202, "")
            shown = await agent_of(cluster.master)
            reserved = shown["reserved_resources_full"]["ops"]
            assert [one["scalar"]["value"] for one in reserved] == [32.0, 32.0]
            await until(lambda: _shows(shown["pid"].rpartition("@")[2], reserved))
            assert await call("DESTROY_VOLUMES", volumes=[VOLUME]) == (202, "")
            assert await call("UNRESERVE_RESOURCES", resources=[RESERVED]) == (202, "")
            status, text = await call("UNRESERVE_RESOURCES", resources=[RESERVED])
            assert status == 409
            assert text.endswith("does not contain disk(reservations: [(DYNAMIC,ops,op)]):64")
            agent_id, known = "nope", agent_id
            assert await call("RESERVE_RESOURCES", resources=[RESERVED]) == (400, "No agent found with specified ID")

            async def form(path: str, **fields: str) -> tuple[int, str]:
                answer = await client.post(path, data={"slaveId": known, **fields})
                return answer.status_code, answer.text

            assert await form("/master/reserve", resources=json.dumps([RESERVED])) == (202, "")
            assert await form("/create-volumes", volumes=json.dumps([VOLUME])) == (202, "")
            assert await form("/destroy-volumes", volumes=json.dumps([VOLUME])) == (202, "")
            assert await form("/unreserve", resources=json.dumps([RESERVED])) == (202, "")
            assert await form("/unreserve") == (400, "Missing 'resources' query parameter in the request body")
            status, text = await form("/unreserve", resources='{"name":')
            assert (status, text[:19]) == (400, "Error in parsing 'r")
            await until(lambda: _nothing_under_way(client))

    async def _shows(agent: str, reserved: list[object]) -> bool:
        """The agent itself, of what it has carried out."""
        async with patient_client() as asking:
            found = (await asking.get(f"http://{agent}/state")).json()["reserved_resources_full"]
        return sorted(map(str, found.get("ops", []))) == sorted(map(str, reserved))

    async def _registered(client: httpx.AsyncClient) -> bool:
        return bool((await client.get("/slaves")).json()["slaves"])

    async def _nothing_under_way(client: httpx.AsyncClient) -> bool:
        answer = await client.post("/api/v1", json={"type": "GET_OPERATIONS"})
        return bool(answer.json() == {"type": "GET_OPERATIONS", "get_operations": {}})

    play(scenario)


def test_m_om_10_the_commands_do_what_operators_calls_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def scenario() -> None:
        async with (
            LocalCluster(0, work_dir=tmp_path / "master") as cluster,
            restartable(cluster, tmp_path / "agent"),
        ):
            await until(lambda: _holds_soon(cluster.master))
            agent_id = (await agent_of(cluster.master))["id"]

            async def command(*words: str) -> str:
                status = await asyncio.to_thread(run, [*words, "--master", cluster.master])
                said = capsys.readouterr()
                assert status == 0, said.err
                return said.out

            async def volumes() -> list[tuple[str, float]]:
                listed = json.loads(await command("volume", "list", "-o", "json"))
                return [(one["id"], one["megabytes"]) for one in listed]

            await command("reserve", agent_id, "cpus:0.5;disk:32", "--role", "ops")
            await command("volume", "create", agent_id, "archive", "8", "--role", "ops", "--path", "archive")
            assert await volumes() == [("archive", 8.0)]
            *_, shown = (await command("volume", "list")).splitlines()
            assert shown.split()[1:] == ["ops", "archive", "8", "archive"]
            await command("volume", "resize", agent_id, "archive", "12", "--role", "ops")
            assert await volumes() == [("archive", 12.0)]
            await command("volume", "resize", agent_id, "archive", "4", "--role", "ops")
            assert await volumes() == [("archive", 4.0)]
            await command("volume", "destroy", agent_id, "archive", "--role", "ops")
            assert await volumes() == []
            await command("unreserve", agent_id, "cpus:0.5;disk:32", "--role", "ops")
            assert (await agent_of(cluster.master))["reserved_resources"] == {}
            absent = ["volume", "destroy", agent_id, "archive", "--role", "ops", "--master", cluster.master]
            assert await asyncio.to_thread(run, absent) == 1
            assert "has no volume 'archive' of role 'ops'" in capsys.readouterr().err
            wrong = ["reserve", agent_id, "cpus:x", "--role", "ops", "--master", cluster.master]
            assert await asyncio.to_thread(run, wrong) == 2

    async def _holds_soon(master: str) -> bool:
        async with patient_client() as client:
            return bool((await client.get(f"http://{master}/slaves")).json()["slaves"])

    play(scenario)


WRITER = """
import asyncio
from pathlib import Path
from mesos_service.sdk.executor import Executor

class Writer(Executor):
    async def launch(self, task):
        if task.name == "writes":
            Path("later/file").write_text("by the executor")
        await self.update(task.task_id.value, "TASK_RUNNING")

asyncio.run(Writer().run())
"""


def test_m_al_10_an_executor_that_runs_already_finds_the_volume_of_its_next_task(tmp_path: Path) -> None:
    program = tmp_path / "writer.py"
    program.write_text(WRITER)

    async def scenario() -> None:
        async with (
            LocalCluster(0, work_dir=tmp_path / "master") as cluster,
            restartable(cluster, tmp_path / "agent"),
            subscribed_as(Operating, cluster) as framework,
        ):
            role = framework.roles[0]
            command = f"PYTHONPATH={ROOT} exec {sys.executable} {program}"
            executor = tasks.custom_executor("writer", command, "cpus:0.1;mem:64")
            offer = await framework.an_offer()
            first = tasks.task("first", offer, NEEDS, executor=executor)
            await framework.accept([offer], [tasks.launch(first)], refuse_seconds=0)
            await framework.reaches("first", "RUNNING")
            disk = sdk.reserved("disk:16", role)
            data = sdk.volume(disk, "data", "later")
            offer = await framework.an_offer()
            writes = tasks.task("writes", offer, Resources.parse(NEEDS) + data, executor=executor)
            await framework.accept([offer], [sdk.reserve(disk), sdk.create(data), tasks.launch(writes)])
            await framework.reaches("writes", "RUNNING")
            [file] = (tmp_path / "agent" / "volumes" / "roles").rglob("data/file")
            assert file.read_text() == "by the executor"

    play(scenario)
