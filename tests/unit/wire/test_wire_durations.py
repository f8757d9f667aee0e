"""The longest times that are lawful, or nearly: they are stored and sent on, and whoever reads them must be able to."""

from __future__ import annotations

import msgspec
import pytest

from mesos_service.wire import common
from mesos_service.wire.convert.maintenance import drain_from_call, drain_from_wire, drain_to_wire
from mesos_service.wire.convert.values import duration_from_wire, duration_to_wire, time_to_wire
from mesos_service.wire.decode import decode_leniently
from mesos_service.wire.operator import CallDrainAgent
from mesos_service.wire.policy import DrainConfig


@pytest.mark.parametrize("nanoseconds", [2**63 - 1, -(2**63), 2**63 - 513])
def test_n19_the_longest_duration_can_be_read_where_it_is_sent_on(nanoseconds: int) -> None:
    """As the kill policy of a task: in floating point its seconds are more than 64 bits of nanoseconds."""
    seconds = duration_from_wire(common.DurationInfo(nanoseconds=nanoseconds))
    assert seconds is not None
    sent = msgspec.json.encode(duration_to_wire(seconds))
    assert duration_from_wire(msgspec.json.decode(sent, type=common.DurationInfo)) == seconds
    moment = msgspec.json.decode(msgspec.json.encode(time_to_wire(seconds)), type=common.TimeInfo)
    assert abs(moment.nanoseconds - nanoseconds) <= 1024


@pytest.mark.parametrize("seconds", [2**63 - 1, 9_223_372_037])
def test_m_om_12_a_grace_that_no_registry_could_give_back_is_refused(seconds: int) -> None:
    """Stored, it would keep every later master from reading the registry."""
    with pytest.raises(ValueError, match="out of range"):
        drain_from_call(_call(seconds))


def test_m_om_12_the_longest_grace_is_stored_and_read() -> None:
    drain = drain_from_call(_call(9_223_372_036))
    stored = msgspec.json.encode(drain_to_wire(drain))
    assert drain_from_wire(msgspec.json.decode(stored, type=DrainConfig)) == drain


def _call(seconds: int) -> CallDrainAgent:
    body = {"agent_id": {"value": "a"}, "max_grace_period": {"seconds": seconds}}
    return decode_leniently(CallDrainAgent, msgspec.json.encode(body), "")
