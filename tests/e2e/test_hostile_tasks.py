"""Tasks that do what they can against their agent: they are ended all the same, and nobody else is disturbed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from mesos_service.containers.garbage import remove_tree
from mesos_service.local import LocalCluster
from mesos_service.sdk import tasks
from tests.e2e.frameworks import Patient, is_told, play, subscribed_as
from tests.e2e.restarting import restartable
from tests.support.asking import patient_client
from tests.support.real_parts import missing_part
from tests.support.waiting import PATIENCE, until
from tests.unit.cgroups.live import Live, live_groups

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="making control groups takes root")
live = live_groups
FILES = 20_000
FREEZER = Path("/sys/fs/cgroup/freezer")
GO = "touch ready; sleep 1000"
PYTHON = f"{sys.executable} -c"
ZOMBIES = "import os, time; [os.fork() or os._exit(0) for _ in range(300)]; open('ready', 'w'); time.sleep(1000)"
CROWD = f"import os; [open(f'file-{{n:06}}', 'w').close() for n in range({FILES})]; os.system('{GO}')"
DEEP = (
    "import os\nfor n in range(1500):\n    os.mkdir('d'); os.symlink('/etc', 'link'); os.chdir('d')\n"
    f"os.chdir(os.environ['MESOS_SANDBOX']); os.system('{GO}')"
)
HOSTILE = {
    "stubborn": "trap '' TERM INT HUP QUIT; touch ready; while :; do sleep 0.2; done",
    "stopped": "touch ready; kill -STOP $$; sleep 1000",
    "zombies": f'{PYTHON} "{ZOMBIES}"',
    "bomb": "touch ready; b() { b | b & b; }; b 2>/dev/null; sleep 1000",
    "crowd": f'{PYTHON} "{CROWD}"',
    "deep": f'{PYTHON} "{DEEP}"',
    "deserter": "for one in /sys/fs/cgroup/*/cgroup.procs /sys/fs/cgroup/cgroup.procs;"
    " do echo 0 > $one; done 2>/dev/null;"
    ' for own in $(find /sys/fs/cgroup -type d -path "*$MESOS_CONTAINER_ID*" | sort -r);'
    " do rmdir $own; done 2>/dev/null;"
    f" {GO}",
}
"""What they do. The last goes out of its control groups, and takes them away."""


def sandbox_of(agent: Path, name: str) -> Path:
    [found] = agent.glob(f"slaves/*/frameworks/*/executors/{name}/runs/latest")
    return found.resolve()


async def is_ready(agent: Path, name: str) -> None:
    async with asyncio.timeout(60 * PATIENCE):
        while not (sandbox_of(agent, name) / "ready").exists():  # noqa: ASYNC110 - in another process
            await asyncio.sleep(0.02)


async def launched(framework: Patient, lines: dict[str, str]) -> None:
    offer = await framework.an_offer()
    made = [tasks.task(name, offer, "cpus:0.1;mem:32", line, kill_grace_seconds=0.2) for name, line in lines.items()]
    await framework.accept([offer], [tasks.launch(*made)], refuse_seconds=0)
    for name in lines:
        await framework.reaches(name, "STARTING", "RUNNING")


async def ended(framework: Patient, *names: str) -> None:
    """Killed; the bomb may have been ended for its memory before."""
    for name in names:
        await framework.kill(name)
    for name in names:
        await framework.until(partial(is_told, framework, name, "KILLED", "FAILED"))
        assert framework.states(name)[2] == ("FAILED" if name == "bomb" and burst(framework) else "KILLED")


def burst(framework: Patient) -> bool:
    return any(status.reason == "REASON_CONTAINER_LIMITATION_MEMORY" for status in framework.seen["bomb"])


async def nobody_left(live: Live) -> None:
    async with asyncio.timeout(60 * PATIENCE):
        while live.containers():  # noqa: ASYNC110 - in another process
            await asyncio.sleep(0.02)


def test_a34_x56_hostile_tasks_end_and_their_neighbour_goes_on(tmp_path: Path, live: Live) -> None:
    async def scenario() -> None:
        async with (
            LocalCluster(0, work_dir=tmp_path / "master") as cluster,
            restartable(
                cluster,
                tmp_path / "agent",
                isolation="cgroups/cpu,cgroups/mem,cgroups/pids",
                cgroups_root=live.root,
                cgroups_pids_max=400,
            ),
            subscribed_as(Patient, cluster) as framework,
        ):
            await launched(framework, {"neighbour": "sleep 1000", **HOSTILE})
            await asyncio.gather(*(is_ready(tmp_path / "agent", name) for name in HOSTILE))
            # Soon: nobody waits for ever for what follows.
            offer = await framework.an_offer()
            await framework.accept(
                [offer], [tasks.launch(tasks.task("next", offer, "cpus:0.1;mem:32", "true"))], refuse_seconds=0
            )
            await framework.reaches("next", "STARTING", "RUNNING", "FINISHED")
            await ended(framework, *HOSTILE)
            assert framework.states("neighbour") == ["STARTING", "RUNNING"]
            await ended(framework, "neighbour")
            await nobody_left(live)

    try:
        play(scenario, 300)
    finally:
        # Deeper than pytest can go, which would fail at the end of a later run.
        remove_tree(tmp_path / "agent", threading.Event())


def test_x56_a_task_that_freezes_itself_is_ended(tmp_path: Path, live: Live) -> None:
    """Nobody that is frozen dies, not even by KILL."""
    if not FREEZER.is_dir():
        missing_part("the freezer of version 1 of control groups")
    own = FREEZER / f"{live.root}_frozen"
    own.mkdir()
    line = f"sleep 1001 & echo 0 > {own}/cgroup.procs; touch ready; echo FROZEN > {own}/freezer.state; sleep 1000"

    async def scenario() -> None:
        async with (
            LocalCluster(0, work_dir=tmp_path / "master") as cluster,
            restartable(cluster, tmp_path / "agent", isolation="cgroups/pids", cgroups_root=live.root),
            subscribed_as(Patient, cluster) as framework,
        ):
            await launched(framework, {"frozen": line})
            await is_ready(tmp_path / "agent", "frozen")
            async with asyncio.timeout(60 * PATIENCE):
                while (own / "freezer.state").read_text().strip() != "FROZEN":  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
            await ended(framework, "frozen")
            await nobody_left(live)

    try:
        play(scenario, 120)
    finally:
        (own / "freezer.state").write_text("THAWED")
        until("they are gone", lambda: not (own / "cgroup.procs").read_text())
        own.rmdir()


def test_m_le_03_what_a_task_has_put_into_its_sandbox_keeps_nobody_waiting(tmp_path: Path) -> None:
    line = (
        f'{PYTHON} "{CROWD}" & mkfifo pipe; truncate -s 1T sparse; ln -s /etc/shadow secret; ln -s loop loop;'
        " ln -s /dev/zero endless; ln -s .. up; wait"
    )

    async def scenario() -> None:
        async with (
            LocalCluster(0, work_dir=tmp_path / "master") as cluster,
            restartable(cluster, tmp_path / "agent") as agent,
            subscribed_as(Patient, cluster) as framework,
            patient_client() as client,
        ):
            await launched(framework, {"t": line})
            await is_ready(tmp_path / "agent", "t")
            box = sandbox_of(tmp_path / "agent", "t")
            with socket.socket(socket.AF_UNIX) as listener:
                with contextlib.chdir(box):  # The whole path is too long for a socket's.
                    listener.bind("socket")

                async def asked(what: str, name: str, **more: int) -> httpx.Response:
                    query: dict[str, Any] = {"path": str(box / name), **more}
                    url = f"http://127.0.0.1:{agent.flags['port']}/files/{what}"
                    return await client.get(url, params=query)

                for name in ("pipe", "socket", "secret", "loop", "endless"):
                    for what in ("read", "download"):
                        answer = await asked(what, name, offset=0, length=100)
                        assert 400 <= answer.status_code < 500, (what, name, answer.text[:100])
                piece = (await asked("read", "sparse", offset=(1 << 40) - 10, length=1 << 40)).json()
                assert piece == {"offset": (1 << 40) - 10, "data": "\0" * 10}
                assert len((await asked("read", "sparse", offset=5, length=1 << 40)).json()["data"]) < 1 << 20
                listing = asyncio.ensure_future(asked("browse", "."))
                begun = time.monotonic()
                health = await client.get(f"http://127.0.0.1:{agent.flags['port']}/health")
                assert health.status_code == 200 and time.monotonic() - begun < 2 * PATIENCE
                assert len((await listing).json()) > FILES
            await ended(framework, "t")

    play(scenario, 120)
