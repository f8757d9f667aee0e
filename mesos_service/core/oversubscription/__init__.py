"""Lends what tasks do not use, and takes it back: pure decisions over what was measured (Mesos docs, oversubscription).

Estimators say what may be lent, QoS controllers which borrowers have to go. Both see :class:`usage.UsageSnapshot` and
know nothing of how it was measured, nor of what is done about their answer.
"""
