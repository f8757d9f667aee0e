#!/bin/sh
# Makes .venv and installs the locked packages and this project into it (editable).
#
#   scripts/setup.sh runtime    what `mesos-service` needs
#   scripts/setup.sh dev        that, and what checks and tests need
#
# Quick when nothing changed: a stamp in .venv holds a checksum of everything the result depends on.
# PYTHON=/path/to/python chooses the interpreter; VENV=directory the place. REQUIRE_HASHES=1 forbids the one
# fall-back there is (see install_locked).
set -eu

want=${1:-runtime}
cd "$(dirname "$0")/.."
venv=${VENV:-.venv}

say() { printf '%s\n' "setup: $*" >&2; }
stop() { say "$*"; exit 1; }

case $want in
runtime | dev) ;;
*) stop "'$want' is neither runtime nor dev" ;;
esac

is_new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

find_python() {
    for candidate in ${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11 /usr/bin/python3; do
        if command -v "$candidate" >/dev/null 2>&1 && is_new_enough "$candidate"; then
            printf '%s\n' "$candidate"
            return 0
        fi
    done
    return 1
}

# Debian parts the venv module from python3; its absence shows only as a failing ensurepip.
make_venv() {
    if ! python=$(find_python); then
        stop "no Python 3.11 or newer was found. On Debian 12 or 13, or Ubuntu 24.04: apt-get install python3 python3-venv." \
            "Elsewhere set PYTHON=/path/to/python3.11."
    fi
    # Not -m venv: a Debian without python3-venv has that module, and fails only later, for want of this one.
    if ! "$python" -c 'import venv, ensurepip' >/dev/null 2>&1; then
        package=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
        if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
            stop "this Python cannot make virtual environments. Install $package (apt-get install $package, as root)."
        fi
        say "installing $package, which this Python needs for virtual environments"
        apt_install "$package" || apt_install python3-venv ||
            stop "apt-get could not install $package; see its words above."
    fi
    say "making $venv with $("$python" --version)"
    "$python" -m venv "$venv"
}

apt_install() {
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$1" >&2 || {
        apt-get update -qq >&2 &&
            DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$1" >&2
    }
}

# Locked versions, checked by hash. An index may serve other builds of the very same versions (a mirror that
# compiles its own wheels): then the hashes cannot fit, and the same versions are taken unchecked. That is said here
# and once more at the end of `make test`; REQUIRE_HASHES=1 makes it an error.
install_locked() {
    lock=$1
    log=$venv/install.log
    rm -f "$venv/unchecked"
    if "$venv/bin/python" -m pip install -q --require-hashes -r "$lock" >"$log" 2>&1; then
        return 0
    fi
    if ! grep -qi 'do not match the hashes' "$log"; then
        cat "$log" >&2
        stop "pip could not install $lock; its words are above."
    fi
    if [ "${REQUIRE_HASHES:-}" = 1 ]; then
        cat "$log" >&2
        stop "a package does not match its hash in $lock, and REQUIRE_HASHES=1 forbids going on."
    fi
    say "WARNING: a package does not match its hash in $lock. Taking the locked versions without checking hashes:"
    grep -iA1 'do not match the hashes' "$log" | tail -n 1 | sed -E 's/ from .*//' >&2
    sed -E 's/ *\\$//; /^ *--hash=/d' "$lock" >"$venv/versions.txt"
    if ! "$venv/bin/python" -m pip install -q -r "$venv/versions.txt" >"$log" 2>&1; then
        cat "$log" >&2
        stop "pip could not install the locked versions; its words are above."
    fi
    printf '%s\n' "the packages of $lock were installed without checking their hashes" >"$venv/unchecked"
}

lock=requirements/$want.txt
stamp=$venv/stamp-$want
# The version and the entry points of the package are the only things an editable install copies; it compiles the kernel.
kernel="hatch_build.py $(echo mesos_service/core/allocation/_kernel*.[ch])"
sum=$(cat scripts/setup.sh "$lock" pyproject.toml mesos_service/__init__.py $kernel | cksum)
# A dev environment holds all of the runtime one, in the same versions.
if [ -x "$venv/bin/mesos-service" ]; then
    if [ "$(cat "$stamp" 2>/dev/null)" = "$sum" ]; then
        exit 0
    fi
    if [ "$want" = runtime ] && [ -f "$venv/stamp-dev" ]; then
        dev_sum=$(cat scripts/setup.sh requirements/dev.txt pyproject.toml mesos_service/__init__.py $kernel | cksum)
        if [ "$(cat "$venv/stamp-dev")" = "$dev_sum" ]; then
            exit 0
        fi
    fi
fi

if ! { [ -x "$venv/bin/python" ] && is_new_enough "$venv/bin/python" && "$venv/bin/python" -m pip --version; } \
    >/dev/null 2>&1; then
    # What an interrupted run left is not worth mending.
    rm -rf "$venv"
    make_venv
fi
say "installing $(grep -c == "$lock") locked packages ($lock); the first time this takes a minute"
install_locked "$lock"
if ! "$venv/bin/python" -m pip install -q --no-deps --no-build-isolation -e . >"$venv/install.log" 2>&1; then
    cat "$venv/install.log" >&2
    stop "pip could not install the project itself; its words are above."
fi
printf '%s\n' "$sum" >"$stamp"
say "$venv is ready"
