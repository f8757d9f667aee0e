"""Tells what the cores did: spans, metrics, log lines and stories, all made from the facts they return.

Knows ``core.effects`` and the states it reads gauges from; decides nothing and is asked for nothing. A fault in here
may lose telemetry, never a task.
"""
