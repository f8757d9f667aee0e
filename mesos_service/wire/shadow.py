"""Answers of ``/api/v1/shadow``, which Mesos does not have."""

from __future__ import annotations

from mesos_service.wire.base import Message, printed


class ShadowGrant(Message, kw_only=True):
    framework_id: str
    role: str
    resources: str


class ShadowDifference(Message, kw_only=True):
    """One agent of one pass on which both decided differently; ``at`` is unix seconds."""

    at: float
    agent_id: str
    decided: tuple[ShadowGrant, ...] = printed(())
    shadow: tuple[ShadowGrant, ...] = printed(())


class ShadowFramework(Message, kw_only=True):
    """Grants to one framework: those that were made, and those that the shadow would have made."""

    framework_id: str
    framework_name: str
    decided: int
    shadow: int


class ShadowAnswer(Message, kw_only=True):
    """Counts are of this master's life. ``failed``: the shadow has failed, and is not made anew yet."""

    allocator: str
    shadow: str
    failed: bool
    failures: int
    passes: int
    passes_differing: int
    grants_agreed: int
    grants_decided_only: int
    grants_shadow_only: int
    frameworks: tuple[ShadowFramework, ...] = printed(())
    differences: tuple[ShadowDifference, ...] = printed(())
