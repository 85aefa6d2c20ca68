#!/usr/bin/env bash
# Keys of a vault in enclaves, whole: enclave_test.sh CELLA SOURCE_ROOT. A server, a platform, images, and services that answer
# strangely (strange.py). Each refusal has its exit status and its words.
set -uo pipefail
cella=$(realpath "$1") source_root=$(realpath "$2")
. "$source_root/tests/clients/lib.sh"
work=$(mktemp -d)
chmod 755 "$work" # the platform drops root
cd "$work" || exit 1
failed=0 pids=() strange='' stranger='' elsewhere='' late='' mute=''
export CELLA_PLATFORM_SOCKET=$work/run/p.sock CELLA_PLATFORM_STATE=$work/state
end() {
    stop_server
    [ ${#pids[@]} = 0 ] || kill "${pids[@]}" 2>/dev/null
    wait 2>/dev/null
    rm -rf "$work"
}
trap end EXIT
trap 'exit 130' INT TERM

pass() { echo "ok   $1"; }
fail() { echo "BAD  $1"; [ ! -f out ] || sed 's/^/     /' out | tail -n 12; failed=1; }
# expect NAME STATUS WORDS COMMAND...: that exit status, and those words (or none: -) in what it says.
expect() {
    local name=$1 status=$2 words=$3 found=0
    shift 3
    timeout 60 "$@" >out 2>&1 || found=$?
    if [ $found = "$status" ] && { [ "$words" = - ] || grep -qF -- "$words" out; }; then pass "$name"; return; fi
    fail "$name: status $found, expected $status and '$words'"
}
has() { if grep -qF -- "$2" out; then pass "$1"; else fail "$1: expected '$2'"; fi; }
hasnt() { if grep -qF -- "$2" out; then fail "$1: found '$2'"; else pass "$1"; fi; }

# --- Authorities, strange services, the platform, the server ---

authority() { openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$1.key" -out "$1.pem" -subj "/CN=$1" -days 2 2>/dev/null; }
certificate() { # NAME AUTHORITY HOST [DAYS]
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$1.key" -out "$1.csr" -subj "/CN=$3" 2>/dev/null
    openssl x509 -req -in "$1.csr" -CA "$2.pem" -CAkey "$2.key" -CAcreateserial -days "${4:-2}" -out "$1.pem" \
        -extfile <(echo "subjectAltName=DNS:$3") 2>/dev/null
}
authority ours && authority theirs || exit 1
certificate strange ours localhost
certificate stranger theirs localhost
certificate elsewhere ours elsewhere.example
certificate late ours localhost -1
listening() { # NAME COMMAND...: in the background; its first line is its port, in the variable NAME
    local name=$1
    shift
    timeout 200 "$@" >"$name.port" 2>"$name.log" &
    pids+=($!)
    for _ in $(seq 100); do [ -s "$name.port" ] && break; sleep 0.05; done
    printf -v "$name" %s "$(cat "$name.port")"
}

timeout 200 "$cella" platform >platform.log 2>&1 &
pids+=($!)
data=$work/data port=$(free_ports)
start_server "$data" --port "$port"
for _ in $(seq 100); do "$cella" platform status >/dev/null 2>&1 && break; sleep 0.05; done
"$cella" platform key | openssl pkey -pubin -outform DER -out "$data/platform.der" || { cat platform.log; exit 1; }
stop_server
sed -i 's/^\[collateral\]$/&\nplatform_keys = platform.der/; s/^source = .*/source = none/' "$data/cella.conf"
printf '\n[vault second]\nurl = https://localhost:%d\nlisten = 127.0.0.1:%d [::1]:%d\nhsm = yes\n' $((port + 9)) $((port + 9)) \
    $((port + 9)) >>"$data/cella.conf"
start_server "$data"
# shellcheck disable=SC1091
. "$data/dev/env.sh"
unset SSL_CERT_FILE CURL_CA_BUNDLE NODE_EXTRA_CA_CERTS
export CELLA_CA=$data/ca.pem
attest=$ATTESTATION_AAD_URL hsm=$AZURE_MANAGEDHSM_URI second=https://localhost:$((port + 9))
"$cella" identity --data "$data" assign "$AZURE_CLIENT_ID" 'Managed HSM Crypto Officer' --scope /vault/second >out 2>&1
"$cella" identity --data "$data" assign "$AZURE_CLIENT_ID" 'Managed HSM Crypto User' --scope /vault/second >>out 2>&1 ||
    { cat out; exit 1; }
token() { # SCOPE: an access token, by curl
    curl -s --max-time 10 --cacert "$CELLA_CA" "$AZURE_AUTHORITY_HOST/$AZURE_TENANT_ID/oauth2/v2.0/token" -d grant_type=client_credentials \
        -d "client_id=$AZURE_CLIENT_ID" --data-urlencode "client_secret=$AZURE_CLIENT_SECRET" --data-urlencode "scope=$1/.default" |
        sed -n 's/.*"access_token": *"\([^"]*\)".*/\1/p'
}
token https://managedhsm.azure.net >bearer
listening strange "$source_root/tests/vault/strange.py" strange.pem strange.key "$hsm"
listening stranger "$source_root/tests/vault/strange.py" stranger.pem stranger.key
listening elsewhere "$source_root/tests/vault/strange.py" elsewhere.pem elsewhere.key
listening late "$source_root/tests/vault/strange.py" late.pem late.key
listening mute python3 -c '
import socket
s = socket.create_server(("127.0.0.1", 0))
print(s.getsockname()[1], flush=True)
kept = []
while True: kept.append(s.accept())'
odd=https://localhost:$strange
cat "$data/ca.pem" ours.pem >believed.pem

# --- Images: every one is signed by one key, and released keys ask for that signer ---

${CC:-cc} -O1 -static-pie -D_GNU_SOURCE -o program "$source_root/tests/vault/enclave_program.c" || skip "no C compiler for programs"
"$cella" keygen -o key.pem >/dev/null
image() { # NAME [LINES...]: its manifest on the lines given, with what all have
    local name=$1
    shift
    {
        printf '[vault]\nattest = %s\nca = %s\n' "${ATTEST:-$attest}" "${BELIEVED:-believed.pem}"
        printf '[enclave]\nheap = %s\nstack = %s\n%s[arguments]\n0 = name\nhost = yes\n' "${HEAP:-2M}" \
            "${STACK:-128K}" "${ENCLAVE:-}"
        printf '%s\n' "$@"
    } >"$name.manifest"
    "$cella" sign program -m "$name.manifest" -k key.pem -o "$name.cella" >out 2>&1 || { cat out; exit 1; }
}
with() { image "$1" '[key k]' "vault = $2" "${@:3}"; } # NAME URL: one key, k
run=("$cella" run --no-start)
fetches() { # NAME STATUS WORDS URL: an image whose key is there
    with odd "$4"
    expect "$1" "$2" "$3" "${run[@]}" odd.cella --bearer bearer -- key k
    hasnt "$1: the program did not start" 'found k'
}

with plain "$hsm/keys/k"
signer=$("$cella" inspect --json plain.cella | sed -n 's/.*"mrsigner": "\(.*\)",/\1/p')
"$cella" policy release --authority "$attest" --tee software --mrsigner "$signer" -o release || exit 1
create() { # VAULT NAME [OPTIONS]
    "$cella" key create "$2" --kty oct --size 256 --hsm --release-policy release --vault "$1" "${@:3}" >out 2>&1 || { cat out; exit 1; }
}
create "$hsm" k
create "$hsm" other
create "$second" k
version=$("$cella" key versions k --vault "$hsm" | sed -n 's,.*/keys/k/\([0-9a-f]*\).*,\1,p' | head -n 1)

# --- Without a policy of the attestation service, software proves nothing ---

expect 'no policy of the attestation service' 125 'No attestation policy has been set for SoftwareEnclave' "${run[@]}" plain.cella -- key k
hasnt 'no policy: no key' 'found k'
printf 'version=1.0;\nauthorizationrules { => permit(); };\nissuancerules { };\n' >policy
"$cella" attest policy SoftwareEnclave --set policy --url "$attest" >out 2>&1 || { cat out; exit 1; }

# --- Peers that take their time, beside all that follows: 30 s, and no more ---

slow() { # NAME URL
    with "$1" "$2"
    { time timeout 100 "${run[@]}" "$1.cella" --bearer bearer -- key k >"$1.out" 2>&1; echo "status $?" >>"$1.out"; } 2>"$1.time" &
}
TIMEFORMAT=%0R
slow mute "https://localhost:$mute/keys/k"
slow silent "$odd/keys/silent"

# --- The good way ---

image two '1 = show' '2 = first' '3 = k2' '[environment]' 'FIXED = as it is' 'HOST = host' '[key first]' "vault = $hsm/keys/k/$version" \
    '[key k2]' "vault = $second/keys/k" '[program /bin/second]' 'file = program'
expect 'two keys of two vaults' 7 'found first 32 ' "${run[@]}" two.cella --env 'HOST=a b' -- 'an argument' ''
has 'the second key' 'found k2 32 '
[ "$(grep -c '^found ' out)" = 4 ] || fail 'four lines of keys'
[ "$(sed -n 's/^found .* 32 //p' out | sort -u | wc -l)" = 2 ] && pass 'they are two keys' || fail 'they are two keys'
for line in "argument 0 'name'" "argument 1 'show'" "argument 4 'an argument'" "argument 5 ''" 'FIXED=as it is HOST=a b' \
    'open /dev/cella/vault: ENOENT' 'open /dev/cella/connect/localhost:443: ENOENT' \
    'open /dev/cella/connect/credential/localhost:443: ENOENT' 'open /dev/cella/keys/first: EACCES' 'open /cella/fetch: ENOENT' \
    'exec /cella/fetch: 2'; do
    has "inside: $line" "$line"
done
hasnt 'no descriptor is left' 'descriptor'
key=$(sed -n 's/^found first 32 //p' out)
image exec '[key first]' "vault = $hsm/keys/k" '[program /bin/second]' 'file = program'
expect 'exec still works' 7 "found first 32 $key" "${run[@]}" exec.cella -- exec first

# Where the fetching program was, in its data, heap and stack, nothing of its work is left (R51).
ranges=$("$cella" inspect --json exec.cella | python3 -c '
import json, sys
d = json.load(sys.stdin)
print(d["programs"][0]["offset"])
for r in d["regions"]:
    if r["kind"] == "program-data" and r["index"] == len(d["programs"]) - 1: print("zeros", r["offset"], r["pages"] * 4096)
for name in ("heap", "stack"): print(name, d["enclave"][name]["offset"], d["enclave"][name]["size"])')
# shellcheck disable=SC2086
expect 'memory of the fetching program is gone' 0 'scanned stack' "${run[@]}" exec.cella -- scan first $ranges
grep -q 'scanned zeros: 0 of [1-9]' out && grep -q 'scanned heap' out || fail 'scanned data and heap'

# Names and hosts have no case; sixteen keys; the least heap.
with upper "https://LOCALHOST:${hsm##*:}/keys/K"
expect 'another case' 7 "found k 32 $key" "${run[@]}" upper.cella --bearer bearer -- key k
keys=()
for i in $(seq 16); do keys+=("[key k$i]" "vault = $hsm/keys/k"); done
image sixteen "${keys[@]}"
expect 'sixteen keys' 7 "found k16 32 $key" "${run[@]}" sixteen.cella -- key k16
ENCLAVE=$'threads = 1\n' HEAP=1M STACK=64K with little "$hsm/keys/k"
expect 'one thread, a heap of 1 MiB, a stack of 64 KiB' 7 "found k 32 $key" "${run[@]}" little.cella -- key k

# A protected mount under the key; a pin, right and wrong; a key of an owner beside.
mkdir -p store && chmod 777 store
image mounted '[mount /data]' 'type = protected' "host = $work/store" "key = vault:$hsm/keys/k" 'writable = yes'
expect 'a file under the key is written' 0 "file ''" "${run[@]}" mounted.cella -- files /data/f
expect 'and read by another run' 0 "file 'patients'" "${run[@]}" mounted.cella -- files /data/f
grep -rq patients store && fail 'the file is in clear'
(umask 077 && echo "$key" >released.key && echo "$key" | tr 0-9a-f 1-9a-f0 >wrong.key)
with pinned "$hsm/keys/k" "id = $("$cella" keygen --id released.key)"
expect 'the pinned key' 7 "found k 32 $key" "${run[@]}" pinned.cella -- key k
with pinned "$hsm/keys/k" "id = $("$cella" keygen --id wrong.key)"
expect 'another key is pinned' 125 "the vault's key k is refused: the manifest pins another key, by its id" \
    "${run[@]}" pinned.cella -- key k
hasnt 'another key is pinned: no key' "$key"
ENCLAVE=$'keys = owned\n' with owned "$hsm/keys/k"
"$cella" platform key >platform.pem
timeout 60 "${run[@]}" owned.cella --request request --grants . -- show owned k >out 2>&1 &
granted=$!
for _ in $(seq 100); do [ -s request ] && break; sleep 0.05; done
grant=(--mrsigner "$signer" --trust platform.pem --allow software:S0 request)
if "$cella" grant --key wrong.key --name k "${grant[@]}" -o k.grant >said2 2>&1; then fail 'an owner was asked for the key of a vault'; fi
"$cella" grant --key wrong.key --name owned "${grant[@]}" -o owned.grant >said2 2>&1 || { cat said2; fail 'the grant'; }
wait $granted
[ $? = 7 ] || fail 'an owner beside a vault'
has 'the key of an owner' "found owned 32 $(cat wrong.key)"
has 'the key of the vault beside it' "found k 32 $key"
expect 'a grant for the key of a vault is not taken' 7 "found k 32 $key" "${run[@]}" plain.cella --grant owned.grant -- key k

# --- Who may, and what may ---

with code "$hsm/keys/code"
"$cella" policy release --authority "$attest" --tee software --mrenclave "$("$cella" measure -q plain.cella)" -o release.code
"$cella" key create code --kty oct --size 256 --hsm --release-policy release.code --vault "$hsm" >out 2>&1 || fail 'a key for one image'
expect 'another image' 125 'answers 403 Forbidden: Target environment attestation does not meet key release policy requirements' \
    "${run[@]}" code.cella -- key k
ENCLAVE=$'debug = yes\n' with debug "$hsm/keys/k"
expect 'a debug image' 125 'does not meet key release policy requirements' "${run[@]}" debug.cella -- key k
outsider=$("$cella" identity --data "$data" app create outsider | sed -n 's/^client  *//p')
outsider_secret=$("$cella" identity --data "$data" secret create outsider | sed -n 's/^secret  *//p')
as=(env "AZURE_CLIENT_ID=$outsider" "AZURE_CLIENT_SECRET=$outsider_secret")
expect 'a caller without a role' 125 'answers 403 Forbidden' "${as[@]}" "${run[@]}" plain.cella -- key k
expect 'no credentials' 2 'AZURE_' env -u AZURE_CLIENT_SECRET "${run[@]}" plain.cella -- key k
has 'no credentials: the key is named' "$hsm/keys/k"
expect 'a wrong secret' 3 'AADSTS7000215' env AZURE_CLIENT_SECRET=wrong "${run[@]}" plain.cella -- key k
expect 'a token from a file' 7 "found k 32 $key" env -u AZURE_CLIENT_SECRET "${run[@]}" plain.cella --bearer bearer -- key k
token https://attest.azure.net >other.bearer
expect 'a token for something else' 125 'answers 401' "${run[@]}" plain.cella --bearer other.bearer -- key k
echo x.y.z >other.bearer
expect 'no token' 125 'answers 401' "${run[@]}" plain.cella --bearer other.bearer -- key k
: >other.bearer
expect 'an empty token' 1 'expected an access token' "${run[@]}" plain.cella --bearer other.bearer -- key k
printf 'x\r\nHost: other\r\n' >other.bearer
expect 'a token of two lines' 125 'not one line of text' "${run[@]}" plain.cella --bearer other.bearer -- key k
expect 'no file of a token' 1 'nowhere' "${run[@]}" plain.cella --bearer nowhere -- key k
BELIEVED=theirs.pem with nobody "$hsm/keys/k"
expect 'authorities that are none of the services' 125 'its certificate is refused' "${run[@]}" nobody.cella -- key k
timeout 100 env CELLA_PLATFORM_SOCKET="$work/p2" CELLA_PLATFORM_STATE="$work/state2" "$cella" platform >platform2.log 2>&1 &
pids+=($!)
for _ in $(seq 100); do [ -S p2 ] && break; sleep 0.05; done
expect 'a platform that the service does not trust' 125 "a token of $attest" "${run[@]}" --socket "$work/p2" --state "$work/state2" \
    plain.cella -- key k
has 'a platform that the service does not trust: words' 'answers 400 Bad Request'

# --- Keys ---

fetches 'no such key' 125 'answers 404' "$hsm/keys/nowhere"
fetches 'no such version' 125 'answers 404' "$hsm/keys/k/00000000000000000000000000000000"
"$cella" key create rsa --kty RSA --hsm --release-policy release --vault "$hsm" >out 2>&1 || fail 'an RSA key'
fetches 'an RSA key' 125 'expected a symmetric key of 256 bits, found one of' "$hsm/keys/rsa"
"$cella" key create small --kty oct --size 128 --hsm --release-policy release --vault "$hsm" >out 2>&1 || fail 'a small key'
fetches 'a key of 128 bits' 125 'expected a symmetric key of 256 bits, found one of 16 bytes' "$hsm/keys/small"
"$cella" key create kept --kty oct --size 256 --hsm --vault "$hsm" >out 2>&1 || fail 'a key that stays'
fetches 'a key that is not released to anyone' 125 'answers 4' "$hsm/keys/kept"
for name in disabled expired deleted; do create "$hsm" $name; done
"$cella" key disable "$("$cella" key versions disabled --vault "$hsm" | sed -n 's,.*/keys/\(disabled/[0-9a-f]*\).*,\1,p')" --vault "$hsm" \
    >out 2>&1 || fail 'disable'
fetches 'a disabled key' 125 'answers 403' "$hsm/keys/disabled"
curl -s --max-time 10 --cacert "$CELLA_CA" -X PATCH -H "Authorization: Bearer $(cat bearer)" -H 'Content-Type: application/json' \
    -d '{"attributes":{"exp":1600000000}}' "$hsm/keys/expired/$("$cella" key versions expired --vault "$hsm" |
        sed -n 's,.*/keys/expired/\([0-9a-f]*\).*,\1,p')?api-version=7.4" >out
has 'a key expires' '1600000000'
fetches 'an expired key' 125 'answers 403' "$hsm/keys/expired"
"$cella" key delete deleted --vault "$hsm" >out 2>&1 || fail 'delete'
fetches 'a deleted key' 125 'answers 404' "$hsm/keys/deleted"

# --- Services that answer strangely; to all the host sends its token, and none gets a key in ---

fetches 'another authority' 125 "localhost:$stranger: its certificate is refused: " "https://localhost:$stranger/keys/k"
fetches 'another host' 125 "localhost:$elsewhere: its certificate is refused: hostname mismatch" "https://localhost:$elsewhere/keys/k"
fetches 'nobody listens' 125 'Connection refused' "https://localhost:1/keys/k"
fetches 'no such host' 125 'the host cannot connect: ' "https://nowhere.invalid/keys/k"
fetches 'a certificate that is over' 125 'its certificate is refused: certificate has expired' "https://localhost:$late/keys/k"
ATTEST=$odd fetches 'one peer for both' 125 'no value in its answer' "$odd/keys/novalue"
fetches 'another name of the host' 125 'answers 404 Not Found: No vault is served under this host' "https://127.0.0.1:${hsm##*:}/keys/k"
fetches 'a redirection' 125 "localhost:$strange answers 302 Found" "$odd/keys/redirect"
fetches "another key's answer" 125 "asked for the key $odd/keys/proxied, the answer is about $hsm/keys/other/" "$odd/keys/proxied"
fetches 'a page' 125 "localhost:$strange" "$odd/keys/html"
fetches 'half a JSON' 125 'not strict JSON' "$odd/keys/badjson"
fetches 'no value' 125 'no value in its answer' "$odd/keys/novalue"
fetches 'a number' 125 'no value in its answer' "$odd/keys/number"
fetches 'no token' 125 'the answer is no token' "$odd/keys/notoken"
fetches '2 MiB' 125 "localhost:$strange" "$odd/keys/huge"
fetches '2 MiB of unknown length' 125 "localhost:$strange" "$odd/keys/endless"
fetches 'a head without end' 125 "localhost:$strange" "$odd/keys/longhead"
fetches 'a closed connection' 125 'no answer' "$odd/keys/closed"
fetches 'an answer that ends early' 125 "localhost:$strange" "$odd/keys/cut"
fetches 'another protocol' 125 'no answer in HTTP' "$odd/keys/nohttp"
fetches 'a status line that ends early' 125 'no answer in HTTP' "$odd/keys/short"
fetches 'words for a terminal' 125 'answers 403 ?[31mForbidden: ?[2Jgone??for good' "$odd/keys/words"
fetches 'a busy service' 125 'answers 503 Service Unavailable' "$odd/keys/busy"
ATTEST=$odd fetches "a stranger's token" 125 'answers 403' "$hsm/keys/k"

# --- The host lets go ---

started() { # NAME: runs in the background in a way that waits; sets runner and enclave (its process)
    local before
    before=$("$cella" platform status | grep -c '^enclave=')
    timeout 90 "${run[@]}" "$@" >out 2>&1 &
    for _ in $(seq 200); do
        enclave=$("$cella" platform status | sed -n 's/^enclave=pid \([0-9]*\).*/\1/p' | tail -n +$((before + 1)))
        [ -n "$enclave" ] && break
        sleep 0.05
    done
    runner=$(pgrep -P $! -f 'cella run' | head -n 1)
}
gone() { # NAME: the enclave that was started goes, soon
    kill -9 "$runner"
    for _ in $(seq 100); do [ -d "/proc/$enclave" ] || { pass "$1"; return; }; sleep 0.05; done
    fail "$1: process $enclave is still there"
}
started plain.cella -- wait
for _ in $(seq 100); do grep -q waiting out && break; sleep 0.05; done
has 'the program runs' waiting
open=$(find "/proc/$enclave/fd" -mindepth 1 -printf '%f\n' 2>/dev/null | sort -n | xargs)
if [ -z "$open" ]; then echo "skipped: only root sees the enclave's descriptors"; elif [ "$open" = '0 1 2 3 4' ]; then pass 'the enclave holds descriptors 0 to 4'; else fail "the enclave's descriptors: $open"; fi
gone 'killed while its program runs'
with kill "$odd/keys/silent"
started kill.cella --bearer bearer -- key k
sleep 0.3 # it has sent its request, or is about to
gone 'killed while keys are fetched'

stop_server
expect 'the services are gone' 125 'Connection refused' "${run[@]}" plain.cella --bearer bearer -- key k
expect 'the services are gone, and the issuer' 1 'oauth2/v2.0/token' "${run[@]}" plain.cella -- key k

# --- The slow ones have had enough by now, or soon ---

for name in mute silent; do
    for _ in $(seq 500); do [ -s "$name.time" ] && break; sleep 0.1; done
    cp "$name.out" out
    has "$name: ends" 'status 125'
    has "$name: words" 'nothing came for 30 s'
    if [ "$(cat "$name.time")" -ge 25 ] && [ "$(cat "$name.time")" -le 45 ]; then pass "$name: 30 s"; else
        fail "$name: after $(cat "$name.time") s"; fi
done
exit $failed
