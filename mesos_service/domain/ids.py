"""Identifiers as distinct types, so that a task id can never be passed where an agent id is meant.

On the wire an identifier is an object with a ``value`` (Mesos: ``mesos.proto``); inside it is the plain string.
Which strings are lawful is said once, in :func:`refuse_id`.
"""

from __future__ import annotations

import re
from typing import Final, NewType

AgentId = NewType("AgentId", str)
FrameworkId = NewType("FrameworkId", str)
OfferId = NewType("OfferId", str)
TaskId = NewType("TaskId", str)
ExecutorId = NewType("ExecutorId", str)
ContainerId = NewType("ContainerId", str)
OperationId = NewType("OperationId", str)
MasterId = NewType("MasterId", str)
StreamId = NewType("StreamId", str)
"""Names one subscription of one framework; changes with each SUBSCRIBE (Mesos: scheduler HTTP API)."""
LinkId = NewType("LinkId", str)
"""Names one connection of the agent link; one link may carry several agents."""
Role = NewType("Role", str)
"""A role path such as ``analytics/nightly``; ``*`` is the default role."""

ID_BYTES_MAX = 255
_INVALID: Final = re.compile(r"[/\\\x00-\x1f\x7f]")


RevocationId = NewType("RevocationId", str)
"""A task that is being revoked: its framework's id and its own."""


def refuse_id(value: str) -> str | None:
    """Say why ``value`` may not be an identifier, or ``None`` when it may (X14i, Mesos ``common/validation``).

    Identifiers become directory names on agents, hence no slash, no ``.`` or ``..`` and no control character.
    """
    if not value:
        return "ID must not be empty"
    if len(value.encode()) > ID_BYTES_MAX:
        return f"ID must not be greater than {ID_BYTES_MAX} characters"
    if value in (".", ".."):
        return f"'{value}' is disallowed"
    if _INVALID.search(value) is not None:
        return f"'{value}' contains invalid characters"
    return None
