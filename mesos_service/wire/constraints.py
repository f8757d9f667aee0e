"""Offer constraints: which agents' attributes a framework wants to see (Mesos: scheduler.proto)."""

from __future__ import annotations

from typing import Literal

import msgspec

from mesos_service.wire.base import Message

AttributeConstraintSelectorPseudoattributeType = Literal["UNKNOWN", "HOSTNAME", "REGION", "ZONE"]


class AttributeConstraint(Message, kw_only=True):
    selector: AttributeConstraintSelector
    predicate: AttributeConstraintPredicate


class AttributeConstraintSelector(Message, kw_only=True):
    pseudoattribute_type: AttributeConstraintSelectorPseudoattributeType | None = None
    attribute_name: str | None = None


class AttributeConstraintPredicate(Message, kw_only=True):
    exists: AttributeConstraintPredicateExists | None = None
    not_exists: AttributeConstraintPredicateNotExists | None = None
    text_equals: AttributeConstraintPredicateTextEquals | None = None
    text_not_equals: AttributeConstraintPredicateTextNotEquals | None = None
    text_matches: AttributeConstraintPredicateTextMatches | None = None
    text_not_matches: AttributeConstraintPredicateTextNotMatches | None = None


class AttributeConstraintPredicateExists(Message, kw_only=True):
    pass


class AttributeConstraintPredicateNotExists(Message, kw_only=True):
    pass


class AttributeConstraintPredicateTextEquals(Message, kw_only=True):
    value: str


class AttributeConstraintPredicateTextNotEquals(Message, kw_only=True):
    value: str


class AttributeConstraintPredicateTextMatches(Message, kw_only=True):
    regex: str


class AttributeConstraintPredicateTextNotMatches(Message, kw_only=True):
    regex: str


class OfferConstraints(Message, kw_only=True):
    role_constraints: dict[str, OfferConstraintsRoleConstraints] = msgspec.field(default_factory=dict)


class OfferConstraintsRoleConstraints(Message, kw_only=True):
    groups: tuple[OfferConstraintsRoleConstraintsGroup, ...] = ()


class OfferConstraintsRoleConstraintsGroup(Message, kw_only=True):
    attribute_constraints: tuple[AttributeConstraint, ...] = ()
