"""``master/operations/...`` of ``/metrics/snapshot``: operations on resources by kind and by what became of them."""

from __future__ import annotations

from collections import defaultdict
from typing import Final

from mesos_service.core.effects import Note
from mesos_service.core.master.state import MasterState
from mesos_service.domain.operations import name_of

KINDS: Final = (
    "create",
    "create_disk",
    "destroy",
    "destroy_disk",
    "grow_volume",
    "reserve",
    "shrink_volume",
    "unreserve",
)
ENDS: Final = ("dropped", "error", "failed", "finished", "gone_by_operator", "unreachable")
_FACTS: Final = {
    "operation.refused": "OPERATION_ERROR",
    "operation.unsupported": "OPERATION_ERROR",
    "operation.dropped": "OPERATION_DROPPED",
    "operation.updated": None,
    "operation.lost": None,
}
"""What each fact says has become of an operation; ``None``: its ``state`` does."""


class OperationCounts:
    """Fed with facts; those under way are read from the state. ``recovering`` is always 0."""

    def __init__(self) -> None:
        self._ended: defaultdict[tuple[str, str], int] = defaultdict(int)

    def note(self, note: Note) -> None:
        """Count a fact, if it is one of an operation's."""
        if note.fact in _FACTS:
            state = _FACTS[note.fact] or str(note.attributes["state"])
            kind = str(note.attributes["type"]).lower()
            self._ended[kind, state.removeprefix("OPERATION_").lower()] += 1

    def snapshot(self, state: MasterState) -> dict[str, float]:
        """All of them by name, zeros included, as in Mesos."""
        pending: defaultdict[str, int] = defaultdict(int)
        for agent in state.agents.values():
            for record in agent.operations.values():
                if record.status.state == "OPERATION_PENDING":
                    pending[name_of(record.operation).lower()] += 1
        found: dict[str, float] = {}
        sums: defaultdict[str, float] = defaultdict(float)
        for kind in KINDS:
            counts = {end: float(self._ended.get((kind, end), 0)) for end in ENDS}
            counts |= {"pending": float(pending[kind]), "recovering": 0.0}
            counts["total"] = sum(counts.values())
            for name, count in counts.items():
                found[f"master/operations/{kind}/{name}"] = count
                sums[name] += count
        return found | {f"master/operations/{name}": count for name, count in sums.items()}
