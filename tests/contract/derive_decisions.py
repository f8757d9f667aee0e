"""Derive ``decisions.json`` from decisions of Apache Mesos: ``python -m tests.contract.derive_decisions FILE``.

The recording is a list of clusters, each with a name and steps in words: what is there, then ``cycle``, then what was
offered, as ``=> f1 role a: 5 agents, cpus:10; mem:5120 | ...``. Where that depended on the random order of agents, the
outcomes that were seen are listed. What is written are the same clusters as data: steps of one operation each, and
outcomes by framework and role. No sentence of the recording is kept but the names.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Json = Any  # what ``json`` reads and writes

_OFFER = re.compile(r"(\S+) role (\S+): (\d+) agents, (.*)")
_STEPS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("weight", re.compile(r"weight (?P<role>\S+) (?P<weight>[\d.]+)")),
    ("quota", re.compile(r"quota (?P<role>\S+) guarantees \{(?P<guarantees>.*)\} limits \{(?P<limits>.*)\}")),
    ("agents", re.compile(r"agents (?P<count>\d+) x (?P<resources>\S+)")),
    ("agent", re.compile(r"agent (?P<name>\S+) (?P<resources>\S+)(?P<used>.*)")),
    ("framework", re.compile(r"framework (?P<name>\S+) roles (?P<rest>.*)")),
    (
        "decline",
        re.compile(
            r"decline all offers of the last cycle of (?P<framework>\S+) with refuse_seconds (?P<seconds>[\d.]+)"
        ),
    ),
    ("suppress", re.compile(r"suppress (?P<framework>\S+).*")),
    ("revive", re.compile(r"revive (?P<framework>\S+).*")),
    ("cycle", re.compile(r"cycle")),
)
_USED = re.compile(r"used by (\S+) in role (\S+): (\S+)")


def derive(recording: list[Json]) -> list[Json]:
    """The clusters as data."""
    return [{"name": cluster["name"], "steps": list(_steps(cluster["steps"]))} for cluster in recording]


def _steps(steps: list[Json]) -> Iterator[Json]:
    for step in steps:
        if isinstance(step, dict):
            ((_, seen),) = step.items()
            yield {"do": "expect", "one_of": [outcome(one) for one in seen]}
        elif step.startswith("=>"):
            yield {"do": "expect", "one_of": [outcome(step)]}
        else:
            yield operation(step)


def outcome(text: str) -> dict[str, list[Json]]:
    """By ``framework role``: how many agents, and the sum of what was offered there, in the order of its parts."""
    text = text.removeprefix("=>").strip()
    if text == "nothing":
        return {}
    found: dict[str, list[Json]] = {}
    for part in text.split(" | "):
        match = _OFFER.fullmatch(part)
        if match is None:
            raise ValueError(f"cannot read the outcome '{part}'")
        framework, role, count, resources = match.groups()
        found[f"{framework} {role}"] = [int(count), "; ".join(sorted(resources.split("; ")))]
    return found


def operation(text: str) -> dict[str, Json]:
    """One step that is done to the cluster.

    Raises:
        ValueError: it is of a kind that is not known.
    """
    for kind, pattern in _STEPS:
        match = pattern.fullmatch(text)
        if match is None:
            continue
        step: dict[str, Json] = {"do": kind, **match.groupdict()}
        for key in ("count", "seconds", "weight"):
            if key in step:
                step[key] = float(step[key]) if key != "count" else int(step[key])
        if kind == "agent":
            step["used"] = [list(one) for one in _USED.findall(step["used"])]
        if kind == "framework":
            step |= _framework(step.pop("rest"))
        return step
    raise ValueError(f"cannot read the step '{text}'")


def _framework(rest: str) -> dict[str, list[str]]:
    """``a b suppressed a +GPU_RESOURCES``."""
    found: dict[str, list[str]] = {"roles": [], "suppressed": [], "capabilities": []}
    into = "roles"
    for word in rest.split():
        if word == "suppressed":
            into = "suppressed"
        elif word.startswith("+"):
            found["capabilities"].append(word[1:])
        else:
            found[into].append(word)
    return found


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    derived = derive(json.loads(Path(sys.argv[1]).read_text()))
    clusters = []
    for cluster in derived:
        steps = ",\n".join("  " + json.dumps(step) for step in cluster["steps"])
        clusters.append(f'{{"name": {json.dumps(cluster["name"])}, "steps": [\n{steps}\n]}}')
    target = Path(__file__).parent / "decisions.json"
    target.write_text("[\n" + ",\n".join(clusters) + "\n]\n")
    print(f"{target.name}: {len(derived)} clusters")


if __name__ == "__main__":
    main()
