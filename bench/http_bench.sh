#!/bin/bash
# Our HTTPS part beside nginx: one worker each, TLS 1.3, the same P-256 certificate, the same 500 bytes of JSON, access log off
# in both, in the same run. Requests per second of the server's processor time, and memory of 1,000 idle connections.
# Aim: 0.9 of nginx. SECONDS_EACH=3 ROUNDS=3 CONNECTIONS=64
set -euo pipefail
cd "$(dirname "$0")/.."
build=${BUILD:-build}
seconds=${SECONDS_EACH:-3} rounds=${ROUNDS:-3} connections=${CONNECTIONS:-64}
ninja -C "$build" tests/http/http_stand bench/load >/dev/null
stand=$(realpath "$build/tests/http/http_stand") load=$(realpath "$build/bench/load")
command -v nginx >/dev/null || { echo "skipped: nginx is not installed (Debian: nginx-light)"; exit 0; }
work=$(mktemp -d)
ours='' theirs='' p=''
trap 'for p in $ours $theirs; do kill "$p" 2>/dev/null || true; done; rm -rf "$work"' EXIT
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost \
    -keyout "$work/key.pem" -out "$work/cert.pem" 2>/dev/null
ulimit -n 8192 2>/dev/null || true
cpu() {
    if [ "$(nproc)" -gt 1 ]; then taskset -c "$@"; else shift && "$@"; fi
}

"$stand" "$work/x" workers=1 connection_max=4096 idle_ms=600000 cert="$work/cert.pem" key="$work/key.pem" >"$work/ports" </dev/null &
ours=$!
for _ in $(seq 100); do [ -s "$work/ports" ] && break; sleep 0.05; done
port=$(sed 's/^a \([0-9]*\).*/\1/' "$work/ports")

mkdir -p "$work/www"
curl -s --cacert "$work/cert.pem" "https://localhost:$port/json" >"$work/www/json"
[ "$(stat -c %s "$work/www/json")" = 500 ]
their_port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
json=$(cat "$work/www/json")
cat >"$work/nginx.conf" <<C
daemon off; worker_processes 1; pid $work/nginx.pid; error_log $work/error.log;
events { worker_connections 4096; }
http {
    access_log off; client_body_temp_path $work; proxy_temp_path $work; fastcgi_temp_path $work; uwsgi_temp_path $work; scgi_temp_path $work;
    keepalive_requests 100000000; keepalive_timeout 600s; client_header_timeout 600s;
    server {
        listen 127.0.0.1:$their_port ssl; ssl_certificate $work/cert.pem; ssl_certificate_key $work/key.pem;
        ssl_protocols TLSv1.3; ssl_session_tickets off; ssl_session_cache off;
        location / { default_type application/json; return 200 '$json'; }
    }
}
C
nginx -p "$work" -c "$work/nginx.conf" &
theirs=$!
for _ in $(seq 100); do curl -sk -o /dev/null "https://127.0.0.1:$their_port/" && break; sleep 0.05; done
worker=$(pgrep -P "$theirs" | head -n 1)
[ "$(nproc)" -gt 1 ] && { taskset -cp 0 "$ours"; taskset -cp 0 "$worker"; } >/dev/null

ticks() { awk '{ sub(/.*\) /, ""); print $12 + $13 }' "/proc/$1/stat"; }
resident() { awk '/^VmRSS/ { print $2 }' "/proc/$1/status"; }
hertz=$(getconf CLK_TCK)
measure() { # process port: requests a second of the server's processor time, and a second of the clock
    local before after line
    before=$(ticks "$1")
    line=$(cpu 1 "$load" "$2" target=/json connections="$connections" seconds="$seconds" ca="$work/cert.pem")
    after=$(ticks "$1")
    echo "$line" | awk -v t=$((after - before)) -v h="$hertz" '{ if ($3 != 0) exit 1; printf "%.0f %.0f %s %s\n", $1 * h / t, $1 / $6, $10, $13 }'
}
echo "$connections connections, $rounds rounds of $seconds s, in turn; the client on a processor of its own"
printf '%-8s %22s %12s %10s %10s\n' server 'req per server-CPU-s' 'req/s' 'p50 us' 'p99 us'
for _ in $(seq "$rounds"); do
    for who in ours nginx; do
        if [ $who = ours ]; then set -- "$ours" "$port"; else set -- "$worker" "$their_port"; fi
        row=$(measure "$1" "$2")
        echo "$who $row" >>"$work/rows"
        # shellcheck disable=SC2086
        printf '%-8s %22s %12s %10s %10s\n' $who $row
    done
done
awk '{ if ($2 > best[$1]) best[$1] = $2 } END { printf "best of each: %.0f / %.0f = %.2f of nginx (aim 0.9)\n", best["ours"], best["nginx"], best["ours"] / best["nginx"] }' "$work/rows"

echo
echo "1,000 idle TLS connections that have been answered once: KiB for each"
for who in ours nginx; do
    if [ $who = ours ]; then set -- "$ours" "$port"; else set -- "$worker" "$their_port"; fi
    python3 - "$who" "$1" "$2" "$work/cert.pem" <<'P'
import socket, ssl, sys
who, process, port, ca = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
def resident():
    return int(next(l for l in open(f"/proc/{process}/status") if l.startswith("VmRSS")).split()[1])
context = ssl.create_default_context(cafile=ca)
context.minimum_version = ssl.TLSVersion.TLSv1_3
before, held = resident(), []
for _ in range(1000):
    s = context.wrap_socket(socket.create_connection(("127.0.0.1", port)), server_hostname="localhost")
    s.sendall(b"GET /json HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert b"200" in s.recv(4096)
    held.append(s)
print(f"{who:8} {(resident() - before) / 1000:.1f}")
P
done

echo
echo "100 requests a second, alone and beside 2,000 slow clients (K17)"
python3 bench/http_flood.py "$stand" "$load" "${SLOW:-2000}" "${FLOOD_SECONDS:-12}"
