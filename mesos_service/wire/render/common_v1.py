"""What GET_FLAGS and GET_METRICS answer, on masters and agents alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from mesos_service.wire import common
from mesos_service.wire.sliced import sliced


def flags(shown: Mapping[str, str]) -> tuple[common.Flag, ...]:
    """In the order given."""
    return tuple(common.Flag(name=name, value=value) for name, value in shown.items())


def metrics(snapshot: Mapping[str, float]) -> tuple[common.Metric, ...]:
    """In the order given."""
    return tuple(common.Metric(name=name, value=value) for name, value in snapshot.items())


def told_metrics(told: Callable[[], Iterator[tuple[str, float] | None]]) -> tuple[common.Metric, ...]:
    """As they are told, when the answer is encoded; a ``None`` among them is work that had to be done first."""
    return sliced(lambda: (None if one is None else common.Metric(name=one[0], value=one[1]) for one in told()))
