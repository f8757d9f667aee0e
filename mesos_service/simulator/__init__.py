"""The cores in another body: a virtual clock, a network that delays and breaks, and no processes at all.

The production ``step`` functions of master and agent and the production allocator run here unchanged; only what
performs their effects differs. One seed is one history. Needs ``domain``, ``plugins`` and ``core`` and nothing else.
"""
