#!/bin/sh
# Installs what the tests run against but the project does not contain: a Mesos client that is not ours.
#
# pymesos needs http-parser, whose source no longer compiles on Python 3.11; Debian and Ubuntu carry a build for
# their own Python. So pymesos gets an environment of its own, .venv-clients, over the system's Python.
#
# Never fails because a part cannot be had: it then says so in .cache/not_run, which `make test` shows at the end
# (and counts as a failure under CI=true).
set -eu
cd "$(dirname "$0")/.."
mkdir -p .cache
not_run=.cache/not_run
: >"$not_run"
venv=.venv-clients
log=.cache/real_parts.log

say() { printf '%s\n' "real parts: $*" >&2; }
without() {
    printf '%s\n' "pymesos 0.3.15 (a client we did not write): $*" >>"$not_run"
    say "pymesos cannot be installed: $*"
    exit 0
}

works() {
    "$venv/bin/python" -c 'import http_parser.http, pymesos' >/dev/null 2>&1 &&
        [ "$(cat "$venv/stamp" 2>/dev/null)" = "$(cksum <requirements/clients.txt)" ]
}
works && exit 0

system_python=/usr/bin/python3
can_apt() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; }
apt_install() { DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >>"$log" 2>&1; }

: >"$log"
if ! "$system_python" -c 'import http_parser.http, venv, ensurepip' >/dev/null 2>&1; then
    can_apt || without "python3-http-parser is missing, and installing it takes root and apt-get"
    say "installing python3-http-parser and python3-venv"
    apt_install python3 python3-venv python3-http-parser || {
        apt-get update -qq >>"$log" 2>&1 || true
        apt_install python3 python3-venv python3-http-parser || without "apt-get failed; see $log"
    }
fi

rm -rf "$venv"
"$system_python" -m venv --system-site-packages "$venv" >>"$log" 2>&1 || without "making $venv failed; see $log"
install() { "$venv/bin/python" -m pip install -q --no-deps "$@" >>"$log" 2>&1; }
if ! install --require-hashes -r requirements/clients.txt; then
    grep -qi 'do not match the hashes' "$log" || without "pip failed; see $log"
    [ "${REQUIRE_HASHES:-}" != 1 ] || without "a package does not match its hash; see $log"
    say "WARNING: a package does not match its hash in requirements/clients.txt; taking the locked versions unchecked"
    sed -E 's/ *\\$//; /^ *--hash=/d' requirements/clients.txt >.cache/clients-versions.txt
    install -r .cache/clients-versions.txt || without "pip failed; see $log"
fi
cksum <requirements/clients.txt >"$venv/stamp"
works || without "it does not load; see $log"
say "$venv is ready"
