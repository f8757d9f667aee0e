"""A master and agents on the loopback interface, for as long as a context lasts."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol, Self

import msgspec

from mesos_service.agent.config import AgentConfig
from mesos_service.agent.detection import measure
from mesos_service.agent.service import AgentService
from mesos_service.configuration.credentials import read_credentials
from mesos_service.http.client import Connection, ConnectionFault
from mesos_service.http.dialing import PLAIN, Dialing
from mesos_service.http.tls import TlsFiles, client_context
from mesos_service.local.ports import fixed_port, give_back
from mesos_service.local.processes import ServiceFailed, ServiceProcess
from mesos_service.local.shares import complete_share
from mesos_service.master.config import MasterConfig
from mesos_service.master.service import MasterService

LOOPBACK: Final = "127.0.0.1"
REGISTER_SECONDS_MAX: Final = 60.0
_PAUSE_SECONDS: Final = 0.01
_QUICK: Final[Mapping[str, object]] = {"registration_backoff_factor": "10ms"}
"""Waiting at random keeps thousands of agents from registering at once; a few on one machine need not wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSpec:
    """One agent. What ``resources`` does not name is this agent's share of the machine."""

    resources: str = ""
    attributes: str = ""
    flags: Mapping[str, object] = field(default_factory=dict)
    """Further flags of ``mesos-service agent``, by name."""


class _Agent(Protocol):
    port: int

    async def start(self) -> None: ...
    async def stop(self, graceful: bool = ...) -> None: ...
    async def ended(self) -> int: ...


class LocalCluster:
    """``async with LocalCluster(agents=3) as cluster:`` gives a cluster whose agents are all registered.

    ``agents`` is how many, or a description of each (``AgentSpec``, or a mapping of its fields). ``work_dir`` is kept;
    without one, a temporary directory is used and removed. ``master_port`` 0 takes any free port; agents take any, or
    consecutive ones from ``agent_port`` on. ``processes`` starts each service in a process of its own.
    ``master_flags`` and ``agent_flags`` are flags by name.

    Raises:
        ConfigurationError: a flag is wrong.
        AddressInUse: somebody listens at a port that was asked for.
        ServiceFailed: a service did not come up.
    """

    def __init__(
        self,
        agents: int | Sequence[AgentSpec | Mapping[str, object]] = 1,
        *,
        work_dir: Path | str | None = None,
        master_port: int = 0,
        agent_port: int = 0,
        master_flags: Mapping[str, object] | None = None,
        agent_flags: Mapping[str, object] | None = None,
        processes: bool = False,
    ) -> None:
        self._specs = [AgentSpec()] * agents if isinstance(agents, int) else [_as_spec(one) for one in agents]
        self._given_work_dir = None if work_dir is None else Path(work_dir)
        self._master_port = master_port
        self._agent_port = agent_port
        self._master_flags = dict(master_flags or {})
        self._agent_flags = dict(agent_flags or {})
        self._processes = processes
        self._stack = contextlib.AsyncExitStack()
        self.work_dir = Path()
        """Holds ``agent-0``, ``agent-1``, ... with their sandboxes."""
        self.master = ""
        """``127.0.0.1:port``"""
        self.agents: list[str] = []
        """``127.0.0.1:port`` of each, in the order given."""
        self.master_service: MasterService | None = None
        """In this process; ``None`` with ``processes``."""
        self.agent_services: list[AgentService] = []
        """In this process; empty with ``processes``."""
        self._agents: list[_Agent] = []
        self._ports: list[int] = []
        """Those that were chosen for services in processes of their own."""
        self.dialing = _dialing(self._master_flags)
        """How to speak to the master: over TLS if it does, and as the first of those that it knows."""

    async def __aenter__(self) -> Self:
        async with contextlib.AsyncExitStack() as stack:
            self.work_dir = self._given_work_dir or Path(tempfile.mkdtemp(prefix="mesos-service-"))
            if self._given_work_dir is None:
                stack.callback(shutil.rmtree, self.work_dir, ignore_errors=True)
            stack.callback(self._give_back_ports)
            master = self._make_master()
            await master.start()
            stack.push_async_callback(master.stop)
            self.master = f"{self._master_host()}:{master.port}"
            stack.push_async_callback(self._stop_agents)
            machine = measure(self.work_dir)
            for index, spec in enumerate(self._specs):
                resources = complete_share(spec.resources, index, len(self._specs), machine)
                agent = self._make_agent(index, spec, resources)
                self._agents.append(agent)
                await agent.start()
                self.agents.append(f"{LOOPBACK}:{agent.port}")
            await self._registered(len(self._specs))
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def stop_agent(self, index: int, graceful: bool = True) -> None:
        """End one agent; not gracefully, it leaves without a word to its master."""
        await self._agents[index].stop(graceful)

    async def ended(self) -> int:
        """Wait until one of the agents ends by itself; its exit status."""
        waits = [asyncio.ensure_future(agent.ended()) for agent in self._agents]
        try:
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            return max(one.result() for one in done)
        finally:
            for wait in waits:
                wait.cancel()

    def _master_host(self) -> str:
        ip = str(self._master_flags.get("ip", LOOPBACK))
        if ipaddress.ip_address(ip).is_unspecified:
            return LOOPBACK
        return f"[{ip}]" if ":" in ip else ip

    def _a_port(self) -> int:
        """A child's own choice could only be learned from its log. Nobody takes this one before the child has it."""
        self._ports.append(fixed_port())
        return self._ports[-1]

    def _give_back_ports(self) -> None:
        while self._ports:
            give_back(self._ports.pop())

    def _make_master(self) -> MasterService | ServiceProcess:
        flags: dict[str, object] = {"ip": LOOPBACK, "port": self._master_port, **self._master_flags}
        if self._processes:
            return ServiceProcess("master", {**flags, "port": self._master_port or self._a_port()}, self.dialing)
        self.master_service = MasterService(MasterConfig.load(flags))
        return self.master_service

    def _make_agent(self, index: int, spec: AgentSpec, resources: str) -> AgentService | ServiceProcess:
        flags: dict[str, object] = {
            "ip": LOOPBACK,
            "port": self._agent_port + index if self._agent_port else 0,
            "master": self.master,
            "work_dir": str(self.work_dir / f"agent-{index}"),
            **_QUICK,
            **self._secured(),
            **self._agent_flags,
            "resources": resources,
            "attributes": spec.attributes,
            **spec.flags,
        }
        if self._processes:
            return ServiceProcess("agent", {**flags, "port": flags["port"] or self._a_port()}, self.dialing)
        service = AgentService(AgentConfig.load(flags))
        self.agent_services.append(service)
        return service

    def _secured(self) -> dict[str, object]:
        """What agents need of a master that speaks TLS, or demands of them to prove who they are."""
        flags = {name: self._master_flags[name] for name in _TLS if self._master_flags.get(name) is not None}
        if "ssl_cert_file" in flags:
            # Without anybody to vouch for it, the master's certificate vouches for itself.
            flags.setdefault("ssl_ca_file", flags["ssl_cert_file"])
        if self._master_flags.get("authenticate_agents"):
            path = self.work_dir / "credential"
            first = read_credentials(Path(str(self._master_flags.get("credentials"))))[0]
            with open(path, "w", opener=lambda name, how: os.open(name, how, 0o600)) as file:
                json.dump({"principal": first.principal, "secret": first.secret}, file)
            flags["credential"] = path.absolute()
        return flags

    async def _stop_agents(self) -> None:
        outcomes = await asyncio.gather(*(agent.stop() for agent in self._agents), return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    async def _registered(self, count: int) -> None:
        """Wait until the master knows them all."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + REGISTER_SECONDS_MAX
        while (known := await self._count_agents()) < count:
            if loop.time() > deadline:
                raise ServiceFailed(f"Only {known} of {count} agents have registered with the master {self.master}")
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _count_agents(self) -> int:
        if not self._processes:
            return sum(service.state.registered for service in self.agent_services)
        host, _, port = self.master.rpartition(":")
        connection = await Connection.open(host.strip("[]"), int(port), dialing=self.dialing)
        try:
            headers = {"Content-Type": "application/json", "Accept": "application/json"}
            answer = await connection.request("POST", "/api/v1", b'{"type":"GET_AGENTS"}', headers)
        except ConnectionFault as fault:
            raise ServiceFailed(f"The master {self.master} went away: {fault}") from fault
        finally:
            connection.close()
        if answer.status != 200:
            raise ServiceFailed(f"The master {self.master} answered {answer.status} when asked for its agents")
        return len(msgspec.json.decode(answer.body, type=_Answer).get_agents.agents)


_TLS: Final = ("ssl_cert_file", "ssl_key_file", "ssl_ca_file", "ssl_require_client_cert")


def _dialing(flags: Mapping[str, object]) -> Dialing:
    paths = {name: Path(str(flags[name])) for name in _TLS[:3] if flags.get(name) is not None}
    dialing = PLAIN
    if "ssl_cert_file" in paths:
        # Without anybody to vouch for it, the master's certificate vouches for itself.
        files = TlsFiles(
            cert_file=paths["ssl_cert_file"],
            key_file=paths.get("ssl_key_file"),
            ca_file=paths.get("ssl_ca_file", paths["ssl_cert_file"]),
        )
        dialing = Dialing(tls=client_context(files))
    credentials = flags.get("credentials")
    return dialing if credentials is None else dialing.as_principal(read_credentials(Path(str(credentials)))[0])


class _Agents(msgspec.Struct):
    agents: list[msgspec.Raw] = []


class _Answer(msgspec.Struct):
    get_agents: _Agents


def _as_spec(given: AgentSpec | Mapping[str, object]) -> AgentSpec:
    # A mapping is checked by the dataclass: an unknown name is a TypeError that names it.
    return given if isinstance(given, AgentSpec) else msgspec.convert(dict(given), AgentSpec)
