"""The order in which an offer says what it holds (as recorded of Mesos)."""

from __future__ import annotations

from mesos_service.core.allocation.shapes import is_countable
from mesos_service.domain.resources import Resource, Resources


def in_order(resources: Resources) -> list[Resource]:
    """As they stand, but what quota may cut, which is unreserved, scalar and for keeps, comes last.

    No order is promised by anybody. But schedulers there are that keep one amount of each name: of Mesos they have read
    the unreserved one last and what is reserved, on a volume, or may be revoked before it.
    """
    return sorted(resources, key=is_countable)
