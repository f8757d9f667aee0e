"""Offers, what may be done with them, and what became of it (mesos.proto)."""

from __future__ import annotations

from typing import Literal

from mesos_service.wire.base import Message, printed
from mesos_service.wire.common import (
    URL,
    UUID,
    AgentID,
    DomainInfo,
    ExecutorID,
    FrameworkID,
    OfferID,
    OperationID,
    ResourceProviderID,
    Unavailability,
)
from mesos_service.wire.resources import (
    Attribute,
    Resource,
    ResourceAllocationInfo,
    ResourceDiskInfoSourceType,
    ValueScalar,
)
from mesos_service.wire.tasks import ExecutorInfo, TaskGroupInfo, TaskInfo

OfferOperationType = Literal[
    "UNKNOWN",
    "LAUNCH",
    "LAUNCH_GROUP",
    "RESERVE",
    "UNRESERVE",
    "CREATE",
    "DESTROY",
    "GROW_VOLUME",
    "SHRINK_VOLUME",
    "CREATE_DISK",
    "DESTROY_DISK",
]
OperationState = Literal[
    "OPERATION_UNSUPPORTED",
    "OPERATION_PENDING",
    "OPERATION_FINISHED",
    "OPERATION_FAILED",
    "OPERATION_ERROR",
    "OPERATION_DROPPED",
    "OPERATION_UNREACHABLE",
    "OPERATION_GONE_BY_OPERATOR",
    "OPERATION_RECOVERING",
    "OPERATION_UNKNOWN",
]


class Offer(Message, kw_only=True):
    """Resources of one agent for one role; ``allocation_info`` only for frameworks with MULTI_ROLE."""

    id: OfferID
    framework_id: FrameworkID
    agent_id: AgentID
    hostname: str
    url: URL | None = None
    domain: DomainInfo | None = None
    resources: tuple[Resource, ...] = ()
    attributes: tuple[Attribute, ...] = ()
    executor_ids: tuple[ExecutorID, ...] = ()
    unavailability: Unavailability | None = None
    allocation_info: ResourceAllocationInfo | None = None


class OfferOperation(Message, kw_only=True):
    """One step of an ACCEPT; only the sub-message of its ``type`` counts."""

    type: OfferOperationType | None = None
    id: OperationID | None = None
    launch: OfferOperationLaunch | None = None
    launch_group: OfferOperationLaunchGroup | None = None
    reserve: OfferOperationReserve | None = None
    unreserve: OfferOperationUnreserve | None = None
    create: OfferOperationCreate | None = None
    destroy: OfferOperationDestroy | None = None
    grow_volume: OfferOperationGrowVolume | None = None
    shrink_volume: OfferOperationShrinkVolume | None = None
    create_disk: OfferOperationCreateDisk | None = None
    destroy_disk: OfferOperationDestroyDisk | None = None


class OfferOperationLaunch(Message, kw_only=True):
    task_infos: tuple[TaskInfo, ...] = ()


class OfferOperationLaunchGroup(Message, kw_only=True):
    executor: ExecutorInfo
    task_group: TaskGroupInfo


class OfferOperationReserve(Message, kw_only=True):
    source: tuple[Resource, ...] = ()
    resources: tuple[Resource, ...] = ()


class OfferOperationUnreserve(Message, kw_only=True):
    resources: tuple[Resource, ...] = ()


class OfferOperationCreate(Message, kw_only=True):
    volumes: tuple[Resource, ...] = ()


class OfferOperationDestroy(Message, kw_only=True):
    volumes: tuple[Resource, ...] = ()


class OfferOperationGrowVolume(Message, kw_only=True):
    volume: Resource
    addition: Resource


class OfferOperationShrinkVolume(Message, kw_only=True):
    volume: Resource
    subtract: ValueScalar


class OfferOperationCreateDisk(Message, kw_only=True):
    source: Resource
    target_type: ResourceDiskInfoSourceType
    target_profile: str | None = None


class OfferOperationDestroyDisk(Message, kw_only=True):
    source: Resource


class InverseOffer(Message, kw_only=True):
    """A request to give resources back before an interval."""

    id: OfferID
    url: URL | None = None
    framework_id: FrameworkID
    agent_id: AgentID | None = None
    unavailability: Unavailability
    resources: tuple[Resource, ...] = ()


class Operation(Message, kw_only=True):
    framework_id: FrameworkID | None = None
    agent_id: AgentID | None = None
    info: OfferOperation
    latest_status: OperationStatus
    statuses: tuple[OperationStatus, ...] = ()
    uuid: UUID


class OperationStatus(Message, kw_only=True):
    operation_id: OperationID | None = None
    state: OperationState
    message: str | None = None
    converted_resources: tuple[Resource, ...] = ()
    uuid: UUID | None = None
    agent_id: AgentID | None = None
    resource_provider_id: ResourceProviderID | None = None


class Filters(Message, kw_only=True):
    """How long, in seconds, refused resources are not offered again to this framework."""

    refuse_seconds: float = printed(5.0)
