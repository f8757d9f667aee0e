"""Showing things: tables for people, JSON for programs; faults as one line on standard error."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from enum import StrEnum
from typing import IO, Final

EXIT_OK: Final = 0
EXIT_FAULT: Final = 1
"""What was asked for could not be done."""
EXIT_USAGE: Final = 2
"""What was asked for makes no sense: an unknown flag, a wrong value."""


class OutputFormat(StrEnum):
    """Values of ``-o``."""

    TABLE = "table"
    JSON = "json"


def print_json(value: object) -> None:
    """One JSON document on standard output; indented where a person may be reading."""
    indent = 2 if sys.stdout.isatty() else None
    print(json.dumps(value, indent=indent, ensure_ascii=False))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns under their names. Into a pipe nothing is cut, aligned with colour, or drawn."""
    if sys.stdout.isatty() and not os.environ.get("NO_COLOR"):
        _print_rich(columns, rows)
    else:
        print_plain(columns, rows, sys.stdout)


def print_plain(columns: Sequence[str], rows: Sequence[Sequence[str]], out: IO[str]) -> None:
    """Columns padded with blanks, two between them; an empty field shows as ``-`` so that columns can be counted."""
    lines = [tuple(columns), *(tuple(_plain_field(field) for field in row) for row in rows)]
    widths = [max(len(line[index]) for line in lines) for index in range(len(columns))]
    for line in lines:
        out.write("  ".join(field.ljust(width) for field, width in zip(line, widths, strict=True)).rstrip() + "\n")


def _plain_field(field: str) -> str:
    # What a framework calls itself must not be able to write to the terminal.
    return "".join(character if character.isprintable() else "?" for character in field) or "-"


def _print_rich(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        # Text, because a name in brackets is no markup.
        table.add_row(*(Text(_plain_field(field)) for field in row))
    Console().print(table)


def complain(text: str) -> None:
    """Each line of ``text`` on standard error, after the program's name."""
    for line in text.splitlines():
        print(f"mesos-service: {line}", file=sys.stderr)
