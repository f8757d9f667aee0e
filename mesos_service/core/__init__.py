"""Decides; does nothing. One pure function per service: ``step(state, message, now) -> effects``.

No I/O, no clock, no randomness of its own, no await, no logger. ``now`` is unix seconds from a clock that never goes
back; the random source and identifiers' prefix are handed in with the state. The same inputs always give the same
effects in the same order. May know ``domain`` and ``plugins`` and nothing else of this project.
"""
