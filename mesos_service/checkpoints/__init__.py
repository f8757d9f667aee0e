"""Keeps an agent's records on disk: written before they are acted on, read again by the next agent (X05, X07, X52).

Knows the records and how they are spelt; what they mean is the core's matter.
"""
