# shellcheck shell=bash
# What demo.sh is made of: showing, running an enclave, and the operator's tries. Sourced.
cella=$(realpath "${CELLA:-build/src/cli/cella}")
build=$(realpath "$(dirname "$cella")/../..")
program=$build/examples/patients/patients_train
operator=$build/tests/attack/operator
hello=$build/examples/hello/hello
for file in "$cella" "$program" "$operator" "$hello"; do
    [ -x "$file" ] || { echo "demo: $file is not there; do: make" >&2; exit 1; }
done

work=$(mktemp -d "${TMPDIR:-/tmp}/cella-demo.XXXXXX")
storage=$work/storage # all that the operator of the machine holds
run=$work/run         # of the enclave that runs now
mkdir -p "$storage" "$run"
# A platform of its own, so that the demo neither needs nor touches the machine's.
export CELLA_PLATFORM_STATE=$work/platform CELLA_PLATFORM_SOCKET=$work/platform.sock
level=S0 measurement="" enclave_run='' service='' service_url='' vault_url='' operator_env=() run_more=() unexpected=0 tries=0 stopped=0 known=0 number=0

end() {
    [ -z "$enclave_run" ] || kill "$enclave_run" 2>/dev/null
    [ -z "$service" ] || kill "$service" 2>/dev/null
    [ ! -S "$CELLA_PLATFORM_SOCKET" ] || "$cella" platform stop >/dev/null 2>&1
    if [ -n "${KEEP:-}" ]; then echo "kept: $work"; else rm -rf "$work"; fi
}
trap end EXIT
trap 'exit 130' INT TERM

# ---- showing ----
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
    bold=$'\e[1m' green=$'\e[32m' red=$'\e[31m' yellow=$'\e[33m' dim=$'\e[2m' plain=$'\e[0m'
else
    bold='' green='' red='' yellow='' dim='' plain=''
fi
title() {
    number=$((number + 1))
    printf '\n%s%d. %s%s\n' "$bold" "$number" "$1" "$plain"
}
note() { printf '  %s%s%s\n' "$dim" "$1" "$plain"; }
good() { printf '  %sok%s  %s\n' "$green" "$plain" "$1"; }
bad() {
    unexpected=$((unexpected + 1))
    printf '  %s!!%s  %s\n' "$red" "$plain" "$1"
}
# A step without which the rest makes no sense.
must() { # TEXT COMMAND...
    local text=$1
    shift
    if "$@" >"$work/last" 2>&1; then good "$text"; return; fi
    bad "$text"
    sed 's/^/      /' "$work/last"
    [ ! -s "$run/out" ] || { echo "      the enclave said:"; tail -n 15 "$run/out" | sed 's/^/      /'; }
    exit 1
}
check() { # TEXT COMMAND...
    local text=$1
    shift
    if "$@" >"$work/last" 2>&1; then good "$text"; else bad "$text"; sed 's/^/      /' "$work/last"; fi
}
show() { # LINES-TO-SHOW COMMAND...: runs it and shows the lines that match
    local lines=$1
    shift
    note "\$ cella ${*:2}" | sed "s,$work/,,g"
    if "$@" >"$work/last" 2>&1; then
        grep -E "$lines" "$work/last" | sed "s,$work/,,g; s/^/    /"
        return
    fi
    sed 's/^/      /' "$work/last"
    bad "verification failed"
    exit 1
}

# ---- an enclave and its owners ----
# The manifest whose keys come from the hospitals' vault, and go to what their service proves.
vault_manifest() { # [URL OF THE ATTESTATION SERVICE] [FILE OF AUTHORITIES]
    pin_keys | sed "s,^key = named:\(.*\)\$,key = vault:$vault_url/keys/\1,"
    printf '\n[vault]\nattest = %s\nca = %s\n' "${1:-$service_url}" "${2:-$work/service/ca.pem}"
}
# The manifest with the ids of the owners' keys, which tell nothing of the keys: what each owner sends the analyst.
pin_keys() {
    cat examples/patients/app.manifest
    for h in a b c; do printf '\n[key hospital-%s]\nid = %s\n' "$h" "$("$cella" keygen --id "$work/hospital-$h/data.key")"; done
    printf '\n[key result]\nid = %s\n' "$("$cella" keygen --id "$work/hospital-a/result.key")"
}
start_enclave() { # STORAGE IMAGE SECONDS-TO-STAY [MORE OPTIONS]
    local from=$1 image=$2 stay=$3
    shift 3
    rm -rf "$run"
    mkdir -p "$run/grants" "$from/result"
    env "${operator_env[@]}" "$cella" run "$image" --mount "/data/hospital-a=$from/hospital-a" --mount "/data/hospital-b=$from/hospital-b" \
        --mount "/data/hospital-c=$from/hospital-c" --mount "/result=$from/result" --request "$run/request" \
        --env "PAUSE_S=$stay" "$@" "${run_more[@]}" --grants "$run/grants" >"$run/out" 2>&1 </dev/null &
    enclave_run=$!
}
alive() { kill -0 "$enclave_run" 2>/dev/null; }
wait_until() { # COMMAND...: true within 20 s, while the enclave runs
    local i
    for ((i = 0; i < 400; i++)); do
        "$@" && return 0
        alive || { "$@"; return; }
        sleep 0.05
    done
    return 1
}
has_request() { [ -s "$run/request" ]; }
wait_for_request() { wait_until has_request; }
wait_for_line() { wait_until grep -q "$1" "$run/out"; }
platform_key() { "$cella" platform key >"$work/platform.pem" && [ -s "$work/platform.pem" ]; }

# ---- the hospitals' attestation service and vault ----
serve() { # DATA [OPTIONS]: true when it is ready; its process is then in `served`
    local data=$1 i
    shift
    : >"$work/served" # the next line empties it in its own time
    "$cella" serve --data "$data" "$@" >"$work/served" 2>&1 </dev/null &
    served=$!
    for ((i = 0; i < 300; i++)); do
        grep -q '^ready' "$work/served" && return 0
        kill -0 "$served" 2>/dev/null || break
        sleep 0.05
    done
    kill "$served" 2>/dev/null
    wait "$served" 2>/dev/null
    return 1
}
serve_first() { # DATA: a development set-up, on ports that nobody has
    local i
    for ((i = 0; i < 20; i++)); do
        serve "$1" --port "$((10000 + RANDOM % 2000 * 10))" && return 0
        grep -q 'Address already in use' "$work/served" || break
        rm -rf "$1" # the ports are in it
    done
    cat "$work/served" >&2
    return 1
}
end_served() { kill "$1" 2>/dev/null && wait "$1" 2>/dev/null; }
set_up_service() {
    serve_first "$work/service" && end_served "$served"
    service_url=$(. "$work/service/dev/env.sh" && echo "$ATTESTATION_AAD_URL")
    vault_url=$(. "$work/service/dev/env.sh" && echo "$AZURE_MANAGEDHSM_URI") && [ -n "$service_url" ] && [ -n "$vault_url" ]
}
start_service() { serve "$work/service" && service=$served; }
start_platform() {
    local i
    "$cella" platform --idle 60 >"$work/platform.log" 2>&1 </dev/null &
    for ((i = 0; i < 100; i++)); do
        "$cella" platform status >/dev/null 2>&1 && return 0
        sleep 0.05
    done
    cat "$work/platform.log"
    return 1
}
trust_platform() { # from now on
    start_platform && platform_key && cp "$work/platform.pem" "$work/service/platform.pem" &&
        sed -i 's/^\[collateral\]$/&\nplatform_keys = platform.pem/' "$work/service/cella.conf" && start_service
}
# What the hospitals agree on. Whoever asks for a token must be this program, on this platform, at this level, not debugged.
write_policy() {
    local platform
    platform=$("$cella" platform status | sed -n 's/^platform_key_sha256=//p')
    [ -n "$platform" ] && [ -n "$level" ] || return 1
    cat >"$work/hospitals.policy" <<POLICY
version=1.0;
authorizationrules {
    [type=="x-ms-cella-mrenclave", value=="$measurement"] &&
    [type=="x-ms-cella-is-debuggable", value==false] &&
    [type=="x-ms-cella-assurance", value=="$level"] &&
    [type=="x-ms-cella-platform-key", value=="$platform"] => permit();
};
issuancerules { };
POLICY
}
as_hospitals() { (. "$work/service/dev/env.sh" && export CELLA_VAULT=$vault_url && "$cella" "$@"); } # with their application's secret
put_keys() { # each owner's, which stays in the owner's hands too
    local h
    for h in a b c; do
        as_hospitals key import "hospital-$h" --key "$work/hospital-$h/data.key" --release-policy "$work/release.policy" || return 1
    done
    as_hospitals key import result --key "$work/hospital-a/result.key" --release-policy "$work/release.policy"
}
# The operator's own application: it may call release, and nothing else. Whoever calls pays; what is proven gets the key.
admit_operator() {
    local data=$work/service
    "$cella" identity --data "$data" app create operator >"$work/app" && "$cella" identity --data "$data" secret create operator >"$work/secret" &&
        "$cella" identity --data "$data" assign operator "Managed HSM Crypto Service Release User" --scope /vault/devhsm || return 1
    operator_env=("CELLA_VAULT=$vault_url" "CELLA_CA=$data/ca.pem" "AZURE_CLIENT_ID=$(sed -n 's/^client *//p' "$work/app")"
        "AZURE_CLIENT_SECRET=$(sed -n 's/^secret *//p' "$work/secret")"
        "AZURE_TENANT_ID=$(. "$data/dev/env.sh" && echo "$AZURE_TENANT_ID")" "AZURE_AUTHORITY_HOST=$(. "$data/dev/env.sh" && echo "$AZURE_AUTHORITY_HOST")")
}
as_operator() { env "${operator_env[@]}" "$cella" "$@"; }
not_allowed() { # WORDS OF A COMMAND: the operator is refused
    as_operator "$@" >"$work/refused" 2>&1
    [ $? = 3 ] && grep -q Forbidden "$work/refused"
}
ask_token() { # anybody may ask; of the request of the enclave that runs now
    "$cella" attest "$run/request" --url "$service_url" --ca "$work/service/ca.pem" -o "$run/token"
}
token_grants() { # TOKEN OWNER KEY-FILE NAME: what an owner types; the grant goes back to the machine
    "$cella" grant --key "$work/hospital-$2/$3" --name "$4" --mrenclave "$measurement" --allow software:S0 --token "$1" \
        --issuer "$service_url" --ca "$work/service/ca.pem" "$run/request" -o "$run/grants/$4.grant"
}
owner_grants() { token_grants "$run/token" "$@"; } # OWNER KEY-FILE NAME
grant_all() {
    owner_grants a data.key hospital-a && owner_grants b data.key hospital-b && owner_grants c data.key hospital-c &&
        owner_grants a result.key result
}
# Without a service an owner checks the evidence itself.
direct_grant() { # OWNER KEY-FILE NAME
    "$cella" grant --key "$work/hospital-$1/$2" --name "$3" --mrenclave "$measurement" --trust "$work/platform.pem" \
        --allow software:S0 "$run/request" -o "$run/grants/$3.grant"
}
refused_at_s2() {
    "$cella" verify "$work/first-request" --trust "$work/platform.pem" --allow software:S2 --mrenclave "$measurement"
    [ $? = 1 ]
}
unseal_results() {
    "$cella" unseal --key "$work/hospital-a/result.key" "$storage/result/model.csv" "$work/hospital-a/model.csv" &&
        "$cella" unseal --key "$work/hospital-a/result.key" "$storage/result/report.txt" "$work/hospital-a/report.txt"
}
# Ends the run and leaves its exit status in `status`.
stop_enclave() {
    kill "$enclave_run" 2>/dev/null
    finish_enclave
}
finish_enclave() {
    local i
    for ((i = 0; i < 400; i++)); do
        alive || break
        sleep 0.05
    done
    alive && kill -9 "$enclave_run" 2>/dev/null
    wait "$enclave_run" 2>/dev/null
    status=$?
    enclave_run=''
}
# A whole run, as in the steps above: the exit status of the program.
full_run() { # STORAGE IMAGE
    start_enclave "$1" "$2" 0
    finish_enclave
    return "$status"
}

# ---- the operator's tries ----
table_head() {
    printf '  %s%-44s %-12s %s%s\n' "$bold" "try" "outcome" "what happened" "$plain"
}
line() { # COLOUR TRY OUTCOME DETAIL
    printf '  %s%-44s %-12s%s %s\n' "$1" "$2" "$3" "$plain" "${4:0:110}"
}
row_stopped() { tries=$((tries + 1)) stopped=$((stopped + 1)); line "$green" "$1" "$2" "${3:-}"; }
row_known() { tries=$((tries + 1)) known=$((known + 1)); line "$yellow" "$1" "$2" "${3:-}"; }
row_plain() { line "$dim" "$1" "$2" "${3:-}"; }
row_bad() { tries=$((tries + 1)) unexpected=$((unexpected + 1)); line "$red" "!! $1" "$2" "${3:-}"; }

enclave_pid() { # the process of the enclave that runs now
    "$cella" platform status 2>/dev/null | sed -n 's/^enclave=pid \([0-9]*\).*/\1/p' | tail -n 1
}
# One patient as the program holds it, four measurements as doubles; and the place of the first patient in the
# enclave, as far as the operator may know it: the program's is public, where the enclave lies only root can read.
canary() { # PID
    "$cella" inspect --json "$storage/train.cella" >"$work/inspect.json"
    nm "$program" 2>/dev/null | awk '$3 == "patients" {print $1}' >"$work/symbol"
    python3 - "$1" "$work" <<'P'
import json, struct, sys
pid, work = sys.argv[1:]
row = open(work + "/hospital-a/patients.csv").read().splitlines()[1].split(",")
hexes = struct.pack("<4d", *map(float, row[:4])).hex()
try:
    image = json.load(open(work + "/inspect.json"))
    first = int(open("/proc/%s/maps" % pid).readline().split("-")[0], 16)
    base = first & ~(image["enclave"]["size"] - 1)
    place = base + int(image["programs"][0]["offset"], 16) + int(open(work + "/symbol").read(), 16)
except (OSError, ValueError, KeyError, IndexError):
    place = 0x10000  # who may not see the layout still tries: refused for want of rights, or only of an address?
print(hexes, "%x" % place)
P
}
declare -A plainly=(
    [proc-mem-read]="read /proc/PID/mem" [proc-mem-write-text]="change its code by /proc/PID/mem"
    [process-vm-read]="process_vm_readv" [process-vm-write]="process_vm_writev"
    [map-files]="open its mappings (map_files)" [pidfd-getfd]="take its descriptors (pidfd_getfd)"
    [kcore]="kernel memory (/proc/kcore)" [dev-mem]="physical memory (/dev/mem)"
    [perf-user-stack]="perf: sample its stack" [bpf-probe-read-user]="BPF: read its memory"
    [tracefs-probe]="kernel probes (tracefs)" [ptrace-poke]="debugger: read or write its memory"
    [ptrace-registers]="debugger: registers and control"
)
memory_try() { # NAME-OF-OPERATOR'S-TRY OUTCOME DETAIL
    local name=${plainly[$1]:-$1}
    case "$2:$1" in
    blocked:*) row_stopped "$name" refused "$3" ;;
    not-offered:*) row_plain "$name" "not offered" "$3" ;;
    information:perf-* | READS:* | WRITES:*)
        # What the software level is known not to stop, said where it happens; anything else is a failure.
        case "$(id -u):$level:$1" in
        0:S0:ptrace-registers | 0:S[01]:perf-* | 0:S[01]:bpf-* | 0:S[01]:tracefs-*)
            row_known "$name" "NOT stopped" "at $level, by root: $3" ;;
        *) row_bad "$name" "$2" "$3" ;;
        esac
        ;;
    nothing:* | information:*) row_stopped "$name" "no patient" "$3" ;;
    *) row_bad "$name" "$2" "$3" ;;
    esac
}
memory_tries() {
    local pid patient place
    pid=$(enclave_pid)
    if [ -z "$pid" ] || [ ! -d "/proc/$pid" ]; then
        bad "cannot tell which process is the enclave: $("$cella" platform status 2>&1 | head -n 3)"
        return
    fi
    read -r patient place < <(canary "$pid")
    while IFS=$'\t' read -r name outcome detail; do
        memory_try "$name" "$outcome" "$detail"
    done < <("$operator" "$pid" "$patient" "$place" 2>&1)
    if command -v gdb >/dev/null; then
        gdb -nx -batch -p "$pid" -ex 'x/4xb $sp' >"$work/last" 2>&1
        if grep -qE '^0x[0-9a-f]+[^:]*:([[:space:]]+0x[0-9a-f]{2}){4}' "$work/last"; then row_bad "gdb: read the stack" READS "$(tail -n 1 "$work/last")"
        else row_stopped "gdb: read the stack" refused "$(grep -oiE '(operation not permitted|cannot access memory).*' "$work/last" | head -n 1)"; fi
    fi
    alive || row_bad "the enclave after all that" "gone" "it should still run"
    control_try "$patient"
}
# The same tries must succeed on the same program outside an enclave; else they prove nothing.
control_try() {
    local plain_run=$work/outside pid out i
    for h in a b c; do mkdir -p "$plain_run/data/hospital-$h" && cp "$work/hospital-$h/patients.csv" "$plain_run/data/hospital-$h/"; done
    mkdir -p "$plain_run/result"
    PAUSE_S=20 "$program" "$plain_run" >"$plain_run/out" 2>&1 &
    pid=$!
    for ((i = 0; i < 100; i++)); do grep -qs "trained on" "$plain_run/out" && break; sleep 0.05; done
    out=$("$operator" "$pid" "$1" 0 proc-mem-read process-vm-read 2>&1)
    kill "$pid"
    wait "$pid" 2>/dev/null
    if grep -q READS <<<"$out"; then row_plain "the same, on the program without enclave" "patients" "read at once: the tries do work"
    elif [ "$(id -u)" != 0 ] && [ "$(cat /proc/sys/kernel/yama/ptrace_scope 2>/dev/null || echo 0)" != 0 ]; then
        row_plain "the same, on the program without enclave" refused "Yama keeps users from each other's programs here"
    else row_bad "the same, on the program without enclave" "nothing" "the tries do not work: $out"; fi
}

# The first line in which the enclave or its runner says why it ended.
said() { # [WORDS]
    grep -iE "${1:-^cella: }" "$run/out" | head -n 1 | sed "s/^cella: //; s,$work/,,g"
}
# What refuses says so by exit status 3 (refused or integrity) and in words.
refuses() { # TRY COMMAND...
    local name=$1 code
    shift
    "$@" >"$work/last" 2>&1
    code=$?
    if [ "$code" = 3 ]; then row_stopped "$name" refused "$(grep -m 1 '^cella: ' "$work/last" | sed 's/^cella: //; s,^https://[^ ]*: status 400: ,,')"
    else row_bad "$name" "status $code" "$(tail -n 1 "$work/last")"; fi
}
# A run that must end without a result: the enclave started, and something stopped it.
run_fails() { # TRY WORDS-EXPECTED-IN-WHAT-IT-SAYS STORAGE IMAGE
    rm -rf "$3/result"
    if full_run "$3" "$4"; then row_bad "$1" "it ran" "$(tail -n 1 "$run/out")"
    elif [ -e "$3/result/model.csv" ]; then row_bad "$1" "a result" "status $status"
    elif ! grep -qiE "$2" "$run/out"; then row_bad "$1" "status $status" "expected $2: $(tail -n 1 "$run/out")"
    else row_stopped "$1" refused "$(said "$2")"; fi
}
flip() { # FILE OFFSET: one bit
    local byte
    byte=$(od -An -tu1 -j "$2" -N 1 "$1")
    printf '%b' "\\$(printf '%03o' $((byte ^ 1)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}
copy_storage() { rm -rf "$1" && mkdir -p "$1" && cp -r "$storage"/hospital-* "$1/"; }

# The enclave runs, and ends without a key: what refused it says why.
gets_no_key() { # TRY WORDS IMAGE
    rm -rf "$work/evil/none" && copy_storage "$work/evil/none"
    run_fails "$1" "$2" "$work/evil/none" "$3"
}
vault_tries() {
    local evil=$work/evil at
    mkdir -p "$evil"

    # The program on disk: where its report says "accuracy", it shall say something else.
    cp "$storage/train.cella" "$evil/patched.cella"
    at=$(grep -abo 'accuracy' "$evil/patched.cella" | head -n 1 | cut -d: -f1)
    flip "$evil/patched.cella" "$at"
    start_enclave "$storage" "$evil/patched.cella" 0
    finish_enclave
    if [ "$status" = 3 ]; then row_stopped "change a byte of the program on disk" refused "$(said)"
    else row_bad "change a byte of the program on disk" "status $status" "$(tail -n 1 "$run/out")"; fi

    # A debug build, signed by whom one likes: memory would be open. Its measurement is another one.
    "$cella" keygen -o "$evil/key.pem" >/dev/null 2>&1
    sed 's/^debug.*/debug = yes/' "$work/analyst/app.manifest" >"$evil/debug.manifest"
    "$cella" sign "$program" -m "$evil/debug.manifest" -k "$evil/key.pem" -o "$evil/debug.cella" >"$work/last" 2>&1
    gets_no_key "a debug build asks for the keys" 'policy' "$evil/debug.cella"
    # Another program of the operator's own, which asks for the same keys by the same names.
    "$cella" sign "$hello" -m "$work/analyst/app.manifest" -k "$evil/key.pem" -o "$evil/other.cella" >"$work/last" 2>&1
    gets_no_key "another program asks for the keys" 'policy' "$evil/other.cella"
    cp "$run/out" "$work/last"
    explain_last
    own_service_tries

    # What the operator may do in the vault, with its own name and secret.
    refuses "the operator asks for a backup of a key" as_operator key backup hospital-a -o "$evil/backup"
    refuses "the operator lets a key go to its own program" as_operator key import hospital-a --key "$evil/own.key" --release-policy "$work/release.policy"

    # The owners change their mind: what is not permitted any more gets no token; a key that is off is not released.
    as_hospitals key disable hospital-b >"$work/last" 2>&1
    gets_no_key "after hospital b turned its key off" 'disabled|not permitted|Forbidden' "$storage/train.cella"
    as_hospitals key enable hospital-b >"$work/last" 2>&1
    printf 'version=1.0;\nauthorizationrules { => deny(); };\nissuancerules { };\n' >"$evil/closed.policy"
    as_hospitals attest policy SoftwareEnclave --set "$evil/closed.policy" >"$work/last" 2>&1
    gets_no_key "after the hospitals closed" 'policy' "$storage/train.cella"
    as_hospitals attest policy SoftwareEnclave --set "$work/hospitals.policy" >"$work/last" 2>&1
}
# A service and vault of the operator's own, which trust and permit what one likes.
own_service_tries() {
    local evil=$work/evil own=$work/evil/service url own_vault
    printf 'version=1.0;\nauthorizationrules { => permit(); };\nissuancerules { };\n' >"$evil/open.policy"
    "$cella" keygen --data -o "$evil/own.key" >/dev/null
    if ! { serve_first "$own" && end_served "$served" && cp "$work/platform.pem" "$own/" &&
        sed -i 's/^\[collateral\]$/&\nplatform_keys = platform.pem/' "$own/cella.conf" && serve "$own" >"$work/last" 2>&1; }; then
        row_bad "a service of the operator's own" "does not start" "$(head -n 1 "$work/last")"
        return
    fi
    (. "$own/dev/env.sh" && "$cella" attest policy SoftwareEnclave --set "$evil/open.policy") >"$work/last" 2>&1
    url=$(. "$own/dev/env.sh" && echo "$ATTESTATION_AAD_URL")
    own_vault=$(. "$own/dev/env.sh" && echo "$AZURE_MANAGEDHSM_URI")
    # An image that is proven by the operator's service, and asks the hospitals' vault.
    cat "$own/ca.pem" "$work/service/ca.pem" >"$evil/both.pem"
    vault_manifest "$url" "$evil/both.pem" >"$evil/own.manifest"
    "$cella" sign "$program" -m "$evil/own.manifest" -k "$evil/key.pem" -o "$evil/own.cella" >"$work/last" 2>&1
    gets_no_key "proven by the operator's own service" 'cannot be verified|Forbidden' "$evil/own.cella"
    end_served "$served"
    # The right image, and at the vault's address a server of the operator's.
    end_served "$service"
    sed -i "s/:${url##*:}/:${service_url##*:}/g; s/:${own_vault##*:}/:${vault_url##*:}/g" "$own/cella.conf"
    if serve "$own"; then
        run_more=(--bearer "$work/secret") # the false vault takes anything for a token; the enclave does not take the vault
        gets_no_key "a false vault at the vault's address" 'certificate is refused' "$storage/train.cella"
        run_more=()
        end_served "$served"
    else row_bad "a false vault at the vault's address" "does not start" "$(head -n 1 "$work/served")"; fi
    start_service || row_bad "the hospitals' service" "does not start again" "$(head -n 1 "$work/served")"
}
storage_tries() {
    local evil=$work/evil
    copy_storage "$evil/flipped"
    flip "$evil/flipped/hospital-b/patients.csv" 20000
    run_fails "flip a bit in a sealed file" 'does not match|integrity|input/output|cannot read' "$evil/flipped" "$storage/train.cella"

    # Hospital b corrects a patient and seals again, with the same key; the operator keeps a block of the old file.
    copy_storage "$evil/replayed"
    awk -F, -v OFS=, 'FNR == 2 {$1 = "11.11"} {print}' "$work/hospital-b/patients.csv" >"$evil/corrected.csv"
    rm -f "$evil/replayed/hospital-b/patients.csv"
    "$cella" seal --key "$work/hospital-b/data.key" "$evil/corrected.csv" "$evil/replayed/hospital-b/patients.csv" >"$work/last" 2>&1
    dd if="$storage/hospital-b/patients.csv" of="$evil/replayed/hospital-b/patients.csv" bs=4096 skip=4 seek=4 count=4 \
        conv=notrunc status=none
    run_fails "put an old block back" 'does not match|integrity|input/output|cannot read' "$evil/replayed" "$storage/train.cella"

    # What no single machine can notice without a counter elsewhere.
    copy_storage "$evil/older"
    if full_run "$evil/older" "$storage/train.cella"; then row_known "put a whole older file back" "NOT noticed" "T14: an older file is a genuine file"
    else row_bad "put a whole older file back" "status $status" "$(tail -n 1 "$run/out")"; fi
    row_known "stop the enclave" "NOT stopped" "T22: done above; nothing is lost but time"

    # Nothing of a patient may stand anywhere in what the operator holds.
    if grep -rqF "$(sed -n 2p "$work/hospital-a/patients.csv" | cut -c1-30)" "$storage" "$run" "$CELLA_PLATFORM_STATE" 2>/dev/null; then
        row_bad "search all files of the machine's storage" "a patient" ""
    else row_stopped "search all files of the machine's storage" "no patient" ""; fi
}

# ---- grants by hand ----
sign_offline() {
    pin_keys >"$work/offline.manifest"
    "$cella" sign "$program" -m "$work/offline.manifest" -k "$work/analyst/key.pem" -o "$work/offline.cella" || return 1
    measurement=$("$cella" measure -q "$work/offline.cella") && write_policy &&
        as_hospitals attest policy SoftwareEnclave --set "$work/hospitals.policy"
}
grant_tries() {
    local evil=$work/evil
    # Another program of the operator's own, which asks for the same keys by the same names.
    "$cella" sign "$hello" -m "$work/offline.manifest" -k "$evil/key.pem" -o "$evil/other.cella" >"$work/last" 2>&1
    start_enclave "$storage" "$evil/other.cella" 0
    wait_for_request
    refuses "another program asks for a token" ask_token
    refuses "another program asks the owners" direct_grant b data.key hospital-b
    refuses "another program shows the token of before" token_grants "$work/first-token" b data.key hospital-b
    "$cella" attest "$run/request" --url "$service_url" --ca "$work/service/ca.pem" --draft "$evil/open.policy" \
        -o "$evil/draft.token" >"$work/last" 2>&1
    refuses "the operator shows the vault a token by itself" as_operator key release hospital-a --token "$work/first-token"
    refuses "a token by a draft of a policy" token_grants "$evil/draft.token" b data.key hospital-b
    old_grants_fail "another program with the grants of before"

    # The right program once more, with the grants of its last run: each is good for one run.
    start_enclave "$storage" "$work/offline.cella" 0
    wait_for_request
    old_grants_fail "the same program with the grants of before"

    # Anyone can make a grant: the operator gives a key of its own for the result, which it could then read.
    start_enclave "$storage" "$work/offline.cella" 0
    wait_for_request
    "$cella" grant --key "$evil/own.key" --name result --mrenclave "$measurement" --trust "$work/platform.pem" \
        --allow software:S0 "$run/request" -o "$run/grants/result.grant" >/dev/null 2>&1
    wait_for_line 'pins another key'
    stop_enclave
    if grep -q 'pins another key' "$run/out"; then row_stopped "give it a key of its own for the result" refused "$(said 'pins another key')"
    else row_bad "give it a key of its own for the result" "status $status" "$(tail -n 1 "$run/out")"; fi
}
# Why the service refused: what the hospitals' own people may ask by the request's id.
explain_last() {
    local id
    id=$(sed -n 's,.*/decisions/\([0-9a-f-]*\).*,\1,p' "$work/last")
    note "\$ cella attest explain $id"
    if as_hospitals attest explain "$id" >"$work/why" 2>&1 && grep -q 'NO  .*x-ms-cella-mrenclave' "$work/why"; then
        sed -n '2,$p' "$work/why" | cut -c1-130 | sed 's/^/    /'
    else row_bad "the service explains its refusal" "no reason" "$(tail -n 1 "$work/why")"; fi
}
# The enclave that runs now is given the grants of the first run; it must refuse them and end without a result.
old_grants_fail() { # TRY
    cp "$work"/first-grants/*.grant "$run/grants/"
    finish_enclave
    if [ "$status" = 0 ]; then row_bad "$1" "it ran" "$(tail -n 1 "$run/out")"
    elif ! grep -q 'grant of key' "$run/out"; then row_bad "$1" "status $status" "expected a refused grant: $(tail -n 1 "$run/out")"
    else row_stopped "$1" refused "$(said 'grant of key')"; fi
}
