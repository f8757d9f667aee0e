"""``POST /api/v1/executor``: custom executors subscribe here and report (M-EX-01, M-EX-02).

What the body alone can be refused for is ``wire``'s matter, what needs the agent's memory the core's. SUBSCRIBE holds
its answer open and, unlike a scheduler's, names no stream: an executor has one stream, and a newer replaces it.
"""

from __future__ import annotations

from typing import Final

from mesos_service.agent.driver import AgentDriver
from mesos_service.agent.outlets import AgentOutlets
from mesos_service.core.agent_messages import ExecutorDisconnected
from mesos_service.core.effects import Reply
from mesos_service.domain.ids import ExecutorId, FrameworkId
from mesos_service.http.asgi import (
    CLIENT_BODY_BYTES_MAX,
    Call,
    HeaderName,
    Receive,
    Scope,
    Send,
    respond_accepted,
    respond_text,
)
from mesos_service.http.calls import receive_call, respond_broken
from mesos_service.http.held_stream import HeldStream
from mesos_service.wire import executor
from mesos_service.wire.convert.executor import call_from_wire
from mesos_service.wire.decode import read_executor_call
from mesos_service.wire.errors import WireError
from mesos_service.wire.streams import negotiate

CONTENT_TYPE: Final = HeaderName(b"Content-Type")
NOT_ACCEPTABLE: Final = "Expecting 'Accept' to allow 'application/x-protobuf' or 'application/json'"


class ExecutorApi:
    """The endpoint as an ASGI application."""

    def __init__(self, driver: AgentDriver, outlets: AgentOutlets) -> None:
        self._driver = driver
        self._outlets = outlets

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        posted = await receive_call(scope, receive, send, limit=CLIENT_BODY_BYTES_MAX)
        if posted is None:
            return
        try:
            call = read_executor_call(posted.body, posted.headers.content_type)
        except WireError as error:
            await respond_text(send, error.status, error.text)
            return
        if call.type == "SUBSCRIBE":
            await self._subscribe(call, posted, receive, send)
            return
        driver = self._driver
        request = driver.new_request()
        try:
            answer = driver.call(request, call_from_wire(call, request, stimulus=f"executor-call-{request}"))
        except Exception:  # noqa: BLE001 - one defect of ours must not take the other executors' streams along.
            await respond_broken(send, f"a {call.type} call")
            return
        if answer is None:
            answer = await driver.answer(request)
        assert isinstance(answer, Reply), "only SUBSCRIBE opens a stream"
        if answer.status == 202:
            await respond_accepted(send)
        else:
            await respond_text(send, answer.status, answer.text)

    async def _subscribe(self, call: executor.Call, posted: Call, receive: Receive, send: Send) -> None:
        encoding = negotiate(posted.headers.accept)
        if encoding is None:
            await respond_text(send, 406, NOT_ACCEPTABLE)
            return
        driver, outlets = self._driver, self._outlets
        request = driver.new_request()
        stream = HeldStream(encoding.framer(), backlog=outlets.backlog, protobuf=encoding.is_protobuf)
        outlets.expect_stream(request, stream)
        try:
            answer = driver.call(request, call_from_wire(call, request, stimulus=f"executor-call-{request}"))
            if answer is None:
                answer = await driver.answer(request)
        except Exception:  # noqa: BLE001 - see above.
            await respond_broken(send, "a SUBSCRIBE call")
            return
        finally:
            outlets.expect_stream(request, None)
        if isinstance(answer, Reply):
            await respond_text(send, answer.status, answer.text)
            return
        stream_id = answer.stream_id
        try:
            await stream.serve(receive, send, 200, [(CONTENT_TYPE, encoding.content_type.encode())])
        finally:
            outlets.drop_stream(stream_id)
            driver.submit(
                ExecutorDisconnected(
                    framework_id=FrameworkId(call.framework_id.value),
                    executor_id=ExecutorId(call.executor_id.value),
                    stream_id=stream_id,
                )
            )
