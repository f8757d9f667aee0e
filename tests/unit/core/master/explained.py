"""What a master explains."""

from __future__ import annotations

from collections.abc import Sequence

from mesos_service.core.allocation.explanation import Explanation
from mesos_service.core.effects import MasterEffect, Reply
from mesos_service.core.operator_messages import ExplainFramework
from mesos_service.domain.ids import FrameworkId
from tests.unit.core.master.told import only
from tests.unit.core.master.world import World


def ask(world: World, framework_id: FrameworkId) -> tuple[int, list[MasterEffect]]:
    request = world.request()
    return request, world.take(ExplainFramework(request=request, framework_id=framework_id))


def answer(effects: Sequence[MasterEffect], request: int) -> Explanation:
    (reply,) = [one for one in only(effects, Reply) if one.request == request]
    assert reply.status == 200 and reply.explanation is not None
    return reply.explanation


def explained(world: World, framework_id: FrameworkId) -> Explanation:
    request, effects = ask(world, framework_id)
    return answer([*effects, *world.advance(1.0)], request)
