"""The allocator's compiled kernel, where this installation has one."""

import pytest

from mesos_service.core.allocation import by_levels, kernel


@pytest.fixture
def compiled_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every queue is served by the compiled kernel, however short."""
    if kernel.compiled is None:
        pytest.skip(
            "real part not installed: the allocator's kernel (a C compiler and Python's headers, then make setup)"
        )
    monkeypatch.setattr(kernel, "LEAST", 0)


@pytest.fixture
def by_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every queue is served by stretches in Python, however short, and by short ones."""
    monkeypatch.setattr(kernel, "enabled", False)
    for name, value in {"LEAST": 0, "WORTH": 0, "STRETCH": 7, "SHORT": 2, "ALONE": 2}.items():
        monkeypatch.setattr(by_levels, name, value)
