"""The master that leads is killed. Another leads within seconds, and no task notices."""

from __future__ import annotations

from vagrant.cluster import Cluster, until
from vagrant.scenarios.story import Story, tasks_running


def run(cluster: Cluster, story: Story) -> None:
    leader = cluster.leader()
    with tasks_running(cluster, story) as work:
        subscriptions = work.subscriptions
        leader.sh("systemctl kill --kill-whom=main --signal=SIGKILL mesos-master")
        story.tell(f"killed the master on {leader.name}")
        with story.timed("without a leader"):
            successor = cluster.leader(besides=None)
        story.tell(f"{successor.name} leads")
        with story.timed("until the framework is subscribed again"):
            until("the framework is subscribed again", lambda: work.subscriptions > subscriptions)
        with story.timed("until the cluster is whole again"):
            cluster.wait_until_whole()
        story.hold("no task was lost", not work.lost())
