"""An agent of a user who is not root (N29): its tasks run, and control groups that were given to it hold them."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import signal
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest

from mesos_service.cgroups.hierarchy import find, mounted
from mesos_service.local import LocalCluster
from mesos_service.sdk import tasks
from tests.e2e.frameworks import Patient, play, subscribed_as
from tests.e2e.raw import get, until
from tests.e2e.restarting import ROOT, pid_of, until_dead
from tests.support.ports import fixed_port

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user takes root")

USER = 65534
AS_USER = ("setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--")
HIERARCHY = Path("/sys/fs/cgroup")
ENVIRONMENT = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT}:{sysconfig.get_path('purelib')}"}
BOMB = "(n=0; while [ $n -lt 40 ]; do sleep 1000 & n=$((n + 1)); done); exec sleep 1000"


@functools.cache
def python() -> str | None:
    """One with what this one has, that the user may run, and that may be run by what it runs."""
    nested = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]], check=True)"
    for one in (sys.executable, f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}"):
        begin = (*AS_USER, one, "-c", nested, "import mesos_service.agent.service")
        if (
            Path(one).exists()
            and not subprocess.run(begin, env=ENVIRONMENT, capture_output=True, check=False).returncode
        ):
            return one
    return None


@pytest.fixture
def place() -> Iterator[Path]:
    """The user's own directory. Not below pytest's, which every run of it closes to others anew."""
    if python() is None:
        pytest.skip("real part not installed: a Python that another user may run, with what this project needs")
    with tempfile.TemporaryDirectory(prefix="mesos-service-test-") as made:
        os.chown(made, USER, USER)
        yield Path(made)


@pytest.fixture
def given() -> Iterator[str]:
    """A group of version 1 in each hierarchy that is needed, given to the user; its name."""
    name = f"mesos_given_{os.getpid()}"
    trees = [find(mounted(Path("/"), HIERARCHY), 1, controller) for controller in ("pids", "memory")]
    groups = [tree.mount / name for tree in trees if tree is not None]
    if len(groups) < len(trees):
        pytest.skip("real part not installed: control groups of version 1")
    for group in groups:
        group.mkdir()
        for one in (group, *group.iterdir()):
            os.chown(one, USER, USER)
    yield name
    left = [Path(found) for group in groups for found, _, _ in os.walk(group)]
    for one in reversed(left):
        one.rmdir()
    assert len(left) == len(groups), "groups outlived their containers"


@contextlib.asynccontextmanager
async def agent(
    cluster: LocalCluster, place: Path, port: int, *flags: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    line = (
        *(*AS_USER, str(python()), "-m", "mesos_service.cli.main", "agent", f"--master={cluster.master}"),
        *("--ip=127.0.0.1", f"--port={port}", f"--work_dir={place / 'work'}", *flags),
        *("--resources=cpus:2;mem:512;disk:64;ports:[31000-31009]", "--registration_backoff_factor=10ms"),
    )
    with (place / "log").open("a") as log:
        process = await asyncio.create_subprocess_exec(*line, env=ENVIRONMENT, stderr=log, start_new_session=True)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGUSR1)
        await process.wait()


async def is_active(cluster: LocalCluster, wanted: bool) -> bool:
    """Whether the master says so of its one agent."""
    return [agent["active"] for agent in (await get(cluster.master, "/slaves"))["slaves"]] == [wanted]


def test_n29_an_agent_without_root_runs_kills_and_takes_over_tasks_and_says_what_it_cannot_have(
    tmp_path: Path, place: Path
) -> None:
    port = fixed_port()

    async def scenario() -> None:
        async with (
            LocalCluster(0, work_dir=tmp_path / "master") as cluster,
            subscribed_as(Patient, cluster) as framework,
        ):
            async with agent(cluster, place, port) as first:
                offer = await framework.an_offer()
                lines = {"who": "id -u; exit 3", "stays": "exec sleep 1000", "goes": "setsid sleep 1000 & wait"}
                made = [tasks.task(name, offer, "cpus:0.1;mem:32", line) for name, line in lines.items()]
                await framework.accept([offer], [tasks.launch(*made)], refuse_seconds=0)
                told = await framework.reaches("who", "STARTING", "RUNNING", "FAILED")
                assert told.message == "Command exited with status 3"
                [sandbox] = (place / "work").glob("slaves/*/frameworks/*/executors/who/runs/latest")
                assert (sandbox / "stdout").read_text() == f"{USER}\n"
                for name in ("stays", "goes"):
                    await framework.reaches(name, "STARTING", "RUNNING")
                await framework.kill("goes")
                await framework.reaches("goes", "STARTING", "RUNNING", "KILLED")
                pid = pid_of(framework, "stays")
                first.kill()
                await first.wait()
            await until(partial(is_active, cluster, False))
            assert psutil.Process(pid).uids().real == USER
            async with agent(cluster, place, port):
                await until(partial(is_active, cluster, True))
                await framework.kill("stays")
                await framework.reaches("stays", "STARTING", "RUNNING", "KILLED")
                await until_dead(pid)

    play(scenario)
    log = (place / "log").read_text()
    assert "Not root: tasks run as the agent's own user" in log
    assert (
        "Not to be had by this agent: Isolator 'namespaces/pid' needs the program 'unshare' (util-linux) and root"
        in log
    )
    assert "Not to be had by this agent: Isolator 'cgroups/" in log


def test_n29_groups_that_were_given_to_its_user_hold_what_an_agent_without_root_runs(
    tmp_path: Path, place: Path, given: str
) -> None:
    port = fixed_port()

    async def scenario() -> None:
        flags = ("--isolation=cgroups/pids,cgroups/mem", f"--cgroups_root={given}", "--cgroups_pids_max=20")
        async with (
            LocalCluster(0, work_dir=tmp_path / "master") as cluster,
            subscribed_as(Patient, cluster) as framework,
            agent(cluster, place, port, *flags),
        ):
            offer = await framework.an_offer()
            eats = f"exec {python()} -c 'hoard = [bytearray(1 << 20) for _ in range(500)]'"
            made = [tasks.task(name, offer, "cpus:0.1;mem:32", line) for name, line in (("b", BOMB), ("e", eats))]
            await framework.accept([offer], [tasks.launch(*made)], refuse_seconds=0)
            told = await framework.reaches("e", "STARTING", "RUNNING", "FAILED")
            assert told.reason == "REASON_CONTAINER_LIMITATION_MEMORY"
            told = await framework.reaches("b", "STARTING", "RUNNING")
            assert told.container_status is not None and told.container_status.container_id is not None
            # Whoever has ended may still have one.
            group = HIERARCHY / "pids" / given / told.container_status.container_id.value
            async with asyncio.timeout(60):
                while "max 0" in (group / "pids.events").read_text():  # noqa: ASYNC110 - the kernel counts
                    await asyncio.sleep(0.02)
            assert int((group / "pids.current").read_text()) <= 20
            await framework.kill("b")
            await framework.reaches("b", "STARTING", "RUNNING", "KILLED")

    play(scenario)


def test_n29_a_group_that_was_not_given_to_its_user_is_told_of_at_the_start(place: Path) -> None:
    line = (*AS_USER, str(python()), "-m", "mesos_service.cli.main", "agent", "--master=127.0.0.1:1", "--port=0")
    ended = subprocess.run(
        [*line, f"--work_dir={place / 'work'}", "--isolation=cgroups/pids"],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode != 0
    assert "Isolator 'cgroups/pids' cannot make control groups in" in ended.stderr
    assert "was given to this user" in ended.stderr
