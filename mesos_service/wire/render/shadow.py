"""What an allocator in shadow would have decided, as others read it."""

from __future__ import annotations

from collections.abc import Iterable

from mesos_service.core.master.shadow import Difference, Shadow
from mesos_service.core.master.state import MasterState
from mesos_service.plugins.allocator import Grant
from mesos_service.wire.shadow import ShadowAnswer, ShadowDifference, ShadowFramework, ShadowGrant


def shadow_answer(state: MasterState, shadow: Shadow) -> ShadowAnswer:
    return ShadowAnswer(
        allocator=state.allocator.name,
        shadow=shadow.guard.name,
        failed=shadow.guard.broken,
        failures=shadow.failures,
        passes=shadow.passes,
        passes_differing=shadow.differing,
        grants_agreed=shadow.agreed,
        grants_decided_only=shadow.decided_only,
        grants_shadow_only=shadow.shadow_only,
        frameworks=tuple(
            ShadowFramework(
                framework_id=framework_id,
                framework_name=state.frameworks[framework_id].info.name if framework_id in state.frameworks else "",
                decided=decided,
                shadow=in_shadow,
            )
            for framework_id, (decided, in_shadow) in shadow.by_framework.items()
        ),
        differences=tuple(map(_difference, shadow.differences)),
    )


def _difference(one: Difference) -> ShadowDifference:
    return ShadowDifference(at=one.at, agent_id=one.agent_id, decided=_grants(one.decided), shadow=_grants(one.shadow))


def _grants(grants: Iterable[Grant]) -> tuple[ShadowGrant, ...]:
    return tuple(
        ShadowGrant(framework_id=one.framework_id, role=one.role, resources=str(one.resources.unallocated()))
        for one in grants
    )
