"""Mesos' offer constraints: which agents' attributes a framework wants to see (M-AL-14; scheduler.proto).

An agent is offered when it meets all constraints of at least one group. A constraint selects an attribute, of several
of one name the first (X49), or the hostname, region or zone, and says something about it. Predicates about text hold
for attributes that are there and are no text, as schedulers may have their own view of numbers; of what is not there,
only the negated ones hold. Patterns match whole texts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from mesos_service.domain.attributes import AttributeValue, format_attribute_value
from mesos_service.domain.patterns import Pattern
from mesos_service.plugins.allocator import AgentView
from mesos_service.plugins.offer_filter import OfferFilter, filtered
from mesos_service.plugins.verdict import Veto

KNOWN_MAX: Final = 4096
"""Of so many kinds of agents it is remembered whether they are wanted."""
TOLD_MAX: Final = 4
"""Of so many groups an agent's veto says why they do not hold: there may be a thousand, and fifty thousand agents."""

Fact = tuple[str | None, str | None]
"""Of an agent: ``HOSTNAME``, ``REGION`` or ``ZONE``; or else the name of an attribute."""
Check = Callable[[AttributeValue | None], bool]
"""Whether a constraint holds of a value; ``None`` where it is not there."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Empty(_Part):
    """``{}``"""


class Text(_Part):
    value: str


class Regex(_Part):
    """A pattern for a whole text."""

    regex: str

    @field_validator("regex")
    @classmethod
    def _is_pattern(cls, text: str) -> str:
        Pattern(text)
        return text


class Selector(_Part):
    """Which attribute is meant; exactly one of the two."""

    pseudoattribute_type: Literal["HOSTNAME", "REGION", "ZONE"] | None = None
    attribute_name: str | None = None

    @model_validator(mode="after")
    def _one(self) -> Selector:
        if (self.pseudoattribute_type is None) == (self.attribute_name is None):
            raise ValueError(
                "a selector has either an attribute_name or a pseudoattribute_type of HOSTNAME, REGION, ZONE"
            )
        return self

    @property
    def fact(self) -> Fact:
        return self.pseudoattribute_type, self.attribute_name

    def __str__(self) -> str:
        return self.attribute_name or (self.pseudoattribute_type or "").lower()


class Predicate(_Part):
    """What is said of it; exactly one of these."""

    exists: Empty | None = None
    not_exists: Empty | None = None
    text_equals: Text | None = None
    text_not_equals: Text | None = None
    text_matches: Regex | None = None
    text_not_matches: Regex | None = None

    @model_validator(mode="after")
    def _one(self) -> Predicate:
        if len(self.model_fields_set) != 1 or getattr(self, self.kind) is None:
            raise ValueError("a predicate is exactly one of exists, not_exists, text_equals and so on")
        return self

    @property
    def kind(self) -> str:
        return next(iter(self.model_fields_set), "exists")

    def check(self, patterns: dict[str, Pattern]) -> Check:
        """Whether it holds of a value. ``patterns`` are those that were read already, by their text."""
        if self.exists is not None:
            return lambda value: value is not None
        if self.not_exists is not None:
            return lambda value: value is None
        text, regex = self.text_equals or self.text_not_equals, self.text_matches or self.text_not_matches
        if text is not None:
            check = _equals(text.value)
        else:
            assert regex is not None, "validation saw to it"
            check = _matches(patterns.get(regex.regex) or patterns.setdefault(regex.regex, Pattern(regex.regex)))
        return check if self.text_equals is not None or self.text_matches is not None else _not(check)

    def __str__(self) -> str:
        part = getattr(self, self.kind)
        said = getattr(part, "value", None) or getattr(part, "regex", "")
        return f"{self.kind}{f' {said!r}' if said else ''}"


class Constraint(_Part):
    selector: Selector
    predicate: Predicate


class Group(_Part):
    attribute_constraints: tuple[Constraint, ...] = Field(min_length=1)


class Parameters(_Part):
    """As ``RoleConstraints`` of Mesos."""

    groups: tuple[Group, ...] = Field(min_length=1)


class AttributeConstraints(OfferFilter):
    """Set by ``offer_constraints`` of SUBSCRIBE and UPDATE_FRAMEWORK, and like any other filter by name."""

    name: ClassVar[str] = "attribute_constraints"
    api_version: ClassVar[int] = 1
    Config: ClassVar[type[Any] | None] = Parameters

    def __init__(self, config: Parameters) -> None:
        super().__init__(config)
        patterns: dict[str, Pattern] = {}
        self._selected = {one.selector.fact for group in config.groups for one in group.attribute_constraints}
        self._texts: dict[Fact, set[str]] = {}
        """Of groups that ask for no more than that a fact equals a text: the texts. One look answers for all."""
        self._groups: list[list[tuple[Fact, Check]]] = []
        """All other groups."""
        for group in config.groups:
            only = group.attribute_constraints[0]
            if len(group.attribute_constraints) == 1 and only.predicate.text_equals is not None:
                self._texts.setdefault(only.selector.fact, set()).add(only.predicate.text_equals.value)
            else:
                checks = [(one.selector.fact, one.predicate.check(patterns)) for one in group.attribute_constraints]
                self._groups.append(checks)
        self._told = [
            [
                (one.selector.fact, one.predicate.check(patterns), str(one.selector), str(one.predicate))
                for one in listed
            ]
            for listed in (group.attribute_constraints for group in config.groups[:TOLD_MAX])
        ]
        """The first groups, with what is said of each constraint that does not hold."""
        self._known: dict[tuple[tuple[Fact, AttributeValue], ...], bool] = {}
        """What was found of agents, by what is asked for of them: few differ in that."""

    def about_agent(self, agent: AgentView, now: float) -> Veto | None:
        values = self._values(agent)
        facts = tuple(values.items())
        holds = self._known.get(facts)
        if holds is None:
            if len(self._known) >= KNOWN_MAX:
                self._known.clear()
            holds = self._known[facts] = self._holds(values)
        return None if holds else self._veto(agent, values)

    def _values(self, agent: AgentView) -> dict[Fact, AttributeValue]:
        """What is asked for and is there; of several attributes of one name the first (X49)."""
        values: dict[Fact, AttributeValue] = {}
        for kind, value in (("HOSTNAME", agent.hostname), ("REGION", agent.region), ("ZONE", agent.zone)):
            if value is not None and (kind, None) in self._selected:
                values[kind, None] = value
        for name, text in agent.attributes:
            if (None, name) in self._selected:
                values.setdefault((None, name), text)
        return values

    def _holds(self, values: Mapping[Fact, AttributeValue]) -> bool:
        for fact, texts in self._texts.items():
            value = values.get(fact)
            if value is not None and (not isinstance(value, str) or value in texts):
                return True
        # As any() of all(), in a third of the time: there may be a thousand groups, and each agent is asked about.
        for group in self._groups:
            for fact, check in group:
                if not check(values.get(fact)):
                    break
            else:
                return True
        return False

    def _veto(self, agent: AgentView, values: Mapping[Fact, AttributeValue]) -> Veto:
        missed: list[str] = []
        for number, group in enumerate(self._told):
            fact, _, selector, predicate = next(one for one in group if not one[1](values.get(one[0])))
            value = values.get(fact)
            shown = "is not there" if value is None else f"is {format_attribute_value(value)}"
            missed.append(f"group {number}: {selector} {shown}, not {predicate}")
        more = len(self.config.groups) - len(missed)
        rest = f"; and so on, {more} more" if more else ""
        return filtered(self.name, f"No group of constraints holds for {agent.hostname}: {'; '.join(missed)}{rest}.")


def _equals(wanted: str) -> Check:
    return lambda value: value is not None and (not isinstance(value, str) or value == wanted)


def _matches(pattern: Pattern) -> Check:
    return lambda value: value is not None and (not isinstance(value, str) or pattern.matches(value))


def _not(check: Check) -> Check:
    return lambda value: not isinstance(value, str) or not check(value)
