"""Percentiles of times (M-OM-03, M-OB-05)."""

from __future__ import annotations

import pytest

from mesos_service.telemetry.timings import SAMPLES_MAX, Timings


def test_percentiles_lie_between_samples_and_old_samples_are_forgotten() -> None:
    timings = Timings("x_ms")
    assert timings.metrics() == {}
    timings.took(0.5)
    assert timings.metrics() == {"x_ms": 500.0}

    for number in range(SAMPLES_MAX + 1):
        timings.took(number / 1000)
    told = timings.metrics()
    assert told["x_ms"] == SAMPLES_MAX == told["x_ms/max"] == told["x_ms/count"]
    assert told["x_ms/min"] == 1.0
    assert told["x_ms/p50"] == pytest.approx(500.5)
    assert told["x_ms/p99"] == pytest.approx(990.01)
    assert told["x_ms/p9999"] == pytest.approx(999.9001)
