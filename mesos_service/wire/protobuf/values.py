"""Numbers of fields and values: what calls and events are made of, ids to agents and frameworks (see ``table``)."""

from __future__ import annotations

from typing import Final

from mesos_service.wire import agents, common, constraints, frameworks, offers, policy, resources
from mesos_service.wire.protobuf.notation import Enums, Fields

FIELDS: Final[Fields] = {
    common.FrameworkID: "value=1",
    common.OfferID: "value=1",
    common.AgentID: "value=1",
    common.TaskID: "value=1",
    common.ExecutorID: "value=1",
    common.ContainerID: "value=1 parent=2",
    common.ResourceProviderID: "value=1",
    common.OperationID: "value=1",
    common.TimeInfo: "nanoseconds=1",
    common.DurationInfo: "nanoseconds=1",
    common.Address: "hostname=1 ip=2 port=3",
    common.URL: "scheme=1 address=2 path=3 query=4 fragment=5",
    common.Unavailability: "start=1 duration=2",
    common.MachineID: "hostname=1 ip=2",
    common.DomainInfo: "fault_domain=1",
    common.DomainInfoFaultDomain: "region=1 zone=2",
    common.DomainInfoFaultDomainRegionInfo: "name=1",
    common.DomainInfoFaultDomainZoneInfo: "name=1",
    common.UUID: "value=1",
    common.Parameter: "key=1 value=2",
    common.Parameters: "parameter=1",
    common.Labels: "labels=1",
    common.Label: "key=1 value=2",
    common.VersionInfo: "version=1 build_date=2 build_time=3 build_user=4 git_sha=5 git_branch=6 git_tag=7",
    common.Flag: "name=1 value=2",
    common.Metric: "name=1 value=2",
    common.FileInfo: "path=1 nlink=2 size=3 mtime=4 mode=5 uid=6 gid=7",
    common.ProtobufDuration: "seconds=1 nanos=2",
    resources.ValueScalar: "value=1",
    resources.ValueLimit: "value=1",
    resources.ValueRange: "begin=1 end=2",
    resources.ValueRanges: "range=1",
    resources.ValueSet: "item=1",
    resources.ValueText: "value=1",
    resources.Attribute: "name=1 type=2 scalar=3 ranges=4 set=6 text=5",
    resources.Resource: (
        "provider_id=12 name=1 type=2 scalar=3 ranges=4 set=5 role=6 allocation_info=11 reservation=8 "
        "reservations=13 disk=7 revocable=9 shared=10"
    ),
    resources.ResourceAllocationInfo: "role=1",
    resources.ResourceReservationInfo: "type=4 role=3 principal=1 labels=2",
    resources.ResourceDiskInfo: "persistence=1 volume=2 source=3",
    resources.ResourceDiskInfoPersistence: "id=1 principal=2",
    resources.ResourceDiskInfoSource: "type=1 path=2 mount=3 vendor=7 id=4 metadata=5 profile=6",
    resources.ResourceDiskInfoSourcePath: "root=1",
    resources.ResourceDiskInfoSourceMount: "root=1",
    resources.ResourceRevocableInfo: "",
    resources.ResourceSharedInfo: "",
    offers.Offer: (
        "id=1 framework_id=2 agent_id=3 hostname=4 url=8 domain=11 resources=5 attributes=7 executor_ids=6 "
        "unavailability=9 allocation_info=10"
    ),
    offers.OfferOperation: (
        "type=1 id=12 launch=2 launch_group=7 reserve=3 unreserve=4 create=5 destroy=6 grow_volume=13 "
        "shrink_volume=14 create_disk=15 destroy_disk=16"
    ),
    offers.OfferOperationLaunch: "task_infos=1",
    offers.OfferOperationLaunchGroup: "executor=1 task_group=2",
    offers.OfferOperationReserve: "source=2 resources=1",
    offers.OfferOperationUnreserve: "resources=1",
    offers.OfferOperationCreate: "volumes=1",
    offers.OfferOperationDestroy: "volumes=1",
    offers.OfferOperationGrowVolume: "volume=1 addition=2",
    offers.OfferOperationShrinkVolume: "volume=1 subtract=2",
    offers.OfferOperationCreateDisk: "source=1 target_type=2 target_profile=3",
    offers.OfferOperationDestroyDisk: "source=1",
    offers.InverseOffer: "id=1 url=2 framework_id=3 agent_id=4 unavailability=5 resources=6",
    offers.Operation: "framework_id=1 agent_id=2 info=3 latest_status=4 statuses=5 uuid=6",
    offers.OperationStatus: (
        "operation_id=1 state=2 message=3 converted_resources=4 uuid=5 agent_id=6 resource_provider_id=7"
    ),
    offers.Filters: "refuse_seconds=1",
    frameworks.FrameworkInfo: (
        "user=1 name=2 id=3 failover_timeout=4 checkpoint=5 role=6 roles=12 hostname=7 principal=8 "
        "webui_url=9 capabilities=10 labels=11 offer_filters=13"
    ),
    frameworks.FrameworkInfoCapability: "type=1",
    frameworks.OfferFilters: "min_allocatable_resources=1 filters=- short_tasks=-",
    frameworks.OfferFiltersResourceQuantities: "quantities=1",
    frameworks.OfferFiltersMinAllocatableResources: "quantities=1",
    agents.MasterInfo: "id=1 ip=2 port=3 pid=4 hostname=5 version=6 address=7 domain=8 capabilities=9",
    agents.MasterInfoCapability: "type=1",
    agents.AgentInfo: "hostname=1 port=8 resources=3 attributes=5 id=6 checkpoint=- domain=10",
    agents.AgentInfoCapability: "type=1",
    agents.ResourceProviderInfo: "id=1 attributes=2 type=3 name=4 default_reservations=5",
    policy.WeightInfo: "weight=1 role=2",
    policy.Role: "name=1 weight=2 frameworks=3 resources=4",
    policy.DrainConfig: "max_grace_period=1 mark_gone=2",
    policy.DrainInfo: "state=1 config=2",
    policy.InverseOfferStatus: "status=1 framework_id=2 timestamp=3",
    policy.QuotaInfo: "role=1 principal=2 guarantee=3",
    policy.QuotaRequest: "force=1 role=2 guarantee=3",
    policy.QuotaConfig: "role=1 guarantees=2 limits=3",
    policy.QuotaStatus: "infos=1 configs=2",
    policy.Window: "machine_ids=1 unavailability=2",
    policy.Schedule: "windows=1",
    policy.ClusterStatus: "draining_machines=1 down_machines=2",
    policy.ClusterStatusDrainingMachine: "id=1 statuses=2",
    constraints.AttributeConstraint: "selector=1 predicate=2",
    constraints.AttributeConstraintSelector: "pseudoattribute_type=1 attribute_name=2",
    constraints.AttributeConstraintPredicate: (
        "exists=1 not_exists=2 text_equals=3 text_not_equals=4 text_matches=5 text_not_matches=6"
    ),
    constraints.AttributeConstraintPredicateExists: "",
    constraints.AttributeConstraintPredicateNotExists: "",
    constraints.AttributeConstraintPredicateTextEquals: "value=1",
    constraints.AttributeConstraintPredicateTextNotEquals: "value=1",
    constraints.AttributeConstraintPredicateTextMatches: "regex=1",
    constraints.AttributeConstraintPredicateTextNotMatches: "regex=1",
    constraints.OfferConstraints: "role_constraints=1",
    constraints.OfferConstraintsRoleConstraints: "groups=1",
    constraints.OfferConstraintsRoleConstraintsGroup: "attribute_constraints=1",
}

ENUMS: Final[Enums] = {
    resources.ValueType: "SCALAR=0 RANGES=1 SET=2 TEXT=3",
    resources.ResourceReservationInfoType: "UNKNOWN=0 STATIC=1 DYNAMIC=2",
    resources.ResourceDiskInfoSourceType: "UNKNOWN=0 PATH=1 MOUNT=2 BLOCK=3 RAW=4",
    offers.OfferOperationType: (
        "UNKNOWN=0 LAUNCH=1 LAUNCH_GROUP=6 RESERVE=2 UNRESERVE=3 CREATE=4 DESTROY=5 GROW_VOLUME=11 "
        "SHRINK_VOLUME=12 CREATE_DISK=13 DESTROY_DISK=14"
    ),
    offers.OperationState: (
        "OPERATION_UNSUPPORTED=0 OPERATION_PENDING=1 OPERATION_FINISHED=2 OPERATION_FAILED=3 "
        "OPERATION_ERROR=4 OPERATION_DROPPED=5 OPERATION_UNREACHABLE=6 OPERATION_GONE_BY_OPERATOR=7 "
        "OPERATION_RECOVERING=8 OPERATION_UNKNOWN=9"
    ),
    frameworks.FrameworkInfoCapabilityType: (
        "UNKNOWN=0 REVOCABLE_RESOURCES=1 TASK_KILLING_STATE=2 GPU_RESOURCES=3 SHARED_RESOURCES=4 "
        "PARTITION_AWARE=5 MULTI_ROLE=6 RESERVATION_REFINEMENT=7 REGION_AWARE=8"
    ),
    agents.MasterInfoCapabilityType: "UNKNOWN=0 AGENT_UPDATE=1 AGENT_DRAINING=2 QUOTA_V2=3",
    agents.AgentInfoCapabilityType: (
        "UNKNOWN=0 MULTI_ROLE=1 HIERARCHICAL_ROLE=2 RESERVATION_REFINEMENT=3 RESOURCE_PROVIDER=4 "
        "RESIZE_VOLUME=5 AGENT_OPERATION_FEEDBACK=6 AGENT_DRAINING=7 TASK_RESOURCE_LIMITS=8"
    ),
    policy.DrainState: "UNKNOWN=0 DRAINING=1 DRAINED=2",
    policy.InverseOfferStatusStatus: "UNKNOWN=1 ACCEPT=2 DECLINE=3",
    constraints.AttributeConstraintSelectorPseudoattributeType: "UNKNOWN=0 HOSTNAME=1 REGION=2 ZONE=3",
}
