"""Control groups of Linux, versions 1 and 2: where they are, what is written to them, and how they are ended.

A library for isolators, those of others included. It knows groups, files and processes, and neither tasks nor agents;
whatever it writes is planned as data before (:mod:`mesos_service.cgroups.steps`), so that it can be shown first.
"""
