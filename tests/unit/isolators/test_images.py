"""Containers with a root file system of their own (M-AG-13): what they see and leave, and what hostile images do."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from mesos_service.containers.containerizer import Members
from mesos_service.containers.garbage import NotRemoved
from mesos_service.containers.images import ImageStore, NoImage
from mesos_service.containers.plan import LaunchFailed
from mesos_service.containers.provisioner import Backend
from mesos_service.domain.containers import Capabilities, Image, Source, Volume, Wishes
from mesos_service.plugins.isolator import Isolator
from mesos_service.plugins.loader import ISOLATORS, load
from tests.support.busybox import directory, file, link, packed, root_tar
from tests.unit.containers.room import Room, cid, open_descriptors, room, run_asyncio, until
from tests.unit.isolators.places import INSIDE, Place

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounting takes root")
BUSYBOX = Image("busybox")


@pytest.fixture(params=list(Backend))
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return Place(tmp_path, request.param)


@pytest.fixture
def layered(tmp_path: Path) -> Place:
    return Place(tmp_path, Backend.OVERLAY)


def isolators(*more: str) -> Sequence[Isolator]:
    return [load(ISOLATORS, name)(Members(), None) for name in (*more, "filesystem/linux")]


async def says(
    here: Room, line: str, *volumes: Volume, name: str = "c", user: str | None = None, image: Image = BUSYBOX
) -> str:
    plan = here.plan(
        name, "sh", "-c", line, wishes=Wishes(image=image, volumes=volumes), directory=INSIDE, user=user
    )  # fmt: skip
    assert await here.outcome(plan) == 0, here.text(name, "stderr")
    return here.text(name)


def test_m_ag_13_a_container_has_the_root_of_its_image_and_nothing_of_the_machine(place: Place, tmp_path: Path) -> None:
    place.put(root_tar())
    mounts = Path("/proc/self/mounts").read_text()

    async def body() -> None:
        async with room(tmp_path, isolators(), provisioner=place.provisioner()) as here:
            line = "cat /image; pwd; echo mine > made; ls /; test -e /usr || echo closed; test -d /proc/1 && echo proc"
            assert (await says(here, line)).splitlines() == [
                "of busybox", INSIDE, "bin", "dev", "etc", "image", "mnt", "proc", "sys", "tmp", "closed", "proc",
            ]  # fmt: skip
            line = (
                "touch /new 2>/dev/null && echo written; echo x > /sys/x || echo sys; echo 1 > /proc/sys/kernel/pid_max"
            )
            line += " || echo proc; stat -c %a /tmp /dev/shm; ls /dev; cat /dev/null; mount | grep -c ' / '"
            told = await says(here, f"({line}) 2>/dev/null", name="d")
            written = [] if place.backend is Backend.BIND else ["written"]
            devices = ["fd", "full", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin", "stdout", "tty"]
            assert told.splitlines() == [*written, "sys", "proc", "1777", "1777", *devices, "urandom", "zero", "1"]

    run_asyncio(body())
    assert (tmp_path / "c" / "made").read_text() == "mine\n"
    assert Path("/proc/self/mounts").read_text() == mounts
    assert list(place.roots.iterdir()) == []
    [unpacked] = place.store_directory.iterdir()
    assert unpacked.stat().st_mode & 0o777 == 0o700, "nobody of the machine comes by its programs"
    assert not (unpacked / "rootfs" / "new").exists(), "what a container writes is not the image's"


def test_files_of_the_machine_are_seen_where_an_image_has_links_to_what_systemd_makes(
    place: Place, tmp_path: Path
) -> None:
    place.put(root_tar(link("etc/resolv.conf", "../run/systemd/resolve/stub-resolv.conf")))
    of_the_machine = Path("/etc/resolv.conf").read_text()

    async def body() -> None:
        async with room(tmp_path, isolators(), provisioner=place.provisioner()) as here:
            assert await says(here, "cat /etc/resolv.conf") == of_the_machine

    run_asyncio(body())


def test_m_ag_10_volumes_are_seen_in_the_root_of_the_container(place: Place, tmp_path: Path) -> None:
    place.put(root_tar(directory("data"), file("config", b"of the image"), link("alias", "/data")))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "file").write_text("hello\n")
    (tmp_path / "config").write_text("of the machine\n")

    def host(path: str, container_path: str, read_only: bool = False) -> Volume:
        source = str(tmp_path / path)
        return Volume(source=Source.HOST, path=source, container_path=container_path, read_only=read_only)

    async def body() -> None:
        async with room(tmp_path, isolators(), provisioner=place.provisioner()) as here:
            volumes = (
                host("data", "/alias"),
                host("config", "/config", read_only=True),
                host("data", "in/sandbox"),
                Volume(source=Source.SANDBOX, path="own", container_path="/tmp"),
            )
            line = (
                "cat /data/file /config in/sandbox/file; echo x > /data/new; touch /config 2>/dev/null || echo closed"
            )
            assert await says(here, f"{line}; echo t > /tmp/t", *volumes) == "hello\nof the machine\nhello\nclosed\n"
            if place.backend is not Backend.BIND:
                assert await says(here, "cat /usr/bin/x/file", host("data", "/usr/bin/x"), name="d") == "hello\n"

    run_asyncio(body())
    assert (tmp_path / "data" / "new").read_text() == "x\n"
    assert (tmp_path / "c" / "own" / "t").read_text() == "t\n"


def test_m_ag_10_what_is_mounted_below_a_read_only_volume_is_read_only_in_a_root_too(
    layered: Place, tmp_path: Path
) -> None:
    layered.put(root_tar())
    data = tmp_path / "data"
    (data / "below").mkdir(parents=True)
    subprocess.run(("mount", "-t", "tmpfs", "none", data / "below"), check=True)
    volume = Volume(source=Source.HOST, path=str(data), container_path="/data", read_only=True)

    async def body() -> None:
        async with room(tmp_path, isolators(), provisioner=layered.provisioner()) as here:
            assert await says(here, "touch /data/below/x 2>/dev/null || echo closed", volume) == "closed\n"

    try:
        run_asyncio(body())
    finally:
        subprocess.run(("umount", data / "below"), check=True)


def test_a_link_of_an_image_leads_no_mount_out_of_it(layered: Place, tmp_path: Path) -> None:
    """Not even where the machine has what it names, and the image has not."""
    (tmp_path / "precious").mkdir()
    out = f"../../../../../../../..{tmp_path}/precious"
    layered.put(root_tar(link("out", out), link("absolute", f"{tmp_path}/precious"), link("proc", out)))
    (tmp_path / "data").mkdir()

    async def body() -> None:
        async with room(tmp_path, isolators(), provisioner=layered.provisioner()) as here:
            for number, path in enumerate(("/out", "/absolute/inner")):
                volume = Volume(source=Source.HOST, path=str(tmp_path / "data"), container_path=path)
                plan = here.plan(
                    f"c{number}", "sh", "-c", "true", wishes=Wishes(image=BUSYBOX, volumes=(volume,)), directory=INSIDE
                )
                await here.outcome(plan)

    run_asyncio(body())
    assert list((tmp_path / "precious").iterdir()) == []
    [unpacked] = layered.store_directory.iterdir()
    assert (unpacked / "rootfs" / str(tmp_path).lstrip("/") / "precious").is_dir(), "the image's own, by its root"


def test_m_ag_13_what_joins_a_container_is_in_its_root_too(layered: Place, tmp_path: Path) -> None:
    layered.put(root_tar())

    async def body() -> None:
        async with room(tmp_path, isolators("namespaces/pid"), provisioner=layered.provisioner()) as here:
            line = "echo up > /here; echo up; exec sleep 1000"
            await here.containerizer.launch(
                here.plan("c", "sh", "-c", line, wishes=Wishes(image=BUSYBOX), directory=INSIDE)
            )
            guest = here.plan(
                "g", "sh", "-c", "cat /here; pwd; grep -c sleep /proc/1/cmdline; exit 7", parent="c", directory=INSIDE
            )
            assert await here.outcome(guest) == 7
            assert here.text("g") == f"up\n{INSIDE}\n1\n"
            guest = here.plan("s", "sh", "-c", "kill -9 $$", parent="c", directory=INSIDE)
            assert await here.outcome(guest) == -9
            guest = here.plan(
                "u", "sh", "-c", "id -u; touch /x || echo no", parent="c", directory=INSIDE, user="daemon"
            )
            assert await here.outcome(guest) == 0
            assert here.text("u") == "1\nno\n"

    run_asyncio(body())


def test_a_guest_that_comes_at_once_never_sees_the_root_of_the_machine(layered: Place, tmp_path: Path) -> None:
    """A check begins when its task has begun, while that is still on its way into its root."""
    layered.put(root_tar())

    async def body() -> None:
        async with room(tmp_path, isolators(), provisioner=layered.provisioner()) as here:
            for number in range(10):
                task = here.plan(f"c{number}", "sleep", "1000", wishes=Wishes(image=BUSYBOX), directory=INSIDE)
                await here.containerizer.launch(task)
                guest = here.plan(f"g{number}", "cat", "/image", parent=f"c{number}", directory=INSIDE)
                assert await here.outcome(guest) == 0
                assert here.text(f"g{number}") == "of busybox\n"

    run_asyncio(body())


def test_m_ag_29_the_user_and_its_powers_are_those_of_the_task(layered: Place, tmp_path: Path) -> None:
    layered.put(root_tar())
    capabilities = load(ISOLATORS, "linux/capabilities")
    assert capabilities.Config is not None
    given = capabilities(Members(), capabilities.Config(bounding_capabilities='{"capabilities": ["KILL"]}'))

    async def body() -> None:
        async with room(tmp_path, [given, *isolators()], provisioner=layered.provisioner()) as here:
            assert (await says(here, "id -u; grep CapBnd /proc/self/status")).split() == [
                "0", "CapBnd:", "0000000000000020",
            ]  # fmt: skip
            (tmp_path / "d").mkdir(mode=0o777)
            (tmp_path / "d").chmod(0o777)
            assert await says(here, "id -u; touch /new || echo no; touch own", name="d", user="daemon") == "1\nno\n"

    run_asyncio(body())
    assert Capabilities(frozenset({"KILL"}), frozenset({"KILL"})).bounding
    assert (tmp_path / "d" / "own").owner() == "daemon"


def test_programs_that_an_image_has_not_are_told_of(layered: Place, tmp_path: Path) -> None:
    layered.put(root_tar())

    async def body() -> None:
        async with room(tmp_path, isolators(), provisioner=layered.provisioner()) as here:
            asked = Wishes(image=BUSYBOX)
            # The machine has it.
            plan = here.plan("c", "python3", "-c", "1", wishes=asked, directory=INSIDE)
            assert await here.outcome(plan) == 127
            assert "python3: No such file or directory" in here.text("c", "stderr")
            plan = here.plan(
                "d", "name", program="/nothing", missing_program_status=1, wishes=asked, directory=INSIDE
            )  # fmt: skip
            assert await here.outcome(plan) == 1
            plan = here.plan("e", "sh", "-c", "env", environment={"A": "1"}, wishes=asked, directory=INSIDE)
            assert await here.outcome(plan) == 0
            assert {line.partition("=")[0] for line in here.text("e").splitlines()} <= {
                "A", "MESOS_CONTAINER_ID", "PATH", "PWD", "SHLVL",
            }  # fmt: skip

    run_asyncio(body())


def test_m_ag_13_layers_of_docker_are_laid_over_each_other(layered: Place, tmp_path: Path) -> None:
    upper = packed(
        [
            file("opt/.wh.gone"),
            file("etc/.wh..wh..opq"),
            file("etc/passwd", b"root:x:0:0::/:/bin/sh\n"),
            file("opt/turned", b"file"),
            file("opt/.wh.emptied"),
            directory("opt/emptied"),
        ]
    )
    lower = root_tar(
        file("opt/gone", b"x"), file("opt/kept", b"x"), file("etc/older"), file("opt/turned/inner"),
        file("opt/emptied/inner"),
    )  # fmt: skip
    manifest = json.dumps([{"Config": "c.json", "RepoTags": ["tools/box:1"], "Layers": ["a/layer.tar", "b/layer.tar"]}])
    layered.put(
        packed(
            [
                file("a/layer.tar", lower),
                file("b/layer.tar", gzip.compress(upper)),
                file("manifest.json", manifest.encode()),
            ]
        ),
        "box:1.tar",
    )

    async def body() -> None:
        async with room(tmp_path, isolators(), provisioner=layered.provisioner()) as here:
            line = "ls /opt; cat /opt/turned; test -e /etc/older || echo; ls /opt/emptied; test -e /a || echo whole"
            told = await says(here, line, image=Image("box:1"))
            assert told.splitlines() == ["emptied", "kept", "turned", "file", "whole"]

    run_asyncio(body())


def test_m_ag_13_an_image_is_unpacked_once_and_anew_when_it_changes(layered: Place, tmp_path: Path) -> None:
    layered.put(gzip.compress(root_tar()), "busybox:latest.tgz")

    async def body() -> None:
        provisioner = layered.provisioner()
        async with room(tmp_path, isolators(), provisioner=provisioner) as here:
            told = await asyncio.gather(*(says(here, "cat /image", name=f"c{number}") for number in range(5)))
            assert set(told) == {"of busybox\n"}
            assert len(list(layered.store_directory.iterdir())) == 1
            layered.put(gzip.compress(root_tar(file("second", b"2"))), "busybox:latest.tgz")
            assert await says(here, "cat /second", name="d") == "2"
            assert len(list(layered.store_directory.iterdir())) == 2
            assert await provisioner.prune(["busybox"]) == 0
            plan = here.plan("r", "sleep", "1000", wishes=Wishes(image=BUSYBOX), directory=INSIDE)
            await here.containerizer.launch(plan)
            assert await provisioner.prune([]) == 1, "one is in use"
            await here.destroy("r")
            assert await provisioner.prune([]) == 1
            assert list(layered.store_directory.iterdir()) == []

    run_asyncio(body())


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("nothing", None, "There is no image 'nothing'"),
        ("../registry/busybox", None, "leads nowhere or out"),
        ("/etc/passwd", None, "leads nowhere or out"),
        ("busybox", b"no archive", "cannot be unpacked"),
        ("busybox", root_tar()[:5000], "cannot be unpacked"),
        ("busybox", packed([file("../../outside", b"x")]), "leads out"),
        ("busybox", packed([file("/tmp/absolute-image", b"x")]), "leads out"),
        ("busybox", packed([file("manifest.json", b"{}")]), "not about one image"),
        ("busybox", packed([file("manifest.json", b'[{"Layers": ["missing"]}]')]), "cannot be unpacked"),
        ("busybox", packed([file("x/.wh...", b"")]), "takes nothing away"),
    ],
)
def test_images_that_are_not_there_or_broken_fail_the_launch_in_words(
    layered: Place, tmp_path: Path, name: str, content: bytes | None, words: str
) -> None:
    if content is not None:
        layered.put(content)

    async def body() -> None:
        async with room(tmp_path, isolators(), provisioner=layered.provisioner()) as here:
            before = open_descriptors()
            plan = here.plan("c", "true", wishes=Wishes(image=Image(name)), directory=INSIDE)
            with pytest.raises(LaunchFailed, match=words):
                await here.containerizer.launch(plan)
            assert open_descriptors().keys() <= before.keys()

    run_asyncio(body())
    assert list(layered.store_directory.iterdir()) == []
    assert not Path("/tmp/absolute-image").exists() and not (tmp_path / "outside").exists()


def test_x51_a_container_that_is_destroyed_while_its_image_is_unpacked_leaves_nothing(
    layered: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layered.put(root_tar())
    waiting, go_on = asyncio.Event(), asyncio.Event()
    unpack = ImageStore._unpack

    async def slowly(self: ImageStore, name: str, source: Path, key: str) -> None:
        waiting.set()
        await go_on.wait()
        await unpack(self, name, source, key)

    monkeypatch.setattr(ImageStore, "_unpack", slowly)

    async def body() -> None:
        async with room(tmp_path, isolators(), provisioner=layered.provisioner()) as here:
            plan = here.plan("c", "true", wishes=Wishes(image=BUSYBOX), directory=INSIDE)
            launching = asyncio.ensure_future(here.containerizer.launch(plan))
            await waiting.wait()
            await here.destroy("c")
            with pytest.raises(LaunchFailed, match="PROVISIONING"):
                await launching
            assert not layered.roots.exists()
            # It is unpacked for whoever comes next.
            go_on.set()
            assert await says(here, "cat /image", name="d") == "of busybox\n"

    run_asyncio(body())


def test_x51_what_an_agent_before_left_is_removed_and_what_runs_keeps_its_image(
    layered: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layered.put(root_tar())

    async def body() -> None:
        first = layered.provisioner()
        await first.provision(cid("runs"), BUSYBOX)
        await first.provision(cid("gone"), BUSYBOX)
        (layered.store_directory / ".staging-1-1").mkdir()
        second = layered.provisioner()
        with monkeypatch.context() as stuck:

            def refuse(path: Path, stop: threading.Event) -> None:
                raise NotRemoved(f"{path} is mounted there")

            stuck.setattr("mesos_service.containers.provisioner.remove_tree", refuse)
            layered.provisioner().recover([cid("runs")])
        second.recover([cid("runs")])
        assert [path.name for path in layered.roots.iterdir()] == [cid("runs")]
        assert len(list(layered.store_directory.iterdir())) == 1, "half an image is gone"
        assert await second.prune([]) == 0
        await second.destroy(cid("runs"))
        assert await second.prune([]) == 1
        assert list(layered.roots.iterdir()) == list(layered.store_directory.iterdir()) == []
        with pytest.raises(NoImage):
            await second.provision(cid("other"), Image("none"))
        await until(lambda: not list(layered.roots.iterdir()))

    run_asyncio(body())
