"""Bytes of a request body into a call: strict and fast where the client writes as Mesos does, lenient where not.

The strict decoder accepts a subset of what the lenient path accepts, and to the same value (a property test holds
it to that). There is one exception, and it is harmless: a number too large for a double, in a field nobody knows,
is skipped by the strict decoder and refused by the lenient one.

Only what can be said without any state is decided here: JSON, types, presence (``validate``). All failures are
``WireError`` with status 400 and the text that Mesos gives.
"""

from __future__ import annotations

import re
from typing import Final, TypeVar

import msgspec

from mesos_service.wire import agent_operator, executor, operator, scheduler
from mesos_service.wire.common import MachineID
from mesos_service.wire.errors import WireError
from mesos_service.wire.lenient import Json, RefusedJsonError, read_message
from mesos_service.wire.policy import QuotaRequest, Schedule, WeightInfo
from mesos_service.wire.protobuf.decode import decode_protobuf_call
from mesos_service.wire.streams import JSON, PROTOBUF
from mesos_service.wire.validate import (
    validate_executor_call,
    validate_operator_call,
    validate_scheduler_call,
)
from mesos_service.wire.validate_agent import validate_agent_call

S = TypeVar("S", bound=msgspec.Struct)

NEAR_CHARACTERS_MAX: Final = 80
"""How much of a malformed body is repeated in the answer."""

REFUSAL_CHARACTERS_MAX: Final = 8192
"""No refusal is longer, whatever of the body it repeats."""

_UNCONVERTED: Final = "Failed to convert JSON into Call protobuf: "

_SCHEDULER: Final = msgspec.json.Decoder(scheduler.Call)
_EXECUTOR: Final = msgspec.json.Decoder(executor.Call)
_OPERATOR: Final = msgspec.json.Decoder(operator.Call)
_AGENT: Final = msgspec.json.Decoder(agent_operator.Call)


def decode_scheduler_call(body: bytes) -> scheduler.Call:
    """The body of ``POST /api/v1/scheduler``, not validated."""
    return _decode(_SCHEDULER, scheduler.Call, body, _UNCONVERTED)


def decode_executor_call(body: bytes) -> executor.Call:
    """The body of ``POST /api/v1/executor``, not validated."""
    return _decode(_EXECUTOR, executor.Call, body, _UNCONVERTED)


def decode_operator_call(body: bytes) -> operator.Call:
    """The body of the master's ``POST /api/v1``, not validated."""
    return _decode(_OPERATOR, operator.Call, body, _UNCONVERTED)


def decode_agent_call(body: bytes) -> agent_operator.Call:
    """The body of the agent's ``POST /api/v1``, not validated. Its refusals come without a preface (recorded)."""
    return _decode(_AGENT, agent_operator.Call, body, "")


def read_scheduler_call(body: bytes, principal: str | None = None, content_type: str | None = JSON) -> scheduler.Call:
    """Decode and validate; ``principal`` is who the caller proved to be, ``None`` without authentication."""
    call = decode_protobuf_call(scheduler.Call, body) if content_type == PROTOBUF else decode_scheduler_call(body)
    _demand("scheduler::Call", validate_scheduler_call(call, principal))
    return call


def read_executor_call(body: bytes, content_type: str | None = JSON) -> executor.Call:
    """Decode and validate a call of the executor API; raises ``WireError``."""
    call = decode_protobuf_call(executor.Call, body) if content_type == PROTOBUF else decode_executor_call(body)
    _demand("Executor::Call", validate_executor_call(call))
    return call


def read_operator_call(body: bytes, content_type: str | None = JSON) -> operator.Call:
    """Decode and validate a call of the master's operator API; raises ``WireError``."""
    call = decode_protobuf_call(operator.Call, body) if content_type == PROTOBUF else decode_operator_call(body)
    _demand("master::Call", validate_operator_call(call))
    return call


def read_agent_call(body: bytes, content_type: str | None = JSON) -> agent_operator.Call:
    """Decode and validate a call of the agent's operator API; raises ``WireError``."""
    if content_type == PROTOBUF:
        call = decode_protobuf_call(agent_operator.Call, body, "Failed to parse body into a protobuf object")
    else:
        call = decode_agent_call(body)
    _demand("agent::Call", validate_agent_call(call))
    return call


def _demand(what: str, refusal: str | None) -> None:
    if refusal is not None:
        raise WireError(400, f"Failed to validate {what}: {refusal}"[:REFUSAL_CHARACTERS_MAX])


def _decode(decoder: msgspec.json.Decoder[S], cls: type[S], body: bytes, preface: str) -> S:
    try:
        call = decoder.decode(body)
        if not body.isascii():
            # msgspec does not look into strings that it skips; a body is UTF-8 as a whole or not at all.
            body.decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return decode_leniently(cls, body, preface)
    return call


def decode_leniently(cls: type[S], body: bytes, preface: str) -> S:
    """Decode a ``cls`` by Mesos' forgiving rules; ``preface`` stands before the text when they do not help."""
    value = _parse(body)
    try:
        return read_message(cls, value)
    except RefusedJsonError as refusal:
        raise WireError(400, f"{preface}{refusal}"[:REFUSAL_CHARACTERS_MAX]) from None
    except RecursionError:
        raise WireError(400, f"{preface}Nested too deeply") from None


def read_quota_request(body: bytes) -> QuotaRequest:
    """The body of ``POST /quota``; raises ``WireError``."""
    return _read_old(QuotaRequest, body, "set quota")[0]


def read_weights(body: bytes) -> tuple[WeightInfo, ...]:
    """The body of ``PUT /weights``, a list; raises ``WireError``."""
    return _read_old(WeightInfo, body, "update weights", listed=True)


def read_schedule(body: bytes) -> Schedule:
    """The body of ``POST /maintenance/schedule``; raises ``WireError``."""
    return _read_old(Schedule, body, "maintenance schedule")[0]


def read_machines(body: bytes) -> tuple[MachineID, ...]:
    """The body of ``POST /machine/down`` and ``/machine/up``, a list; raises ``WireError``."""
    return _read_old(MachineID, body, "machines", listed=True)


def _read_old(cls: type[S], body: bytes, what: str, *, listed: bool = False) -> tuple[S, ...]:
    """The body of one of the old paths: one ``cls``, or a list of them. What it says is repeated in refusals."""
    preface = f"Failed to parse {what} request JSON '{body.decode(errors='replace')}': "
    try:
        value = _json(body)
        if listed is not isinstance(value, list):
            raise ValueError("Not a JSON array" if listed else "Not a JSON object")
        items = value if isinstance(value, list) else [value]
        return tuple(read_message(cls, item) for item in items)
    except RecursionError:
        why = "Nested too deeply"
    except (ValueError, RefusedJsonError) as refusal:
        why = str(refusal)
    raise WireError(400, f"{preface[:REFUSAL_CHARACTERS_MAX]}{why}")


def _parse(body: bytes) -> Json:
    try:
        return _json(body)
    except ValueError as error:
        raise WireError(400, f"Failed to parse body into JSON: {error}") from None


def _json(body: bytes) -> Json:
    """Raises ``ValueError`` with Mesos' words for what is wrong."""
    try:
        return msgspec.json.decode(body)
    except RecursionError:
        why = "Nested too deeply"
    except UnicodeDecodeError:
        why = "Not valid UTF-8"
    except msgspec.ValidationError:
        why = "Value out of range"
    except msgspec.DecodeError as error:
        why = _syntax_error(body, str(error))
    raise ValueError(why)


def _syntax_error(body: bytes, message: str) -> str:
    """Say where it went wrong, as Mesos does: the line, and what of it is left."""
    at = re.search(r"\(byte (\d+)\)", message)
    position = int(at.group(1)) if at is not None else len(body)
    if "trailing characters" in message:
        # msgspec 0.22 has read one byte further here than in its other complaints.
        position -= 1
    rest = body[position : position + 4 * NEAR_CHARACTERS_MAX].decode(errors="replace")
    if "trailing characters" in message:
        return f"Parsed JSON included non-whitespace trailing characters: {rest[:NEAR_CHARACTERS_MAX]}"
    line = body.count(b"\n", 0, position) + 1
    near = "".join(character for character in rest.split("\n", 1)[0] if character >= " ")
    return f"syntax error at line {line} near: {near[:NEAR_CHARACTERS_MAX]}"
