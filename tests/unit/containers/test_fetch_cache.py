"""The fetcher's cache: one bringing for all who ask, room made by what was used longest ago, nothing spoilt."""

from __future__ import annotations

import asyncio
import os
import zipfile
from collections.abc import Coroutine
from pathlib import Path
from typing import TypeVar

import pytest

from mesos_service.containers.archive import ArchiveLimits
from mesos_service.containers.fetch_cache import FetchCache
from mesos_service.containers.fetcher import Fetcher, FetchFailed, FetchLimits
from mesos_service.containers.plan import UriSpec
from mesos_service.containers.users import find_user
from tests.support.archives import PACKED
from tests.support.shop import Shop
from tests.unit.agent_service.support import until

T = TypeVar("T")


class Room:
    """A fetcher with a cache of 1000 bytes, and sandboxes."""

    def __init__(self, path: Path, bytes_max: int = 1000) -> None:
        self.path = path
        self.cache = FetchCache(path / "cache", bytes_max)
        limits = FetchLimits(
            stall_seconds_max=30.0, download_bytes_max=10_000, archive=ArchiveLimits(bytes_max=50_000, entries_max=10)
        )
        self.fetcher = Fetcher(limits, cache=self.cache)
        self.sandboxes = 0

    def sandbox(self) -> Path:
        self.sandboxes += 1
        made = self.path / f"sandbox-{self.sandboxes}"
        made.mkdir()
        return made

    async def fetch(self, value: str, user: str | None = None, **more: bool | str) -> Path:
        sandbox = self.sandbox()
        uri = UriSpec(value=value, cache=True, **more)  # type: ignore[arg-type]  # as the test says
        await self.fetcher.fetch([uri], sandbox, None if user is None else find_user(user))
        return sandbox

    @property
    def used(self) -> float:
        return self.fetcher.metrics()["containerizer/fetcher/cache_size_used_bytes"]

    def on_disk(self) -> int:
        return sum(one.stat().st_size for one in (self.path / "cache").rglob("*") if one.is_file())


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(tmp_path)


def run(work: Coroutine[object, object, T]) -> T:
    async def bounded() -> T:
        async with asyncio.timeout(60):
            return await work

    return asyncio.run(bounded())


def test_m_ag_14_ten_tasks_and_one_download(room: Room, shop: Shop) -> None:
    async def scenario() -> list[Path]:
        return await asyncio.gather(*(room.fetch(f"{shop.url}/100-a") for _ in range(10)))

    sandboxes = run(scenario())
    assert shop.gets == {"/100-a": 1}
    assert {(one / "100-a").stat().st_size for one in sandboxes} == {100}
    assert len({(one / "100-a").stat().st_ino for one in sandboxes}) == 10, "each has a file of its own"
    assert room.used == room.on_disk() == 100
    assert room.fetcher.metrics()["containerizer/fetcher/task_fetches_succeeded"] == 10


def test_m_ag_14_a_task_that_spoils_its_copy_spoils_nobody_elses(room: Room, shop: Shop) -> None:
    async def scenario() -> bytes:
        first = await room.fetch(f"{shop.url}/100-a")
        (first / "100-a").write_text("spoilt")
        return ((await room.fetch(f"{shop.url}/100-a", output_file="x/y")) / "x" / "y").read_bytes()

    assert run(scenario()) == bytes(100)
    assert shop.gets["/100-a"] == 1


def test_m_ag_14_room_is_made_by_what_was_used_longest_ago(room: Room, shop: Shop) -> None:
    async def scenario() -> None:
        for name in ("400-a", "400-b", "400-a", "400-c", "400-a", "400-b"):
            await room.fetch(f"{shop.url}/{name}")
            assert room.used == room.on_disk() <= 1000

    run(scenario())
    assert shop.gets == {"/400-a": 1, "/400-b": 2, "/400-c": 1}


@pytest.mark.parametrize("name", ["1001-big", "100-untold"])
def test_m_ag_14_what_finds_no_room_comes_past_the_cache(room: Room, shop: Shop, name: str) -> None:
    async def scenario() -> None:
        for _ in range(2):
            assert ((await room.fetch(f"{shop.url}/{name}")) / name).stat().st_size == int(name.partition("-")[0])

    run(scenario())
    assert shop.gets[f"/{name}"] == 2
    assert room.used == 0


def test_m_ag_14_nobody_is_robbed_of_what_is_being_brought(room: Room, shop: Shop) -> None:
    async def scenario() -> None:
        shop.open.clear()
        slow = asyncio.ensure_future(room.fetch(f"{shop.url}/700-slow"))
        await asyncio.to_thread(shop.began.wait)
        passing = asyncio.ensure_future(room.fetch(f"{shop.url}/500-other"))
        await until(lambda: shop.gets["/500-other"])
        assert room.used == 700
        shop.open.set()
        assert ((await slow) / "700-slow").stat().st_size == 700
        assert ((await passing) / "500-other").stat().st_size == 500

    run(scenario())


def test_m_ag_14_who_gives_up_spoils_it_for_nobody(room: Room, shop: Shop) -> None:
    async def scenario() -> None:
        shop.open.clear()
        first, second = (asyncio.ensure_future(room.fetch(f"{shop.url}/100-a")) for _ in range(2))
        await asyncio.to_thread(shop.began.wait)
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.wait((first,))
        shop.open.set()
        assert ((await second) / "100-a").stat().st_size == 100

    run(scenario())
    assert shop.gets["/100-a"] == 1


def test_m_ag_14_when_all_give_up_nothing_is_left(room: Room, shop: Shop) -> None:
    async def scenario() -> None:
        shop.open.clear()
        waiting = [asyncio.ensure_future(room.fetch(f"{shop.url}/100-a")) for _ in range(3)]
        await asyncio.to_thread(shop.began.wait)
        for one in waiting:
            one.cancel()
        await asyncio.wait(waiting)
        assert room.used == room.on_disk() == 0
        shop.open.set()
        await room.fetch(f"{shop.url}/100-a")
        assert room.used == 100

    run(scenario())
    assert shop.gets["/100-a"] == 2


def test_m_ag_14_a_failure_is_everybodys_and_is_not_kept(room: Room, shop: Shop) -> None:
    async def scenario() -> None:
        outcomes = await asyncio.gather(*(room.fetch(f"{shop.url}/gone") for _ in range(3)), return_exceptions=True)
        assert all(isinstance(one, FetchFailed) and "404" in str(one) for one in outcomes), outcomes
        assert room.used == 0

    run(scenario())
    assert room.fetcher.metrics()["containerizer/fetcher/task_fetches_failed"] == 3


@pytest.mark.skipif(os.geteuid() != 0, reason="files are given to another user, which takes root")
def test_m_ag_14_users_share_nothing(room: Room, shop: Shop, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("root's")
    secret.chmod(0o600)

    async def scenario() -> None:
        for user in (None, "nobody", None, "nobody"):
            sandbox = await room.fetch(f"{shop.url}/100-a", user)
            assert (sandbox / "100-a").stat().st_uid == (0 if user is None else find_user(user).uid)
        await room.fetch(str(secret))
        with pytest.raises(FetchFailed, match="may not read it"):
            await room.fetch(str(secret), "nobody")

    run(scenario())
    assert shop.gets["/100-a"] == 2


def test_m_ag_14_archives_are_unpacked_from_the_cache(room: Room, shop: Shop) -> None:
    async def scenario() -> None:
        for _ in range(2):
            sandbox = await room.fetch(f"{shop.url}/packed.tgz")
            assert sorted(one.name for one in sandbox.iterdir()) == ["inside", "tool"]
        kept = await room.fetch(f"{shop.url}/packed.tgz", extract=False)
        assert (kept / "packed.tgz").read_bytes() == PACKED
        program = await room.fetch(f"{shop.url}/packed.tgz", executable=True)
        assert (program / "packed.tgz").stat().st_mode & 0o111
        named = await room.fetch(f"{shop.url}/packed.tgz", output_file="other.tar.gz")
        assert "inside" in {one.name for one in named.iterdir()}

    run(scenario())


def test_m_ag_14_a_bomb_is_refused_by_way_of_the_cache_too(tmp_path: Path) -> None:
    room = Room(tmp_path, bytes_max=1_000_000)
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("zeros", bytes(2_000_000))
    with pytest.raises(FetchFailed, match="grows past"):
        run(room.fetch(str(bomb)))


def test_m_ag_14_what_was_left_by_an_agent_before_is_cleared_away(room: Room, shop: Shop) -> None:
    left = room.path / "cache" / "7" / "old"
    left.parent.mkdir(parents=True)
    left.write_text("old")
    run(room.fetch(f"{shop.url}/100-a"))
    assert not left.exists()
    assert room.on_disk() == 100
