"""Quota: what roles are guaranteed, and what they may have at most (X36-X38; Mesos docs, "Quota").

Quota is set on top-level roles and on scalars. A role *consumes* what is reserved to it or below it, whether anybody
holds it or not, and what it and the roles below it hold of the unreserved, offers included (X36). What may be revoked,
and what is no scalar, counts neither for a guarantee nor for a limit (X37).

As in Apache Mesos, only offers to the top-level role itself are cut to its limit: what frameworks of its sub-roles
hold is consumed, and leaves the role less, but nobody stops them.

:class:`QuotaBook` is what is known between passes, :class:`Sizing` the part of quota in one pass:

- *limit*: unreserved scalars of an offer are cut to what is left; ranges and sets go whole with the first piece;
- *head-room*: what is promised and not consumed yet must be free somewhere. Offers are cut so that the free unreserved
  scalars of the whole cluster stay at or above it (X38). That is a quantity: it may be free on agents that are of no
  use to whom it was promised, which is why a pass begins with a stage for unsatisfied guarantees alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from mesos_service.core.allocation import reasons
from mesos_service.core.allocation.clients import Client, Minimum
from mesos_service.core.allocation.cutting import Cuts, shrink
from mesos_service.core.allocation.drf import Scale
from mesos_service.core.allocation.gates import WANTED, covers
from mesos_service.core.allocation.shapes import Attempt, Prepared, Shape, countable
from mesos_service.domain.errors import ConfigurationError
from mesos_service.domain.frameworks import Quantities
from mesos_service.domain.ids import Role
from mesos_service.domain.resources import Resources
from mesos_service.plugins.allocator import Quota
from mesos_service.plugins.verdict import Veto

UNBOUNDED: Final = 1 << 60

Left = dict[str, int]
"""Thousandths by name."""


class QuotaBook:
    """Who has quota, who has consumed how much of it, and what is free. Counts only while there is any quota."""

    def __init__(self) -> None:
        self.of: dict[Role, Quota] = {}
        self.consumed: dict[Role, Left] = {}
        """Of the roles in ``of``."""
        self.free: Left = {}
        """Unreserved, not revocable and held by nobody, on all agents."""
        self.passes = 0
        self.cuts = Cuts()

    def __bool__(self) -> bool:
        return bool(self.of)

    def set(self, role: Role, quota: Quota) -> None:
        """Quota without guarantees and limits is none. The books must be counted anew.

        Raises:
            ConfigurationError: the role is not at the top, or an amount is negative, or a guarantee is over its limit.
        """
        if "/" in role:
            raise ConfigurationError(f"Quota can only be set on top-level roles, and '{role}' is below another.")
        for name, amount in (*quota.guarantees.items(), *quota.limits.items()):
            if amount < 0:
                raise ConfigurationError(f"The quota of role '{role}' has a negative amount of {name}.")
        for name, amount in quota.guarantees.items():
            if amount > quota.limits.get(name, amount):
                raise ConfigurationError(f"The quota of role '{role}' guarantees more {name} than its limit.")
        if quota.guarantees or quota.limits:
            self.of[role] = quota
        else:
            self.of.pop(role, None)

    def watch(self, role: Role) -> None:
        """Count what ``role`` consumes although it has no quota."""
        self.of.setdefault(role, Quota())

    def forget(self) -> None:
        """Begin to count anew."""
        self.consumed = {role: {} for role in self.of}
        self.free = {}

    def reserve(self, total: Resources, sign: int) -> None:
        """``total`` of an agent has come (+1) or gone (-1): reservations in it are consumed."""
        for resource in total:
            if resource.key.reservations and isinstance(resource.value, int):
                consumed = self.consumed.get(top_of(resource.key.role))
                if consumed is not None:
                    consumed[resource.name] = consumed.get(resource.name, 0) + sign * resource.value

    def use(self, role: Role, resources: Resources, sign: int) -> None:
        """A framework in ``role`` holds ``resources`` from now on (+1), or no longer (-1)."""
        consumed = self.consumed.get(top_of(role))
        if consumed is not None:
            for name, amount in countable(resources.unallocated()):
                consumed[name] = consumed.get(name, 0) + sign * amount

    def grant(self, prepared: Prepared, times: int) -> None:
        """So many offers of ``prepared`` were made."""
        consumed = self.consumed.get(top_of(prepared.client.role))
        for name, amount in prepared.countable:
            self.free[name] = self.free.get(name, 0) - times * amount
            if consumed is not None:
                consumed[name] = consumed.get(name, 0) + times * amount

    def took(self, role: Role | None, amounts: Quantities) -> None:
        """Many offers were made: so much is consumed by ``role``, a top-level one; or, of all roles, no longer free."""
        if role is None:
            for name, amount in amounts.items():
                self.free[name] = self.free.get(name, 0) - amount
        else:
            consumed = self.consumed[role]
            for name, amount in amounts.items():
                consumed[name] = consumed.get(name, 0) + amount

    def move_free(self, before: Resources, after: Resources) -> None:
        """What is free on an agent has changed."""
        free = self.free
        for name, amount in countable(before):
            free[name] = free.get(name, 0) - amount
        for name, amount in countable(after):
            free[name] = free.get(name, 0) + amount

    def unsatisfied(self, role: Role) -> Left:
        """What of the guarantee of ``role`` is not consumed yet; no zeros."""
        consumed = self.consumed[role]
        guarantees = self.of[role].guarantees.items()
        return {name: amount - consumed.get(name, 0) for name, amount in guarantees if amount > consumed.get(name, 0)}


class Sizing:
    """Cuts the offers of one pass, and writes down what they take. Changes nothing in the book."""

    def __init__(self, book: QuotaBook, scale: Scale) -> None:
        self._book = book
        book.passes += 1
        self.number = book.passes
        """Of the pass. What was cut to too little once in it stays so (``Prepared.sized_at``)."""
        self._scale = scale
        self._limits = {role: quota.limits for role, quota in book.of.items() if quota.limits}
        self.limited = frozenset(self._limits)
        self._consumed = {role: dict(consumed) for role, consumed in book.consumed.items()}
        self.unsatisfied = {role: left for role in book.of if (left := book.unsatisfied(role))}
        """Guarantees that stage one is to serve, by role."""
        self._required: Left = {}
        for left in self.unsatisfied.values():
            for name, amount in left.items():
                self._required[name] = self._required.get(name, 0) + amount
        self._surplus = {name: book.free.get(name, 0) - amount for name, amount in self._required.items()}
        """Free above what is required; only of what is required at all. Below 0 when promises exceed what is free."""
        self._gates: dict[tuple[Role, Shape, Minimum], tuple[Left, Left, _CutTooSmall]] = {}
        """The last gate that was too small for a role, and what was consumed and left when it was."""
        self._refused: dict[tuple[Role, Shape, Minimum], tuple[Resources, Prepared]] = {}
        """An offer that was cut to too little in stage two, for the first one of a role that asked: all of it, and the
        refusal."""

    # -- stage one -------------------------------------------------------------------------------------------
    def guaranteed(self, shape: Shape, client: Client, prepared: Prepared) -> tuple[Prepared, Left] | None:
        """The offer by which the client's role comes nearer to its guarantee, and the part of it that does; or none.

        With that part goes what is reserved to the role, all that is no scalar or may be revoked, and of the other
        scalars what limit and head-room allow.
        """
        unsatisfied = self.unsatisfied.get(client.role)
        if not unsatisfied:
            return None
        limits = self._limits.get(client.role)
        consumed = self._consumed[client.role]
        surplus = self._surplus
        # The piece is the same as the last one where as much is asked for and left, as far as the offer goes.
        state: list[int] = []
        for name, amount in prepared.countable:
            state += (min(amount, unsatisfied.get(name, 0)), min(amount, surplus.get(name, amount)))
            if limits and name in limits:
                # Less what goes towards the guarantee, which is no more than the amount.
                state.append(min(2 * amount, limits[name] - consumed.get(name, 0)))
        known = prepared.guaranteed
        if known is not None and known[0] == state:
            return known[1]
        scalars, rest = prepared.halves()
        towards = shrink(scalars, unsatisfied, others=False)
        if not towards:
            return None
        progress = dict(countable(towards))
        more = scalars - towards
        if limits:
            more = shrink(
                more, {name: limit - consumed.get(name, 0) - progress.get(name, 0) for name, limit in limits.items()}
            )
        more = shrink(more, surplus)
        piece = self._piece(shape, client, towards + rest + more)
        if piece.blocked is None:
            prepared.guaranteed = state, (piece, progress)
        return piece, progress

    def take_guaranteed(self, client: Client, offer: Resources, progress: Left) -> None:
        """The offer of :meth:`guaranteed` is made."""
        unsatisfied = self.unsatisfied[client.role]
        consumed = self._consumed[client.role]
        for name, amount in countable(offer):
            consumed[name] = consumed.get(name, 0) + amount
            if name in self._surplus:
                self._surplus[name] -= amount - progress.get(name, 0)
            if name in unsatisfied:
                unsatisfied[name] -= amount
                if unsatisfied[name] <= 0:
                    del unsatisfied[name]
        if not unsatisfied:
            del self.unsatisfied[client.role]
        for name, amount in progress.items():
            self._required[name] -= amount
            if self._required[name] <= 0:
                del self._required[name]
                del self._surplus[name]

    # -- stage two -------------------------------------------------------------------------------------------
    def room(self, largest: Mapping[str, int]) -> int:
        """How many offers of at most ``largest`` head-room is sure to leave whole, to roles without a limit."""
        counts = [max(0, amount) // largest[name] for name, amount in self._surplus.items() if largest.get(name)]
        return min(counts, default=UNBOUNDED)

    def sized(self, shape: Shape, client: Client, prepared: Prepared) -> Prepared:
        """``prepared`` itself, or the piece of it that limit and head-room leave; that may be blocked."""
        limits = self._limits.get(client.role)
        surplus = self._surplus
        if limits is None and not surplus:
            return prepared
        if prepared.sized_at == self.number:
            # Within a pass ever less is left, so that what was too little once stays so.
            assert prepared.sized is not None
            return prepared.sized
        same = (client.role, shape, client.minimum)
        whole, refusal = self._refused.get(same, (None, None))
        if refusal is not None and whole is prepared.offer:
            # What was too little for one framework of a role is so for the others, and need not be cut for each. The
            # refusal names the role and not the framework, so that it is theirs as it is.
            prepared.sized, prepared.sized_for, prepared.sized_at = refusal, None, self.number
            return refusal
        left = dict(surplus)
        if limits is not None:
            consumed = self._consumed[client.role]
            for name, limit in limits.items():
                most = limit - consumed.get(name, 0)
                left[name] = min(left.get(name, most), most)
        for name, amount in prepared.countable:
            if amount > left.get(name, amount):
                break
        else:
            return prepared
        # The piece is often the same as the last one, and of a limit that is used up, nothing. Where nothing is left to
        # offer, all amounts have to be the same: the veto tells them.
        piece = prepared.sized
        state = tuple([(name, min(amount, max(0, left.get(name, amount)))) for name, amount in prepared.countable])
        if piece is None or prepared.sized_for != (state if piece.blocked is None else (state, left, surplus)):
            piece = prepared.sized = self._piece(shape, client, self._book.cuts.of(prepared, state))
            prepared.sized_for = state if piece.blocked is None else (state, left, dict(surplus))
        if piece.blocked is not None:
            prepared.sized_at = self.number
            if piece.blocked is not WANTED:
                self._refused[same] = prepared.offer, piece
        return piece

    def ask_anew(self) -> None:
        """Forget what was refused: ever less was left since, and a veto that is to be told says how much is missing."""
        self._book.passes += 1
        self.number = self._book.passes
        self._refused.clear()

    def is_of_concern(self, role: Role) -> bool:
        """Whether anything is left to be minded when ``role`` is offered something in stage two."""
        return bool(self._surplus) or role in self._limits

    def leaves(self, prepared: Prepared) -> bool:
        """Whether head-room and limit leave all of what somebody else has prepared."""
        surplus = self._surplus
        if surplus and any(amount > surplus.get(name, amount) for name, amount in prepared.countable):
            return False
        limits = self._limits.get(prepared.client.role)
        if limits is None:
            return True
        consumed = self._consumed[prepared.client.role]
        for name, amount in prepared.countable:
            if name in limits and amount > limits[name] - consumed.get(name, 0):
                return False
        return True

    def take(self, prepared: Prepared, times: int = 1) -> None:
        """``prepared`` is offered so many times, in stage two."""
        consumed = self._consumed.get(prepared.client.role)
        surplus = self._surplus
        if consumed is None and not surplus:
            return
        for name, amount in prepared.countable:
            if consumed is not None:
                consumed[name] = consumed.get(name, 0) + times * amount
            if name in surplus:
                surplus[name] -= times * amount

    def left(self) -> tuple[Left, dict[Role, Left]]:
        """What head-room leaves, and what the limit of each role that has one: of what is not named, any amount."""
        limits = {
            role: {name: limit - self._consumed[role].get(name, 0) for name, limit in limits.items()}
            for role, limits in self._limits.items()
        }
        return dict(self._surplus), limits

    def took(self, surplus: Mapping[str, int], limits: Mapping[Role, Mapping[str, int]]) -> None:
        """So much less is left than :meth:`left` said, as somebody else kept count."""
        for name, amount in surplus.items():
            self._surplus[name] -= amount
        for role, amounts in limits.items():
            consumed = self._consumed[role]
            for name, amount in amounts.items():
                consumed[name] = consumed.get(name, 0) + amount

    def _gate(self, shape: Shape, client: Client) -> _CutTooSmall | None:
        """The gate that was too small for somebody of the client's role, if the same is left now."""
        known = self._gates.get((client.role, shape, client.minimum))
        if known is None or known[0] != self._consumed.get(client.role, {}) or known[1] != self._surplus:
            return None
        return known[2]

    def _piece(self, shape: Shape, client: Client, offer: Resources) -> Prepared:
        """A smaller offer, which must reach the minimum as well (X29b)."""
        quantities = offer.quantities()
        if not offer or (client.minimum and not covers(quantities, client.minimum)):
            attempt = Attempt(shape, client)
            attempt.shrink(offer)
            return Prepared.refused(self._too_small(attempt), attempt)
        if client.filters and any(one.about_free(offer) is not None for one in client.filters):
            attempt = Attempt(shape, client)
            attempt.shrink(offer)
            return Prepared.refused(WANTED, attempt)
        return Prepared(client, shape.free, offer, quantities, self._scale)

    def _too_small(self, attempt: Attempt) -> _CutTooSmall:
        """The gate for it: all frameworks of a role run into the same one, as long as the same is left."""
        client = attempt.client
        gate = self._gate(attempt.shape, client)
        if gate is None:
            gate = _CutTooSmall(self, attempt)
            left = dict(self._consumed.get(client.role, {})), dict(self._surplus)
            self._gates[client.role, attempt.shape, client.minimum] = *left, gate
        return gate

    def missing_to(self, wanted: Quantities, role: Role) -> tuple[Left, Left]:
        """How much more limit ``role`` would need to be offered ``wanted``, and how much more head-room; no zeros."""
        consumed = self._consumed.get(role, {})
        limits = self._limits.get(role, {})
        limit = {name: consumed.get(name, 0) + wanted[name] - limits[name] for name in wanted if name in limits}
        room = {name: wanted[name] - self._surplus[name] for name in wanted if name in self._surplus}
        return _positive(limit), _positive(room)


class _CutTooSmall:
    """The gate of sizing: what quota left of an offer does not reach the minimum."""

    def __init__(self, sizing: Sizing, attempt: Attempt) -> None:
        client = attempt.client
        # The least that is an offer: an alternative of the minimum that the agent could cover, or else all of it.
        shape = attempt.shape
        whole = shape.free.allocatable_to(client.role).quantities() if shape.has_reserved else shape.quantities
        least: list[Quantities] = [dict(one) for one in client.minimum if covers(whole, (one,))] or [whole]
        self._limit, self._room = min(
            (sizing.missing_to(wanted, client.role) for wanted in least),
            key=lambda missing: sum(missing[0].values()) + sum(missing[1].values()),
        )
        self.reason = reasons.QUOTA_LIMIT if self._limit else reasons.QUOTA_HEADROOM

    def refuses(self, attempt: Attempt) -> bool:
        return True

    def veto(self, attempt: Attempt) -> Veto:
        if self._limit:
            return reasons.quota_limit(attempt.client.role, attempt.offer, self._limit)
        return reasons.quota_headroom(attempt.offer, self._room)


def _positive(amounts: Mapping[str, int]) -> Left:
    return {name: amount for name, amount in amounts.items() if amount > 0}


def top_of(role: str) -> Role:
    """The top-level role above ``role``, or itself."""
    return Role(role.partition("/")[0])
