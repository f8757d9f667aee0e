"""What headers of a call to an agent have to say of its form and of its answer's, before the call is read (M-OA-01).

An agent knows a third form besides JSON and protobuf: records, in requests that go on and in answers that do. Of what
kind they are is said in headers of their own, ``Message-Content-Type`` and ``Message-Accept``, which other calls must
not have.
"""

from __future__ import annotations

from typing import Final

from mesos_service.http.asgi import CallHeaders
from mesos_service.http.operator_calls import Refused
from mesos_service.wire.streams import JSON, PROTOBUF, RECORDS, negotiate, negotiate_answer, takes_records

NOT_ACCEPTABLE: Final = f"Expecting 'Accept' to allow {JSON} or {PROTOBUF} or {RECORDS}"


def refuse_media(headers: CallHeaders) -> Refused | None:
    """Why a call of these headers is not read, in Mesos' words and order.

    A content type that nobody knows is ``receive_call``'s to refuse.
    """
    if headers.content_type not in (JSON, PROTOBUF, RECORDS):
        return None
    return _refuse_message_content_type(headers) or _refuse_accept(headers)


def _refuse_message_content_type(headers: CallHeaders) -> Refused | None:
    said = headers.message_content_type
    if headers.content_type != RECORDS:
        if said is None:
            return None
        return Refused(415, "Expecting 'Message-Content-Type' to be not set for non-streaming requests")
    if said is None:
        return Refused(400, "Expecting 'Message-Content-Type' to be set for streaming requests")
    if said not in (JSON, PROTOBUF):
        return Refused(415, f"Expecting 'Message-Content-Type' of {JSON} or {PROTOBUF}")
    return None


def _refuse_accept(headers: CallHeaders) -> Refused | None:
    if negotiate(headers.accept) is not None:
        if headers.message_accept is None:
            return None
        return Refused(406, "Expecting 'Message-Accept' to be not set for non-streaming responses")
    if not takes_records(headers.accept):
        return Refused(406, NOT_ACCEPTABLE)
    if negotiate_answer(headers.message_accept) is None:
        return Refused(406, f"Expecting 'Message-Accept' to allow {JSON} or {PROTOBUF}")
    return None
