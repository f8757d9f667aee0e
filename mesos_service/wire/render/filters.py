"""Which offer filters frameworks may ask for, and how many do (N10)."""

from __future__ import annotations

import inspect

from pydantic import BaseModel

from mesos_service.core.master.filtering import CONSTRAINTS
from mesos_service.core.master.state import MasterState
from mesos_service.plugins.offer_filter import OfferFilter
from mesos_service.wire.filters import FilterModule, FilterParameter, FiltersAnswer


def filters_answer(state: MasterState) -> FiltersAnswer:
    """By name. Linear in frameworks."""
    standing: dict[str, int] = {}
    for framework in state.frameworks.values():
        for specs in framework.info.filters.values():
            for name in {spec.name for spec in specs}:
                standing[name] = standing.get(name, 0) + 1
        standing[CONSTRAINTS] = standing.get(CONSTRAINTS, 0) + len(framework.info.constraints.by_role)
    hung = state.options.hung_filters
    return FiltersAnswer(
        filters=tuple(
            FilterModule(
                name=name,
                summary=(inspect.getdoc(kind) or "").partition("\n")[0],
                standing=standing.get(name, 0),
                parameters=_parameters(kind),
                disabled=f"{hung[kind]}() did not come back." if kind in hung else None,
            )
            for name, kind in sorted(state.options.offer_filters.items())
        )
    )


def _parameters(kind: type[OfferFilter]) -> tuple[FilterParameter, ...]:
    config: type[BaseModel] | None = kind.Config
    fields = {} if config is None else config.model_fields
    return tuple(FilterParameter(name=one.alias or name, required=one.is_required()) for name, one in fields.items())
