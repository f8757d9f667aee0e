"""Who leads: contending for it, and finding out. An adapter; what a leader does is not its matter.

Masters contend, agents, schedulers and tools only look. Where there is one master it leads from the first moment
(``standalone``); of several, ZooKeeper says which (``contender``, ``detector``). Nothing here knows services or cores.
"""
