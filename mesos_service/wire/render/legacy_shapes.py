"""Shapes of the master's old paths (Mesos docs, HTTP endpoints; as recorded of Mesos 1.12)."""

from __future__ import annotations

from mesos_service.wire import common
from mesos_service.wire.base import Message, printed
from mesos_service.wire.common import DomainInfo
from mesos_service.wire.constraints import OfferConstraints
from mesos_service.wire.policy import DrainInfo
from mesos_service.wire.render.legacy_tasks import LegacyExecutor, LegacyTask
from mesos_service.wire.render.legacy_values import (
    Amounts,
    AmountsByRole,
    Attributes,
    FullResources,
    FullResourcesByRole,
    Quantities,
)
from mesos_service.wire.resources import ResourceAllocationInfo


class LegacyOffer(Message, kw_only=True):
    id: str
    framework_id: str
    allocation_info: ResourceAllocationInfo
    slave_id: str
    resources: Amounts


class FrameworkHead(Message, kw_only=True):
    id: str
    name: str
    used_resources: Amounts
    offered_resources: Amounts
    capabilities: tuple[str, ...] = printed(())
    hostname: str
    webui_url: str
    active: bool
    connected: bool
    recovered: bool


class LegacyFramework(FrameworkHead, kw_only=True):
    """``role`` is there for frameworks without MULTI_ROLE, ``roles`` for the others. Times are unix seconds."""

    user: str
    failover_timeout: float
    checkpoint: bool
    registered_time: float
    unregistered_time: float
    principal: str | None = None
    resources: Amounts
    role: str | None = None
    reregistered_time: float | None = None
    roles: tuple[str, ...] | None = None
    tasks: tuple[LegacyTask, ...] = printed(())
    unreachable_tasks: tuple[LegacyTask, ...] = printed(())
    completed_tasks: tuple[LegacyTask, ...] = printed(())
    offers: tuple[LegacyOffer, ...] = printed(())
    executors: tuple[LegacyExecutor, ...] = printed(())
    labels: tuple[common.Label, ...] = ()
    offer_constraints: OfferConstraints = printed(OfferConstraints())


class RecoveredAgent(Message, kw_only=True):
    """An agent of the registry that is not back yet."""

    id: str
    hostname: str
    port: int
    attributes: Attributes
    domain: DomainInfo | None = None


class AgentHead(Message, kw_only=True):
    id: str
    hostname: str
    port: int
    attributes: Attributes
    domain: DomainInfo | None = None
    pid: str
    registered_time: float
    reregistered_time: float | None = None
    resources: Amounts
    used_resources: Amounts
    offered_resources: Amounts
    reserved_resources: AmountsByRole
    unreserved_resources: Amounts
    active: bool
    deactivated: bool
    version: str
    capabilities: tuple[str, ...] = printed(())
    drain_info: DrainInfo | None = None
    estimated_drain_start_time_seconds: float | None = None


class LegacyAgent(AgentHead, kw_only=True):
    reserved_resources_full: FullResourcesByRole
    unreserved_resources_full: FullResources
    used_resources_full: FullResources
    offered_resources_full: FullResources


class AgentSummary(AgentHead, kw_only=True):
    TASK_STAGING: int
    TASK_STARTING: int
    TASK_RUNNING: int
    TASK_KILLING: int
    TASK_FINISHED: int
    TASK_KILLED: int
    TASK_FAILED: int
    TASK_LOST: int
    TASK_ERROR: int
    TASK_UNREACHABLE: int
    framework_ids: tuple[str, ...] = printed(())


class FrameworkSummary(FrameworkHead, kw_only=True):
    TASK_STAGING: int
    TASK_STARTING: int
    TASK_RUNNING: int
    TASK_KILLING: int
    TASK_FINISHED: int
    TASK_KILLED: int
    TASK_FAILED: int
    TASK_LOST: int
    TASK_ERROR: int
    TASK_UNREACHABLE: int
    slave_ids: tuple[str, ...] = printed(())


class LeaderInfo(Message, kw_only=True):
    id: str
    pid: str
    port: int
    hostname: str
    domain: DomainInfo | None = None


class MasterStateAnswer(Message, kw_only=True):
    """Times are unix seconds; the counts of agents are doubles, as in Mesos."""

    version: str
    build_date: str
    build_time: float
    build_user: str
    start_time: float
    elected_time: float
    id: str
    pid: str
    hostname: str
    capabilities: tuple[str, ...]
    activated_slaves: float
    deactivated_slaves: float
    unreachable_slaves: float
    domain: DomainInfo | None = None
    leader: str
    leader_info: LeaderInfo
    cluster: str | None = None
    log_dir: str | None = None
    flags: dict[str, str]
    slaves: tuple[AgentHead, ...]
    recovered_slaves: tuple[RecoveredAgent, ...] = printed(())
    frameworks: tuple[LegacyFramework, ...]
    completed_frameworks: tuple[LegacyFramework, ...]
    orphan_tasks: tuple[LegacyTask, ...] = printed(())
    unregistered_frameworks: tuple[str, ...] = printed(())


class StateSummaryAnswer(Message, kw_only=True):
    hostname: str
    cluster: str | None = None
    slaves: tuple[AgentSummary, ...]
    frameworks: tuple[FrameworkSummary, ...]


class AgentsAnswer(Message, kw_only=True):
    slaves: tuple[LegacyAgent, ...]
    recovered_slaves: tuple[RecoveredAgent, ...] = printed(())


class FrameworksAnswer(Message, kw_only=True):
    frameworks: tuple[LegacyFramework, ...]
    completed_frameworks: tuple[LegacyFramework, ...]
    unregistered_frameworks: tuple[str, ...] = printed(())


class TasksAnswer(Message, kw_only=True):
    tasks: tuple[LegacyTask, ...]


class RoleQuota(Message, kw_only=True):
    role: str
    guarantee: Quantities
    limit: Quantities
    consumed: Quantities


class LegacyRole(Message, kw_only=True):
    name: str
    weight: float
    quota: RoleQuota
    resources: Quantities
    allocated: Quantities
    offered: Quantities
    reserved: Quantities
    frameworks: tuple[str, ...] = printed(())


class LegacyWeight(Message, kw_only=True):
    role: str
    weight: float


class RolesAnswer(Message, kw_only=True):
    roles: tuple[LegacyRole, ...]
