"""The one place where wire types become domain types and back.

``values`` (resources, attributes, times), ``infos`` (frameworks, agents, executors, tasks, statuses), ``scheduler``
(calls and events), ``executor``, ``link``. Round-trip properties hold it to account.
"""
