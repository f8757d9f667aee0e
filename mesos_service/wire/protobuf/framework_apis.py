"""Numbers of fields and values: the scheduler API and the executor API (see ``table``)."""

from __future__ import annotations

from typing import Final

from mesos_service.wire import executor, scheduler
from mesos_service.wire.protobuf.notation import Enums, Fields

FIELDS: Final[Fields] = {
    scheduler.Event: (
        "type=1 subscribed=2 offers=3 inverse_offers=9 rescind=4 rescind_inverse_offer=10 update=5 "
        "update_operation_status=11 message=6 failure=7 error=8 promoted=-"
    ),
    scheduler.EventSubscribed: "framework_id=1 heartbeat_interval_seconds=2 master_info=3 mode=- fencing_token=-",
    scheduler.EventOffers: "offers=1",
    scheduler.EventInverseOffers: "inverse_offers=1",
    scheduler.EventRescind: "offer_id=1",
    scheduler.EventRescindInverseOffer: "inverse_offer_id=1",
    scheduler.EventUpdate: "status=1",
    scheduler.EventUpdateOperationStatus: "status=1",
    scheduler.EventMessage: "agent_id=1 executor_id=2 data=3",
    scheduler.EventFailure: "agent_id=1 executor_id=2 status=3",
    scheduler.EventError: "message=1",
    scheduler.Call: (
        "framework_id=1 type=2 subscribe=3 accept=4 decline=5 accept_inverse_offers=13 "
        "decline_inverse_offers=14 revive=15 kill=6 shutdown=7 acknowledge=8 acknowledge_operation_status=17 "
        "reconcile=9 reconcile_operations=18 message=10 request=11 suppress=16 update_framework=19"
    ),
    scheduler.CallSubscribe: (
        "framework_info=1 suppressed_roles=2 offer_constraints=3 mode=- fencing_token=- lease_seconds=-"
    ),
    scheduler.CallAccept: "offer_ids=1 operations=2 filters=3",
    scheduler.CallDecline: "offer_ids=1 filters=2",
    scheduler.CallAcceptInverseOffers: "inverse_offer_ids=1 filters=2",
    scheduler.CallDeclineInverseOffers: "inverse_offer_ids=1 filters=2",
    scheduler.CallRevive: "roles=1",
    scheduler.CallKill: "task_id=1 agent_id=2 kill_policy=3",
    scheduler.CallShutdown: "executor_id=1 agent_id=2",
    scheduler.CallAcknowledge: "agent_id=1 task_id=2 uuid=3",
    scheduler.CallAcknowledgeOperationStatus: "agent_id=1 resource_provider_id=2 uuid=3 operation_id=4",
    scheduler.CallReconcile: "tasks=1",
    scheduler.CallReconcileTask: "task_id=1 agent_id=2",
    scheduler.CallReconcileOperations: "operations=1",
    scheduler.CallReconcileOperationsOperation: "operation_id=1 agent_id=2 resource_provider_id=3",
    scheduler.CallMessage: "agent_id=1 executor_id=2 data=3",
    scheduler.CallRequest: "requests=1",
    scheduler.Request: "agent_id=1 resources=2",
    scheduler.CallSuppress: "roles=1",
    scheduler.CallUpdateFramework: "framework_info=1 suppressed_roles=2 offer_constraints=3",
    executor.Event: "type=1 subscribed=2 acknowledged=3 launch=4 launch_group=8 kill=5 message=6 error=7",
    executor.EventSubscribed: "executor_info=1 framework_info=2 agent_info=3 container_id=4",
    executor.EventLaunch: "task=1",
    executor.EventLaunchGroup: "task_group=1",
    executor.EventKill: "task_id=1 kill_policy=2",
    executor.EventAcknowledged: "task_id=1 uuid=2",
    executor.EventMessage: "data=1",
    executor.EventError: "message=1",
    executor.Call: "executor_id=1 framework_id=2 type=3 subscribe=4 update=5 message=6",
    executor.CallSubscribe: "unacknowledged_tasks=1 unacknowledged_updates=2",
    executor.CallUpdate: "status=1",
    executor.CallMessage: "data=2",
}

ENUMS: Final[Enums] = {
    scheduler.EventType: (
        "UNKNOWN=0 SUBSCRIBED=1 OFFERS=2 INVERSE_OFFERS=9 RESCIND=3 RESCIND_INVERSE_OFFER=10 UPDATE=4 "
        "UPDATE_OPERATION_STATUS=11 MESSAGE=5 FAILURE=6 ERROR=7 HEARTBEAT=8 PROMOTED=-"
    ),
    scheduler.CallType: (
        "UNKNOWN=0 SUBSCRIBE=1 TEARDOWN=2 ACCEPT=3 DECLINE=4 ACCEPT_INVERSE_OFFERS=13 "
        "DECLINE_INVERSE_OFFERS=14 REVIVE=5 KILL=6 SHUTDOWN=7 ACKNOWLEDGE=8 ACKNOWLEDGE_OPERATION_STATUS=15 "
        "RECONCILE=9 RECONCILE_OPERATIONS=16 MESSAGE=10 REQUEST=11 SUPPRESS=12 UPDATE_FRAMEWORK=17 "
        "HEARTBEAT=-"
    ),
    executor.EventType: (
        "UNKNOWN=0 SUBSCRIBED=1 LAUNCH=2 LAUNCH_GROUP=8 KILL=3 ACKNOWLEDGED=4 MESSAGE=5 ERROR=6 SHUTDOWN=7 HEARTBEAT=9"
    ),
    executor.CallType: "UNKNOWN=0 SUBSCRIBE=1 UPDATE=2 MESSAGE=3 HEARTBEAT=4",
}
