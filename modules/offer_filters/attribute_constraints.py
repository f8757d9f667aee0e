"""Mesos' offer constraints: which agents' attributes a framework wants to see (M-AL-14; scheduler.proto).

An agent is offered when it meets all constraints of at least one group. A constraint selects an attribute, of several
of one name the first (X49), or the hostname, region or zone, and says something about it. Predicates about text hold
for attributes that are there and are no text, as schedulers may have their own view of numbers; of what is not there,
only the negated ones hold. Patterns match whole texts.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from mesos_service.domain.attributes import AttributeValue, first, format_attribute_value
from mesos_service.domain.patterns import Pattern
from mesos_service.plugins.allocator import AgentView
from mesos_service.plugins.offer_filter import OfferFilter, filtered
from mesos_service.plugins.verdict import Veto


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

    def value_of(self, agent: AgentView) -> AttributeValue | None:
        """``None``: it is not there."""
        match self.pseudoattribute_type:
            case "HOSTNAME":
                return agent.hostname
            case "REGION":
                return agent.region
            case "ZONE":
                return agent.zone
        assert self.attribute_name is not None, "validation saw to it"
        found = first(agent.attributes, self.attribute_name)
        return None if found is None else found.value

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
        self._patterns = {
            regex.regex: Pattern(regex.regex)
            for group in config.groups
            for one in group.attribute_constraints
            if (regex := one.predicate.text_matches or one.predicate.text_not_matches) is not None
        }

    def about_agent(self, agent: AgentView, now: float) -> Veto | None:
        missed: list[str] = []
        for number, group in enumerate(self.config.groups):
            broken = next((one for one in group.attribute_constraints if not self._holds(one, agent)), None)
            if broken is None:
                return None
            value = broken.selector.value_of(agent)
            shown = "is not there" if value is None else f"is {format_attribute_value(value)}"
            missed.append(f"group {number}: {broken.selector} {shown}, not {broken.predicate}")
        return filtered(self.name, f"No group of constraints holds for {agent.hostname}: {'; '.join(missed)}.")

    def _holds(self, constraint: Constraint, agent: AgentView) -> bool:
        value, predicate = constraint.selector.value_of(agent), constraint.predicate
        if predicate.exists is not None:
            return value is not None
        if predicate.not_exists is not None:
            return value is None
        if value is None:
            return predicate.text_not_equals is not None or predicate.text_not_matches is not None
        if not isinstance(value, str):
            return True
        if predicate.text_equals is not None:
            return value == predicate.text_equals.value
        if predicate.text_not_equals is not None:
            return value != predicate.text_not_equals.value
        if predicate.text_matches is not None:
            return self._patterns[predicate.text_matches.regex].matches(value)
        assert predicate.text_not_matches is not None, "validation saw to it"
        return not self._patterns[predicate.text_not_matches.regex].matches(value)
