"""What the machine itself tells, under Mesos' names (Mesos docs, monitoring: ``system/*``)."""

from __future__ import annotations

import os


def system_metrics() -> dict[str, float]:
    """Load averages, cpus, and memory in bytes. Reads the machine each time it is asked."""
    load_1min, load_5min, load_15min = os.getloadavg()
    page = os.sysconf("SC_PAGE_SIZE")
    return {
        "system/cpus_total": float(os.cpu_count() or 1),
        "system/load_1min": load_1min,
        "system/load_5min": load_5min,
        "system/load_15min": load_15min,
        "system/mem_free_bytes": float(os.sysconf("SC_AVPHYS_PAGES") * page),
        "system/mem_total_bytes": float(os.sysconf("SC_PHYS_PAGES") * page),
    }
