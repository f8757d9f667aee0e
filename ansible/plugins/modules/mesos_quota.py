"""Quota of a role."""

from __future__ import annotations

DOCUMENTATION = r"""
module: mesos_quota
short_description: Guarantees and limits of a role
version_added: 0.1.0
description:
  - Sets the quota of a top-level role, all of it at once, or takes it away.
options:
  role:
    description: The role.
    type: str
    required: true
  guarantees:
    description: Amounts that it is guaranteed, by resource, such as two of cpus and 512 of mem.
    type: dict
    default: {}
  limits:
    description: What it may have at most, by resource.
    type: dict
    default: {}
  force:
    description: Also where the cluster has less than is guaranteed, or the role consumes more than the limit.
    type: bool
    default: false
  state:
    description: Whether the role has this quota, or none.
    type: str
    choices: [present, absent]
    default: present
extends_documentation_fragment: [mesos_service.cluster.masters]
author: [The mesos-service contributors (@mesos-service)]
attributes:
  check_mode:
    support: full
    description: Says what would change, and changes nothing.
"""

EXAMPLES = r"""
- name: Guarantee two cpus to the role web
  mesos_service.cluster.mesos_quota:
    masters: [10.0.0.11:5050, 10.0.0.12:5050]
    role: web
    guarantees: {cpus: 2, mem: 4096}
    limits: {cpus: 8}
"""

RETURN = r"""
quota:
  description: The quota as it is now, or would be.
  returned: success
  type: dict
  sample: {guarantees: {cpus: 2.0}, limits: {}}
"""

from ansible.module_utils.basic import AnsibleModule

try:
    from ansible_collections.mesos_service.cluster.plugins.module_utils.mesos_api import ARGUMENTS, Masters, Refused
except ImportError:  # Used from a checkout, not as an installed collection.
    from ansible.module_utils.mesos_api import ARGUMENTS, Masters, Refused


def amounts(given, what):
    """Numbers by resource; raises ``Refused`` for what is none."""
    try:
        return {name: float(amount) for name, amount in given.items()}
    except (TypeError, ValueError) as error:
        raise Refused(f"{what}: {given} holds something that is no number") from error


def plain(config):
    """A QuotaConfig as the module shows it."""
    return {
        what: {name: float(one["value"]) for name, one in config.get(what, {}).items()}
        for what in ("guarantees", "limits")
    }


def main():
    """Ansible calls this."""
    module = AnsibleModule(
        argument_spec={
            **ARGUMENTS,
            "role": {"type": "str", "required": True},
            "guarantees": {"type": "dict", "default": {}},
            "limits": {"type": "dict", "default": {}},
            "force": {"type": "bool", "default": False},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        supports_check_mode=True,
    )
    given = module.params
    masters = Masters(given)
    try:
        wanted = {"guarantees": {}, "limits": {}}
        if given["state"] == "present":
            wanted = {what: amounts(given[what], what) for what in ("guarantees", "limits")}
            if not any(wanted.values()):
                raise Refused("state=present takes guarantees, limits or both; state=absent takes quota away")
        configs = masters.read("GET_QUOTA", "get_quota").get("status", {}).get("configs", [])
        before = next((plain(one) for one in configs if one["role"] == given["role"]), {"guarantees": {}, "limits": {}})
        changed = before != wanted
        if changed and not module.check_mode:
            config = {what: {name: {"value": one} for name, one in wanted[what].items()} for what in wanted}
            quota = {"force": given["force"], "quota_configs": [{"role": given["role"], **config}]}
            masters.ask("UPDATE_QUOTA", update_quota=quota)
    except Refused as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=changed, quota=wanted, diff={"before": before, "after": wanted})


if __name__ == "__main__":
    main()
