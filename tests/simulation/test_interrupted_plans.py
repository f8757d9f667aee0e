"""Plans of several steps, cut off after each of them: reserve, make a volume, launch on it; and by an operator.

One framework, one agent, one master that another follows. The plan runs once undisturbed, which says how many steps the
cores take for it; then once for each step and each kind of harm, which strikes just after that step. In the end master,
agent and disk agree, and everybody was told what became of what he asked for (X14c, M-SC-15, X05).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final

import pytest

from mesos_service.core import messages, scheduler_messages
from mesos_service.core.link import OperationReport
from mesos_service.core.master import operations as master_operations
from mesos_service.core.master import policy
from mesos_service.core.master.state import Agent
from mesos_service.core.master.turn import Turn
from mesos_service.core.operator_messages import OperatorUpdateQuota
from mesos_service.core.resource_messages import ResourceOperation
from mesos_service.domain.ids import OperationId, Role
from mesos_service.domain.offers import Filters, Offer
from mesos_service.domain.operations import Create, Destroy, Operation, Reserve, Unreserve
from mesos_service.domain.resource import DiskInfo, Persistence, Reservation, Resource, Volume
from mesos_service.domain.resources import Resources, plain_key
from mesos_service.domain.tasks import TaskState
from mesos_service.plugins.allocator import Quota
from mesos_service.plugins.loader import ALLOCATORS, load
from mesos_service.simulator.cluster import Cluster, HistoryFailed, Plan
from mesos_service.simulator.frameworks import TASK, SimFramework
from mesos_service.simulator.network import Network
from mesos_service.simulator.operating import OperatingFramework

PLAN: Final = Plan(
    agents=1, frameworks=1, schedulers=1, seconds=8.0, fault_every_seconds=0.0, operations=1.0, run_seconds=(0.2, 0.5)
)
STEPS_MAX: Final = 26
"""After so many steps of the cores everybody has been told; a test below sees to it."""


def disk_of(role: str) -> Resources:
    return Resources.of((Resource(plain_key("disk"), 16_000),)).push_reservation(Reservation("DYNAMIC", role))


def volume_of(role: str) -> Resources:
    [(key, value)] = disk_of(role)
    return Resources.of((Resource(key._replace(disk=DiskInfo(None, Persistence("v"), Volume("data"))), value),))


class Planner(OperatingFramework):
    """Its first answer is the plan; then it declines, and when nobody harms any more it is like any other."""

    def _answer(self, offer: Offer) -> None:
        if self.operations:
            if self.healed:
                super()._answer(offer)
            return
        role = offer.role
        asked: list[scheduler_messages.AcceptOperation] = []
        steps: dict[str, Operation] = {"reserve": Reserve(disk_of(role)), "create": Create(volume_of(role))}
        for name, operation in steps.items():
            operation_id = OperationId(name)
            self.operations[operation_id] = "OPERATION_PENDING"
            self._agents[operation_id] = offer.agent_id
            asked.append(ResourceOperation(operation, operation_id))
        task = replace(self._new_task(offer), resources=TASK + volume_of(role))
        asked.append(scheduler_messages.LaunchOperation((task,)))
        self._call(
            scheduler_messages.Accept, offer_ids=(offer.offer_id,), operations=tuple(asked), filters=Filters(0.0)
        )


Harm = Callable[["Interrupted"], None]

HARMS: Final[dict[str, Harm]] = {
    "the agent dies": lambda one: one.agents[0]._die(1.0),
    "the agent dies while it writes": lambda one: setattr(one.agents[0], "_dies_writing", 1.0),
    "the agent's link breaks": lambda one: one.agents[0].cut(),
    "the master dies": lambda one: one.masters.crash(),
    "the master is deposed and does not know": lambda one: one.masters.depose(1.0),
    "the scheduler's connection breaks": lambda one: one.frameworks[0].cut(),
}


class Interrupted(Cluster):
    """``harm`` strikes after ``steps`` steps of master and agent from the moment on at which the plan arrived."""

    def __init__(self, seed: int, steps: int, harm: Harm | None, by_operator: bool) -> None:
        self._began = False
        self._left = steps
        self._harm = harm
        self._by_operator = by_operator
        self.taken: list[str] = []
        """Steps since then: what came in, or what was in that."""
        super().__init__(seed, load(ALLOCATORS, "hierarchical_drf"), PLAN)

    def _make_framework(self, network: Network, number: int) -> SimFramework:
        made = super()._make_framework(network, number)
        own = self.seed * 1000 + 500 + number
        return Planner(network, self.masters, made.info, own, self.promises, 0.0 if self._by_operator else 1.0)

    def _plan_mischief(self, framework: SimFramework) -> None:
        """There is none but the one harm."""
        if self._by_operator:
            assert isinstance(framework, Planner)
            framework.operations[OperationId("none")] = "OPERATION_ERROR"

    def _plan_operator(self) -> None:
        if not self._by_operator:
            return
        steps: tuple[Reserve | Create | Destroy | Unreserve, ...] = (
            Reserve(disk_of("ops")),
            Create(volume_of("ops")),
            Destroy(volume_of("ops")),
            Unreserve(disk_of("ops")),
            Reserve(disk_of("ops")),
            Create(volume_of("ops")),
        )
        for number, step in enumerate(steps):

            def act(step: Reserve | Create | Destroy | Unreserve = step) -> None:
                agent_id = self.agents[0].state.agent_id
                if agent_id is not None:
                    self._began = True
                    self.masters.change_resources(agent_id, step)

            self.clock.after(3.0 + 0.05 * number, act)

    def _journal(self, now: float, place: str, message: object) -> None:
        super()._journal(now, place, message)
        if isinstance(message, scheduler_messages.Accept):
            self._began = True
        if self._began and not isinstance(message, messages.Tick):
            carried = getattr(message, "message", message)
            self.taken.append(type(message if isinstance(carried, str) else carried).__name__)
            self._left -= 1
            if self._left == 0 and self._harm is not None:
                # After this step has been performed, and before anything else is.
                harm, self._harm = self._harm, None
                self._note_fault("strike")
                self.clock.at(now, lambda: harm(self))


def run(steps: int, harm: Harm | None, by_operator: bool = False, seed: int = 1) -> Interrupted:
    cluster = Interrupted(seed, steps, harm, by_operator)
    cluster.run()
    return cluster


def test_x14c_undisturbed_the_plan_succeeds_and_takes_the_steps_that_are_cut_off_below() -> None:
    cluster = run(0, None)
    (framework,) = cluster.frameworks
    assert isinstance(framework, Planner)
    assert set(framework.operations.values()) == {"OPERATION_FINISHED"}
    assert next(state for state, _ in framework.tasks.values()) in (TaskState.FINISHED, TaskState.FAILED)
    within = cluster.taken[:STEPS_MAX]
    assert within.count("UpdateOperation") == 2
    assert within.count("AcknowledgeOperation") == 2
    assert within.count("ContainerLaunched") == 1
    assert run(0, None, by_operator=True).taken[:STEPS_MAX].count("UpdateOperation") == 6


def test_x14c_an_agent_that_forgets_what_it_owes_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests below can fail: master and agent compare no more what became of operations."""

    def believing(turn: Turn, agent: Agent, reports: Iterable[OperationReport]) -> None:
        del turn, agent, reports

    monkeypatch.setattr(master_operations, "compare", believing)
    failed = 0
    for steps in range(1, STEPS_MAX + 1):
        try:
            run(steps, HARMS["the agent dies while it writes"])
            run(steps, HARMS["the agent's link breaks"])
        except HistoryFailed:
            failed += 1
    assert failed > 1


@pytest.mark.parametrize("harm", HARMS)
@pytest.mark.parametrize("steps", range(1, STEPS_MAX + 1))
def test_x14c_m_sc_15_a_frameworks_plan_cut_off_after_each_step(steps: int, harm: str) -> None:
    cluster = run(steps, HARMS[harm])
    (framework,) = cluster.frameworks
    assert isinstance(framework, Planner)
    told = {str(name): state for name, state in framework.operations.items()}
    if told["create"] == "OPERATION_FINISHED":
        assert told["reserve"] == "OPERATION_FINISHED", "a volume of what was never reserved"
    ran = [state for state, _ in framework.tasks.values() if state is TaskState.FINISHED]
    if ran and not any(state == "OPERATION_UNKNOWN" for state in told.values()):
        assert told["create"] == "OPERATION_FINISHED", "a task on a volume that was never made"


@pytest.mark.parametrize("harm", [harm for harm in HARMS if "scheduler" not in harm])
@pytest.mark.parametrize("steps", range(1, STEPS_MAX + 1))
def test_x14c_m_op_03_an_operators_plan_cut_off_after_each_step(steps: int, harm: str) -> None:
    """What is left of it is a beginning of it: no volume without its reservation."""
    cluster = run(steps, HARMS[harm], by_operator=True)
    total = cluster.agents[0].state.total
    volumes = total.persistent_volumes()
    assert all(item.role == "ops" for item in total if item.key.reservations)
    assert sum(1 for _ in volumes) <= 1


QUOTAS: Final = (
    (Role("role-0"), Quota(guarantees={"cpus": 1000}, limits={"cpus": 2000, "disk": 32_000})),
    (Role("shared"), Quota(limits={"cpus": 1000, "mem": 512_000})),
    (Role("role-0"), Quota(guarantees={"cpus": 3000})),
    (Role("shared"), Quota()),
)
QUOTA_STEPS_MAX: Final = 38


class Governed(Interrupted):
    """An operator gives and takes quota, one after the other, while a framework's plan is under way."""

    def _plan_operator(self) -> None:
        waiting = list(QUOTAS)

        def act() -> None:
            if waiting and not self.governor.waits:
                self._began = True
                self.governor.ask(*waiting.pop(0), force=True)
            self.clock.after(0.05, act)

        self.clock.after(0.9, act)  # with the framework's first answer


def govern(steps: int, harm: Harm | None) -> Governed:
    cluster = Governed(1, steps, harm, by_operator=False)
    cluster.run()
    return cluster


def test_x38_undisturbed_all_quota_is_given_within_the_steps_that_are_cut_off_below() -> None:
    cluster = govern(0, None)
    assert cluster.taken[:QUOTA_STEPS_MAX].count("OperatorUpdateQuota") == len(QUOTAS)
    assert cluster.governor.answers == {200: len(QUOTAS) + 1}, "the guarantee that is left is lifted in the end"


def test_x16_quota_that_is_answered_and_not_stored_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test below can fail."""

    def hasty(turn: Turn, call: OperatorUpdateQuota) -> None:
        turn.reply(call.request, 200)

    monkeypatch.setattr(policy, "on_update_quota", hasty)
    with pytest.raises(HistoryFailed, match="was told that role role-0 has"):
        govern(0, None)


@pytest.mark.parametrize("harm", [harm for harm in HARMS if "scheduler" not in harm])
@pytest.mark.parametrize("steps", range(1, QUOTA_STEPS_MAX + 1))
def test_x38_m_om_08_quota_cut_off_after_each_step(steps: int, harm: str) -> None:
    """What was told is stored, under whichever master; no offer goes beyond a limit; in the end all of it was given."""
    cluster = govern(steps, HARMS[harm])
    assert cluster.governor.answers.get(200, 0) >= len(QUOTAS)
