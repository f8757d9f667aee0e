"""A whole cluster on this machine: one master and some agents, in one process or in several, talking real HTTP.

Knows the two services and how to start and stop them; decides nothing.
"""

from mesos_service.local.cluster import AgentSpec, LocalCluster

__all__ = ["AgentSpec", "LocalCluster"]
