"""Run by Alembic. The connection, and the transaction that is open on it, are those of ``registrar.schema``."""

from __future__ import annotations

from alembic import context

# On SQLite too, where Alembic presumes otherwise: ours begins its transactions before the first statement.
context.configure(connection=context.config.attributes["connection"], transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
