"""What must be true of the master's memory between any two steps. Tests ask after each of theirs; production does not.

Safety is here: no resource is offered twice, offered and used never exceed what there is, and no task is forgotten.
That something good also happens in the end is for simulations to show.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import combinations
from typing import TypeVar

from mesos_service.core.allocation.ledger import Ledger
from mesos_service.core.master import addresses
from mesos_service.core.master.deadlines import RecoveryOverdue, RemovalDue
from mesos_service.core.master.state import Agent, Framework, MasterState
from mesos_service.core.oversubscription.estimators import refuse_lent
from mesos_service.core.registry.operations import MarkAgentGone
from mesos_service.domain.errors import InvariantBroken
from mesos_service.domain.ids import AgentId, FrameworkId
from mesos_service.domain.resources import Resources
from mesos_service.domain.tasks import TERMINAL_STATES

Key = TypeVar("Key")
Value = TypeVar("Value")


def check(state: MasterState) -> None:
    """Look at everything; linear in all there is.

    Raises:
        InvariantBroken: with the first contradiction found.
    """
    for agent in state.agents.values():
        _check_agent(state, agent)
    for framework in state.frameworks.values():
        _check_framework(state, framework)
    _check_collections(state)
    _check_offers(state)
    guard = state.allocator
    _must(not (guard.own and guard.defects), f"our own allocator {guard.name} failed")
    ledger = getattr(guard.module, "ledger", None)
    if isinstance(ledger, Ledger) and not guard.broken:
        _check_allocator(state, ledger)


def _check_agent(state: MasterState, agent: Agent) -> None:
    agent_id = agent.agent_id
    what = f"agent {agent_id}"
    used: dict[FrameworkId, Resources] = {}
    for framework_id, tasks in agent.tasks.items():
        _must(bool(tasks), f"{what} keeps an empty entry for the tasks of {framework_id}")
        framework = state.frameworks.get(framework_id)
        _must(framework is not None, f"{what} has tasks of {framework_id}, which is not registered")
        for task_id, task in tasks.items():
            own = framework is not None and framework.tasks.get(task_id) is task
            _must(own, f"{what} has task {task_id}, which {framework_id} does not know")
            _must(task.agent_id == agent_id, f"task {task_id} on {what} believes to be on {task.agent_id}")
            over = task.state in TERMINAL_STATES
            if over and task.charged:
                _fail(f"task {task_id} is {task.state} and still holds {task.charged}")
            _must(over or task.charged == task.info.resources, f"task {task_id} is {task.state} and holds less")
            used[framework_id] = used.get(framework_id, Resources.EMPTY) + task.charged
    for framework_id, copies in agent.copies.items():
        _must(bool(copies), f"{what} keeps an empty entry for the copies of {framework_id}")
        framework = state.frameworks.get(framework_id)
        listed = framework is not None and agent_id in framework.copies
        _must(listed, f"{what} has copies of {framework_id}, which does not list it")
        for task_id, task in copies.items():
            _must(task_id not in agent.tasks.get(framework_id, {}), f"{what} has task {task_id} and a copy of it")
            over = task.state in TERMINAL_STATES
            _must(over or (framework_id, task_id) in agent.pending_kills, f"nobody kills the copy {task_id} on {what}")
            if over and task.charged:
                _fail(f"the copy {task_id} is {task.state} and still holds {task.charged}")
            used[framework_id] = used.get(framework_id, Resources.EMPTY) + task.charged
    for framework_id, executors in agent.executors.items():
        _must(bool(executors), f"{what} keeps an empty entry for the executors of {framework_id}")
        for executor in executors.values():
            used[framework_id] = used.get(framework_id, Resources.EMPTY) + executor.resources
    _same(f"used on {what}", agent.used, {one: resources for one, resources in used.items() if resources})
    for framework_id, task_id in agent.pending_kills:
        there = task_id in agent.tasks.get(framework_id, {}) or task_id in agent.copies.get(framework_id, {})
        _must(there, f"{what} is to kill {task_id}, which is not there")
    for framework_id, executor_id in agent.unproven_executors:
        _must(executor_id in agent.executors.get(framework_id, {}), f"{what} doubts {executor_id}, which is not there")

    in_use = _sum(agent.used.values())
    held = in_use.non_shared() + _sum(offer.resources for offer in agent.offers.values())
    total = agent.total
    absent = [str(item) for item in in_use.shared().unallocated() if not total.copies(item)]
    _must(not absent, f"{what} has users of {absent}, which is not there")
    # What costs much to say is said only where it is wrong: a simulation looks at all of this with every step.
    if not total.contains(agent.oversubscribed):
        _fail(f"{what} lends {agent.oversubscribed}, and has {total}")
    refusal = refuse_lent(agent.oversubscribed)
    _must(refusal is None, f"{what} lends what cannot be lent: {refusal}")
    short = total.shortage(held.unallocated())
    if bool(short) != agent.overbooked:
        _fail(f"{what}: {short or 'nothing'} is short, but overbooked={agent.overbooked}")
    _same(f"free on {what}", agent.free, total - (held.unallocated() - short))
    offered = {key for offer in agent.offers.values() for key, _ in offer.resources.unallocated()}
    wrong = [str(key) for key, _ in short if key in offered]
    _must(not wrong, f"{what} offers what it does not have enough of: {wrong}")
    _must(agent.active or not agent.offers, f"{what} is not active and has offers outstanding")
    _must(agent.connected == (agent.link_id is not None), f"{what} is connected without a link, or the other way round")
    _must(agent.connected or not agent.active, f"{what} is active but not connected")
    for uuid, record in agent.operations.items():
        _must(record.uuid == uuid and record.agent_id == agent_id, f"{what} has an operation under a wrong name")
        if record.framework_id is not None and record.operation_id is not None:
            known = state.operations.get((record.framework_id, record.operation_id))
            _must(known is record, f"{what} has operation {record.operation_id}, which nobody finds by its id")
    if agent.link_id is not None:
        _must(agent_id in state.links.get(agent.link_id, {}), f"{what} is not on its link {agent.link_id}")


def _check_framework(state: MasterState, framework: Framework) -> None:
    framework_id = framework.framework_id
    what = f"framework {framework_id}"
    for task_id, task in framework.tasks.items():
        agent = state.agents.get(task.agent_id)
        on_agent = agent.tasks.get(framework_id, {}) if agent is not None else {}
        _must(on_agent.get(task_id) is task, f"{what} has task {task_id}, which its agent does not know")
        _must(task_id not in framework.unreachable_tasks, f"task {task_id} of {what} is unreachable and is not")
    for agent_id in framework.copies:
        agent = state.agents.get(agent_id)
        _must(agent is not None and framework_id in agent.copies, f"{what} lists {agent_id}, which has no copies of it")
    for agent_id, executors in framework.executors.items():
        agent = state.agents.get(agent_id)
        known = agent.executors.get(framework_id, {}) if agent is not None else {}
        _same(f"executors of {what} on {agent_id}", executors, known)
    if framework.stream_id is None:
        _must(not framework.offers, f"{what} is not connected and has offers")
    else:
        _must(state.streams.get(framework.stream_id) == framework_id, f"{what} has a stream that is not its own")
    for stream_id in framework.standbys:
        _must(stream_id != framework.stream_id, f"{what} has a scheduler that acts and stands by")
        _must(state.streams.get(stream_id) == framework_id, f"{what} has a standby on a stream that is not its own")
    _must(framework.suppressed <= set(framework.info.roles), f"{what} suppresses roles that it is not in")


def _check_collections(state: MasterState) -> None:
    _apart("frameworks", state.frameworks, state.completed_frameworks)
    _apart("frameworks", state.frameworks, state.removed_frameworks)
    for framework_id, number in state.recording.items():
        _must(number in state.persisting, f"{framework_id} waits for operation {number}, which is not under way")
    for framework_id in state.departing:
        _must(framework_id in state.frameworks, f"framework {framework_id} is departing but is not there")
        _must(not state.frameworks[framework_id].connected, f"framework {framework_id} is departing but connected")
    _apart("agents", state.agents, state.registering)
    places: dict[str, Mapping[AgentId, object]] = {
        "agents": state.agents,
        "recovered": state.recovered,
        "unreachable": state.unreachable,
        "gone": state.gone,
    }
    for (name, one), (other_name, other) in combinations(places.items(), 2):
        _apart(f"agents ({name} and {other_name})", one, other)
    for agent_id, number in (*state.registering.items(), *state.leaving.items()):
        _must(number in state.persisting, f"agent {agent_id} waits for operation {number}, which is not under way")
    for agent_id, number in state.leaving.items():
        # What was stored about it before may have taken it off the memory, as when a removed agent is marked gone.
        given_up = isinstance(state.persisting[number][0], MarkAgentGone)
        there = agent_id in state.agents or agent_id in state.recovered
        _must(there or given_up, f"agent {agent_id} is leaving but is not there")
        agent = state.agents.get(agent_id)
        _must(agent is None or not agent.active, f"agent {agent_id} is leaving but still active")
    for agent_id in state.deactivated:
        somewhere = (state.agents, state.recovered, state.unreachable, state.registering)
        _must(any(agent_id in one for one in somewhere), f"agent {agent_id} is out of use, and nobody knows it")
        agent = state.agents.get(agent_id)
        _must(agent is None or not agent.active, f"agent {agent_id} is out of use but active")
    for agent_id in state.removals:
        _must(
            agent_id in state.agents or agent_id in state.recovered,
            f"agent {agent_id} waits to be removed from nowhere",
        )
        _must(agent_id not in state.leaving, f"agent {agent_id} leaves and waits for it")
    _must(
        not state.removals or state.timers.deadline(RemovalDue()) is not None,
        "agents wait to be removed, and nobody does",
    )
    if state.timers.deadline(RecoveryOverdue()) is None and not state.ended:
        for agent_id in state.recovered:
            waits = agent_id in state.leaving or agent_id in state.removals or agent_id in state.registering
            _must(waits, f"agent {agent_id} is recovered and would never be given up")
    for link_id, on_link in state.links.items():
        for agent_id in on_link:
            own = agent_id in state.agents and state.agents[agent_id].link_id == link_id
            _must(own, f"link {link_id} lists agent {agent_id}, which is not on it")
    for stream_id, framework_id in state.streams.items():
        known = state.frameworks.get(framework_id)
        own = known is not None and (known.stream_id == stream_id or stream_id in known.standbys)
        _must(own, f"stream {stream_id} is nobody's")
    by_address: dict[tuple[str, str, int], dict[AgentId, None]] = {}
    for agent_id, agent in state.agents.items():
        by_address.setdefault(addresses.place(agent.info), {})[agent_id] = None
    for agent_id, info in state.recovered.items():
        by_address.setdefault(addresses.place(info), {})[agent_id] = None
    _same("addresses", state.addresses, by_address)


def _check_offers(state: MasterState) -> None:
    by_agent = {one: offer for agent in state.agents.values() for one, offer in agent.offers.items()}
    by_framework = {one: offer for framework in state.frameworks.values() for one, offer in framework.offers.items()}
    _same("offers by agent", by_agent, state.offers)
    _same("offers by framework", by_framework, state.offers)
    by_id = {
        (record.framework_id, record.operation_id): record
        for agent in state.agents.values()
        for record in agent.operations.values()
        if record.operation_id is not None
    }
    _same("operations by id", set(state.operations), set(by_id))
    waiting = {offer_id for _, offer_id in state.offer_expiries}
    for offer_id, offer in state.offers.items():
        _must(offer.expires_at is None or offer_id in waiting, f"offer {offer_id} would never run out")
        _must(offer.role in state.frameworks[offer.framework_id].info.roles, f"offer {offer_id} is for a dropped role")
        roles = offer.resources.allocations()
        _must(list(roles) == [offer.role], f"offer {offer_id} is for {offer.role} but holds {offer.resources}")


def _check_allocator(state: MasterState, ledger: Ledger) -> None:
    """The stock allocator's books against ours."""
    _same("agents in the allocator", set(ledger.agents), set(state.agents))
    _same("frameworks in the allocator", set(ledger.frameworks), set(state.frameworks))
    for agent_id, book in ledger.agents.items():
        agent = state.agents[agent_id]
        offered: dict[FrameworkId, Resources] = {}
        for offer in agent.offers.values():
            offered[offer.framework_id] = offered.get(offer.framework_id, Resources.EMPTY) + offer.resources
        _same(f"offered on {agent_id} by the allocator", dict(book.offered), offered)
        _same(f"allocated on {agent_id} by the allocator", dict(book.allocated), agent.used)
        _same(f"total of {agent_id} in the allocator", book.total, agent.total)
        _same(f"free on {agent_id} by the allocator", book.free, agent.free)
        _must(book.active == agent.active, f"agent {agent_id}: the allocator has active={book.active}")
    for framework_id, known in ledger.frameworks.items():
        framework = state.frameworks[framework_id]
        _must(known.active == framework.connected, f"{framework_id}: the allocator has active={known.active}")
        _same(f"suppressed by {framework_id} in the allocator", known.suppressed, framework.suppressed)


def _sum(parts: Iterable[Resources]) -> Resources:
    whole = Resources.EMPTY
    for part in parts:
        whole = whole + part
    return whole


def _apart(what: str, one: Mapping[Key, object], other: Mapping[Key, object]) -> None:
    both = [key for key in one if key in other]
    _must(not both, f"these {what} are in two collections that exclude each other: {both}")


def _same(what: str, have: Value, want: Value) -> None:
    if have != want:
        raise InvariantBroken(f"{what}: the books say {have}, but it adds up to {want}")


def _fail(text: str) -> None:
    raise InvariantBroken(text)


def _must(holds: bool, otherwise: str) -> None:
    if not holds:
        raise InvariantBroken(otherwise)
