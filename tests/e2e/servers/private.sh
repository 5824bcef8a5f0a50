#!/usr/bin/env bash
# A server of one test, which may be stopped and started: private.sh (postgres|mysql) [SERVER-OPTION...]
#
# Prints its URL, then obeys lines of the standard input and prints `done` after each:
#   fast        stops the server, which says goodbye to its sessions
#   immediate   ends it as a crash would
#   up          starts it again, on the same port
# At the end of the input, also when the test was killed, the server ends and its data is deleted.
set -euo pipefail
scripts=$(dirname "$0")/../../../scripts
. "$scripts/lib.sh"
. "$scripts/servers.sh"

stop() {
    end_servers "$home"
    rm -rf ${dir:+"$dir"} "$home"
}

start_private_postgres() {
    start_postgres postgres "$pg_bin" -c fsync=off "${options[@]}"
}

start_private_mariadb() {
    start_mysqld mariadb "$mariadbd" --no-defaults --character-set-server=utf8mb4 "${options[@]}"
}

kind=$1
shift
options=("$@")
home=$(mktemp -d /tmp/rivet-private.XXXXXX)
chmod 711 "$home"
trap stop EXIT
make_dir "$home"
# A MariaDB that starts deletes temporary tables in the directory for them, also those of others.
export TMPDIR=$dir/tmp
mkdir "$TMPDIR"
give_to_server "$TMPDIR"
case $kind in
postgres)
    find_postgres || fail "there is no PostgreSQL on this machine"
    init_postgres postgres "$pg_bin" -U rivet -A trust --locale=C --no-sync
    start_private_postgres
    echo "postgresql://rivet:S3CR3T-CANARY@127.0.0.1:$port/postgres"
    ;;
mysql)
    find_mariadb || fail "there is no MariaDB on this machine"
    init_mariadb mariadb
    cat >"$dir/mariadb/init.sql" <<END
delete from mysql.global_priv where User = '';
flush privileges;
create database if not exists rivet character set utf8mb4;
create user if not exists rivet@'127.0.0.1' identified by 'S3CR3T-CANARY';
create user if not exists rivet@localhost identified by 'S3CR3T-CANARY';
grant all on *.* to rivet@'127.0.0.1' with grant option;
grant all on *.* to rivet@localhost with grant option;
END
    start_private_mariadb
    echo "mysql://rivet:S3CR3T-CANARY@127.0.0.1:$port/rivet"
    ;;
esac
# From now on the server stays where it is.
home_port=$port
free_port() { echo "$home_port"; }

while read -r order; do
    case $kind:$order in
    postgres:up) start_private_postgres ;;
    postgres:*) (cd / && as_server "$pg_bin/pg_ctl" -D "$dir/postgres/data" -w -s -t 60 -m "$order" stop) >&2 ;;
    mysql:up) start_private_mariadb ;;
    mysql:immediate)
        kill -KILL "$(cat "$dir/mariadb/pid")"
        wait "$(cat "$dir/mariadb/pid")" 2>/dev/null || true
        ;;
    mysql:fast) end_server mariadb ;;
    esac
    echo done
done
