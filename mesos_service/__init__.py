"""A cluster manager that speaks Apache Mesos' v1 HTTP API.

The rooms, from the inside outwards: ``domain`` (values and words), ``plugins`` (what a module author
sees), ``core`` (decides, does nothing), the adapters (``wire``, ``containers``, ``telemetry``), and the two
services ``master`` and ``agent`` that drive the core over real HTTP. ``docs/architecture.md`` walks an offer
through them.
"""

__version__ = "0.1.0"
