"""The command line that Mesos had last, as its package has it: the arguments are its own."""

from __future__ import annotations

import runpy
import sys
from importlib import import_module
from pathlib import Path

import avmesos
import avmesos.http
from avmesos import cli

# Version 1.0.0 uses this name in its calls to agents and forgot to import it.
import_module("avmesos.cli.mesos").mesos = avmesos

program = Path(cli.__file__).parent / "mesos-cli.py"
sys.argv[0] = str(program)
runpy.run_path(str(program), run_name="__main__")
