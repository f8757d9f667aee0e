"""The certificate: each decision of a run held against DRF's definition, and the run against what DRF promises (N23).

Three questions are asked, each of the books that the journal alone gives.

*Was it lawful?* Each grant is of what was free, on an open agent, to somebody who is in the role, wanted offers, may
have such resources, and had not refused as much; within the role's limit, and without what is promised to others.

*Was it fair?* First the definition decides by itself (:class:`~mesos_service.fairness.definition.Naive`), in the order
of agents where that is known. Where it decides alike, nothing more is to be asked. Where not, order alone wrongs
nobody, so grants are followed one by one: who had a smaller share than whoever was served, and could have had something
there, was passed over (envy-freeness); who could have had what is left over when the pass ends was left out (Pareto
efficiency); a guarantee that could have been served and was not was broken. Ties are nobody's wrong. Within a pass that
begins with guarantees to serve, pieces of two stages are one grant, so that there only those count as passed over who
had the smaller share even after the pass.

*Did it come out fair?* (DRF paper, section 3: sharing incentive.) Decisions may each be right while somebody who keeps
all he ever got leaves the others below what they would have had of a cluster divided by weights. A role that wants
offers, is below that by more than the largest agent's worth, and stays so for longer than the patience while another is
above its own by as much, is an inversion.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

from mesos_service.core.effects import Told
from mesos_service.core.master.journal import Decided
from mesos_service.fairness.cluster import top_of
from mesos_service.fairness.definition import Given, Naive
from mesos_service.fairness.replay import Contradiction, Replay
from mesos_service.fairness.walk import Walk
from mesos_service.plugins.allocator import FAIR_SHARES, GUARANTEES, LIMITS, WORK_CONSERVING, Grant

PROMISED_BY: Final = {
    "passed_over": FAIR_SHARES,
    "inversion": FAIR_SHARES,
    "left_over": WORK_CONSERVING,
    "guarantee": GUARANTEES,
    "headroom": GUARANTEES,
    "limit": LIMITS,
}
"""Which promise of an allocator a rule belongs to; the others hold for all."""
FINDINGS_MAX: Final = 100
"""So many are described; all are counted."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A decision that was not fair: the pass, counted from 1, the line of the journal, unix seconds, which ``rule`` was
    broken, and a sentence. ``file``: the segment in which that line is, where the journal has several."""

    pass_number: int
    line: int
    at: float
    rule: str
    text: str
    file: str = ""


@dataclass(slots=True)
class Inversion:
    """``role`` was below its part for as long, unix seconds, while ``above`` was over its own."""

    role: str
    above: str
    first_pass: int
    last_pass: int
    began: float
    ended: float
    share: float
    entitled: float
    share_above: float
    entitled_above: float

    def __str__(self) -> str:
        return (
            f"role '{self.role}' wanted offers and held {self.share:.3f} of its dominant resource, where its part is"
            f" {self.entitled:.3f}, from pass {self.first_pass} to {self.last_pass} ({self.ended - self.began:.1f} s),"
            f" while role '{self.above}' held {self.share_above:.3f} in place of {self.entitled_above:.3f}"
        )


@dataclass(slots=True)
class Certificate:
    """What was found; ``lines`` of the journal were read."""

    lines: int = 0
    passes: int = 0
    grants: int = 0
    as_defined: int = 0
    """Passes that decided as the definition does, to the last grant."""
    by_lot: int = 0
    """Passes whose order was drawn, so that of fairness only what is lawful was looked at."""
    unfair: int = 0
    findings: list[Finding] = field(default_factory=list)
    inversions: list[Inversion] = field(default_factory=list)
    allocator: str = ""
    promises: tuple[str, ...] = ()
    """What was asked: what the allocator promises, or was held to."""
    not_promised: dict[str, int] = field(default_factory=dict)
    """By rule, how often a decision was otherwise than one that promises it would have decided."""
    remarks: list[str] = field(default_factory=list)
    """About the journal itself."""
    holes: int = 0
    """Parts of the journal that are missing: nobody knows what was decided there."""
    broken_off: str = ""
    """Why the rest of the journal could not be followed."""

    @property
    def is_fair(self) -> bool:
        return not (self.unfair or self.inversions or self.broken_off or self.holes)


class Certifier:
    """Reads a journal from its beginning: :meth:`take` each line, and :meth:`close`."""

    def __init__(self, patience_seconds: float = 600.0, hold_to: Collection[str] | None = None) -> None:
        """``hold_to``: to which promises allocators are held; ``None``: to their own
        (:data:`~mesos_service.plugins.allocator.PROMISES`)."""
        self._patience = patience_seconds
        self._hold_to = hold_to
        self._file = ""
        self._replay = Replay()
        self._certificate = Certificate()
        self._below: dict[str, Inversion] = {}
        self._line = 0

    def remark(self, text: str, *, hole: bool) -> None:
        """About the journal: with a ``hole`` it proves nothing of what was decided there."""
        self._certificate.remarks.append(text)
        self._certificate.holes += hole

    def take(self, told: Told, line: int | None = None, file: str = "") -> None:
        """``line`` is counted where it is not said. After a contradiction nothing more is looked at."""
        self._line = self._line + 1 if line is None else line
        self._file = file
        if self._certificate.broken_off:
            return
        self._certificate.lines += 1
        try:
            if isinstance(told.arguments, Decided):
                self._judge(told.arguments)
            else:
                if told.method == "begin":
                    self._settle()
                self._replay.tell(told)
                if told.method == "begin":
                    self._look_at_promises()
        except Contradiction as error:
            self._certificate.broken_off = f"line {self._line} contradicts what came before: {error}"

    def close(self) -> Certificate:
        self._settle()
        return self._certificate

    # -- one pass --------------------------------------------------------------------------------------------
    def _judge(self, decided: Decided) -> None:
        found, replay = self._certificate, self._replay
        books = replay.books
        if books is None:
            raise Contradiction("a pass, and nothing has begun yet")
        found.passes += 1
        found.grants += len(decided.grants)
        if any(one.agent_id not in books.agents or one.framework_id not in books.frameworks for one in decided.grants):
            raise Contradiction("a grant to, or of, somebody who is not there")
        replay.look_at_agents(decided.now)
        granted = [_given(one) for one in decided.grants]
        if replay.drawn_by_lot:
            found.by_lot += 1
        elif replay.numbered and decided.seed is not None:
            trial = books.copied()
            if trial.allocate(decided.now, decided.seed, decided.agents, decided.limit) == granted:
                replay.books = trial
                found.as_defined += 1
                self._weigh(trial, decided)
                return
        walk = Walk(books, decided, granted, in_order=not replay.drawn_by_lot)
        for rule, text in walk.run():
            self._find(decided.now, rule, text)
        self._weigh(books, decided)

    def _find(self, at: float, rule: str, text: str) -> None:
        found = self._certificate
        if not self._is_promised(rule):
            found.not_promised[rule] = found.not_promised.get(rule, 0) + 1
            return
        found.unfair += 1
        if len(found.findings) < FINDINGS_MAX:
            found.findings.append(Finding(found.passes, self._line, at, rule, text, self._file))

    def _look_at_promises(self) -> None:
        promises = self._replay.promises if self._hold_to is None else sorted(self._hold_to)
        self._certificate.allocator = self._replay.allocator
        self._certificate.promises = tuple(promises)

    def _is_promised(self, rule: str) -> bool:
        promise = PROMISED_BY.get(rule)
        return promise is None or promise in self._certificate.promises

    # -- the run ---------------------------------------------------------------------------------------------
    def _weigh(self, books: Naive, decided: Decided) -> None:
        """Who is below his part after this pass, and who above."""
        now, number = decided.now, self._certificate.passes
        shares, entitled, wanting = _parts(books)
        slack = _largest_agent(books)
        above = [role for role, share in shares.items() if share > entitled[role] + slack]
        most = max(above, key=lambda role: (shares[role] - entitled[role], role), default=None)
        below = {role for role in wanting if most is not None and shares[role] < entitled[role] - slack}
        for role in [role for role in self._below if role not in below]:
            self._end(self._below.pop(role))
        for role in below:
            assert most is not None, "nobody is below where nobody is above"
            one = self._below.get(role)
            if one is None:
                mine, part = float(shares[role]), float(entitled[role])
                theirs, their_part = float(shares[most]), float(entitled[most])
                self._below[role] = Inversion(role, most, number, number, now, now, mine, part, theirs, their_part)
            else:
                one.last_pass, one.ended = number, now

    def _end(self, one: Inversion) -> None:
        if one.ended - one.began <= self._patience:
            return
        found = self._certificate
        if self._is_promised("inversion"):
            found.inversions.append(one)
        else:
            found.not_promised["inversion"] = found.not_promised.get("inversion", 0) + 1

    def _settle(self) -> None:
        for one in self._below.values():
            self._end(one)
        self._below.clear()


def _parts(books: Naive) -> tuple[dict[str, Fraction], dict[str, Fraction], set[str]]:
    """Of each top-level role that holds or wants something its dominant share, and its part of a cluster divided by
    weights; and which of them want offers and refuse none."""
    refusing = {(one.framework, one.role) for one in books.filters}
    standing = books.standing()
    wanting = {top_of(role) for framework, role in standing if (framework, role) not in refusing}
    holding = {top_of(role) for (framework, role, _) in books.held if framework in books.frameworks}
    roles = wanting | {top_of(role) for _, role in standing} | holding
    weights = {role: Fraction(books.weights.get(role, 1.0)) for role in roles}
    total = sum(weights.values())
    return {role: books.share(role) for role in roles}, {role: weights[role] / total for role in roles}, wanting


def _largest_agent(books: Naive) -> Fraction:
    """The largest share that one agent is: what is offered whole cannot be divided finer."""
    totals: dict[str, int] = {}
    for agent in books.agents.values():
        for name, amount in agent.total.quantities().items():
            totals[name] = totals.get(name, 0) + amount
    return max(
        (
            Fraction(amount, totals[name])
            for agent in books.agents.values()
            for name, amount in agent.total.quantities().items()
            if name not in books.excluded and totals[name]
        ),
        default=Fraction(0),
    )


def _given(grant: Grant) -> Given:
    return (str(grant.framework_id), str(grant.role), str(grant.agent_id), grant.resources.unallocated())
