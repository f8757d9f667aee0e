"""``mesos-service quota``, ``weights`` and ``revocation``: what operators decide for roles (M-OM-07, M-OM-08, N15).

The first two by operator calls of Mesos' own, so they work with Apache Mesos' masters too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import httpx
import msgspec

from mesos_service.cli.output import OutputFormat, print_json, print_table
from mesos_service.cli.reads import TIMEOUT_SECONDS, ask, find_master
from mesos_service.domain.errors import ConfigurationError, OperatingFault
from mesos_service.domain.resources import Resources
from mesos_service.domain.values import from_milli
from mesos_service.wire.revocation import RevocationAnswer


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


def show_revocation(master: str, output: OutputFormat) -> None:
    """What would be revoked now, and what is under way (N15).

    Raises:
        ConfigurationError: ``master`` is no address.
        OperatingFault: the master does not answer, or not as one that revokes.
    """
    address = find_master(master)
    try:
        with httpx.Client(timeout=TIMEOUT_SECONDS, follow_redirects=True, trust_env=False) as client:
            response = client.get(f"http://{address}/api/v1/revocation")
    except httpx.HTTPError as error:
        raise OperatingFault(f"no plan from {address}: {error}") from error
    if response.status_code != httpx.codes.OK:
        said = response.text.strip()[:300] or response.reason_phrase
        raise OperatingFault(f"the master at {address} shows no plan ({response.status_code}): {said}")
    if output is OutputFormat.JSON:
        print_json(json.loads(response.content))
        return
    try:
        answer = msgspec.json.decode(response.content, type=RevocationAnswer)
    except (msgspec.DecodeError, ValueError) as error:
        raise OperatingFault(f"what {address} sent is no plan: {error}") from error
    print_table(
        ("ROLE", "GUARANTEE", "CONSUMED", "LACKS", "REVOCABLE"),
        [
            (one.role, _shown(one.guarantee), _shown(one.consumed), _shown(one.lacks), _shown(one.revocable_above))
            for one in answer.shares
        ],
    )
    steps = [
        (
            "planned",
            one.task_id,
            one.framework_name or one.framework_id,
            one.hostname,
            _shown(one.frees),
            "" if one.lost_work_seconds is None else f"{one.lost_work_seconds:.0f}s",
            one.beneficiary,
        )
        for one in answer.plan
    ]
    steps += [
        (
            "under way" if one.executor_destroyed_at is None else "executor destroyed",
            one.task_id,
            one.framework_id,
            one.agent_id,
            "",
            "",
            one.beneficiary,
        )
        for one in answer.under_way
    ]
    print()
    print_table(("STATE", "TASK", "FRAMEWORK", "AGENT", "FREES", "LOST", "FOR"), steps)
    if answer.waiting:
        print(answer.waiting)
    elif answer.plan and not answer.enabled:
        print("Nothing of this is carried out: the master runs without --revocation.")


def _shown(amounts: Mapping[str, float]) -> str:
    return ";".join(f"{name}:{amount:g}" for name, amount in amounts.items())


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
