"""The disk under an agent's work directory fills up. No task is lost, and all is well again when there is room."""

from __future__ import annotations

from vagrant.cluster import Cluster
from vagrant.scenarios.story import Story, tasks_running
from vagrant.workload import COMMAND

WORK_DIR = "/var/lib/mesos-agent"
DISK_MB = 8


def run(cluster: Cluster, story: Story) -> None:
    leader = cluster.leader()
    host = next(host for host in cluster.agents if host is not leader)
    # A small file system of its own, so that only this agent suffers.
    host.sh(f"systemctl stop mesos-agent && mount -t tmpfs -o size={DISK_MB}m tmpfs {WORK_DIR}")
    host.sh("systemctl start mesos-agent")
    story.tell(f"gave the agent on {host.name} a disk of {DISK_MB} MB")
    try:
        cluster.wait_until_whole()
        with tasks_running(cluster, story) as work:
            before = cluster.processes(host, COMMAND)
            story.hold(f"{len(before)} of their processes are on {host.name}", bool(before))
            host.sh(f"dd if=/dev/zero of={WORK_DIR}/filler bs=64k status=none", check=False)
            story.tell("filled it")
            host.sh("systemctl restart mesos-agent", check=False)
            story.tell("and had the agent restart on it")
            story.hold("the tasks run on", cluster.processes(host, COMMAND) == before)
            host.sh(f"rm {WORK_DIR}/filler")
            story.tell("made room")
            cluster.wait_until_whole()
            story.hold("they are the same processes", cluster.processes(host, COMMAND) == before)
            story.hold("no task was lost", not work.lost())
    finally:
        host.sh("systemctl stop mesos-agent; systemctl kill --kill-whom=all -s KILL mesos-agent", check=False)
        host.sh(f"umount -l {WORK_DIR}; systemctl start mesos-agent")
    cluster.wait_until_whole()
