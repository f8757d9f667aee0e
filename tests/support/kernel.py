"""The allocator's compiled kernel, where this installation has one."""

import pytest

from mesos_service.core.allocation import kernel


@pytest.fixture
def compiled_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every queue is served by the compiled kernel, however short."""
    if kernel.compiled is None:
        pytest.skip(
            "real part not installed: the allocator's kernel (a C compiler and Python's headers, then make setup)"
        )
    monkeypatch.setattr(kernel, "LEAST", 0)
