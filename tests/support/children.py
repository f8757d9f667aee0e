"""Processes that a test has started, and must not leave behind."""

from __future__ import annotations

from typing import Final

import psutil

SHARED_SERVERS: Final = frozenset({"java", "postgres"})
"""ZooKeeper and PostgreSQL, which all tests of a worker share: they are children of it, too."""


def runs(process: psutil.Process) -> bool:
    """Whether it has not ended, nor waits for its parent to hear of that."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False  # It ended while it was looked at.


def living_children() -> list[psutil.Process]:
    """All descendants of this process that run, without the servers that tests share."""
    return [one for one in psutil.Process().children(recursive=True) if _counts(one)]


def _counts(process: psutil.Process) -> bool:
    try:
        return runs(process) and process.name() not in SHARED_SERVERS
    except psutil.NoSuchProcess:
        return False


def command_line(process: psutil.Process) -> list[str]:
    """Its words; none of one that ended while it was looked at."""
    try:
        return list(process.cmdline())
    except psutil.NoSuchProcess:
        return []


def running_with(word: str) -> list[psutil.Process]:
    """Of all descendants, those with this word in their command line."""
    return [one for one in living_children() if word in command_line(one)]


def is_keeper(process: psutil.Process) -> bool:
    """Whether it is what an agent keeps its tasks by."""
    return any(part.endswith("keeper.py") for part in command_line(process))
