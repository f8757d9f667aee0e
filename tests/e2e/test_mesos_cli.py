"""The command line that Mesos had last (``mesos``), unmodified: what it lists, and its terminals (M-OA-03, M-OA-04).

It reads old paths of the master, and then speaks to the agent: sessions in nested containers, whose input it sends as a
request that does not end before the terminal does.
"""

from __future__ import annotations

import asyncio
import json
import os
import termios
from pathlib import Path
from typing import Any, Final

from mesos_service.local import LocalCluster
from tests.e2e.attaching import at_terminal, running
from tests.e2e.frameworks import play, subscribed
from tests.support.real_parts import CLIENTS, ROOT, missing_part

PACKAGES: Final = ROOT / ".venv-clients" / "mesos-cli"
PYTHON: Final = ROOT / ".venv-clients" / "bin" / "python"


async def start(cluster: LocalCluster, *arguments: str, **streams: Any) -> asyncio.subprocess.Process:
    """Any: what asyncio takes for streams."""
    if not PACKAGES.is_dir():
        missing_part("avmesos-cli")
    assert cluster.work_dir is not None
    settings = cluster.work_dir / "mesos-cli.toml"
    settings.write_text(f'[master]\naddress = "{cluster.master}"\n')
    environment = {**os.environ, "MESOS_CLI_CONFIG": str(settings), "PYTHONPATH": str(PACKAGES)}
    program = (str(PYTHON), "-W", "ignore", str(CLIENTS / "mesos_cli.py"))
    return await asyncio.create_subprocess_exec(*program, *arguments, env=environment, **streams)


async def mesos(cluster: LocalCluster, *arguments: str, given: bytes = b"") -> tuple[int | None, str, str]:
    pipe = asyncio.subprocess.PIPE
    process = await start(cluster, *arguments, stdin=pipe, stdout=pipe, stderr=pipe)
    async with asyncio.timeout(60):
        out, err = await process.communicate(given)
    return process.returncode, out.decode(), err.decode()


def rows(table: str) -> list[list[str]]:
    return [line.split() for line in table.splitlines()[1:]]


def test_m_le_01_what_it_lists(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with LocalCluster(2, work_dir=tmp_path) as cluster, subscribed(cluster) as framework:
            assert (await mesos(cluster, "task", "list"))[1] == "There are no tasks running in the cluster.\n"
            await running(framework, "exec sleep 1000")
            assert framework.framework_id is not None
            await running(framework, "exec sleep 1000", task_id="t2")
            await framework.kill("t2")
            await framework.reaches("t2", "STARTING", "RUNNING", "KILLED")
            status, agents, _ = await mesos(cluster, "agent", "list")
            assert (status, [row[2] for row in rows(agents)]) == (0, ["True", "True"])
            status, tasks, _ = await mesos(cluster, "task", "list")
            assert (status, rows(tasks)) == (0, [["t1", "TASK_RUNNING", framework.framework_id]])
            status, tasks, _ = await mesos(cluster, "task", "list", "--all")
            assert {row[0]: row[1] for row in rows(tasks)} == {"t1": "TASK_RUNNING", "t2": "TASK_KILLED"}
            status, task, _ = await mesos(cluster, "task", "inspect", "t1")
            assert json.loads(task)["framework_id"] == framework.framework_id
            status, frameworks, _ = await mesos(cluster, "framework", "list")
            assert framework.framework_id in frameworks

    play(scenario)


def test_m_oa_04_commands_in_a_task(tmp_path: Path) -> None:
    """Their output, their input to its end, how they end, and what is told of tasks that are not there."""

    async def scenario() -> None:
        async with LocalCluster(1, work_dir=tmp_path) as cluster, subscribed(cluster) as framework:
            await running(framework, "exec sleep 1000")
            assert await mesos(cluster, "task", "exec", "t1", "echo", "hello") == (0, "hello\n", "")
            assert await mesos(cluster, "task", "exec", "t1", "sh", "-c", "echo no >&2; exit 3") == (3, "", "no\n")
            typed = "".join(f"line {number}\n" for number in range(2000))
            assert await mesos(cluster, "task", "exec", "-i", "t1", "cat", given=typed.encode()) == (0, typed, "")
            status, out, err = await mesos(cluster, "task", "exec", "nobody", "true")
            assert (status, out) == (1, "")
            assert "Unable to find running task 'nobody'" in err

    play(scenario)


def test_m_oa_04_terminals_in_a_task_and_of_one(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with LocalCluster(1, work_dir=tmp_path) as cluster, subscribed(cluster) as framework:
            line = 'stty -echo; while read line; do test $line = end && exit 5; echo "<$line>"; done'
            await running(framework, line, tty=True)
            async with at_terminal(start, cluster, "task", "exec", "-i", "-t", "t1", "bash", "--norc") as (
                terminal,
                process,
            ):
                terminal.type("tty; stty size; PS1=ready\\>\n")
                await terminal.shows("33 101")
                await terminal.shows("\nready>")
                assert b"/dev/pts/" in terminal.shown
                terminal.type("exit 9\n")
                async with asyncio.timeout(60):
                    assert await process.wait() == 9
                assert termios.tcgetattr(terminal.theirs) == terminal.before
            async with at_terminal(start, cluster, "task", "attach", "t1") as (terminal, process):
                terminal.type("hello\r")
                await terminal.shows("<hello>")
                terminal.type("\x10\x11")
                async with asyncio.timeout(60):
                    assert await process.wait() == 0
            assert framework.states("t1") == ["STARTING", "RUNNING"]
            async with at_terminal(start, cluster, "task", "attach", "t1") as (terminal, process):
                terminal.type("back\r")
                await terminal.shows("<back>")
                terminal.type("end\r")
                async with asyncio.timeout(60):
                    assert await process.wait() == 0
            await framework.reaches("t1", "STARTING", "RUNNING", "FAILED")

    play(scenario)
