"""Limits on how many calls a second the schedulers of one principal have processed (``--rate_limits``; Mesos docs,
"Framework Rate Limiting"; M-AL-28).

A call that comes too early waits for its turn, and so does its sender, who has no answer yet. Whoever has more calls
waiting than the capacity allows is refused. Only schedulers of registered frameworks are limited: the principal is
what their ``FrameworkInfo`` says, as in Mesos.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import sys
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

ABOVE_CAPACITY: Final = 429
_LIMITS: Final = ("limits", "aggregate_default_qps", "aggregate_default_capacity")
_LIMIT: Final = ("principal", "qps", "capacity")


@dataclass(frozen=True, slots=True)
class RateLimit:
    """``qps`` calls a second; ``None``: any number. ``capacity`` calls may wait; ``None``: any number."""

    qps: float | None = None
    capacity: int | None = None


@dataclass(frozen=True, slots=True)
class RateLimits:
    """By principal; ``default`` is for all others together, those without a principal included."""

    limits: Mapping[str, RateLimit] = field(default_factory=dict)
    default: RateLimit = RateLimit()


def parse_rate_limits(text: str) -> RateLimits:
    """Read Mesos' JSON, ``{"limits": [{"principal": "foo", "qps": 55.5, "capacity": 1000}],
    "aggregate_default_qps": 333, "aggregate_default_capacity": 1000000}``.

    Raises:
        ValueError: it is something else; the text says what.
    """
    try:
        sent = json.loads(text, object_pairs_hook=_once)
    except _RepeatedError:
        raise
    except (ValueError, RecursionError) as error:
        raise ValueError(f"rate limits are written in JSON: {error}") from error
    if not isinstance(sent, dict) or not isinstance(sent.get("limits", []), list):
        raise ValueError("rate limits are an object with a list of 'limits'")
    _refuse_others(sent, _LIMITS, "rate limits have")
    limits: dict[str, RateLimit] = {}
    for one in sent.get("limits", []):
        principal = one.get("principal") if isinstance(one, dict) else None
        if not isinstance(principal, str) or not principal:
            raise ValueError(f"each of 'limits' needs a 'principal', which {json.dumps(one)[:80]} has not")
        _refuse_others(one, _LIMIT, f"the limit of principal '{principal}' has")
        if principal in limits:
            raise ValueError(f"principal '{principal}' has two rate limits")
        limits[principal] = _limit(one, "qps", "capacity", f"of principal '{principal}'")
    return RateLimits(limits, _limit(sent, "aggregate_default_qps", "aggregate_default_capacity", "for all others"))


class _RepeatedError(ValueError):
    """A name stands twice in one object."""


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Of two limits in one place the first would silently not hold."""
    sent: dict[str, object] = {}
    for name, value in pairs:
        if name in sent:
            raise _RepeatedError(f"rate limits name '{name[:80]}' twice in one place")
        sent[name] = value
    return sent


def _refuse_others(sent: Iterable[str], known: Collection[str], whose: str) -> None:
    """A name that was misspelled would be a limit that does not hold."""
    for name in sent:
        if name not in known:
            raise ValueError(f"{whose} no '{name[:80]}'; there are {', '.join(known)}")


def _limit(sent: Mapping[str, object], qps_name: str, capacity_name: str, whose: str) -> RateLimit:
    qps, capacity = sent.get(qps_name), sent.get(capacity_name)
    if qps is not None and (
        isinstance(qps, bool) or not isinstance(qps, int | float) or not 0 < qps <= sys.float_info.max
    ):
        raise ValueError(f"'{qps_name}' {whose} must be a number above 0, not {json.dumps(qps)[:40]}")
    if capacity is not None and (isinstance(capacity, bool) or not isinstance(capacity, int) or capacity < 0):
        raise ValueError(f"'{capacity_name}' {whose} must be a whole number, not {json.dumps(capacity)[:40]}")
    return RateLimit(None if qps is None else float(qps), capacity)


class _Line:
    """Whoever is limited together stands in one line."""

    __slots__ = ("capacity", "free_at", "pause", "waiting")

    def __init__(self, qps: float, capacity: int | None) -> None:
        self.pause = 1.0 / qps
        self.capacity = capacity
        self.free_at = -math.inf
        """When the next call may be processed."""
        self.waiting = 0


class RateLimiter:
    """Says when a call may be processed. ``clock`` gives seconds that never go back."""

    def __init__(self, limits: RateLimits, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lines = {
            principal: None if one.qps is None else _Line(one.qps, one.capacity)
            for principal, one in limits.limits.items()
        }
        default = limits.default
        self._default = None if default.qps is None else _Line(default.qps, default.capacity)
        self._unprocessed: Counter[str] = Counter()
        self._closed = asyncio.Event()

    def close(self) -> None:
        """Let everybody go, those who wait included: the master ends, and has an answer for them."""
        self._closed.set()

    def may_go(self, principal: str | None) -> bool:
        """Whether a call may be processed at once; if so, it is expected to be."""
        line = self._line(principal)
        if line is None or self._closed.is_set():
            return True
        now = self._clock()
        if line.waiting or now < line.free_at:
            return False
        line.free_at = now + line.pause
        return True

    async def turn(self, principal: str | None) -> str | None:
        """Wait until a call that may not go at once may; or why it is not processed at all: too many wait."""
        line = self._line(principal)
        if line is None or self._closed.is_set():
            return None
        if line.capacity is not None and line.waiting >= line.capacity:
            self._unprocessed[principal or ""] += 1
            return f"capacity({line.capacity}) exceeded"
        now = self._clock()
        at = max(now, line.free_at)
        line.free_at = at + line.pause
        line.waiting += 1
        self._unprocessed[principal or ""] += 1
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(at - now):
                    await self._closed.wait()
        finally:
            line.waiting -= 1
            self._unprocessed[principal or ""] -= 1
        return None

    def unprocessed(self, principal: str) -> int:
        """How many calls of a principal were received and are not processed: they wait, or were refused."""
        return self._unprocessed[principal]

    def _line(self, principal: str | None) -> _Line | None:
        if principal is not None and principal in self._lines:
            return self._lines[principal]
        return self._default
