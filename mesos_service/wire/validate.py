"""What can be said against a call before anybody's state is looked at.

Each function returns the first reason as Mesos words it, or ``None``. The order of the checks is Mesos'
(type, then framework id, then sub-message, then what is in it), as clients match on the texts. Calls to agents have a
file of their own (``validate_agent``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, get_args

import msgspec

from mesos_service.wire import executor, operator, scheduler
from mesos_service.wire.checks import CheckStatusInfo
from mesos_service.wire.common import FrameworkID
from mesos_service.wire.tasks import TaskStatus

NO_TYPE: Final = "Expecting 'type' to be present"


def sub_messages(cls: type[msgspec.Struct], types: Iterable[str], optional: Iterable[str]) -> Mapping[str, str]:
    """Which sub-message each type of call must have: the field of the type's name in lower case, if there is one."""
    fields = set(cls.__struct_fields__)
    return {one: one.lower() for one in types if one.lower() in fields and one not in set(optional)}


SCHEDULER_SUB_MESSAGES: Final = sub_messages(
    scheduler.Call, get_args(scheduler.CallType), optional=("REVIVE", "SUPPRESS")
)
EXECUTOR_SUB_MESSAGES: Final = sub_messages(
    # Mesos demands a body of SUBSCRIBE, but it has nothing required in it, and clients leave it out.
    executor.Call,
    get_args(executor.CallType),
    optional=("SUBSCRIBE",),
)
OPERATOR_SUB_MESSAGES: Final = sub_messages(operator.Call, get_args(operator.CallType), optional=())


def refuse_uuid(uuid: bytes) -> str | None:
    """A uuid is sixteen bytes with a version of RFC 4122 in them; the nil uuid has none."""
    if len(uuid) == 16 and 1 <= uuid[6] >> 4 <= 5:
        return None
    return "Not a valid UUID"


def validate_scheduler_call(call: scheduler.Call, principal: str | None = None) -> str | None:
    """The first reason against a scheduler's call (X18a). ``principal`` is who the caller proved to be, if anybody."""
    kind = call.type
    if kind is None:
        return NO_TYPE
    if kind == "SUBSCRIBE":
        return _validate_subscribe(call, principal)
    if call.framework_id is None:
        return "Expecting 'framework_id' to be present"
    wanted = SCHEDULER_SUB_MESSAGES.get(kind)
    if wanted is not None and getattr(call, wanted) is None:
        return f"Expecting '{wanted}' to be present"
    if kind == "ACKNOWLEDGE" and call.acknowledge is not None:
        return refuse_uuid(call.acknowledge.uuid)
    if kind == "ACKNOWLEDGE_OPERATION_STATUS" and call.acknowledge_operation_status is not None:
        reason = refuse_uuid(call.acknowledge_operation_status.uuid)
        if reason is None and call.acknowledge_operation_status.agent_id is None:
            reason = "Expecting 'agent_id' to be present"
        return reason
    updated = call.update_framework if kind == "UPDATE_FRAMEWORK" else None
    if updated is not None and _differ(call.framework_id, updated.framework_info.id):
        return "'framework_id' differs from 'update_framework.framework_info.id'"
    return None


def _validate_subscribe(call: scheduler.Call, principal: str | None) -> str | None:
    if call.subscribe is None:
        return "Expecting 'subscribe' to be present"
    info = call.subscribe.framework_info
    if _differ(call.framework_id, info.id):
        return "'framework_id' differs from 'subscribe.framework_info.id'"
    if principal is not None and info.principal is not None and principal != info.principal:
        return (
            f"Authenticated principal '{principal}' does not match principal '{info.principal}' set in `FrameworkInfo`"
        )
    return None


def _differ(one: FrameworkID | None, other: FrameworkID | None) -> bool:
    """An id that is unset equals an empty one, as in protobuf."""
    return (one.value if one is not None else "") != (other.value if other is not None else "")


def validate_executor_call(call: executor.Call) -> str | None:
    """The first reason against an executor's call (M-EX-01)."""
    if call.type is None:
        return NO_TYPE
    wanted = EXECUTOR_SUB_MESSAGES.get(call.type)
    if wanted is not None and getattr(call, wanted) is None:
        return f"Expecting '{wanted}' to be present"
    if call.type == "UPDATE" and call.update is not None:
        return refuse_update(call, call.update.status)
    return None


def refuse_update(call: executor.Call, status: TaskStatus) -> str | None:
    """Why this is no update that ``call``'s executor may send, in whichever call."""
    if status.uuid is None:
        return "Expecting 'uuid' to be present"
    reason = refuse_uuid(status.uuid)
    if reason is not None:
        return reason
    executor_id, framework_id = call.executor_id.value, call.framework_id.value
    if status.executor_id is not None and status.executor_id.value != executor_id:
        return f"ExecutorID in Call: {executor_id} does not match ExecutorID in TaskStatus: {status.executor_id.value}"
    if status.source != "SOURCE_EXECUTOR":
        return (
            f"Received Call from executor {executor_id} of framework {framework_id}"
            " with invalid source, expecting 'SOURCE_EXECUTOR'"
        )
    if status.state == "TASK_STAGING":
        return f"Received TASK_STAGING from executor {executor_id} of framework {framework_id} which is not allowed"
    return None if status.check_status is None else _validate_check_status(status.check_status)


def _validate_check_status(status: CheckStatusInfo) -> str | None:
    if status.type is None:
        return "CheckStatusInfo must specify 'type'"
    if status.type == "UNKNOWN":
        return "'UNKNOWN' is not a valid check's status type"
    if getattr(status, status.type.lower()) is None:
        return f"Expecting '{status.type.lower()}' to be set for {status.type} check's status"
    return None


def validate_operator_call(call: operator.Call) -> str | None:
    """The first reason against an operator's call to the master."""
    if call.type is None:
        return NO_TYPE
    wanted = OPERATOR_SUB_MESSAGES.get(call.type)
    if wanted is not None and getattr(call, wanted) is None:
        return f"Expecting '{wanted}' to be present"
    resized = {"GROW_VOLUME": call.grow_volume, "SHRINK_VOLUME": call.shrink_volume}.get(call.type)
    if resized is not None and resized.agent_id is None:
        return "Expecting 'agent_id' to be present; only agent default resources are supported right now"
    return None
