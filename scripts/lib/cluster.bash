# shellcheck shell=bash
# A private PostgreSQL cluster in a folder of its own, on a private Unix socket. Demo and tests use it.
#
# PostgreSQL refuses to run as root, so under root the server runs as the user postgres; for anybody else it runs as that
# user. A state folder holds
#   data/   the cluster        run/   its socket        log/   what servers and programs write
# Where user postgres cannot reach the folder that was asked for (a checkout below /root, say), the folder is made under
# /var/lib/pg_shop and the path that was asked for becomes a symbolic link to it.

readonly fallback_folder=/var/lib/pg_shop
readonly state_marker=.pg_shop-state

if [[ $EUID -eq 0 ]]; then server_user=postgres; else server_user=$(id -un); fi

# pg_config_path: prints the pg_config to use: PG_CONFIG, else Debian's for version 15, else the one on the PATH.
pg_config_path() {
    local debian=/usr/lib/postgresql/15/bin/pg_config
    if [[ -n ${PG_CONFIG:-} ]]; then
        echo "$PG_CONFIG"
    elif [[ -x $debian ]]; then
        echo "$debian"
    else
        command -v pg_config || fail 'no pg_config found; name it: PG_CONFIG=/path/to/pg_config'
    fi
}

# as_user USER COMMAND...: runs a command as another user where we are root, else as ourselves. The libpq variables of the
# caller are taken away, so that they cannot lead to another server.
as_user() (
    local user=$1 variable
    shift
    for variable in "${!PG@}"; do
        [[ $variable == PG_CONFIG ]] || unset "$variable"
    done
    cd /
    [[ $EUID -eq 0 && $user != root ]] || exec "$@"
    exec setpriv --reuid="$user" --regid="$(id -g "$user")" --clear-groups -- "$@"
)

as_server() {
    as_user "$server_user" "$@"
}

# state_create FOLDER USER...: makes the state folder, or finds it; all the users must be able to reach it.
# Prints its real path.
state_create() {
    local folder=$1 user place
    shift
    if [[ -e $folder || -L $folder ]]; then
        [[ -e $folder/$state_marker ]] || state_refuse "$folder"
        realpath "$folder"
        return
    fi
    mkdir -p "$folder"
    place=$(realpath "$folder")
    for user in "$@"; do
        if ! as_user "$user" test -x "$place"; then
            rmdir "$folder"
            place=$fallback_folder/$(basename "$folder" | tr -d .)-$(printf '%s' "$place" | cksum | cut -d ' ' -f 1)
            mkdir -p "$place"
            chmod 755 "$fallback_folder" "$place"
            ln -s "$place" "$folder"
            break
        fi
    done
    : >"$place/$state_marker"
    echo "$place"
}

# state_refuse FOLDER: ends the script, for a folder that holds something else.
state_refuse() {
    if [[ -L $1 && ! -e $1 ]]; then
        fail "$1 points to $(readlink "$1"), which is gone" "remove the link and try again: rm $1"
    fi
    fail "$1 exists and was not made by this script; choose another folder"
}

# state_remove FOLDER: removes a state folder that state_create made, and the link to it.
state_remove() {
    [[ -e $1 || -L $1 ]] || return 0
    [[ -e $1/$state_marker ]] || state_refuse "$1"
    local place
    place=$(realpath "$1")
    rm -rf -- "$place"
    rm -rf -- "$1"
    [[ ! -d $fallback_folder ]] || rmdir --ignore-fail-on-non-empty "$fallback_folder"
}

# cluster_socket STATE: prints the folder of the socket. A socket's path may have 107 bytes; a deep state folder gets a short
# one under /tmp, which is remembered in the state folder.
cluster_socket() {
    if [[ -s $1/socket ]]; then
        cat "$1/socket"
    else
        echo "$1/run"
    fi
}

# cluster_choose_socket STATE: makes the folder of the socket, where it is not there yet.
cluster_choose_socket() {
    local folder=$1/run
    if ((${#folder} > 85)); then
        [[ ! -s $1/socket || ! -d $(cat "$1/socket") ]] || return 0
        folder=$(mktemp -d /tmp/pg_shop.XXXXXX)
        echo "$folder" >"$1/socket"
    fi
    install -d -m 755 -o "$server_user" "$folder"
}

# cluster_create STATE: initdb, unless it is there. The caller then writes pg_shop.conf (settings, "port = N" among them),
# pg_hba.conf and pg_ident.conf with cluster_write.
cluster_create() {
    local state=$1 bin
    bin=$("$(pg_config_path)" --bindir)
    [[ -x $bin/initdb ]] || fail "there is no PostgreSQL server beside $(pg_config_path)"
    cluster_choose_socket "$state"
    [[ ! -e $state/data/PG_VERSION ]] || return 0
    rm -rf "$state/data"
    install -d -m 700 -o "$server_user" "$state/data"
    install -d -m 755 "$state/log"
    install -m 644 -o "$server_user" /dev/null "$state/log/postgresql.log"
    as_server "$bin/initdb" --pgdata="$state/data" --username=postgres --encoding=UTF8 --locale=C.UTF-8 \
        --auth-local=peer --auth-host=scram-sha-256 >"$state/log/initdb.log" 2>&1 || {
        cat "$state/log/initdb.log" >&2
        rm -rf "$state/data"
        fail 'initdb failed'
    }
    as_server tee -a "$state/data/postgresql.conf" <<<"include = 'pg_shop.conf'" >/dev/null
}

# cluster_write STATE FILE: stdin becomes that file of the data folder.
cluster_write() {
    as_server tee "$1/data/$2" >/dev/null
}

# cluster_running STATE: does its server run?
cluster_running() {
    as_server "$("$(pg_config_path)" --bindir)/pg_ctl" status -D "$1/data" >/dev/null 2>&1
}

# cluster_start STATE: starts the server and waits until it answers.
cluster_start() {
    local state=$1
    as_server "$("$(pg_config_path)" --bindir)/pg_ctl" start -D "$state/data" -w -t 60 -s -l "$state/log/postgresql.log" \
        </dev/null || {
        tail -n 20 "$state/log/postgresql.log" >&2
        fail "PostgreSQL did not start; its log: $state/log/postgresql.log"
    }
}

# cluster_stop STATE: stops the server, if it runs; open sessions are ended.
cluster_stop() {
    [[ -e $1/data/PG_VERSION ]] || return 0
    ! cluster_running "$1" || as_server "$("$(pg_config_path)" --bindir)/pg_ctl" stop -D "$1/data" -m fast -w -t 60 -s
}

# cluster_psql STATE DATABASE ARGUMENT...: psql as the superuser; stops at the first error.
cluster_psql() {
    local state=$1 database=$2
    shift 2
    as_server "$("$(pg_config_path)" --bindir)/psql" -X -q -v ON_ERROR_STOP=1 -h "$(cluster_socket "$state")" \
        -p "$(cluster_port "$state")" -U postgres -d "$database" "$@"
}

# cluster_port STATE: prints the port number, which is also part of the socket's name.
cluster_port() {
    as_server sed -n 's/^port = //p' "$1/data/pg_shop.conf"
}
