"""One agent, put together: its state, its driver, its link, its containers, its doors."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import random
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from mesos_service.agent.app import EXECUTOR_PATHS, build_application, guard
from mesos_service.agent.background import Background
from mesos_service.agent.config import PAUSE_SECONDS_MIN, AgentConfig
from mesos_service.agent.containers import AgentContainers
from mesos_service.agent.description import describe
from mesos_service.agent.detection import measure
from mesos_service.agent.driver import AgentDriver
from mesos_service.agent.executor_api import ExecutorApi
from mesos_service.agent.executor_socket import ExecutorSocket
from mesos_service.agent.files_api import SandboxFiles
from mesos_service.agent.garbage import SandboxGarbage
from mesos_service.agent.images import ImageGarbage, make_provisioner
from mesos_service.agent.isolators import make_isolators, out_of_reach, runtime_dir
from mesos_service.agent.kept import open_kept
from mesos_service.agent.launch_plans import LaunchSettings
from mesos_service.agent.log_rotation import LogRotation
from mesos_service.agent.master_detector import make_detector
from mesos_service.agent.master_link import MasterLink
from mesos_service.agent.nested import NestedContainers
from mesos_service.agent.outlets import AgentOutlets
from mesos_service.agent.oversubscription import Oversubscription
from mesos_service.agent.sandboxes import Sandboxes
from mesos_service.agent.standalone import StandaloneContainers
from mesos_service.checkpoints.writer import CheckpointWriter
from mesos_service.containers.containerizer import Containerizer, Members
from mesos_service.containers.fetch_cache import FetchCache
from mesos_service.containers.fetcher import Fetcher, FetchLimits
from mesos_service.containers.files import Files
from mesos_service.containers.kept import KeeperLink
from mesos_service.containers.launcher import PosixLauncher
from mesos_service.containers.volumes import Volumes
from mesos_service.core.agent.recording import snapshot
from mesos_service.core.agent.replay import replay
from mesos_service.core.agent.state import AgentState
from mesos_service.core.agent_messages import AgentMessage, Recover, ShutDown
from mesos_service.domain.addresses import join_host_port
from mesos_service.domain.errors import OperatingFault
from mesos_service.driver import Clock
from mesos_service.http.server import HttpServer, bind
from mesos_service.http.tls import TlsFiles, renew, server_context
from mesos_service.telemetry.agent_metrics import AgentMetrics
from mesos_service.telemetry.observers import Observers
from mesos_service.telemetry.traces import open_exporter

FAREWELL_SECONDS: Final = 2.0
"""How long the master is given to take note that this agent leaves."""
DEFECT_STATUS: Final = 1
UNSTORED_STATUS: Final = 1

log = logging.getLogger(__name__)


class AgentService:
    """An agent that works from :meth:`start` to :meth:`stop`; to be made in a running loop.

    ``link`` is a link that several agents of one process share; whoever made it starts and stops it. Without, the
    agent has one of its own.

    Raises:
        ConfigurationError: a flag names what is not there or cannot be.
        AddressInUse: somebody else listens at ``--port``.
    """

    def __init__(self, config: AgentConfig, link: MasterLink | None = None) -> None:
        config.prepare()
        self.config = config
        self._left = False
        # Without links: on the way into a sandbox none is followed.
        self.work_dir = Path(config.work_dir).resolve()
        self.clock = Clock()
        members = Members()
        fetcher = Fetcher(
            FetchLimits(stall_seconds_max=config.fetcher_stall_timeout.seconds),
            cache=FetchCache(_cache_directory(config, self.work_dir), config.fetcher_cache_size.octets),
        )
        self._keeper = KeeperLink(runtime_dir(config))
        provisioner = make_provisioner(config, self.work_dir)
        self.containerizer = Containerizer(
            make_isolators(config, members),
            PosixLauncher(self._keeper),
            host=members,
            fetcher=fetcher,
            provisioner=provisioner,
        )
        self.images = ImageGarbage.of(config, provisioner, self.work_dir)
        self._listener = bind(config.ip, config.port)
        self.port: int = self._listener.getsockname()[1]
        info = describe(config, self.port, measure(self.work_dir))
        self.state = AgentState(
            info=info, options=config.options(), random=random.SystemRandom(), started_at=self.clock()
        )
        policy = None if config.recover == "cleanup" else config.reconfiguration_policy
        self._kept = open_kept(self.work_dir, info, config.strict, policy)
        replay(self.state, self._kept.records)
        self._spans = open_exporter("mesos-agent", config.shown_hostname(), self.port)
        self._recovery_seconds: float | None = None
        """Unset until it is over."""
        self.metrics = AgentMetrics([self._own_counts, *([] if self._spans is None else [self._spans.counts])])
        attached = Files()
        self.files = SandboxFiles(attached)
        self.sandboxes = Sandboxes(self.work_dir, attached)
        self.garbage = self.sandboxes.garbage = SandboxGarbage(
            self.work_dir,
            delay_seconds=config.gc_delay.seconds,
            headroom=config.gc_disk_headroom,
            interval_seconds=config.disk_watch_interval.seconds,
            hide=self.sandboxes.hide,
        )
        self.metrics.add(self.garbage.metrics)
        rotation = config.rotation()
        self._caretakers: list[LogRotation | ImageGarbage] = [self.images]
        if rotation is not None:
            self._caretakers.append(LogRotation(self.containerizer, rotation))
        self.metrics.add(fetcher.metrics)
        self.metrics.add(self.containerizer.metrics)
        self._ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._background = Background(self.fail)
        self.volumes = Volumes(self.work_dir, self._receive, self._aside, lambda: self.state.total)
        self._link = link or MasterLink(
            make_detector(config.master, config.zk_session_timeout.seconds), dialing=config.dialing()
        )
        self._owns_link = link is None
        self._uplink = self._link.attach(self._receive)
        self.outlets = AgentOutlets(self._uplink, self._exit)
        self.driver = AgentDriver(
            self.state,
            self.outlets,
            self._make_containers,
            self._make_checkpoints,
            self._make_volumes,
            Observers(f"agent.{self.port}", self.metrics, self._spans),
            self.fail,
            self.clock,
        )
        self._lending = Oversubscription(
            self,
            self._receive,
            config.estimator(),
            config.controller(),
            config.oversubscribed_resources_interval.seconds,
            max(PAUSE_SECONDS_MIN, config.qos_correction_interval_min.seconds),
        )
        executors = ExecutorApi(self.driver, self.outlets)
        doors = build_application(self, executors)
        socket_path = config.executor_socket()
        self._executor_socket = None if socket_path is None else ExecutorSocket(socket_path, executors, EXECUTOR_PATHS)
        if config.http_credentials is not None:
            doors = guard(doors, config, config.http_credentials)
        self._server = HttpServer(doors, self._listener, server_context(TlsFiles.of(config)))

    def _own_counts(self) -> Mapping[str, float]:
        found = {
            "slave/recovery_errors": float(self._kept.corrupt_lines),
            # Streams that were given up because their executor read too slowly (N17); Mesos has no such metric.
            "slave/stream_overruns": float(self.outlets.overruns),
        }
        return found if self._recovery_seconds is None else found | {"slave/recovery_time_secs": self._recovery_seconds}

    @property
    def flags(self) -> Mapping[str, str]:
        """What ``/flags`` shows: every flag in force, as text."""
        return self.config.as_flags()

    @property
    def nested(self) -> NestedContainers:
        """What operators nest in the containers of tasks."""
        return self.containers.nested

    @property
    def standalone(self) -> StandaloneContainers:
        """What operators launch by itself."""
        return self.containers.standalone

    @property
    def master_hostname(self) -> str | None:
        """The host of the master at the other end of the link; ``None`` while there is no link."""
        return None if self._link.master is None else self._link.master.host

    def _make_containers(self, submit: Callable[[AgentMessage], None]) -> AgentContainers:
        config = self.config
        info = self.state.info
        self.containers = AgentContainers(
            self.state,
            self.containerizer,
            self.sandboxes,
            LaunchSettings(
                rotation=config.rotation(),
                ip=info.ip,
                port=info.port,
                switch_user=config.switch_user and os.geteuid() == 0,
                executor_environment=config.executor_environment(),
                sandbox_directory=config.sandbox_directory,
                provided=self.containerizer.provided,
                executor_shutdown_grace_seconds=config.executor_shutdown_grace_period.seconds,
                recovery_timeout_seconds=config.recovery_timeout.seconds,
                executor_reregistration_timeout_seconds=config.executor_reregistration_timeout.seconds,
                serves_tls=config.ssl_cert_file is not None,
                ca_file=config.ssl_ca_file,
                executor_socket=config.executor_socket(),
                hostname=config.shown_hostname(),
            ),
            self._background,
            submit,
            self._kept.machine_restarted,
            self.volumes,
            runtime_dir(config) / "standalone",
        )
        return self.containers

    def _make_checkpoints(self, submit: Callable[[AgentMessage], None]) -> CheckpointWriter:
        self._checkpoints = CheckpointWriter(
            self._kept.meta, lambda: snapshot(self.state), submit, self._give_up, self.fail
        )
        return self._checkpoints

    def _make_volumes(self, submit: Callable[[AgentMessage], None]) -> Volumes:
        del submit  # It submits by way of this agent, as containers need it before there is a driver.
        return self.volumes

    def _aside(self, work: Callable[[], None]) -> None:
        self._background.start(asyncio.to_thread(work))

    def _give_up(self, why: str) -> None:
        """What is decided can not be written down any more: end, and leave everything running."""
        log.critical("%s", why)
        if not self._ended.done():
            self._ended.set_result(UNSTORED_STATUS)

    def _receive(self, message: AgentMessage) -> None:
        self.driver.submit(message)

    def _exit(self, status: int, message: str) -> None:
        log.info("This agent's work is over: %s", message)
        if not self._ended.done():
            self._ended.set_result(status)

    def fail(self, defect: BaseException) -> None:
        """Something of ours went wrong that nobody can repair: end, with all that is known in the log."""
        log.critical("A defect of ours; please report it with these lines", exc_info=defect)
        if not self._ended.done():
            self._ended.set_result(DEFECT_STATUS)

    async def start(self) -> None:
        """Returns when connections are accepted; the agent registers when it has found its master, and has heard from
        the executors that an agent before it left running.

        Raises:
            OperatingFault: what is left of the agent before cannot be taken over; names the file or directory.
        """
        if self.config.switch_user and os.geteuid() != 0:
            log.info("Not root: tasks run as the agent's own user, whomever they name")
        began = time.monotonic()
        await self._recover()
        self._recovery_seconds = time.monotonic() - began
        await self._server.start()
        if self._executor_socket is not None:
            await self._executor_socket.start()
        self.garbage.start(self.sandboxes.in_use(), self.fail, self._kept.meta.former())
        for caretaker in self._caretakers:
            caretaker.start(self.fail)
        self._lending.start(self.fail)
        if self._owns_link:
            self._link.start(self.fail)
        where = join_host_port(self.config.ip, self.port)
        log.info("Agent listens at %s and offers %s", where, self.state.total)
        if os.geteuid() != 0:
            self._aside(self._tell_what_takes_root)

    def _tell_what_takes_root(self) -> None:
        for why in out_of_reach(self.config, Members()):
            log.info("Not to be had by this agent: %s", why)

    async def _recover(self) -> None:
        kept = self._kept
        if kept.journal is not None:
            log.info("Going on as agent %s, with %d frameworks", self.state.agent_id, len(self.state.frameworks))
            try:
                self._checkpoints.begin(kept.journal, snapshot(self.state))
            except OSError as error:
                raise OperatingFault(f"Cannot write checkpoints to {kept.journal}: {error.strerror}") from error
        self.driver.submit(Recover(cleanup=self.config.recover == "cleanup"))
        assert self.containers.recovered is not None, "the core asks for the containers at once"
        await self.containers.recovered

    def renew_certificates(self) -> int:
        """Have new connections, those to the master too, use what the files hold now; as :func:`renew` does."""
        return renew((self._server.tls, self._link.dialing.tls))

    async def ended(self) -> int:
        """Wait until the agent's work is over by itself; the exit status."""
        return await asyncio.shield(self._ended)

    async def stop(self, graceful: bool = True) -> None:
        """Leave the cluster for good, end all tasks, close the doors. No process of a container outlives this.

        ``graceful`` takes leave of the master and gives tasks their graces, as long as those are. Otherwise, and when
        the waiting is cancelled, everything is killed at once.
        """
        if self._left:
            return
        try:
            if graceful and not self._ended.done():
                self.driver.submit(ShutDown())
                await asyncio.shield(self._ended)
                await self._link.drain(FAREWELL_SECONDS)
        finally:
            await self._hang_up()
            await self.containers.destroy_all()
            await self._close_doors()
            self._kept.meta.forget()
            await self._close()

    async def leave(self) -> None:
        """Go without a word, and leave running what outlives an agent: the next one takes it over (X53)."""
        if self.state.exited:
            await self.stop()
        elif not self._left:
            await self._hang_up()
            await self._close_doors()
            await self.containers.leave()
            await self._close()

    async def _close_doors(self) -> None:
        if self._executor_socket is not None:
            await self._executor_socket.stop()
        await self._server.stop()

    async def _hang_up(self) -> None:
        self._left = True
        await self.garbage.stop()
        await self._lending.stop()
        for caretaker in self._caretakers:
            await caretaker.stop()
        self.driver.stop()
        self._link.detach(self._uplink)
        if self._owns_link:
            await self._link.stop()
        self.containers.nested.hang_up()
        for stream in list(self.outlets.executor_streams.values()):
            stream.close()

    async def _close(self) -> None:
        await self._checkpoints.finish()
        await self._keeper.close()
        self._kept.meta.close()
        if self._spans is not None:
            self._spans.shutdown()


def _cache_directory(config: AgentConfig, work_dir: Path) -> Path:
    """A directory of this agent's own: others may be told the same ``--fetcher_cache_dir``, and it is emptied."""
    if config.fetcher_cache_dir is None:
        return work_dir / "fetch"
    return config.fetcher_cache_dir.absolute() / f"agent-{hashlib.sha256(str(work_dir).encode()).hexdigest()[:16]}"
