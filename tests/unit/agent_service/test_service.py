"""A whole agent under a master that does as it is told: real processes, real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import textwrap
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import psutil
import pytest
import uvloop

from mesos_service.agent.config import AgentConfig
from mesos_service.agent.service import AgentService
from mesos_service.wire import agent_link, common, containers, frameworks, tasks
from mesos_service.wire.resources import Resource, ResourceAllocationInfo, ValueScalar
from tests.support.children import living_children
from tests.unit.agent_service.support import FakeMaster, fake_master, until

FRAMEWORK = frameworks.FrameworkInfo(
    user=os.environ.get("USER") or "root",
    name="f",
    id=common.FrameworkID(value="F"),
    capabilities=(
        frameworks.FrameworkInfoCapability(type="PARTITION_AWARE"),
        frameworks.FrameworkInfoCapability(type="TASK_KILLING_STATE"),
    ),
)
RESOURCES = (
    Resource(
        name="cpus",
        type="SCALAR",
        scalar=ValueScalar(value=0.1),
        allocation_info=ResourceAllocationInfo(role="blue"),
    ),
)


class Scene:
    """One registered agent and its master, who acknowledges every update."""

    def __init__(self, master: FakeMaster, service: AgentService) -> None:
        self.master = master
        self.service = service
        self.http = httpx.AsyncClient(base_url=f"http://127.0.0.1:{service.port}", trust_env=False, timeout=60)
        self._acknowledged: set[bytes] = set()

    def updates(self, task_id: str) -> list[tasks.TaskStatus]:
        """What the agent said of a task, each update once; acknowledges what is new."""
        found: dict[bytes, tasks.TaskStatus] = {}
        for one in self.master.said("S1"):
            if isinstance(one, agent_link.UpdateStatus) and one.status.uuid is not None:
                uuid = one.status.uuid
                if uuid not in self._acknowledged:
                    self._acknowledged.add(uuid)
                    self.master.tell(
                        "S1",
                        agent_link.AcknowledgeUpdate(
                            framework_id=one.framework_id, task_id=one.status.task_id.value, uuid=uuid
                        ),
                    )
                if one.status.task_id.value == task_id:
                    found[uuid] = one.status
        return list(found.values())

    def states(self, task_id: str) -> list[str]:
        return [status.state.removeprefix("TASK_") for status in self.updates(task_id)]

    async def reaches(self, task_id: str, *states: str) -> list[tasks.TaskStatus]:
        """Wait until the task has passed through exactly these states."""
        await until(lambda: len(self.states(task_id)) >= len(states))
        assert self.states(task_id) == list(states), self.updates(task_id)
        return self.updates(task_id)

    def run(self, task_id: str, value: str, **fields: object) -> None:
        command = containers.CommandInfo(value=value, **fields)  # type: ignore[arg-type]  # Each test names its own.
        self.master.tell("S1", agent_link.RunTask(framework=FRAMEWORK, task=task(task_id, command=command)))

    async def text(self, path: str) -> str:
        answer = await self.http.get("/files/read", params={"path": path, "offset": 0})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["data"])


def task(
    task_id: str, command: containers.CommandInfo | None = None, executor: tasks.ExecutorInfo | None = None
) -> tasks.TaskInfo:
    return tasks.TaskInfo(
        name=task_id,
        task_id=common.TaskID(value=task_id),
        agent_id=common.AgentID(value="S1"),
        resources=RESOURCES,
        command=command,
        executor=executor,
    )


def sandbox(executor_id: str) -> str:
    return f"/frameworks/F/executors/{executor_id}/runs/latest"


@asynccontextmanager
async def scene(work_dir: Path, **flags: object) -> AsyncIterator[Scene]:
    async with fake_master() as master:
        given = {
            "master": f"127.0.0.1:{master.port}",
            "work_dir": str(work_dir),
            "port": 0,
            "resources": "cpus:2;mem:512;disk:1024;ports:[31000-31009]",
            "registration_backoff_factor": "1ms",
            "executor_shutdown_grace_period": "1secs",
            **flags,
        }
        service = AgentService(AgentConfig.load(given))
        await service.start()
        try:
            await until(lambda: master.said(None))
            register = master.said(None)[0]
            assert isinstance(register, agent_link.Register)
            master.tell(None, agent_link.Registered(registration=register.registration, agent_id="S1"))
            await until(lambda: service.state.registered)
            found = Scene(master, service)
            async with found.http:
                yield found
        finally:
            await service.stop()
            assert not living_children(), "something outlived its agent"


def task_processes() -> list[psutil.Process]:
    """What tasks run: everything but the keepers that keep it."""
    found = []
    for one in living_children():
        with contextlib.suppress(psutil.NoSuchProcess):  # It ends while it is looked at.
            if not any(part.endswith("keeper.py") for part in one.cmdline()):
                found.append(one)
    return found


def is_zombie(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):  # As above.
        return process.status() == psutil.STATUS_ZOMBIE
    return False


def play(scenario: Callable[[], Coroutine[object, object, None]]) -> None:
    # The loop that services run on.
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(asyncio.wait_for(scenario(), 120))


def test_m_ex_06_a_command_task_runs_and_its_output_is_in_its_sandbox(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with scene(tmp_path) as s:
            s.run("t1", "echo hello; echo $MESOS_ALLOCATION_ROLE >&2; pwd; exit 3")
            last = (await s.reaches("t1", "STARTING", "RUNNING", "FAILED"))[-1]
            assert last.message == "Command exited with status 3"
            out = await s.text(f"{sandbox('t1')}/stdout")
            assert out.startswith("hello\n")
            assert out.splitlines()[1].startswith(f"{tmp_path}/slaves/S1/frameworks/F/executors/t1/runs/")
            assert await s.text(f"{sandbox('t1')}/stderr") == "blue\n"

    play(scenario)


def test_what_cannot_be_launched_is_reported_with_its_reason(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with scene(tmp_path) as s:
            s.run("t1", "cat", uris=(containers.CommandInfoURI(value="/no/such/file"),))
            [failed] = await s.reaches("t1", "FAILED")
            assert failed.reason == "REASON_CONTAINER_LAUNCH_FAILED"
            assert failed.message is not None
            assert failed.message.startswith("Failed to launch container: ")
            assert "Failed to fetch '/no/such/file'" in failed.message
            assert not s.service.state.containers

    play(scenario)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
def test_m_ag_29_an_unknown_user_drops_the_task(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with scene(tmp_path) as s:
            s.run("t1", "id", user="no-such-user")
            [dropped] = await s.reaches("t1", "DROPPED")
            assert (dropped.source, dropped.reason) == ("SOURCE_AGENT", "REASON_EXECUTOR_TERMINATED")
            assert dropped.message is not None
            assert dropped.message.startswith("Failed to create executor directory")
            assert dropped.message.endswith("Failed to chown directory to 'no-such-user': No such user 'no-such-user'")

    play(scenario)


def test_m_ag_21_a_kill_takes_the_whole_tree_and_does_not_wait_for_ever(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with scene(tmp_path) as s:
            s.run("t1", "trap '' TERM; sleep 1000 & sleep 1000; sleep 1000")
            await s.reaches("t1", "STARTING", "RUNNING")
            await until(lambda: len(task_processes()) == 3)
            s.master.tell("S1", agent_link.KillTask(framework_id="F", task_id="t1", grace_seconds=0.1))
            last = (await s.reaches("t1", "STARTING", "RUNNING", "KILLING", "KILLED"))[-1]
            assert last.message == "Command terminated with signal Killed"
            await until(lambda: not task_processes())

    play(scenario)


@asynccontextmanager
async def silent_server() -> AsyncIterator[tuple[str, list[str]]]:
    """A URI whose download never begins, and the requests for it so far."""
    asked: list[str] = []

    async def never_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readline()).decode())
        await reader.read()
        writer.close()

    server = await asyncio.start_server(never_answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/file", asked


def test_x51_a_kill_during_the_launch_is_told_as_such(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with silent_server() as (uri, asked), scene(tmp_path) as s:
            s.run("t1", "cat", uris=(containers.CommandInfoURI(value=uri),))
            await until(lambda: asked)
            s.master.tell("S1", agent_link.KillTask(framework_id="F", task_id="t1"))
            [killed] = await s.reaches("t1", "KILLED")
            assert killed.reason == "REASON_TASK_KILLED_DURING_LAUNCH"
            await until(lambda: not s.service.containerizer.containers())

    play(scenario)


def test_x51_a_launch_that_waits_for_its_turn_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mesos_service.agent.containers.FETCHES_MAX", 1)

    async def scenario() -> None:
        async with silent_server() as (uri, asked), scene(tmp_path) as s:
            s.run("t1", "cat", uris=(containers.CommandInfoURI(value=uri),))
            await until(lambda: asked)
            s.run("t2", "cat", uris=(containers.CommandInfoURI(value=uri),))
            s.run("t3", "true")
            await s.reaches("t3", "STARTING", "RUNNING", "FINISHED")
            s.master.tell("S1", agent_link.KillTask(framework_id="F", task_id="t2"))
            await s.reaches("t2", "KILLED")
            assert len(asked) == 1
            assert len(s.service.containerizer.containers()) == 1
            s.master.tell("S1", agent_link.KillTask(framework_id="F", task_id="t1"))
            await s.reaches("t1", "KILLED")

    play(scenario)


def test_m_ex_06_the_tasks_of_a_group_have_sandboxes_within_their_executors(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with scene(tmp_path) as s:
            executor = tasks.ExecutorInfo(
                type="DEFAULT", executor_id=common.ExecutorID(value="pod"), framework_id=FRAMEWORK.id
            )
            script = "echo $MESOS_SANDBOX $MESOS_DIRECTORY"
            group = tuple(
                task(name, command=containers.CommandInfo(value=f"echo {name}; {script}"), executor=executor)
                for name in ("a", "b")
            )
            s.master.tell("S1", agent_link.RunTaskGroup(framework=FRAMEWORK, executor=executor, tasks=group))
            for name in ("a", "b"):
                await s.reaches(name, "STARTING", "RUNNING", "FINISHED")
                first, paths = (await s.text(f"{sandbox('pod')}/tasks/{name}/stdout")).splitlines()
                own, executors = paths.split()
                assert first == name
                assert Path(own).parent == Path(executors) / "containers"
            await until(lambda: not s.service.state.frameworks)

    play(scenario)


EXECUTOR = textwrap.dedent(
    """
    import base64, json, os, sys, urllib.request, uuid

    url = "http://" + os.environ["MESOS_AGENT_ENDPOINT"] + "/api/v1/executor"
    ids = {
        "executor_id": {"value": os.environ["MESOS_EXECUTOR_ID"]},
        "framework_id": {"value": os.environ["MESOS_FRAMEWORK_ID"]},
    }

    def call(**fields):
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        return urllib.request.urlopen(urllib.request.Request(url, json.dumps({**ids, **fields}).encode(), headers))

    def update(task_id, state):
        status = {
            "task_id": task_id, "state": state, "source": "SOURCE_EXECUTOR",
            "uuid": base64.b64encode(uuid.uuid4().bytes).decode(),
        }
        assert call(type="UPDATE", update={"status": status}).status == 202

    stream = call(type="SUBSCRIBE", subscribe={})
    assert "Mesos-Stream-Id" not in stream.headers
    while length := stream.readline():
        event = json.loads(stream.read(int(length)))
        print(event["type"], flush=True)
        if event["type"] == "LAUNCH":
            update(event["launch"]["task"]["task_id"], "TASK_RUNNING")
        elif event["type"] == "KILL":
            update(event["kill"]["task_id"], "TASK_KILLED")
        elif event["type"] == "MESSAGE":
            call(type="MESSAGE", message={"data": event["message"]["data"]})
        elif event["type"] == "SHUTDOWN":
            sys.exit(0)
    """
)


def custom_executor(tmp_path: Path) -> tasks.ExecutorInfo:
    script = tmp_path / "executor.py"
    script.write_text(EXECUTOR)
    return tasks.ExecutorInfo(
        type="CUSTOM",
        executor_id=common.ExecutorID(value="e1"),
        framework_id=FRAMEWORK.id,
        command=containers.CommandInfo(shell=False, value=sys.executable, arguments=(sys.executable, str(script))),
    )


def test_m_ex_01_m_ex_02_a_custom_executor_speaks_the_executor_api(tmp_path: Path) -> None:
    async def scenario() -> None:
        # It goes by itself, and may take its time for that.
        async with scene(tmp_path / "work", executor_shutdown_grace_period="60secs") as s:
            executor = custom_executor(tmp_path)
            for name in ("c1", "c2"):
                s.master.tell("S1", agent_link.RunTask(framework=FRAMEWORK, task=task(name, executor=executor)))
            for name in ("c1", "c2"):
                [running] = await s.reaches(name, "RUNNING")
                assert running.container_status is not None
            s.master.tell("S1", agent_link.MessageToAgent(framework_id="F", executor_id="e1", data=b"ping"))
            await until(lambda: any(isinstance(one, agent_link.MessageFromExecutor) for one in s.master.said("S1")))
            s.master.tell("S1", agent_link.KillTask(framework_id="F", task_id="c1"))
            await s.reaches("c1", "RUNNING", "KILLED")
            s.master.tell("S1", agent_link.ShutdownExecutor(framework_id="F", executor_id="e1"))
            await until(lambda: any(isinstance(one, agent_link.ExitedExecutor) for one in s.master.said("S1")))
            exited = next(one for one in s.master.said("S1") if isinstance(one, agent_link.ExitedExecutor))
            assert exited.status == 0
            events = (await s.text(f"{sandbox('e1')}/stdout")).split()
            assert events[:3] == ["SUBSCRIBED", "LAUNCH", "LAUNCH"]
            assert sorted(events[3:]) == ["ACKNOWLEDGED", "ACKNOWLEDGED", "ACKNOWLEDGED", "KILL", "MESSAGE", "SHUTDOWN"]

    play(scenario)


def test_leaving_unregisters_and_takes_all_tasks_along(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with scene(tmp_path) as s:
            s.run("t1", "trap '' TERM; sleep 1000; sleep 1000")
            s.run("t2", "sleep 1000")
            await s.reaches("t1", "STARTING", "RUNNING")
            await s.reaches("t2", "STARTING", "RUNNING")
            await until(lambda: len(task_processes()) >= 3)
            await s.service.stop()
            assert not living_children()
            assert any(isinstance(one, agent_link.Unregister) for one in s.master.said("S1"))
            assert await asyncio.wait_for(s.service.ended(), 30) == 0

    play(scenario)


def test_stopping_at_once_kills_without_a_word(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with scene(tmp_path) as s:
            s.run("t1", "trap '' TERM; sleep 1000; sleep 1000")
            await s.reaches("t1", "STARTING", "RUNNING")
            await s.service.stop(graceful=False)
            assert not living_children()
            assert not any(isinstance(one, agent_link.Unregister) for one in s.master.said("S1"))

    play(scenario)


def test_the_master_sends_the_agent_away(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with scene(tmp_path) as s:
            s.run("t1", "sleep 1000")
            await s.reaches("t1", "STARTING", "RUNNING")
            s.master.tell("S1", agent_link.ShutdownAgent(message="gone"))
            assert await asyncio.wait_for(s.service.ended(), 30) == 1
            await until(lambda: not task_processes())

    play(scenario)


def test_no_descriptor_and_no_process_is_left_after_many_tasks(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with scene(tmp_path) as s:
            s.run("first", "true")
            await s.reaches("first", "STARTING", "RUNNING", "FINISHED")
            await s.http.get("/health")
            before = psutil.Process().num_fds()
            for number in range(60):
                s.run(f"t{number}", "sleep 0.01 & exit 0")
            for number in range(60):
                await s.reaches(f"t{number}", "STARTING", "RUNNING", "FINISHED")
            await until(lambda: not s.service.containerizer.containers())
            await until(lambda: psutil.Process().num_fds() <= before)
            await until(lambda: not any(map(is_zombie, psutil.Process().children())))

    play(scenario)


def test_tasks_go_on_while_the_master_is_away_and_updates_wait_for_it(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with scene(tmp_path) as s:
            s.run("t1", "while [ ! -e go ]; do sleep 0.02; done")
            await s.reaches("t1", "STARTING", "RUNNING")
            s.master.hang_up()
            await until(lambda: not s.service.state.registered)
            [run] = (tmp_path / "slaves/S1/frameworks/F/executors/t1/runs").glob("*-*")
            (run / "go").touch()
            await until(lambda: not s.service.containerizer.containers())
            await until(lambda: any(isinstance(one, agent_link.Reregister) for one in s.master.said("S1")))
            again = next(one for one in s.master.said("S1") if isinstance(one, agent_link.Reregister))
            s.master.tell("S1", agent_link.Reregistered(registration=again.registration, agent_id="S1"))
            await s.reaches("t1", "STARTING", "RUNNING", "FINISHED")

    play(scenario)


def test_signals_reach_what_called_setsid(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with scene(tmp_path) as s:
            s.run("t1", "setsid sleep 1000 & wait")
            await s.reaches("t1", "STARTING", "RUNNING")
            await until(lambda: len(task_processes()) == 2)
            s.master.tell("S1", agent_link.KillTask(framework_id="F", task_id="t1"))
            await until(lambda: not task_processes())

    play(scenario)


def test_health_and_prefixes(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with scene(tmp_path) as s:
            for path in ("/health", "/slave(1)/health", "/slave%281%29/health", "/health/"):
                answer = await s.http.get(path)
                assert (answer.status_code, answer.content) == (200, b"")
                assert "content-type" not in answer.headers
            assert (await s.http.get("/slave(1)/files/debug")).json() == {}
            assert (await s.http.get("/no/such/path")).status_code == 404

    play(scenario)


@pytest.mark.parametrize("prefix", ["", "/slave(1)"])
def test_executor_api_refusals_as_recorded(tmp_path: Path, prefix: str) -> None:
    """Texts and codes: recorded, ``errors/agent-executor-*``."""

    async def scenario() -> None:
        async with scene(tmp_path) as s:
            path = f"{prefix}/api/v1/executor"
            answer = await s.http.get(path)
            assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
            assert answer.text == "405 Method Not Allowed. Expecting one of { 'POST' }, but received 'GET'."
            answer = await s.http.post(path, content=b"{}", headers={"Content-Type": "text/plain"})
            assert answer.status_code == 415
            json_headers = {"Content-Type": "application/json", "Accept": "application/json"}
            answer = await s.http.post(path, content=b'{"type":"UPDATE"}', headers=json_headers)
            assert answer.status_code == 400
            assert answer.text == (
                "Failed to convert JSON into Call protobuf: Missing required fields: executor_id, framework_id"
            )
            call = {
                "type": "SUBSCRIBE",
                "executor_id": {"value": "x"},
                "framework_id": {"value": "y"},
                "subscribe": {},
            }
            answer = await s.http.post(path, content=json.dumps(call), headers=json_headers)
            assert (answer.status_code, answer.text) == (400, "Framework cannot be found")
            answer = await s.http.post(path, content=json.dumps(call), headers={**json_headers, "Accept": "text/html"})
            assert answer.status_code == 406

    play(scenario)
