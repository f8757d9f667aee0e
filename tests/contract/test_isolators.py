"""What every isolator module promises, with real processes (Mesos docs, isolators; M-AG-03, M-AG-04).

``MESOS_MODULES_DIR`` (the variable of the flag ``--modules_dir``) adds folders of an author's own.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from mesos_service.conformance.isolators import CHECKS, apart
from mesos_service.containers.containerizer import Members
from mesos_service.domain.errors import ConfigurationError
from mesos_service.domain.resources import Resources
from mesos_service.plugins.isolator import API_VERSION, Isolator, Usage
from mesos_service.plugins.loader import ISOLATORS, available, load, read_config
from modules.isolators.posix_cpu import PosixCpu
from modules.isolators.posix_mem import PosixMem
from tests.contract.modules import modules_dirs
from tests.unit.containers.room import Room, cid, room, run_asyncio, until

BUILT_IN: list[type[Isolator]] = [PosixCpu, PosixMem]
FOUND = [load(ISOLATORS, found.name, modules_dirs()) for found in available(ISOLATORS, modules_dirs())]
C = cid("c")


def made(kind: type[Isolator], directory: Path) -> tuple[Members, Isolator]:
    members = Members()
    try:
        return members, kind(members, read_config(kind, apart(kind, directory)))
    except ConfigurationError as refusal:
        # It says itself what this machine lacks; its own tests try it on a fake one.
        pytest.skip(f"real part not installed: {refusal}")


def left_over() -> list[Path]:
    """Groups of ours that outlived their isolator. Others come and go meanwhile, which ``os.walk`` does not mind."""
    groups = (Path(parent, name) for parent, names, _ in os.walk("/sys/fs/cgroup") for name in names)
    return [
        group for group in groups if group.name.startswith("mesos_check_") and group.name.endswith(str(os.getpid()))
    ]


@pytest.mark.parametrize("kind", FOUND)
def test_it_names_itself(kind: type[Isolator]) -> None:
    assert kind.api_version == API_VERSION
    assert kind.name
    assert kind.__doc__


@pytest.mark.parametrize("kind", FOUND)
def test_a_whole_life_beside_a_real_process(kind: type[Isolator], tmp_path: Path) -> None:
    async def body() -> None:
        members, isolator = made(kind, tmp_path)
        async with room(tmp_path, [isolator], members) as here:
            await here.shell("c", "exec sleep 1000")
            await isolator.update(C, Resources.scalars(cpus=2, mem=64), {"cpus": 3000})
            assert isinstance(await isolator.usage(C), Usage)
            assert isinstance(await isolator.status(C), dict)
            await here.destroy("c")
            assert await isolator.usage(C) == Usage()
            await here.containerizer.close()
            assert not left_over()

    run_asyncio(body())


@pytest.mark.parametrize("kind", BUILT_IN)
def test_m_ag_04_the_built_in_ones_measure(kind: type[Isolator], tmp_path: Path) -> None:
    async def body() -> None:
        members, isolator = made(kind, tmp_path)
        async with room(tmp_path, [isolator], members) as here:
            await here.shell("c", "exec sleep 1000")
            assert (await isolator.usage(C)).measured()

    run_asyncio(body())


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("kind", FOUND)
def test_m_ag_03_every_isolator_holds_what_its_kind_must(
    kind: type[Isolator], check: Callable[[type[Isolator]], None], tmp_path: Path
) -> None:
    made(kind, tmp_path)
    check(kind)
    assert not left_over()


def test_m_ag_04_posix_cpu_counts_the_time_of_the_whole_tree(tmp_path: Path) -> None:
    """A child that leads a session of its own spins, and one that has ended was waited for: both count."""

    async def body() -> None:
        members, isolator = made(PosixCpu, tmp_path)
        async with room(tmp_path, [isolator], members) as here:
            spin = "i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done"
            await here.shell("c", f"sh -c '{spin}'; echo up; setsid sh -c 'while :; do :; done' & wait")
            await here.said("c")
            usages = [await isolator.usage(C)]
            while usages[-1].processes != 2 or (usages[-1].cpus_user_time_secs or 0.0) < 0.1:
                await asyncio.sleep(0.02)
                usages.append(await isolator.usage(C))
            times = [usage.cpus_user_time_secs for usage in usages if usage.cpus_user_time_secs is not None]
            assert times == sorted(times), "time never runs backwards"
            assert usages[-1].threads == 2
            assert usages[-1].cpus_system_time_secs is not None

    run_asyncio(body())


def test_m_ag_04_posix_mem_counts_the_whole_tree(tmp_path: Path) -> None:
    async def body() -> None:
        members, isolator = made(PosixMem, tmp_path)
        async with room(tmp_path, [isolator], members) as here:
            await here.shell("one", "echo up; read -r _ < /dev/zero")
            await here.said("one")
            block = 40_000_000
            await here.shell(
                "c", f"setsid sh -c 'x=$(head -c {block} /dev/zero | tr \"\\0\" x); echo up; sleep 1000' & wait"
            )
            await here.said("c")
            small = await isolator.usage(cid("one"))
            big = await isolator.usage(C)
            assert small.mem_rss_bytes is not None and 0 < small.mem_rss_bytes < block
            assert big.mem_rss_bytes is not None and big.mem_rss_bytes >= block

    run_asyncio(body())


def test_usage_of_a_container_is_what_all_isolators_say_together(tmp_path: Path) -> None:
    async def body() -> None:
        members = Members()
        async with room(tmp_path, [PosixCpu(members), PosixMem(members)], members) as here:
            assert set((await here.containerizer.usage(C)).measured()) == {"timestamp"}
            await here.shell("c", "exec sleep 1000")
            await until(lambda: here.containerizer.processes(C))
            usage = (await here.containerizer.usage(C)).measured()
            assert set(usage) == {
                "timestamp",
                "processes",
                "threads",
                "cpus_user_time_secs",
                "cpus_system_time_secs",
                "cpus_soft_limit",
                "mem_limit_bytes",
                "mem_soft_limit_bytes",
                "mem_rss_bytes",
            }
            assert usage["mem_limit_bytes"] == usage["mem_soft_limit_bytes"] == 32 * 1024 * 1024
            assert usage["cpus_soft_limit"] == 1.0
            assert await here.containerizer.status(C) == {"executor_pid": usage_pid(here)}

    run_asyncio(body())


def usage_pid(here: Room) -> int:
    """The first process of the one container there is."""
    return here.containerizer.processes(C)[0]
