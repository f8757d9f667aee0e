"""The offer filter: which offers a framework does not want to see, said once and kept by the master (B44, N10).

A filter stands for one framework in one role, for as long as the framework says so in ``offer_filters`` or in Mesos'
``offer_constraints``. It is pure: no clock, no randomness, no I/O. What it says of an agent is asked for once, when the
filter or the agent changes, and remembered as one bit: a pair that a filter keeps apart costs a pass of the
allocator nothing, and causes no message at all.
"""

from __future__ import annotations

from abc import ABC
from typing import Any, ClassVar

from mesos_service.domain.resources import Resources
from mesos_service.plugins.verdict import Remedy, Veto
from mesos_service.plugins.views import AgentView

API_VERSION = 1


class OfferFilter(ABC):
    """Base of every offer filter; one file, one class. ``Config`` are the parameters that frameworks give.

    Each method says why not, or ``None``; a module has those it needs. ``reason`` of a veto is ``offer_filter``, which
    :func:`~mesos_service.plugins.offer_filter.filtered` sees to.
    """

    name: ClassVar[str]
    api_version: ClassVar[int] = API_VERSION
    Config: ClassVar[type[Any] | None] = None  # Any: a pydantic model of the module author's choosing

    def __init__(self, config: Any) -> None:  # Any: an instance of Config, or None where there is none
        self.config = config

    def about_agent(self, agent: AgentView, now: float) -> Veto | None:
        """Whether the agent is of no use whatever is free there. ``now`` is unix seconds, see :meth:`changes_at`.

        Not asked again before the agent, the filter, or the time that :meth:`changes_at` names.
        """
        return None

    def about_free(self, free: Resources) -> Veto | None:
        """Whether what is free on an agent is of no use. A "no" must stay one when even less is free."""
        return None

    def changes_at(self, now: float) -> float | None:
        """When :meth:`about_agent` may say something else because of the time alone; ``None``: never."""
        return None


def filtered(name: str, detail: str) -> Veto:
    """The veto of the filter ``name``; ``detail`` is a sentence."""
    return Veto(
        reason="offer_filter",
        culprit=name,
        detail=detail,
        lasting=True,
        wakes_on=frozenset({"subscribe", "update_framework", "agent_updated"}),
        remedies=(
            Remedy(
                action="drop_filter",
                by="framework",
                detail=f"Subscribe, or call UPDATE_FRAMEWORK, without the filter '{name}'.",
                arguments={"filter": name},
            ),
        ),
    )
