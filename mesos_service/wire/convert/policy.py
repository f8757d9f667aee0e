"""Quota between the wire and the core (quota.proto). Amounts are thousandths inside."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from mesos_service.domain.frameworks import Quantities
from mesos_service.domain.ids import Role
from mesos_service.domain.resource import Resource as Item
from mesos_service.domain.resource import plain_key
from mesos_service.domain.values import from_milli, to_milli
from mesos_service.plugins.allocator import Quota
from mesos_service.wire.convert.values import resources_to_wire
from mesos_service.wire.policy import QuotaConfig, QuotaInfo
from mesos_service.wire.resources import Resource, ValueLimit, ValueScalar

AMOUNT_MAX: Final = 10**12
"""As in Mesos: sums of what is lawful must not run over."""


def quota_from_wire(config: QuotaConfig) -> Quota:
    """A guarantee of nothing is none, an infinite limit is none either.

    Raises ``ValueError``, with a sentence, for amounts that are no amounts.
    """
    guarantees = _amounts("guarantee", {name: one.value for name, one in config.guarantees.items()})
    finite = {name: one.value for name, one in config.limits.items() if one.value != "Infinity"}
    limits = _amounts("limit", {name: float(value) for name, value in finite.items()})
    return Quota(guarantees={name: amount for name, amount in guarantees.items() if amount}, limits=limits)


def quota_to_wire(role: Role, quota: Quota) -> QuotaConfig:
    return QuotaConfig(
        role=role,
        guarantees={name: ValueScalar(value=from_milli(amount)) for name, amount in sorted(quota.guarantees.items())},
        limits={name: ValueLimit(value=from_milli(amount)) for name, amount in sorted(quota.limits.items())},
    )


def quota_info_to_wire(role: Role, quota: Quota) -> QuotaInfo:
    """The older form, which knows guarantees alone."""
    return QuotaInfo(
        role=role,
        guarantee=resources_to_wire(Item(plain_key(name), amount) for name, amount in sorted(quota.guarantees.items())),
    )


def guarantee_from_wire(guarantee: Iterable[Resource]) -> Quantities:
    """What SET_QUOTA asks for: plain scalars, each once. Raises ``ValueError`` with a sentence for anything else."""
    values: dict[str, float] = {}
    for one in guarantee:
        if one.type != "SCALAR" or one.scalar is None:
            raise ValueError("QuotaInfo must not include non-scalar resources")
        reserved = one.reservation is not None or bool(one.reservations) or one.role not in (None, "*")
        for wrong, what in (
            (reserved, "a reservation"),
            (one.disk is not None, "DiskInfo"),
            (one.revocable is not None, "RevocableInfo"),
            (one.shared is not None, "SharedInfo"),
        ):
            if wrong:
                raise ValueError(f"QuotaInfo must not contain {what}")
        if one.name in values:
            raise ValueError(f"QuotaInfo contains duplicate resource name '{one.name}'")
        values[one.name] = one.scalar.value
    amounts = _amounts("guarantee", values)
    if not any(amounts.values()):
        raise ValueError("QuotaInfo with empty 'guarantee'")
    return amounts


def _amounts(what: str, values: Mapping[str, float]) -> dict[str, int]:
    amounts: dict[str, int] = {}
    for name, value in values.items():
        if not name:
            raise ValueError(f"Invalid {what} configuration: a resource has no name")
        try:
            amounts[name] = to_milli(value)
        except ValueError as error:
            raise ValueError(f"Invalid {what} configuration {{'{name}': {value:g}}}: {error}") from None
        if value > AMOUNT_MAX:
            raise ValueError(
                f"Invalid {what} configuration {{'{name}': {value:g}}}:"
                " values greater than 1 trillion are not supported"
            )
    return amounts
