"""Which groups are ours: written down before a group is made, and crossed out when it is gone.

Whoever shares the machine may have groups beside ours, another agent above all, so a group is touched only when the
book has it. It is in a file, because an agent that dies between making a group and starting the process in it leaves
nothing else behind that tells whose the group is.

Lines are only ever added, ``["made", HIERARCHY, CONTAINER, GROUP]`` and ``["gone", HIERARCHY, CONTAINER]``, and the
file is written anew when few of them still matter: on most file systems that costs a hundredth of making and removing
a file for each group. Nothing is synchronised to disk, since no group survives a power cut.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final
from weakref import WeakValueDictionary

from mesos_service.domain.errors import OperatingFault
from mesos_service.domain.ids import ContainerId

_FILE: Final = "groups"
_LINES_MIN: Final = 4096
_LINES_FACTOR: Final = 4
"""The file is written anew when it has more lines than the first, and so many times those that would be left."""

_open: WeakValueDictionary[Path, Book] = WeakValueDictionary()


def open_book(directory: Path) -> Book:
    """The book in ``directory``, which all isolators of an agent share; made when the first group is written down."""
    book = _open.get(directory)
    if book is None:
        book = _open[directory] = Book(directory)
    return book


class Book:
    """The groups that the containers of one agent have; for one writer at a time (see :func:`open_book`)."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / _FILE
        self._groups: dict[tuple[str, ContainerId], str] = {}
        self._lines: int | None = None
        """``None`` until something is written."""
        self._read()

    def claim(self, container_id: ContainerId, groups: Mapping[str, Path]) -> None:
        """Write down that ``groups``, by hierarchy, are about to be made; those that are ours already stay so.

        Raises :class:`OperatingFault` when there is such a group, and it is not ours; then nothing is written.
        """
        new = {name: str(group) for name, group in groups.items() if (name, container_id) not in self._groups}
        for group in new.values():
            if os.path.lexists(group):
                raise OperatingFault(f"{group} is there already, and was made by somebody else")
        try:
            self._write(["made", name, container_id, group] for name, group in new.items())
        except OSError as error:
            raise OperatingFault(
                f"Failed to write down in {self._path} that groups are ours: {error.strerror}"
            ) from error
        for name, group in new.items():
            self._groups[name, container_id] = group

    def has(self, hierarchy: str, container_id: ContainerId) -> bool:
        """Whether the container's group in that hierarchy is ours."""
        return (hierarchy, container_id) in self._groups

    def containers(self, hierarchy: str) -> Iterator[ContainerId]:
        """All that have a group there."""
        return (container_id for name, container_id in tuple(self._groups) if name == hierarchy)

    def cross_out(self, container_id: ContainerId, hierarchies: Iterable[str]) -> None:
        """Its groups there are gone. Raises :class:`OperatingFault` when that cannot be written down."""
        gone = [name for name in hierarchies if self._groups.pop((name, container_id), None) is not None]
        if gone:
            try:
                self._write(["gone", name, container_id] for name in gone)
            except OSError as error:
                raise OperatingFault(f"Failed to write to {self._path}: {error.strerror}") from error

    # -- the file --------------------------------------------------------------------------------------------
    def _read(self) -> None:
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            return
        except OSError as error:
            raise OperatingFault(
                f"Cannot read which control groups are ours: {self._path}: {error.strerror}"
            ) from error
        *lines, _ = data.split(b"\n")  # A last line without an end was being written when the agent died.
        for line in lines:
            match json.loads(line):
                case ["made", hierarchy, container_id, group]:
                    self._groups[hierarchy, container_id] = group
                case ["gone", hierarchy, container_id]:
                    self._groups.pop((hierarchy, container_id), None)

    def _write(self, entries: Iterable[Sequence[str]]) -> None:
        lines = [json.dumps(entry) + "\n" for entry in entries]
        if not lines:
            return
        if self._lines is None or self._lines > max(_LINES_MIN, _LINES_FACTOR * len(self._groups)):
            self._begin()
        data = "".join(lines).encode()
        handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        try:
            written = os.write(handle, data)
            if written < len(data):
                os.ftruncate(handle, os.fstat(handle).st_size - written)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        finally:
            os.close(handle)
        self._lines = (self._lines or 0) + len(lines)

    def _begin(self) -> None:
        """Write the file anew with what is ours now; the old one stays when that fails."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._path.with_suffix(".new")
        rows = [["made", name, container_id, group] for (name, container_id), group in self._groups.items()]
        fresh.write_text("".join(json.dumps(row) + "\n" for row in rows))
        fresh.rename(self._path)
        self._lines = len(rows)
