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
