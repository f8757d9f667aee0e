"""The nodes under ``--zk``: one for each master that could lead, named in the order in which they came.

``<path>/json.info_NNNNNNNNNN`` holds its MasterInfo as JSON, as Mesos' masters write it, so that whoever can find a
leader of Mesos finds ours. The lowest number leads (M-HA-01).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

PREFIX: Final = "json.info_"
_MEMBER: Final = re.compile(re.escape(PREFIX) + r"(\d{10})")


@dataclass(frozen=True, slots=True, order=True)
class Member:
    """One master's node; they order as they came."""

    sequence: int
    name: str


def members(names: Iterable[str]) -> list[Member]:
    """Those of ``names`` that are masters, the leader first; other nodes (Mesos has ``log_replicas``) are left out."""
    found = ((name, _MEMBER.fullmatch(name)) for name in names)
    return sorted(Member(int(match[1]), name) for name, match in found if match is not None)
