"""Hearing that the kernel killed somebody for want of memory in a group (cgroup v1 memory.txt, section 10; v2, memory).

Version 1 tells it through an eventfd that is registered with ``cgroup.event_control``. Version 2 counts in
``memory.events``, which is read once a second: what is told at once there is how the container's first process ended,
and an isolator is asked about that anyway. For that reason nobody listens in the first second in version 1 either: most
tasks are that short, and what has happened meanwhile is seen then.
"""

from __future__ import annotations

import asyncio
import os
from typing import Final

from mesos_service.cgroups.group import Group
from mesos_service.cgroups.steps import Write, perform

LOOK_SECONDS: Final = 1.0
_LOOKS_MAX: Final = 100
_PAUSE_SECONDS: Final = 0.01
"""Between two looks, once it is known that there will be something to see."""


def kills(group: Group) -> int:
    """How many processes of the group were killed for want of memory, so far."""
    return group.table("memory.oom_control" if group.version == 1 else "memory.events").get("oom_kill", 0)


async def wait_for_kill(group: Group) -> None:
    """Come back when there has been one. Never, when the group is removed meanwhile."""
    if group.version == 1:
        await asyncio.sleep(LOOK_SECONDS)
        await _listen(group)
        return
    while not kills(group):  # noqa: ASYNC110 - nobody but the kernel knows
        await asyncio.sleep(LOOK_SECONDS)


async def _listen(group: Group) -> None:
    event = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    try:
        if not group.exists():
            await asyncio.Event().wait()
        control = os.open(group.path / "memory.oom_control", os.O_RDONLY | os.O_CLOEXEC)
        try:
            perform([Write(group.path / "cgroup.event_control", f"{event} {control}")])
        finally:
            os.close(control)
        loop.add_reader(event, told.set)
        # The event comes before the kill is counted, and once more when the group is removed.
        while not kills(group):
            await told.wait()
            told.clear()
            try:
                os.eventfd_read(event)
            except BlockingIOError:
                continue
            if not group.exists():
                await asyncio.Event().wait()
            for _ in range(_LOOKS_MAX):
                if kills(group):
                    return
                await asyncio.sleep(_PAUSE_SECONDS)
    finally:
        loop.remove_reader(event)
        os.close(event)
