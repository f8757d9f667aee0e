"""The master's decisions. ``step.py`` is the door; each other file is one subject."""
