"""``mesos-service traces serve``."""

from __future__ import annotations

from mesos_service.runner import run_service, serve_until_signalled
from mesos_service.telemetry.logs import set_up_logging
from mesos_service.tracing_store.config import TracesConfig
from mesos_service.tracing_store.service import TracesService


def run(config: TracesConfig) -> int:
    """Serve until a signal comes; the exit status. SIGHUP reads certificates again."""
    set_up_logging(config.logging_level)

    async def main() -> int:
        service = TracesService(config)
        return await serve_until_signalled(service, renew=service.renew_certificates)

    return run_service(main)
