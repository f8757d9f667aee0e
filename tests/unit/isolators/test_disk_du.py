"""``disk/du``: what counts, and what is done about too much of it (M-AG-09)."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from mesos_service.containers.containerizer import Members
from mesos_service.domain.resources import Resources
from mesos_service.plugins.isolator import ContainerConfig
from mesos_service.plugins.loader import ISOLATORS, load, read_config
from tests.unit.containers.room import cid, room, run_asyncio, until
from tests.unit.core.master.resource_world import volumes

KIND = load(ISOLATORS, "disk/du")
MEGABYTE = 1024 * 1024


def fill(path: Path, megabytes: int) -> None:
    path.write_bytes(os.urandom(MEGABYTE) * megabytes)


def test_m_ag_09_a_sandbox_counts_what_it_holds_and_nothing_else(tmp_path: Path) -> None:
    async def body() -> None:
        du = KIND(Members(), read_config(KIND, {"container_disk_watch_interval": 0.01}))
        fill(tmp_path / "elsewhere", 8)
        async with room(tmp_path, [du]) as here:
            plan = here.plan("c", "/bin/sleep", "1000")
            (plan.sandbox / "deep" / "er").mkdir(parents=True)
            fill(plan.sandbox / "deep" / "er" / "file", 3)
            os.link(plan.sandbox / "deep" / "er" / "file", plan.sandbox / "again")
            (plan.sandbox / "way out").symlink_to(tmp_path)
            (plan.sandbox / "loop").symlink_to(plan.sandbox)
            with (plan.sandbox / "sparse").open("wb") as file:
                file.truncate(100 * MEGABYTE)
            await here.containerizer.launch(plan)
            while not (used := (await du.usage(cid("c"))).disk_used_bytes):  # noqa: ASYNC110
                await asyncio.sleep(0.005)
            assert 3 * MEGABYTE <= used < 4 * MEGABYTE
            assert not here.limitations

    run_asyncio(body())


def test_m_ag_09_too_much_ends_the_container_where_that_was_asked_for(tmp_path: Path) -> None:
    async def body() -> None:
        flags = {"container_disk_watch_interval": 0.01, "enforce_container_disk_quota": True}
        du = KIND(Members(), read_config(KIND, flags))
        async with room(tmp_path, [du]) as here:
            plan = here.plan("c", "/bin/sh", "-c", "head -c 3000000 /dev/zero > file; exec sleep 1000")
            await here.containerizer.launch(plan)
            file = plan.sandbox / "file"
            await until(lambda: file.exists() and file.stat().st_size == 3000000)
            await here.containerizer.update(cid("c"), Resources.scalars(disk=2), {})
            await until(lambda: here.limitations)
            [(_, told)] = here.limitations
            assert told.reason == "REASON_CONTAINER_LIMITATION_DISK"
            assert told.message == "Disk usage (2MB) exceeds quota (2MB)"
            assert told.resources == Resources.scalars(disk=2)

    run_asyncio(body())


def test_m_ag_09_a_sandbox_that_vanishes_holds_nothing(tmp_path: Path) -> None:
    """And a volume is not in it."""

    async def body() -> None:
        du = KIND(Members(), None)
        held = Resources.scalars(disk=1) + volumes(64)
        config = ContainerConfig(sandbox=str(tmp_path / "never"), resources=held)
        await du.prepare(cid("c"), config)
        assert (await du.usage(cid("c"))).disk_limit_bytes == MEGABYTE

    run_asyncio(body())
