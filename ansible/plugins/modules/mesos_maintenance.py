"""The maintenance schedule."""

from __future__ import annotations

DOCUMENTATION = r"""
module: mesos_maintenance
short_description: Machines that go, are down, and come back
version_added: 0.1.0
description:
  - Puts machines into the maintenance schedule, brings them down, or brings them up and out of it.
  - Machines that are not named keep what the schedule says of them.
options:
  machines:
    description: Hostnames, each with the address after an C(@) or C(@address) alone.
    type: list
    elements: str
    required: true
  state:
    description: C(scheduled) tells frameworks; C(down) ends the agents there; C(up) lets them register again.
    type: str
    choices: [scheduled, down, up]
    required: true
  start:
    description: Unix time in seconds at which they go. Default is now, or what the schedule says already.
    type: int
  duration:
    description: Seconds for which they are away. Default is for ever, or what the schedule says already.
    type: int
extends_documentation_fragment: [mesos_service.cluster.masters]
author: [The mesos-service contributors (@mesos-service)]
attributes:
  check_mode:
    support: full
    description: Says what would change, and changes nothing.
"""

EXAMPLES = r"""
- name: Tell frameworks that two hosts go for an hour
  mesos_service.cluster.mesos_maintenance:
    masters: [10.0.0.11:5050]
    machines: [web7, web8@10.0.0.8]
    state: scheduled
    start: 1896076800
    duration: 3600
"""

RETURN = r"""
machines:
  description: Machines that changed, or would.
  returned: success
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule

try:
    from ansible_collections.mesos_service.cluster.plugins.module_utils.mesos_api import ARGUMENTS, Masters, Refused
except ImportError:  # Used from a checkout, not as an installed collection.
    from ansible.module_utils.mesos_api import ARGUMENTS, Masters, Refused

import time


def machine_id(text):
    """C(hostname@address) as a MachineID."""
    hostname, _, address = text.partition("@")
    named = {name: part for name, part in (("hostname", hostname.lower()), ("ip", address)) if part}
    if not named:
        raise Refused(f"'{text}' names no machine")
    return named


class Schedule:
    """The schedule as the leader has it, and how to change it."""

    def __init__(self, masters):
        self._masters = masters
        found = masters.read("GET_MAINTENANCE_SCHEDULE", "get_maintenance_schedule").get("schedule", {})
        self.windows = found.get("windows", [])
        status = masters.read("GET_MAINTENANCE_STATUS", "get_maintenance_status").get("status", {})
        self.down = status.get("down_machines", [])

    def unavailability(self, machine):
        """What is said of it; nothing where the schedule does not name it."""
        found = [one["unavailability"] for one in self.windows if machine in one["machine_ids"]]
        return found[0] if found else None

    def replace(self, machines, unavailability):
        """Put them into a window of their own, or with nothing take them out."""
        left = [
            {**one, "machine_ids": [named for named in one["machine_ids"] if named not in machines]}
            for one in self.windows
        ]
        windows = [one for one in left if one["machine_ids"]]
        if unavailability is not None:
            windows.append({"machine_ids": machines, "unavailability": unavailability})
        self._masters.ask("UPDATE_MAINTENANCE_SCHEDULE", update_maintenance_schedule={"schedule": {"windows": windows}})


def main():
    """Ansible calls this."""
    module = AnsibleModule(
        argument_spec={
            **ARGUMENTS,
            "machines": {"type": "list", "elements": "str", "required": True},
            "state": {"type": "str", "choices": ["scheduled", "down", "up"], "required": True},
            "start": {"type": "int"},
            "duration": {"type": "int"},
        },
        supports_check_mode=True,
    )
    given = module.params
    masters = Masters(given)
    try:
        machines = [machine_id(text) for text in given["machines"]]
        schedule = Schedule(masters)
        if given["state"] == "up":
            changes = [one for one in machines if schedule.unavailability(one) is not None]
        elif given["state"] == "down":
            changes = [one for one in machines if one not in schedule.down]
        else:
            changes = [one for one in machines if differs(schedule.unavailability(one), given)]
        if changes and not module.check_mode:
            change(masters, schedule, given, changes)
    except Refused as error:
        module.fail_json(msg=str(error))
    names = ["@".join((one.get("hostname", ""), one.get("ip", ""))).removesuffix("@") for one in changes]
    module.exit_json(changed=bool(changes), machines=names)


def differs(known, given):
    """Whether what is said of a machine is other than what is asked for; what is not asked for may be anything."""
    if known is None:
        return True
    start, duration = known["start"]["nanoseconds"], known.get("duration", {}).get("nanoseconds")
    return (given["start"] is not None and start != given["start"] * 10**9) or (
        given["duration"] is not None and duration != given["duration"] * 10**9
    )


def change(masters, schedule, given, changes):
    """Do what is asked for, to those that are not so yet."""
    if given["state"] == "up":
        down = [one for one in changes if one in schedule.down]
        if down:
            masters.ask("STOP_MAINTENANCE", stop_maintenance={"machines": down})
        planned = [one for one in changes if one not in down]
        if planned:
            Schedule(masters).replace(planned, None)
        return
    unavailability = {"start": {"nanoseconds": (given["start"] or int(time.time())) * 10**9}}
    if given["duration"] is not None:
        unavailability["duration"] = {"nanoseconds": given["duration"] * 10**9}
    missing = [one for one in changes if given["state"] == "scheduled" or schedule.unavailability(one) is None]
    if missing:
        schedule.replace(missing, unavailability)
    if given["state"] == "down":
        masters.ask("START_MAINTENANCE", start_maintenance={"machines": changes})


if __name__ == "__main__":
    main()
