"""Why something was not offered: a reason with a culprit, whether waiting helps, and what would change it (N01)."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Veto:
    """One gate said no.

    ``reason`` is a stable code such as ``refusal_filter``; ``culprit`` names the gate or module that spoke;
    ``detail`` is a sentence for people; ``lasting`` tells that waiting alone will not help; ``wakes_on`` names the
    events that could change the verdict, so that nobody retries in vain.
    """

    reason: str
    culprit: str
    detail: str = ""
    lasting: bool = False
    wakes_on: frozenset[str] = field(default_factory=frozenset)
    until: float | None = None
    """Unix seconds at which the verdict lapses by itself, where that is known."""
