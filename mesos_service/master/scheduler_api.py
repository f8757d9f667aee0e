"""``POST /api/v1/scheduler``: the hot path. Bytes in, one step of the core, 202 out.

What the body alone can be refused for is ``wire``'s matter, what needs the master's memory the core's. SUBSCRIBE holds
its answer open, and what changes a framework's record in the registry is answered when that is stored; every other
call is answered at once, unless its principal's calls are limited and it comes too early.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from mesos_service.core.effects import OpenStream, Reply
from mesos_service.core.master.state import Framework
from mesos_service.core.scheduler_messages import SchedulerDisconnected
from mesos_service.domain.ids import FrameworkId, StreamId
from mesos_service.driver import Held
from mesos_service.http.asgi import (
    CLIENT_BODY_BYTES_MAX,
    Answered,
    Call,
    HeaderName,
    Receive,
    Scope,
    Send,
    respond_text,
)
from mesos_service.http.calls import broken, receive_call, respond_answered, respond_broken
from mesos_service.http.held_stream import HeldStream
from mesos_service.master.driver import MasterDriver
from mesos_service.master.leadership import IN_DOUBT
from mesos_service.master.outlets import MasterOutlets
from mesos_service.master.rate_limits import ABOVE_CAPACITY, RateLimiter
from mesos_service.telemetry.traces import parse_traceparent
from mesos_service.wire import scheduler
from mesos_service.wire.convert.scheduler import CallContext, call_from_wire
from mesos_service.wire.decode import read_scheduler_call
from mesos_service.wire.errors import WireError
from mesos_service.wire.streams import negotiate, negotiate_answer

STREAM_ID: Final = HeaderName(b"Mesos-Stream-Id")
CONTENT_TYPE: Final = HeaderName(b"Content-Type")
NOT_ACCEPTABLE: Final = "Expecting 'Accept' to allow 'application/x-protobuf' or 'application/json'"
MAY_WAIT: Final = frozenset({"SUBSCRIBE", "TEARDOWN", "UPDATE_FRAMEWORK"})
"""Calls whose answer may wait for the registry (X16)."""
SUBSCRIBE_WITH_STREAM_ID: Final = "Subscribe calls should not include the 'Mesos-Stream-Id' header"


class SchedulerApi:
    """The endpoint as an ASGI application; ``called`` is told the type of each call that was understood."""

    def __init__(
        self,
        driver: MasterDriver,
        outlets: MasterOutlets,
        called: Callable[[scheduler.Call], None],
        limiter: RateLimiter | None = None,
    ) -> None:
        self._driver = driver
        self._outlets = outlets
        self._called = called
        self._limiter = limiter

    def answer(self, posted: Call) -> Answered | None:
        """Do what a call says; ``None``, and nothing is done, for one whose answer may have to wait."""
        try:
            call = read_scheduler_call(posted.body, posted.principal, posted.headers.content_type)
        except WireError as error:
            return error.status, error.text
        if call.type == "RECONCILE_OPERATIONS" and negotiate_answer(posted.headers.accept) is None:
            # It was once to be answered with a body, and Mesos demands that it could be.
            return 406, NOT_ACCEPTABLE
        if call.type in MAY_WAIT or not self._may_go(call, posted):
            return None
        return self._do(call, posted)

    def _do(self, call: scheduler.Call, posted: Call) -> Answered:
        self._called(call)
        request = self._driver.new_request()
        try:
            reply = self._driver.call(request, call_from_wire(call, _context(request, posted)))
            assert isinstance(reply, Reply), "only SUBSCRIBE opens a stream, and this call waits for nothing durable"
        except Held:
            return IN_DOUBT
        except Exception:  # noqa: BLE001 - one defect of ours must not take the other clients' streams along.
            return broken(f"a {call.type} call")
        return reply.status, reply.text

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        posted = await receive_call(scope, receive, send, limit=CLIENT_BODY_BYTES_MAX)
        if posted is None:
            return
        answered = self.answer(posted)
        if answered is None:
            call = read_scheduler_call(posted.body, posted.principal, posted.headers.content_type)
            if call.type == "SUBSCRIBE":
                await self._subscribe(call, posted, receive, send)
                return
            dropped = await self._turn(call, posted)
            if dropped is not None:
                answered = ABOVE_CAPACITY, f"Message {call.type} dropped: {dropped}"
            elif call.type in MAY_WAIT:
                answered = await self._wait(call, posted)
            else:
                answered = self._do(call, posted)
        await respond_answered(send, answered)

    def _may_go(self, call: scheduler.Call, posted: Call) -> bool:
        if self._limiter is None or (framework := self._caller(call, posted)) is None:
            return True
        return self._limiter.may_go(framework.info.principal)

    async def _turn(self, call: scheduler.Call, posted: Call) -> str | None:
        """Wait until a call of a limited principal may be processed, or say why it is not."""
        if self._limiter is None or self._may_go(call, posted):
            return None
        framework = self._caller(call, posted)
        return None if framework is None else await self._limiter.turn(framework.info.principal)

    def _caller(self, call: scheduler.Call, posted: Call) -> Framework | None:
        """The framework whose scheduler this is. A call that names somebody's framework without a stream of his is
        refused by the core, and must not use up what he may call."""
        state, stream_id = self._driver.state, posted.headers.stream_id
        if call.framework_id is None or stream_id is None:
            return None
        framework_id = FrameworkId(call.framework_id.value)
        return state.frameworks.get(framework_id) if state.streams.get(StreamId(stream_id)) == framework_id else None

    async def _wait(self, call: scheduler.Call, posted: Call) -> Answered:
        self._called(call)
        request = self._driver.new_request()
        try:
            reply = await self._decide(request, call, posted)
        except Held:
            return IN_DOUBT
        except Exception:  # noqa: BLE001 - see above.
            return broken(f"a {call.type} call")
        assert isinstance(reply, Reply), "only SUBSCRIBE opens a stream"
        return reply.status, reply.text

    async def _decide(self, request: int, call: scheduler.Call, posted: Call) -> Reply | OpenStream:
        message = call_from_wire(call, _context(request, posted))
        answer = self._driver.call(request, message)
        return await self._driver.answer(request) if answer is None else answer

    async def _subscribe(self, call: scheduler.Call, posted: Call, receive: Receive, send: Send) -> None:
        self._called(call)
        encoding = negotiate(posted.headers.accept)
        if encoding is None:
            await respond_text(send, 406, NOT_ACCEPTABLE)
            return
        if posted.headers.stream_id is not None:
            await respond_text(send, 400, SUBSCRIBE_WITH_STREAM_ID)
            return
        driver, outlets = self._driver, self._outlets
        request = driver.new_request()
        stream = HeldStream(encoding.framer(), backlog=outlets.backlog, protobuf=encoding.is_protobuf)
        outlets.expect_stream(request, stream)
        try:
            answer = await self._decide(request, call, posted)
        except Held:
            await respond_answered(send, IN_DOUBT)
            return
        except Exception:  # noqa: BLE001 - see above.
            await respond_broken(send, "a SUBSCRIBE call")
            return
        finally:
            outlets.expect_stream(request, None)
        if isinstance(answer, Reply):
            await respond_text(send, answer.status, answer.text)
            return
        stream_id = answer.stream_id
        headers = [(STREAM_ID, stream_id.encode()), (CONTENT_TYPE, encoding.content_type.encode())]
        reason = "this master failed"
        try:
            reason = await stream.serve(receive, send, 200, headers)
        finally:
            outlets.drop_stream(stream_id)
            framework_id = driver.state.streams.get(stream_id)
            if framework_id is not None:
                driver.submit(SchedulerDisconnected(framework_id=framework_id, stream_id=stream_id, reason=reason))


def _context(request: int, posted: Call) -> CallContext:
    headers = posted.headers
    return {
        "request": request,
        "stream_id": headers.stream_id,
        "principal": posted.principal,
        "stimulus": f"call-{request}",
        "caller_trace": None if headers.traceparent is None else parse_traceparent(headers.traceparent),
    }
