"""The HTTP dialect of Mesos v1: messages as they stand on the wire, and their way into and out of bytes.

Structs are shaped by the API, field for field and in its order; ``domain`` types are shaped by the problem, and
``convert`` alone knows both. Nothing here knows a master, an agent, or their state.
"""
