"""A journal in segments: ``FILE.000001``, ``FILE.000002`` and so on, which are complete, and ``FILE``, the last one.

What stood before a segment is told again in ``FILE.000002.start`` and its like, so that the oldest may go: reading then
begins there. A segment's first line says which it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from mesos_service.core.effects import Told
from mesos_service.fairness.spelling import Kinds, read
from mesos_service.plugins.loader import OFFER_FILTERS, Place, available, listed, load
from mesos_service.plugins.offer_filter import OfferFilter

_NUMBER = re.compile(r"\.(\d{6,})")
_DRAFT = re.compile(r"\.\d{6,}\.start\.\d+\.draft")


class Line(NamedTuple):
    """One call, where it stands: ``number`` is that of the line in ``file``, from 1."""

    file: Path
    number: int
    told: Told


class Remark(NamedTuple):
    """About the journal itself. ``hole``: what was decided there nobody knows."""

    text: str
    hole: bool


def segments(path: Path) -> dict[int, Path]:
    """The complete segments of the journal ``path`` by number, in order."""
    found = {}
    for file in path.absolute().parent.glob(f"{_escaped(path.name)}.*"):
        match = _NUMBER.fullmatch(file.name[len(path.name) :])
        if match is not None:
            found[int(match[1])] = file
    return dict(sorted(found.items()))


def segment(path: Path, number: int) -> Path:
    """Where segment ``number`` is when it is complete."""
    return path.absolute().with_name(f"{path.name}.{number:06}")


def start_of(path: Path, number: int) -> Path:
    """What is so where segment ``number`` begins."""
    return path.absolute().with_name(f"{path.name}.{number:06}.start")


def drafts(path: Path) -> list[Path]:
    """Starts that are being written, or were when somebody was ended."""
    found = path.absolute().parent.glob(f"{_escaped(path.name)}.*.draft")
    return [file for file in found if _DRAFT.fullmatch(file.name[len(path.name) :])]


class _Filters(Mapping[str, type[OfferFilter]]):
    """Each is imported when a journal names it: what lies beside may be of another kind, or need what is not here."""

    def __init__(self, places: Sequence[Place]) -> None:
        self._places = places
        self._names = dict.fromkeys([*(one.name for one in available(OFFER_FILTERS, places)), *listed(places)])
        self._loaded: dict[str, type[OfferFilter]] = {}

    def __getitem__(self, name: str) -> type[OfferFilter]:
        """Raises :class:`ConfigurationError` where there is such a module and it is not one of a filter."""
        if name not in self._loaded:
            if name not in self._names:
                raise KeyError(name)
            self._loaded[name] = load(OFFER_FILTERS, name, self._places)
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def filters_in(places: Sequence[Place]) -> Kinds:
    """The offer filters that a journal may name, of folders and manifests; it may name modules of other kinds, too."""
    return _Filters(places)


def read_segments(path: Path, kinds: Kinds) -> Iterator[Line | Remark]:
    """All that is left of a journal, in order. After a hole it goes on where a start is known, and otherwise ends.

    Raises:
        JournalFault: a line is not of a journal.
        OSError: a file cannot be read.
    """
    path = path.resolve()
    there = segments(path)
    last = number_of(path, max(there, default=0) + 1) if path.exists() or not there else None
    # A master that writes may just have begun another one.
    there = {} if last is None else {last: path}
    there |= segments(path)
    expected, broken = 1, False
    for number, file in sorted(there.items()):
        if number != expected or broken:
            if expected == 1:
                yield Remark(f"What was decided before segment {number} is gone, as the journal was full", hole=False)
            elif not broken:
                which = f"segment {expected}" if number == expected + 1 else f"segments {expected} to {number - 1}"
                yield Remark(f"{which} of the journal is missing", hole=True)
            start = start_of(path, number)
            if not start.exists():
                yield Remark(f"{start.name}, which would say what was so at the start of {file.name}, is missing", True)
                return
            yield from (Line(start, line, told) for line, told in read(start, kinds))
        expected, broken = number + 1, False
        if file == path and number_of(path, number) != number:
            file = segment(path, number)  # complete by now
        for line, told in read(file, kinds):
            if told.method != "segment":
                yield Line(file, line, told)
        if _is_broken_off(file):
            broken = number != last
            yield Remark(f"the last line of {file.name} is broken off", hole=broken)


def number_of(path: Path, otherwise: int) -> int:
    """Which segment the file is that is written: its first line says so, save of the first one; ``otherwise`` where it
    has none yet."""
    with path.open("rb") as file:
        first = file.readline()
    if not first.endswith(b"\n"):
        return otherwise
    for _, told in read(path, {}, lines_max=1) if first.startswith(b'{"do":"segment"') else ():
        return int(told.arguments[0])
    return 1


def _is_broken_off(file: Path) -> bool:
    with file.open("rb") as opened:
        size = opened.seek(0, 2)
        if not size:
            return False
        opened.seek(size - 1)
        return opened.read(1) != b"\n"


def _escaped(name: str) -> str:
    return re.sub(r"([*?[])", r"[\1]", name)
