"""What the master hands to a module of others is for reading: its own books do not change when a module does (N09).

Mappings, lists and sets become copies that cannot be changed, also in what the plugin interfaces hand over whole.
Whoever tries hears of it (``TypeError``, ``AttributeError``), and the method that tried is named. Resources and
identifiers are values already.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from typing import Any, NoReturn

from mesos_service.plugins.allocator import AllocatorOptions, FrameworkView
from mesos_service.plugins.revocation import RunningTask, Situation
from mesos_service.plugins.views import Quota


class ReadOnly(dict[Any, Any]):  # Any: whatever the master has mappings of
    """A dictionary for reading. What is made of it by ``dict()``, ``copy``, ``pickle`` or ``|`` is an ordinary one: a
    module that wants to keep, log or change its own copy does so as with any other."""

    __slots__ = ()

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError("what the master shows is for reading; a copy, dict(...), may be changed")

    __setitem__ = __delitem__ = __ior__ = clear = pop = popitem = setdefault = update = _refuse

    def __copy__(self) -> dict[Any, Any]:
        return dict(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[Any, Any]:
        return {deepcopy(key, memo): deepcopy(value, memo) for key, value in self.items()}

    def __reduce__(self) -> tuple[type, tuple[dict[Any, Any]]]:
        return dict, (dict(self),)


def shielded(value: Any) -> Any:  # Any: as the method has it
    """``value``, or the same for reading only."""
    match value:
        case dict():
            return _view(value)
        case list():
            return tuple(map(shielded, value))
        case tuple() if type(value) is tuple:
            return tuple(map(shielded, value))
        case set():
            return frozenset(value)
        case Quota():
            return Quota(guarantees=_view(value.guarantees), limits=_view(value.limits))
        case FrameworkView():
            return replace(value, min_allocatable=_view(value.min_allocatable), filters=_view(value.filters))
        case AllocatorOptions():
            least = shielded(value.min_allocatable)
            return replace(value, min_allocatable=least, weights=_view(value.weights), quotas=_view(value.quotas))
        case RunningTask():
            return replace(value, frees=_view(value.frees), at_risk=_view(value.at_risk))
        case Situation():
            return replace(
                value,
                quotas=_view(value.quotas),
                consumed=_view(value.consumed),
                offered=_view(value.offered),
                coming=_view(value.coming),
                running=tuple(map(shielded, value.running)),
            )
    return value


def _view(mapping: Mapping[Any, Any]) -> Mapping[Any, Any]:
    return ReadOnly({key: shielded(one) for key, one in mapping.items()})
