"""Sees that a host and its inventory are fit, one condition after the other, without a task for each.

A task costs a process on the machine that runs Ansible for every host, even where it only compares two variables.
"""

from __future__ import annotations

from ansible.errors import AnsibleActionFail

from ansible.plugins.action import ActionBase

_KEYS = {"that", "fail_msg", "when"}


class ActionModule(ActionBase):
    """All there is of ``mesos_checks``: nothing of it happens on the host."""

    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        variables = task_vars or {}
        for check in _checked(self._task.args, variables):
            if self._hold(check.get("when", []), variables) and not self._hold(check["that"], variables):
                # Only now: what is said of a mistake often cannot be said where there is none.
                return {**result, "failed": True, "changed": False, "msg": self._templar.template(check["fail_msg"])}
        return {**result, "changed": False}

    def _hold(self, conditions, variables):
        """Whether all of them do; the rest are not looked at after the first that does not."""
        wanted = conditions if isinstance(conditions, list) else [conditions]
        if hasattr(self._templar, "evaluate_conditional"):
            return all(self._templar.evaluate_conditional(conditional=one) for one in wanted)
        # Until ansible-core 2.19 templates had no word for it, and this class has none from then on.
        from ansible.playbook.conditional import Conditional

        asked = Conditional(loader=self._loader)
        asked.when = wanted
        return asked.evaluate_conditional(self._templar, variables)


def _checked(arguments, variables):
    """The checks, which are not templated yet; raises where they are none."""
    if set(arguments) != {"checks"}:
        raise AnsibleActionFail("mesos_checks takes 'checks', the name of a variable, and nothing else")
    name = arguments["checks"]
    checks = variables.get(name)
    if not isinstance(checks, list) or not checks:
        raise AnsibleActionFail(f"{name} is not a list of checks")
    for check in checks:
        if not isinstance(check, dict) or not {"that", "fail_msg"} <= set(check) <= _KEYS:
            raise AnsibleActionFail(f"each of {name} has 'that' and 'fail_msg', and may have 'when': {check}")
    return checks
