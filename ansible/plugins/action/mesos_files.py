"""Hands the files' contents to the module in base64, which neither the host's log nor a result repeats."""

from __future__ import annotations

import base64

from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    """What of the module ``mesos_files`` happens on the machine that runs Ansible."""

    _requires_connection = True

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        files = arguments.get("files")
        if isinstance(files, list):
            arguments["files"] = [_encoded(one) if isinstance(one, dict) else one for one in files]
        return self._execute_module("mesos_files", module_args=arguments, task_vars=task_vars)


def _encoded(one):
    rest = {name: value for name, value in one.items() if name != "content"}
    if one.get("content") is None:
        return rest
    return {**rest, "encoded": base64.b64encode(str(one["content"]).encode()).decode()}
