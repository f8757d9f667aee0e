"""Write a framework: a scheduler, an executor, and short ways to the messages they send.

Speaks the v1 HTTP API to any master that does, in the words of ``mesos_service.wire``. Knows nothing of how a master
or an agent works inside.
"""

from mesos_service.domain.resources import Resources
from mesos_service.sdk.errors import CallRefused, NotConnected, SubscriptionEnded, Unreachable
from mesos_service.sdk.operations import (
    create,
    destroy,
    grow_volume,
    reserve,
    reserved,
    shrink_volume,
    unreserve,
    volume,
)
from mesos_service.sdk.scheduler import Scheduler
from mesos_service.sdk.tasks import (
    available,
    command_info,
    custom_executor,
    default_executor,
    launch,
    launch_group,
    resources,
    take,
    task,
)

__all__ = [
    "CallRefused",
    "NotConnected",
    "Resources",
    "Scheduler",
    "SubscriptionEnded",
    "Unreachable",
    "available",
    "command_info",
    "create",
    "custom_executor",
    "default_executor",
    "destroy",
    "grow_volume",
    "launch",
    "launch_group",
    "reserve",
    "reserved",
    "resources",
    "shrink_volume",
    "take",
    "task",
    "unreserve",
    "volume",
]
