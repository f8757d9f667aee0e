"""What a task asks for in its ContainerInfo, from the framework's call to the process (M-AG-08, M-AG-10)."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import msgspec
import pytest

from mesos_service.domain.containers import mask
from mesos_service.local import LocalCluster
from mesos_service.sdk import tasks
from mesos_service.wire import containers as wire
from mesos_service.wire.checks import HealthCheck
from mesos_service.wire.offers import Offer
from mesos_service.wire.tasks import TaskInfo
from tests.e2e.attaching import command
from tests.e2e.frameworks import Patient, play, subscribed_as
from tests.e2e.restarting import restartable
from tests.e2e.volumes import volume
from tests.support.asking import patient_client
from tests.support.busybox import root_tar

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounting and capabilities take root")
ISOLATION = "posix/cpu,posix/mem,filesystem/linux,namespaces/pid,posix/rlimits,linux/capabilities"
SHOW = "ulimit -n; cat seen/word; grep -h -e ^CapEff /proc/self/status; echo written > out/file"


def asking(offer: Offer, name: str, line: str, info: wire.ContainerInfo) -> TaskInfo:
    return msgspec.structs.replace(tasks.task(name, offer, "cpus:0.1;mem:32", line), container=info)


def wishes(place: Path) -> wire.ContainerInfo:
    return wire.ContainerInfo(
        type="MESOS",
        volumes=(volume(place / "in", "seen", "RO"), volume(place / "out", "out", "RW")),
        rlimit_info=wire.RLimitInfo(rlimits=(wire.RLimitInfoRLimit(type="RLMT_NOFILE", soft=64, hard=64),)),
        linux_info=wire.LinuxInfo(effective_capabilities=wire.CapabilityInfo(capabilities=("KILL",))),
    )


def test_m_ag_08_m_ag_10_a_task_has_what_it_asks_for_and_keeps_it_over_a_restart(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "word").write_text("hello\n")
    (tmp_path / "out").mkdir()

    async def scenario() -> None:
        async with (
            LocalCluster(0, work_dir=tmp_path / "master") as cluster,
            restartable(cluster, tmp_path / "agent", isolation=ISOLATION) as agent,
            subscribed_as(Patient, cluster) as framework,
        ):
            offer = await framework.an_offer()
            line = f"{SHOW}; while [ ! -e out/go ]; do sleep 0.05; done; cat seen/word"
            await framework.accept([offer], [tasks.launch(asking(offer, "t", line, wishes(tmp_path)))])
            await framework.reaches("t", "STARTING", "RUNNING")
            sandbox = next((tmp_path / "agent").glob("slaves/*/frameworks/*/executors/t/runs/latest"))
            async with asyncio.timeout(60):
                while not (tmp_path / "out" / "file").exists():  # noqa: ASYNC110 - a process writes it
                    await asyncio.sleep(0.02)
            said = (sandbox / "stdout").read_text().split()
            assert said[:2] == ["64", "hello"]
            assert int(said[3], 16) == mask({"KILL"})
            await agent.kill()
            await agent.start()
            (tmp_path / "out" / "go").touch()
            await framework.reaches("t", "STARTING", "RUNNING", "FINISHED")
            assert (sandbox / "stdout").read_text().split()[-1] == "hello"
            assert not list((sandbox / "seen").iterdir()), "what the sandbox itself has there is empty"

    play(scenario)
    assert str(tmp_path) not in Path("/proc/self/mounts").read_text()


def test_m_ag_10_what_cannot_be_had_is_told_in_the_tasks_status(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with (
            LocalCluster(0, work_dir=tmp_path / "master") as cluster,
            restartable(cluster, tmp_path / "agent", isolation=ISOLATION),
            subscribed_as(Patient, cluster) as framework,
        ):
            bad = {
                "absent": (tmp_path / "nowhere", "v", "No such file or directory"),
                "programs": (tmp_path, "/usr/bin", "where programs of the machine are"),
            }
            offer = await framework.an_offer()
            made = [
                asking(offer, name, "true", wire.ContainerInfo(type="MESOS", volumes=(volume(source, at, "RW"),)))
                for name, (source, at, _) in bad.items()
            ]
            await framework.accept([offer], [tasks.launch(*made)])
            for name, (_, _, why) in bad.items():
                told = await framework.reaches(name, "FAILED")
                assert told.message is not None and why in told.message

    play(scenario)


def test_m_ag_08_a_task_has_its_own_shared_memory_and_only_some_system_calls(tmp_path: Path) -> None:
    """And what is run beside it, before and after a restart of the agent."""
    profile = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}],
    }
    (tmp_path / "no_directories.json").write_text(json.dumps(profile))
    isolation = f"{ISOLATION},namespaces/ipc,linux/seccomp"
    flags = {"seccomp_config_dir": tmp_path, "default_container_shm_size": "2MB"}
    confined = wire.LinuxInfo(seccomp=wire.SeccompInfo(profile_name="no_directories.json"), ipc_mode="PRIVATE")
    look = "mkdir made 2>&1; head -c 3000000 /dev/zero > /dev/shm/much; wc -c < /dev/shm/much"
    said_then = "mkdir: cannot create directory ‘made’: Operation not permitted\n2097152\n"

    async def scenario() -> None:
        async with (
            LocalCluster(0, work_dir=tmp_path / "master") as cluster,
            restartable(cluster, tmp_path / "agent", isolation=isolation, **flags) as agent,
            subscribed_as(Patient, cluster) as framework,
        ):
            offer = await framework.an_offer()
            info = wire.ContainerInfo(type="MESOS", linux_info=confined)
            wrong = wire.SeccompInfo(profile_name="absent")
            bad = wire.ContainerInfo(type="MESOS", linux_info=wire.LinuxInfo(seccomp=wrong))
            line = f"{look}; touch looked; exec sleep 1000"
            made = [asking(offer, "t1", line, info), asking(offer, "bad", "true", bad)]
            await framework.accept([offer], [tasks.launch(*made)])
            told = await framework.reaches("bad", "FAILED")
            assert told.message is not None and "profile 'absent' of system calls cannot be read" in told.message
            await framework.reaches("t1", "STARTING", "RUNNING")
            async with asyncio.timeout(60):
                looked = "slaves/*/frameworks/*/executors/t1/runs/latest/looked"
                while not list((tmp_path / "agent").glob(looked)):  # noqa: ASYNC110 - a process makes it
                    await asyncio.sleep(0.02)
            for _ in range(2):
                status, out, _ = await command(cluster, "exec", "t1", "--", f"export LC_ALL=C.UTF-8; {look}")
                assert (status, out) == (0, said_then)
                await agent.kill()
                await agent.start()
                await framework.until(lambda: framework.states("t1")[-1:] == ["RUNNING"])

    play(scenario)


def test_m_ag_08_m_ag_23_a_task_of_a_group_has_nobodys_ipc_to_share(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with (
            LocalCluster(0, work_dir=tmp_path / "master") as cluster,
            restartable(cluster, tmp_path / "agent", isolation=f"{ISOLATION},namespaces/ipc"),
            subscribed_as(Patient, cluster) as framework,
        ):
            offer = await framework.an_offer()
            info = wire.ContainerInfo(type="MESOS", linux_info=wire.LinuxInfo(ipc_mode="SHARE_PARENT"))
            group = tasks.launch_group(
                tasks.default_executor("pod", "cpus:0.1;mem:32"), asking(offer, "t", "exec sleep 1000", info)
            )
            await framework.accept([offer], [group])
            told = await framework.reaches("t", "STARTING", "FAILED")
            assert told.message is not None and "is no process here" in told.message

    play(scenario)


def test_m_ag_13_a_task_runs_in_an_image_over_a_restart(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "busybox.tar").write_bytes(root_tar())
    flags = {"image_providers": "docker", "docker_registry": str(tmp_path / "images")}
    image = wire.Image(type="DOCKER", docker=wire.ImageDocker(name="busybox"))
    info = wire.ContainerInfo(type="MESOS", mesos=wire.ContainerInfoMesosInfo(image=image))

    async def scenario() -> None:
        async with (
            LocalCluster(0, work_dir=tmp_path / "master") as cluster,
            restartable(cluster, tmp_path / "agent", isolation=ISOLATION, **flags) as agent,
            subscribed_as(Patient, cluster) as framework,
        ):
            offer = await framework.an_offer()
            line = "cat /image; echo $MESOS_SANDBOX; while [ ! -e go ]; do sleep 0.05; done; cat /image; test ! -e /usr"
            await framework.accept([offer], [tasks.launch(asking(offer, "t", line, info))])
            await framework.reaches("t", "STARTING", "RUNNING")
            sandbox = next((tmp_path / "agent").glob("slaves/*/frameworks/*/executors/t/runs/latest")).resolve()
            await agent.kill()
            await agent.start()
            (sandbox / "go").touch()
            await framework.reaches("t", "STARTING", "RUNNING", "FINISHED")
            said = (sandbox / "stdout").read_text()
            assert said == "of busybox\n/mnt/mesos/sandbox\nof busybox\n"
            roots = tmp_path / "agent" / "provisioner" / "containers"
            async with asyncio.timeout(60):
                while list(roots.iterdir()):  # noqa: ASYNC110 - it goes when the agent has seen to it
                    await asyncio.sleep(0.02)
            store = tmp_path / "agent" / "store" / "docker"
            async with patient_client() as client:
                excluded = {"excluded_images": [{"type": "DOCKER", "docker": {"name": "busybox"}}]}
                for asked, left in (({"prune_images": excluded}, 1), ({"prune_images": {}}, 0)):
                    url = f"http://127.0.0.1:{agent.flags['port']}/api/v1"
                    answer = await client.post(url, json={"type": "PRUNE_IMAGES", **asked})
                    assert (answer.status_code, len(list(store.iterdir()))) == (200, left), answer.text

    play(scenario)
    assert str(tmp_path) not in Path("/proc/self/mounts").read_text()


def test_m_ag_13_checks_and_operators_are_in_the_root_of_the_task(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "busybox.tar").write_bytes(root_tar())
    flags = {"image_providers": "docker", "docker_registry": str(tmp_path / "images")}
    image = wire.Image(type="DOCKER", docker=wire.ImageDocker(name="busybox"))
    info = wire.ContainerInfo(type="MESOS", mesos=wire.ContainerInfoMesosInfo(image=image))
    probe = wire.CommandInfo(value="test -e /image && test ! -e /usr && { test -e checked || echo seen > checked; }")
    check = HealthCheck(
        type="COMMAND", command=probe, delay_seconds=0, interval_seconds=0.1, grace_period_seconds=0
    )  # fmt: skip

    async def scenario() -> None:
        async with (
            LocalCluster(0, work_dir=tmp_path / "master") as cluster,
            restartable(cluster, tmp_path / "agent", isolation=ISOLATION, **flags),
            subscribed_as(Patient, cluster) as framework,
        ):
            offer = await framework.an_offer()
            task = msgspec.structs.replace(asking(offer, "t1", "exec sleep 1000", info), health_check=check)
            await framework.accept([offer], [tasks.launch(task)])
            async with asyncio.timeout(60):
                while not any(one.healthy for one in framework.seen.get("t1", [])):  # noqa: ASYNC110 - told by the master
                    await asyncio.sleep(0.02)
            status, out, err = await command(cluster, "exec", "t1", "--", "cat /image checked; pwd; exit 7")
            assert (status, out, err) == (7, "of busybox\nseen\n/mnt/mesos/sandbox\n", "")
            assert await command(cluster, "exec", "t1", "--", "/bin/echo", "a  b") == (0, "a  b\n", "")

    play(scenario)
