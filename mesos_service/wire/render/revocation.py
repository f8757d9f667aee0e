"""What would be revoked, and what is being revoked, as others read it (N15)."""

from __future__ import annotations

from collections.abc import Mapping

from mesos_service.core.master.revocation_plan import Planned, Preview, Share
from mesos_service.core.master.state import MasterState
from mesos_service.domain.ids import FrameworkId
from mesos_service.domain.values import from_milli
from mesos_service.wire.revocation import (
    RevocationAnswer,
    RevocationShare,
    RevocationShareFramework,
    RevocationStep,
    RevocationUnderWay,
)


def revocation_answer(state: MasterState, preview: Preview) -> RevocationAnswer:
    return RevocationAnswer(
        enabled=preview.enabled,
        grace_seconds=preview.grace_seconds,
        waiting=preview.waiting,
        shares=tuple(_share(state, one) for one in preview.shares),
        plan=tuple(_step(state, one) for one in preview.plan),
        under_way=tuple(
            RevocationUnderWay(
                framework_id=entry.recorded.framework_id,
                task_id=entry.recorded.task_id,
                agent_id=entry.recorded.agent_id,
                beneficiary=entry.recorded.beneficiary,
                decided_at=entry.recorded.at,
                killed_at=entry.killed_at,
                executor_destroyed_at=entry.destroyed_at,
            )
            for entry in state.revocations.values()
        ),
    )


def _share(state: MasterState, share: Share) -> RevocationShare:
    return RevocationShare(
        role=share.role,
        guarantee=_amounts(share.guarantee),
        consumed=_amounts(share.consumed),
        lacks=_amounts(share.lacks),
        revocable_above=_amounts(share.revocable_above),
        frameworks=tuple(
            RevocationShareFramework(
                framework_id=framework_id, framework_name=_name(state, framework_id), revocable=_amounts(amounts)
            )
            for framework_id, amounts in share.frameworks.items()
        ),
    )


def _step(state: MasterState, planned: Planned) -> RevocationStep:
    one = planned.revocation
    agent = state.agents.get(planned.agent_id)
    return RevocationStep(
        framework_id=one.framework_id,
        framework_name=_name(state, one.framework_id),
        task_id=one.task_id,
        agent_id=planned.agent_id,
        hostname="" if agent is None else agent.info.hostname,
        beneficiary=one.beneficiary,
        reason=one.reason,
        frees=_amounts(planned.frees),
        age_seconds=planned.age_seconds,
        lost_work_seconds=planned.lost_seconds,
    )


def _name(state: MasterState, framework_id: FrameworkId) -> str:
    framework = state.frameworks.get(framework_id)
    return "" if framework is None else framework.info.name


def _amounts(milli: Mapping[str, int]) -> dict[str, float]:
    return {name: from_milli(amount) for name, amount in sorted(milli.items()) if amount}
