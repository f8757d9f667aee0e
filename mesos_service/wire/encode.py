"""Messages into bytes.

JSON in streams is pure ASCII: some clients cut decoded text by the length that counts bytes. msgspec writes UTF-8,
so what is not ASCII (rare: a label, a task's message) is escaped afterwards, and what is pays only for a look.
No record contains a newline, as JSON escapes those within strings and msgspec writes none between.

OFFERS is the hot event: an offer repeats most of what earlier ones said. ``EncodedOffer`` is an offer whose parts
are JSON already, so that its writer may keep what does not change.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

import msgspec

from mesos_service.wire import executor, operator, scheduler
from mesos_service.wire.base import Message
from mesos_service.wire.common import AgentID, ExecutorID, FrameworkID, OfferID
from mesos_service.wire.resources import ResourceAllocationInfo

_ENCODER: Final = msgspec.json.Encoder()
_NOT_ASCII: Final = re.compile(r"[^\x00-\x7f]")

HEARTBEAT: Final = b'{"type":"HEARTBEAT"}'
"""The heartbeat of all three event streams, ready-made."""


def encode_event(event: scheduler.Event | executor.Event | operator.Event) -> bytes:
    """The JSON of one event, in ASCII and on one line; framing it is the stream's matter (``streams``)."""
    return ascii_json(_ENCODER.encode(event))


def encode_message(message: msgspec.Struct) -> bytes:
    """The JSON of one message outside streams, in UTF-8 as it is."""
    return _ENCODER.encode(message)


def encode_fragment(part: msgspec.Struct | Iterable[msgspec.Struct]) -> msgspec.Raw:
    """A part of a message as JSON in ASCII, to be kept and put into messages that have room for a ``Raw``."""
    # A list and a tuple are the same to the encoder; other iterables it does not know.
    whole = part if isinstance(part, msgspec.Struct) else tuple(part)
    return msgspec.Raw(ascii_json(_ENCODER.encode(whole)))


def ascii_json(encoded: bytes) -> bytes:
    """The same JSON with everything beyond ASCII as ``\\u`` escapes, surrogate pairs where needed."""
    if encoded.isascii():
        return encoded
    # Outside of strings JSON has no such characters, so none can be escaped where it must not.
    return _NOT_ASCII.sub(_escape, encoded.decode()).encode("ascii")


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x10000:
        return f"\\u{code:04x}"
    code -= 0x10000
    return f"\\u{0xD800 | code >> 10:04x}\\u{0xDC00 | code & 0x3FF:04x}"


class EncodedOffer(Message, kw_only=True):
    """``offers.Offer`` with its larger parts as JSON; the same fields in the same order."""

    id: OfferID
    framework_id: FrameworkID
    agent_id: AgentID
    hostname: str
    url: msgspec.Raw | None = None
    domain: msgspec.Raw | None = None
    resources: msgspec.Raw | None = None
    """``None`` where there are none: an empty list is not printed."""
    attributes: msgspec.Raw | None = None
    executor_ids: tuple[ExecutorID, ...] = ()
    unavailability: msgspec.Raw | None = None
    allocation_info: ResourceAllocationInfo | msgspec.Raw | None = None


class _EncodedOffers(Message, kw_only=True):
    offers: tuple[EncodedOffer, ...]


class _OffersEvent(Message, kw_only=True):
    type: str
    offers: _EncodedOffers


def encode_offers(offers: Iterable[EncodedOffer]) -> bytes:
    """The JSON of one OFFERS event made of fragments; what ``encode_event`` gives for the same offers."""
    event = _OffersEvent(type="OFFERS", offers=_EncodedOffers(offers=tuple(offers)))
    return ascii_json(_ENCODER.encode(event))
