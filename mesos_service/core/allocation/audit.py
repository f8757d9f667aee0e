"""Do the books add up? Slow and thorough: for tests, simulation and post-mortems."""

from __future__ import annotations

from collections.abc import Iterator

from mesos_service.core.allocation.drf import Amounts
from mesos_service.core.allocation.entries import by_role
from mesos_service.core.allocation.ledger import Ledger
from mesos_service.domain.ids import FrameworkId, Role


def contradictions(ledger: Ledger) -> list[str]:
    """Sentences on what in the books does not add up; empty when all is well."""
    return [*_agents(ledger), *_accounts(ledger), *ledger.sorter.contradictions()]


def _agents(ledger: Ledger) -> Iterator[str]:
    for agent_id, agent in ledger.agents.items():
        held = agent.held()
        if not agent.overbooked and agent.free + held != agent.total:
            yield f"agent {agent_id}: free {agent.free} and held {held} do not make {agent.total}"
        if not agent.total.contains(agent.free):
            yield f"agent {agent_id}: free {agent.free} exceeds {agent.total}"
        if agent.is_open is not bool(ledger.table.open[agent.index]):
            yield f"agent {agent_id}: wrongly among the candidates, or wrongly not"
        if ledger.table.books[agent.index] is not agent or ledger.table.serials[agent.index] != agent.serial:
            yield f"agent {agent_id}: its row in the table is another's"
        if agent.barred & ~agent.vetoed:
            yield f"agent {agent_id}: whom a standing filter bars would be asked"
        if agent.vetoed and not ledger.table.vetoing[agent.index]:
            yield f"agent {agent_id}: there are vetoes that nobody would look for"
    for index in ledger.table.all_open().tolist():
        if ledger.table.ids[index] not in ledger.agents:
            yield f"row {index} has no agent but is a candidate"


def _accounts(ledger: Ledger) -> Iterator[str]:
    sums: dict[tuple[FrameworkId, Role], dict[str, int]] = {}
    totals: dict[str, int] = {}
    for agent in ledger.agents.values():
        for framework_id in {**agent.offered, **agent.allocated}:
            for role, part in by_role(agent.held_by(framework_id)):
                mine = sums.setdefault((framework_id, role), {})
                for name, amount in part.quantities().items():
                    mine[name] = mine.get(name, 0) + amount
        for name, amount in agent.total.quantities().items():
            totals[name] = totals.get(name, 0) + amount
    for framework_id, framework in ledger.frameworks.items():
        for role, client in framework.clients.items():
            wanted = sums.pop((framework_id, role), {})
            if _named(ledger, client.amounts) != wanted:
                yield f"{framework_id} in {role} holds {wanted}, its account says {client.amounts}"
            if role not in framework.view.roles and not wanted:
                yield f"{framework_id} left {role} and holds nothing there, but is still in it"
            if client.standing is not framework.wants_offers(role):
                yield f"{framework_id} in {role}: wrongly in the order, or wrongly not"
    for (framework_id, role), rest in sums.items():
        if framework_id in ledger.frameworks and rest:
            yield f"{framework_id} holds {rest} in {role} without an account"
    for name, total in _named(ledger, ledger.scale.totals).items():
        if totals.get(name, 0) != total:
            yield f"the cluster has {totals.get(name, 0)} {name}, not {total}"


def _named(ledger: Ledger, amounts: Amounts) -> dict[str, int]:
    return {name: amount for name, amount in zip(ledger.scale.names(), amounts, strict=True) if amount}
