"""What every offer filter must hold (N10). One whose parameters have no defaults is checked as far as that goes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from mesos_service.conformance.run import require
from mesos_service.domain.errors import ConfigurationError
from mesos_service.domain.ids import AgentId
from mesos_service.domain.resources import Resources
from mesos_service.plugins.allocator import AgentView
from mesos_service.plugins.loader import read_config
from mesos_service.plugins.offer_filter import OfferFilter

Kind = type[OfferFilter]
AGENT: Final = AgentView(agent_id=AgentId("agent"), hostname="host", total=Resources.parse("cpus:4;mem:4096"))


def _made(kind: Kind) -> OfferFilter | None:
    """With the defaults of its parameters, or ``None`` where it needs some."""
    try:
        return kind(read_config(kind, {}))
    except ConfigurationError:
        return None


def it_decides_something(kind: Kind) -> None:
    """Without one of the two it lets everything pass."""
    silent = kind.about_agent is OfferFilter.about_agent and kind.about_free is OfferFilter.about_free
    require(not silent, "It has neither about_agent() nor about_free(), and hence keeps nothing away.")


def the_same_question_has_the_same_answer(kind: Kind) -> None:
    """A filter is pure: what it says is remembered."""
    made = _made(kind)
    if made is not None:
        for now in (0.0, 1e9):
            same = made.about_agent(AGENT, now) == made.about_agent(AGENT, now)
            require(same, "about_agent() said two things of one agent at one time.")
        require(
            made.about_free(AGENT.total) == made.about_free(AGENT.total), "about_free() said two things of the same."
        )


def less_is_never_better(kind: Kind) -> None:
    """A "no" is remembered until more is free."""
    made = _made(kind)
    if made is not None:
        amounts = [Resources.parse(text) for text in ("cpus:4;mem:4096", "cpus:2;mem:4096", "cpus:2;mem:64", "mem:1")]
        verdicts = [made.about_free(free) is None for free in amounts]
        require(verdicts == sorted(verdicts, reverse=True), "about_free() refuses an amount, and takes a smaller one.")


def a_veto_has_a_reason_and_a_sentence(kind: Kind) -> None:
    """Explanations are never empty (N01)."""
    made = _made(kind)
    if made is not None:
        for veto in (made.about_agent(AGENT, 0.0), made.about_free(Resources.EMPTY)):
            require(veto is None or bool(veto.reason and veto.detail), "It said no without a reason and a detail.")


def the_next_change_lies_ahead(kind: Kind) -> None:
    """Or else it would be asked without end."""
    made = _made(kind)
    for now in (0.0, 1e9) if made is not None else ():
        assert made is not None
        at = made.changes_at(now)
        require(at is None or at > now, f"changes_at({now:g}) is {at}, which is not later.")


CHECKS: Final[tuple[Callable[[Kind], None], ...]] = (
    it_decides_something,
    the_same_question_has_the_same_answer,
    less_is_never_better,
    a_veto_has_a_reason_and_a_sentence,
    the_next_change_lies_ahead,
)
