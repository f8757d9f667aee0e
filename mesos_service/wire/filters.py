"""Answers of ``/api/v1/filters``, which Mesos does not have."""

from __future__ import annotations

from mesos_service.wire.base import Message, printed


class FilterParameter(Message, kw_only=True):
    name: str
    required: bool


class FilterModule(Message, kw_only=True):
    """``standing`` counts frameworks in roles for which it stands; ``disabled`` says why nobody can have it, if so."""

    name: str
    summary: str
    standing: int
    parameters: tuple[FilterParameter, ...] = printed(())
    disabled: str | None = None


class FiltersAnswer(Message, kw_only=True):
    filters: tuple[FilterModule, ...] = printed(())
