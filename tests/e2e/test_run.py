"""``mesos-service run`` as a process on a real cluster: output, exit statuses, and nothing left behind (M-CL-02)."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import Any

from mesos_service.http.client import Connection
from mesos_service.local import LocalCluster
from tests.e2e.in_process import in_loop, run, start


async def state(cluster: LocalCluster) -> dict[str, Any]:  # Any: /state is as deep as Mesos made it.
    host, _, port = cluster.master.partition(":")
    connection = await Connection.open(host, int(port))
    answer = await connection.request("GET", "/state")
    connection.close()
    found: dict[str, Any] = json.loads(answer.body)
    return found


def test_m_cl_02_a_commands_output_and_status_are_ours(tmp_path: Path) -> None:
    async def test() -> None:
        async with LocalCluster(agents=1, work_dir=tmp_path) as cluster:
            status, out, err = await run(
                cluster, "--name", "hello", "--env", "WHO=me and you", "--", "echo $WHO; echo oh >&2; exit 7"
            )
            assert (status, out) == (7, "me and you\n"), err
            assert "oh\n" in err
            assert "run: hello: TASK_FAILED (Command exited with status 7)" in err
            status, out, err = await run(cluster, "--", "/bin/echo", "a  b", "c")
            assert (status, out) == (0, "a  b c\n"), err
            status, out, err = await run(cluster, "--", "kill -KILL $$")
            assert status == 137, err
            found = await state(cluster)
            assert found["frameworks"] == []
            assert len(found["completed_frameworks"]) == 3

    in_loop(test())


def test_m_cl_02_several_instances_and_files_to_fetch(tmp_path: Path) -> None:
    async def test() -> None:
        wanted = tmp_path / "wanted.txt"
        wanted.write_text("fetched\n")
        async with LocalCluster(agents=2, work_dir=tmp_path / "cluster") as cluster:
            status, out, err = await run(
                cluster, "--name", "many", "--instances", "4", "--uri", f"file://{wanted}", "--", "cat wanted.txt"
            )
            assert status == 0, err
            assert sorted(out.splitlines()) == [f"many-{number}: fetched" for number in range(4)]

    in_loop(test())


def test_m_cl_02_what_is_interrupted_is_killed(tmp_path: Path) -> None:
    async def test() -> None:
        async with LocalCluster(agents=1, work_dir=tmp_path) as cluster:
            process = await start(cluster, "--", "echo started; exec sleep 600")
            assert process.stdout is not None
            assert await process.stdout.readline() == b"started\n"
            process.send_signal(signal.SIGINT)
            _, err = await process.communicate()
            assert process.returncode == 130, err.decode()
            assert (await state(cluster))["frameworks"] == []

    in_loop(test())


def test_m_cl_02_a_timeout_is_kept(tmp_path: Path) -> None:
    async def test() -> None:
        async with LocalCluster(agents=1, work_dir=tmp_path) as cluster:
            status, _, err = await run(cluster, "--timeout", "1secs", "--resources", "cpus:4000", "--", "true")
            assert status == 124, err

    in_loop(test())


def test_m_cl_02_no_master_is_said_in_one_line() -> None:
    async def test() -> None:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "mesos_service.cli.main",
            "run",
            "--master",
            "127.0.0.1:1",
            "--",
            "true",
            stderr=asyncio.subprocess.PIPE,
        )
        _, err = await process.communicate()
        assert process.returncode == 1
        assert len(err.decode().splitlines()) == 1
        assert "127.0.0.1:1 cannot be reached" in err.decode()

    in_loop(test())
