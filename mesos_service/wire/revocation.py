"""Answers of ``/api/v1/revocation``, which Mesos does not have (N15). Amounts by name, in Mesos' units."""

from __future__ import annotations

from mesos_service.wire.base import Message, printed


class RevocationShareFramework(Message, kw_only=True):
    framework_id: str
    framework_name: str
    revocable: dict[str, float] = printed({})
    """What its tasks use of what its role holds."""


class RevocationShare(Message, kw_only=True):
    """A role: what it is guaranteed, consumes, lacks, and what of it could be revoked."""

    role: str
    guarantee: dict[str, float] = printed({})
    consumed: dict[str, float] = printed({})
    lacks: dict[str, float] = printed({})
    revocable_above: dict[str, float] = printed({})
    frameworks: tuple[RevocationShareFramework, ...] = printed(())


class RevocationStep(Message, kw_only=True):
    """One task that would be revoked. ``lost_work_seconds`` is the lesser of its age and the grace."""

    framework_id: str
    framework_name: str
    task_id: str
    agent_id: str
    hostname: str
    beneficiary: str
    reason: str
    frees: dict[str, float] = printed({})
    age_seconds: float | None = None
    lost_work_seconds: float | None = None


class RevocationUnderWay(Message, kw_only=True):
    """One that is being carried out; times are unix seconds."""

    framework_id: str
    task_id: str
    agent_id: str
    beneficiary: str
    decided_at: float
    killed_at: float | None = None
    executor_destroyed_at: float | None = None


class RevocationAnswer(Message, kw_only=True):
    """``enabled``: whether the plan is going to be carried out; ``waiting``: why nothing can be planned just now."""

    enabled: bool
    grace_seconds: float
    waiting: str
    shares: tuple[RevocationShare, ...] = printed(())
    plan: tuple[RevocationStep, ...] = printed(())
    under_way: tuple[RevocationUnderWay, ...] = printed(())
