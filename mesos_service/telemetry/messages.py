"""Which metric counts which call or message, under Mesos' names (Mesos docs, monitoring: ``master/messages_*``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from mesos_service.core import link

CALL_MESSAGES: Final = {
    "ACCEPT": "launch_tasks",
    "ACKNOWLEDGE": "status_update_acknowledgement",
    "ACKNOWLEDGE_OPERATION_STATUS": "operation_status_update_acknowledgement",
    "DECLINE": "decline_offers",
    "KILL": "kill_task",
    "MESSAGE": "framework_to_executor",
    "RECONCILE": "reconcile_tasks",
    "RECONCILE_OPERATIONS": "reconcile_operations",
    "REQUEST": "resource_request",
    "REVIVE": "revive_offers",
    "SUPPRESS": "suppress_offers",
    "TEARDOWN": "unregister_framework",
}
"""``master/messages_*`` by scheduler call; SUBSCRIBE is two of them, by whether it names a framework id."""

CALLS: Final = (
    *CALL_MESSAGES,
    "ACCEPT_INVERSE_OFFERS",
    "DECLINE_INVERSE_OFFERS",
    "SHUTDOWN",
    "SUBSCRIBE",
    "UPDATE_FRAMEWORK",
)
EVENTS: Final = (
    "ERROR",
    "FAILURE",
    "HEARTBEAT",
    "INVERSE_OFFERS",
    "MESSAGE",
    "OFFERS",
    "RESCIND",
    "RESCIND_INVERSE_OFFER",
    "SUBSCRIBED",
    "UPDATE",
    "UPDATE_OPERATION_STATUS",
)
OPERATIONS: Final = (
    "CREATE",
    "CREATE_DISK",
    "DESTROY",
    "DESTROY_DISK",
    "GROW_VOLUME",
    "LAUNCH",
    "LAUNCH_GROUP",
    "RESERVE",
    "SHRINK_VOLUME",
    "UNRESERVE",
)
"""What a framework may ask for in ACCEPT."""

UPLINK_MESSAGES: Final[Mapping[type[link.Uplink], str]] = {
    link.Register: "register_slave",
    link.Reregister: "reregister_slave",
    link.Unregister: "unregister_slave",
    link.AgentUpdated: "update_slave",
    link.OversubscriptionChanged: "update_slave",
    link.UpdateStatus: "status_update",
    link.UpdateOperation: "operation_status_update",
    link.ExitedExecutor: "exited_executor",
    link.MessageFromExecutor: "executor_to_framework",
}
"""``master/messages_*`` by agent message; PONG has none in Mesos."""

INVALID: Final = {
    "executor_to_framework_messages": ("executor.message_dropped", "executor_to_framework"),
    "framework_to_executor_messages": ("framework.message_dropped", "framework_to_executor"),
    "operation_status_update_acknowledgements": (
        "operation.acknowledgement_ignored",
        "operation_status_update_acknowledgement",
    ),
    "operation_status_updates": ("operation.unknown", "operation_status_update"),
    "status_update_acknowledgements": ("acknowledgement.dropped", "status_update_acknowledgement"),
    "status_updates": ("task.update_ignored", "status_update"),
}
"""``master/invalid_*`` and ``master/valid_*``: the fact of what was not passed on, and of which messages it is a
part."""

NEVER: Final = (
    "allocator/event_queue_dispatches",
    "allocator/mesos/event_queue_dispatches",
    "master/dropped_messages",
    "master/event_queue_dispatches",
    "master/http_cache_hits",
    "master/messages_authenticate",
    "master/messages_deactivate_framework",
    "master/slave_shutdowns_canceled",
    "master/slave_shutdowns_completed",
    "master/slave_shutdowns_scheduled",
)
"""What cannot happen in this master has happened 0 times: it has no queue in front of the allocator or of itself (but
for what arrives while it is held), answers what it refuses, keeps no answers, and nobody speaks the older protocol to
it. Monitors that look for these names find them."""
NEVER_ON_AGENTS: Final = (
    "resource_provider_manager/events/disconnect",
    "resource_provider_manager/events/subscribe",
    "resource_provider_manager/subscribed",
)
"""There are no resource providers that could connect."""
