#!/bin/sh
# Installs what the tests run against but the project does not contain: ZooKeeper, PostgreSQL, Prometheus, LXC hosts,
# Mesos clients that are not ours, and generators of clients. With the argument "all" also what only the long suites run
# against: Vagrant.
#
# Never fails because a part cannot be had: it then says so in .cache/not_run, which `make test` shows at the end
# (and counts as a failure under CI=true).
set -eu
cd "$(dirname "$0")/.."
mkdir -p .cache
not_run=.cache/not_run
log=.cache/real_parts.log
: >"$not_run"
: >"$log"

say() { printf '%s\n' "real parts: $*" >&2; }
# without PART WHY
without() {
    printf '%s\n' "$1: $2" >>"$not_run"
    say "$1 cannot be installed: $2"
    return 1
}

can_apt() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; }
# apt checks signatures as a user of its own, who may not write to every TMPDIR: it then keeps its old lists, and says of
# packages that are newer there that they cannot be installed together.
apt_get() { TMPDIR=/var/tmp DEBIAN_FRONTEND=noninteractive apt-get -qq "$@" >>"$log" 2>&1; }
apt_install() { apt_get install -y --no-install-recommends "$@"; }

# debian_part NAME WORKS PACKAGE...: installs the packages unless the command WORKS succeeds already.
debian_part() {
    name=$1 works=$2
    shift 2
    "$works" && return 0
    can_apt || without "$name" "installing $* takes root and apt-get" || return 1
    say "installing $*"
    apt_install "$@" || {
        apt_get update || true
        apt_install "$@" || without "$name" "apt-get failed; see $log" || return 1
    }
    "$works" || without "$name" "it is installed but not where it was looked for"
}

# The servers are started by the tests themselves, from these files; no service of the system is used.
has_zookeeper() { command -v java >/dev/null 2>&1 && [ -e /usr/share/java/zookeeper.jar ]; }
has_postgresql() { ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; }
debian_part "ZooKeeper (election)" has_zookeeper default-jre-headless zookeeper || true
debian_part "PostgreSQL (registry)" has_postgresql postgresql || true
# Certificates are made when a test needs them, and Prometheus reads what /metrics tells.
has_openssl() { command -v openssl >/dev/null 2>&1; }
has_promtool() { command -v promtool >/dev/null 2>&1; }
# A program that is a root file system by itself, for containers with images.
has_busybox() { [ -x /usr/bin/busybox ] || [ -x /bin/busybox ]; }
debian_part "busybox-static (images)" has_busybox busybox-static || true
debian_part "openssl (TLS)" has_openssl openssl || true
debian_part "Prometheus (/metrics)" has_promtool prometheus || true

# Hosts to run the roles on. Their file system is built once, of Debian packages.
hosts="LXC hosts (the roles in ansible/)"
has_lxc() {
    for program in lxc-start mmdebstrap iptables ip ssh; do
        command -v "$program" >/dev/null 2>&1 || return 1
    done
}
install_hosts() {
    [ "$(id -u)" = 0 ] || without "$hosts" "making hosts takes root" || return 1
    debian_part "$hosts" has_lxc lxc mmdebstrap iptables iproute2 openssh-client || return 1
    vagrant/box/build >/dev/null || without "$hosts" "vagrant/box/build failed; its words are above"
}
install_hosts || true

# A machine in which tests run under version 2 of control groups: QEMU, and what is needed of Debian's kernel, which is
# unpacked and not installed.
machine="a machine with version 2 of control groups (QEMU, and Debian's kernel)"
has_qemu() { command -v qemu-system-x86_64 >/dev/null 2>&1; }
has_machine() { has_qemu && [ -e .cache/machine/vmlinuz ]; }
kernel_package() { apt-cache depends linux-image-amd64 2>/dev/null | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1; }
get_kernel() (
    package=$(kernel_package)
    [ -n "$package" ] || exit 1
    rm -rf .cache/machine.new && mkdir -p .cache/machine.new && cd .cache/machine.new
    TMPDIR=/var/tmp apt-get -qq download "$package" || exit 1
    dpkg-deb --fsys-tarfile "$package"_*.deb >kernel.tar && rm "$package"_*.deb
    tar -xf kernel.tar --wildcards './boot/vmlinuz-*' './lib/modules/*/kernel/drivers/virtio' \
        './lib/modules/*/kernel/drivers/block/virtio_blk.ko*' './lib/modules/*/kernel/net/9p' \
        './lib/modules/*/kernel/fs/9p' './lib/modules/*/kernel/fs/netfs' './lib/modules/*/kernel/fs/fscache' \
        './lib/modules/*/kernel/fs/overlayfs' './lib/modules/*/kernel/fs/ext4' './lib/modules/*/kernel/fs/jbd2' \
        './lib/modules/*/kernel/fs/mbcache.ko*' './lib/modules/*/kernel/lib/crc16.ko*' \
        './lib/modules/*/kernel/crypto/crc32c_generic.ko*' || exit 1
    rm kernel.tar && mv boot/vmlinuz-* vmlinuz && cd ../.. && rm -rf .cache/machine && mv .cache/machine.new .cache/machine
)
install_machine() {
    has_machine && return 0
    [ "$(uname -m)" = x86_64 ] || without "$machine" "it is made for x86_64 only" || return 1
    debian_part "$machine" has_qemu qemu-system-x86 || return 1
    say "unpacking a kernel into .cache/machine"
    get_kernel >>"$log" 2>&1 || {
        can_apt && apt_get update || true
        get_kernel >>"$log" 2>&1 || without "$machine" "Debian's kernel cannot be had; see $log" || return 1
    }
    has_machine || without "$machine" "the kernel's package is not as expected; see $log"
}
install_machine || true

# The same hosts by Vagrant, from the same packages. Its provider libvirt is only asked what it makes of the Vagrantfile.
vagrant="Vagrant with its lxc and libvirt providers (the testbed)"
has_vagrant() {
    command -v vagrant >/dev/null 2>&1 || return 1
    for provider in vagrant-lxc vagrant-libvirt; do
        dpkg-query -W -f '${Status}\n' "$provider" 2>/dev/null | grep -q ' installed$' || return 1
    done
}
install_vagrant() {
    debian_part "$vagrant" has_vagrant vagrant vagrant-lxc vagrant-libvirt bridge-utils || return 1
    vagrant/box/build --vagrant >/dev/null || without "$vagrant" "vagrant/box/build --vagrant failed; its words are above"
}
[ "${1:-}" != all ] || install_vagrant || true

# pymesos needs http-parser, whose source no longer compiles on Python 3.11; Debian and Ubuntu carry a build for
# their own Python. So pymesos gets an environment of its own, .venv-clients, over the system's Python.
venv=.venv-clients
system_python=/usr/bin/python3
pymesos="pymesos, avmesos and mesoshttp (clients we did not write)"
has_http_parser() { "$system_python" -c 'import http_parser.http, venv, ensurepip' >/dev/null 2>&1; }
has_pymesos() {
    "$venv/bin/python" -c 'import http_parser.http, pymesos, avmesos, mesoshttp' >/dev/null 2>&1 &&
        [ "$(cat "$venv/stamp" 2>/dev/null)" = "$(cksum <requirements/clients.txt)" ]
}
pip_install() { "$venv/bin/python" -m pip install -q --no-deps "$@" >>"$log" 2>&1; }
install_pymesos() {
    has_pymesos && return 0
    debian_part "$pymesos" has_http_parser python3 python3-venv python3-http-parser || return 1
    rm -rf "$venv"
    "$system_python" -m venv --system-site-packages "$venv" >>"$log" 2>&1 ||
        without "$pymesos" "making $venv failed; see $log" || return 1
    if ! pip_install --require-hashes -r requirements/clients.txt; then
        grep -qi 'do not match the hashes' "$log" || without "$pymesos" "pip failed; see $log" || return 1
        [ "${REQUIRE_HASHES:-}" != 1 ] || without "$pymesos" "a package does not match its hash; see $log" || return 1
        say "WARNING: a package does not match its hash in requirements/clients.txt; taking the locked versions unchecked"
        sed -E 's/ *\\$//; /^ *--hash=/d' requirements/clients.txt >.cache/clients-versions.txt
        pip_install -r .cache/clients-versions.txt || without "$pymesos" "pip failed; see $log" || return 1
    fi
    cksum <requirements/clients.txt >"$venv/stamp"
    has_pymesos || without "$pymesos" "it does not load; see $log" || return 1
    say "$venv is ready"
}
install_pymesos || true

# The command line that Mesos had last brings a package of avmesos' name, and therefore has a folder of its own there.
mesos_cli="avmesos-cli (Mesos' last command line)"
cli="$venv/mesos-cli"
has_mesos_cli() { [ "$(cat "$cli/stamp" 2>/dev/null)" = "$(cksum <requirements/mesos_cli.txt)" ]; }
install_mesos_cli() {
    has_pymesos || without "$mesos_cli" "$venv, in which it is to be, could not be made" || return 1
    has_mesos_cli && return 0
    rm -rf "$cli"
    if ! pip_install --target "$cli" --require-hashes -r requirements/mesos_cli.txt; then
        grep -qi 'do not match the hashes' "$log" || without "$mesos_cli" "pip failed; see $log" || return 1
        [ "${REQUIRE_HASHES:-}" != 1 ] || without "$mesos_cli" "a package does not match its hash; see $log" || return 1
        say "WARNING: a package does not match its hash in requirements/mesos_cli.txt; taking the locked versions unchecked"
        sed -E 's/ *\\$//; /^ *--hash=/d' requirements/mesos_cli.txt >.cache/mesos-cli-versions.txt
        rm -rf "$cli"
        pip_install --target "$cli" -r .cache/mesos-cli-versions.txt || without "$mesos_cli" "pip failed; see $log" || return 1
    fi
    cksum <requirements/mesos_cli.txt >"$cli/stamp"
    say "$cli is ready"
}
install_mesos_cli || true

# The executor of a scheduler for batch jobs, which speaks through pymesos; in a folder of its own, as it is a program.
cook="cook-executor (an executor we did not write)"
cook_folder="$venv/cook-executor"
has_cook() { [ "$(cat "$cook_folder/stamp" 2>/dev/null)" = "$(cksum <requirements/cook_executor.txt)" ]; }
install_cook() {
    has_pymesos || without "$cook" "$venv, in which it is to be, could not be made" || return 1
    has_cook && return 0
    rm -rf "$cook_folder"
    if ! pip_install --target "$cook_folder" --require-hashes -r requirements/cook_executor.txt; then
        grep -qi 'do not match the hashes' "$log" || without "$cook" "pip failed; see $log" || return 1
        [ "${REQUIRE_HASHES:-}" != 1 ] || without "$cook" "a package does not match its hash; see $log" || return 1
        say "WARNING: a package does not match its hash in requirements/cook_executor.txt; taking the locked versions unchecked"
        sed -E 's/ *\\$//; /^ *--hash=/d' requirements/cook_executor.txt >.cache/cook-executor-versions.txt
        rm -rf "$cook_folder"
        pip_install --target "$cook_folder" -r .cache/cook-executor-versions.txt || without "$cook" "pip failed; see $log" || return 1
    fi
    cksum <requirements/cook_executor.txt >"$cook_folder/stamp"
    say "$cook_folder is ready"
}
install_cook || true

# mesos-go is a library of sources; building it takes a minute the first time, and next to nothing from then on.
mesos_go="mesos-go (a client we did not write, in Go)"
has_mesos_go() { command -v go >/dev/null 2>&1 && [ -d /usr/share/gocode/src/github.com/mesos/mesos-go/api/v1/lib ]; }
install_mesos_go() {
    debian_part "$mesos_go" has_mesos_go golang-go golang-github-mesos-mesos-go-dev || return 1
    GOPATH=/usr/share/gocode GO111MODULE=off GOCACHE="$PWD/.cache/go-build" \
        go build -o .cache/mesos_go ./tests/e2e/clients/mesos_go >>"$log" 2>&1 ||
        without "$mesos_go" "go build failed; see $log"
}
install_mesos_go || true

# mesos-framework is a library for Node, with a lock of its own.
mesos_framework="mesos-framework (a client we did not write, in JavaScript)"
framework_files=tests/e2e/clients/mesos_framework
has_npm() { command -v node >/dev/null 2>&1 && command -v npm >/dev/null 2>&1; }
has_mesos_framework() {
    [ -d .cache/node/node_modules/mesos-framework ] && cmp -s "$framework_files/package-lock.json" .cache/node/package-lock.json
}
install_mesos_framework() {
    has_mesos_framework && return 0
    debian_part "$mesos_framework" has_npm nodejs npm || return 1
    rm -rf .cache/node && mkdir -p .cache/node
    cp "$framework_files/package.json" "$framework_files/package-lock.json" .cache/node/
    (cd .cache/node && npm ci --no-audit --no-fund --ignore-scripts) >>"$log" 2>&1 ||
        without "$mesos_framework" "npm ci failed; see $log" || return 1
    say ".cache/node is ready"
}
install_mesos_framework || true

# @dcos/mesos-client is for browsers, and gets one without a window.
dcos_client="@dcos/mesos-client (a client we did not write, in a browser)"
dcos_files=tests/e2e/clients/dcos_mesos_client
dcos_cache=.cache/node_dcos
has_dcos_client() {
    [ -d "$dcos_cache/node_modules/@dcos/mesos-client" ] && cmp -s "$dcos_files/package-lock.json" "$dcos_cache/package-lock.json"
}
install_dcos_client() {
    has_dcos_client && return 0
    debian_part "$dcos_client" has_npm nodejs npm || return 1
    rm -rf "$dcos_cache" && mkdir -p "$dcos_cache"
    cp "$dcos_files/package.json" "$dcos_files/package-lock.json" "$dcos_cache/"
    (cd "$dcos_cache" && npm ci --no-audit --no-fund --ignore-scripts) >>"$log" 2>&1 ||
        without "$dcos_client" "npm ci failed; see $log" || return 1
    say "$dcos_cache is ready"
}
install_dcos_client || true

# Generators of clients, in Python and in JavaScript, each with a lock of its own; what they make is made by the tests.
generators="openapi-python-client and openapi-ts (clients made of our documents)"
generator_files=tests/e2e/clients/generated
generator_cache=.cache/generators
generators_sum() { cat requirements/generators.txt "$generator_files/package-lock.json" | cksum; }
has_generators() { [ "$(cat "$generator_cache/stamp" 2>/dev/null)" = "$(generators_sum)" ]; }
generator_pip() { "$generator_cache/venv/bin/python" -m pip install -q --no-deps "$@" >>"$log" 2>&1; }
install_generators() {
    has_generators && return 0
    debian_part "$generators" has_npm nodejs npm || return 1
    rm -rf "$generator_cache" && mkdir -p "$generator_cache"
    .venv/bin/python -m venv "$generator_cache/venv" >>"$log" 2>&1 ||
        without "$generators" "making $generator_cache/venv failed; see $log" || return 1
    if ! generator_pip --require-hashes -r requirements/generators.txt; then
        grep -qi 'do not match the hashes' "$log" || without "$generators" "pip failed; see $log" || return 1
        [ "${REQUIRE_HASHES:-}" != 1 ] || without "$generators" "a package does not match its hash; see $log" || return 1
        say "WARNING: a package does not match its hash in requirements/generators.txt; taking the locked versions unchecked"
        sed -E 's/ *\\$//; /^ *--hash=/d' requirements/generators.txt >.cache/generators-versions.txt
        generator_pip -r .cache/generators-versions.txt || without "$generators" "pip failed; see $log" || return 1
    fi
    cp "$generator_files/package.json" "$generator_files/package-lock.json" "$generator_cache/"
    (cd "$generator_cache" && npm ci --no-audit --no-fund --ignore-scripts) >>"$log" 2>&1 ||
        without "$generators" "npm ci failed; see $log" || return 1
    generators_sum >"$generator_cache/stamp"
    say "$generator_cache is ready"
}
install_generators || true
