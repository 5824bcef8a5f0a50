# Starting and ending private servers. Sourced after lib.sh, never run.
# shellcheck shell=bash
#
# A server named NAME lives in $dir/NAME (data, log, pid) and listens on 127.0.0.1 alone; starting one sets `port`. Every
# function reports a failure by its status as well, because bash ignores `set -e` below a condition.

# Runs a command as a user that database servers accept: they refuse root.
as_server() {
    if [ "$(id -u)" -eq 0 ]; then
        setpriv --reuid "$(server_user)" --regid "$(id -g "$(server_user)")" --clear-groups "$@"
    else
        "$@"
    fi
}

server_user() { id -u postgres >/dev/null 2>&1 && echo postgres || echo nobody; }

# Gives files to the server's user when this is root.
give_to_server() {
    [ "$(id -u)" -ne 0 ] || chown -R "$(server_user)" "$@"
}

# make_dir HOME sets `dir`, a directory that the server's user can reach: below HOME, or below /tmp when HOME lies in a
# closed one (a checkout in /root). Sets `sockets` too: the path of a socket may have about 100 bytes only.
make_dir() {
    mkdir -p "$1"
    dir=$1/servers
    mkdir -p "$dir"
    give_to_server "$dir"
    as_server test -w "$dir" || {
        rmdir "$dir"
        dir=$(mktemp -d /tmp/rivet-services.XXXXXX)
        give_to_server "$dir"
    }
    echo "$dir" >"$1/dir"
    sockets=$(mktemp -d /tmp/rivet-sockets.XXXXXX)
    echo "$sockets" >"$1/sockets"
    give_to_server "$sockets"
    chmod 755 "$dir" "$sockets"
}

# free_port [COUNT]: a port that nobody listens on, nor on the COUNT - 1 after it. Another process may take it before the
# server does; starting tries again then.
free_port() {
    local first port
    while :; do
        first=$((20000 + RANDOM % 12000))
        for ((port = first; port < first + ${1:-1}; port++)); do
            ! accepts "$port" || continue 2
        done
        echo "$first"
        return
    done
}

# show_and_fail LOG MESSAGE
show_and_fail() {
    tail -n 40 "$1" >&2
    fail "$2"
}

# init_postgres NAME BIN [INITDB-OPTION...] makes an empty cluster.
init_postgres() {
    local folder=$dir/$1 bin=$2
    shift 2
    mkdir "$folder" && give_to_server "$folder" || return
    (cd / && as_server "$bin/initdb" -D "$folder/data" -E UTF8 "$@" >"$folder/init.log" 2>&1) ||
        show_and_fail "$folder/init.log" "initdb failed"
}

# start_postgres NAME BIN [-c SETTING...]
start_postgres() {
    local folder=$dir/$1 bin=$2 attempt
    shift 2
    for attempt in 1 2 3 4 5; do
        port=$(free_port)
        # pg_ctl gives its words to a shell; none of ours holds a blank.
        (cd / && as_server "$bin/pg_ctl" -D "$folder/data" -w -s -t 60 -l "$folder/log" start \
            -o "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories=$sockets $*") >&2 && return
    done
    show_and_fail "$folder/log" "PostgreSQL did not start"
}

# launch NAME COMMAND... runs a server that stays in the foreground, in a session of its own so that Ctrl-C reaches it
# only through us, and notes its process.
launch() {
    local folder=$dir/$1 as=()
    shift
    [ "$(id -u)" -ne 0 ] || as=(setpriv --reuid "$(server_user)" --regid "$(id -g "$(server_user)")" --clear-groups)
    (cd / && exec setsid "${as[@]}" "$@" >>"$folder/log" 2>&1 </dev/null) &
    echo $! >"$folder/pid"
}

# Servers of MySQL's protocol speak first, and only when they have begun to serve.
greets() { (exec 3<>"/dev/tcp/127.0.0.1/$1" && IFS= read -r -t 5 -N 1 -u 3 _) 2>/dev/null; }

accepts() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# start_listener NAME READY COMMAND... runs COMMAND with `PORT` replaced by a free port until `READY port` holds. Where
# `span` is set, so many ports from that one on are free.
start_listener() {
    local name=$1 ready=$2 attempt
    shift 2
    for attempt in 1 2 3 4 5; do
        port=$(free_port "${span:-1}")
        launch "$name" "${@//PORT/$port}"
        for _ in $(seq 300); do
            "$ready" "$port" && return
            kill -0 "$(cat "$dir/$name/pid")" 2>/dev/null || break
            sleep 0.1
        done
        end_server "$name"
    done
    show_and_fail "$dir/$name/log" "$name did not start"
}

# start_mysqld NAME COMMAND... starts any server of MySQL's family on the data in $dir/NAME/data. When $dir/NAME/init.sql
# exists, the server runs it (one statement a line) before it serves.
start_mysqld() {
    local name=$1 folder=$dir/$1 first=()
    shift
    [ ! -e "$folder/init.sql" ] || first=(--init-file="$folder/init.sql")
    own_tmpdir "$folder"
    start_listener "$name" greets "$@" --datadir="$folder/data" --tmpdir="$folder/tmp" --socket="$sockets/$name.sock" \
        --pid-file="$folder/data/server.pid" --port=PORT --bind-address=127.0.0.1 "${first[@]}"
}

# A server that starts removes the temporary tables it finds, also those of another server that is running.
own_tmpdir() { (cd / && as_server mkdir -p "$1/tmp"); }

# init_mariadb NAME makes an empty data directory.
init_mariadb() {
    local folder=$dir/$1
    mkdir "$folder" && give_to_server "$folder" || return
    own_tmpdir "$folder"
    (cd / && as_server mariadb-install-db --no-defaults --datadir="$folder/data" --tmpdir="$folder/tmp" --skip-test-db \
        --auth-root-authentication-method=normal >"$folder/init.log" 2>&1) ||
        show_and_fail "$folder/init.log" "mariadb-install-db failed"
}

# end_server NAME... asks the servers to stop, all at once, and ends those that do not. A process counts as ours only
# while its command line names our directory: a number may have been given to another meanwhile. A server whose folder
# holds a file `kill` is ended at once; of one that holds `litter`, the files of these names are removed.
end_server() {
    local name pid pattern pids=()
    for name in "$@"; do
        for pid in "$dir/$name/pid" "$dir/$name/data/postmaster.pid"; do
            [ -e "$pid" ] && pid=$(head -n 1 "$pid") && is_ours "$pid" || continue
            # INT is PostgreSQL's fast stop; the others take TERM.
            [ -e "$dir/$name/data/postmaster.pid" ] && kill -INT "$pid" || kill "$(end_signal "$name")" "$pid" || continue
            pids+=("$pid")
        done
    done 2>/dev/null
    for pid in "${pids[@]}"; do
        for _ in $(seq 100); do
            is_ours "$pid" || continue 2
            sleep 0.1
        done
        kill -KILL "$pid" 2>/dev/null || true
    done
    for name in "$@"; do
        [ ! -e "$dir/$name/litter" ] || while read -r pattern; do
            # shellcheck disable=SC2086
            rm -f $pattern
        done <"$dir/$name/litter"
    done
}

end_signal() { [ -e "$dir/$1/kill" ] && echo -KILL || echo -TERM; }

is_ours() { grep -qsF -- "$dir/" "/proc/$1/cmdline"; }

# end_servers HOME ends every server that began below HOME's directory and removes its sockets; the data stays.
end_servers() {
    [ -e "$1/dir" ] || return 0
    dir=$(cat "$1/dir")
    local folder names=()
    for folder in "$dir"/*/; do names+=("$(basename "$folder")"); done
    end_server "${names[@]}"
    [ ! -e "$1/sockets" ] || rm -rf "$(cat "$1/sockets")"
}
