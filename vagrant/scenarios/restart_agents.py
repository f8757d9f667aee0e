"""Every agent is restarted while its tasks run. They are the same processes afterwards (M-AG-33)."""

from __future__ import annotations

from vagrant.cluster import Cluster, until
from vagrant.scenarios.story import Story, tasks_running
from vagrant.workload import COMMAND

COUNT = 12


def run(cluster: Cluster, story: Story) -> None:
    with tasks_running(cluster, story, COUNT) as work:
        before = cluster.all_processes(COMMAND)
        story.hold(f"{COUNT} processes are theirs", len(before) == COUNT)
        ids = {agent["id"] for agent in cluster.known_agents()}
        for host in cluster.agents:
            was = host.sh("systemctl show --property=MainPID mesos-agent")
            host.sh("systemctl restart mesos-agent")
            story.hold(
                f"the agent on {host.name} is another process", was != host.sh("systemctl show -p MainPID mesos-agent")
            )
        cluster.wait_until_whole()
        story.hold("they are the same agents", {agent["id"] for agent in cluster.known_agents()} == ids)
        story.hold("they are the same processes", cluster.all_processes(COMMAND) == before)
        story.hold("no task was lost", not work.lost())
    until("their tasks end with their framework", lambda: not cluster.all_processes(COMMAND))
    story.tell("the restarted agents have ended their tasks as they were told to")
