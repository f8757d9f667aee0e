"""An agent: holds a link to its master, runs containers, and answers executors and whoever looks into sandboxes.

The decisions are ``core.agent``'s; what is here performs them, and turns what comes of them into messages.
"""
