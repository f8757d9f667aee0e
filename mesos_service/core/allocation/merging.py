"""Grants of several pieces become one offer each."""

from __future__ import annotations

from collections.abc import Sequence

from mesos_service.domain.ids import AgentId, FrameworkId, Role
from mesos_service.domain.resources import Resources
from mesos_service.plugins.allocator import Grant


def merged(grants: list[Grant], may_repeat: int, again: Sequence[int]) -> list[Grant]:
    """What one framework was granted in one role on one agent, in several pieces, is one offer.

    Only the first ``may_repeat`` grants may be followed by a piece of the same, and among the later ones only those
    in ``again`` may be one.
    """
    if not may_repeat:
        return grants
    places: dict[tuple[FrameworkId, Role, AgentId], int] = {}
    sums: dict[int, Resources] = {}
    pieces: set[int] = set()
    for number in (*range(may_repeat), *again):
        framework_id, role, agent_id, resources = grants[number]
        place = places.setdefault((framework_id, role, agent_id), number)
        if place != number:
            sums[place] = sums.get(place, grants[place].resources) + resources
            pieces.add(number)
    if not pieces:
        return grants
    return [
        grant._replace(resources=sums[number]) if number in sums else grant
        for number, grant in enumerate(grants)
        if number not in pieces
    ]
