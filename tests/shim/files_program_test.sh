#!/usr/bin/env bash
# files_program.c in an enclave: twice, so that the second run opens what the first one sealed; then with damage.
# Usage: files_program_test.sh CELLA PROGRAM
set -euo pipefail
cella=$(realpath "$1") program=$(realpath "$2")
work=$(mktemp -d)
export CELLA_PLATFORM_SOCKET=$work/run/platform.sock CELLA_PLATFORM_STATE=$work/state
mkdir -m 700 "$work/run"
cleanup() {
    "$cella" platform stop >/dev/null 2>&1 || true
    rm -rf "$work"
}
trap cleanup EXIT

cd "$work"
mkdir shared trusted vault
echo "from the host" >shared/in
printf 'pinned bytes' >trusted/model
echo unpinned >trusted/other
cat >app.manifest <<'END'
[enclave]
heap = 4M
[arguments]
host = yes
[environment]
FROM_HOST = host
[mount /shared]
type = shared
host = shared
writable = yes
[mount /trusted]
type = trusted
host = trusted
files = model
[mount /vault]
type = protected
host = vault
key = seal:enclave
writable = yes
END
"$cella" keygen -o key.pem
"$cella" sign "$program" -m app.manifest -k key.pem -o app.cella

run() {
    timeout 60 "$cella" run app.cella --env FROM_HOST=yes --mount /shared=shared --mount /trusted=trusted \
        --mount /vault=vault -- argument
}
if ! run >first 2>&1; then
    if grep -qiE 'secret memory|memfd_secret|memory-lock' first; then
        cat first
        exit 77
    fi
    cat first
    exit 1
fi
grep -qx 'files: ok' first && grep -qx 'run 1' first
test "$(cat shared/out)" = 42
if grep -rqa 'run 1' vault; then exit 1; fi
run >second 2>&1
grep -qx 'run 2' second

# damage: one bit of a trusted and of a protected file
printf 'pinned bytez' >trusted/model
if run >third 2>&1; then exit 1; fi
grep -q 'trusted file /trusted/model: it is not what the manifest pins' third
printf 'pinned bytes' >trusted/model
size=$(stat -c %s vault/counter)
head -c $((size - 16384)) /dev/zero | tr '\0' '\377' | dd of=vault/counter bs=16384 seek=1 conv=notrunc status=none
if run >fourth 2>&1; then exit 1; fi
grep -q 'protected file counter: it does not match' fourth

# a key of an owner's: sealed outside, read inside after a grant, sealed inside, opened outside
cat >keyed.manifest <<'END'
[arguments]
host = yes
[mount /in]
type = protected
host = in
key = named:owner
[mount /out]
type = protected
host = out
key = named:owner
writable = yes
END
mkdir in out grants
"$cella" keygen --data -o owner.key
"$cella" keygen --data -o other.key
seq 1 50000 >plain
"$cella" seal --key owner.key plain in/data
"$cella" sign "$program" -m keyed.manifest -k key.pem -o keyed.cella
"$cella" platform key >platform.pem
mrenclave=$("$cella" measure keyed.cella | grep -oE '[0-9a-f]{64}' | head -1)

# Starts keyed.cella in the background and waits for its request.
start() {
    rm -f request grants/*
    timeout 60 "$cella" run keyed.cella --mount /in=in --mount /out=out --request request --grants grants \
        -- cat /in/data /out/result >"$1" 2>&1 &
    running=$!
    for _ in $(seq 100); do
        test -s request && return
        sleep 0.05
    done
    cat "$1"
    return 1
}
give() { "$cella" grant --key "$1" --name owner --mrenclave "$mrenclave" --trust platform.pem --allow software:S0 request -o "$2"; }

start fifth
give owner.key grant.kept
cp grant.kept grants/owner.grant
wait "$running"
"$cella" unseal --key owner.key out/result opened
cmp plain opened
grep -q 12345 in/data out/result && exit 1

# replay: the grant of the run before, while a good one comes after
start sixth
cp grant.kept grants/owner.grant
if wait "$running"; then exit 1; fi
grep -q 'the grant of key owner is refused: it answers another request' sixth

# the wrong key: granted, and then the file does not open
start seventh
give other.key grants/owner.grant
if wait "$running"; then exit 1; fi
grep -q 'protected file data: it does not match its key' seventh
echo "files in an enclave: ok"
