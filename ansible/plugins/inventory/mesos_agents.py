"""Dynamic inventory: the agents that a running master knows."""

from __future__ import annotations

DOCUMENTATION = r"""
name: mesos_agents
short_description: Hosts of the agents that a running master knows
description:
  - Asks masters for the agents of the cluster, and makes a host of each.
  - Hosts are in the group C(mesos_agents), in C(mesos_agents_active) or C(mesos_agents_inactive), and for each text
    attribute in C(mesos_NAME_VALUE), such as C(mesos_rack_r1).
  - The file's name must end in C(mesos_agents.yml) or C(mesos_agents.yaml).
options:
  plugin:
    description: Must be C(mesos_agents), or C(mesos_service.cluster.mesos_agents) where the collection is installed.
    required: true
    choices: [mesos_agents, mesos_service.cluster.mesos_agents]
  masters:
    description: Masters as host:port, asked in order until one answers; one that stands by sends on to the leader.
    type: list
    elements: str
    required: true
  tls:
    description: Whether masters speak TLS.
    type: bool
    default: false
  ca_path:
    description: File of the certificates that vouch for them. Default is the system's.
    type: path
  principal:
    description: Who asks, where masters demand to know.
    type: str
    env: [{name: MESOS_INVENTORY_PRINCIPAL}]
  secret:
    description: What proves it; better in the environment than in the file.
    type: str
    env: [{name: MESOS_INVENTORY_SECRET}]
  timeout:
    description: Seconds that each may take to answer.
    type: int
    default: 5
"""

EXAMPLES = r"""
plugin: mesos_agents
masters: [10.0.0.11:5050, 10.0.0.12:5050, 10.0.0.13:5050]
"""

import json
from urllib.error import URLError
from urllib.parse import urlsplit

from ansible.errors import AnsibleParserError
from ansible.module_utils.urls import open_url

from ansible.plugins.inventory import BaseInventoryPlugin, to_safe_group_name


class InventoryModule(BaseInventoryPlugin):
    """Ansible calls :meth:`verify_file`, then :meth:`parse`."""

    NAME = "mesos_agents"

    def verify_file(self, path):
        """Whether ``path`` is a file of this plug-in."""
        return super().verify_file(path) and path.endswith(("mesos_agents.yml", "mesos_agents.yaml"))

    def parse(self, inventory, loader, path, cache=True):
        """Add the agents to ``inventory``; raises ``AnsibleParserError`` where no master can say them."""
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        agents = self._ask()
        inventory.add_group("mesos_agents")
        for agent in sorted(agents, key=lambda agent: agent["id"]):
            self._add(agent)

    def _ask(self):
        """What ``/slaves`` of the leading master lists."""
        refusals = []
        scheme = "https" if self.get_option("tls") else "http"
        for master in self.get_option("masters"):
            try:
                # A standby answers with 307 and the leader's address, without a scheme.
                answer = open_url(
                    f"{scheme}://{master}/master/slaves",
                    timeout=self.get_option("timeout"),
                    ca_path=self.get_option("ca_path"),
                    url_username=self.get_option("principal"),
                    url_password=self.get_option("secret"),
                    force_basic_auth=self.get_option("principal") is not None,
                )
                return json.load(answer)["slaves"]
            except (OSError, URLError, ValueError, KeyError) as error:
                refusals.append(f"{master}: {error}")
        raise AnsibleParserError("no master says which agents there are; asked " + ", ".join(refusals))

    def _add(self, agent):
        # Two agents may run on one host, and are one host to log in on.
        name = agent["hostname"]
        address = urlsplit("//" + agent["pid"].partition("@")[2])
        self.inventory.add_host(name, group="mesos_agents")
        self.inventory.set_variable(name, "ansible_host", address.hostname)
        self.inventory.set_variable(name, "mesos_agent_id", agent["id"])
        self.inventory.set_variable(name, "mesos_agent_port", address.port)
        self.inventory.set_variable(name, "mesos_agent_resources", agent["resources"])
        self.inventory.set_variable(name, "mesos_agent_attributes", agent["attributes"])
        groups = [f"mesos_agents_{'active' if agent['active'] else 'inactive'}"]
        groups += [f"mesos_{key}_{value}" for key, value in agent["attributes"].items() if isinstance(value, str)]
        for group in map(to_safe_group_name, groups):
            self.inventory.add_group(group)
            self.inventory.add_child(group, name)
