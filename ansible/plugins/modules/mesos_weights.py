"""Weights of roles."""

from __future__ import annotations

DOCUMENTATION = r"""
module: mesos_weights
short_description: What roles weigh
version_added: 0.1.0
description:
  - Gives roles their weights. Roles that are not named keep theirs.
options:
  weights:
    description: Numbers above 0 by role.
    type: dict
    required: true
extends_documentation_fragment: [mesos_service.cluster.masters]
author: [The mesos-service contributors (@mesos-service)]
attributes:
  check_mode:
    support: full
    description: Says what would change, and changes nothing.
"""

EXAMPLES = r"""
- name: Let the role web have twice as much as others
  mesos_service.cluster.mesos_weights:
    masters: [10.0.0.11:5050]
    weights: {web: 2}
"""

RETURN = r"""
weights:
  description: Weights that changed, or would.
  returned: success
  type: dict
  sample: {web: 2.0}
"""

from ansible.module_utils.basic import AnsibleModule

try:
    from ansible_collections.mesos_service.cluster.plugins.module_utils.mesos_api import ARGUMENTS, Masters, Refused
except ImportError:  # Used from a checkout, not as an installed collection.
    from ansible.module_utils.mesos_api import ARGUMENTS, Masters, Refused


def main():
    """Ansible calls this."""
    module = AnsibleModule(
        argument_spec={**ARGUMENTS, "weights": {"type": "dict", "required": True}}, supports_check_mode=True
    )
    masters = Masters(module.params)
    try:
        try:
            wanted = {role: float(weight) for role, weight in module.params["weights"].items()}
        except (TypeError, ValueError) as error:
            raise Refused("weights holds something that is no number") from error
        infos = masters.read("GET_WEIGHTS", "get_weights").get("weight_infos", [])
        known = {one["role"]: float(one["weight"]) for one in infos}
        # A role that was never named weighs 1.
        changes = {role: weight for role, weight in wanted.items() if known.get(role, 1.0) != weight}
        if changes and not module.check_mode:
            told = [{"role": role, "weight": weight} for role, weight in sorted(changes.items())]
            masters.ask("UPDATE_WEIGHTS", update_weights={"weight_infos": told})
    except Refused as error:
        module.fail_json(msg=str(error))
    before = {role: known.get(role, 1.0) for role in changes}
    module.exit_json(changed=bool(changes), weights=changes, diff={"before": before, "after": changes})


if __name__ == "__main__":
    main()
