"""Agents out of use, and back."""

from __future__ import annotations

DOCUMENTATION = r"""
module: mesos_drain
short_description: Empties an agent, or puts it back
version_added: 0.1.0
description:
  - Has an agent drained or deactivated, or offered again. An agent that drains and is wanted back is waited for.
options:
  agent:
    description: The agent's id, or its hostname where only one agent is called so.
    type: str
    required: true
  state:
    description: >-
      C(drained) has all its tasks killed and waits until that is so; C(deactivated) offers it to nobody; C(active)
      offers it again.
    type: str
    choices: [drained, deactivated, active]
    default: drained
  grace:
    description: Seconds that a task has to end at most. Default is what each wants.
    type: float
  mark_gone:
    description: Give the agent up for good as soon as it is empty.
    type: bool
    default: false
  wait:
    description: Seconds to wait until it is drained. 0 does not wait.
    type: int
    default: 600
extends_documentation_fragment: [mesos_service.cluster.masters]
author: [The mesos-service contributors (@mesos-service)]
attributes:
  check_mode:
    support: full
    description: Says what would change, and changes nothing.
"""

EXAMPLES = r"""
- name: Empty a host before its kernel is exchanged
  mesos_service.cluster.mesos_drain:
    masters: "{{ groups.mesos_masters | map('regex_replace', '$', ':5050') | list }}"
    agent: "{{ inventory_hostname }}"
    grace: 60
"""

RETURN = r"""
agent:
  description: The agent's id.
  returned: success
  type: str
state:
  description: What the agent is now, or would be.
  returned: success
  type: str
  sample: drained
"""

from ansible.module_utils.basic import AnsibleModule

try:
    from ansible_collections.mesos_service.cluster.plugins.module_utils.mesos_api import ARGUMENTS, Masters, Refused
except ImportError:  # Used from a checkout, not as an installed collection.
    from ansible.module_utils.mesos_api import ARGUMENTS, Masters, Refused

import time

PAUSE_SECONDS = 0.5


def state_of(agent):
    """One of the module's states, or C(draining)."""
    drain = agent.get("drain_info")
    if drain is not None:
        return drain["state"].lower()
    return "deactivated" if agent.get("deactivated") else "active"


def find(masters, name):
    """The agent's id, and what it is; raises ``Refused`` where nobody or several are called so."""
    agents = masters.read("GET_AGENTS", "get_agents").get("agents", [])
    found = [
        (one["agent_info"]["id"]["value"], state_of(one))
        for one in agents
        if name in (one["agent_info"]["id"]["value"], one["agent_info"]["hostname"])
    ]
    if len(found) == 1:
        return found[0]
    raise Refused(f"{len(found)} registered agents are called '{name}'; name one by its id")


def wait(masters, agent_id, seconds):
    """Until it is drained, or gone."""
    until = time.monotonic() + seconds
    while True:
        agents = masters.read("GET_AGENTS", "get_agents").get("agents", [])
        now = [state_of(one) for one in agents if one["agent_info"]["id"]["value"] == agent_id]
        if "draining" not in now:
            return
        if time.monotonic() > until:
            raise Refused(f"agent {agent_id} is not drained after {seconds} seconds; it goes on draining")
        time.sleep(PAUSE_SECONDS)


def main():
    """Ansible calls this."""
    module = AnsibleModule(
        argument_spec={
            **ARGUMENTS,
            "agent": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["drained", "deactivated", "active"], "default": "drained"},
            "grace": {"type": "float"},
            "mark_gone": {"type": "bool", "default": False},
            "wait": {"type": "int", "default": 600},
        },
        supports_check_mode=True,
    )
    given = module.params
    masters = Masters(given)
    try:
        agent_id, before = find(masters, given["agent"])
        wanted = given["state"]
        same = before == wanted or (wanted == "drained" and before == "draining")
        if not module.check_mode:
            named = {"agent_id": {"value": agent_id}}
            if wanted == "active" and before == "draining":
                wait(masters, agent_id, given["wait"])
            if not same and wanted == "drained":
                drain = {**named, "mark_gone": given["mark_gone"]}
                if given["grace"] is not None:
                    seconds, part = divmod(given["grace"], 1)
                    drain["max_grace_period"] = {"seconds": int(seconds), "nanos": int(part * 1e9)}
                masters.ask("DRAIN_AGENT", drain_agent=drain)
            elif not same and wanted == "deactivated":
                if before != "active":
                    wait(masters, agent_id, given["wait"])
                    masters.ask("REACTIVATE_AGENT", reactivate_agent=named)
                masters.ask("DEACTIVATE_AGENT", deactivate_agent=named)
            elif not same:
                masters.ask("REACTIVATE_AGENT", reactivate_agent=named)
            if wanted == "drained" and given["wait"] > 0:
                wait(masters, agent_id, given["wait"])
    except Refused as error:
        module.fail_json(msg=str(error))
    diff = {"before": {"state": before}, "after": {"state": wanted}}
    module.exit_json(changed=not same, agent=agent_id, state=wanted, diff=diff)


if __name__ == "__main__":
    main()
