"""The random order of agents in a pass (X32, M-AL-23), drawn from one number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from mesos_service.core.allocation.entries import AgentBook

_MASK: Final = (1 << 64) - 1
_STEP: Final = 0x9E3779B97F4A7C15
_FIRST: Final = 0xBF58476D1CE4E5B9
_SECOND: Final = 0x94D049BB133111EB

FEW: Final = 64
"""Below this, an array is not worth making."""


def place(seed: int, serial: int) -> int:
    """Where an agent stands in the pass that drew ``seed``: the lower the earlier.

    A hash (the finaliser of splitmix64, Steele and others, OOPSLA 2014) instead of a shuffle: two agents stand in the
    same order whichever others take part, so that the outcome does not depend on which of them are left out early.
    """
    mixed = (seed + serial * _STEP) & _MASK
    mixed = (mixed ^ (mixed >> 30)) * _FIRST & _MASK
    mixed = (mixed ^ (mixed >> 27)) * _SECOND & _MASK
    return mixed ^ (mixed >> 31)


def second(seed: int) -> int:
    """The seed of the second order of the same pass: where there is quota, each stage has its own."""
    return place(seed, _MASK)


def shuffled(seed: int, agents: Sequence[AgentBook]) -> list[AgentBook]:
    """``agents`` by their :func:`place`."""
    if len(agents) < FEW:
        return sorted(agents, key=lambda agent: place(seed, agent.serial))
    numbers = np.fromiter((agent.serial for agent in agents), np.uint64, len(agents))
    mixed = numbers * np.uint64(_STEP) + np.uint64(seed)  # both wrap around, as is wanted
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(_FIRST)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(_SECOND)
    mixed ^= mixed >> np.uint64(31)
    return [agents[position] for position in np.argsort(mixed, kind="stable").tolist()]
