"""Processes that a test has started, and must not leave behind."""

from __future__ import annotations

from typing import Final

import psutil

SHARED_SERVERS: Final = frozenset({"java", "postgres"})
"""ZooKeeper and PostgreSQL, which all tests of a worker share: they are children of it, too."""


def living_children() -> list[psutil.Process]:
    """All descendants of this process that run, without the servers that tests share."""
    return [
        one
        for one in psutil.Process().children(recursive=True)
        if one.status() != psutil.STATUS_ZOMBIE and one.name() not in SHARED_SERVERS
    ]
