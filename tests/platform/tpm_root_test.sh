#!/bin/sh
# Root tpm, whole: swtpm, a platform on it, an enclave's evidence, the verifier. Usage: tpm_root_test.sh CELLA
set -u
cella=$1
command -v swtpm >/dev/null || { echo "skipped: no swtpm"; exit 77; }
work=$(mktemp -d)
chmod 755 "$work"
export CELLA_PLATFORM_SOCKET="$work/run/p.sock" CELLA_PLATFORM_STATE="$work/state"
pids=""
# shellcheck disable=SC2154
trap 'for p in $pids; do kill $p 2>/dev/null; done; rm -rf "$work"' EXIT
failed=0
check() { name=$1; shift; if timeout 30 "$@" >"$work/out" 2>&1; then echo "ok: $name"; else echo "FAILED: $name"; sed 's/^/    /' "$work/out"; failed=1; fi; }
refuse() { name=$1; shift; if timeout 30 "$@" >"$work/out" 2>&1; then echo "FAILED: $name"; failed=1; else echo "ok: $name"; fi; }
port=$(python3 "$(dirname "$0")/../service/server.py")
start_tpm() {
    mkdir -p "$work/$1"
    swtpm socket --tpm2 --tpmstate "dir=$work/$1" --server "type=tcp,port=$2,bindaddr=127.0.0.1" \
        --ctrl "type=tcp,port=$(($2 + 1)),bindaddr=127.0.0.1" --flags not-need-init,startup-clear 2>/dev/null &
    pids="$pids $!"
    sleep 0.5
}
start_platform() {
    "$cella" platform --pool 8 --root "tpm:swtpm:host=127.0.0.1,port=$1" 2>"$work/log" &
    platform=$!
    pids="$pids $platform"
    for _ in $(seq 100); do "$cella" platform status >/dev/null 2>&1 && return; sleep 0.05; done
    cat "$work/log"
}
stop_platform() { kill $platform; wait $platform 2>/dev/null; }

cat >"$work/program.c" <<'C'
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#define REPORT "/sys/kernel/config/tsm/report/test"
int main(void) {
    static unsigned char in[64] = "what a verifier asked for", out[65536];
    mkdir(REPORT, 0700);
    int fd = open(REPORT "/inblob", O_WRONLY);
    if (fd < 0 || write(fd, in, sizeof(in)) != sizeof(in)) return 2;
    close(fd);
    fd = open(REPORT "/outblob", O_RDONLY);
    size_t size = 0;
    for (ssize_t n; (n = read(fd, out + size, sizeof(out) - size)) > 0;) size += (size_t)n;
    return fwrite(out, 1, size, stdout) == size && size ? 0 : 3;
}
C
${CC:-gcc} -O1 -static-pie -o "$work/program" "$work/program.c" || exit 77
"$cella" keygen -o "$work/key.pem" >/dev/null
"$cella" sign "$work/program" -k "$work/key.pem" -o "$work/app.cella" >/dev/null || exit 1

start_tpm one $port
start_platform $port
"$cella" platform key >"$work/ak.pem"
timeout 30 "$cella" run "$work/app.cella" >"$work/evidence" || { echo "FAILED: no evidence"; failed=1; }
check "the chain ends in the TPM's key" "$cella" verify --trust "$work/ak.pem" --allow software:S0 "$work/evidence"
refuse "software evidence is refused unless allowed" "$cella" verify --trust "$work/ak.pem" "$work/evidence"
stop_platform
start_platform $port
"$cella" platform key >"$work/ak2.pem"
check "the attestation key is the same after a restart" cmp "$work/ak.pem" "$work/ak2.pem"
timeout 30 "$cella" run "$work/app.cella" >"$work/evidence" || failed=1
check "a fresh quote at each start" "$cella" verify --trust "$work/ak.pem" --allow software:S0 "$work/evidence"
stop_platform

start_tpm two $((port + 2))
start_platform $((port + 2))
timeout 30 "$cella" run "$work/app.cella" >"$work/evidence" || failed=1
refuse "another TPM's evidence" "$cella" verify --trust "$work/ak.pem" --allow software:S0 "$work/evidence"
stop_platform
refuse "no TPM there: the platform says so and stops" "$cella" platform --root tpm:swtpm:host=127.0.0.1,port=1
grep -q "no TPM answers" "$work/out" && echo "ok: with the reason" || { echo "FAILED: reason"; failed=1; }
exit $failed
