"""What every module of a kind must hold, whoever wrote it: run by ``mesos-service module check`` and by our own tests.

Each check is a function of a module's class that raises :class:`~mesos_service.conformance.run.Nonconforming` with a
sentence. Knows the inner rooms only.
"""
