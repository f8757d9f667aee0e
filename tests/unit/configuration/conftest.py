"""Flags of services, whatever stands in the environment of who runs the tests."""

from __future__ import annotations

import pytest

from mesos_service.agent.config import AgentConfig
from mesos_service.master.config import MasterConfig


@pytest.fixture(autouse=True)
def no_flags_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*MasterConfig.model_fields, *MasterConfig.absent, *AgentConfig.model_fields, *AgentConfig.absent):
        monkeypatch.delenv(f"MESOS_{name.upper()}", raising=False)
    monkeypatch.delenv("MESOS_CONFIG", raising=False)
