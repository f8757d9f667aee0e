"""Ports for servers that are to come back where they were."""

from mesos_service.local.ports import fixed_port as fixed_port
