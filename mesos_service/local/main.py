"""``mesos-service local``: a cluster to try things on, until Ctrl-C."""

from __future__ import annotations

import signal
import sys
from typing import Final

from mesos_service.local.cluster import LocalCluster
from mesos_service.master.config import MasterConfig
from mesos_service.runner import Stop, run_service, serve_until_signalled
from mesos_service.telemetry.logs import set_up_logging

AGENT_PORT: Final = 5051


class _Told:
    """The cluster as a service that tells where it is."""

    def __init__(self, cluster: LocalCluster) -> None:
        self._cluster = cluster

    async def start(self) -> None:
        await self._cluster.__aenter__()
        print(_describe(self._cluster), file=sys.stderr, flush=True)

    async def stop(self) -> None:
        await self._cluster.__aexit__(None, None, None)


def run(config: MasterConfig, agents: int = 1, *, processes: bool = False) -> int:
    """Run a master with ``config`` and that many agents until a signal comes; the exit status."""
    set_up_logging(config.logging_level)

    async def main() -> int:
        flags = {name: value for name in config.model_fields_set if (value := getattr(config, name)) is not None}
        cluster = LocalCluster(
            agents,
            work_dir=config.work_dir,
            master_port=config.port,
            agent_port=AGENT_PORT if config.port else 0,
            master_flags=flags,
            agent_flags={"logging_level": config.logging_level},
            processes=processes,
        )
        told = _Told(cluster)
        return await serve_until_signalled(told, cluster.ended, on_signals=_further_signals(told))

    return run_service(main)


def _further_signals(told: _Told) -> dict[signal.Signals, Stop]:
    """The terminal is closed: all ends as by Ctrl-C, unless somebody wants it to outlive that (``nohup``)."""
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        return {}
    return {signal.SIGHUP: told.stop}


def _describe(cluster: LocalCluster) -> str:
    lines = [
        f"master  {cluster.dialing.scheme}://{cluster.master}",
        *(f"agent   {cluster.dialing.scheme}://{agent}" for agent in cluster.agents),
        f"files   {cluster.work_dir}",
        "",
        f"Try:    mesos-service run --master {cluster.master} --name hello --resources 'cpus:0.1;mem:32' -- echo hello",
        "Stop:   Ctrl-C",
    ]
    return "\n".join(lines)
