"""Large answers encoded in slices, so that whoever sends them can let others have a turn in between.

A list that may be long is :func:`sliced`: it stands in a message like any other list and makes its items when they are
encoded. What it makes them of must not change meanwhile (``render.snapshot``). ``json_slices`` and ``protobuf_slices``
give the bytes of such a message in pieces, none of which is more than ``ITEMS_A_SLICE`` items' work.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterable, Iterator
from typing import Any, Final, TypeVar, cast

import msgspec

from mesos_service.wire import operator, operator_common
from mesos_service.wire.protobuf.encode import encode_protobuf, varint, writers

S = TypeVar("S")
T = TypeVar("T")

ITEMS_A_SLICE: Final = 64
"""Items of lists: a task in GET_STATE takes some 15 us, an agent 40 us."""
BYTES_A_SLICE: Final = 64 * 1024
"""A slice of large items ends earlier."""

_MARK: Final = b"\x00"
"""Where a list is to be put in. No JSON has this byte: within strings it is escaped."""


class Sliced(Iterable[S]):
    """A list whose items are made when somebody goes through it.

    ``make`` gives them anew each time; a ``None`` among them is no item, but work that had to be done first.
    """

    __slots__ = ("make",)

    def __init__(self, make: Callable[[], Iterator[S | None]]) -> None:
        self.make: Final = make

    def __iter__(self) -> Iterator[S]:
        return (one for one in self.make() if one is not None)


def sliced(make: Callable[[], Iterator[S | None]]) -> tuple[S, ...]:
    """A list for a message's field, which is printed even if nothing is in it."""
    # A confession: the encoders below take it for the list that it stands for, and nobody else gets to see it.
    return cast("tuple[S, ...]", Sliced(make))


class SlicedObject:
    """As :class:`Sliced`, but an object: its items are names with numbers. For JSON alone."""

    __slots__ = ("make",)

    def __init__(self, make: Callable[[], Iterator[tuple[str, float] | None]]) -> None:
        self.make: Final = make

    def fragments(self) -> Iterator[bytes]:
        """The name and the number of each item, as they stand in the object, and what is empty for work between."""
        for item in self.make():
            yield b"" if item is None else msgspec.json.encode(item[0]) + b":" + msgspec.json.encode(item[1])


def each(render: Callable[[T], S], found: Collection[T]) -> tuple[S, ...]:
    """A list with an item for each of ``found``; where there is none it is empty, and printed as any empty list is."""
    return sliced(lambda: map(render, found)) if found else ()


def json_slices(message: object) -> Iterator[bytes]:
    """The JSON of ``message``, or of a list of them, or of a ``SlicedObject``, in UTF-8."""
    if isinstance(message, SlicedObject):
        return _grouped(_object(message))
    return _grouped(_JsonFragments().of(message))


def _object(found: SlicedObject) -> Iterator[bytes]:
    before = b"{"
    for fragment in found.fragments():
        yield before + fragment if fragment else b""
        before = b"," if fragment else before
    yield b"}" if before == b"," else b"{}"


def protobuf_slices(message: msgspec.Struct) -> Iterator[bytes]:
    """The protobuf of ``message``. All of it comes last, since what is around a message tells its length; what comes
    before are empty pieces."""
    pieces: list[bytes] = []
    for done, _ in enumerate(_protobuf(message, pieces), 1):
        if done % ITEMS_A_SLICE == 0:
            yield b""
    yield from _grouped(pieces)


def _grouped(fragments: Iterable[bytes]) -> Iterator[bytes]:
    """Fragments are items, or what stands between them."""
    group: list[bytes] = []
    items = size = 0
    for one in fragments:
        group.append(one)
        items += 1
        size += len(one)
        if items >= ITEMS_A_SLICE or size >= BYTES_A_SLICE:
            yield b"".join(group)
            group.clear()
            items = size = 0
    if group:
        yield b"".join(group)


class _JsonFragments:
    def __init__(self) -> None:
        self._found: list[Sliced[Any]] = []  # Any: items of whatever lists there are
        self._encoder = msgspec.json.Encoder(enc_hook=self._stand_in)

    def _stand_in(self, value: object) -> msgspec.Raw:
        if not isinstance(value, Sliced):
            raise NotImplementedError(f"{type(value).__name__} has no JSON")
        self._found.append(value)
        return msgspec.Raw(_MARK)

    def of(self, value: object) -> Iterator[bytes]:
        text = self._encoder.encode(value)
        if not self._found:
            yield text
            return
        found, self._found = self._found, []
        begin, *ends = text.split(_MARK)
        yield begin
        for one, end in zip(found, ends, strict=True):
            before = b"["
            for item in one.make():
                if item is None:
                    yield b""
                    continue
                for fragment in self.of(item):
                    yield before + fragment if before else fragment
                    before = b""
                before = b","
            yield b"]" + end if before == b"," else b"[]" + end


_HOLDERS: Final[frozenset[type[msgspec.Struct]]] = frozenset(
    {
        operator.Event,
        operator.EventSubscribed,
        operator.Response,
        operator.ResponseGetAgents,
        operator.ResponseGetExecutors,
        operator.ResponseGetFrameworks,
        operator.ResponseGetFrameworksFramework,
        operator.ResponseGetRoles,
        operator.ResponseGetState,
        operator.ResponseGetTasks,
        operator_common.ResponseGetMetrics,
    }
)
"""Messages that have such lists, or others that have them. The rest is encoded at once."""


def _protobuf(message: msgspec.Struct, pieces: list[bytes]) -> Generator[None, None, int]:
    """Appends the encoded ``message`` to ``pieces``, and returns its size; each step is an item's work."""
    if type(message) not in _HOLDERS:
        whole = encode_protobuf(message)
        pieces.append(whole)
        return len(whole)
    size = 0
    for name, tag, write in writers(type(message)):
        value = getattr(message, name)
        if isinstance(value, Sliced):
            for item in value.make():
                if item is not None:
                    size += yield from _delimited(tag, item, pieces)
                yield
        elif type(value) in _HOLDERS:
            size += yield from _delimited(tag, value, pieces)
        elif value is not None:
            out = bytearray()
            write(value, out)
            pieces.append(bytes(out))
            size += len(out)
    return size


def _delimited(tag: bytes, message: msgspec.Struct, pieces: list[bytes]) -> Generator[None, None, int]:
    place = len(pieces)
    pieces.append(b"")
    inner = yield from _protobuf(message, pieces)
    pieces[place] = tag + varint(inner)
    return len(pieces[place]) + inner
