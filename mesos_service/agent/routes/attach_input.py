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
from mesos_service.http.asgi import TEXT, CallHeaders, ClientGone, Receive, Send, respond, respond_text
from mesos_service.http.connections import UnderlyingConnection
from mesos_service.http.operator_calls import Refused
from mesos_service.wire import agent_operator as operator
from mesos_service.wire.decode import read_agent_call
from mesos_service.wire.errors import WireError
from mesos_service.wire.recordio import RecordReader
from mesos_service.wire.streams import RECORDS, takes_records
from mesos_service.wire.validate_agent import refuse_process_io

RECORD_BYTES_MAX: Final = 1024 * 1024
"""Of input; a client that sends more at once is refused."""
AHEAD_BYTES_MAX: Final = 4 * 1024 * 1024
"""Of input that is read before the container takes it."""


async def attach_input(service: AgentReads, headers: CallHeaders, receive: Receive, send: Send) -> None:
    """``ATTACH_CONTAINER_INPUT``: a request that goes on for as long as somebody types.

    ``headers`` say of what kind the records are.
    """
    terminal: Terminal | None = None
    # He holds the input, and once he is gone nothing else would tell: nothing is sent to him until all is read.
    UnderlyingConnection(receive).end_with_client()
    incoming = _Body(receive)
    try:
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
                asked = _input_of(one, headers)
                if terminal is None:
                    terminal = _input_terminal(service.nested, asked)
                elif not await incoming.unless_gone(_pass_on(terminal, asked)):
                    raise Refused(400, "The container reads no more")
        if terminal is None:
            raise Refused(400, "Received EOF while reading request body")
        await respond_text(send, 200, "")
    except ClientGone:
        return
    except WireError as error:
        await _refuse(send, 400 if error.status == 502 else error.status, error.text)
    except Refused as refusal:
        await _refuse(send, refusal.status, refusal.text)
    finally:
        incoming.close()
        if terminal is not None:
            terminal.input_taken = False


async def _refuse(send: Send, status: int, text: str) -> None:
    """The client is still sending, and is not going to be read."""
    await respond(send, status, text.encode(), (TEXT, (b"connection", b"close")))


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


def _input_of(one: bytes, headers: CallHeaders) -> operator.CallAttachContainerInput:
    call = read_agent_call(one, headers.message_content_type)
    if call.type != "ATTACH_CONTAINER_INPUT" or call.attach_container_input is None:
        raise Refused(415, f"Streaming 'Content-Type' {RECORDS} is not supported for {call.type} call")
    if takes_records(headers.accept):
        raise Refused(406, f"Streaming response is not supported for {call.type} call")
    return call.attach_container_input


def _input_terminal(nested: NestedContainers, asked: operator.CallAttachContainerInput) -> Terminal:
    if asked.type != "CONTAINER_ID" or asked.container_id is None:
        raise Refused(400, "Expecting 'attach_container_input.type' to be CONTAINER_ID")
    container_id = known(nested, asked.container_id)
    try:
        terminal = nested.terminal_of(container_id)
    except (NotNested, NothingToAttach) as error:
        raise refused(error) from error
    if terminal.input_taken:
        raise Refused(409, "Multiple input connections are not allowed")
    terminal.input_taken = True
    return terminal


async def _pass_on(terminal: Terminal, asked: operator.CallAttachContainerInput) -> bool:
    refusal = refuse_process_io(asked)
    if refusal is not None:
        raise Refused(400, refusal)
    given = asked.process_io
    assert given is not None, "it would have been refused"
    if given.data is not None and given.type == "DATA":
        if given.data.data:
            return await terminal.write(given.data.data)
        terminal.end_input()
    elif given.control is not None and given.control.tty_info is not None and given.control.type == "TTY_INFO":
        terminal.resize(size_of(given.control.tty_info))
    return True
