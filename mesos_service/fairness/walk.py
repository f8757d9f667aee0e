"""One pass whose grants are not those of the definition: what was wrong with them, grant by grant (N23)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial

from mesos_service.core.master.journal import Decided
from mesos_service.domain.resources import Resource, Resources
from mesos_service.domain.values import format_milli
from mesos_service.fairness.cluster import counts, top_of, unmet
from mesos_service.fairness.definition import Given, Naive


class Walk:
    """Follows the grants of one pass in the order in which they were made, and books them."""

    def __init__(self, books: Naive, decided: Decided, granted: list[Given], *, in_order: bool) -> None:
        self._books = books
        self._decided = decided
        self._granted = granted
        self._in_order = in_order
        self._found: list[tuple[str, str]] = []
        self._begun: tuple[str, bool] | None = None
        """The agent that is served, and whether to those who come first."""
        self._then = books
        """The books when it was begun: in the order of then all of its pieces are given."""
        self._order: list[Client] = []

    def run(self) -> list[tuple[str, str]]:
        """Rule and sentence of each thing that was wrong."""
        books, decided = self._books, self._decided
        books.begin(decided.now, full=decided.agents is None)
        if books.waits(decided.now):
            if self._granted:
                self._say("recovering", f"{len(self._granted)} offers were made while agents are waited for")
            self._book_all()
            return self._found
        before = books.copied()
        owed = {role: unmet(quota, books.consumed(role)) for role, quota in books.quotas.items()}
        guaranteeing = any(owed.values())
        for given in self._granted:
            refused = self._unlawful(given)
            if refused is not None:
                self._say(*refused)
            elif self._in_order and not guaranteeing:
                self._next(given)
            self._book(given)
        limit = decided.limit
        if limit is not None and len(self._granted) >= limit:
            # Of the agents that were left out nobody knows more than that.
            books.left_out = [name for name in books.agents if books.free(name)]
            return self._found
        if guaranteeing:
            self._guarantees(before, owed)
            if self._in_order:
                self._inverted(before)
        self._left_over(before)
        books.left_out = []
        return self._found

    def _say(self, rule: str, text: str) -> None:
        self._found.append((rule, text))

    def _book(self, given: Given) -> None:
        framework, role, agent, resources = given
        self._books.hold(framework, role, agent, resources)
        self._books.serve(framework, role)

    def _book_all(self) -> None:
        for given in self._granted:
            self._book(given)

    # -- lawful ----------------------------------------------------------------------------------------------
    def _unlawful(self, given: Given) -> tuple[str, str] | None:
        framework, role, agent, resources = given
        books = self._books
        one, where = books.frameworks[framework], books.agents[agent]
        what = f"{_shown(resources)} of agent {agent} to framework {framework} in role '{role}'"
        if role not in one.roles:
            return "role", f"{what}: the framework is not in that role"
        if not one.active or role in one.suppressed:
            return "unwanted", f"{what}: the framework {'wants no offers there' if one.active else 'is not connected'}"
        if not where.active or not where.listed:
            return "agent_closed", f"{what}: the agent is {'not on the whitelist' if where.active else 'not active'}"
        free = books.free(agent)
        if not free.contains(resources):
            return "not_free", f"{what}: only {_shown(free) or 'nothing'} was free"
        if not free.allocatable_to(role).contains(resources):
            return "reserved", f"{what}: some of it is reserved to others"
        if (framework, role) in where.barred:
            return "standing_filter", f"{what}: a filter of the framework's keeps that agent away"
        if not books.may_have(framework, role, agent).contains(resources):
            return "capability", f"{what}: the framework takes none such"
        if books.refuses_kind(framework, role, resources):
            return "too_little", f"{what}: that is less than the framework takes"
        if books.refuses(framework, role, agent, resources):
            return "refused_before", f"{what}: the framework had refused as much, and the filter still stood"
        return self._over_quota(given, what)

    def _over_quota(self, given: Given, what: str) -> tuple[str, str] | None:
        _, role, _, resources = given
        books = self._books
        amounts = resources.filter(counts).quantities()
        consumed = {top: books.consumed(top) for top in books.quotas}
        if role in books.quotas:
            for name, most in books.quotas[role].limits.items():
                over = consumed[role].get(name, 0) + amounts.get(name, 0) - most
                if amounts.get(name) and over > 0:
                    return "limit", f"{what}: that is {format_milli(over)} {name} over the role's limit"
        top = top_of(role)
        mine = unmet(books.quotas[top], consumed[top]) if top in books.quotas else {}
        required, available = books.required(consumed), books.available()
        for name, promised in required.items():
            taken = amounts.get(name, 0) - mine.get(name, 0)
            lacking = taken - max(0, available.get(name, 0) - promised)
            if taken > 0 and lacking > 0:
                return "headroom", f"{what}: {format_milli(lacking)} {name} of it was promised by guarantees"
        return None

    # -- fair ------------------------------------------------------------------------------------------------
    def _next(self, given: Given) -> None:
        framework, role, agent, _ = given
        books = self._books
        aged = books.frameworks[framework].aged
        if self._begun != (agent, aged):
            # What one leaves of an agent goes on to the next, in the order in which the agent was begun (X32).
            self._begun, self._then = (agent, aged), books.copied()
            self._order = sorted(self._then.order(), key=lambda client: not books.frameworks[client[0]].aged)
        for other, its_role in self._order:
            if (other, its_role) == (framework, role):
                return
            if books.frameworks[other].aged and not aged:
                if self._could_have(books, other, its_role, agent):
                    self._say(
                        "passed_over",
                        f"agent {agent}: framework {other} in role '{its_role}' has waited for too long and comes"
                        f" first, and framework {framework} in role '{role}' was served",
                    )
                    return
                continue
            smaller = _smaller(self._then, (other, its_role), (framework, role))
            if smaller is not None and self._could_have(books, other, its_role, agent):
                self._say(
                    "passed_over", f"agent {agent}: {_passed_over((other, its_role), (framework, role), smaller)}"
                )
                return

    def _could_have(self, books: Naive, framework: str, role: str, agent: str) -> Resources | None:
        consumed = {top: books.consumed(top) for top in books.quotas}
        free = books.may_have(framework, role, agent)
        offer = books.sized(role, free, consumed, books.required(consumed))
        return None if books.refuses(framework, role, agent, offer) else offer

    def _inverted(self, before: Naive) -> None:
        """Shares only grow within a pass: who ends it below where another began was ahead of him all the time."""
        books = self._books
        for framework, role, agent, resources in self._granted:
            if unmet_of(before, role):
                continue
            books.release(framework, role, agent, resources)
            for other, its_role in books.standing():
                if (other, its_role) == (framework, role):
                    continue
                smaller = _smaller(books, (other, its_role), (framework, role), began=before)
                if smaller is not None and self._could_have(books, other, its_role, agent):
                    text = _passed_over((other, its_role), (framework, role), smaller)
                    self._say("passed_over", f"agent {agent}: {text}")
                    break
            books.hold(framework, role, agent, resources)

    def _guarantees(self, before: Naive, owed: Mapping[str, Mapping[str, int]]) -> None:
        books = self._books
        for role in owed:
            missing = unmet(books.quotas[role], books.consumed(role))
            if not missing:
                continue
            for agent in self._looked_at(before):
                served = [one for one in self._granted if one[2] == agent]
                if any(unmet_of(before, one[1]) for one in served):
                    continue
                for framework, its_role in before.standing():
                    if its_role != role:
                        continue
                    free = before.may_have(framework, role, agent)
                    towards = free.filter(partial(_is_missing, missing))
                    towards = before.cut(towards, missing)
                    if towards and not before.refuses(framework, role, agent, towards):
                        names = ", ".join(f"{format_milli(amount)} {name}" for name, amount in missing.items())
                        self._say(
                            "guarantee",
                            f"role '{role}' is guaranteed {names} more, and framework {framework} could have had"
                            f" {_shown(towards)} of agent {agent}, which "
                            + (f"went to {served[0][0]}" if served else "nobody got"),
                        )
                        return

    def _left_over(self, before: Naive) -> None:
        books = self._books
        required = before.required({role: before.consumed(role) for role in before.quotas})
        consumed = {role: books.consumed(role) for role in books.quotas}
        for agent in self._looked_at(books):
            for framework, role in books.standing():
                free = books.may_have(framework, role, agent)
                offer = books.sized(role, free, consumed, required)
                if free and not books.refuses(framework, role, agent, offer):
                    self._say(
                        "left_over",
                        f"{_shown(offer)} of agent {agent} was offered to nobody, and framework {framework} in role"
                        f" '{role}' could have had it",
                    )
                    return

    def _looked_at(self, books: Naive) -> list[str]:
        """The agents that this pass was to look at."""
        touched = self._decided.agents
        return [name for name in books.agents if (touched is None or name in touched) and books.open(name)]


def unmet_of(books: Naive, role: str) -> dict[str, int]:
    """What of the guarantee above ``role`` is not consumed."""
    top = top_of(role)
    return unmet(books.quotas[top], books.consumed(top)) if top in books.quotas else {}


Client = tuple[str, str]
"""Framework and role."""


def _smaller(
    books: Naive, one: Client, other: Client, began: Naive | None = None
) -> tuple[str, float, str, float] | None:
    """Where the ways to both part, if ``one`` has the smaller share there: place and share of both.

    With ``began`` the other's share is what it was then. One who is to come first has no share to be compared (N08).
    """
    if books.frameworks[other[0]].aged and not books.frameworks[one[0]].aged:
        return None
    for mine, theirs in zip(books.places(*one), books.places(*other), strict=False):
        if mine != theirs:
            share, against = books.key(mine)[0], (began or books).key(theirs)[0]
            return (mine, share, theirs, against) if share < against else None
    return None


def _passed_over(one: Client, other: Client, shares: tuple[str, float, str, float]) -> str:
    _, share, _, against = shares
    return (
        f"framework {one[0]} in role '{one[1]}' was next, with a weighted share of {share:.4f}, and framework"
        f" {other[0]} in role '{other[1]}' was served, with {against:.4f}"
    )


def _is_missing(missing: Collection[str], resource: Resource) -> bool:
    return counts(resource) and resource.name in missing


def _shown(resources: Resources) -> str:
    return str(resources.unallocated())
