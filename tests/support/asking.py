"""Asking a service over HTTP, on a machine that may be busy with other things."""

from __future__ import annotations

from typing import Any, Final

import httpx

from tests.support.waiting import PATIENCE

ANSWER_SECONDS_MAX: Final = 60.0 * PATIENCE


def patient_client(**settings: Any) -> httpx.AsyncClient:  # Any: whatever httpx takes
    """A client that waits as long as an answer may take here; httpx' own gives up after five seconds."""
    return httpx.AsyncClient(**{"trust_env": False, "timeout": ANSWER_SECONDS_MAX, **settings})
