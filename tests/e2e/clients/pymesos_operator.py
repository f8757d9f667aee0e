"""An operator on pymesos: ``pymesos_operator.py MASTER AGENT [AGENT ...]`` makes every call that its drivers have and
that a cluster with one task can answer, and listens to the master's events; a line of JSON for each.
"""

import json
import sys
import threading

from pymesos.operator_v1 import MesosOperatorAgentDriver, MesosOperatorMasterDriver

SECONDS_MAX = 30


def tell(what, **more):
    # In one piece: two threads tell.
    sys.stdout.write(json.dumps({"what": what, **more}) + "\n")
    sys.stdout.flush()


class Listener:
    """Told of by the driver as ``frameworkAdded`` and its like."""

    def __init__(self):
        self.told = threading.Event()

    def __getattr__(self, name):
        def hear(*arguments):
            tell("event", name=name)
            self.told.set()

        return hear


def ask(who, driver, name, *arguments):
    try:
        answer = getattr(driver, name)(*arguments)
    except RuntimeError as error:
        tell("refused", who=who, call=name, why=str(error))
        return None
    kind = None if answer is None else answer.get("type")
    tell("answer", who=who, call=name, type=kind)
    return answer


master_address, *agent_addresses = sys.argv[1:]
master = MesosOperatorMasterDriver(master_address)
listener = Listener()
listening = MesosOperatorMasterDriver(master_address, listener)
listening.start()
READS = (
    "getHealth",
    "getFlags",
    "getVersion",
    "getLoggingLevel",
    "getState",
    "getFrameworks",
    "getExecutors",
    "getTasks",
)
for name in (
    *READS,
    "getAgents",
    "getRoles",
    "getWeights",
    "getMaster",
    "getMaintenanceStatus",
    "getMaintenanceSchedule",
    "getQuota",
):
    ask("master", master, name)
ask("master", master, "getMetrics", 10**9)
ask("master", master, "setLoggingLevel", 0, 10**9)
agents = ask("master", master, "getAgents")["get_agents"]["agents"]
agent_id = agents[0]["agent_info"]["id"]["value"]
cpus = {
    "type": "SCALAR",
    "name": "cpus",
    "role": "r",
    "reservation": {"principal": "p"},
    "scalar": {"value": 0.1},
}
ask("master", master, "reserveResources", agent_id, [cpus])
ask("master", master, "unreserveResources", agent_id, [cpus])
ask("master", master, "updateWeights", [{"role": "r", "weight": 2.0}])
guarantee = [{"type": "SCALAR", "name": "cpus", "scalar": {"value": 0.1}}]
ask("master", master, "setQuota", {"role": "r", "guarantee": guarantee, "force": True})
ask("master", master, "removeQuota", "r")
machine = {"hostname": "somewhere", "ip": "127.0.0.9"}
window = {"machine_ids": [machine], "unavailability": {"start": {"nanoseconds": 2**61}}}
ask("master", master, "updateMaintenanceSchedule", [window])
ask("master", master, "startMaintenance", [machine])
ask("master", master, "stopMaintenance", [machine])
ask("master", master, "markAgentGone", "nobody")
for address in agent_addresses:
    agent = MesosOperatorAgentDriver(address)
    for name in READS:
        ask("agent", agent, name)
    ask("agent", agent, "getMetrics", 10**9)
    ask("agent", agent, "pruneImages", [])
    found = ask("agent", agent, "getContainers", True, True)
    for one in found.get("get_containers", {}).get("containers", []):
        tell("container", executor=one["executor_id"]["value"])

heard = listener.told.wait(SECONDS_MAX)
tell("listened", heard=heard)
listening.stop()
sys.exit(0 if heard else 1)
