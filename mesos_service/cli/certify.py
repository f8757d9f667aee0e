"""``mesos-service certify FILE``: whether what a master decided was fair (N23)."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Final

from mesos_service.configuration.forms import split_list
from mesos_service.domain.errors import ConfigurationError
from mesos_service.fairness.certificate import Certificate, Certifier
from mesos_service.fairness.spelling import read
from mesos_service.plugins.loader import OFFER_FILTERS, available, load

SHOWN_MAX: Final = 10
"""Decisions that are shown; ``-o json`` has more of them."""


def certify_file(file: Path, patience_seconds: float, modules_dir: str) -> Certificate:
    """Raises :class:`ConfigurationError` where there is no such file, and ``JournalFault`` where it is no journal."""
    folders = tuple(map(Path, split_list(modules_dir)))
    kinds = {one.name: load(OFFER_FILTERS, one.name, folders) for one in available(OFFER_FILTERS, folders)}
    certifier = Certifier(patience_seconds)
    try:
        for number, told in read(file, kinds):
            certifier.take(told, number)
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror}") from error
    return certifier.close()


def as_json(found: Certificate) -> dict[str, object]:
    """The certificate as data."""
    return {"fair": found.is_fair, **asdict(found)}


def lines(found: Certificate) -> list[str]:
    """The certificate in words."""
    said = [f"{found.passes} passes, {found.grants} grants; {found.as_defined} passes decided just as DRF is defined."]
    if found.by_lot:
        said.append(f"{found.by_lot} passes drew lots, so that nobody was next in them.")
    said += [f"pass {one.pass_number} (line {one.line}): {one.rule}: {one.text}" for one in found.findings[:SHOWN_MAX]]
    if found.unfair > SHOWN_MAX:
        said.append(f"... and {found.unfair - SHOWN_MAX} more.")
    said += [f"inversion: {one}" for one in found.inversions]
    if found.broken_off:
        said.append(f"Not looked at to the end: {found.broken_off}.")
    if found.is_fair:
        said.append("Fair: nobody was passed over, and nobody was kept below his part.")
    elif found.unfair:
        said.append(f"Not fair: {found.unfair} decisions were not.")
    elif found.inversions:
        said.append("Each decision was fair, and what came of them is not: see the inversions.")
    return said
