"""The trace store as a service: one thread writes, two read, and the loop only hands on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from mesos_service.http.asgi import BODY_BYTES_MAX
from mesos_service.http.server import HttpServer, bind
from mesos_service.http.tls import TlsFiles, renew, server_context
from mesos_service.tracing_store.answers import StoredTrace, TraceList
from mesos_service.tracing_store.app import build_application
from mesos_service.tracing_store.config import FILE, TracesConfig
from mesos_service.tracing_store.ingest import Busy
from mesos_service.tracing_store.reading import Query, find_trace, find_traces
from mesos_service.tracing_store.records import MalformedTraces, ReceivedSpans
from mesos_service.tracing_store.schema import StoreFault
from mesos_service.tracing_store.store import TraceStore

FORGET_SECONDS: Final = 60.0
"""Between two looks for what is too old."""
QUEUE_OCTETS_MAX: Final = 128 * 1024 * 1024
"""Of bodies, packed as they came, that wait for the thread that writes; more are sent away for now."""
READERS: Final = 2
COMPLAIN_SECONDS: Final = 60.0
"""A disk that is full stays so for a while, and is told once in that time."""

log = logging.getLogger(__name__)
T = TypeVar("T")


class TracesService:
    """A store that listens from :meth:`start` to :meth:`stop`; to be made in a running loop.

    Raises:
        AddressInUse: somebody else listens at ``--port``.
        StoreFault: the file cannot be used.
    """

    def __init__(self, config: TracesConfig) -> None:
        config.prepare()
        self.config = config
        self._listener = bind(config.ip, config.port)
        self.port: int = self._listener.getsockname()[1]
        try:
            self._store = TraceStore(config.work_dir / FILE, config.max_size.octets, config.max_age.seconds)
        except StoreFault:
            self._listener.close()
            raise
        self._writer = ThreadPoolExecutor(1, "traces-writer")
        self._readers = ThreadPoolExecutor(READERS, "traces-reader")
        self._queued_octets = 0
        self._received = self._taken = self._rejected = self._malformed = self._refused = 0
        self._complain_at = 0.0
        self._forgetting: asyncio.Task[None] | None = None
        # A body that fills the file at once would leave nothing of what was there.
        application = build_application(self, min(BODY_BYTES_MAX, config.max_size.octets // 4))
        self._server = HttpServer(application, self._listener, server_context(TlsFiles.of(config)))

    @property
    def flags(self) -> Mapping[str, str]:
        """What ``/flags`` shows."""
        return self.config.as_flags()

    async def start(self) -> None:
        """Returns when connections are accepted."""
        await self._server.start()
        self._forgetting = asyncio.create_task(self._forget())
        log.info("Traces are taken at %s:%d and kept in %s", self.config.ip, self.port, self.config.work_dir / FILE)

    def renew_certificates(self) -> int:
        """Have new connections use what the files hold now; as :func:`renew` does."""
        return renew((self._server.tls,))

    async def stop(self) -> None:
        """Answer what has come, and close the file."""
        if self._forgetting is not None:
            self._forgetting.cancel()
        await self._server.stop()
        await asyncio.to_thread(self._writer.shutdown)
        await asyncio.to_thread(self._readers.shutdown)
        self._store.close()

    async def take(self, octets: int, read: Callable[[], ReceivedSpans]) -> ReceivedSpans:
        """See ``ingest.Take``."""
        if self._queued_octets + octets > QUEUE_OCTETS_MAX:
            self._refused += 1
            raise Busy
        self._queued_octets += octets
        try:
            return await self._on(self._writer, lambda: self._read_and_keep(read))
        except (MalformedTraces, OverflowError):
            self._malformed += 1
            raise
        except StoreFault as fault:
            self._refused += 1
            self._complain(fault)
            raise
        finally:
            self._queued_octets -= octets

    def _read_and_keep(self, read: Callable[[], ReceivedSpans]) -> ReceivedSpans:
        received = read()
        self._taken += self._store.add(received)
        self._received += len(received.spans)
        self._rejected += received.rejected
        return received

    async def trace(self, trace_id: bytes) -> StoredTrace | None:
        return await self._on(self._readers, lambda: find_trace(self._store.engine, trace_id))

    async def traces(self, query: Query) -> TraceList:
        return await self._on(self._readers, lambda: find_traces(self._store.engine, query))

    async def snapshot(self) -> Mapping[str, float]:
        """What there is and what came, by metric name; counters since the start. Raises ``StoreFault``."""
        counts = {
            **await self._on(self._writer, self._store.counts),
            "traces/queued_octets": float(self._queued_octets),
            "traces/requests_malformed": float(self._malformed),
            "traces/requests_refused": float(self._refused),
            "traces/spans_received": float(self._received),
            "traces/spans_rejected": float(self._rejected),
            "traces/spans_repeated": float(self._received - self._taken),
        }
        return dict(sorted(counts.items()))

    async def _forget(self) -> None:
        while True:
            try:
                forgotten = await self._on(self._writer, self._store.forget_old)
                log.debug("Forgot %d spans that were too old", forgotten)
            except StoreFault as fault:
                self._complain(fault)
            await asyncio.sleep(FORGET_SECONDS)

    def _complain(self, fault: StoreFault) -> None:
        now = asyncio.get_running_loop().time()
        if now >= self._complain_at:
            self._complain_at = now + COMPLAIN_SECONDS
            log.error("Traces cannot be kept: %s", fault)

    async def _on(self, threads: ThreadPoolExecutor, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(threads, work)
