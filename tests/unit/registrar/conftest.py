"""Both databases: what holds for one has to hold for the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mesos_service.registrar.store import SqlStore
from mesos_service.registrar.url import file_url, parse_url

OpenStore = Callable[[str], SqlStore]


@pytest.fixture(params=["sqlite", "postgresql"])
def registry_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty registry in an SQLite file, and in a database of a real PostgreSQL server."""
    if request.param == "sqlite":
        return file_url(tmp_path)
    url: str = request.getfixturevalue("postgresql_url")
    return url


@pytest.fixture
def open_store() -> Iterator[OpenStore]:
    """Opens stores, and closes them after the test."""
    opened: list[SqlStore] = []

    def open_one(url: str) -> SqlStore:
        opened.append(SqlStore(parse_url(url)))
        return opened[-1]

    yield open_one
    for store in opened:
        store.close()
