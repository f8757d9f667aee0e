"""Role names and the tree they form (Mesos docs, "Roles" and "Hierarchical roles"; M-AL-06)."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

ANY_ROLE: Final = "*"
"""The default role. Resources "reserved" to it are simply unreserved."""

WEIGHT_LEAST: Final = 1e-200
WEIGHT_MOST: Final = 1e200
"""Beyond these, a share over a weight, or a sum of weights, may be more than a float can be."""

_WHITESPACE_AND_BACKSPACE: Final = frozenset("\t\n\v\f\r \b")
_FORBIDDEN_COMPONENTS: Final = frozenset((".", "..", ANY_ROLE))


@lru_cache(maxsize=4096)
def refuse_role(role: str) -> str | None:
    """Say why ``role`` may not name a role, or ``None`` when it may.

    Roles become directory names on agents (persistent volumes live under their role), hence the rules on dots,
    dashes and slashes. ``*`` is lawful, but only as the whole name.
    """
    if role == ANY_ROLE:
        return None
    if not role:
        return "Role name must not be empty"
    if role.startswith("/"):
        return f"Role '{role}' cannot start with a slash"
    if role.endswith("/"):
        return f"Role '{role}' cannot end with a slash"
    for component in role.split("/"):
        if not component:
            return f"Role '{role}' cannot contain two adjacent slashes"
        if component in _FORBIDDEN_COMPONENTS:
            return f"Role '{role}' cannot include '{component}' as a component"
        if component.startswith("-"):
            return f"Role component '{component}' is invalid because it begins with a dash"
        if not _WHITESPACE_AND_BACKSPACE.isdisjoint(component):
            return f"Role component '{component}' is invalid because it contains backspace or whitespace"
        if any(ord(character) < 32 or ord(character) == 127 for character in component):
            return f"Role component {component!r} is invalid because it contains control characters"
    return None


def ancestors(role: str) -> tuple[str, ...]:
    """The roles above ``role``, nearest first: ``a/b/c`` has ``a/b`` and ``a``. ``*`` is nobody's ancestor."""
    parts = role.split("/")
    return tuple("/".join(parts[:length]) for length in range(len(parts) - 1, 0, -1))


def is_strict_subrole(role: str, of: str) -> bool:
    """Whether ``role`` lies strictly below ``of`` in the tree. A role is no strict sub-role of itself."""
    return len(role) > len(of) and role.startswith(of) and role[len(of)] == "/"


def counted_weight(weight: float) -> float:
    """As what a role's ``weight``, any positive number, counts: two so small or so large that no cluster could tell
    them apart are equal (X33)."""
    return min(max(weight, WEIGHT_LEAST), WEIGHT_MOST)
