"""What all wire messages have in common, and the number types of protobuf."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, TypeVar, dataclass_transform

import msgspec

Int32 = Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)]
Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
UInt32 = Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)]
UInt64 = Annotated[int, msgspec.Meta(ge=0)]
"""Without an upper bound: msgspec 0.22 cannot check bounds beyond 63 bits."""

T = TypeVar("T")


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(msgspec.field,))
class Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A message of Mesos v1 in its JSON form; ``wire.protobuf`` has the other.

    Fields stand in the order of the .proto file, which is the order in which Mesos prints them. ``None`` and ``()``
    mean unset and are not printed. Required fields have no default. The name of a nested message is that of its
    parents and its own, run together: ``Offer.Operation.Launch`` is ``OfferOperationLaunch``.

    Messages form trees and never cycles, so the garbage collector need not look at them (``gc=False``).
    """


def printed(default: T) -> T:
    """A default that is printed although nobody set it.

    Mesos prints unset optional fields that have an explicit default in the .proto file. msgspec leaves out values
    that are identical to a plain default, but never those that came from a factory.
    """
    factory: Callable[[], T] = partial(_same, default)
    # msgspec's own stub says field() returns the field's type, as dataclasses' does.
    return msgspec.field(default_factory=factory)


def _same(value: T) -> T:
    return value
