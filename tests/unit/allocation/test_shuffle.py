"""The order of agents in a pass: sorting many at once gives the order that each agent's place says (X32)."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from mesos_service.core.allocation.entries import AgentBook
from mesos_service.core.allocation.shuffle import PIECE, by_and_by, place, shuffled
from mesos_service.core.allocation.table import AgentTable
from mesos_service.domain.ids import AgentId
from tests.unit.allocation.cluster import Cluster

ALL = (1 << 64) - 1


def serial_at(seed: int, wanted: int) -> int:
    """The serial whose place is ``wanted``: the hash of :func:`place`, backwards."""
    mixed = wanted ^ wanted >> 31 ^ wanted >> 62
    mixed = mixed * pow(0x94D049BB133111EB, -1, 1 << 64) & ALL
    mixed ^= mixed >> 27 ^ mixed >> 54
    mixed = mixed * pow(0xBF58476D1CE4E5B9, -1, 1 << 64) & ALL
    mixed ^= mixed >> 30 ^ mixed >> 60
    return (mixed - seed) * pow(0x9E3779B97F4A7C15, -1, 1 << 64) & ALL


@pytest.mark.parametrize("seed", [0, 12345, ALL])
@pytest.mark.parametrize("neighbours", [0, 2, 40])
def test_x32_many_agents_stand_as_their_places_say(seed: int, neighbours: int) -> None:
    """Also where places differ in their lowest bits only."""
    draw = Random(seed)
    table: AgentTable[AgentBook] = AgentTable()
    serials = draw.sample(range(1, 1 << 40), 300)
    serials += [serial_at(seed, 0xABCDEF0123456700 + draw.randrange(256)) for _ in range(neighbours)]
    serials = list(dict.fromkeys(serials))
    draw.shuffle(serials)
    for serial in serials:
        table.add(AgentId(str(serial)), serial)
    found = shuffled(seed, np.arange(len(serials), dtype=np.int32), table)
    assert [serials[row] for row in found] == sorted(serials, key=lambda serial: place(seed, serial))


def offered_in_turn(seed: int, guarantees: str = "") -> list[list[str]]:
    """Which agents were offered, in order, in each of three passes that everybody declines."""
    cluster = Cluster(seed=seed)
    cluster.framework("f", "a")
    cluster.quota("a", guarantees=guarantees)
    cluster.agents(12, "cpus:2;mem:1024")
    found = []
    for _ in range(3):
        cluster.cycle()
        found.append([str(grant.agent_id) for grant in cluster.last])
        for grant in cluster.last:
            cluster.recover(grant)
    return found


def test_m_al_23_each_cycle_has_its_own_order_and_a_seed_has_the_same_ones() -> None:
    first = offered_in_turn(7)
    assert first == offered_in_turn(7) != offered_in_turn(8)
    assert len({tuple(one) for one in first}) == 3, "another order in each cycle"
    assert {tuple(sorted(one)) for one in first} == {tuple(f"agent{number:03}" for number in range(12))}


def test_m_al_23_the_second_stage_has_an_order_of_its_own() -> None:
    """Six agents satisfy the guarantee, in the order of the first stage; where the others come is drawn anew."""
    with_guarantee, without = offered_in_turn(7, "cpus:12")[0], offered_in_turn(7)[0]
    assert with_guarantee[:6] == without[:6]
    assert sorted(with_guarantee[6:]) == sorted(without[6:]) and with_guarantee[6:] != without[6:]


@pytest.mark.parametrize("agents", [0, 10, 4 * PIECE, 4 * PIECE + 1, 6 * PIECE])
def test_x32_the_first_stage_looks_at_agents_in_the_same_order(agents: int) -> None:
    """Where only the first few are likely to be looked at, the others are put in order when somebody asks."""
    table: AgentTable[AgentBook] = AgentTable()
    serials = Random(agents).sample(range(1, 1 << 40), agents)
    for serial in serials:
        table.add(AgentId(str(serial)), serial)
    found = by_and_by(7, np.arange(agents, dtype=np.int32), table)
    assert [serials[row] for row in found] == sorted(serials, key=lambda serial: place(7, serial))
