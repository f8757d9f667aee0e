"""Parts of others that some tests run against; ``scripts/install_real_parts.sh`` installs them."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def missing_part(part: str) -> NoReturn:
    """Leave the test out, loudly; under CI a part that is not there is a failure."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{part} is not installed: scripts/install_real_parts.sh failed, and under CI it may not")
    pytest.skip(f"real part not installed: {part} (scripts/install_real_parts.sh)")
