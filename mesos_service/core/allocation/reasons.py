"""The reasons why a framework is not offered an agent's resources, each said in one place (N01).

Codes are stable: operators filter and count by them. ``wakes_on`` names the calls and events that could change the
verdict: ``revive``, ``subscribe``, ``agent_updated`` and so on. What would have to change is said in one change at a
time, the smallest that does it (N02).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from mesos_service.domain.frameworks import Quantities
from mesos_service.domain.resources import Resources, from_milli
from mesos_service.plugins.verdict import Remedy, Veto

FRAMEWORK_INACTIVE: Final = "framework_inactive"
ROLE_SUPPRESSED: Final = "role_suppressed"
AGENT_INACTIVE: Final = "agent_inactive"
AGENT_DEACTIVATED: Final = "agent_deactivated"
AGENT_NOT_WHITELISTED: Final = "agent_not_whitelisted"
NOTHING_FREE: Final = "nothing_free"
BELOW_MINIMUM: Final = "below_min_allocatable"
CAPABILITY_MISSING: Final = "capability_missing"
NOTHING_FOR_ROLE: Final = "nothing_for_role"
REFUSAL_FILTER: Final = "refusal_filter"
SHORT_SLICE: Final = "short_slice"
OFFER_SIZE: Final = "offer_size"
QUOTA_LIMIT: Final = "quota_limit"
QUOTA_HEADROOM: Final = "quota_headroom"
RECOVERING: Final = "recovering"
NO_REQUEST_FITS: Final = "no_request_fits"
OTHERS_FIRST: Final = "others_first"
GUARANTEES_FIRST: Final = "guarantees_first"
PASS_FULL: Final = "pass_full"
OFFER_FILTER: Final = "offer_filter"
NO_AGENTS: Final = "no_agents"
NO_ROLE: Final = "no_role"
ALLOCATOR_SILENT: Final = "allocator_silent"
ALLOCATOR_FAILED: Final = "allocator_failed"

ALLOCATOR: Final = "allocator"


def framework_inactive() -> Veto:
    return Veto(
        reason=FRAMEWORK_INACTIVE,
        culprit="framework",
        detail="The framework is not connected.",
        lasting=True,
        wakes_on=frozenset({"subscribe"}),
        remedies=(Remedy(action="subscribe", by="framework", detail="Subscribe."),),
    )


def role_suppressed(role: str) -> Veto:
    return Veto(
        reason=ROLE_SUPPRESSED,
        culprit="framework",
        detail=f"The framework suppressed offers for role '{role}'.",
        lasting=True,
        wakes_on=frozenset({"revive", "subscribe", "update_framework"}),
        remedies=(_revive(role),),
    )


def agent_inactive() -> Veto:
    return Veto(
        reason=AGENT_INACTIVE,
        culprit="agent",
        detail="The agent is disconnected or deactivated.",
        wakes_on=frozenset({"agent_reregistered", "agent_reactivated"}),
        remedies=(
            Remedy(action="reconnect_agent", by="operator", detail="See that the agent runs and reaches the master."),
        ),
    )


def agent_deactivated(how: str, *, draining: bool) -> Veto:
    """An operator said so; ``how`` is a sentence. While the agent is ``draining`` it cannot be taken back."""
    when = "once it is drained" if draining else "with REACTIVATE_AGENT"
    return Veto(
        reason=AGENT_DEACTIVATED,
        culprit="operator",
        detail=how,
        lasting=True,
        wakes_on=frozenset({"agent_reactivated"}),
        remedies=(
            Remedy(action="reactivate_agent", by="operator", detail=f"Put the agent back into use {when}."),
            Remedy(action="add_agent", by="operator", detail="Add an agent."),
        ),
    )


def agent_not_whitelisted(hostname: str) -> Veto:
    return Veto(
        reason=AGENT_NOT_WHITELISTED,
        culprit="operator",
        detail=f"The agent's host, {hostname}, is not on the whitelist.",
        lasting=True,
        wakes_on=frozenset({"whitelist_updated"}),
        remedies=(
            Remedy(
                action="whitelist",
                by="operator",
                detail=f"Add {hostname} to the file of --whitelist.",
                arguments={"hostname": hostname},
            ),
        ),
    )


def nothing_free(offered: Iterable[str], allocated: Iterable[str]) -> Veto:
    """Both name the frameworks that hold something of the agent."""
    holders = [
        f"{' and '.join(sorted(names))} ({how})"
        for names, how in ((list(offered), "in offers"), (list(allocated), "in use"))
        if names
    ]
    return Veto(
        reason=NOTHING_FREE,
        culprit=ALLOCATOR,
        detail=f"All that the agent has is held by {', '.join(holders)}." if holders else "The agent has nothing.",
        wakes_on=frozenset({"resources_recovered"}),
        remedies=(
            Remedy(action="wait", by="time", detail="Wait until an offer is answered or a task ends there."),
            Remedy(action="add_agent", by="operator", detail="Add an agent."),
        ),
    )


def below_minimum(role: str, quantities: Quantities, minimum: Sequence[Quantities]) -> Veto:
    """None of the alternatives of the minimum is covered by what would be offered (M-AL-13)."""
    wanted = " or ".join(_text(alternative) for alternative in minimum)
    remedies: list[Remedy] = []
    if any(quantities.values()):
        # The alternative that is missed by the least part of itself, as far as it goes.
        nearest = min(minimum, key=lambda one: max(1 - quantities.get(name, 0) / most for name, most in one.items()))
        least = {name: min(amount, quantities.get(name, 0)) for name, amount in nearest.items()}
        if not any(least.values()):
            least = {name: amount for name, amount in quantities.items() if amount}
        remedies.append(
            Remedy(
                action="lower_minimum",
                by="framework",
                detail=f"Say in offer_filters of role '{role}' that {_text(least)} is enough.",
                arguments={"role": role, **_amounts(least)},
            )
        )
    short = [
        " and ".join(
            f"{name}:{from_milli(amount - quantities.get(name, 0)):g}"
            for name, amount in alternative.items()
            if amount > quantities.get(name, 0)
        )
        for alternative in minimum
    ]
    remedies.append(
        Remedy(action="wait", by="time", detail=f"Wait until {' or '.join(short)} more is free on this agent.")
    )
    return Veto(
        reason=BELOW_MINIMUM,
        culprit="min_allocatable_resources",
        detail=f"What could be offered, {_text(quantities) or 'no scalars'}, does not reach {wanted}.",
        wakes_on=frozenset({"resources_recovered", "agent_updated", "update_framework"}),
        remedies=tuple(remedies),
    )


def capability_missing(capability: str, what: str) -> Veto:
    return Veto(
        reason=CAPABILITY_MISSING,
        culprit=capability,
        detail=f"{what} only offered to frameworks with the capability {capability}.",
        lasting=True,
        wakes_on=frozenset({"subscribe", "update_framework"}),
        remedies=(_add_capability(capability),),
    )


def nothing_for_role(owners: Collection[str] = (), capabilities: Collection[str] = ()) -> Veto:
    """``owners`` are the roles that what is free is reserved to; ``capabilities`` those it takes to be offered it."""
    if owners:
        detail = f"All that is free is reserved to {', '.join(sorted(owners))}."
    else:
        detail = f"All that is free takes the capability {' or '.join(sorted(capabilities))}."
    joins = (
        Remedy(
            action="join_role",
            by="framework",
            detail=f"Subscribe in role '{owner}', where you may.",
            arguments={"role": owner},
        )
        for owner in sorted(owners)
    )
    return Veto(
        reason=NOTHING_FOR_ROLE,
        culprit=ALLOCATOR,
        detail=detail,
        wakes_on=frozenset({"resources_recovered", "agent_updated", "update_framework"}),
        remedies=(*joins, *map(_add_capability, sorted(capabilities))),
    )


def short_slice(role: str, kept: Quantities) -> Veto:
    """What is free is kept for short tasks (A54). ``kept`` is how much of the agent is."""
    return Veto(
        reason=SHORT_SLICE,
        culprit="operator",
        detail=f"Of this agent, {_text(kept)} are kept for short tasks, and too little is free beside that.",
        wakes_on=frozenset({"resources_recovered", "subscribe", "update_framework"}),
        remedies=(
            Remedy(
                action="declare_short",
                by="framework",
                detail=f"Where all its tasks are short: say 'short_tasks' in offer_filters of role '{role}'.",
                arguments={"role": role},
            ),
            Remedy(action="wait", by="time", detail="Wait until a task that is not short ends there."),
        ),
    )


def offer_size(free: Quantities) -> Veto:
    """A module that decides how large offers are makes none of what is ``free``."""
    return Veto(
        reason=OFFER_SIZE,
        culprit=ALLOCATOR,
        detail=f"Of the {_text(free) or 'little'} that is free the allocator makes no offer: it has a size of its own.",
        wakes_on=frozenset({"resources_recovered"}),
        remedies=(Remedy(action="wait", by="time", detail="Wait until more is free on this agent."),),
    )


def refusal_filter(role: str, refused: Resources, expires: float | None) -> Veto:
    """The framework refused as much as this, or more, and that still stands (X27); ``expires`` is unix seconds."""
    end = "the next full pass" if expires is None else "its time is over"
    wait = Remedy(
        action="wait",
        by="time",
        detail=f"Wait until {end}.",
        arguments={} if expires is None else {"until": expires},
    )
    return Veto(
        reason=REFUSAL_FILTER,
        culprit="framework",
        detail=f"The framework refused {refused} on this agent; no part of it is offered again until {end}.",
        wakes_on=frozenset({"revive", "resources_recovered", "filter_expired"}),
        until=expires,
        remedies=(_revive(role), wait),
    )


def quota_limit(role: str, left: Resources, missing: Quantities) -> Veto:
    """What the role's limit leaves of an offer does not reach the minimum (X37); ``missing`` would make it do so."""
    return Veto(
        reason=QUOTA_LIMIT,
        culprit=f"quota of {role}",
        detail=f"Role '{role}' has consumed its limit of {', '.join(missing) or 'resources'}, {_rest(left)}",
        wakes_on=frozenset({"resources_recovered", "quota_updated", "update_framework"}),
        remedies=(
            Remedy(
                action="raise_limit",
                by="operator",
                detail=f"Raise the limit of role '{role}' by {_text(missing)}.",
                arguments={"role": role, **_amounts(missing)},
            ),
            Remedy(action="wait", by="time", detail=f"Wait until something of role '{role}' ends."),
        ),
    )


def quota_headroom(left: Resources, missing: Quantities) -> Veto:
    """What is free is kept for guarantees that are not satisfied yet (X38); ``missing`` more would have to be free."""
    return Veto(
        reason=QUOTA_HEADROOM,
        culprit="quota",
        detail=f"All {', '.join(missing)} that is free is promised to roles with a guarantee, {_rest(left)}",
        wakes_on=frozenset({"resources_recovered", "agent_added", "quota_updated"}),
        remedies=(
            Remedy(
                action="lower_guarantees",
                by="operator",
                detail=f"Lower guarantees that are not used, by {_text(missing)}.",
                arguments=_amounts(missing),
            ),
            Remedy(
                action="add_agent",
                by="operator",
                detail=f"Add an agent with {_text(missing)} more than what is promised.",
                arguments=_amounts(missing),
            ),
        ),
    )


def recovering(missing: int, until: float) -> Veto:
    """Nobody is offered anything until enough of the known agents are back (X39); ``until`` is unix seconds."""
    return Veto(
        reason=RECOVERING,
        culprit=ALLOCATOR,
        detail=f"Quota is set, and {missing} more of the agents known before must come back first.",
        wakes_on=frozenset({"agent_reregistered"}),
        until=until,
        remedies=(
            Remedy(
                action="wait", by="time", detail="Wait until the time for this is over.", arguments={"until": until}
            ),
            Remedy(
                action="reconnect_agents",
                by="operator",
                detail=f"Bring {missing} more agents back.",
                arguments={"agents": missing},
            ),
        ),
    )


def no_request_fits(pending: int, free: Resources | None = None) -> Veto:
    """Under an allocator that offers by request: nothing of what was asked for fits into ``free``."""
    wanted = f"None of the {pending} shapes that were asked for fits." if pending else "The framework asks for nothing."
    quantities = free.quantities() if free else {}
    ask = Remedy(
        action="request",
        by="framework",
        detail=f"Ask for {_text(quantities)} or less with REQUEST." if quantities else "Wait, or ask for less.",
        arguments=_amounts(quantities),
    )
    return Veto(
        reason=NO_REQUEST_FITS,
        culprit="framework",
        detail=wanted,
        wakes_on=frozenset({"request", "resources_recovered", "agent_added"}),
        remedies=(ask,),
    )


def others_first(culprit: str, how: str = "", remedies: tuple[Remedy, ...] = ()) -> Veto:
    """``how`` is a sentence on what put ``culprit`` ahead."""
    wait = Remedy(action="wait", by="time", detail=f"Wait until {culprit} answers its offer.")
    return Veto(
        reason=OTHERS_FIRST,
        culprit=culprit,
        detail=f"It was another's turn: {culprit} was offered what was free.{' ' + how if how else ''}",
        wakes_on=frozenset({"resources_recovered"}),
        remedies=(*remedies, wait),
    )


def raise_weight(role: str, weight: float) -> Remedy:
    return Remedy(
        action="raise_weight",
        by="operator",
        detail=f"Raise the weight of role '{role}' to {weight:g}.",
        arguments={"role": role, "weight": weight},
    )


def guarantees_first(culprit: str, role: str) -> Veto:
    """The stage of guarantees came before anybody's share was looked at (X38)."""
    return Veto(
        reason=GUARANTEES_FIRST,
        culprit=culprit,
        detail=f"{culprit} was offered it, as role '{role}' had not consumed what it is guaranteed.",
        wakes_on=frozenset({"resources_recovered", "quota_updated"}),
        remedies=(Remedy(action="add_agent", by="operator", detail="Add an agent."),),
    )


def pass_full(limit: int) -> Veto:
    """The pass ended at the bound of offers that may wait for an answer."""
    return Veto(
        reason=PASS_FULL,
        culprit=ALLOCATOR,
        detail=f"The pass ended after {limit} grants, as too many offers wait for an answer; this agent comes next.",
        wakes_on=frozenset({"resources_recovered"}),
        remedies=(Remedy(action="wait", by="time", detail="Wait until some of the offers out there are answered."),),
    )


def allocator_failed(name: str) -> Veto:
    """The module failed, and is not made anew yet (N09)."""
    return Veto(
        reason=ALLOCATOR_FAILED,
        culprit=ALLOCATOR,
        detail=f"The allocator '{name}' failed, and is tried again; the master's log says in which method, and how.",
        wakes_on=frozenset({"allocator_rebuilt"}),
        remedies=(
            Remedy(action="wait", by="time", detail="Wait for the next attempt, a minute at most."),
            Remedy(action="fix_allocator", by="operator", detail=f"Mend the module '{name}', or choose another."),
        ),
    )


def no_agents() -> Veto:
    return Veto(
        reason=NO_AGENTS,
        culprit="operator",
        detail="There is no agent in the cluster.",
        wakes_on=frozenset({"agent_added"}),
        remedies=(Remedy(action="add_agent", by="operator", detail="Add an agent."),),
    )


def no_role() -> Veto:
    return Veto(
        reason=NO_ROLE,
        culprit="framework",
        detail="The framework is in no role.",
        lasting=True,
        wakes_on=frozenset({"subscribe", "update_framework"}),
        remedies=(Remedy(action="join_role", by="framework", detail="Subscribe in a role.", arguments={"role": "*"}),),
    )


def allocator_silent(allocator: str) -> Veto:
    """A module granted nothing, and did not tell its observer why."""
    return Veto(
        reason=ALLOCATOR_SILENT,
        culprit=allocator,
        detail=f"The allocator '{allocator}' granted nothing, and did not say why.",
        wakes_on=frozenset({"resources_recovered", "agent_added"}),
        remedies=(
            Remedy(
                action="check_module",
                by="operator",
                detail=f"Ask the author of the allocator '{allocator}'; 'mesos-service module check' tries a module.",
            ),
        ),
    )


def _revive(role: str) -> Remedy:
    return Remedy(action="revive", by="framework", detail=f"Call REVIVE for role '{role}'.", arguments={"role": role})


def _add_capability(capability: str) -> Remedy:
    return Remedy(
        action="add_capability",
        by="framework",
        detail=f"Subscribe with the capability {capability}.",
        arguments={"capability": capability},
    )


def _rest(left: Resources) -> str:
    return f"and what is left of the offer, {left}, is too little." if left else "and nothing is left of the offer."


def _text(quantities: Quantities) -> str:
    return ";".join(f"{name}:{from_milli(amount):g}" for name, amount in quantities.items())


def _amounts(quantities: Quantities) -> Mapping[str, float]:
    return {name: from_milli(amount) for name, amount in quantities.items()}
