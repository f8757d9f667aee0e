"""What every offer filter promises (N10): ``mesos_service/conformance`` holds the checks."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mesos_service.conformance.offer_filters import CHECKS
from mesos_service.plugins.loader import OFFER_FILTERS, available, load
from mesos_service.plugins.offer_filter import OfferFilter
from tests.contract.modules import modules_dirs


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", [found.name for found in available(OFFER_FILTERS, modules_dirs())])
def test_n10_every_filter_holds_what_its_kind_must(name: str, check: Callable[[type[OfferFilter]], None]) -> None:
    check(load(OFFER_FILTERS, name, modules_dirs()))
