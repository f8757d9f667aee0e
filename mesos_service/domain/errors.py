"""The few kinds of failure (refusals are data; faults are named; broken invariants are our own mistakes)."""

from __future__ import annotations


class MesosServiceError(Exception):
    """Root of every exception this project raises on purpose."""


class OperatingFault(MesosServiceError):
    """The world misbehaved (a lost lock, a failed commit, a silent peer); adapters turn it into a message."""


class ConfigurationError(MesosServiceError):
    """The operator asked for something that cannot be; the text says what to change."""


class InvariantBroken(MesosServiceError):
    """We contradicted ourselves. Never caught to carry on: it carries the story of what led there."""
