"""Where Debian puts the sources of mesos-go, a Mesos client in Go that we did not write."""

from __future__ import annotations

from pathlib import Path
from typing import Final

GO_PATH: Final = Path("/usr/share/gocode")
MESOS_GO: Final = GO_PATH / "src/github.com/mesos/mesos-go/api/v1/lib"
