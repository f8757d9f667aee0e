"""Which Mesos this speaks as, beside which version of ours it is."""

from __future__ import annotations

from typing import Final

MESOS_VERSION: Final = "1.12.0"
"""What ``/version`` and MasterInfo say: plain integers, as a suffix such as ``-dev`` stops some clients."""
