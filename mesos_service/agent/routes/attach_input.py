"""``ATTACH_CONTAINER_INPUT``: a request that goes on for as long as somebody types (M-OA-04).

What a container is to read comes in as records of calls, the first of which says which container it is. They are read
as fast as the container reads, and a little ahead.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine
from typing import Final

from mesos_service.agent.launch_plans import size_of
from mesos_service.agent.nested import NestedContainers, NothingToAttach, NotNested
from mesos_service.agent.routes.nested_calls import known, refused
from mesos_service.agent.routes.reads import AgentReads
from mesos_service.agent.terminals import Terminal
from mesos_service.http.asgi import TEXT, ClientGone, Receive, Scope, Send, respond, respond_text
from mesos_service.http.operator_calls import Refused
from mesos_service.wire import agent_operator as operator
from mesos_service.wire.decode import read_agent_call
from mesos_service.wire.errors import WireError
from mesos_service.wire.recordio import RecordReader
from mesos_service.wire.streams import JSON, PROTOBUF

RECORD_BYTES_MAX: Final = 1024 * 1024
"""Of input; a client that sends more at once is refused."""
AHEAD_BYTES_MAX: Final = 4 * 1024 * 1024
"""Of input that is read before the container takes it."""


async def attach_input(service: AgentReads, scope: Scope, receive: Receive, send: Send) -> None:
    """``ATTACH_CONTAINER_INPUT``: a request that goes on for as long as somebody types."""
    terminal: Terminal | None = None
    incoming = _Body(receive)
    try:
        message_type = dict(scope["headers"]).get(b"message-content-type", b"").decode("latin-1")
        if message_type not in (JSON, PROTOBUF):
            raise Refused(415, f"Expecting 'Message-Content-Type' of {JSON} or {PROTOBUF}")
        reader = RecordReader()
        unfinished = 0
        more = True
        while more:
            body, more = await incoming.next()
            records = reader.feed(body)
            unfinished = len(body) if records else unfinished + len(body)
            if unfinished > 2 * RECORD_BYTES_MAX or any(len(one) > RECORD_BYTES_MAX for one in records):
                raise Refused(413, f"A record of input is {RECORD_BYTES_MAX} bytes at most")
            for one in records:
                asked = _input_of(one, message_type)
                if terminal is None:
                    terminal = _input_terminal(service.nested, asked)
                elif not await incoming.unless_gone(_pass_on(terminal, asked)):
                    raise Refused(400, "The container reads no more")
        if terminal is None:
            raise Refused(400, "Expecting 'attach_container_input.container_id' to be present")
        await respond_text(send, 200, "")
    except ClientGone:
        return
    except WireError as error:
        await respond(send, 400 if error.status == 502 else error.status, error.text.encode(), (TEXT,))
    except Refused as refusal:
        # The client is still sending, and is not going to be read.
        await respond(send, refusal.status, refusal.text.encode(), (TEXT, (b"connection", b"close")))
    finally:
        incoming.close()
        if terminal is not None:
            terminal.input_taken = False


class _Body:
    """A request's body, read a little ahead of who uses it: only by reading is it heard that a client has gone, and a
    container that reads nothing may keep who writes to it for ever."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._chunks: deque[tuple[bytes, bool]] = deque()
        self._ahead = 0
        self._moved = asyncio.Event()
        self._gone = asyncio.Event()
        self._reading = asyncio.ensure_future(self._read())

    async def next(self) -> tuple[bytes, bool]:
        """The next piece, and whether more is to come. Raises ``ClientGone``."""
        while not self._chunks:
            if self._gone.is_set():
                raise ClientGone
            self._moved.clear()
            await self._moved.wait()
        chunk = self._chunks.popleft()
        self._ahead -= len(chunk[0])
        self._moved.set()
        return chunk

    async def unless_gone(self, passing: Coroutine[object, object, bool]) -> bool:
        """Do this, but not for a client that has gone: another may want to type. Raises ``ClientGone``."""
        task, gone = asyncio.ensure_future(passing), asyncio.ensure_future(self._gone.wait())
        try:
            await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise ClientGone
            return task.result()
        finally:
            task.cancel()
            gone.cancel()

    def close(self) -> None:
        self._reading.cancel()

    async def _read(self) -> None:
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self._gone.set()
                self._moved.set()
                return
            body = message.get("body", b"")
            self._chunks.append((body, message.get("more_body", False)))
            self._ahead += len(body)
            self._moved.set()
            while self._ahead > AHEAD_BYTES_MAX:
                self._moved.clear()
                await self._moved.wait()


def _input_of(one: bytes, message_type: str) -> operator.CallAttachContainerInput:
    call = read_agent_call(one, message_type)
    if call.type != "ATTACH_CONTAINER_INPUT" or call.attach_container_input is None:
        raise Refused(400, "Expecting 'type' of ATTACH_CONTAINER_INPUT in each record")
    return call.attach_container_input


def _input_terminal(nested: NestedContainers, asked: operator.CallAttachContainerInput) -> Terminal:
    if asked.type != "CONTAINER_ID" or asked.container_id is None:
        raise Refused(400, "Expecting 'attach_container_input.type' to be CONTAINER_ID in the first record")
    container_id = known(nested, asked.container_id, None)
    try:
        terminal = nested.terminal_of(container_id)
    except (NotNested, NothingToAttach) as error:
        raise refused(error) from error
    if terminal.input_taken:
        raise Refused(409, "Multiple input connections are not allowed")
    terminal.input_taken = True
    return terminal


async def _pass_on(terminal: Terminal, asked: operator.CallAttachContainerInput) -> bool:
    given = asked.process_io
    if asked.type != "PROCESS_IO" or given is None:
        raise Refused(400, "Expecting 'attach_container_input.type' to be PROCESS_IO")
    if given.type == "DATA" and given.data is not None:
        if given.data.type != "STDIN":
            raise Refused(400, "Expecting 'process_io.data.type' to be STDIN")
        if given.data.data:
            return await terminal.write(given.data.data)
        await terminal.end_input()
    elif given.type == "CONTROL" and given.control is not None:
        if given.control.type == "TTY_INFO" and given.control.tty_info is not None:
            terminal.resize(size_of(given.control.tty_info))
    else:
        raise Refused(400, "Expecting 'process_io' to hold data or control")
    return True
