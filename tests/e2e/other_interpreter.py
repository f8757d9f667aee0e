"""Clients of others, in an interpreter of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.real_parts import missing_part

ROOT = Path(__file__).resolve().parents[2]
CLIENTS = Path(__file__).parent / "clients"
PYTHON = ROOT / ".venv-clients" / "bin" / "python"


@pytest.fixture
def client_python() -> Path:
    """The interpreter with pymesos; ``make test`` installs it, and names it as not run where it cannot."""
    if not PYTHON.exists():
        missing_part("pymesos")
    return PYTHON
