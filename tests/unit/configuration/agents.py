"""The configuration of an agent, with the flags that it cannot do without."""

from __future__ import annotations

from mesos_service.agent.config import AgentConfig


def agent(**flags: object) -> AgentConfig:
    return AgentConfig.load({"master": "127.0.0.1:5050", "work_dir": "/var/tmp/agent", **flags})
