"""A host with an agent reboots. Its tasks, which do not mind SIGTERM, hold nobody up; they are gone and are said to be.
The agent comes back with nothing to do."""

from __future__ import annotations

from vagrant.cluster import Cluster, until
from vagrant.scenarios.story import Story, tasks_running
from vagrant.workload import COMMAND, STUBBORN_COMMAND


def run(cluster: Cluster, story: Story) -> None:
    leader = cluster.leader()
    host = next(host for host in cluster.agents if host is not leader)
    with tasks_running(cluster, story, command=STUBBORN_COMMAND) as work:
        there = sorted(task_id for task_id, fate in work.fates.items() if fate.host == host.name)
        with story.timed(f"{host.name} rebooted"):
            host.reboot()
        cluster.wait_until_whole()
        story.tell("the cluster is whole: every service of the host has started by itself")
        until("its tasks are said to be lost", lambda: set(there) <= set(work.lost()))
        story.hold("only tasks of that host have ended", work.lost() == there)
    # They have to be killed, which takes a while: nothing of this is to be left for whoever comes next.
    until("those of the other hosts have ended, too", lambda: not cluster.all_processes(COMMAND))
