"""One fault at a time, under load, with every promise checked afterwards.

Two masters on real ZooKeeper and PostgreSQL, two agents full of tasks, and a framework that keeps a journal. A test
says what it does to them and what it sees itself; that nothing was lost, contradicted, run twice or given away twice is
asked after each of them by the same checker.
"""

from __future__ import annotations

import asyncio
import json

import pytest

from mesos_service.http.client import Connection
from tests.faults.cluster import Cluster, Master
from tests.faults.conftest import MakePlan, Play
from tests.faults.facts import Accepted, Launching, Refused, Run, Updated, now, read_truth
from tests.support.zookeeper import ZooKeeper


def lasting_runs(cluster: Cluster) -> dict[str, tuple[Run, ...]]:
    return {task_id: runs for task_id, runs in read_truth(cluster.truth).items() if task_id.startswith("lasting")}


def states_since(cluster: Cluster, moment: float) -> set[str]:
    return {fact.state for fact in cluster.facts() if isinstance(fact, Updated) and fact.at > moment}


def launched_in_dying(cluster: Cluster) -> str:
    """A task whose launch was never answered: the scheduler was killed before. The next one may be launching, too."""
    facts = cluster.facts()
    answered = {task_id for fact in facts if isinstance(fact, Accepted | Refused) for task_id in fact.task_ids}
    return next(fact.task_id for fact in facts if isinstance(fact, Launching) and fact.task_id not in answered)


async def begin_subscribing(master: Master) -> Connection:
    """Send a SUBSCRIBE of a new framework, which takes a write to the registry, and do not wait for the answer."""
    connection = await Connection.open("127.0.0.1", master.port)
    info = {"user": "root", "name": "new", "roles": ["new"], "capabilities": [{"type": "MULTI_ROLE"}]}
    body = json.dumps({"type": "SUBSCRIBE", "subscribe": {"framework_info": info}}).encode()
    connection.send("POST", "/api/v1/scheduler", body, {"Content-Type": "application/json"})
    return connection


@pytest.mark.long
def test_a_load_that_nobody_disturbs_keeps_every_promise(play: Play, replicated: MakePlan) -> None:
    """What the other tests are measured by."""

    async def nothing(cluster: Cluster) -> None:
        before = lasting_runs(cluster)
        await cluster.steady()
        assert lasting_runs(cluster) == before
        assert all(one.ends == [] for one in cluster.processes)

    play(replicated(), nothing)


# -- masters -------------------------------------------------------------------------------------------------


def test_a82_c17_a_leader_is_killed(play: Play, replicated: MakePlan) -> None:
    """A82, B53, C17: another one leads, and the tasks run on."""

    async def kill(cluster: Cluster) -> None:
        before = lasting_runs(cluster)
        old = await cluster.leader()
        old.kill()
        new = await cluster.leader(but=old)
        await cluster.steady()
        assert lasting_runs(cluster) == before
        epochs = {write.epoch: write.leader for write in await cluster.writes()}
        first, *later = epochs.values()
        assert str(old.port) in first
        assert any(str(new.port) in leader for leader in later)

    play(replicated(), kill)


@pytest.mark.long
def test_a_leader_hands_over(play: Play, replicated: MakePlan) -> None:
    """SIGTERM: it ends in order, with status 0, and another one leads."""

    async def terminate(cluster: Cluster) -> None:
        old = await cluster.leader()
        old.terminate()
        await cluster.leader(but=old)
        assert await old.ended(1) == 0
        await cluster.steady()

    play(replicated(), terminate)


def test_x22_x25_a_frozen_leader_that_wakes_up_decides_nothing_and_ends(play: Play, replicated: MakePlan) -> None:
    """X22, X25: what it is asked when it wakes up would take a write to the registry, which is not its own any more."""

    async def freeze(cluster: Cluster) -> None:
        old = await cluster.leader()
        old.freeze()
        await cluster.leader(but=old)
        asked = await begin_subscribing(old)
        old.thaw()
        assert await old.ended(1) != 0
        asked.close()
        await cluster.steady()

    play(replicated(), freeze)


@pytest.mark.long
def test_x22_a_leader_that_is_cut_off_from_zookeeper_ends(play: Play, replicated: MakePlan) -> None:
    """X22, M-HA-13: it ends by itself, and its supervisor starts it again."""

    async def cut(cluster: Cluster) -> None:
        old = await cluster.leader()
        for cable in old.zookeeper_cables:
            cable.cut()
        await cluster.leader(but=old)
        assert await old.ended(1) != 0
        await cluster.steady()

    play(replicated(), cut)


def test_x22_a_leader_whose_zookeeper_falls_silent_ends(play: Play, replicated: MakePlan) -> None:
    async def stall(cluster: Cluster) -> None:
        old = await cluster.leader()
        for cable in old.zookeeper_cables:
            cable.stall()
        await cluster.leader(but=old)
        assert await old.ended(1) != 0
        await cluster.steady()

    play(replicated(), stall)


@pytest.mark.long
def test_a_short_silence_of_zookeeper_costs_no_leader(play: Play, replicated: MakePlan) -> None:
    """Within the session's time-out the same master goes on."""

    async def stall(cluster: Cluster) -> None:
        old = await cluster.leader()
        for cable in old.zookeeper_cables:
            cable.reset()
        await cluster.steady()
        assert await cluster.leader() is old
        assert old.ends == []

    play(replicated(), stall)


@pytest.mark.long
def test_m_ha_04_a_leader_that_is_cut_off_from_the_database_ends(play: Play, replicated: MakePlan) -> None:
    """M-HA-04: with the first write that cannot be stored; what waited for it was not said."""

    async def cut(cluster: Cluster) -> None:
        old = await cluster.leader()
        assert old.database_cable is not None
        old.database_cable.cut()
        asked = await begin_subscribing(old)
        await cluster.leader(but=old)
        assert await old.ended(1) != 0
        asked.close()
        await cluster.steady()

    play(replicated(master_flags={"registry_store_timeout": "1secs"}), cut)


def test_m_ha_04_a_leader_whose_database_falls_silent_ends(play: Play, replicated: MakePlan) -> None:
    async def stall(cluster: Cluster) -> None:
        old = await cluster.leader()
        assert old.database_cable is not None
        old.database_cable.stall()
        asked = await begin_subscribing(old)
        await cluster.leader(but=old)
        assert await old.ended(1) != 0
        asked.close()
        await cluster.steady()

    play(replicated(master_flags={"registry_store_timeout": "1secs"}), stall)


# -- ZooKeeper -----------------------------------------------------------------------------------------------


def test_zookeeper_loses_a_node_then_its_quorum(
    play: Play, replicated_on_ensemble: MakePlan, ensemble: ZooKeeper
) -> None:
    """One node less: somebody leads on. Without a quorum nobody is sure to, and when it is back somebody leads."""

    async def lose(cluster: Cluster) -> None:
        first = await asyncio.to_thread(ensemble.leader)
        first.kill()
        await cluster.steady()
        second = await asyncio.to_thread(ensemble.leader)
        second.kill()

        async def nobody_leads() -> bool:
            return await cluster.leading() is None

        await cluster.until("nobody leads", nobody_leads)
        for node in (first, second):
            node.start()
        await asyncio.to_thread(ensemble.wait_serving)
        await cluster.leader()
        await cluster.steady()

    play(replicated_on_ensemble(), lose)


# -- agents --------------------------------------------------------------------------------------------------


def test_an_agent_is_killed_and_its_tasks_run_on(play: Play, replicated: MakePlan) -> None:
    async def kill(cluster: Cluster) -> None:
        before = lasting_runs(cluster)
        cluster.agents[0].kill()
        await cluster.agents[0].ended(1)
        await cluster.steady()
        assert lasting_runs(cluster) == before

    play(replicated(), kill)


def test_x17_an_agent_is_frozen_beyond_the_pings_and_comes_back(play: Play, replicated: MakePlan) -> None:
    """X17: its tasks are unreachable, and then running again."""

    async def freeze(cluster: Cluster) -> None:
        before = lasting_runs(cluster)
        moment = now()
        cluster.agents[0].freeze()
        await cluster.until(
            "the tasks of a frozen agent are unreachable",
            lambda: "TASK_UNREACHABLE" in states_since(cluster, moment),
        )
        cluster.agents[0].thaw()
        await cluster.steady()
        assert lasting_runs(cluster) == before

    play(replicated(), freeze)


# -- schedulers ----------------------------------------------------------------------------------------------


@pytest.mark.long
def test_a_scheduler_is_killed_with_half_an_accept_sent(play: Play, replicated: MakePlan) -> None:
    """Nothing of half a call is done: the tasks of it were never launched."""

    async def wait(cluster: Cluster) -> None:
        assert await cluster.load.ended(1) == -9
        last = launched_in_dying(cluster)
        await cluster.steady()
        assert last not in read_truth(cluster.truth)

    play(replicated(load_flags=("--die-in-accept=0.5",)), wait)


def test_a_scheduler_is_killed_with_a_whole_accept_sent(play: Play, replicated: MakePlan) -> None:
    """Nobody heard the answer, and the tasks run: the next scheduler is told of them."""

    async def wait(cluster: Cluster) -> None:
        assert await cluster.load.ended(1) == -9
        last = launched_in_dying(cluster)
        await cluster.steady()
        await cluster.until("the last task runs", lambda: last in read_truth(cluster.truth))

    play(replicated(load_flags=("--die-in-accept=1.0",)), wait)
