"""What registries are asked to store."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from sqlalchemy import Connection

from mesos_service.core.registry.operations import (
    AdmitAgent,
    DeactivateAgent,
    ForgetRevocations,
    MarkAgentDrained,
    MarkAgentGone,
    MarkAgentUnreachable,
    Operation,
    RecordFramework,
    RecordRevocations,
    RemoveFramework,
    UpdateMachines,
    UpdateQuotas,
    UpdateWeights,
)
from mesos_service.core.registry.registry import RegisteredRevocation
from mesos_service.domain.agents import AgentInfo, Deactivation, Drain
from mesos_service.domain.frameworks import FrameworkInfo
from mesos_service.domain.ids import AgentId, FrameworkId, RevocationId, Role, TaskId
from mesos_service.domain.machines import Machine, MachineMode, Unavailability, machine_id
from mesos_service.domain.resources import Resources
from mesos_service.plugins.allocator import Quota
from mesos_service.registrar import rows

SECONDS = 30.0
AGENT = AgentInfo(
    hostname="höst",
    ip="10.0.0.1",
    port=5052,
    resources=Resources.parse("cpus:4;mem:4096;ports:[31000-32000];cpus(role):2"),
    region="r",
    zone="z",
    capabilities=frozenset({"MULTI_ROLE", "RESERVATION_REFINEMENT"}),
    version="1.2",
)


FRAMEWORK = FrameworkInfo(name="n", user="u", framework_id=FrameworkId("f"), failover_timeout_seconds=1e6 / 3)


def admit(name: str) -> AdmitAgent:
    return AdmitAgent(AgentId(name), replace(AGENT, agent_id=AgentId(name)))


def revoke(task: str) -> RegisteredRevocation:
    return RegisteredRevocation(FrameworkId("f"), TaskId(task), AgentId("a"), Role("höst"), 0.1 + 0.2)


STORED: tuple[Operation, ...] = (
    admit("a"),
    admit("b"),
    admit("c"),
    MarkAgentUnreachable(AgentId("b"), 1700000000.123456789),
    MarkAgentGone(AgentId("c"), 0.1 + 0.2),
    DeactivateAgent(AgentId("a"), Deactivation(since=0.1 + 0.2)),
    DeactivateAgent(AgentId("b"), Deactivation(since=7.0, drain=Drain(max_grace_seconds=1.5, mark_gone=True))),
    MarkAgentDrained(AgentId("b")),
    UpdateMachines(
        (
            (machine_id("höst", None), Machine(MachineMode.DOWN, 0, Unavailability(2**62, None))),
            (machine_id("h", "10.0.0.1"), Machine(MachineMode.DRAINING, 1, Unavailability(1, 2))),
            (machine_id("struck", None), Machine(MachineMode.DRAINING, 1, Unavailability(1, 2))),
        )
    ),
    UpdateMachines((), (machine_id("struck", None),)),
    RecordFramework(FrameworkId("f"), FRAMEWORK, 7),
    RemoveFramework(FrameworkId("spent"), 5.0),
    UpdateQuotas(
        (
            (Role("a"), Quota(guarantees={"cpus": 1, "mem": 2_000_000_000}, limits={"cpus": 1500})),
            (Role("höst"), Quota(limits={"gpus": 0})),
            (Role("taken"), Quota(guarantees={"cpus": 5})),
        )
    ),
    UpdateQuotas(((Role("taken"), Quota()),)),
    UpdateWeights(((Role("a/b"), 0.1 + 0.2), (Role("a"), 1.0))),
    RecordRevocations((revoke("t"), revoke("ü t"))),
    ForgetRevocations((RevocationId("f/t"),)),
)


class Halt:
    """Stops the first transaction that comes to write rows, until it is let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reached = threading.Event()
        self.go = threading.Event()
        self._write = rows.write
        monkeypatch.setattr(rows, "write", self._halting)

    def _halting(self, connection: Connection, found: tuple[rows.Change, ...], insert: rows.Insert) -> None:
        if not self.reached.is_set():
            self.reached.set()
            assert self.go.wait(SECONDS)
        self._write(connection, found, insert)
