"""A small store of traces: takes spans over OTLP/HTTP, keeps them in SQLite within bounds, and shows an offer's life.

A program of its own, beside masters and agents; it knows nothing of them but the names of a few attributes.
"""
