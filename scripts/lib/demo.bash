# shellcheck shell=bash
# shellcheck disable=SC2034 # used by the scripts that source this
# What up, down and demo share: where things are and how the parts are called. Needs terminal.bash, process.bash and
# cluster.bash, and root = the checkout.

demo_dir=${DEMO_DIR:-$root/.demo}
demo_database=shop

# Under root the programs run as nobody: they need nothing but the socket. Their login is by that name (peer).
if [[ $EUID -eq 0 ]]; then program_user=nobody; else program_user=$(id -un); fi

# gateway_host: prints the host at which this machine reaches the gateway.
gateway_host() {
    case ${BIND_ADDRESS:-127.0.0.1} in
        0.0.0.0 | '*') echo 127.0.0.1 ;;
        ::) echo ::1 ;;
        *) echo "${BIND_ADDRESS:-127.0.0.1}" ;;
    esac
}

# gateway_address: prints the base address of the gateway.
gateway_address() {
    local host
    host=$(gateway_host)
    [[ $host != *:* ]] || host="[$host]"
    echo "http${TLS_CERT_FILE:+s}://$host:${PORT:-3000}"
}

# own_cluster: true unless the caller names a database to use.
own_cluster() {
    [[ -z ${DATABASE_URL:-}${DB_HOST:-}${DB_SECRET_ARN:-} ]]
}
