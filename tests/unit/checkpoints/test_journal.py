"""The file of records: torn ends, corruption, full disks, and who may use the place (X05, X07)."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesos_service.checkpoints import journal, spelling, writer
from mesos_service.checkpoints.files import MetaDirectory
from mesos_service.checkpoints.journal import Journal, line
from mesos_service.checkpoints.writer import CheckpointWriter
from mesos_service.core.agent.records import AgentKept, FrameworkForgotten, Record, TaskKept, UpdateAcknowledged
from mesos_service.core.agent_messages import Checkpointed
from mesos_service.domain.agents import AgentInfo
from mesos_service.domain.errors import ConfigurationError
from mesos_service.domain.ids import AgentId, FrameworkId, TaskId
from mesos_service.wire.containers import CommandInfo
from tests.unit.core.agent.lives import STORIES, Life

ME = AgentKept(AgentInfo(hostname="h", agent_id=AgentId("S1")))


def acknowledged(number: int) -> Record:
    return UpdateAcknowledged(framework_id=FrameworkId("F"), task_id=TaskId(f"t{number}"), uuid=bytes(16))


def all_kinds() -> list[Record]:
    """What some whole lives wrote."""
    records: list[Record] = []
    for story in STORIES.values():
        life = Life()
        life.register()
        story(life)
        records += life.disk
    return list(map(with_a_command, records))


def with_a_command(record: Record) -> Record:
    """The core never looks at a command, so its tests have texts in their place."""
    if not isinstance(record, TaskKept):
        return record
    return replace(record, info=replace(record.info, command=CommandInfo(value="sleep 1")))


RECORDS = all_kinds()
LINES = list(map(line, RECORDS))


def spelt(records: Sequence[Record]) -> list[bytes]:
    return [spelling.encode(record) for record in records]


def written(tmp_path: Path, records: Sequence[Record]) -> Path:
    path = tmp_path / "S1" / "journal"
    path.parent.mkdir(exist_ok=True)
    made = Journal(path)
    made.rewrite([line(record) for record in records[:1]])
    made.append([line(record) for record in records[1:]])
    made.close()
    return path


def test_x07_what_was_written_is_read(tmp_path: Path) -> None:
    content = journal.read(written(tmp_path, RECORDS))
    assert spelt(content.records) == spelt(RECORDS)
    assert (content.corrupt_lines, content.torn_bytes) == (0, 0)


def test_where_nothing_was_written_nothing_is_read(tmp_path: Path) -> None:
    assert journal.read(tmp_path / "journal").records == []


def test_x07_a_journal_that_is_cut_off_anywhere_gives_what_was_whole(tmp_path: Path) -> None:
    path = written(tmp_path, RECORDS[:12])
    whole = path.read_bytes()
    ends = [position + 1 for position, byte in enumerate(whole) if byte == ord("\n")]
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        content = journal.read(path)
        assert spelt(content.records) == spelt(RECORDS[: sum(end <= length for end in ends)])
        assert content.torn_bytes == length - max([0, *(end for end in ends if end <= length)])


@given(position=st.integers(min_value=0), flipped=st.integers(min_value=1, max_value=255))
def test_x07_a_byte_that_changed_is_found(
    tmp_path_factory: pytest.TempPathFactory, position: int, flipped: int
) -> None:
    path = written(tmp_path_factory.mktemp("journal"), RECORDS[:4])
    data = bytearray(path.read_bytes())
    position %= len(data)
    was_end = data[position] == ord("\n")
    data[position] ^= flipped
    path.write_bytes(data)
    if was_end and position == len(data) - 1:
        # The last line has lost its end, and is one that was being written.
        assert spelt(journal.read(path).records) == spelt(RECORDS[:3])
        return
    with pytest.raises(ConfigurationError, match="is corrupt at line"):
        journal.read(path)
    assert path.read_bytes() == bytes(data), "nothing is repaired behind anybody's back"
    lenient = journal.read(path, strict=False)
    assert lenient.corrupt_lines >= 1
    assert set(spelt(lenient.records)) < set(spelt(RECORDS[:4]))


def test_the_refusal_names_the_file_and_what_to_do(tmp_path: Path) -> None:
    path = written(tmp_path, RECORDS[:3])
    path.write_bytes(b"rubbish\n" + path.read_bytes())
    with pytest.raises(ConfigurationError) as refusal:
        journal.read(path)
    text = str(refusal.value)
    assert str(path) in text
    assert "line 1" in text
    assert "--no-strict" in text
    assert str(tmp_path / "latest") in text


def test_a_record_of_an_unknown_kind_is_no_record() -> None:
    with pytest.raises(ValueError, match="type"):
        spelling.decode(b'{"type":"SOMETHING_NEW"}')


def test_a_write_that_fails_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "journal"
    made = Journal(path)
    made.rewrite(LINES[:2])
    real = os.write

    def half(handle: int, data: bytes) -> int:
        real(handle, bytes(data)[:20])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", half)
        with pytest.raises(OSError, match="No space"):
            made.append(LINES[2:4])
    assert journal.read(path).torn_bytes == 0
    made.append(LINES[4:5])
    assert spelt(journal.read(path).records) == spelt([*RECORDS[:2], RECORDS[4]])
    made.close()


# -- the place -----------------------------------------------------------------------------------------------


def test_two_agents_cannot_work_in_one_place(tmp_path: Path) -> None:
    first = MetaDirectory(tmp_path)
    with pytest.raises(ConfigurationError, match="Another agent works in"):
        MetaDirectory(tmp_path)
    first.close()
    MetaDirectory(tmp_path).close()


def test_m_ag_15_places_of_former_agents_are_those_that_nobody_goes_on_with(tmp_path: Path) -> None:
    meta = MetaDirectory(tmp_path)
    assert meta.former() == []
    for name in ("S1", "S2", "S3"):
        meta.begin(AgentId(name)).write_text("records")
    os.utime(tmp_path / "meta/slaves/S1", (1000, 1000))
    os.utime(tmp_path / "meta/slaves/S1/journal", (2000, 2000))
    meta.choose(AgentId("S2"))
    former = dict(meta.former())
    assert sorted(one.name for one in former) == ["S1", "S3"]
    assert former[tmp_path / "meta/slaves/S1"] == 2000
    meta.forget()
    assert sorted(one.name for one, _ in meta.former()) == ["S1", "S2", "S3"]
    meta.close()


def test_x52_that_the_machine_was_restarted_is_told_once(tmp_path: Path) -> None:
    meta = MetaDirectory(tmp_path)
    assert not meta.machine_restarted()
    for left in (b"another\n", b"\xff\x00", b""):
        (meta.path / "boot_id").write_bytes(left)
        assert meta.machine_restarted()
        assert not meta.machine_restarted()
    meta.close()


# -- beside the loop -----------------------------------------------------------------------------------------


class Desk:
    """A writer, and what it told."""

    def __init__(self, work_dir: Path) -> None:
        self.meta = MetaDirectory(work_dir)
        self.stored: list[int] = []
        self.failures: list[str] = []
        self.defects: list[BaseException] = []
        self.writer = CheckpointWriter(
            self.meta, lambda: [ME], lambda done: self.stored.append(done.number), self.failures.append, self.defect
        )

    def defect(self, error: BaseException) -> None:
        self.defects.append(error)

    @property
    def path(self) -> Path:
        return self.meta.latest / "journal"

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(60):
            while not condition():  # noqa: ASYNC110 - a thread does what is waited for
                await asyncio.sleep(0.002)

    async def close(self) -> None:
        await self.writer.finish()
        self.meta.close()


def test_x05_what_comes_up_together_is_written_together_and_told_when_it_is_stored(tmp_path: Path) -> None:
    async def scenario() -> None:
        desk = Desk(tmp_path)
        desk.writer.store(1, ME)
        for number in range(2, 50):
            desk.writer.store(number, acknowledged(number))
        assert desk.stored == []
        await desk.until(lambda: desk.stored)
        assert desk.stored == [49]
        desk.writer.store(50, acknowledged(50))
        await desk.close()
        assert desk.stored == [49, 50]
        assert journal.read(desk.path).records == [ME, *map(acknowledged, range(2, 51))]

    asyncio.run(scenario())


def test_a_long_journal_is_written_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "REWRITE_BYTES_MIN", 2000)

    async def scenario() -> None:
        desk = Desk(tmp_path)
        desk.writer.store(1, ME)
        for number in range(2, 100):
            desk.writer.store(number, acknowledged(number))
            await desk.until(lambda number=number: desk.stored[-1:] == [number])  # type: ignore[misc]
        await desk.close()
        assert desk.path.stat().st_size < 4000
        assert journal.read(desk.path).records[0] == ME

    asyncio.run(scenario())


def test_a_journal_of_what_still_lives_is_not_written_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing would be gained; and how often that is found out does not grow with each record."""
    monkeypatch.setattr(journal, "REWRITE_BYTES_MIN", 1000)

    async def scenario() -> None:
        desk = Desk(tmp_path)
        records: list[Record] = [ME]
        looks = 0
        rewritten: list[Sequence[bytes]] = []

        def snapshot() -> Sequence[Record]:
            nonlocal looks
            looks += 1
            return list(records)

        desk.writer = CheckpointWriter(
            desk.meta, snapshot, lambda done: desk.stored.append(done.number), desk.failures.append, desk.defect
        )
        desk.writer.store(1, ME)
        await desk.until(lambda: desk.stored == [1])
        monkeypatch.setattr(Journal, "rewrite", lambda self, lines: rewritten.append(lines))
        for number in range(2, 300):
            records.append(acknowledged(number))
            desk.writer.store(number, records[-1])
            await desk.until(lambda number=number: desk.stored[-1:] == [number])  # type: ignore[misc]
        await desk.close()
        assert journal.read(desk.path).records == records
        assert 1 <= looks <= 6, "whenever it has doubled"
        assert not rewritten

    asyncio.run(scenario())


def test_a_full_disk_holds_everything_up_until_there_is_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        desk = Desk(tmp_path)
        desk.writer.store(1, ME)
        await desk.until(lambda: desk.stored == [1])
        tries = 0

        def full(self: Journal, lines: Sequence[bytes]) -> None:
            nonlocal tries
            tries += 1
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(writer, "_RETRY_SECONDS", 0.001)
        with monkeypatch.context() as patched:
            patched.setattr(Journal, "append", full)
            desk.writer.store(2, acknowledged(2))
            await desk.until(lambda: tries > 2)
            assert desk.stored == [1]
        await desk.until(lambda: desk.stored == [1, 2])
        await desk.close()
        assert not desk.failures

    asyncio.run(scenario())


def test_x05_what_cannot_be_stored_is_never_told_as_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        desk = Desk(tmp_path)
        desk.writer.store(1, ME)
        await desk.until(lambda: desk.stored == [1])

        def broken(self: Journal, lines: Sequence[bytes]) -> None:
            raise OSError(errno.EIO, "Input/output error")

        monkeypatch.setattr(Journal, "append", broken)
        desk.writer.store(2, acknowledged(2))
        await desk.until(lambda: desk.failures)
        desk.writer.store(3, FrameworkForgotten(FrameworkId("F")))
        await desk.close()
        assert desk.stored == [1]
        [told] = desk.failures
        assert told.startswith("Cannot write checkpoints to")
        assert "Input/output error" in told

    asyncio.run(scenario())


def test_a_defect_behind_the_answer_is_told(tmp_path: Path) -> None:
    async def scenario() -> None:
        desk = Desk(tmp_path)

        def trip(done: Checkpointed) -> None:
            raise RuntimeError("a defect of ours")

        desk.writer = CheckpointWriter(desk.meta, lambda: [ME], trip, desk.failures.append, desk.defect)
        desk.writer.store(1, ME)
        await desk.until(lambda: desk.defects)
        await desk.close()

    asyncio.run(scenario())
