"""What operators decide: roles, weights, quota, maintenance and draining (quota.proto, maintenance.proto)."""

from __future__ import annotations

from typing import Literal

import msgspec

from mesos_service.wire.base import Message, printed
from mesos_service.wire.common import DurationInfo, FrameworkID, MachineID, TimeInfo, Unavailability
from mesos_service.wire.resources import Resource, ValueLimit, ValueScalar

MachineInfoMode = Literal["UP", "DRAINING", "DOWN"]
DrainState = Literal["UNKNOWN", "DRAINING", "DRAINED"]
InverseOfferStatusStatus = Literal["UNKNOWN", "ACCEPT", "DECLINE"]


class WeightInfo(Message, kw_only=True):
    weight: float
    role: str | None = None


class Role(Message, kw_only=True):
    name: str
    weight: float
    frameworks: tuple[FrameworkID, ...] = ()
    resources: tuple[Resource, ...] = ()


class DrainConfig(Message, kw_only=True):
    max_grace_period: DurationInfo | None = None
    mark_gone: bool = printed(False)


class DrainInfo(Message, kw_only=True):
    state: DrainState
    config: DrainConfig


class InverseOfferStatus(Message, kw_only=True):
    status: InverseOfferStatusStatus
    framework_id: FrameworkID
    timestamp: TimeInfo


class QuotaInfo(Message, kw_only=True):
    role: str | None = None
    principal: str | None = None
    guarantee: tuple[Resource, ...] = ()


class QuotaRequest(Message, kw_only=True):
    force: bool | None = None
    role: str | None = None
    guarantee: tuple[Resource, ...] = ()


class QuotaConfig(Message, kw_only=True):
    role: str
    guarantees: dict[str, ValueScalar] = msgspec.field(default_factory=dict)
    limits: dict[str, ValueLimit] = msgspec.field(default_factory=dict)


class QuotaStatus(Message, kw_only=True):
    infos: tuple[QuotaInfo, ...] = ()
    configs: tuple[QuotaConfig, ...] = ()


class Window(Message, kw_only=True):
    machine_ids: tuple[MachineID, ...] = ()
    unavailability: Unavailability


class Schedule(Message, kw_only=True):
    windows: tuple[Window, ...] = ()


class ClusterStatus(Message, kw_only=True):
    draining_machines: tuple[ClusterStatusDrainingMachine, ...] = ()
    down_machines: tuple[MachineID, ...] = ()


class ClusterStatusDrainingMachine(Message, kw_only=True):
    id: MachineID
    statuses: tuple[InverseOfferStatus, ...] = ()
