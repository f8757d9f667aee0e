"""ZooKeeper loses its majority: nobody may lead, tasks run on. With the majority back, somebody leads again."""

from __future__ import annotations

from vagrant.cluster import Cluster, until
from vagrant.scenarios.story import Story, tasks_running
from vagrant.workload import COMMAND


def run(cluster: Cluster, story: Story) -> None:
    leader = cluster.leader()
    majority = cluster.ensemble[: len(cluster.ensemble) // 2 + 1]
    with tasks_running(cluster, story) as work:
        before = cluster.all_processes(COMMAND)
        story.hold(f"{len(before)} processes are theirs", len(before) == work.count)
        for host in majority:
            host.sh("systemctl stop mesos-zookeeper")
        story.tell(f"stopped ZooKeeper on {', '.join(host.name for host in majority)}")
        try:
            with story.timed("until the leader stepped down"):
                until(
                    "nobody leads", lambda: not any(cluster.leader_named_by(host) is host for host in cluster.masters)
                )
            story.hold("tasks run on, with nobody to lead", cluster.all_processes(COMMAND) == before)
        finally:
            for host in majority:
                host.sh("systemctl start mesos-zookeeper")
        story.tell("started ZooKeeper again")
        with story.timed("until somebody leads"):
            successor = cluster.leader()
        story.tell(f"{successor.name} leads; it was {leader.name} before")
        cluster.wait_until_whole()
        story.hold("no task was lost", not work.lost())
        story.hold("they are the same processes", cluster.all_processes(COMMAND) == before)
