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
    ("options", re.compile(r"options (?P<rest>.*)")),
    ("weight", re.compile(r"weight (?P<role>\S+) (?P<weight>[\d.]+)")),
    ("quota", re.compile(r"quota (?P<role>\S+) guarantees \{(?P<guarantees>.*)\} limits \{(?P<limits>.*)\}")),
    ("agents", re.compile(r"agents (?P<count>\d+) x (?P<resources>\S+)")),
    ("agent", re.compile(r"agent (?P<name>\S+) (?P<resources>\S+)(?P<used>.*)")),
    ("framework", re.compile(r"framework (?P<name>\S+) roles (?P<rest>.*)")),
    ("update", re.compile(r"update (?P<name>\S+) roles (?P<rest>.*)")),
    (
        "decline",
        re.compile(
            r"decline all offers of the last cycle of (?P<framework>\S+) with refuse_seconds (?P<seconds>[\d.]+)"
        ),
    ),
    ("decline", re.compile(r"decline (?P<framework>\S+) on (?P<agent>\S+) refuse (?P<seconds>[\d.]+)")),
    ("rescind", re.compile(r"rescind (?P<framework>\S+) on (?P<agent>\S+)")),
    (
        "launch",
        re.compile(r"launch (?P<framework>\S+) on (?P<agent>\S+) (?P<resources>\S+) refuse (?P<seconds>[\d.]+)"),
    ),
    ("end", re.compile(r"end (?P<framework>\S+) on (?P<agent>\S+) (?P<resources>\S+)")),
    ("suppress", re.compile(r"suppress (?P<framework>\S+)( in (?P<roles>.*))?")),
    ("revive", re.compile(r"revive (?P<framework>\S+)( in (?P<roles>[^(]*))?( ?\(.*\))?")),
    ("disconnect", re.compile(r"disconnect (?P<framework>\S+)")),
    ("connect", re.compile(r"connect (?P<framework>\S+)")),
    ("remove_framework", re.compile(r"remove framework (?P<framework>\S+)")),
    ("remove_agent", re.compile(r"remove agent (?P<agent>\S+)")),
    ("deactivate", re.compile(r"deactivate (?P<agent>\S+)")),
    ("activate", re.compile(r"activate (?P<agent>\S+)")),
    ("whitelist", re.compile(r"whitelist (?P<agents>.*)")),
    ("wait", re.compile(r"wait (?P<seconds>[\d.]+)")),
    ("cycle", re.compile(r"cycle( of (?P<agents>.*))?")),
)
_USED = re.compile(r"used by (\S+) in role (\S+): (\S+)")
_PLACE = re.compile(r" in (\S+)")
_WITH = re.compile(r"with (\w+)=(\S+)")


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
        step: dict[str, Json] = {
            "do": kind,
            **{key: said for key, said in match.groupdict().items() if said is not None},
        }
        for key in ("count", "seconds", "weight"):
            if key in step:
                step[key] = float(step[key]) if key != "count" else int(step[key])
        for key in ("roles", "agents"):
            if key in step:
                step[key] = step[key].split()
        if kind == "agent":
            step |= _agent(step["used"])
        if kind in ("framework", "update"):
            step |= _framework(step.pop("rest"))
        if kind == "whitelist":
            step["agents"] = (
                None if step["agents"] == ["everybody"] else [one for one in step["agents"] if one != "nobody"]
            )
        if kind == "options":
            step |= _options(step.pop("rest"))
        return step
    raise ValueError(f"cannot read the step '{text}'")


def _agent(rest: str) -> dict[str, Json]:
    """`` in us with rack=r1 used by f in role a: cpus:1``; what is not said is not there."""
    found: dict[str, Json] = {"used": [list(one) for one in _USED.findall(rest)]}
    place = _PLACE.match(rest)
    if place is not None:
        found["region"] = place[1]
    attributes = _WITH.findall(rest)
    if attributes:
        found["attributes"] = [list(one) for one in attributes]
    return found


def _framework(rest: str) -> dict[str, Json]:
    """``a b suppressed a +GPU_RESOURCES least a cpus:4 only rack=r1``; the last two only where they are said."""
    found: dict[str, Json] = {"roles": [], "suppressed": [], "capabilities": []}
    into: list[str] = found["roles"]
    words = iter(rest.split())
    for word in words:
        if word == "suppressed":
            into = found["suppressed"]
        elif word == "only":
            into = found.setdefault("only", [])
        elif word == "least":
            into = found.setdefault("least", {}).setdefault(next(words), [])
        elif word.startswith("+"):
            found["capabilities"].append(word[1:])
        else:
            into.append(word)
    return found


def _options(rest: str) -> dict[str, Json]:
    """``region eu, excluded gpus, least cpus:1 or mem:64``"""
    found: dict[str, Json] = {}
    for part in rest.split(", "):
        name, said = part.split(" ", 1)
        found[name] = said if name == "region" else [word for word in said.split() if word != "or"]
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
