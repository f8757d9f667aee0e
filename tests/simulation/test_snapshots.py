"""What is rendered later of a moment is what would have been rendered then, whatever has happened since."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pytest

from mesos_service.core.effects import MasterEffect
from mesos_service.core.master import step as master_core
from mesos_service.core.master.state import MasterState
from mesos_service.core.messages import MasterMessage
from mesos_service.plugins.loader import ALLOCATORS, load
from mesos_service.simulator import masters
from mesos_service.simulator.cluster import Cluster, Plan
from mesos_service.wire.agents import MasterInfo
from mesos_service.wire.common import VersionInfo
from mesos_service.wire.render import legacy_master, master_v1
from mesos_service.wire.render.legacy_summary import state_summary_answer
from mesos_service.wire.render.snapshot import Snapshot, snapshot
from mesos_service.wire.sliced import json_slices

EVERY = 120
"""Steps between two moments."""
MASTER = MasterInfo(id="m", ip=1, port=5050, hostname="h", pid="master@h:5050")
BUILD = VersionInfo(version="1.12.0")


def rendered(moment: Snapshot) -> str:
    made = hashlib.sha256()
    for answer in (
        legacy_master.state_answer(moment, MASTER, BUILD, {}),
        legacy_master.agents_answer(moment),
        legacy_master.tasks_answer(moment, legacy_master.Page()),
        state_summary_answer(moment, MASTER, {}),
        master_v1.get_state(moment),
    ):
        for piece in json_slices(answer):
            made.update(piece)
    return made.hexdigest()


def test_x63_a_moment_stays_what_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    moments: list[tuple[Snapshot, str]] = []
    steps = 0

    def watched(state: MasterState, message: MasterMessage, now: float) -> Sequence[MasterEffect]:
        nonlocal steps
        steps += 1
        if steps % EVERY == 0:
            moment = snapshot(state)
            moments.append((moment, rendered(moment)))
        return master_core.step(state, message, now)

    class Watched:
        step = staticmethod(watched)
        next_deadline = staticmethod(master_core.next_deadline)

    monkeypatch.setattr(masters, "master_core", Watched)
    outcome = Cluster(1, load(ALLOCATORS, "hierarchical_drf"), Plan(seconds=15.0)).run()
    assert outcome.states.get("TASK_FINISHED", 0) > 20, outcome
    assert len({made for _, made in moments}) > 10, "hardly anything happened"
    assert [rendered(then) for then, _ in moments] == [made for _, made in moments]
