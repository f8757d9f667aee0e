"""Runs containers: sandbox, fetching, isolators, processes. It does and does not decide: the agent's core says when."""
