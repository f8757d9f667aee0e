"""What roles have consumed of their quota, counted from the books of all agents (X36)."""

from __future__ import annotations

from collections.abc import Container, Iterable

from mesos_service.core.allocation.entries import AgentBook, by_role
from mesos_service.core.allocation.quota import QuotaBook, top_of
from mesos_service.domain.ids import FrameworkId, Role
from mesos_service.domain.resources import Resources


def count(book: QuotaBook, agents: Iterable[AgentBook], frameworks: Container[FrameworkId], *, offers: bool) -> None:
    """Count ``book`` anew. Only what ``frameworks`` hold counts; ``offers`` says whether offers do."""
    book.forget()
    if not book:
        return
    for agent in agents:
        book.reserve(agent.total, 1)
        book.move_free(Resources.EMPTY, agent.free)
        for holdings in (agent.offered, agent.allocated) if offers else (agent.allocated,):
            for framework_id, resources in holdings.items():
                if framework_id in frameworks:
                    for role, part in by_role(resources):
                        book.use(role, part, 1)


def consumed_by(role: Role, agents: Iterable[AgentBook], frameworks: Container[FrameworkId]) -> dict[str, int]:
    """What operators are told, for any role: offers are left out. Thousandths by name."""
    book = QuotaBook()
    top = top_of(role)
    book.watch(top)
    count(book, agents, frameworks, offers=False)
    return book.consumed[top]
