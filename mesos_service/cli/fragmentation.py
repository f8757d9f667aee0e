"""``mesos-service fragmentation TASK``: how many more tasks fit, and what is stranded where (N16)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import quote

import httpx
import msgspec

from mesos_service.cli.output import OutputFormat, print_json, print_table
from mesos_service.cli.reads import find_master, request
from mesos_service.domain.errors import ConfigurationError, OperatingFault
from mesos_service.wire.fragmentation import FragmentationAnswer

COLUMNS: Final = ("AGENT", "HOSTNAME", "FITS", "FREE", "STRANDED", "SHORT OF")


def show_fragmentation(task: str, master: str, output: OutputFormat) -> None:
    """``task`` is what one task needs, as ``cpus:8;mem:16384``.

    Raises:
        ConfigurationError: ``task`` is no amount of anything, or ``master`` no address.
        OperatingFault: the master does not answer, or not as one that knows of this.
    """
    address = find_master(master)
    try:
        response = request(master, "GET", address, f"/api/v1/fragmentation?task={quote(task, safe='')}")
    except httpx.HTTPError as error:
        raise OperatingFault(f"no answer from {address}: {error}") from error
    said = response.text.strip()[:300] or response.reason_phrase
    if response.status_code == httpx.codes.BAD_REQUEST:
        raise ConfigurationError(said)
    if response.status_code != httpx.codes.OK:
        raise OperatingFault(f"the master at {address} does not say ({response.status_code}): {said}")
    if output is OutputFormat.JSON:
        print_json(json.loads(response.content))
        return
    try:
        answer = msgspec.json.decode(response.content, type=FragmentationAnswer)
    except (msgspec.DecodeError, ValueError) as error:
        raise OperatingFault(f"what {address} sent is no such answer: {error}") from error
    print_table(COLUMNS, list(_rows(answer)))
    print(
        f"{answer.fits} tasks of {_amounts(answer.shape)} fit now, and {answer.fits_if_defragmented} would if all that"
        " is free were on one agent."
    )
    if answer.fits_as_offered < answer.fits:
        print(f"As it is offered now, {answer.fits_as_offered} fit into an offer, or into what is in none.")
    if answer.stranded:
        print(f"Stranded: {_amounts(answer.stranded)} of {_amounts(answer.free)}.")


def _rows(answer: FragmentationAnswer) -> Iterator[tuple[str, ...]]:
    for one in answer.agents:
        yield (
            one.agent_id,
            one.hostname,
            str(one.fits),
            _amounts(one.free),
            _amounts(one.stranded),
            ", ".join(one.short_of),
        )


def _amounts(amounts: Mapping[str, float]) -> str:
    return "; ".join(f"{name}:{amount:g}" for name, amount in amounts.items())
