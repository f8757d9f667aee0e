"""The agent's decisions. ``step.py`` is the door; each other file is one subject, mirroring the master's rooms."""
