#!/bin/sh
# Says at the end of a test run what could not be run. Under CI=true that is a failure: nothing is missing silently.
set -eu
cd "$(dirname "$0")/.."
if [ -s .venv/unchecked ]; then
    sed 's/^/Warning: /' .venv/unchecked
fi
if [ ! -s .cache/not_run ]; then
    exit 0
fi
echo "Not run, because a part could not be installed here:"
sed 's/^/  - /' .cache/not_run
if [ "${CI:-}" = true ]; then
    echo "Under CI=true this is a failure."
    exit 1
fi
