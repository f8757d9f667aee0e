"""Draining between the wire and the core (mesos.proto: ``DrainConfig``, ``DrainInfo``)."""

from __future__ import annotations

from mesos_service.domain.agents import Deactivation, Drain
from mesos_service.wire.convert.values import duration_from_wire, duration_to_wire
from mesos_service.wire.operator import CallDrainAgent
from mesos_service.wire.policy import DrainConfig, DrainInfo


def drain_from_call(call: CallDrainAgent) -> Drain:
    """Raises ``ValueError``, with a sentence, for a time below nothing."""
    period = call.max_grace_period
    grace = None if period is None else (period.seconds or 0) + (period.nanos or 0) / 1e9
    if grace is not None and grace < 0:
        raise ValueError("'max_grace_period' is less than nothing")
    return Drain(max_grace_seconds=grace, mark_gone=call.mark_gone)


def drain_from_wire(config: DrainConfig) -> Drain:
    return Drain(max_grace_seconds=duration_from_wire(config.max_grace_period), mark_gone=config.mark_gone)


def drain_to_wire(drain: Drain) -> DrainConfig:
    grace = drain.max_grace_seconds
    return DrainConfig(max_grace_period=None if grace is None else duration_to_wire(grace), mark_gone=drain.mark_gone)


def drain_info_to_wire(found: Deactivation | None) -> DrainInfo | None:
    """``None`` of an agent that is in use, or merely deactivated."""
    if found is None or found.drain is None:
        return None
    return DrainInfo(state="DRAINED" if found.drained else "DRAINING", config=drain_to_wire(found.drain))
