"""``POST /v1/traces``: what exporters send (OTLP/HTTP specification; its texts of refusal are ours).

The answer comes when the spans are written. Exporters try again later for 503 and 429, and never for what says that the
body is no good.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Final

from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from mesos_service.http.asgi import BodyTooLarge, ClientGone, Receive, Scope, Send, read_body, respond
from mesos_service.tracing_store.otlp import decompress, read_json, read_protobuf
from mesos_service.tracing_store.records import MalformedTraces, ReceivedSpans
from mesos_service.tracing_store.schema import StoreFault

PATH: Final = "/v1/traces"
PROTOBUF: Final = "application/x-protobuf"
JSON: Final = "application/json"
READERS: Final = {PROTOBUF: read_protobuf, JSON: read_json}
RETRY_SECONDS: Final = 5
_LENGTH: Final = b"content-length"
_INVALID_ARGUMENT: Final = 3
_UNAVAILABLE: Final = 14
"""Of gRPC, whose codes OTLP uses in its refusals."""


class Busy(Exception):
    """More waits to be written than may."""


Take = Callable[[int, Callable[[], ReceivedSpans]], Awaitable[ReceivedSpans]]
"""Called with a body's size in bytes and with what reads it; returns when its spans are kept. Raises ``Busy``,
``StoreFault``, and whatever the reading does."""


class Ingest:
    """The endpoint. A body has at most ``octets_max`` bytes, unpacked."""

    def __init__(self, take: Take, octets_max: int) -> None:
        self._take = take
        self._octets_max = octets_max

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
        kind = headers.get(b"content-type", "").partition(";")[0].strip().lower()
        coding = headers.get(b"content-encoding", "identity").strip().lower()
        read = READERS.get(kind)
        answer = _Answer(send, kind if read is not None else JSON)
        if scope["path"] != PATH:
            await answer.refuse(404, f"spans are sent to {PATH}")
        elif scope["method"] != "POST":
            await answer.refuse(405, f"spans are sent with POST, not {scope['method']}", (b"allow", b"POST"))
        elif read is None:
            await answer.refuse(415, f"the content type is {PROTOBUF} or {JSON}, not '{kind[:100]}'")
        elif coding not in ("gzip", "identity", ""):
            await answer.refuse(415, f"the content encoding is gzip or none, not '{coding[:100]}'")
        elif headers.get(_LENGTH, "0").isdecimal() and int(headers.get(_LENGTH, "0")) > self._octets_max:
            await answer.refuse(413, self._too_large())
        else:
            try:
                body = await read_body(receive, self._octets_max)
            except ClientGone:
                return
            except BodyTooLarge:
                await answer.refuse(413, self._too_large())
                return
            limit = self._octets_max

            def reading() -> ReceivedSpans:
                return read(decompress(body, limit) if coding == "gzip" else body)

            await self._keep(answer, len(body), reading)

    async def _keep(self, answer: _Answer, octets: int, reading: Callable[[], ReceivedSpans]) -> None:
        try:
            received = await self._take(octets, reading)
        except OverflowError:
            await answer.refuse(413, self._too_large())
        except MalformedTraces as error:
            await answer.refuse(400, str(error))
        except Busy:
            await answer.refuse(429, "more spans arrive than can be written", (b"retry-after", b"%d" % RETRY_SECONDS))
        except StoreFault:
            # Where the file is, is nobody's business who only sends; the log says what is wrong.
            await answer.refuse(503, "spans cannot be written now", (b"retry-after", b"%d" % RETRY_SECONDS))
        else:
            await answer.taken(received)

    def _too_large(self) -> str:
        return f"the body has more than {self._octets_max} bytes; send fewer spans at a time"


class _Answer:
    """In the form in which the request came, as the specification wants it."""

    def __init__(self, send: Send, kind: str) -> None:
        self._send = send
        self._kind = kind
        self._type = (b"content-type", kind.encode())

    async def taken(self, received: ReceivedSpans) -> None:
        if self._kind == JSON:
            partial = {"rejectedSpans": str(received.rejected), "errorMessage": received.reason}
            body = json.dumps({"partialSuccess": partial} if received.rejected else {}).encode()
        else:
            response = ExportTraceServiceResponse()
            if received.rejected:
                response.partial_success.rejected_spans = received.rejected
                response.partial_success.error_message = received.reason
            body = response.SerializeToString()
        await respond(self._send, 200, body, (self._type,))

    async def refuse(self, status: int, message: str, *headers: tuple[bytes, bytes]) -> None:
        code = _UNAVAILABLE if status in (429, 503) else _INVALID_ARGUMENT
        if self._kind == JSON:
            body = json.dumps({"code": code, "message": message}).encode()
        else:
            body = Status(code=code, message=message).SerializeToString()
        await respond(self._send, status, body, (self._type, *headers))
