"""Tries modules in a process of its own, before they take the place of those that run in a master (N09).

Standard input says what is to be tried, as JSON::

    {"seconds": 10.0, "modules": [
        {"kind": "allocators", "name": "mine", "file": "/opt/mine.py", "parameters": {}, "content": SHA256}]}

and standard output hears ``{"faults": [SENTENCE, ...]}``: of each module the first thing that is wrong with it.
``seconds`` is what an import, and each check, may take. A file that holds something else than ``content`` says has
changed meanwhile, and is no longer what was to be tried.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

from mesos_service.conformance.modules import CHECKS
from mesos_service.conformance.run import run_checks, within_time
from mesos_service.domain.errors import ConfigurationError
from mesos_service.plugins.loader import content_of, load_listed, read_config
from mesos_service.plugins.manifest import Listed

MEMORY_BYTES_MAX: Final = 4 << 30
"""Of addresses: what a module hoards ends its trial, and not the machine."""


def main() -> int:
    """Try what is asked for; the exit status, 0 where there is an answer."""
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    # What a module prints is no part of the answer.
    os.dup2(2, 1)
    os.nice(10)
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    if most == resource.RLIM_INFINITY or most > MEMORY_BYTES_MAX:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, most))
    asked = json.load(sys.stdin)
    faults = [fault for one in asked["modules"] if (fault := _fault(one, asked["seconds"])) is not None]
    with answer:
        json.dump({"faults": faults}, answer)
    return 0


def _fault(asked: Mapping[str, Any], seconds: float) -> str | None:  # Any: JSON
    listed = Listed(asked["name"], Path(asked["file"]), asked["parameters"])
    kind, checks = next((kind, checks) for kind, checks in CHECKS if kind.folder == asked["kind"])
    try:
        module_class = within_time(partial(load_listed, kind, listed), str(listed.file), seconds)
        tried = configured(module_class, listed.parameters)
    except ConfigurationError as fault:
        return str(fault)
    what = f"The {kind.singular} '{listed.name}' ({listed.file})"
    if content_of(module_class) != asked["content"]:
        return f"{what} was changed once more while it was read."
    for check in checks:
        (outcome,) = run_checks(tried, [check], str(listed.file.resolve()), seconds)
        if outcome.fault is not None:
            return f"{what} does not hold that {outcome.check}: {outcome.fault}"
    return None


def configured(module_class: type[Any], parameters: Mapping[str, str]) -> type[Any]:  # Any: of whatever kind
    """The module as a manifest configures it, where checks would give it nothing but its defaults."""
    if not parameters:
        return module_class
    config = read_config(module_class, parameters)

    class Configured(module_class):  # type: ignore[misc]
        __doc__ = module_class.__doc__
        Config = None

        def __init__(self, first: object, _: object = None) -> None:
            super().__init__(first, config)

    return Configured


if __name__ == "__main__":
    sys.exit(main())
