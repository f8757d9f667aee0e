"""Persistent volumes as mounts of a container: read-only is enforced, they are measured, other disks work, too."""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from mesos_service import sdk
from mesos_service.domain.resources import Resources
from mesos_service.local import LocalCluster
from mesos_service.sdk import tasks
from mesos_service.wire import containers as wire
from mesos_service.wire.convert.values import resources_to_wire
from mesos_service.wire.offers import Offer
from mesos_service.wire.tasks import TaskInfo
from tests.e2e.frameworks import Operating, play, subscribed_as
from tests.e2e.restarting import restartable

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounting takes root")
ISOLATION = "posix/cpu,posix/mem,filesystem/linux,disk/du"
NEEDS = "cpus:0.1;mem:16"


async def with_volume(framework: Operating) -> Offer:
    """The next offer in which a volume is; others are declined."""
    offer = await framework.an_offer()
    while not tasks.available(offer).persistent_volumes():
        await framework.decline(offer, refuse_seconds=0)
        offer = await framework.an_offer()
    return offer


def read_only(volume: Resources) -> Resources:
    """The same volume, mounted otherwise."""
    [item] = volume
    disk = item.key.disk
    assert disk is not None and disk.volume is not None
    seen = replace(disk, volume=disk.volume._replace(mode="RO"))
    return Resources.of([item._replace(key=item.key._replace(disk=seen))])


@pytest.mark.parametrize("kind", ["ROOT", "PATH", "MOUNT"])
def test_m_op_04_m_al_12_read_only_is_enforced_on_every_kind_of_disk(tmp_path: Path, kind: str) -> None:
    """One task writes, the next may only read; and so it is after the agent was killed in between."""
    flags = {}
    root = tmp_path / "disk"
    root.mkdir()
    if kind != "ROOT":
        amounts = [
            {"name": name, "type": "SCALAR", "scalar": {"value": value}} for name, value in (("cpus", 2), ("mem", 512))
        ]
        source = {"type": kind, kind.lower(): {"root": str(root)}}
        disk = {"name": "disk", "type": "SCALAR", "scalar": {"value": 64}, "disk": {"source": source}}
        flags["resources"] = json.dumps([*amounts, disk])

    async def scenario() -> None:
        async with (
            LocalCluster(0, work_dir=tmp_path / "master") as cluster,
            restartable(cluster, tmp_path / "agent", isolation=ISOLATION, **flags) as agent,
            subscribed_as(Operating, cluster) as framework,
        ):
            offer = await framework.an_offer()
            plain = tasks.available(offer).filter(lambda one: one.name == "disk")
            if kind != "MOUNT":
                [item] = plain
                plain = Resources.of([item._replace(value=16_000)])
            reserved = plain.push_reservation(
                next(iter(sdk.reserved("disk:1", framework.roles[0]))).key.reservations[-1]
            )
            data = sdk.volume(reserved, "data", "var/data")
            line = "echo precious > var/data/file; test ! -L var/data"
            writes = tasks.task("writes", offer, Resources.parse(NEEDS) + data, line)
            operations = [sdk.reserve(reserved), sdk.create(data), tasks.launch(writes)]
            await framework.accept([offer], operations, refuse_seconds=0)
            await framework.reaches("writes", "STARTING", "RUNNING", "FINISHED")
            place = root if kind == "MOUNT" else (tmp_path / "agent" if kind == "ROOT" else root)
            on_disk = place if kind == "MOUNT" else place / "volumes" / "roles" / "store files" / "data"
            assert (on_disk / "file").read_text() == "precious\n"

            offer = await with_volume(framework)
            await agent.kill()
            await agent.start()
            offer = await with_volume(framework)
            line = "cat var/data/file; echo spoiled > var/data/file && exit 3; rm var/data/file && exit 4; exit 0"
            reads = tasks.task("reads", offer, Resources.parse(NEEDS) + read_only(data), line)
            await framework.accept([offer], [tasks.launch(reads)], refuse_seconds=0)
            await framework.reaches("reads", "STARTING", "RUNNING", "FINISHED")
            assert (on_disk / "file").read_text() == "precious\n"
            sandbox = next((tmp_path / "agent").glob("slaves/*/frameworks/*/executors/reads/runs/latest"))
            assert (sandbox / "stdout").read_text() == "precious\n"
            assert "Read-only file system" in (sandbox / "stderr").read_text()

            offer = await with_volume(framework)
            await framework.accept([offer], [sdk.destroy(data)], refuse_seconds=0)
            async with asyncio.timeout(60):
                while (on_disk / "file").exists():  # noqa: ASYNC110 - the agent removes it
                    await asyncio.sleep(0.02)

    play(scenario)
    assert str(root) not in Path("/proc/self/mounts").read_text()


def test_m_op_04_a_task_of_a_group_sees_its_executors_volume_by_its_parents_sandbox(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with (
            LocalCluster(0, work_dir=tmp_path / "master") as cluster,
            restartable(cluster, tmp_path / "agent", isolation=ISOLATION),
            subscribed_as(Operating, cluster) as framework,
        ):
            offer = await framework.an_offer()
            disk = sdk.reserved("disk:16", framework.roles[0])
            data = sdk.volume(disk, "data", "var/data")
            executor = tasks.default_executor("pod", NEEDS)
            own = resources_to_wire((Resources.parse(NEEDS) + data).allocated_to(framework.roles[0]))
            executor = msgspec.structs.replace(executor, resources=own)
            made = [
                shared(tasks.task("writes", offer, NEEDS, "echo of all > in/file"), "RW"),
                shared(
                    tasks.task("reads", offer, NEEDS, "until grep all in/file; do sleep 0.05; done; ! rm in/file"), "RO"
                ),
            ]
            operations = [sdk.reserve(disk), sdk.create(data), tasks.launch_group(executor, *made)]
            await framework.accept([offer], operations, refuse_seconds=0)
            for name in ("writes", "reads"):
                await framework.reaches(name, "STARTING", "RUNNING", "FINISHED")
            on_disk = tmp_path / "agent" / "volumes" / "roles" / "store files" / "data" / "file"
            assert on_disk.read_text() == "of all\n"

    play(scenario)


def shared(task: TaskInfo, mode: wire.VolumeMode) -> TaskInfo:
    """The task with the volume of its executor at ``in``."""
    path = wire.VolumeSourceSandboxPath(type="PARENT", path="var/data")
    volume = wire.Volume(
        mode=mode, container_path="in", source=wire.VolumeSource(type="SANDBOX_PATH", sandbox_path=path)
    )
    return msgspec.structs.replace(task, container=wire.ContainerInfo(type="MESOS", volumes=(volume,)))


def test_m_ag_09_a_volume_that_grows_beyond_its_size_ends_its_task(tmp_path: Path) -> None:
    async def scenario() -> None:
        flags = {"enforce_container_disk_quota": True, "container_disk_watch_interval": "50ms"}
        async with (
            LocalCluster(0, work_dir=tmp_path / "master") as cluster,
            restartable(cluster, tmp_path / "agent", isolation=ISOLATION, **flags),
            subscribed_as(Operating, cluster) as framework,
        ):
            offer = await framework.an_offer()
            disk = sdk.reserved("disk:4", framework.roles[0])
            data = sdk.volume(disk, "data", "data")
            line = "dd if=/dev/zero of=data/large bs=1M count=6 && sleep 60"
            task = tasks.task("large", offer, Resources.parse(NEEDS) + data, line)
            await framework.accept([offer], [sdk.reserve(disk), sdk.create(data), tasks.launch(task)])
            told = await framework.reaches("large", "STARTING", "RUNNING", "FAILED")
            assert told.reason == "REASON_CONTAINER_LIMITATION_DISK"
            assert told.message is not None and "persistent volume 'data' exceeds its size (4MB)" in told.message

    play(scenario)
