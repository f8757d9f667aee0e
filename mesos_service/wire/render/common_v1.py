"""What GET_FLAGS and GET_METRICS answer, on masters and agents alike."""

from __future__ import annotations

from collections.abc import Mapping

from mesos_service.wire import common


def flags(shown: Mapping[str, str]) -> tuple[common.Flag, ...]:
    """In the order given."""
    return tuple(common.Flag(name=name, value=value) for name, value in shown.items())


def metrics(snapshot: Mapping[str, float]) -> tuple[common.Metric, ...]:
    """In the order given."""
    return tuple(common.Metric(name=name, value=value) for name, value in snapshot.items())
