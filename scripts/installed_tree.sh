#!/bin/sh
# Installs what is in dist/mesos-service-VERSION-wheelhouse.tar once, here, compiles it, and packs the result as
# dist/mesos-service-VERSION-installed-ABI-CHECKSUM.tar.gz: hosts whose Python loads such modules only unpack it,
# which takes a tenth of what pip takes on each of them. CHECKSUM is the wheelhouse's, so that no other one's is taken for
# it. `make dist` calls this; hosts that it does not fit install the wheels.
#
# installed_tree.sh PYTHON...: the versions to do it for; those that are not on this machine are passed over. OUT=DIRECTORY is
# where the wheelhouse is, and the result goes, instead of dist/.
set -eu
cd "$(dirname "$0")/.."
bin=.venv/bin
version=$("$bin/python" -c 'import mesos_service; print(mesos_service.__version__)')
out=${OUT:-dist}
house=$out/mesos-service-$version-wheelhouse.tar
checksum=$(sha1sum <"$house" | cut -c 1-12)
say() { printf '%s\n' "installed tree: $*" >&2; }

# program PYTHON: .venv's own, or the one on the path; fails where neither is of that version.
program() {
    for candidate in "$bin/python" "python$1"; do
        if "$candidate" -c 'import sys; sys.exit("%d.%d" % sys.version_info[:2] != sys.argv[1])' "$1" 2>/dev/null; then
            printf '%s\n' "$candidate"
            return 0
        fi
    done
    return 1
}

part=$(mktemp -d "$out/part.XXXXXX")
trap 'rm -rf "$part"' EXIT
for tree in "$out/mesos-service-$version"-installed-*.tar.gz; do
    case $tree in *-"$checksum".tar.gz) ;; *) rm -f "$tree" ;; esac
done
for wanted in "$@"; do
    python=$(program "$wanted") || { say "there is no Python $wanted here; its hosts install the wheels"; continue; }
    kind=$("$python" -c 'import sysconfig; print(sysconfig.get_config_var("SOABI"))')
    tree=$out/mesos-service-$version-installed-$kind-$checksum.tar.gz
    [ ! -e "$tree" ] || continue
    rm -rf "$part/tree" "$part/wheelhouse"
    tar -xf "$house" -C "$part"
    "$python" -m venv --without-pip "$part/tree"
    "$bin/python" -m pip --python "$part/tree/bin/python" install --quiet --disable-pip-version-check --no-compile \
        --no-index --find-links "$part/wheelhouse" "mesos-service==$version"
    # Compiled files name the time of their source, in seconds; hosts get both as they are here.
    find "$part/tree/lib" -exec touch --no-dereference --date=@315532800 {} +
    "$part/tree/bin/python" -m compileall -q -j 0 "$part/tree/lib"
    # Its first line names the directory that it was made in; hosts write theirs.
    tar --owner=0 --group=0 --numeric-owner -C "$part/tree" -cf - bin/mesos-service lib | gzip -n -1 >"$part/tree.tar.gz"
    mv "$part/tree.tar.gz" "$tree"
    say "$tree: $(du -h "$tree" | cut -f 1)"
done
