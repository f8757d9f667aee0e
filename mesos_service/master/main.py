"""``mesos-service master``."""

from __future__ import annotations

from mesos_service.master.config import MasterConfig
from mesos_service.master.service import MasterService
from mesos_service.memory import leave_memory
from mesos_service.runner import run_service, serve_until_signalled
from mesos_service.telemetry.logs import set_up_logging


def run(config: MasterConfig) -> int:
    """Serve until a signal comes or leading is over; the exit status.

    SIGHUP has new connections use what the files of certificates hold now, and modules that have changed take the
    place of what runs.
    """
    set_up_logging(config.logging_level)

    config.prepare()

    async def main() -> int:
        service = MasterService(config)
        status = await serve_until_signalled(
            service, service.ended, renew=service.renew_certificates, reload=service.reload_modules
        )
        leave_memory(service)
        return status

    return run_service(main)
