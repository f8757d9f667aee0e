#!/bin/sh
# Builds the wheel with the compiled allocator (docs/adr/0009) beside the one for any machine, where that can be done:
# for this platform and this Python, and for hosts whose C library is no older than this machine's; on others the
# allocator runs in Python. `make dist` calls this.
#
# OUT=DIRECTORY puts it somewhere else than dist/.
set -eu
cd "$(dirname "$0")/.."
bin=.venv/bin
reason=$("$bin/python" -c 'import hatch_build; print(hatch_build.missing() or "")')
if [ -n "$reason" ]; then
    printf '%s\n' "platform wheel: none is built, as $reason" >&2
    exit 0
fi
MESOS_SERVICE_KERNEL=1 "$bin/python" -m hatchling build -t wheel -d "${OUT:-dist}"
