"""The leading master stops dead, and goes on later still thinking that it leads. It must not decide anything."""

from __future__ import annotations

from vagrant.cluster import Cluster
from vagrant.scenarios.story import Story, tasks_running


def run(cluster: Cluster, story: Story) -> None:
    leader = cluster.leader()
    with tasks_running(cluster, story) as work:
        # The process, not the host: that may hold the registry's database too.
        leader.sh("systemctl kill --kill-whom=main --signal=SIGSTOP mesos-master")
        story.tell(f"froze the master on {leader.name}")
        try:
            with story.timed("without a leader"):
                successor = cluster.leader(besides=leader)
            story.tell(f"{successor.name} leads")
        finally:
            leader.sh("systemctl kill --kill-whom=main --signal=SIGCONT mesos-master")
        story.tell("thawed it")
        cluster.wait_until_whole()
        now = cluster.leader()
        story.hold(f"{leader.name} did not take the lead back", now is not leader)
        story.hold("no task was lost", not work.lost())
