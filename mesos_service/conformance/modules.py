"""From a file to what is wrong with it: which kind of module it is, and the checks of that kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from mesos_service.conformance import allocators, isolators, offer_filters
from mesos_service.conformance.run import Outcome, run_checks, within_time
from mesos_service.domain.errors import ConfigurationError
from mesos_service.plugins.loader import ALLOCATORS, ISOLATORS, OFFER_FILTERS, Kind, load_file

# Any: each kind's checks take classes of that kind.
CHECKS: Final[Sequence[tuple[Kind[Any], Sequence[Callable[[Any], None]]]]] = (
    (ALLOCATORS, allocators.CHECKS),
    (OFFER_FILTERS, offer_filters.CHECKS),
    (ISOLATORS, isolators.CHECKS),
)


def check_module(file: Path) -> tuple[str, str, list[Outcome]]:
    """Kind and name of the module, and what came of each check.

    Raises:
        ConfigurationError: there is no such file, its import does not come to an end, or it is no module: which method
            or argument is wrong.
    """
    if not file.is_file():
        raise ConfigurationError(f"There is no file {file}.")
    for kind, checks in CHECKS:
        module_class = within_time(partial(load_file, kind, file), str(file))
        if module_class is not None:
            return kind.singular, module_class.name, run_checks(module_class, checks, str(file.resolve()))
    bases = ", ".join(kind.base.__name__ for kind, _ in CHECKS)
    raise ConfigurationError(f"The file {file} has no class that extends one of {bases}.")
