"""Why something was not offered: a reason, a culprit, whether waiting helps, and what would change it (N01, N02)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Doer = Literal["framework", "operator", "time"]
"""Who can do something about a "no": the framework by a call, the operator, or nobody but waiting helps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """One change after which the gate that spoke lets the offer pass; others may stand behind it (N02).

    ``action`` is a stable code such as ``revive``; ``arguments`` are what it takes: resources by name in their own
    units, and words such as ``role``; ``detail`` is a sentence for people.
    """

    action: str
    by: Doer
    detail: str
    arguments: Mapping[str, str | float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Veto:
    """One gate said no.

    ``reason`` is a stable code such as ``refusal_filter``; ``culprit`` names the gate or module that spoke;
    ``detail`` is a sentence for people; ``lasting`` tells that waiting alone will not help; ``wakes_on`` names the
    events that could change the verdict, so that nobody retries in vain; of ``remedies`` each would do.
    """

    reason: str
    culprit: str
    detail: str = ""
    lasting: bool = False
    wakes_on: frozenset[str] = field(default_factory=frozenset)
    until: float | None = None
    """Unix seconds at which the verdict lapses by itself, where that is known."""
    remedies: tuple[Remedy, ...] = ()
