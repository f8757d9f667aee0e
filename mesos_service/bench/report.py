"""What every benchmark reports beside its figures: the machine, how busy it was, and a fixed yardstick."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class Report:
    """One benchmark's outcome; ``figures`` are numbers with their unit in the key."""

    bench: str
    figures: dict[str, float] = field(default_factory=dict)
    load: list[float] = field(default_factory=lambda: list(os.getloadavg()))
    details: dict[str, object] = field(default_factory=dict)
    legend: dict[str, str] = field(default_factory=dict)
    """Sentences on figures whose name does not say all; for people, so not in the JSON."""
    plot: str | None = None
    """The figures as a picture, an SVG document; only of some."""

    def as_json(self) -> dict[str, object]:
        return {
            "bench": self.bench,
            "figures": self.figures,
            "machine": describe_machine(),
            "load": [*self.load, *os.getloadavg()],
            "details": self.details,
        }


def describe_machine() -> Mapping[str, object]:
    """Processors, Python and kernel; nothing that names the host."""
    return {
        "cpus": os.cpu_count(),
        "machine": platform.machine(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "calibration_us": round(calibrate() * 1e6, 1),
    }


def calibrate(repeats: int = 9) -> float:
    """Seconds of the best run of a fixed pure-Python loop: other times are told as ratios to it, so that a slower or
    busier machine does not read as slower code."""
    best = float("inf")
    for _ in range(repeats):
        table: dict[int, int] = {}
        begin = time.perf_counter()
        for number in range(10_000):
            table[number % 100] = table.get(number % 100, 0) + number
        best = min(best, time.perf_counter() - begin)
    return best


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which ``share`` (0 to 1) of all lie; 0 when there are none."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
