"""What gates of a pass are asked about."""

from __future__ import annotations

import json


def resource(name: str, amount: float, **kind: object) -> dict[str, object]:
    return {"name": name, "type": "SCALAR", "scalar": {"value": amount}, **kind}


def listed(*resources: dict[str, object]) -> str:
    return json.dumps(resources)


def revocable(name: str, amount: float) -> dict[str, object]:
    return resource(name, amount, revocable={})
