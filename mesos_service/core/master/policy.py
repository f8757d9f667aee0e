"""What operators decide for roles: quota and weights (M-OM-07, M-OM-08; Mesos docs, "Quota", "Weights").

A call is one transaction (X38): all of it is lawful, or nothing happens. It is checked against what the registry will
have when all that is under way is stored; then it is stored, and only then told to the allocator (X16). Offers made by
the old rules stand in the way of the new ones, so some are rescinded: for a guarantee whole agents' offers until enough
is free again (X14h), for a limit the role's own offers above it, for a weight all of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from mesos_service.core.allocation.quota import top_of
from mesos_service.core.master import books, offers, room_for_quota
from mesos_service.core.master.role_use import uses_of
from mesos_service.core.master.state import MasterState
from mesos_service.core.master.turn import Turn
from mesos_service.core.operator_messages import (
    OperatorRemoveQuota,
    OperatorSetQuota,
    OperatorUpdateQuota,
    OperatorUpdateWeights,
)
from mesos_service.core.registry.operations import UpdateQuotas, UpdateWeights
from mesos_service.core.registry.registry import Registry
from mesos_service.domain.ids import Role
from mesos_service.domain.roles import ANY_ROLE, refuse_role
from mesos_service.domain.values import format_milli
from mesos_service.plugins.allocator import Quota

_SET: Final = "Failed to validate set quota request: "
ROLE_BYTES_MAX: Final = 1024
"""Of a role that is a key in the registry: PostgreSQL takes none of 8 KiB, and a master that cannot store ends."""
_BYPASS: Final = "(use 'force' flag to bypass this check)"


@dataclass(frozen=True, slots=True)
class Quotas:
    """Waits for ``UpdateQuotas`` to be stored; an operator waits for the answer to ``request``."""

    quotas: tuple[tuple[Role, Quota], ...]
    request: int


@dataclass(frozen=True, slots=True)
class Weights:
    """Waits for ``UpdateWeights`` to be stored. ``weights`` are those that were asked for."""

    weights: tuple[tuple[Role, float], ...]
    request: int


def recover(state: MasterState, registry: Registry) -> None:
    """A master begins to lead: what operators have set by call holds on, and ``--weights`` where there was no call.

    Before frameworks and agents come back, so that nothing is offered by other rules.
    """
    if registry.weights:
        # A role that only the flag named weighs 1 again: the calls began with all that the flag said.
        told = dict.fromkeys(state.weights, 1.0) | dict(registry.weights)
        state.weights = dict(registry.weights)
        state.registered_weights = True
        state.allocator.update_weights(told)
    state.quotas = dict(registry.quotas)
    if state.allocator.knows_quota():
        for role, quota in state.quotas.items():
            state.allocator.update_quota(role, quota)


# -- quota ---------------------------------------------------------------------------------------------------


def on_update_quota(turn: Turn, call: OperatorUpdateQuota) -> None:
    """Replace the quota of some roles (M-OM-08)."""
    refusal = _refuse_quotas(turn.state, call.quotas, call.force)
    if refusal is not None:
        turn.reply(call.request, 400, f"Invalid QuotaConfig: {refusal}")
    elif call.quotas:
        turn.persist(UpdateQuotas(call.quotas), Quotas(call.quotas, call.request))
    else:
        turn.reply(call.request, 200)


def on_set_quota(turn: Turn, call: OperatorSetQuota) -> None:
    """The older form: what is guaranteed is also the limit, and there must be no quota yet."""
    state, role = turn.state, call.role
    quota = Quota(guarantees=call.guarantee, limits=call.guarantee)
    refusal = _refuse_role(state, role) or _refuse_quota(state, quota)
    if refusal is None and role in _newest_quotas(state):
        refusal = f"Cannot set quota for role '{role}' which already has quota"
    if refusal is not None:
        turn.reply(call.request, 400, _SET + refusal)
        return
    if not call.force and _overcommitted(state, {**_newest_quotas(state), role: quota}) is not None:
        turn.reply(
            call.request,
            409,
            "Heuristic capacity check for set quota request failed: Not enough available cluster capacity to reasonably"
            " satisfy quota request; the force flag can be used to override this check",
        )
        return
    turn.persist(UpdateQuotas(((role, quota),)), Quotas(((role, quota),), call.request))


def on_remove_quota(turn: Turn, call: OperatorRemoveQuota) -> None:
    """The older form: take away the quota of a role that has one."""
    role = call.role
    refusal = refuse_role(role)
    if refusal is None and role not in _newest_quotas(turn.state):
        refusal = f"Role '{role}' has no quota set"
    if refusal is not None:
        turn.reply(call.request, 400, f"Failed to remove quota for path '{call.path}': {refusal}")
        return
    turn.persist(UpdateQuotas(((role, Quota()),)), Quotas(((role, Quota()),), call.request))


def on_quotas_stored(turn: Turn, stored: Quotas) -> None:
    state = turn.state
    for role, quota in stored.quotas:
        if quota:
            state.quotas[role] = quota
        else:
            state.quotas.pop(role, None)
        state.allocator.update_quota(role, quota)
        turn.note("quota.updated", role=role, guarantees=_shown(quota.guarantees), limits=_shown(quota.limits))
    turn.reply(stored.request, 200)
    room_for_quota.make(turn, stored.quotas)
    books.want_full_pass(turn)


# -- weights -------------------------------------------------------------------------------------------------


def on_update_weights(turn: Turn, call: OperatorUpdateWeights) -> None:
    """Give some roles other weights (M-OM-07)."""
    state = turn.state
    for role, weight in call.weights:
        refusal = _refuse_weight(state, role, weight)
        if refusal is not None:
            turn.reply(call.request, 400, f"Failed to validate update weights request JSON{refusal}")
            return
    if not call.weights:
        turn.reply(call.request, 200)
        return
    # The first call writes down what the flag said, too: from then on the registry alone says what roles weigh.
    whole = {**state.weights, **dict(call.weights)}
    operation = UpdateWeights(call.weights if state.registered_weights else tuple(whole.items()))
    state.registered_weights = True
    turn.persist(operation, Weights(call.weights, call.request))


def on_weights_stored(turn: Turn, stored: Weights) -> None:
    state = turn.state
    weights = dict(stored.weights)
    state.weights.update(weights)
    state.allocator.update_weights(weights)
    for role, weight in weights.items():
        turn.note("weight.updated", role=role, weight=weight)
    turn.reply(stored.request, 200)
    if any(role in weights for framework in state.frameworks.values() for role in framework.info.roles):
        offers.rescind_all(turn, state.offers.values(), "weights changed")
    books.want_full_pass(turn)


# -- refusing ------------------------------------------------------------------------------------------------


def _refuse_quotas(state: MasterState, quotas: Iterable[tuple[Role, Quota]], force: bool) -> str | None:
    wanted: dict[Role, Quota] = {}
    for role, quota in quotas:
        refusal = _refuse_role(state, role, "'QuotaConfig.role'") or _refuse_quota(state, quota)
        if refusal is None and role in wanted:
            refusal = f"role '{role}' is named twice"
        if refusal is not None:
            return refusal
        wanted[role] = quota
    if force or not wanted:
        return None
    refusal = _overcommitted(state, {**_newest_quotas(state), **wanted})
    if refusal is not None:
        return refusal
    limited = [role for role, quota in wanted.items() if quota.limits]
    for role, use in uses_of(state, limited).items():
        quota, consumed = wanted[role], use.consumed()
        if any(consumed.get(name, 0) > limit for name, limit in quota.limits.items()):
            return (
                f"the limits '{_shown(quota.limits)}' of role '{role}' are below what it consumes,"
                f" '{_shown(consumed)}' {_BYPASS}"
            )
    return None


def _refuse_name(role: Role) -> str | None:
    if len(role.encode()) > ROLE_BYTES_MAX:
        return f"Role name must not be longer than {ROLE_BYTES_MAX} bytes"
    return refuse_role(role)


def _refuse_role(state: MasterState, role: Role, what: str = "role") -> str | None:
    invalid = _refuse_name(role)
    if invalid is not None:
        return f"Invalid {what}: {invalid}"
    if role == ANY_ROLE:
        return f"Invalid {what}: setting quota for the default '*' role is not supported"
    if "/" in role:
        return f"Invalid {what}: setting quota on nested role '{role}' is not supported; set it on '{top_of(role)}'"
    if state.options.roles is not None and role not in state.options.roles:
        return f"Unknown role '{role}'"
    return None


def _refuse_quota(state: MasterState, quota: Quota) -> str | None:
    """Amounts have been read by now, so that none is negative."""
    for name, amount in quota.guarantees.items():
        if amount > quota.limits.get(name, amount):
            return (
                f"'QuotaConfig.guarantees' '{_shown(quota.guarantees)}' is not contained within the"
                f" 'QuotaConfig.limits' '{_shown(quota.limits)}'"
            )
    if quota and not state.allocator.knows_quota():
        return f"The allocator '{state.allocator.name}' does not know quota"
    return None


def _refuse_weight(state: MasterState, role: Role, weight: float) -> str | None:
    invalid = _refuse_name(role)
    if invalid is not None:
        return f": Invalid role '{role[:ROLE_BYTES_MAX]}': {invalid}"
    if state.options.roles is not None and role not in state.options.roles:
        return f": Unknown role '{role}'"
    if not (math.isfinite(weight) and weight > 0):
        return f" for role '{role}': Invalid weight '{weight:g}': Weights must be positive"
    return None


def _overcommitted(state: MasterState, quotas: Mapping[Role, Quota]) -> str | None:
    """Why the registered agents cannot hold all guarantees at once (X38)."""
    guaranteed: dict[str, int] = {}
    for quota in quotas.values():
        for name, amount in quota.guarantees.items():
            guaranteed[name] = guaranteed.get(name, 0) + amount
    capacity: dict[str, int] = {}
    for agent in state.agents.values():
        for resource in agent.info.resources:
            if isinstance(resource.value, int) and not resource.key.revocable:
                capacity[resource.name] = capacity.get(resource.name, 0) + resource.value
    if all(amount <= capacity.get(name, 0) for name, amount in guaranteed.items()):
        return None
    return f"total quota guarantees '{_shown(guaranteed)}' exceed cluster capacity '{_shown(capacity)}' {_BYPASS}"


def _newest_quotas(state: MasterState) -> dict[Role, Quota]:
    """As the registry has them when all that is under way is stored."""
    quotas = dict(state.quotas)
    for operation, _ in state.persisting.values():
        if isinstance(operation, UpdateQuotas):
            for role, quota in operation.quotas:
                if quota:
                    quotas[role] = quota
                else:
                    quotas.pop(role, None)
    return quotas


def _shown(amounts: Mapping[str, int]) -> str:
    return "; ".join(f"{name}:{format_milli(amount)}" for name, amount in sorted(amounts.items()) if amount)
