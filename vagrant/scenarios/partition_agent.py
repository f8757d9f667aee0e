"""An agent's host is cut off from all others, for less time than an agent may be silent. Its tasks go on."""

from __future__ import annotations

from vagrant.cluster import Cluster, until
from vagrant.scenarios.story import Story, tasks_running
from vagrant.workload import COMMAND


def run(cluster: Cluster, story: Story) -> None:
    leader = cluster.leader()
    # A host that does not lead: cutting off the leader is another story.
    agent = next(host for host in cluster.agents if host is not leader)
    with tasks_running(cluster, story) as work:
        before = cluster.processes(agent, COMMAND)
        story.hold(f"{len(before)} of their processes are on {agent.name}", bool(before))
        with cluster.testbed.isolated(agent):
            story.tell(f"cut {agent.name} off")
            until(f"ZooKeeper on {agent.name} has noticed", lambda: not cluster.zookeeper_serves(agent))
            story.tell("its ZooKeeper has left the ensemble")
            story.hold(f"{leader.name} still leads", cluster.leader(besides=agent) is leader)
            story.hold(f"the tasks on {agent.name} run on", cluster.processes(agent, COMMAND) == before)
        story.tell(f"{agent.name} is reachable again")
        cluster.wait_until_whole()
        story.hold("they are the same processes", cluster.processes(agent, COMMAND) == before)
        story.hold("no task was lost", not work.lost())
