"""The forms of ``--registry``: ``in_memory``, or the URL of an SQLite file or of a PostgreSQL database."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

IN_MEMORY: Final = "in_memory"
FILE_NAME: Final = "registry.sqlite"
"""The registry of a master of its own, in its work directory."""

_FORMS: Final = f"{IN_MEMORY}, sqlite:////path/to/file or postgresql://user:password@host/database"
_DRIVERS: Final = {
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
    "sqlite": "sqlite",
    "sqlite+pysqlite": "sqlite",
}


def parse_url(text: str) -> URL:
    """The URL of an SQL registry, with the driver that is used for it.

    Raises:
        ValueError: it is none; the sentence says what would be right, and never repeats a password.
    """
    if text == "replicated_log":
        raise ValueError(f"Mesos' replicated log is not kept here; a registry is {_FORMS}")
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise ValueError(f"no registry is written so; it is {_FORMS}") from None
    if url.drivername not in _DRIVERS:
        raise ValueError(f"'{url.drivername}' holds no registry; it is {_FORMS}")
    url = url.set(drivername=_DRIVERS[url.drivername])
    if url.drivername == "sqlite":
        return _check_sqlite(url)
    if not url.database:
        raise ValueError("the URL names no database, as in postgresql://user:password@host/database")
    if "@" in (url.host or "") or any(character.isspace() for character in str(url.password or "")):
        # Whoever masks the URL must see where the password ends.
        raise ValueError("in a password, write '@', '/', ':' and blanks percent-encoded, as in %40")
    if "password" in url.query:
        raise ValueError("the password belongs before the host, as in user:password@host, where it is masked")
    return url


def _check_sqlite(url: URL) -> URL:
    if not url.database or url.database == ":memory:" or url.database.startswith("file:"):
        raise ValueError(f"the URL names no file, as in sqlite:////var/lib/mesos/{FILE_NAME}; for none, {IN_MEMORY}")
    if url.query:
        raise ValueError("the URL of an SQLite file takes no parameters")
    return url


def check_registry(text: str) -> str:
    """``text`` in the one form that shows where a password begins and ends, once :func:`parse_url` has agreed."""
    return text if text == IN_MEMORY else parse_url(text).render_as_string(hide_password=False)


def file_url(directory: Path) -> str:
    """The URL of the registry in a work directory."""
    return URL.create("sqlite", database=str(directory.absolute() / FILE_NAME)).render_as_string(hide_password=False)


def shown(url: URL) -> str:
    """For people: without the password."""
    return url.render_as_string(hide_password=True)
