"""Whether what an allocator decided was fair: the record of a run is replayed by the definition, not by the allocator.

Knows nothing of :mod:`mesos_service.core.allocation`, so that a mistake there cannot hide itself here.
"""
