"""Who refuses without a word on how long refuses for five seconds (B43, X28)."""

from __future__ import annotations

import json

import pytest

from mesos_service.core.scheduler_messages import Accept, Decline
from mesos_service.wire.convert.scheduler import CallContext, call_from_wire
from mesos_service.wire.decode import decode_scheduler_call

CONTEXT = CallContext(request=1, stream_id=None, principal=None, stimulus="", caller_trace=None)


@pytest.mark.parametrize("filters", [{}, {"filters": {}}], ids=["no filters", "empty filters"])
@pytest.mark.parametrize("kind", ["ACCEPT", "DECLINE"])
def test_b43_the_default_filter_is_five_seconds(kind: str, filters: dict[str, object]) -> None:
    body = {"framework_id": {"value": "f"}, "type": kind, kind.lower(): {"offer_ids": [{"value": "o"}], **filters}}
    call = call_from_wire(decode_scheduler_call(json.dumps(body).encode()), CONTEXT)
    assert isinstance(call, Accept | Decline)
    assert call.filters.refuse_seconds == 5.0
