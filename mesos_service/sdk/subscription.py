"""One subscription: a response held open that brings events, and beside it a connection for calls.

The same for schedulers and executors (Mesos: scheduler and executor HTTP API): find who answers, follow redirects to
the leader (307), read RecordIO however it is cut, and notice a server that has fallen silent.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from mesos_service.domain.addresses import join_host_port
from mesos_service.http.client import Connection, ConnectionFault, Response
from mesos_service.http.dialing import PLAIN, Dialing
from mesos_service.sdk.errors import CallRefused, NotConnected
from mesos_service.wire.errors import WireError
from mesos_service.wire.recordio import RecordReader

STREAM_ID: Final = "mesos-stream-id"
_JSON: Final = {"Content-Type": "application/json", "Accept": "application/json"}
_REDIRECTS_MAX: Final = 5
_CONNECT_SECONDS: Final = 5.0
_ANSWER_SECONDS: Final = 10.0
"""A server that does not answer SUBSCRIBE within this is frozen."""
_NOT_NOW: Final = 503
_NOT_NOW_SECONDS_MAX: Final = 3.0
_AGAIN_SECONDS: Final = (0.1, 0.3)
_REFUSALS: Final = range(400, 500)
_VOID: Final = ("Framework cannot be found", "Framework is not subscribed", "The stream ID ", "Fencing token ")
"""How refusals begin that speak of the subscription and not of the call (recorded): the server has given it up."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a master or an agent listens."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str, default_port: int) -> Address:
        """Read ``host``, ``host:port``, ``[v6]:port``, each with or without ``http://`` or ``https://``.

        Raises:
            ValueError: with a sentence.
        """
        try:
            parts = urlsplit(text if "//" in text else f"//{text}")
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise ValueError(f"'{text}' is not host:port: {error}") from error
        if not host or parts.scheme not in ("", "http", "https") or parts.username is not None:
            raise ValueError(f"'{text}' is not host:port")
        return cls(host, default_port if port is None else port)

    def __str__(self) -> str:
        return join_host_port(self.host, self.port)


class Backoff:
    """Waiting times that double up to ``seconds_max``, each drawn between half and the whole, so that many clients do
    not come back in step (X26)."""

    def __init__(self, seconds_max: float, first_seconds: float = 0.1) -> None:
        self._seconds_max = seconds_max
        self._first_seconds = first_seconds
        self._ceiling_seconds = first_seconds

    def next(self) -> float:
        """Seconds to wait now."""
        ceiling = min(self._ceiling_seconds, self._seconds_max)
        self._ceiling_seconds = min(2 * self._ceiling_seconds, self._seconds_max)
        return random.uniform(ceiling / 2, ceiling)

    def reset(self) -> None:
        """Begin again with short waits: it worked."""
        self._ceiling_seconds = self._first_seconds


class Subscription:
    """An open stream of events, and calls to the server that holds it. Made by :meth:`open`."""

    def __init__(
        self, address: Address, path: str, stream: Connection, chunks: AsyncIterator[bytes], dialing: Dialing
    ) -> None:
        self.address = address
        self._dialing = dialing
        self.stream_id: str | None = None
        self.silence_seconds_max: float = 60.0
        """The server counts as gone after so long without a byte; to be set from its heartbeat interval."""
        self._path = path
        self._stream = stream
        self._chunks = chunks
        self._calls: Connection | None = None
        self._connecting = asyncio.Lock()
        self._closed = False

    @classmethod
    async def open(cls, address: Address, path: str, body: bytes, dialing: Dialing = PLAIN) -> Subscription:
        """Send SUBSCRIBE and follow redirects until somebody holds the answer open.

        Raises:
            ConnectionFault: nobody is there, or somebody who cannot serve now (503, 5xx, redirects in a ring).
            CallRefused: a 4xx; asking again would not help.
        """
        for _ in range(_REDIRECTS_MAX):
            stream = await Connection.open(address.host, address.port, _CONNECT_SECONDS, dialing)
            try:
                async with asyncio.timeout(_ANSWER_SECONDS):
                    head, chunks = await stream.stream("POST", path, body, _JSON)
                if head.status == 200:
                    subscription = cls(address, path, stream, chunks, dialing)
                    subscription.stream_id = head.headers.get(STREAM_ID)
                    return subscription
            except TimeoutError:
                stream.close()
                raise ConnectionFault(f"{address} did not answer within {_ANSWER_SECONDS:g} s") from None
            except BaseException:
                stream.close()
                raise
            stream.close()
            text = head.body.decode(errors="replace").strip()
            if head.status == 307 and "location" in head.headers:
                address, path = _redirected(head.headers["location"], address, path)
            elif head.status in _REFUSALS:
                raise CallRefused(head.status, text)
            else:
                raise ConnectionFault(f"{address} cannot serve now: HTTP {head.status} {text}".rstrip())
        raise ConnectionFault(f"{address} redirects in a ring")

    async def records(self) -> AsyncIterator[bytes]:
        """Events as JSON, in order, until the server ends the stream.

        Raises:
            ConnectionFault: the connection broke, or was silent for longer than ``silence_seconds_max``.
            WireError: what came is not RecordIO.
        """
        reader = RecordReader()
        while True:
            try:
                async with asyncio.timeout(self.silence_seconds_max):
                    chunk = await anext(self._chunks, None)
            except TimeoutError:
                raise ConnectionFault(f"{self.address} has been silent for {self.silence_seconds_max:g} s") from None
            if chunk is None:
                if reader.in_record:
                    raise WireError(502, "The stream ended within a record")
                return
            for record in reader.feed(chunk):
                yield record

    async def call(self, body: bytes, headers: Mapping[str, str] | None = None) -> bytes:
        """Make a call and return the answer's body, which for most calls is empty. Calls keep their order.

        But for this: a master that makes sure that it still leads takes no calls and keeps its streams; it is asked
        again, and calls that were made meanwhile may be taken before.

        Raises:
            NotConnected: the connection broke on the way, nobody answered within ``silence_seconds_max``, another
                master leads now, or this one has forgotten us.
            CallRefused: the server said no.
        """
        sent = {**_JSON, **(headers or {})}
        if self.stream_id is not None:
            sent["Mesos-Stream-Id"] = self.stream_id
        try:
            # Whoever calls from a handler reads no events meanwhile, and so would not see that the server is silent.
            async with asyncio.timeout(self.silence_seconds_max):
                response = await self._request(body, sent)
        except TimeoutError:
            self.close()
            raise NotConnected(f"{self.address} did not answer within {self.silence_seconds_max:g} s") from None
        except ConnectionFault as fault:
            raise NotConnected(str(fault)) from fault
        if response.status in (200, 202):
            return response.body
        text = response.body.decode(errors="replace").strip()
        if response.status in _REFUSALS and not text.startswith(_VOID):
            raise CallRefused(response.status, text)
        # 307 and 503: the server no longer leads. The stream is about to end as well; we need not wait for it.
        self.close()
        raise NotConnected(f"{self.address} has given up this subscription: HTTP {response.status} {text}".rstrip())

    async def _request(self, body: bytes, headers: Mapping[str, str]) -> Response:
        until = time.monotonic() + _NOT_NOW_SECONDS_MAX
        response = await (await self._connected()).request("POST", self._path, body, headers)
        while response.status == _NOT_NOW and time.monotonic() < until:
            await asyncio.sleep(random.uniform(*_AGAIN_SECONDS))
            response = await (await self._connected()).request("POST", self._path, body, headers)
        return response

    async def _connected(self) -> Connection:
        if self._closed:
            raise NotConnected(f"the subscription at {self.address} is over")
        connection = self._calls
        if connection is not None and connection.is_open:
            return connection
        async with self._connecting:
            if self._calls is None or not self._calls.is_open:
                self._calls = await Connection.open(
                    self.address.host, self.address.port, _CONNECT_SECONDS, self._dialing
                )
                if self._closed:
                    self._calls.close()
            return self._calls

    def close(self) -> None:
        """End it from this side; a reader of :meth:`records` gets a ``ConnectionFault``."""
        self._closed = True
        self._stream.close()
        if self._calls is not None:
            self._calls.close()


async def open_any(addresses: Iterable[Address], path: str, body: bytes, dialing: Dialing = PLAIN) -> Subscription:
    """Subscribe with the first of ``addresses`` that answers; raises what the last of them raised."""
    fault: ConnectionFault | None = None
    for address in addresses:
        try:
            return await Subscription.open(address, path, body, dialing)
        except ConnectionFault as error:
            fault = error
    raise fault or ConnectionFault("there is no address to try")


def _redirected(location: str, address: Address, path: str) -> tuple[Address, str]:
    """Mesos redirects to ``//host:port/path``, without a scheme."""
    try:
        parts = urlsplit(location)
        if not parts.netloc:
            return address, parts.path or path
        return Address.parse(f"//{parts.netloc}", address.port), parts.path or path
    except ValueError as error:
        raise ConnectionFault(f"{address} redirects to nowhere: {location}") from error
