"""The schema: brought up to date when a master takes the registry, and refused when it is newer (M-HA-14)."""

from __future__ import annotations

import logging
from functools import cache
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from mesos_service.registrar.interface import RegistryFault

MIGRATIONS: Final = Path(__file__).with_name("migrations")

# Alembic tells at level INFO what it is about to look at, each time.
logging.getLogger("alembic").setLevel(logging.WARNING)
log = logging.getLogger(__name__)


def refuse_newer(connection: Connection) -> None:
    """Touch nothing that a newer version has written.

    Raises:
        RegistryFault: the schema is one that this version does not know.
    """
    known = _revisions()
    for head in _heads(connection):
        if head not in known:
            raise RegistryFault(
                f"its schema has revision {head}, and this version knows none after {known[0]}: a newer mesos-service"
                " has written it. Run that version or a later one; nothing was changed"
            )


def is_current(connection: Connection) -> bool:
    """Whether the tables are those of this version."""
    return _heads(connection) == _revisions()[:1]


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Bring the tables to ``revision``, in the transaction that is open.

    Whoever calls has locked out others who might be doing the same, and has called :func:`refuse_newer`.
    """
    wanted = _revisions()[0] if revision == "head" else revision
    heads = _heads(connection)
    if heads != (wanted,):
        log.info("Bringing the registry's schema from %s to %s", ", ".join(heads) or "nothing", wanted)
        command.upgrade(_config(connection), revision)


@cache
def _revisions() -> tuple[str, ...]:
    """All that this version knows, the newest first. To find them out takes longer than all else that a new leader
    asks of a registry, and a program's files do not change while it runs."""
    return tuple(one.revision for one in ScriptDirectory.from_config(_config()).walk_revisions())


def _config(connection: Connection | None = None) -> Config:
    config = Config(attributes={"connection": connection})
    # A per cent sign in a path would otherwise be read as a reference.
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config


def _heads(connection: Connection) -> tuple[str, ...]:
    return MigrationContext.configure(connection).get_current_heads()
