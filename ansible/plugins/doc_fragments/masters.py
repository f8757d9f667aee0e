"""What all modules of this collection are told: where the masters are, and who asks."""

from __future__ import annotations


class ModuleDocFragment:
    """Options of C(module_utils/mesos_api.py)."""

    DOCUMENTATION = r"""
options:
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
  secret:
    description: What proves it.
    type: str
  timeout:
    description: Seconds that a master may take to answer.
    type: int
    default: 10
"""
