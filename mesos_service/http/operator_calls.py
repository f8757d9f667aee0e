"""``POST /api/v1``: one operator call in, one answer out, on masters and agents alike (Mesos docs, operator HTTP API).

Declared to FastAPI only in the OpenAPI document: the demands on a call (``calls``) are stricter than its own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Final, Generic, NamedTuple, TypeVar

import msgspec

from mesos_service.http.answers import Headers, coded
from mesos_service.http.asgi import (
    CONTENT_LENGTH,
    PRINCIPAL,
    TEXT,
    CallHeaders,
    HeaderName,
    Receive,
    Scope,
    Send,
    respond,
    respond_text,
)
from mesos_service.http.calls import receive_call, respond_broken
from mesos_service.http.large import Large, LargeAnswers
from mesos_service.http.process_reads import LEVEL_MAX, LogVerbosity
from mesos_service.wire.encode import encode_message
from mesos_service.wire.errors import WireError
from mesos_service.wire.operator_common import CallSetLoggingLevel
from mesos_service.wire.protobuf.encode import encode_protobuf
from mesos_service.wire.sliced import json_slices, protobuf_slices
from mesos_service.wire.streams import JSON, PROTOBUF, negotiate_answer

CallT = TypeVar("CallT", bound=msgspec.Struct)

_JSON: Final = (HeaderName(b"Content-Type"), JSON.encode())
_PROTOBUF: Final = (HeaderName(b"Content-Type"), PROTOBUF.encode())
NOT_ACCEPTABLE: Final = "Expecting 'Accept' to allow 'application/x-protobuf' or 'application/json'"
_NOT_IMPLEMENTED: Final = "501 Not Implemented."


class Said(NamedTuple):
    """An answer that is a status and nothing else."""

    status: int


ACCEPTED: Final = Said(202)


class Refused(Exception):
    """A call that was understood and gets no answer; status and text say why."""

    def __init__(self, status: int, text: str = "") -> None:
        super().__init__(text)
        self.status = status
        self.text = text


def not_had(call_type: str | None) -> Refused:
    """A call of Mesos' that this version does not have."""
    more = "" if call_type in (None, "UNKNOWN") else f" This version has no {call_type}."
    return Refused(501, _NOT_IMPLEMENTED + more)


def set_logging_level(wanted: CallSetLoggingLevel | None, verbosity: LogVerbosity) -> None:
    """SET_LOGGING_LEVEL: another verbosity of the log for a while."""
    assert wanted is not None, "validation saw to it"
    if wanted.level > LEVEL_MAX:
        raise Refused(400, f"Invalid level '{wanted.level}'.")
    verbosity.set(wanted.level, wanted.duration.nanoseconds / 1e9)


class OperatorCalls(ABC, Generic[CallT]):
    """The endpoint as an ASGI application."""

    content_types: str = "application/json or application/x-protobuf"
    """What the refusal of another content type says is expected."""

    def not_acceptable(self, call: CallT, headers: CallHeaders) -> Refused:
        """Of a call whose answer can have no form that the caller takes."""
        del call, headers
        return Refused(406, NOT_ACCEPTABLE)

    @abstractmethod
    def read(self, body: bytes, content_type: str | None) -> CallT:
        """Raises ``WireError``."""

    def large(self, call: CallT) -> tuple[LargeAnswers, Large] | None:
        """The answer of a read that may be large, and who makes it; ``None`` for all other calls."""
        return None

    @abstractmethod
    async def answer(self, call: CallT, principal: str | None) -> msgspec.Struct | Said | None:
        """The answer; ``None`` where 200 says it all. Raises ``Refused``.

        ``principal`` is who the caller proved to be, where that was asked.
        """

    async def streamed(self, call: CallT, headers: CallHeaders, receive: Receive, send: Send) -> bool:
        """Answer a call whose answer stays open; ``False`` for all others. Raises ``Refused`` before it has begun."""
        return False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        posted = await receive_call(scope, receive, send, self.content_types)
        if posted is None:
            return
        try:
            call = self.read(posted.body, posted.headers.content_type)
            if await self.streamed(call, posted.headers, receive, send):
                return
            content_type = negotiate_answer(posted.headers.accept)
            if content_type is None:
                # Before anything is done, also where there would be nothing to say (Mesos: ``Http::api``).
                raise self.not_acceptable(call, posted.headers)
            large = self.large(call)
            answer = await self.answer(call, scope.get(PRINCIPAL)) if large is None else None
            if large is not None:
                await _serve(scope, receive, send, *large, protobuf=content_type == PROTOBUF)
                return
        except (WireError, Refused) as refusal:
            # Plain text even where there is none: so was it recorded.
            await respond(send, refusal.status, refusal.text.encode(), (TEXT,))
            return
        except Exception:  # noqa: BLE001 - a defect of ours is told without a trace of why; the log has all of it.
            await respond_broken(send, "an operator call")
            return
        if answer is None:
            await respond_text(send, 200, "")
            return
        if isinstance(answer, Said):
            await respond(send, answer.status, b"", ())
            return
        protobuf = content_type == PROTOBUF
        body, coding = coded(scope, encode_protobuf(answer) if protobuf else encode_message(answer))
        await respond(send, 200, body, (*coding, _PROTOBUF if protobuf else _JSON))


async def _serve(
    scope: Scope, receive: Receive, send: Send, answers: LargeAnswers, large: Large, *, protobuf: bool
) -> None:
    encode, kind = (protobuf_slices, _PROTOBUF) if protobuf else (json_slices, _JSON)

    def head(coding: Headers, length: bytes) -> Headers:
        return (*coding, kind, (CONTENT_LENGTH, length))

    await answers.serve(scope, receive, send, (large.key, protobuf), lambda: encode(large.make()), head)
