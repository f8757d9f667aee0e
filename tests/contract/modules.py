"""Which folders the contract suites look into beside the built-in one."""

from __future__ import annotations

import os
from pathlib import Path

from mesos_service.configuration.flags import ENVIRONMENT_PREFIX
from mesos_service.configuration.forms import split_list


def modules_dirs() -> tuple[Path, ...]:
    """Those of the flag ``--modules_dir``, as its variable names them: an author's own modules."""
    return tuple(map(Path, split_list(os.environ.get(f"{ENVIRONMENT_PREFIX}MODULES_DIR", ""))))
