"""What lies under an answer that is being sent: ASGI hides the connection, and held streams need a little of it."""

from __future__ import annotations

import socket
import struct
from typing import Any

from mesos_service.http.asgi import Receive


class UnderlyingConnection:
    """The connection that ``receive`` reads from, where the server lets it be found.

    ASGI can neither break a connection off nor say that it is gone. In uvicorn (0.54, of all 0.5x) ``receive`` is a
    method of the request's cycle, which has both the transport and the word that the client left; so is ``send``, but
    Starlette puts functions of its own in place of that. Under another server nothing is found, and every method does
    nothing.
    """

    __slots__ = ("_cycle", "_transport")

    def __init__(self, receive: Receive) -> None:
        # Any: these are uvicorn's own and nobody's contract.
        self._cycle: Any = getattr(receive, "__self__", None)
        self._transport: Any = getattr(self._cycle, "transport", None)

    @property
    def takes_chunks(self) -> bool:
        """Whether the answer's head has been sent and says that chunks follow, so that :meth:`write` may send them."""
        return self._transport is not None and bool(getattr(self._cycle, "chunked_encoding", False))

    @property
    def is_choked(self) -> bool:
        """The client takes less than is sent: whoever writes has to wait for it."""
        return bool(self._cycle.flow.write_paused)

    def write(self, data: bytes) -> None:
        """Send whole chunks. Only where it :attr:`takes_chunks`, and neither closed nor choked."""
        self._transport.write(data)

    def end_with_client(self) -> None:
        """Take the end of what the client sends for its leaving; otherwise it is answered first."""
        end = None if self._transport is None else getattr(self._transport.get_protocol(), "end_with_client", None)
        if end is not None:
            end()

    @property
    def is_closed(self) -> bool:
        """Known to be closing or closed. uvicorn tells only the last of several pipelined requests."""
        return self._transport is not None and bool(self._transport.is_closing())

    def abort(self) -> bool:
        """Break off at once and drop what the transport still holds; whether that could be done.

        An orderly close waits until everything was sent, and to a client that never reads that is never.
        """
        if self._transport is None:
            return False
        connection = self._transport.get_extra_info("socket")
        if connection is not None:
            # Without this the kernel in turn would keep what it holds for as long as the client is there.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()
        return True

    def tell_gone(self) -> None:
        """Let the cycle know that its client left, so that uvicorn does not report an unfinished answer as a defect."""
        if self._transport is not None and hasattr(self._cycle, "disconnected"):
            self._cycle.disconnected = True
