"""Every service is upgraded to another version and back, with tasks running. None of them is lost."""

from __future__ import annotations

from pathlib import Path

from vagrant.cluster import Cluster, DidNotHold
from vagrant.releases import VERSION, make_release
from vagrant.scenarios.story import Story, tasks_running
from vagrant.testbed import play, write_inventory
from vagrant.watch import LeaderWatch
from vagrant.workload import COMMAND


def run(cluster: Cluster, story: Story) -> None:
    inventory = write_inventory(cluster.testbed)
    old = str(cluster.testbed.topology.variables["mesos_common_version"])
    release = make_release(VERSION, cluster.testbed.directory)
    story.tell(f"made a release {VERSION}")
    with tasks_running(cluster, story) as work:
        before = cluster.all_processes(COMMAND)
        for version, wheelhouse in ((VERSION, release), (old, None)):
            with LeaderWatch(cluster) as watch, story.timed(f"to {version}, host after host"):
                _upgrade(inventory, version, wheelhouse)
            story.tell(f"longest time without a leader: {watch.longest_gap_seconds:.1f} s")
            links = {host.sh("readlink /opt/mesos-service/mesos-*").strip() for host in cluster.masters}
            story.hold(
                f"all run {version}", all(link.endswith(f"/{version}") for line in links for link in line.split())
            )
            cluster.wait_until_whole()
            story.hold("they are the same processes", cluster.all_processes(COMMAND) == before)
            story.hold("no task was lost", not work.lost())


def _upgrade(inventory: Path, version: str, wheelhouse: Path | None) -> None:
    given = ["-e", f"mesos_common_version={version}"]
    if wheelhouse is not None:
        given += ["-e", f"mesos_common_wheelhouse={wheelhouse}"]
    done = play(inventory, "upgrade", *given, capture=True)
    if done.returncode != 0:
        raise DidNotHold(f"upgrade.yml ended with {done.returncode}:\n{done.stdout[-3000:]}")
