"""``mesos-service bench NAME``: figures that are measured here and now, never asserted in the test suite.

Each benchmark prints ``{"bench", "figures", "machine", "load"}`` with numbers only under ``figures`` and units in the
keys. The driver of the load runs in a process of its own, so that the master's CPU can be told from it.
"""
