"""Runs scenarios on a cluster that is up: ``python -m vagrant.scenarios [NAME...]``; without a name, all of them."""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Final

from vagrant.cluster import Cluster, DidNotHold
from vagrant.hosts import Testbed, TestbedFault
from vagrant.scenarios.story import Scenario, Story
from vagrant.testbed import STATE
from vagrant.topology import DEFAULT, read

_NO_SCENARIOS: Final = {"__main__", "story"}
NAMES: Final = sorted(path.stem for path in Path(__file__).parent.glob("*.py") if path.stem not in _NO_SCENARIOS)


def tell(name: str, cluster: Cluster) -> bool:
    """Run one and print its story; whether all held that must."""
    module = import_module(f"vagrant.scenarios.{name}")
    run: Scenario = module.run
    print(f"{name}: {(module.__doc__ or '').strip()}", flush=True)
    story = Story()
    try:
        cluster.wait_until_whole()
        run(cluster, story)
    except (DidNotHold, TestbedFault) as fault:
        story.tell(f"DID NOT HOLD: {fault}")
        return False
    return True


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when every scenario held."""
    parser = argparse.ArgumentParser(prog="python -m vagrant.scenarios", description=__doc__)
    parser.add_argument("--topology", type=Path, default=DEFAULT)
    parser.add_argument("--state", type=Path, default=STATE)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NAMES))
    given = parser.parse_args(arguments)
    if unknown := sorted(set(given.names) - set(NAMES)):
        parser.error(f"no such scenario: {', '.join(unknown)}; there are {', '.join(NAMES)}")
    # What the workload's client notices on the way is the scenario's doing.
    logging.basicConfig(level=logging.ERROR)
    cluster = Cluster(Testbed(read(given.topology), given.state))
    failed = []
    told = []
    for name in given.names or NAMES:
        start = time.monotonic()
        if not tell(name, cluster):
            failed.append(name)
        told.append(f"  {time.monotonic() - start:6.1f} s  {name}{' DID NOT HOLD' if name in failed else ''}")
    print("\n".join(["all of them:", *told]))
    if failed:
        print(f"did not hold: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
