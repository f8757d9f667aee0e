"""``mesos-service run`` against a master and an agent in small: what it shows, and what it ends with (M-CL-02)."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Callable, Coroutine
from typing import TypeVar

import pytest

from mesos_service.cli import run_command as module
from mesos_service.cli.run_command import CommandScheduler, exit_code, run_command, run_until_ended
from mesos_service.domain.errors import ConfigurationError
from mesos_service.domain.resources import Resources
from mesos_service.http.client import ConnectionFault
from mesos_service.sdk.errors import SubscriptionEnded, Unreachable
from mesos_service.sdk.subscription import Address
from mesos_service.sdk.tasks import command_info
from mesos_service.wire.common import TaskID
from mesos_service.wire.tasks import TaskState, TaskStatus
from tests.support.leaping import leap, run_leaping
from tests.unit.sdk.fake_server import FakeServer, Json, fake_master

T = TypeVar("T")


def in_loop(test: Coroutine[object, object, T]) -> T:
    async def bounded() -> T:
        async with asyncio.timeout(120):
            return await test

    return asyncio.run(bounded())


def offer(server: FakeServer, cpus: float = 4.0, offer_id: str = "O1") -> Json:
    host, _, port = server.address.partition(":")
    return {
        "id": {"value": offer_id},
        "framework_id": {"value": "F1"},
        "agent_id": {"value": "S1"},
        "hostname": "agent1",
        "url": {"scheme": "http", "address": {"hostname": "agent1", "ip": host, "port": int(port)}},
        "resources": [
            {"name": name, "type": "SCALAR", "scalar": {"value": value}, "role": "*", "allocation_info": {"role": "*"}}
            for name, value in (("cpus", cpus), ("mem", 1024.0))
        ],
    }


def status(task_id: str, state: str, message: str | None = None, **more: object) -> Json:
    told: Json = {"task_id": {"value": task_id}, "agent_id": {"value": "S1"}, "state": state, **more}
    if message is not None:
        told["message"] = message
    return {"type": "UPDATE", "update": {"status": told}}


def launched(call: Json) -> list[str]:
    return [
        info["task_id"]["value"]
        for operation in call["accept"]["operations"]
        for info in operation["launch"]["task_infos"]
    ]


def sandbox(task_id: str) -> str:
    return f"/frameworks/F1/executors/{task_id}/runs/latest"


def a_scheduler(server: FakeServer, instances: int = 1, needs: str = "cpus:1;mem:32") -> CommandScheduler:
    command = command_info("echo hi")
    return CommandScheduler(server.address, "hello", command, Resources.parse(needs), instances, "*")


def ending(server: FakeServer, ends: dict[str, tuple[str, str]]) -> Callable[[Json], None]:
    """Tasks end as soon as they are launched, each as told."""

    def on_call(call: Json) -> None:
        if call["type"] == "ACCEPT":
            for task_id in launched(call):
                server.send(status(task_id, "TASK_RUNNING"))
                server.send(status(task_id, *ends[task_id]))

    return on_call


def test_m_cl_02_a_command_is_run_its_output_shown_and_its_status_returned(capsys: pytest.CaptureFixture[str]) -> None:
    async def test() -> int:
        async with fake_master() as server:
            server.files = {f"{sandbox('hello')}/stdout": b"hi\n" * 60_000, f"{sandbox('hello')}/stderr": b"oh\n"}
            server.on_call = ending(server, {"hello": ("TASK_FAILED", "Command exited with status 3")})
            run = asyncio.create_task(run_until_ended(a_scheduler(server), None))
            await server.called("SUBSCRIBE")
            server.send({"type": "OFFERS", "offers": {"offers": [offer(server)]}})
            code = await run
            (accept,) = await server.called("ACCEPT")
            (info,) = accept["accept"]["operations"][0]["launch"]["task_infos"]
            assert {one["name"]: one["scalar"]["value"] for one in info["resources"]} == {"cpus": 1.0, "mem": 32.0}
            assert [call["type"] for _, call in server.calls][-2:] == ["SUPPRESS", "TEARDOWN"]
            subscribe = server.calls[0][1]["subscribe"]["framework_info"]
            assert subscribe["failover_timeout"] == 0.0
            return code

    assert in_loop(test()) == 3
    shown = capsys.readouterr()
    assert shown.out == "hi\n" * 60_000
    assert shown.err.splitlines() == [
        shown.err.splitlines()[0],
        "run: launched hello on agent1",
        "run: hello: TASK_RUNNING",
        "run: hello: TASK_FAILED (Command exited with status 3)",
        "oh",
    ]


def test_of_several_instances_the_first_that_failed_counts(capsys: pytest.CaptureFixture[str]) -> None:
    async def test() -> int:
        async with fake_master() as server:
            server.files = {f"{sandbox(f'hello-{n}')}/stdout": f"I am {n}\nand done".encode() for n in range(3)}
            ends = {
                "hello-0": ("TASK_FINISHED", "Command exited with status 0"),
                "hello-1": ("TASK_FAILED", "Command terminated with signal Segmentation fault"),
                "hello-2": ("TASK_FAILED", "Command exited with status 9"),
            }
            server.on_call = ending(server, ends)
            run = asyncio.create_task(run_until_ended(a_scheduler(server, instances=3), None))
            await server.called("SUBSCRIBE")
            server.send({"type": "OFFERS", "offers": {"offers": [offer(server, cpus=2.5)]}})
            assert launched((await server.called("ACCEPT"))[0]) == ["hello-0", "hello-1"]
            server.send(
                {"type": "OFFERS", "offers": {"offers": [offer(server, cpus=0.5), offer(server, offer_id="O3")]}}
            )
            code = await run
            assert len(await server.called("DECLINE")) == 1
            assert launched((await server.called("ACCEPT"))[1]) == ["hello-2"]
            return code

    assert in_loop(test()) == 128 + signal.SIGSEGV
    lines = capsys.readouterr().out.splitlines()
    assert sorted(lines) == [f"hello-{n}: {text}" for n in range(3) for text in (f"I am {n}", "and done")]


def test_what_is_never_offered_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The time is over as soon as that was said."""
    monkeypatch.setattr(module, "WAITING_SECONDS", 0.05)
    tell = module.tell

    def seen(text: str) -> None:
        tell(text)
        if "offered was at most" in text:
            leap(20.0)

    monkeypatch.setattr(module, "tell", seen)

    async def test() -> int:
        async with fake_master() as server:
            run = asyncio.create_task(run_until_ended(a_scheduler(server, needs="cpus:8"), 20.0))
            await server.called("SUBSCRIBE")
            server.send({"type": "OFFERS", "offers": {"offers": [offer(server)]}})
            return await run

    assert run_leaping(test()) == 124
    told = capsys.readouterr().err
    assert "run: waiting; 1 of 1 not launched: each needs cpus:8; offered was at most" in told
    assert "cpus" in told.split("offered was at most", 1)[1]
    assert "timed out after" in told


def test_ctrl_c_kills_and_tears_down() -> None:
    async def test() -> int:
        async with fake_master() as server:

            def on_call(call: Json) -> None:
                if call["type"] == "ACCEPT":
                    server.send(status("hello", "TASK_RUNNING"))
                if call["type"] == "KILL":
                    server.send(status("hello", "TASK_KILLED", "Command terminated with signal Terminated"))

            server.on_call = on_call
            run = asyncio.create_task(run_until_ended(a_scheduler(server), None))
            await server.called("SUBSCRIBE")
            server.send({"type": "OFFERS", "offers": {"offers": [offer(server)]}})
            await server.called("ACCEPT")
            await server.called("SUPPRESS")
            os.kill(os.getpid(), signal.SIGINT)
            code = await run
            assert [call["type"] for _, call in server.calls][-2:] == ["KILL", "TEARDOWN"]
            return code

    assert in_loop(test()) == 130


def test_a_launch_that_never_arrived_is_made_again() -> None:
    async def test() -> int:
        async with fake_master() as server:
            scheduler = a_scheduler(server)
            run = asyncio.create_task(run_until_ended(scheduler, None))
            await server.called("SUBSCRIBE")
            server.send({"type": "OFFERS", "offers": {"offers": [offer(server)]}})
            await server.called("SUPPRESS")
            server.end_stream()
            (asked,) = await server.called("RECONCILE")
            assert asked["reconcile"]["tasks"] == [{"task_id": {"value": "hello"}, "agent_id": {"value": "S1"}}]
            server.send(status("hello", "TASK_GONE", reason="REASON_RECONCILIATION"))
            await server.called("REVIVE")
            server.on_call = ending(server, {"hello": ("TASK_FINISHED", "Command exited with status 0")})
            server.send({"type": "OFFERS", "offers": {"offers": [offer(server, offer_id="O2")]}})
            return await run

    assert in_loop(test()) == 0


def test_no_master_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.0)
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{nobody.getsockname()[1]}"
        with pytest.raises(Unreachable, match=f"{address} cannot be reached"):
            ask(["true"], master=address)


def test_a_framework_that_is_refused_ends_with_the_masters_words() -> None:
    async def test() -> None:
        async with fake_master() as server:
            run = asyncio.create_task(run_until_ended(a_scheduler(server), None))
            await server.called("SUBSCRIBE")
            server.send({"type": "ERROR", "error": {"message": "Role 'x' is not allowed"}})
            with pytest.raises(SubscriptionEnded, match="Role 'x' is not allowed"):
                await run

    in_loop(test())


def ask(command: list[str], master: str = "127.0.0.1:1", resources: str = "cpus:0.1", name: str = "n") -> int:
    return run_command(
        command,
        master=master,
        name=name,
        resources=resources,
        instances=1,
        role="*",
        environment={},
        uris=[],
        timeout_seconds=None,
    )


@pytest.mark.parametrize(
    ("asked", "flag"),
    [
        ({"resources": "cpus:much"}, "--resources"),
        ({"resources": ""}, "--resources"),
        ({"name": "a/b"}, "--name"),
        ({"master": "h:x"}, "--master"),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_flag(asked: dict[str, str], flag: str) -> None:
    with pytest.raises(ConfigurationError, match=flag):
        ask(["true"], **asked)


@pytest.mark.parametrize(
    ("state", "message", "code"),
    [
        ("TASK_FINISHED", "Command exited with status 0", 0),
        ("TASK_FINISHED", None, 0),
        ("TASK_FAILED", "Command exited with status 127", 127),
        ("TASK_FAILED", "Command terminated with signal Killed", 137),
        ("TASK_KILLED", "Command terminated with signal Terminated", 143),
        ("TASK_FAILED", "Failed to fetch all URIs", 1),
        ("TASK_FAILED", "Command terminated with signal Unheard Of", 1),
        ("TASK_ERROR", "Task uses more resources than available", 1),
        ("TASK_KILLED", None, 1),
    ],
)
def test_exit_codes(state: TaskState, message: str | None, code: int) -> None:
    assert exit_code(TaskStatus(task_id=TaskID(value="t"), state=state, message=message)) == code


class FileOfOneThatRestarts:
    """A file on an agent that is away at the second and the third look, and then ends the command."""

    over: asyncio.Event

    def __init__(self, agent: Address, prefix: str, path: str, dialing: object) -> None:
        looks = ["before, ", "", None, None, "after", ""]
        self._looks = iter(looks if path.endswith("stdout") else ["" for _ in looks])

    async def read(self) -> str:
        look = next(self._looks, "")
        if look is None:
            raise ConnectionFault("it is away")
        if look == "after":
            self.over.set()
        return look

    def close(self) -> None:
        pass


def test_m_cl_02_output_goes_on_when_an_agent_is_back(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "SandboxFile", FileOfOneThatRestarts)
    monkeypatch.setattr(module, "AWAY_SECONDS", 0.01)

    async def shown() -> None:
        FileOfOneThatRestarts.over = over = asyncio.Event()
        await module.show_output(over, Address("agent", 5051), "", "/frameworks/F/executors/work/runs/latest", "")

    in_loop(shown())
    said = capsys.readouterr()
    assert said.out == "before, after"
    assert said.err.splitlines() == ["run: output of work is shown when its agent answers again: it is away"]
