"""One master, put together: its state, its driver, its doors."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from mesos_service.core.effects import Exit
from mesos_service.core.master.shadow import shadow_of
from mesos_service.core.master.state import MasterState
from mesos_service.domain.addresses import join_host_port
from mesos_service.domain.errors import MesosServiceError, OperatingFault
from mesos_service.domain.ids import FrameworkId, MasterId
from mesos_service.driver import Clock
from mesos_service.election.contender import ZooKeeperContender
from mesos_service.election.interface import Contender
from mesos_service.election.standalone import StandaloneContender
from mesos_service.fairness.restating import Restater
from mesos_service.fairness.writer import JournalWriter
from mesos_service.http.large import LargeAnswers
from mesos_service.http.server import HttpServer, bind
from mesos_service.http.tls import TlsFiles, renew, server_context
from mesos_service.master.agent_api import AgentApi
from mesos_service.master.app import AGENT_PATHS, build_application, guard
from mesos_service.master.config import MasterConfig
from mesos_service.master.description import describe_master
from mesos_service.master.driver import MasterDriver
from mesos_service.master.leader_gate import LeaderGate
from mesos_service.master.leadership import Leadership
from mesos_service.master.modules import changed, make_allocator, reload
from mesos_service.master.operator_events import OperatorEvents
from mesos_service.master.outlets import MasterOutlets
from mesos_service.master.rate_limits import RateLimiter
from mesos_service.master.scheduler_api import SchedulerApi
from mesos_service.master.time_limit import Stopwatch, TimeLimit
from mesos_service.master.trial import hold_trial
from mesos_service.master.whitelist import Whitelist
from mesos_service.registrar.factory import make_registrar
from mesos_service.registrar.interface import PersistedCallback, Registrar
from mesos_service.registrar.url import IN_MEMORY
from mesos_service.telemetry.master_metrics import MasterMetrics
from mesos_service.telemetry.observers import Observers
from mesos_service.telemetry.traces import open_exporter
from mesos_service.wire.agents import MasterInfo
from mesos_service.wire.scheduler import Call

ENDED_STATUS: Final = 1
"""A supervisor starts a master that ends so again."""

log = logging.getLogger(__name__)


def make_contender(config: MasterConfig, description: MasterInfo) -> Contender:
    """How this master comes to lead: at once, or by election where ``--zk`` is given."""
    url = config.zookeeper()
    if url is None:
        return StandaloneContender(description)
    return ZooKeeperContender(url, description, config.zk_session_timeout.seconds)


class MasterService:
    """A master that listens from :meth:`start` to :meth:`stop`, and leads when it is elected (see ``leadership``)."""

    def __init__(self, config: MasterConfig) -> None:
        self.config = config
        self.clock = Clock()
        self.started_at = self.clock()
        limit = config.allocator_timeout
        self._time_limit = None if limit is None else TimeLimit(limit.seconds)
        # Before anything is opened: what is wrong with a module is said without leaving something behind.
        allocator = make_allocator(config, self._time_limit or Stopwatch())
        self._journal = (
            None
            if config.allocation_journal is None
            else JournalWriter(
                config.allocation_journal,
                config.allocation_journal_max_size.octets,
                Restater(config.modules_dirs()),
            )
        )
        self._listener = bind(config.ip, config.port)
        self.port: int = self._listener.getsockname()[1]
        self.hostname = config.shown_hostname()
        self._spans = open_exporter("mesos-master", self.hostname, self.port)
        spans = [] if self._spans is None else [self._spans.counts]
        limits = config.limits_of_calls()
        self._limiter = None if limits is None else RateLimiter(limits)
        self.metrics = MasterMetrics(
            [self._streams_and_queues, self._registrar_timings, self._shadow_counts, *spans],
            None if self._limiter is None else self._limiter.unprocessed,
        )
        self.state = MasterState(
            master_id=MasterId(str(uuid.uuid4())),
            options=replace(config.options(tracing=self._spans is not None), watch=self._time_limit or Stopwatch()),
            allocator=allocator,
            random=random.Random(os.urandom(32)),
            started_at=self.started_at,
            weights=config.role_weights(),
        )
        domain = config.fault_domain()
        self.description = describe_master(
            self.state.master_id,
            config.advertise_ip or config.ip,
            config.advertise_port or self.port,
            self.hostname,
            domain,
        )
        self.outlets = MasterOutlets(self.state, self.description, self.metrics.event)
        self.large_answers = LargeAnswers()
        self.operator_events = OperatorEvents(
            self.state, self.outlets.backlog, config.max_operator_event_stream_subscribers, self.large_answers
        )
        self._ended: asyncio.Future[int] | None = None
        self.driver = MasterDriver(
            self.state,
            self.outlets,
            Observers("master", self.metrics, self._spans, self.operator_events.note),
            self._make_registrar,
            self._on_exit,
            self._on_defect,
            self.clock,
            self._journal,
        )
        self.leadership = Leadership(
            self.driver,
            make_contender(config, self.description),
            self._registrar,
            self.description.pid or "",
            self._on_ended,
            None if domain is None else domain.region,
        )
        self._whitelist = None if config.whitelist is None else Whitelist(config.whitelist, self.driver.submit)
        self.scheduler_api = SchedulerApi(self.driver, self.outlets, self._count_call, self._limiter)
        doors = build_application(self, self.scheduler_api, AgentApi(self.driver, self.outlets, self.metrics.uplink))
        gate = LeaderGate(doors, self.leadership, AGENT_PATHS)
        self.application = gate if config.credentials is None else guard(gate, config, config.credentials)
        self._server = HttpServer(self.application, self._listener, server_context(TlsFiles.of(config)))

    def _make_registrar(self, persisted: PersistedCallback) -> Registrar:
        self._registrar = make_registrar(
            self.config.registry,
            persisted,
            self._on_registry_lost,
            fetch_timeout_seconds=self.config.registry_fetch_timeout.seconds,
            store_timeout_seconds=self.config.registry_store_timeout.seconds,
        )
        return self._registrar

    @property
    def flags(self) -> Mapping[str, str]:
        return self.config.as_flags()

    def _registrar_timings(self) -> Mapping[str, float]:
        return self._registrar.metrics()

    def _streams_and_queues(self) -> Mapping[str, float]:
        return {
            "master/event_queue_http_requests": float(self.driver.unanswered),
            "master/event_queue_messages": float(self.driver.queued),
            "master/operator_event_stream_subscribers": float(len(self.operator_events)),
            # Streams that were given up because their reader was too slow (N17); Mesos has no such metric.
            "master/stream_overruns": float(
                self.outlets.overruns + self.operator_events.overruns + self.large_answers.cut_off
            ),
        }

    def _shadow_counts(self) -> Mapping[str, float]:
        shadow = shadow_of(self.state)
        if shadow is None:
            return {}
        return {
            "master/shadow/passes": float(shadow.passes),
            "master/shadow/passes_differing": float(shadow.differing),
            "master/shadow/grants_agreed": float(shadow.agreed),
            "master/shadow/grants_decided_only": float(shadow.decided_only),
            "master/shadow/grants_shadow_only": float(shadow.shadow_only),
            "master/shadow/failures": float(shadow.failures),
        }

    def _count_call(self, call: Call) -> None:
        framework_id = FrameworkId(call.framework_id.value) if call.framework_id is not None else None
        # An id that nobody has is whatever a client made up: it gets no counter of its own.
        known = framework_id if framework_id in self.state.frameworks else None
        asked = () if call.accept is None else (one.type or "UNKNOWN" for one in call.accept.operations)
        self.metrics.call(call.type or "UNKNOWN", known, asked)

    # -- life ------------------------------------------------------------------------------------------------
    async def start(self) -> None:
        """Returns when connections are accepted, and, of a master that contends with nobody, when it leads.

        Raises:
            MesosServiceError: it contends with nobody and cannot lead.
        """
        await self._server.start()
        log.info("Master %s listens at %s", self.state.master_id, join_host_port(self.config.ip, self.port))
        if self._whitelist is not None:
            self._whitelist.start()
        await self.lead()
        fault = self.leadership.fault
        if fault is not None and self.config.zk is None:
            await self.stop()
            raise fault

    def renew_certificates(self) -> int:
        """Have new connections use what the files hold now; as :func:`renew` does."""
        return renew((self._server.tls,))

    async def reload_modules(self) -> bool:
        """Have modules whose files have changed take the place of what runs; as :func:`reload` does.

        They are tried before, and nobody waits for that.
        """
        watch = self._time_limit or Stopwatch()
        tried = changed(self.config, self.state)
        if tried:
            await hold_trial(tried, watch.limit_seconds)
        return reload(self.config, watch, self.state, self.driver.submit, tried)

    async def lead(self) -> None:
        """Contend for leading, as :meth:`start` does, with no doors open."""
        self._ended = asyncio.get_running_loop().create_future()
        if self.config.zk is not None and self.config.registry == IN_MEMORY:
            log.warning("--registry=in_memory with --zk: another leader will not know what this one has recorded")
        self.leadership.start()
        await self.leadership.recovered()

    async def ended(self) -> int:
        """Wait until this master can do nothing more: it leads no longer, or never can. The exit status."""
        assert self._ended is not None, "it was started"
        return await asyncio.shield(self._ended)

    def _on_ended(self, why: MesosServiceError) -> None:
        log.error("This master ends: %s", why)
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(ENDED_STATUS)

    def _on_registry_lost(self, why: MesosServiceError) -> None:
        self.leadership.end(why)

    def _on_exit(self, effect: Exit) -> None:
        self.leadership.end(OperatingFault(effect.message))

    def _on_defect(self, defect: BaseException) -> None:
        """What was due has not been done, and never would be: another master, or this one begun anew, knows better."""
        log.critical("A defect of ours; please report it with these lines", exc_info=defect)
        self.leadership.end(MesosServiceError(f"it cannot go on: {type(defect).__name__}: {defect}"))

    async def stop(self) -> None:
        """Let another master lead, and close every stream and the doors; agents and frameworks will look for it."""
        if self._whitelist is not None:
            self._whitelist.stop()
        await self.leadership.stop()
        if self._limiter is not None:
            self._limiter.close()
        for stream in [*self.outlets.scheduler_streams.values(), *self.outlets.links.values()]:
            stream.close()
        self.operator_events.close()
        await self._server.stop()
        await self.close()

    async def close(self) -> None:
        """Give back what a master holds from its making on, whether or not it was started."""
        self.driver.stop()
        if self._journal is not None:
            self._journal.close()
        if self._time_limit is not None:
            self._time_limit.close()
        self._listener.close()
        if self._spans is not None:
            self._spans.shutdown()
