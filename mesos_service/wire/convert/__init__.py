"""The one place where wire types become domain types and back.

``values`` (resources, attributes, times), ``infos`` (frameworks, agents, executors, tasks, statuses), ``scheduler``
(calls and events), ``executor``, ``link``, ``checks``, ``operations``, ``policy`` (quota and weights), ``maintenance``;
``alike`` remembers what thousands of agents say alike. Round-trip properties hold it to account.
"""
