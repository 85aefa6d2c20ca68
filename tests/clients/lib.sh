# shellcheck shell=bash
# What the runners here share: packages from npm, a server of their own. Sourced.
cella=${cella:?} source_root=${source_root:?}
export CELLA_VECTORS=${CELLA_VECTORS:-$source_root/../shared/vectors} # recorded evidence

skip() { echo "skipped: $*"; exit 77; }

# Installs the packages of package-lock.json into FOLDER, outside the source tree, once for each lock.
# Offline is a reason to skip; packages that do not match the lock are a failure.
install_packages() { # FOLDER
    local folder=$1 here=$source_root/tests/clients
    if ! command -v node >/dev/null || ! command -v npm >/dev/null; then skip "no node and npm; do: apt-get install nodejs npm"; fi
    node -e 'process.exit(+process.versions.node.split(".")[0] >= 18 ? 0 : 1)' || skip "node $(node --version), expected 18 or later"
    mkdir -p "$folder"
    exec 9>"$folder/lock"
    flock -w 200 9 || { echo "another installation holds $folder/lock" >&2; exit 1; }
    if ! cmp -s "$here/package-lock.json" "$folder/installed"; then
        rm -f "$folder/installed"
        cp "$here/package.json" "$here/package-lock.json" "$folder/"
        if ! (cd "$folder" && timeout 150 npm ci --ignore-scripts --no-audit --no-fund --loglevel=error --fetch-retries=1 >npm.log 2>&1); then
            grep -qE 'E(NOTFOUND|AI_AGAIN|CONNREFUSED|CONNRESET|TIMEDOUT|NETUNREACH|HOSTUNREACH)|ERR_SOCKET_TIMEOUT|code E(40[37]|50[234])' \
                "$folder/npm.log" && skip "npm's registry cannot be reached: $(grep -m 1 -i error "$folder/npm.log")"
            cat "$folder/npm.log" >&2
            exit 1
        fi
        cp "$here/package-lock.json" "$folder/installed"
    fi
    exec 9>&-
    export NODE_PATH=$folder/node_modules
}

free_ports() { python3 "$source_root/tests/service/server.py"; } # the first of sixteen

server=''
start_server() { # DATA [OPTIONS]: until it is ready; never longer than five minutes
    local data=$1 i
    shift
    : >"${work:?}/said"
    timeout 300 "$cella" serve --data "$data" "$@" >"$work/said" 2>"$work/server.log" </dev/null &
    server=$!
    for ((i = 0; i < 300; i++)); do
        grep -q '^ready' "$work/said" && return 0
        kill -0 "$server" 2>/dev/null || break
        sleep 0.1
    done
    echo "the server does not start:" >&2
    cat "$work/said" "$work/server.log" >&2
    exit 1
}
stop_server() {
    [ -n "$server" ] || return 0
    kill "$server" 2>/dev/null
    wait "$server" 2>/dev/null
    server=''
}
