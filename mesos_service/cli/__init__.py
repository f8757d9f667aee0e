"""``mesos-service``: the command line.

Knows how commands are spelled and how their outcome is shown; what they do lives in other rooms, which each command
imports only when it runs, so that ``--help`` and completion stay quick.
"""
