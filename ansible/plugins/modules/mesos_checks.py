"""The documentation of the action plug-in ``mesos_checks``, where Ansible looks for it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: mesos_checks
short_description: See that conditions hold, many of them in one task
version_added: 0.1.0
description:
  - Evaluates conditions in the order in which they are named, and fails with the message of the first that does not
    hold.
  - What takes a task each with C(ansible.builtin.assert), and so a process for each host, is one here. Nothing happens
    on the host.
options:
  checks:
    description:
      - The name of a variable (not its value, since messages are templated only when they are said) with the checks.
      - Each has C(that), a condition or a list of them; C(fail_msg); and may have C(when), a condition or a list of
        them without which it is passed over.
    type: str
    required: true
author: [The mesos-service contributors (@mesos-service)]
attributes:
  check_mode:
    support: full
    description: Changes nothing in either mode.
"""

EXAMPLES = r"""
- name: See that the ensemble can have a majority
  mesos_service.cluster.mesos_checks:
    checks: ensemble_checks
  vars:
    ensemble_checks:
      - that: groups.zookeeper | length is odd
        fail_msg: The group zookeeper has {{ groups.zookeeper | length }} hosts, and should have an odd number of them.
"""

RETURN = "# "
