"""Where the registry is kept. An adapter: it stores operations and says when they are durable, and decides nothing.

What an operation means is said by ``core.registry``; a registrar stores the outcome. Who leads is not its matter
either, but it holds the last line against two leaders: a write of one that has been deposed fails (X25).
"""
