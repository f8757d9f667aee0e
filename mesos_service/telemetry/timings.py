"""How long something takes, under Mesos' names (``registrar/state_store_ms/p99`` and so on)."""

from __future__ import annotations

from collections import deque
from typing import Final

SAMPLES_MAX: Final = 1000
"""The latest ones; percentiles are of these, as in Mesos, whose window is as long by default."""

_PERCENTILES: Final = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p999": 0.999, "p9999": 0.9999}


class Timings:
    """Of one kind of work, in seconds; told in milliseconds."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._samples: deque[float] = deque(maxlen=SAMPLES_MAX)

    def took(self, seconds: float) -> None:
        self._samples.append(seconds)

    def metrics(self) -> dict[str, float]:
        """The latest under the bare name; count and percentiles once there are two, between which one can be read."""
        if not self._samples:
            return {}
        found = {self._name: self._samples[-1] * 1000}
        if len(self._samples) > 1:
            ordered = sorted(self._samples)
            found[f"{self._name}/count"] = float(len(ordered))
            found[f"{self._name}/min"] = ordered[0] * 1000
            found[f"{self._name}/max"] = ordered[-1] * 1000
            for name, part in _PERCENTILES.items():
                found[f"{self._name}/{name}"] = _percentile(ordered, part) * 1000
        return found


def _percentile(ordered: list[float], part: float) -> float:
    """Between the two nearest samples, in proportion."""
    position = part * (len(ordered) - 1)
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (position - below) * (ordered[above] - ordered[below])
