"""What every allocator module promises (M-AL-01..26, X29, N01): ``mesos_service/conformance`` holds the checks.

``MESOS_MODULES_DIR`` (the variable of the flag ``--modules_dir``) adds folders of an author's own.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mesos_service.conformance.allocators import CHECKS
from mesos_service.plugins.allocator import Allocator
from mesos_service.plugins.loader import ALLOCATORS, available, load
from tests.contract.modules import modules_dirs


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", [found.name for found in available(ALLOCATORS, modules_dirs())])
def test_n01_m_al_16_m_al_17_every_allocator_holds_what_its_kind_must(
    name: str, check: Callable[[type[Allocator]], None]
) -> None:
    check(load(ALLOCATORS, name, modules_dirs()))
