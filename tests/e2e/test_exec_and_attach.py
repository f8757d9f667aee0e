"""Containers nested in those of tasks, and terminals on them (M-OA-03, M-OA-04, M-AG-23): commands and calls."""

from __future__ import annotations

import asyncio
import os
import termios
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from mesos_service.local import LocalCluster
from mesos_service.sdk import tasks
from tests.e2e.attaching import (
    SECONDS_MAX,
    at_terminal,
    command,
    found_below,
    give_input,
    nested_id,
    processes,
    running,
    start,
)
from tests.e2e.frameworks import NEEDS, Patient, play, subscribed, subscribed_as
from tests.e2e.restarting import restartable
from tests.unit.agent_service.support import until
from tests.unit.cgroups.live import Live, live_groups

live = live_groups


def in_a_sandbox(place: Path, name: str) -> bool:
    """Whether a task has made a file of that name."""
    return any(one.is_file() for one in place.rglob(name))


def test_m_oa_04_exec_hands_on_arguments_input_output_and_the_exit_status(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with LocalCluster(1, work_dir=tmp_path) as cluster, subscribed(cluster) as framework:
            await running(framework, "touch mine; exec sleep 1000")
            await until(lambda: in_a_sandbox(tmp_path, "mine"))
            status, out, err = await command(cluster, "exec", "t1", "--", "ls; echo oh >&2; exit 7")
            assert (status, out, err) == (7, "mine\nstderr\nstdout\n", "oh\n")
            assert await command(cluster, "exec", "t1", "--", "/bin/echo", "a  b", "c") == (0, "a  b c\n", "")
            status, out, _ = await command(cluster, "exec", "t1", "--", "cat; echo end", given=b"x" * 300_000)
            assert (status, out) == (0, "x" * 300_000 + "end\n")
            assert (await command(cluster, "exec", "t1", "--", "kill -KILL $$"))[0] == 137
            assert (await command(cluster, "exec", "t1", "--", "no-such-program"))[0] == 127
            status, out, _ = await command(cluster, "exec", "t1", "--", "head -c 4000000 /dev/zero")
            assert (status, len(out)) == (0, 4_000_000)
            status, _, err = await command(cluster, "exec", "nobody", "--", "true")
            assert (status, err) == (1, "mesos-service: no task 'nobody' runs\n")
            # What it leaves behind goes with it.
            await command(cluster, "exec", "t1", "--", "setsid sleep 4242 > /dev/null 2>&1 & exit 0")
            await until(lambda: not processes("4242"))
            assert framework.states("t1") == ["STARTING", "RUNNING"]

    play(scenario)


def test_m_oa_04_exec_with_a_terminal(tmp_path: Path) -> None:
    """Its size, a change of it, Ctrl-C for the command and not for us, and the terminal as it was afterwards."""

    async def scenario() -> None:
        async with LocalCluster(1, work_dir=tmp_path) as cluster, subscribed(cluster) as framework:
            await running(framework, "exec sleep 1000")
            async with at_terminal(start, cluster, "exec", "t1", "--", "/bin/bash", "--norc") as (terminal, process):
                terminal.type("tty; stty size; PS1=ready\\>\n")
                await terminal.shows("33 101")
                await terminal.shows("\nready>")
                assert b"/dev/pts/" in terminal.shown
                terminal.resize(50, 120)
                await terminal.answers("stty size\n", "50 120")
                terminal.type("sleep 1234\n")
                await until(lambda: processes("1234"))
                terminal.type("\x03")
                await until(lambda: not processes("1234"))
                terminal.type("echo still $((40 + 2)) here\n")
                await terminal.shows("still 42 here")
                terminal.type("exit 9\n")
                async with asyncio.timeout(SECONDS_MAX):
                    assert await process.wait() == 9
                assert termios.tcgetattr(terminal.theirs) == terminal.before

    play(scenario)


def test_m_oa_04_a_client_that_vanishes_ends_its_session(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with LocalCluster(1, work_dir=tmp_path) as cluster, subscribed(cluster) as framework:
            await running(framework, "exec sleep 1000")
            # So long as nobody else on this machine sleeps.
            nap = str(4_000_000 + os.getpid())
            line = f"trap '' HUP TERM; sleep {nap} & sleep {nap}"
            pipe = asyncio.subprocess.PIPE
            for how in ("pipes", "terminal"):
                more = ("--tty",) if how == "terminal" else ()
                process = await start(cluster, "exec", *more, "t1", "--", line, stdin=pipe, stdout=pipe, stderr=pipe)
                await until(lambda: len(processes(nap)) == 2)
                process.kill()
                await process.communicate()
                await until(lambda: not processes(nap))
            assert framework.states("t1") == ["STARTING", "RUNNING"]

    play(scenario)


def test_m_oa_04_a_reader_that_stops_stops_the_command_and_nobody_else(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with LocalCluster(1, work_dir=tmp_path) as cluster, subscribed(cluster) as framework:
            container = await running(framework, "exec sleep 1000")
            host, _, port = cluster.agents[0].partition(":")
            reader, writer = await asyncio.open_connection(host, int(port), limit=4096)
            wanted = {"container_id": nested_id(container), "command": {"value": "exec yes 5454"}}
            body = httpx.Request(
                "POST",
                "http://x",
                json={"type": "LAUNCH_NESTED_CONTAINER_SESSION", "launch_nested_container_session": wanted},
            ).content
            writer.write(
                f"POST /api/v1 HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
                "\r\n\r\n".encode()
                + body
            )
            assert b"200" in await reader.readline()
            await until(lambda: processes("5454"))
            [flood] = processes("5454")
            written = -1
            while (now := flood.io_counters().write_chars) != written:
                written = now
                await asyncio.sleep(0.3)
            assert written < 32 * 1024 * 1024
            assert (await command(cluster, "exec", "t1", "--", "echo fine"))[1] == "fine\n"
            writer.transport.abort()
            await until(lambda: not processes("5454"))

    play(scenario)


def test_m_oa_04_attach_to_a_task_with_a_terminal(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with LocalCluster(1, work_dir=tmp_path) as cluster, subscribed(cluster) as framework:
            line = 'stty -echo; while read line; do test $line = end && exit 5; echo "<$line>"; done'
            container = await running(framework, line, tty=True)
            async with at_terminal(start, cluster, "attach", "t1") as (terminal, process):
                terminal.type("hello\r")
                await terminal.shows("<hello>")
                # A second one hears too, but has no say.
                async with at_terminal(start, cluster, "attach", "t1") as (other, _):
                    await terminal.answers("again\r", "<again>", other)
                terminal.type("\x10\x11")
                async with asyncio.timeout(SECONDS_MAX):
                    assert await process.wait() == 0
                assert termios.tcgetattr(terminal.theirs) == terminal.before
            assert framework.states("t1") == ["STARTING", "RUNNING"]
            # The end of what somebody types is not the end of the terminal.
            async with asyncio.timeout(SECONDS_MAX):
                # Until the agent has heard that the one before has left.
                while (ended := await give_input(cluster.agents[0], {"value": container}, [b""])).status_code == 409:
                    pass
            assert ended.status_code == 200
            async with at_terminal(start, cluster, "attach", "t1") as (terminal, process):
                terminal.type("back\r")
                await terminal.shows("<back>")
                terminal.type("end\r")
                async with asyncio.timeout(SECONDS_MAX):
                    assert await process.wait() == 5
            await framework.reaches("t1", "STARTING", "RUNNING", "FAILED")
            stdout = found_below(tmp_path, f"runs/{container}/stdout")
            shown = stdout.read_text()
            assert "<hello>" in shown
            assert "<back>" in shown

    play(scenario)


def test_m_oa_04_attach_to_a_task_that_writes_to_files(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with LocalCluster(1, work_dir=tmp_path) as cluster, subscribed(cluster) as framework:
            container = await running(framework, "while :; do echo tick; echo tock >&2; sleep 0.05; done")
            pipe = asyncio.subprocess.PIPE
            process = await start(cluster, "attach", "t1", stdout=pipe, stderr=pipe)
            assert process.stdout is not None
            assert process.stderr is not None
            assert await process.stdout.readline() == b"tick\n"
            assert await process.stderr.readline() == b"tock\n"
            refused = await give_input(cluster.agents[0], {"value": container}, [b"x"])
            assert refused.status_code == 400
            assert "without an input" in refused.text
            await framework.kill("t1")
            async with asyncio.timeout(SECONDS_MAX):
                await process.communicate()
            assert process.returncode == 143

    play(scenario)


def test_m_oa_04_m_ag_23_exec_into_a_task_of_a_group(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with LocalCluster(1, work_dir=tmp_path) as cluster, subscribed(cluster) as framework:

            def make(offer: Any) -> Any:  # Any: messages that are handed on
                made = [tasks.task(name, offer, NEEDS, f"touch {name}; exec sleep 1000") for name in ("a", "b")]
                return tasks.launch_group(tasks.default_executor("pod", NEEDS), *made)

            await framework.run_tasks(make)
            for name in ("a", "b"):
                await framework.reaches(name, "STARTING", "RUNNING")
                await until(partial(in_a_sandbox, tmp_path, name))
                status, out, err = await command(cluster, "exec", name, "--", "ls")
                assert (status, out) == (0, f"{name}\nstderr\nstdout\n"), err

    play(scenario)


def test_m_oa_04_x53_sessions_and_terminals_go_with_their_agent(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with (
            LocalCluster(0, work_dir=tmp_path / "master") as cluster,
            restartable(cluster, tmp_path / "agent") as agent,
            subscribed_as(Patient, cluster) as framework,
        ):
            await running(framework, "exec sleep 1000")
            await running(framework, "exec sleep 7070", task_id="t2", tty=True)
            pipe = asyncio.subprocess.PIPE
            process = await start(cluster, "exec", "t1", "--", "exec sleep 7171", stdin=pipe, stdout=pipe, stderr=pipe)
            await until(lambda: processes("7171"))
            await agent.kill()
            await process.communicate()
            assert process.returncode == 1
            await until(lambda: not processes("7171") and not processes("7070"))
            await agent.start()
            await framework.until(lambda: framework.states("t2")[-1:] == ["FAILED"])
            assert framework.states("t1") == ["STARTING", "RUNNING"]
            assert (await command(cluster, "exec", "t1", "--", "echo back"))[1] == "back\n"

    play(scenario)


@pytest.mark.skipif(os.geteuid() != 0, reason="control groups and namespaces take root")
def test_m_oa_04_exec_is_in_the_groups_and_namespaces_of_its_task(tmp_path: Path, live: Live) -> None:
    async def scenario() -> None:
        async with (
            LocalCluster(0, work_dir=tmp_path / "master") as cluster,
            restartable(
                cluster,
                tmp_path / "agent",
                isolation="namespaces/pid,cgroups/mem,cgroups/pids,namespaces/ipc",
                cgroups_root=live.root,
                cgroups_pids_max=20,
            ),
            subscribed_as(Patient, cluster) as framework,
        ):
            await running(framework, "exec sleep 1000")
            # It begins as a shell.
            await until(lambda: processes("sleep", "1000"))
            status, out, err = await command(cluster, "exec", "t1", "--", "tr '\\0' ' ' < /proc/1/cmdline; exit 6")
            assert (status, out) == (6, "sleep 1000 "), err
            status, out, _ = await command(cluster, "exec", "t1", "--", "diff /proc/1/cgroup /proc/self/cgroup")
            assert (status, out) == (0, "")
            # It counts against what the task may have.
            line = "for i in $(seq 40); do sleep 100 & done; wait"
            status, _, err = await command(cluster, "exec", "t1", "--", line)
            assert "fork" in err
            assert framework.states("t1") == ["STARTING", "RUNNING"]

    play(scenario)
    assert not live.containers()
