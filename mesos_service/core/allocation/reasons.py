"""The reasons why a framework is not offered an agent's resources, each said in one place (N01).

Codes are stable: operators filter and count by them. ``wakes_on`` names the calls and events that could change the
verdict: ``revive``, ``subscribe``, ``agent_updated`` and so on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from mesos_service.domain.frameworks import Quantities
from mesos_service.domain.resources import Resources, from_milli
from mesos_service.plugins.verdict import Veto

FRAMEWORK_INACTIVE: Final = "framework_inactive"
ROLE_SUPPRESSED: Final = "role_suppressed"
AGENT_INACTIVE: Final = "agent_inactive"
AGENT_NOT_WHITELISTED: Final = "agent_not_whitelisted"
NOTHING_FREE: Final = "nothing_free"
BELOW_MINIMUM: Final = "below_min_allocatable"
CAPABILITY_MISSING: Final = "capability_missing"
NOTHING_FOR_ROLE: Final = "nothing_for_role"
REFUSAL_FILTER: Final = "refusal_filter"
QUOTA_LIMIT: Final = "quota_limit"
QUOTA_HEADROOM: Final = "quota_headroom"
RECOVERING: Final = "recovering"
NO_REQUEST_FITS: Final = "no_request_fits"
OTHERS_FIRST: Final = "others_first"

ALLOCATOR: Final = "allocator"


def framework_inactive() -> Veto:
    return Veto(
        reason=FRAMEWORK_INACTIVE,
        culprit="framework",
        detail="The framework is not connected.",
        lasting=True,
        wakes_on=frozenset({"subscribe"}),
    )


def role_suppressed() -> Veto:
    return Veto(
        reason=ROLE_SUPPRESSED,
        culprit="framework",
        detail="The framework suppressed offers for this role.",
        lasting=True,
        wakes_on=frozenset({"revive", "subscribe", "update_framework"}),
    )


def agent_inactive() -> Veto:
    return Veto(
        reason=AGENT_INACTIVE,
        culprit="agent",
        detail="The agent is disconnected or deactivated.",
        wakes_on=frozenset({"agent_reregistered", "agent_reactivated"}),
    )


def agent_not_whitelisted() -> Veto:
    return Veto(
        reason=AGENT_NOT_WHITELISTED,
        culprit="operator",
        detail="The agent's host is not on the whitelist.",
        lasting=True,
        wakes_on=frozenset({"whitelist_updated"}),
    )


def nothing_free() -> Veto:
    return Veto(
        reason=NOTHING_FREE,
        culprit=ALLOCATOR,
        detail="All of the agent's resources are offered or allocated.",
        wakes_on=frozenset({"resources_recovered"}),
    )


def below_minimum(quantities: Quantities, minimum: Sequence[Quantities]) -> Veto:
    """None of the alternatives of the minimum is covered by what would be offered (M-AL-13)."""
    wanted = " or ".join(_text(alternative) for alternative in minimum)
    return Veto(
        reason=BELOW_MINIMUM,
        culprit="min_allocatable_resources",
        detail=f"What could be offered, {_text(quantities) or 'no scalars'}, does not reach {wanted}.",
        wakes_on=frozenset({"resources_recovered", "agent_updated", "update_framework"}),
    )


def capability_missing(capability: str, what: str) -> Veto:
    return Veto(
        reason=CAPABILITY_MISSING,
        culprit=capability,
        detail=f"{what} only offered to frameworks with the capability {capability}.",
        lasting=True,
        wakes_on=frozenset({"subscribe", "update_framework"}),
    )


def nothing_for_role() -> Veto:
    return Veto(
        reason=NOTHING_FOR_ROLE,
        culprit=ALLOCATOR,
        detail="What is free is reserved to other roles, or of kinds the framework does not take.",
        wakes_on=frozenset({"resources_recovered", "agent_updated", "update_framework"}),
    )


def refusal_filter(refused: Resources, expires: float | None) -> Veto:
    """The framework refused as much as this, or more, and that still stands (X27); ``expires`` is unix seconds."""
    end = "the next full pass" if expires is None else "its time is over"
    return Veto(
        reason=REFUSAL_FILTER,
        culprit="framework",
        detail=f"The framework refused {refused} on this agent; no part of it is offered again until {end}.",
        wakes_on=frozenset({"revive", "resources_recovered", "filter_expired"}),
        until=expires,
    )


def quota_limit(role: str, spent: Sequence[str], left: Resources) -> Veto:
    """What the role's limit leaves of an offer does not reach the minimum (X37)."""
    return Veto(
        reason=QUOTA_LIMIT,
        culprit=f"quota of {role}",
        detail=f"Role '{role}' has consumed its limit of {', '.join(spent) or 'resources'}, {_rest(left)}",
        wakes_on=frozenset({"resources_recovered", "quota_updated", "update_framework"}),
    )


def quota_headroom(names: Sequence[str], left: Resources) -> Veto:
    """What is free is kept for guarantees that are not satisfied yet (X38)."""
    return Veto(
        reason=QUOTA_HEADROOM,
        culprit="quota",
        detail=f"All {', '.join(names)} that is free is promised to roles with a guarantee, {_rest(left)}",
        wakes_on=frozenset({"resources_recovered", "agent_added", "quota_updated"}),
    )


def recovering(missing: int, until: float) -> Veto:
    """Nobody is offered anything until enough of the known agents are back (X39); ``until`` is unix seconds."""
    return Veto(
        reason=RECOVERING,
        culprit=ALLOCATOR,
        detail=f"Quota is set, and {missing} more of the agents known before must come back first.",
        wakes_on=frozenset({"agent_reregistered"}),
        until=until,
    )


def no_request_fits(pending: int) -> Veto:
    """Under an allocator that offers by request: nothing of what was asked for fits here."""
    wanted = f"None of the {pending} shapes that were asked for fits." if pending else "The framework asks for nothing."
    return Veto(
        reason=NO_REQUEST_FITS,
        culprit="framework",
        detail=wanted,
        wakes_on=frozenset({"request", "resources_recovered", "agent_added"}),
    )


def others_first(culprit: str) -> Veto:
    return Veto(
        reason=OTHERS_FIRST,
        culprit=culprit,
        detail=f"It was another's turn: {culprit} holds less and was offered what was free.",
        wakes_on=frozenset({"resources_recovered"}),
    )


def _rest(left: Resources) -> str:
    return f"and what is left of the offer, {left}, is too little." if left else "and nothing is left of the offer."


def _text(quantities: Quantities) -> str:
    return ";".join(f"{name}:{from_milli(amount):g}" for name, amount in quantities.items())
