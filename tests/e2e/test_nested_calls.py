"""Mesos' calls for nested containers, by hand: what they answer, and what they refuse (M-OA-03, M-OA-04)."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from mesos_service.local import LocalCluster
from mesos_service.sdk import tasks
from mesos_service.wire import agent_operator as operator
from mesos_service.wire.common import ContainerID
from mesos_service.wire.protobuf.decode import read_message
from mesos_service.wire.protobuf.encode import encode_protobuf
from mesos_service.wire.recordio import RecordReader, record
from tests.e2e.attaching import Json, call, found_below, framed, give_input, nested_id, post_records, processes, running
from tests.e2e.frameworks import play, subscribed
from tests.support.asking import patient_client
from tests.unit.agent_service.support import until


def test_m_oa_03_nested_containers_by_the_calls(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with LocalCluster(1, work_dir=tmp_path) as cluster, subscribed(cluster) as framework:
            agent = cluster.agents[0]
            container = await running(framework, "exec sleep 1000")
            own = nested_id(container, "child")
            line = {"value": "pwd; test -d ../../containers || exit 1; while [ ! -e go ]; do sleep 0.02; done; exit 3"}
            assert (await call(agent, "LAUNCH_NESTED_CONTAINER", container_id=own, command=line)).status_code == 200
            assert (await call(agent, "LAUNCH_NESTED_CONTAINER", container_id=own, command=line)).status_code == 202
            removed = await call(agent, "REMOVE_NESTED_CONTAINER", container_id=own)
            assert (removed.status_code, "has not terminated" in removed.text) == (500, True)
            sandbox = found_below(tmp_path, f"runs/{container}/containers/child")
            deeper = {"value": "grandchild", "parent": own}
            assert (
                await call(agent, "LAUNCH_NESTED_CONTAINER", container_id=deeper, command={"value": "exec sleep 1000"})
            ).status_code == 200
            waiting = asyncio.create_task(call(agent, "WAIT_NESTED_CONTAINER", container_id=own))
            below = asyncio.create_task(call(agent, "WAIT_CONTAINER", container_id=deeper))
            (sandbox / "go").touch()
            told = (await waiting).json()
            assert told == {"type": "WAIT_NESTED_CONTAINER", "wait_nested_container": {"exit_status": 3 << 8}}
            # What is nested in it goes with it.
            assert (await below).json()["wait_container"]["exit_status"] == 9
            assert (await call(agent, "WAIT_NESTED_CONTAINER", container_id=own)).json() == told
            assert (sandbox / "stdout").read_text() == f"{sandbox}\n"
            killed = await call(agent, "KILL_NESTED_CONTAINER", container_id=own)
            assert (killed.status_code, "cannot be found" in killed.text) == (404, True)
            assert (await call(agent, "REMOVE_NESTED_CONTAINER", container_id=own)).status_code == 200
            assert not sandbox.exists()
            assert (await call(agent, "WAIT_NESTED_CONTAINER", container_id=own)).status_code == 404
            assert (await call(agent, "REMOVE_NESTED_CONTAINER", container_id=own)).status_code == 200

            other = nested_id(container, "other")
            line = {"value": "trap 'exit 4' USR1; echo > ready; while :; do sleep 0.02; done"}
            assert (await call(agent, "LAUNCH_NESTED_CONTAINER", container_id=other, command=line)).status_code == 200
            await until(lambda: list(tmp_path.rglob("containers/other/ready")))
            assert (await call(agent, "KILL_NESTED_CONTAINER", container_id=other, signal=10)).status_code == 200
            told = (await call(agent, "WAIT_NESTED_CONTAINER", container_id=other)).json()
            assert told["wait_nested_container"]["exit_status"] == 4 << 8

            last = nested_id(container, "last")
            line = {"value": "exec sleep 6161"}
            assert (await call(agent, "LAUNCH_NESTED_CONTAINER", container_id=last, command=line)).status_code == 200
            waiting = asyncio.create_task(call(agent, "WAIT_CONTAINER", container_id={"value": container}))
            await until(lambda: processes("6161"))
            await framework.kill("t1")
            await framework.reaches("t1", "STARTING", "RUNNING", "KILLED")
            assert (await waiting).json()["wait_container"]["exit_status"] == 15
            await until(lambda: not processes("6161"))

    play(scenario)


def test_m_oa_03_m_ag_14_what_is_nested_has_its_files_fetched_into_its_own_sandbox(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("fetched")

    async def scenario() -> None:
        async with LocalCluster(1, work_dir=tmp_path / "cluster") as cluster, subscribed(cluster) as framework:
            agent = cluster.agents[0]
            container = await running(framework, "exec sleep 1000")
            line = {"value": "cat file; exit 3", "uris": [{"value": str(tmp_path / "file")}]}
            own = nested_id(container, "child")
            assert (await call(agent, "LAUNCH_NESTED_CONTAINER", container_id=own, command=line)).status_code == 200
            told = (await call(agent, "WAIT_NESTED_CONTAINER", container_id=own)).json()
            assert told["wait_nested_container"]["exit_status"] == 3 << 8
            sandbox = found_below(tmp_path, f"runs/{container}/containers/child")
            assert (sandbox / "stdout").read_text() == "fetched"
            assert not (sandbox.parents[1] / "file").exists(), "the task's own is left alone"
            other = nested_id(container, "other")
            absent = {"value": "true", "uris": [{"value": str(tmp_path / "absent")}]}
            refused = await call(agent, "LAUNCH_NESTED_CONTAINER", container_id=other, command=absent)
            assert (refused.status_code, "absent': No such file" in refused.text) == (400, True), refused.text
            assert not (sandbox.parent / "other").exists()
            # What runs in the task's sandbox fetches nothing into it, and says so.
            refused = await call(agent, "LAUNCH_NESTED_CONTAINER_SESSION", container_id=other, command=line)
            assert (refused.status_code, "nothing is fetched for it" in refused.text) == (400, True), refused.text

    play(scenario)


def test_m_oa_03_who_has_the_same_name_elsewhere_is_not_meant(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with LocalCluster(1, work_dir=tmp_path) as cluster, subscribed(cluster) as framework:
            agent = cluster.agents[0]
            first = await running(framework, "exec sleep 1000")
            second = await running(framework, "exec sleep 1000", task_id="t2")
            mine, others = nested_id(first, "same"), nested_id(second, "same")
            line = {"value": "while [ ! -e go ]; do sleep 0.02; done; exit 3"}
            assert (await call(agent, "LAUNCH_NESTED_CONTAINER", container_id=mine, command=line)).status_code == 200
            refusal = await call(agent, "LAUNCH_NESTED_CONTAINER", container_id=others, command=line)
            assert refusal.status_code == 400
            assert f"There is a container 'same' in container '{first}'" in refusal.text
            for kind in ("KILL_NESTED_CONTAINER", "WAIT_NESTED_CONTAINER"):
                assert (await call(agent, kind, container_id=others)).status_code == 404
            assert (await call(agent, "REMOVE_NESTED_CONTAINER", container_id=others)).status_code == 200
            sandbox = found_below(tmp_path, f"runs/{first}/containers/same")
            (sandbox / "go").touch()
            told = (await call(agent, "WAIT_NESTED_CONTAINER", container_id=mine)).json()
            assert told["wait_nested_container"]["exit_status"] == 3 << 8
            assert (await call(agent, "REMOVE_NESTED_CONTAINER", container_id=others)).status_code == 200
            assert sandbox.exists() and (await call(agent, "WAIT_NESTED_CONTAINER", container_id=mine)).json() == told
            assert (
                await call(agent, "LAUNCH_NESTED_CONTAINER", container_id=others, command=line)
            ).status_code == 400, "it has not been removed"
            await framework.kill("t1")
            await framework.reaches("t1", "STARTING", "RUNNING", "KILLED")
            line = {"value": "exit 5"}
            assert (await call(agent, "LAUNCH_NESTED_CONTAINER", container_id=others, command=line)).status_code == 200
            told = (await call(agent, "WAIT_NESTED_CONTAINER", container_id=others)).json()
            assert told["wait_nested_container"]["exit_status"] == 5 << 8

    play(scenario)


@pytest.mark.parametrize(
    ("kind", "body", "status", "says"),
    [
        ("LAUNCH_NESTED_CONTAINER", {"container_id": {"value": "a"}, "command": {"value": "true"}}, 400, "parent"),
        ("LAUNCH_NESTED_CONTAINER", {"container_id": nested_id("nobody"), "command": {"value": "true"}}, 400, "nobody"),
        ("LAUNCH_NESTED_CONTAINER", {"container_id": nested_id("HERE")}, 400, "command"),
        ("LAUNCH_NESTED_CONTAINER", {"container_id": nested_id("HERE"), "command": {}}, 400, "needs a value"),
        (
            "LAUNCH_NESTED_CONTAINER",
            {"container_id": nested_id("HERE", "../../up"), "command": {"value": "true"}},
            400,
            "invalid",
        ),
        (
            "LAUNCH_NESTED_CONTAINER",
            {"container_id": nested_id("HERE", ".."), "command": {"value": "true"}},
            400,
            "'..'",
        ),
        (
            "LAUNCH_NESTED_CONTAINER",
            {
                "container_id": nested_id("HERE"),
                "command": {"value": "true"},
                "container": {"type": "MESOS", "linux_info": {"share_cgroups": False}},
            },
            400,
            "none of this agent's isolators makes any",
        ),
        (
            "LAUNCH_NESTED_CONTAINER_SESSION",
            {"container_id": nested_id("nobody"), "command": {"value": "true"}},
            400,
            "Parent container nobody does not exist",
        ),
        ("WAIT_CONTAINER", {"container_id": {"value": "nobody"}}, 404, "cannot be found"),
        ("WAIT_NESTED_CONTAINER", {"container_id": {"value": "HERE"}}, 400, "parent"),
        ("KILL_CONTAINER", {"container_id": {"value": "HERE"}, "signal": 99}, 400, "no signal"),
        ("REMOVE_CONTAINER", {"container_id": {"value": "HERE"}}, 500, "belongs to a task"),
        ("ATTACH_CONTAINER_OUTPUT", {"container_id": {"value": "nobody"}}, 404, "cannot be found"),
        ("ATTACH_CONTAINER_INPUT", {"type": "PROCESS_IO"}, 415, "recordio"),
    ],
)
def test_m_oa_03_calls_that_cannot_be_done_say_why(
    tmp_path: Path, kind: str, body: Json, status: int, says: str
) -> None:
    async def scenario() -> None:
        async with LocalCluster(1, work_dir=tmp_path) as cluster, subscribed(cluster) as framework:
            container = await running(framework, "exec sleep 1000")
            answer = await call(cluster.agents[0], kind, **_here(body, container))
            assert (answer.status_code, says in answer.text) == (status, True), answer.text
            assert framework.states("t1") == ["STARTING", "RUNNING"]

    play(scenario)


def _here(body: Any, container: str) -> Any:
    if isinstance(body, dict):
        return {key: _here(value, container) for key, value in body.items()}
    return container if body == "HERE" else body


def test_m_oa_04_input_that_makes_no_sense_is_refused_and_harms_nobody(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with LocalCluster(1, work_dir=tmp_path) as cluster, subscribed(cluster) as framework:
            agent = cluster.agents[0]
            container = await running(framework, 'while read line; do echo "<$line>"; done', tty=True)
            here: Json = {"type": "CONTAINER_ID", "container_id": {"value": container}}

            def sending(*pieces: bytes) -> Callable[[], AsyncIterator[bytes]]:
                async def content() -> AsyncIterator[bytes]:
                    for piece in pieces:
                        yield piece

                return content

            io = {"type": "PROCESS_IO", "process_io": {"type": "DATA", "data": {"type": "STDOUT", "data": "eA=="}}}
            attacks: list[tuple[int, Callable[[], AsyncIterator[bytes]]]] = [
                (400, sending()),
                (400, sending(b"not a length\n{}")),
                (400, sending(b"99999999999999999999\n")),
                (400, sending(record(b"{}"))),
                (400, sending(record(b"[1]"))),
                (400, sending(record(b"\xff\xfe"))),
                (415, sending(record(b'{"type":"GET_HEALTH"}'))),
                (400, sending(framed(io))),
                (404, sending(framed({"type": "CONTAINER_ID", "container_id": {"value": "nobody"}}))),
                (400, sending(framed(here), framed(here))),
                (400, sending(framed(here), framed(io))),
                (400, sending(framed(here), framed({"type": "PROCESS_IO", "process_io": {"type": "DATA"}}))),
                (413, sending(framed(here), b"200000000\n", *[bytes(65536)] * 32)),
            ]
            for status, content in attacks:
                answer = await post_records(agent, content())
                assert answer.status_code == status, (status, answer.status_code, answer.text)
            assert (await give_input(agent, {"value": container}, [], "text/plain")).status_code == 415
            assert (await give_input(agent, {"value": container}, [b"fine\n"])).status_code == 200
            stdout = found_below(tmp_path, f"runs/{container}/stdout")
            await until(lambda: "<fine>" in stdout.read_text())

            # One at a time has a say.
            held = asyncio.Event()

            async def holding() -> AsyncIterator[bytes]:
                yield framed(here)
                io = {"type": "DATA", "data": {"type": "STDIN", "data": b64encode(b"held\n").decode()}}
                yield framed({"type": "PROCESS_IO", "process_io": io})
                await held.wait()

            first = asyncio.create_task(post_records(agent, holding()))
            await until(lambda: "<held>" in stdout.read_text())
            assert (await give_input(agent, {"value": container}, [b"x"])).status_code == 409
            held.set()
            assert (await first).status_code == 200
            assert (await give_input(agent, {"value": container}, [b"free\n"])).status_code == 200
            await until(lambda: "<free>" in stdout.read_text())
            assert framework.states("t1") == ["STARTING", "RUNNING"]

    play(scenario)


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ({"Accept": "application/recordio", "Message-Accept": "application/json"}, "application/recordio"),
        ({"Accept": "application/json"}, "application/json"),
        ({"Accept": "application/jsonl"}, "application/jsonl"),
    ],
)
def test_m_oa_04_a_sessions_records(tmp_path: Path, accept: dict[str, str], content_type: str) -> None:
    async def scenario() -> None:
        async with LocalCluster(1, work_dir=tmp_path) as cluster, subscribed(cluster) as framework:
            container = await running(framework, "exec sleep 1000")
            body = {
                "type": "LAUNCH_NESTED_CONTAINER_SESSION",
                "launch_nested_container_session": {
                    "container_id": nested_id(container),
                    "command": {"value": "echo out; echo err >&2"},
                },
            }
            async with patient_client() as client:
                answer = await client.post(f"http://{cluster.agents[0]}/api/v1", json=body, headers=accept)
            assert answer.headers["content-type"] == content_type
            assert (b"Transfer-Encoding", b"chunked") in answer.headers.raw, "spelled as Mesos spells it"
            assert answer.headers.get("message-content-type") == (
                "application/json" if content_type == "application/recordio" else None
            )
            if content_type == "application/jsonl":
                records = answer.content.splitlines()
            else:
                records = RecordReader().feed(answer.content)
            heartbeat, *said = records
            assert heartbeat == (
                b'{"type":"CONTROL","control":{"type":"HEARTBEAT","heartbeat":{"interval":{"nanoseconds":30000000000}}}}'
            )
            # Which of two pipes is read first is nobody's promise.
            assert sorted(said) == [
                b'{"type":"DATA","data":{"type":"STDERR","data":"ZXJyCg=="}}',
                b'{"type":"DATA","data":{"type":"STDOUT","data":"b3V0Cg=="}}',
            ]

    play(scenario)


def test_m_oa_04_a_session_in_protobuf(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with LocalCluster(1, work_dir=tmp_path) as cluster, subscribed(cluster) as framework:
            container = await running(framework, "exec sleep 1000")
            asked = operator.Call(
                type="LAUNCH_NESTED_CONTAINER_SESSION",
                launch_nested_container_session=operator.CallLaunchNestedContainerSession(
                    container_id=ContainerID(value="mine", parent=ContainerID(value=container)),
                    command=tasks.command_info("read line; echo got $line"),
                ),
            )
            headers = {
                "Content-Type": "application/x-protobuf",
                "Accept": "application/recordio",
                "Message-Accept": "application/x-protobuf",
            }
            url = f"http://{cluster.agents[0]}/api/v1"
            async with (
                patient_client() as client,
                client.stream("POST", url, content=encode_protobuf(asked), headers=headers) as answer,
            ):
                assert answer.status_code == 200
                assert answer.headers["message-content-type"] == "application/x-protobuf"

                async def typed() -> AsyncIterator[bytes]:
                    kinds: list[Any] = [
                        {"type": "CONTAINER_ID", "container_id": ContainerID(value="mine")},
                        {
                            "type": "PROCESS_IO",
                            "process_io": operator.ProcessIO(
                                type="DATA", data=operator.ProcessIOData(type="STDIN", data=b"it\n")
                            ),
                        },
                    ]
                    for one in kinds:
                        given = operator.CallAttachContainerInput(**one)
                        yield record(
                            encode_protobuf(operator.Call(type="ATTACH_CONTAINER_INPUT", attach_container_input=given))
                        )

                assert (await post_records(cluster.agents[0], typed(), "application/x-protobuf")).status_code == 200
                records = RecordReader().feed(await answer.aread())
            said = [read_message(operator.ProcessIO, one) for one in records]
            assert [one.type for one in said] == ["CONTROL", "DATA"]
            assert said[1].data == operator.ProcessIOData(type="STDOUT", data=b"got it\n")

    play(scenario)


def test_m_oa_01_m_oa_03_nested_containers_are_listed_and_measured(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with LocalCluster(1, work_dir=tmp_path) as cluster, subscribed(cluster) as framework:
            agent = cluster.agents[0]
            container = await running(framework, "exec sleep 1000")
            own = nested_id(container, "child")
            deeper = {"value": "grandchild", "parent": own}
            for one in (own, deeper):
                line = {"value": "while :; do :; done"}
                assert (await call(agent, "LAUNCH_NESTED_CONTAINER", container_id=one, command=line)).status_code == 200
            listed = (await call(agent, "GET_CONTAINERS", show_nested=True)).json()["get_containers"]["containers"]
            assert [one["container_status"]["container_id"] for one in listed] == [{"value": container}, own, deeper]
            assert ["executor_id" in one for one in listed] == [True, False, False]
            pids = [one["container_status"]["executor_pid"] for one in listed]
            assert len({psutil.Process(pid).pid for pid in pids}) == 3
            assert all(one["resource_statistics"]["timestamp"] > 0 for one in listed)
            hidden = (await call(agent, "GET_CONTAINERS")).json()["get_containers"]["containers"]
            assert [one["container_id"]["value"] for one in hidden] == [container]

    play(scenario)


def test_m_oa_04_a_client_that_vanishes_while_nobody_reads_leaves_the_input_to_others(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with LocalCluster(1, work_dir=tmp_path) as cluster, subscribed(cluster) as framework:
            container = await running(framework, "stty raw; exec sleep 1000", tty=True)
            agent, here = cluster.agents[0], {"value": container}
            began = asyncio.Event()

            async def pasted() -> AsyncIterator[bytes]:
                yield framed({"type": "CONTAINER_ID", "container_id": here})
                for _ in range(4):
                    io = {"type": "DATA", "data": {"type": "STDIN", "data": b64encode(b"x" * 500_000).decode()}}
                    yield framed({"type": "PROCESS_IO", "process_io": io})
                    began.set()

            pasting = asyncio.create_task(post_records(agent, pasted()))
            await began.wait()
            assert (await give_input(agent, here, [])).status_code == 409
            pasting.cancel()
            await asyncio.wait((pasting,))
            async with asyncio.timeout(60):
                while (await give_input(agent, here, [])).status_code != 200:  # noqa: ASYNC110 - it is asked of the agent
                    await asyncio.sleep(0.05)
            assert framework.states("t1") == ["STARTING", "RUNNING"]

    play(scenario)
