"""``solaris/projects`` with the programs of a real Solaris or illumos (M-AG-07): as root, on such a machine.

Nobody has had one yet; everywhere else the same is tried against a fake userland (``test_solaris_projects.py``).
"""

from __future__ import annotations

import asyncio
import os
import platform
from collections.abc import Sequence

import pytest

from mesos_service.containers.containerizer import Members
from mesos_service.domain.ids import ContainerId
from mesos_service.domain.resources import Resources
from mesos_service.plugins.isolator import ContainerConfig
from mesos_service.plugins.loader import ISOLATORS, load
from tests.unit.containers.room import run_asyncio, until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="making projects takes root")


@pytest.fixture(autouse=True)
def _where_there_are_projects() -> None:
    if platform.system() != "SunOS":
        pytest.skip("real part not installed: Solaris or illumos")


class One(Members):
    """The container has this process."""

    pid: int

    def processes(self, container_id: ContainerId) -> Sequence[int]:
        return (self.pid,)


async def said(*command: str) -> str:
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    return output.decode()


def test_m_ag_07_a_process_is_held_by_a_project_of_its_own_and_nothing_is_left() -> None:
    container = ContainerId(f"live-{os.getpid()}")
    config = ContainerConfig(sandbox="/", resources=Resources.scalars(cpus=1.5, mem=64), limits={"cpus": 2000})

    async def body() -> None:
        host = One()
        isolator = load(ISOLATORS, "solaris/projects")(host, None)
        info = await isolator.prepare(container, config)
        assert info is not None
        project = info.command_prefix[-1]
        process = await asyncio.create_subprocess_exec(*info.command_prefix, "/usr/bin/sleep", "1000")
        host.pid = process.pid
        try:
            places: list[str] = []
            while project not in places:
                places.append((await said("ps", "-o", "project=", "-p", str(process.pid))).strip())
            shares, cap, threads = controls = ("project.cpu-shares", "project.cpu-cap", "project.max-lwps")
            asking = ("prctl", "-P", "-i", "project", "-n")
            told = {name: (await said(*asking, name, project)).split() for name in controls}
            assert ["15" in told[shares], "200" in told[cap], "4096" in told[threads]] == [True] * 3
            assert f"rcap.max-rss={64 << 20}" in await said("projects", "-l", project)
            await isolator.update(container, Resources.scalars(cpus=3, mem=128), {"cpus": 500})
            assert "30" in (await said(*asking, shares, project)).split()
            assert f"rcap.max-rss={128 << 20}" in await said("projects", "-l", project)
            await isolator.cleanup(container)
            await until(lambda: process.returncode is not None)
            assert project not in await said("getent", "project")
        finally:
            await isolator.cleanup(container)

    run_asyncio(body())
