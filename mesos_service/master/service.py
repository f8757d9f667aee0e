"""One master, put together: its state, its driver, its doors."""

from __future__ import annotations

import logging
import os
import random
import uuid
from collections.abc import Mapping

from mesos_service.core.master.state import MasterState
from mesos_service.domain.ids import FrameworkId, MasterId
from mesos_service.driver import Clock
from mesos_service.http.server import HttpServer, bind
from mesos_service.master.agent_api import AgentApi
from mesos_service.master.app import build_application
from mesos_service.master.config import MasterConfig
from mesos_service.master.description import describe_master
from mesos_service.master.driver import MasterDriver
from mesos_service.master.outlets import MasterOutlets
from mesos_service.master.scheduler_api import SchedulerApi
from mesos_service.plugins.allocator import Allocator, AllocatorOptions
from mesos_service.plugins.loader import ALLOCATORS, load
from mesos_service.registrar.memory import MemoryRegistrar
from mesos_service.telemetry.metrics import MasterMetrics
from mesos_service.telemetry.observers import Observers
from mesos_service.telemetry.traces import open_exporter
from mesos_service.wire.scheduler import Call

log = logging.getLogger(__name__)


def make_allocator(config: MasterConfig) -> Allocator:
    """The allocator that ``--allocator`` names.

    Raises:
        ConfigurationError: it is not there, or is not what an allocator has to be.
    """
    options = config.options()
    kind = load(ALLOCATORS, config.allocator, config.modules_dirs())
    return kind(
        AllocatorOptions(
            allocation_interval_seconds=options.allocation_interval_seconds,
            min_allocatable=config.min_allocatable(),
            fair_sharing_excluded=config.fair_sharing_excluded(),
            weights=config.role_weights(),
        )
    )


class MasterService:
    """A master that listens from :meth:`start` to :meth:`stop`. Standalone, it leads from the first moment."""

    def __init__(self, config: MasterConfig) -> None:
        self.config = config
        self.clock = Clock()
        self.started_at = self.clock()
        self._listener = bind(config.ip, config.port)
        self.port: int = self._listener.getsockname()[1]
        self.hostname = config.shown_hostname()
        self._spans = open_exporter("mesos-master")
        self.metrics = MasterMetrics([self._stream_overruns, *([] if self._spans is None else [self._spans.counts])])
        self.state = MasterState(
            master_id=MasterId(str(uuid.uuid4())),
            options=config.options(tracing=self._spans is not None),
            allocator=make_allocator(config),
            random=random.Random(os.urandom(32)),
            started_at=self.started_at,
            elected_at=self.started_at,
            weights=config.role_weights(),
        )
        self.description = describe_master(
            self.state.master_id, config.advertise_ip or config.ip, config.advertise_port or self.port, self.hostname
        )
        self.outlets = MasterOutlets(self.state, self.description, self.metrics.event)
        self.driver = MasterDriver(
            self.state,
            self.outlets,
            Observers("master", self.metrics, self._spans),
            MemoryRegistrar,
            self.clock,
        )
        self.scheduler_api = SchedulerApi(self.driver, self.outlets, self._count_call)
        self._server = HttpServer(
            build_application(self, self.scheduler_api, AgentApi(self.driver, self.outlets, self.metrics.uplink)),
            self._listener,
        )

    @property
    def flags(self) -> Mapping[str, str]:
        return self.config.as_flags()

    def _stream_overruns(self) -> Mapping[str, float]:
        """Streams that were given up because their reader was too slow (N17); Mesos has no such metric."""
        return {"master/stream_overruns": float(self.outlets.overruns)}

    def _count_call(self, call: Call) -> None:
        framework_id = FrameworkId(call.framework_id.value) if call.framework_id is not None else None
        # An id that nobody has is whatever a client made up: it gets no counter of its own.
        self.metrics.call(call.type or "UNKNOWN", framework_id if framework_id in self.state.frameworks else None)

    async def start(self) -> None:
        """Returns when connections are accepted."""
        await self._server.start()
        log.info("Master %s leads at %s:%d", self.state.master_id, self.config.ip, self.port)

    async def stop(self) -> None:
        """Close every stream and the doors; agents and frameworks will look for a new master."""
        self.driver.stop()
        for stream in [*self.outlets.scheduler_streams.values(), *self.outlets.links.values()]:
            stream.close()
        await self._server.stop()
        await self.close()

    async def close(self) -> None:
        """Give back what a master holds from its making on, whether or not it was started."""
        self.driver.stop()
        self._listener.close()
        if self._spans is not None:
            self._spans.shutdown()
