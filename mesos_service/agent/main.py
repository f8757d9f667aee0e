"""``mesos-service agent``."""

from __future__ import annotations

import signal

from mesos_service.agent.config import AgentConfig
from mesos_service.agent.dry_run import print_plan
from mesos_service.agent.service import AgentService
from mesos_service.runner import run_service, serve_until_signalled
from mesos_service.telemetry.logs import set_up_logging


def run(config: AgentConfig) -> int:
    """Serve until a signal comes or the master sends this agent away; the exit status.

    SIGTERM and SIGINT end the agent and leave running what outlives it; SIGUSR1 ends both, as in Mesos.
    SIGHUP has new connections use what the files of certificates hold now.
    """
    set_up_logging(config.logging_level)
    if config.dry_run_isolation is not None:
        print_plan(config, config.dry_run_isolation)
        return 0

    async def main() -> int:
        service = AgentService(config)
        return await serve_until_signalled(
            service,
            service.ended,
            stop=service.leave,
            on_signals={signal.SIGUSR1: service.stop},
            renew=service.renew_certificates,
        )

    return run_service(main)
