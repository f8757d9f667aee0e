"""Where the agent's effects leave the process: streams to executors, and its share of the link to the master."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from mesos_service.core.events import ExecutorEvent
from mesos_service.core.link import Uplink
from mesos_service.domain.ids import AgentId, LinkId, StreamId
from mesos_service.http.held_stream import Backlog, HeldStream
from mesos_service.wire.convert.executor import event_to_wire
from mesos_service.wire.encode import encode_event
from mesos_service.wire.protobuf.encode import encode_protobuf


class Sender(Protocol):
    """An agent's share of a link (``master_link.AgentUplink``)."""

    def send(self, link_id: LinkId, agent_id: AgentId | None, message: Uplink) -> None: ...


class AgentOutlets:
    """Performs the sending effects of one agent. ``exit_`` is told that the agent's work is over, and why."""

    def __init__(self, uplink: Sender, exit_: Callable[[int, str], None]) -> None:
        self._uplink = uplink
        self._exit = exit_
        self._expected: dict[int, HeldStream] = {}
        self.executor_streams: dict[StreamId, HeldStream] = {}
        self.backlog = Backlog()
        self.overruns = 0
        """Streams given up because their reader was too slow (N17)."""

    # -- the master ------------------------------------------------------------------------------------------
    def send_master(self, link_id: LinkId, agent_id: AgentId | None, message: Uplink) -> None:
        """Lost without a word when that link is no longer open: the core repeats what must arrive (X62)."""
        self._uplink.send(link_id, agent_id, message)

    # -- executors -------------------------------------------------------------------------------------------
    def expect_stream(self, request: int, stream: HeldStream | None) -> None:
        """The stream that is to be opened if ``request`` is granted; ``None`` takes the wish back."""
        if stream is None:
            self._expected.pop(request, None)
        else:
            self._expected[request] = stream

    def open_executor(self, request: int, stream_id: StreamId) -> None:
        """Events may be written from here on; they leave once the answer's head has been sent."""
        self.executor_streams[stream_id] = self._expected.pop(request)

    def drop_stream(self, stream_id: StreamId) -> None:
        stream = self.executor_streams.pop(stream_id, None)
        if stream is not None and stream.overrun:
            self.overruns += 1

    def send_executor(self, stream_id: StreamId, event: ExecutorEvent) -> None:
        stream = self.executor_streams.get(stream_id)
        if stream is not None:
            message = event_to_wire(event)
            stream.write(encode_protobuf(message) if stream.protobuf else encode_event(message))

    def close_executor(self, stream_id: StreamId) -> None:
        stream = self.executor_streams.get(stream_id)
        if stream is not None:
            stream.close()

    # -- the process -----------------------------------------------------------------------------------------
    def exit(self, status: int, message: str) -> None:
        self._exit(status, message)
