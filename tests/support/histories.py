"""How many of the longer histories a run of the long suite goes through: all of them take hours."""

from __future__ import annotations

import os
from typing import Final

import pytest

SHARE: Final = 10
"""One in so many is gone through where nobody says otherwise."""


def longer(first: int, count: int) -> range:
    """Seeds of a kind of history, of which there are ``count`` from ``first`` on.

    The environment's ``HISTORIES`` says how many of each kind: a number, or "all".
    """
    asked = os.environ.get("HISTORIES", "")
    if asked == "all":
        return range(first, first + count)
    if not asked:
        return range(first, first + max(1, count // SHARE))
    if not (asked.isdecimal() and int(asked) > 0):
        raise pytest.UsageError(f"HISTORIES is '{asked}': say how many of each kind, such as 20, or all")
    return range(first, first + min(count, int(asked)))
