"""Attributes: what an agent says of itself that is not consumed (Mesos docs, "Attributes and resources"; M-AL-25)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from mesos_service.domain.errors import ConfigurationError
from mesos_service.domain.values import Ranges, format_milli, is_number, to_milli_signed

AttributeValue = int | Ranges | str
"""A scalar in thousandths (X40), ranges, or text."""


class Attribute(NamedTuple):
    """One attribute. Several may share a name; for offer constraints the first of them counts (X49)."""

    name: str
    value: AttributeValue

    @property
    def is_text(self) -> bool:
        return isinstance(self.value, str)

    def __str__(self) -> str:
        return f"{self.name}:{format_attribute_value(self.value)}"


def parse_attributes(text: str) -> tuple[Attribute, ...]:
    """Read ``--attributes=rack:r1;level:3;range:[1-10]``, in the order written.

    What reads as a number is a scalar (of three decimals), what stands in brackets is ranges, and all else is text,
    colons included. Raises :class:`~mesos_service.domain.errors.ConfigurationError` naming the piece at fault;
    sets are refused, as Mesos has none here.
    """
    return tuple(_parse_attribute(piece.strip()) for piece in text.split(";") if piece.strip())


def first(attributes: Iterable[Attribute], name: str) -> Attribute | None:
    """The first attribute called ``name``, which is the one that counts (X49), or ``None``."""
    for attribute in attributes:
        if attribute.name == name:
            return attribute
    return None


def format_attribute_value(value: AttributeValue) -> str:
    """The value as an operator would write it."""
    return format_milli(value) if isinstance(value, int) else str(value)


def format_attributes(attributes: Iterable[Attribute]) -> str:
    """The inverse of :func:`parse_attributes`, for attributes that came from it."""
    return ";".join(str(attribute) for attribute in attributes)


def _parse_attribute(piece: str) -> Attribute:
    name, colon, text = piece.partition(":")
    name, text = name.strip(), text.strip()
    if not colon or not name or not text:
        raise ConfigurationError(f"attribute '{piece}' is not of the form name:value")
    if text.startswith("{"):
        raise ConfigurationError(f"attribute '{piece}' is a set; attributes are scalars, ranges or text")
    try:
        if text.startswith("["):
            return Attribute(name, Ranges.parse(text))
        return Attribute(name, to_milli_signed(text) if is_number(text) else text)
    except ValueError as error:
        raise ConfigurationError(f"attribute '{piece}': {error}") from error
