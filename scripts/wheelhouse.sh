#!/bin/sh
# Builds dist/mesos-service-VERSION-wheelhouse.tar: the project's wheel and every locked package it needs, so that hosts
# can install it without an index. `make dist` calls this after the wheel was built.
#
# PYTHONS="3.11 3.12" packs for other Python versions than .venv's own, which the hosts may have; this machine needs none of
# them. OUT=DIRECTORY puts the result somewhere else than dist/.
set -eu
cd "$(dirname "$0")/.."
bin=.venv/bin
version=$("$bin/python" -c 'import mesos_service; print(mesos_service.__version__)')
pythons=${PYTHONS:-$("$bin/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')}
out=${OUT:-dist}
wheel=dist/mesos_service-$version-py3-none-any.whl
tar=$out/mesos-service-$version-wheelhouse.tar
log=$out/wheelhouse.log
say() { printf '%s\n' "wheelhouse: $*" >&2; }
stop() { say "$*"; exit 1; }
[ -e "$wheel" ] || stop "$wheel is missing: make dist builds it"

part=$(mktemp -d "$out/part.XXXXXX")
trap 'rm -rf "$part"' EXIT
house=$part/wheelhouse
mkdir "$house"

# lock_for PYTHON LOCK: the packages of a lock that such a Python needs. pip would ask its own Python instead.
lock_for() {
    "$bin/python" - "$1" "$2" <<'END'
import sys
from pathlib import Path

from packaging.markers import Marker

version, lock = sys.argv[1:]
for entry in Path(lock).read_text().replace("\\\n", "\0").splitlines():
    package, *hashes = entry.split("\0")
    name, _, marker = package.partition(";")
    if not marker.strip() or Marker(marker).evaluate({"python_version": version, "python_full_version": f"{version}.0"}):
        print(" \\\n".join([name.rstrip(), *(part.rstrip() for part in hashes)]))
END
}

# download PYTHON LOCK [OPTION...]
download() {
    python=$1 lock=$2
    shift 2
    "$bin/python" -m pip download -q --no-deps --only-binary=:all: --python-version "$python" --implementation cp \
        -d "$house" -r "$lock" "$@" >"$log" 2>&1
}

sed -E 's/ *\\$//; /^ *--hash=/d' requirements/runtime.txt >"$house/requirements.txt"
for python in $pythons; do
    lock_for "$python" requirements/runtime.txt >"$part/locked.txt"
    if ! download "$python" "$part/locked.txt" --require-hashes; then
        grep -qi 'do not match the hashes' "$log" || { tail -n 5 "$log" >&2; stop "pip download failed for Python $python"; }
        [ "${REQUIRE_HASHES:-}" != 1 ] || stop "a package does not match its hash, and REQUIRE_HASHES=1 forbids going on"
        say "WARNING: a package does not match its hash in requirements/runtime.txt; taking the locked versions unchecked"
        sed -E 's/ *\\$//; /^ *--hash=/d' "$part/locked.txt" >"$part/unchecked.txt"
        download "$python" "$part/unchecked.txt" || { tail -n 5 "$log" >&2; stop "pip download failed for Python $python"; }
    fi
done
# Those with the compiled kernel as well: pip takes whichever fits the host.
cp "$wheel" "$house/"
for compiled in "dist/mesos_service-$version"-cp*.whl; do
    [ ! -e "$compiled" ] || cp "$compiled" "$house/"
done
printf '%s\n' "$pythons" | tr ' ' '\n' >"$house/pythons.txt"
# The same content makes the same file: hosts that have it are left alone.
tar --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 -C "$part" -cf "$tar.part" wheelhouse
mv "$tar.part" "$tar"
rm -f "$log"
say "$tar: $(find "$house" -name '*.whl' | wc -l) wheels, $(du -h "$tar" | cut -f 1)"
# shellcheck disable=SC2086  # Words.
OUT=$out scripts/installed_tree.sh $pythons
