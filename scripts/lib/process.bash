# shellcheck shell=bash
# Background processes known by a pid file: start, ask, stop. A pid file holds "pid start-time", so that a pid which the
# kernel has given to another process since is never signalled.

# start_time PID: prints when the process started, in clock ticks since boot; returns 1 when it does not run (any more).
start_time() {
    local stat fields
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    # The name in parentheses may hold blanks, so fields are counted after it: the first is the state, the 20th the start
    # time. A zombie has ended; it only waits for its parent to take notice.
    read -r -a fields <<<"${stat##*) }"
    [[ ${fields[0]} != [ZX] ]] || return 1
    echo "${fields[19]}"
}

# process_pid PIDFILE: prints the pid when that very process still runs; else returns 1.
process_pid() {
    local pid started
    [[ -r $1 ]] && read -r pid started <"$1" || return 1
    [[ $pid =~ ^[0-9]+$ && $(start_time "$pid") == "$started" ]] || return 1
    echo "$pid"
}

# process_remember PIDFILE PID: writes the pid file of a process that was just started.
process_remember() {
    echo "$2 $(start_time "$2")" >"$1"
}

# process_stop PIDFILE SECONDS: SIGTERM, then waits; SIGKILL after that many seconds. Returns 1 when it had to be killed.
process_stop() {
    local pid tenths=$(($2 * 10))
    pid=$(process_pid "$1") || {
        rm -f "$1"
        return 0
    }
    kill -TERM "$pid" 2>/dev/null || true
    while process_pid "$1" >/dev/null; do
        if ((tenths-- <= 0)); then
            kill -KILL "$pid" 2>/dev/null || true
            rm -f "$1"
            return 1
        fi
        sleep 0.1
    done
    rm -f "$1"
}

# wait_until SECONDS COMMAND...: repeats the command until it succeeds; returns 1 when the time is over.
wait_until() {
    local tenths=$(($1 * 10))
    shift
    until "$@"; do
        ((tenths-- > 0)) || return 1
        sleep 0.1
    done
}
