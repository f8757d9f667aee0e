"""Answers of ``/api/v1/fragmentation``, which Mesos does not have (N16). Amounts by name, in Mesos' units."""

from __future__ import annotations

from mesos_service.wire.base import Message, printed


class FragmentationAgent(Message, kw_only=True):
    """An agent with something free. ``stranded`` is what no further task of this shape can use there, for want of
    ``short_of``."""

    agent_id: str
    hostname: str
    fits: int
    free: dict[str, float] = printed({})
    stranded: dict[str, float] = printed({})
    short_of: tuple[str, ...] = printed(())


class FragmentationAnswer(Message, kw_only=True):
    """How many more tasks of ``shape`` fit now, and how many would if all that is free were on one agent.

    Counted is what is unreserved, and free or offered: offers come back. ``fits_as_offered`` is how many fit while each
    offer is a piece by itself, as are the rests that nobody was offered: where that is less, it is offers that divide
    what would be enough. Of ranges that ``shape`` names, such as ports, the numbers are counted.
    """

    shape: dict[str, float]
    fits: int
    fits_if_defragmented: int
    fits_as_offered: int
    free: dict[str, float] = printed({})
    stranded: dict[str, float] = printed({})
    agents: tuple[FragmentationAgent, ...] = printed(())
