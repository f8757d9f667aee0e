"""The keeper's books (see ``keeper.py``), for it and for an agent that finds no keeper; standard library only."""

# pathlib would double the time that the keeper takes to start.
# ruff: noqa: PTH104, PTH123

from __future__ import annotations

import json
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any  # At run time it would cost a third of the start.

BOOKS_LINES_MIN = 4096
"""The books are written anew at the earliest with so many lines, and when that makes a quarter of them."""


class Books:
    """What is kept, in a file: a line of JSON for each process when it starts, when it ends, and when it is forgotten.

    One process writes at a time: the keeper, or the agent where there is none.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.entries: dict[str, dict[str, Any]] = {}  # Any: what a line says; both ends are ours
        """By container: ``pid``, ``start_ticks``, ``boot_id``, ``stays``; and ``status``, null while it lives."""
        self.unreadable = 0
        """Lines that say nothing, one that was cut off as the writer died left out."""
        self.lines = 0
        self.handle = -1
        try:
            with open(path, encoding="utf-8", errors="surrogateescape") as file:
                *lines, _ = file.read().split("\n")
        except FileNotFoundError:
            return
        for line in lines:
            try:
                name, entry = json.loads(line)
                self.note(name, entry)
            except (ValueError, TypeError):
                self.unreadable += 1

    def note(self, name: str, entry: dict[str, Any] | None) -> None:
        if not isinstance(name, str) or not (entry is None or isinstance(entry, dict)):
            raise TypeError("a line names a container, and says what is known of it")
        if entry is None:
            self.entries.pop(name, None)
        else:
            self.entries[name] = entry

    def write(self, name: str, entry: dict[str, Any] | None) -> None:
        """Add a line; ``None`` forgets the container. Raises ``OSError``; the next line then begins a new file."""
        self.note(name, entry)
        if self.handle < 0 or self.lines > max(BOOKS_LINES_MIN, 4 * len(self.entries)):
            self.begin()
            return
        data = json.dumps([name, entry]).encode() + b"\n"
        try:
            whole = os.write(self.handle, data) == len(data)
        except OSError:
            whole = False
        if not whole:
            os.close(self.handle)
            self.handle = -1
            self.begin()
        self.lines += 1

    def begin(self) -> None:
        fresh = self.path + ".new"
        with open(fresh, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.writelines(json.dumps(row) + "\n" for row in self.entries.items())
        os.rename(fresh, self.path)
        if self.handle >= 0:
            os.close(self.handle)
        self.handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        self.lines = len(self.entries)

    def close(self) -> None:
        if self.handle >= 0:
            os.close(self.handle)
            self.handle = -1
