"""Large answers in slices: the same bytes as at once, and no slice larger than it may be."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from mesos_service.wire import common, operator, tasks
from mesos_service.wire.encode import encode_message
from mesos_service.wire.protobuf.encode import encode_protobuf
from mesos_service.wire.sliced import (
    BYTES_A_SLICE,
    ITEMS_A_SLICE,
    SlicedObject,
    each,
    json_slices,
    protobuf_slices,
    sliced,
)

COUNT = 10 * ITEMS_A_SLICE + 3


def task(number: int) -> tasks.Task:
    return tasks.Task(
        name=f"täsk \x00 {number}",
        task_id=common.TaskID(value=str(number)),
        framework_id=common.FrameworkID(value="f"),
        agent_id=common.AgentID(value="a"),
        state="TASK_RUNNING",
    )


def answer(listed: tuple[tasks.Task, ...], completed: tuple[tasks.Task, ...] = ()) -> operator.Response:
    found = operator.ResponseGetTasks(tasks=listed, completed_tasks=completed)
    state = operator.ResponseGetState(get_tasks=found, get_agents=operator.ResponseGetAgents())
    return operator.Response(type="GET_STATE", get_state=state)


class Counting:
    """Counts what is made of items between two slices."""

    def __init__(self) -> None:
        self.made = 0

    def task(self, number: int) -> tasks.Task:
        self.made += 1
        return task(number)


@pytest.mark.parametrize("count", [0, 1, 2, ITEMS_A_SLICE, COUNT])
def test_slices_are_what_would_be_written_at_once(count: int) -> None:
    whole = answer(tuple(map(task, range(count))), tuple(map(task, range(count, count + 5))))
    pieces = answer(each(task, range(count)), sliced(lambda: map(task, range(count, count + 5))))
    assert b"".join(json_slices(pieces)) == encode_message(whole)
    assert b"".join(protobuf_slices(pieces)) == encode_protobuf(whole)


@pytest.mark.parametrize("count", [0, 1, 2, ITEMS_A_SLICE, COUNT])
def test_an_object_in_slices_is_what_would_be_written_at_once(count: int) -> None:
    whole = {f"näme/\x00 {number}": number / 8 for number in range(count)}
    worked = 0

    def told() -> Iterator[tuple[str, float] | None]:
        nonlocal worked
        for one in whole.items():
            worked += 2
            yield None
            yield one

    pieces = []
    for piece in json_slices(SlicedObject(told)):
        assert worked <= ITEMS_A_SLICE + 2
        worked = 0
        pieces.append(piece)
    assert b"".join(pieces) == msgspec.json.encode(whole)


def test_lists_within_items_of_lists() -> None:
    class Inner(msgspec.Struct):
        numbers: tuple[int, ...]
        name: str = "n"

    class Outer(msgspec.Struct):
        inner: tuple[Inner, ...]
        empty: tuple[int, ...]
        end: int = 1

    def inner(number: int) -> Inner:
        return Inner(numbers=each(int, range(number)))

    pieces = Outer(inner=each(inner, range(5)), empty=sliced(lambda: iter(())))
    whole = Outer(inner=tuple(Inner(numbers=tuple(range(one))) for one in range(5)), empty=())
    assert b"".join(json_slices(pieces)) == msgspec.json.encode(whole)


@pytest.mark.parametrize("encode", [json_slices, protobuf_slices])
def test_n17_no_slice_is_more_than_its_number_of_items(encode: object) -> None:
    assert callable(encode)
    counting = Counting()
    largest = before = 0
    for piece in encode(answer(each(counting.task, range(COUNT)))):
        largest = max(largest, counting.made - before)
        before = counting.made
        assert len(piece) <= 2 * BYTES_A_SLICE
    assert counting.made == COUNT
    assert 0 < largest <= ITEMS_A_SLICE + 1


def test_n17_work_that_is_no_item_counts_too() -> None:
    done = 0

    def work() -> Iterator[tasks.Task | None]:
        nonlocal done
        for _ in range(COUNT):
            done += 1
            yield None
        yield task(1)

    for encode in (json_slices, protobuf_slices):
        done = largest = before = 0
        found = []
        for piece in encode(answer(sliced(work))):
            largest, before = max(largest, done - before), done
            found.append(piece)
        assert largest <= ITEMS_A_SLICE + 1
    assert b"".join(json_slices(answer(sliced(work)))) == encode_message(answer((task(1),)))


def test_n17_large_items_end_a_slice_early() -> None:
    def large(number: int) -> tasks.Task:
        return msgspec.structs.replace(task(number), name="x" * (BYTES_A_SLICE // 4))

    assert max(map(len, json_slices(answer(each(large, range(40)))))) < 2 * BYTES_A_SLICE


def test_what_has_no_json_is_not_taken_for_a_list() -> None:
    with pytest.raises(NotImplementedError):
        list(json_slices([object()]))
