"""A pass in numbers: kept of the last one, cheap enough to be always kept, what an explanation begins with (N01)."""

from __future__ import annotations

from mesos_service.core.allocation.clients import Client
from mesos_service.domain.ids import FrameworkId, Role


class PassSummary:
    """``at`` is unix seconds. ``refused`` counts, by framework and role, how often a gate said no, by reason.

    A "no" that is remembered, from an earlier pass or for an agent of which the same is free, is not counted again.
    """

    __slots__ = ("at", "grants", "is_full", "number", "refused")

    def __init__(self, number: int = 0, at: float = 0.0, is_full: bool = False) -> None:
        self.number = number
        self.at = at
        self.is_full = is_full
        self.grants = 0
        self.refused: dict[tuple[FrameworkId, Role], dict[str, int]] = {}

    def count(self, client: Client, reason: str) -> None:
        """One "no" to ``client``."""
        counts = self.refused.setdefault((client.framework_id, client.role), {})
        counts[reason] = counts.get(reason, 0) + 1
