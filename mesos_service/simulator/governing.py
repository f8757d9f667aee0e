"""An operator who gives roles quota, changes it and takes it away, while everything fails (M-OM-08, X36-X39).

He asks one thing at a time and repeats what is not answered. What he was told is so is in the registry (X16), and stays
there under every later master until he asks for something else.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from mesos_service.core import operator_messages
from mesos_service.domain.errors import InvariantBroken
from mesos_service.domain.ids import Role
from mesos_service.plugins.allocator import Quota
from mesos_service.simulator.masters import MasterNode, Masters

FORCED: Final = 0.3
"""How many of his calls may guarantee more than there is, or limit a role below what it has."""


class Governor:
    """Gives quota to ``roles``, which are top-level ones; ``note`` is told what he asks."""

    def __init__(
        self, masters: Masters, roles: Sequence[Role], source: random.Random, note: Callable[[str], None]
    ) -> None:
        self.answers: dict[int, int] = {}
        """How often he was answered so."""
        self._masters = masters
        self._clock = masters.clock
        self._roles = roles
        self._source = source
        self._note = note
        self._known: dict[Role, Quota] = {}
        """What holds for each role; who is not in here has either what he was last asked to have, or what he had."""
        self._busy = False
        self._lifts = False
        self._step = 0
        """What is asked now; answers to what was asked before say nothing any more."""
        self._known.update(dict.fromkeys(roles, Quota()))

    @property
    def waits(self) -> bool:
        """Whether something is asked and not answered yet."""
        return self._busy

    def begin(self) -> None:
        """Ask for something, unless something is asked already."""
        if not self._busy and not self._lifts:
            role = self._source.choice(self._roles)
            self.ask(role, self._draw(), force=self._source.random() < FORCED)

    def lift(self) -> None:
        """From now on take all quota away, until nothing is left of it."""
        self._lifts = True
        if not self._busy:
            self._next()

    def check(self) -> None:
        """The registry has what was told."""
        for role, quota in self._known.items():
            stored = self._masters.store.registry.quotas.get(role, Quota())
            if stored != quota:
                raise InvariantBroken(f"an operator was told that role {role} has {quota}, and stored is {stored}")

    def reckon(self, master: MasterNode) -> None:
        """He has lifted all of it."""
        self.check()
        if self._busy or master.state.quotas or self._masters.store.registry.quotas:
            raise InvariantBroken(f"quota was lifted, and {master.name} has {master.state.quotas}")

    def ask(self, role: Role, quota: Quota, force: bool = False) -> None:
        """Ask for this now; nothing else may be asked for until it is answered."""
        self.check()
        before = self._known.pop(role, None)
        self._busy = True
        self._step += 1
        self._note(f"quota of {role}: {quota}{', forced' if force else ''}")
        self._try(self._step, role, before, quota, force, first=True)

    def _try(self, step: int, role: Role, before: Quota | None, quota: Quota, force: bool, first: bool) -> None:
        if step != self._step:
            return

        def answered(status: int) -> None:
            if step != self._step:
                return
            self._step += 1
            self._busy = False
            self.answers[status] = self.answers.get(status, 0) + 1
            if status == 200:
                self._known[role] = quota
            elif first and before is not None:
                self._known[role] = before
            self.check()
            if self._lifts:
                self._next()

        self._masters.operate(
            lambda request: operator_messages.OperatorUpdateQuota(
                request=request, quotas=((role, quota),), force=force
            ),
            answered,
        )
        again = partial(self._try, step, role, before, quota, force, first=False)
        self._clock.after(self._source.uniform(1.0, 2.0), again)

    def _next(self) -> None:
        for role in self._roles:
            if self._known.get(role) != Quota():
                self.ask(role, Quota())
                return

    def _draw(self) -> Quota:
        """Nothing, a limit, a guarantee, or both."""
        kind = self._source.random()
        if kind < 0.2:
            return Quota()
        guarantees = {"cpus": self._source.choice((1000, 2500, 6000)), "mem": self._source.choice((256, 2048)) * 1000}
        limits = {"cpus": self._source.choice((6000, 8000)), "mem": self._source.choice((2048, 6144)) * 1000}
        if kind < 0.5:
            # Now and then nothing at all: what the role has stays, and nothing comes to it.
            return Quota(limits={"cpus": self._source.choice((0, 500, 3000))} if kind < 0.4 else limits)
        return Quota(guarantees=guarantees, limits=limits if kind < 0.8 else {})
