"""Flags: how they are written, where they are read from, and how they are shown.

Knows the forms of Mesos (durations, sizes, ``MESOS_*`` variables) and no particular flag: the master's and the
agent's flags are in ``mesos_service.master.config`` and ``mesos_service.agent.config``.
"""
