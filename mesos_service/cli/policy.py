"""``mesos-service quota`` and ``weights``: what operators decide for roles (M-OM-07, M-OM-08).

By operator calls of Mesos' own, so they work with Apache Mesos' masters too.
"""

from __future__ import annotations

from collections.abc import Sequence

from mesos_service.cli.reads import ask
from mesos_service.domain.errors import ConfigurationError
from mesos_service.domain.resources import Resources
from mesos_service.domain.values import from_milli


def set_quota(master: str, role: str, guarantee: str, limit: str, *, force: bool) -> None:
    """Replace the role's quota. Amounts are texts such as ``cpus:2;mem:512``; an empty one is none.

    Raises:
        ConfigurationError: an amount or ``master`` cannot be read.
        OperatingFault: the master does not answer, or refuses it.
    """
    config = {"role": role, "guarantees": _amounts("--guarantee", guarantee), "limits": _amounts("--limit", limit)}
    ask(master, "UPDATE_QUOTA", update_quota={"force": force, "quota_configs": [config]})


def set_weights(master: str, pairs: Sequence[str]) -> None:
    """Give roles other weights; ``pairs`` are texts such as ``role=2``. Raises as :func:`set_quota` does."""
    infos: list[dict[str, object]] = []
    for pair in pairs:
        role, equals, number = pair.partition("=")
        try:
            if not (role and equals):
                raise ValueError(f"'{pair}' is not of the form ROLE=WEIGHT")
            infos.append({"role": role, "weight": float(number)})
        except ValueError as error:
            raise ConfigurationError(str(error)) from None
        if not 0 < float(number) < float("inf"):
            raise ConfigurationError(f"'{pair}': a weight is a number above 0")
    ask(master, "UPDATE_WEIGHTS", update_weights={"weight_infos": infos})


def _amounts(option: str, text: str) -> dict[str, dict[str, float]]:
    if not text:
        return {}
    amounts: dict[str, dict[str, float]] = {}
    for piece in text.split(";"):
        # One by one: an amount of nothing is a limit, and would be left out of resources.
        name, colon, number = (part.strip() for part in piece.partition(":"))
        try:
            if not (name and colon):
                raise ValueError(f"'{piece}' is not of the form NAME:AMOUNT")
            if name in amounts:
                raise ValueError(f"'{name}' is named twice")
            milli = Resources.parse(f"{name}:{number}").quantities().get(name, 0)
            if not milli and float(number) != 0:
                raise ValueError(f"'{piece}' is no plain amount")
        except ValueError as error:
            raise ConfigurationError(f"{option}: {error}") from None
        amounts[name] = {"value": from_milli(milli)}
    return amounts
