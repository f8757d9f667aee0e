"""``mesos-service certify FILE``: whether what a master decided was fair (N23)."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Final

from mesos_service.configuration.forms import read_text_or_file, split_list
from mesos_service.domain.errors import ConfigurationError
from mesos_service.fairness.certificate import Certificate, Certifier, Finding
from mesos_service.fairness.segments import Remark, filters_in, read_segments
from mesos_service.plugins.allocator import PROMISES
from mesos_service.plugins.loader import Place
from mesos_service.plugins.manifest import read_manifest

SHOWN_MAX: Final = 10
"""Decisions that are shown; ``-o json`` has more of them."""


def certify_file(
    file: Path, patience_seconds: float, modules_dir: str, hold_to: str = "", manifest: str = ""
) -> Certificate:
    """``hold_to``: promises with commas, or ``all``; by default those of the allocator. ``manifest``: what the master's
    ``--modules`` says.

    Raises :class:`ConfigurationError` where there is no such file, and ``JournalFault`` where it is no journal.
    """
    places: list[Place] = [*map(Path, split_list(modules_dir))]
    if manifest:
        try:
            places.append(read_manifest(read_text_or_file(manifest), "--modules"))
        except ValueError as error:
            raise ConfigurationError(f"--modules: {error}") from error
    kinds = filters_in(places)
    certifier = Certifier(patience_seconds, _promises(hold_to))
    try:
        for one in read_segments(file, kinds):
            if isinstance(one, Remark):
                certifier.remark(one.text, hole=one.hole)
            else:
                certifier.take(one.told, one.number, "" if one.file.name == file.name else one.file.name)
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror}") from error
    return certifier.close()


def _promises(text: str) -> frozenset[str] | None:
    named = frozenset(split_list(text))
    if named == {"all"}:
        return PROMISES
    if named - PROMISES:
        raise ConfigurationError(
            f"--hold_to: nobody promises '{min(named - PROMISES)}'; there are {', '.join(sorted(PROMISES))}, and 'all'."
        )
    return named or None


def as_json(found: Certificate) -> dict[str, object]:
    """The certificate as data."""
    return {"fair": found.is_fair, **asdict(found)}


def lines(found: Certificate) -> list[str]:
    """The certificate in words."""
    said = [f"{found.passes} passes, {found.grants} grants; {found.as_defined} passes decided just as DRF is defined."]
    if found.by_lot:
        said.append(f"{found.by_lot} passes drew lots, so that nobody was next in them.")
    said += [f"{remark}." for remark in found.remarks]
    said += [f"pass {one.pass_number} ({_where(one)}): {one.rule}: {one.text}" for one in found.findings[:SHOWN_MAX]]
    if found.unfair > SHOWN_MAX:
        said.append(f"... and {found.unfair - SHOWN_MAX} more.")
    said += [f"inversion: {one}" for one in found.inversions]
    if found.not_promised:
        counted = ", ".join(f"{rule} ({count})" for rule, count in sorted(found.not_promised.items()))
        said.append(f"The allocator {found.allocator} does not promise, and was not always so: {counted}.")
    if found.broken_off:
        said.append(f"Not looked at to the end: {found.broken_off}.")
    if found.is_fair and set(found.promises) == PROMISES:
        said.append("Fair: nobody was passed over, and nobody was kept below his part.")
    elif found.is_fair:
        said.append(f"Lawful, and as promised: {', '.join(found.promises) or 'nothing more'}.")
    elif found.unfair:
        said.append(f"Not fair: {found.unfair} decisions were not.")
    elif found.inversions:
        said.append("Each decision was fair, and what came of them is not: see the inversions.")
    elif found.holes:
        said.append("Nothing unfair was found in what there is; what is missing proves nothing.")
    return said


def _where(one: Finding) -> str:
    return f"line {one.line}" + (f" of {one.file}" if one.file else "")
