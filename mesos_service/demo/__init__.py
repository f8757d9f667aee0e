"""The Mesos paper's example (section 3.1, figure 3) on a cluster of its own, checked step by step and told as a story.

A user of the SDK and of ``mesos_service.local`` like any other; knows nothing of how they work inside.
"""
