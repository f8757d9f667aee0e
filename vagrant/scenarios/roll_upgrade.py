"""Every service is upgraded to another version and back, with tasks running and short ones coming and going. None that
runs is lost, and there is always a leader but for seconds."""

from __future__ import annotations

from pathlib import Path

from vagrant.cluster import Cluster, DidNotHold, until
from vagrant.releases import VERSION, make_release
from vagrant.scenarios.story import Story, tasks_running
from vagrant.testbed import play, write_inventory
from vagrant.watch import LeaderWatch
from vagrant.workload import COMMAND, Churn

AT_ONCE = 6
GAP_SECONDS_MAX = 5.0


def run(cluster: Cluster, story: Story) -> None:
    inventory = write_inventory(cluster.testbed)
    old = str(cluster.testbed.topology.variables["mesos_common_version"])
    release = make_release(VERSION, cluster.testbed.directory)
    story.tell(f"made a release {VERSION}")
    with tasks_running(cluster, story) as work, Churn(cluster.zk, AT_ONCE) as churn:
        until("short tasks finish", lambda: churn.finished() >= AT_ONCE)
        before = cluster.all_processes(COMMAND)
        story.hold(f"{len(before)} processes are theirs", len(before) == work.count)
        for version, wheelhouse in ((VERSION, release), (old, None)):
            finished = churn.finished()
            with LeaderWatch(cluster) as watch, story.timed(f"to {version}, host after host"):
                _upgrade(inventory, version, wheelhouse)
            links = {host.sh("readlink /opt/mesos-service/mesos-*").strip() for host in cluster.masters}
            story.hold(
                f"all run {version}", all(link.endswith(f"/{version}") for line in links for link in line.split())
            )
            cluster.wait_until_whole()
            gaps = ", ".join(f"{gap:.2f}" for gap in sorted(watch.gaps_seconds, reverse=True)) or "none"
            story.tell(f"times without a leader, in seconds, as seen by asking every 100 ms: {gaps}")
            story.hold(
                f"the longest was below {GAP_SECONDS_MAX:g} s ({watch.longest_gap_seconds:.2f} s)",
                watch.longest_gap_seconds < GAP_SECONDS_MAX,
            )
            story.hold("the lasting tasks are the same processes", cluster.all_processes(COMMAND) == before)
            story.hold("none of them was lost", not work.lost())
            story.hold(f"{churn.finished() - finished} short tasks ran meanwhile", churn.finished() > finished)
        until("it is known of every short task what became of it", churn.settled, 120.0)
        story.hold("none that had begun was lost", not churn.lost())
        story.tell(f"{len(churn.never_begun())} launches came to nothing, and were told so")


def _upgrade(inventory: Path, version: str, wheelhouse: Path | None) -> None:
    given = ["-e", f"mesos_common_version={version}"]
    if wheelhouse is not None:
        given += ["-e", f"mesos_common_wheelhouse={wheelhouse}"]
    done = play(inventory, "upgrade", *given, capture=True)
    if done.returncode != 0:
        raise DidNotHold(f"upgrade.yml ended with {done.returncode}:\n{done.stdout[-3000:]}")
