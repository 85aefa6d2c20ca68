#!/usr/bin/env bash
# Three hospitals, one analyst, one enclave, and an operator who would like to see the patients: `make demo`.
#   CELLA=PATH   the program to use (default build/src/cli/cella)      KEEP=1   leave the working folder
# Exit status 0 only when everything went as it must: the model is good, and each try that must fail failed.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
. examples/patients/demo-lib.sh

# ---------------------------------------------------------------------------------------------------------------
title "The owners: each hospital makes a key and seals its patients"
for h in a b c; do mkdir -p "$work/hospital-$h" "$storage/hospital-$h"; done
mkdir -p "$storage/result" "$work/analyst"
examples/patients/split.sh examples/patients/wdbc.csv "$work/plain"
for h in a b c; do
    mv "$work/plain/hospital-$h/patients.csv" "$work/hospital-$h/"
    must "hospital $h: a data key" "$cella" keygen --data -o "$work/hospital-$h/data.key"
    must "hospital $h: $(($(wc -l <"$work/hospital-$h/patients.csv") - 1)) patients, sealed" \
        "$cella" seal --key "$work/hospital-$h/data.key" "$work/hospital-$h/patients.csv" "$storage/hospital-$h/patients.csv"
done
must "hospital a: a key for the result" "$cella" keygen --data -o "$work/hospital-a/result.key"
must "the hospitals together: an attestation service and a key vault of their own" set_up_service
must "the operator: its platform's public key; their service trusts it" trust_platform
level=$("$cella" platform status | sed -n 's/^assurance=//p')

title "The analyst: signs an ordinary C program with its manifest"
must "a signing key" "$cella" keygen -o "$work/analyst/key.pem"
vault_manifest >"$work/analyst/app.manifest"
must "the image: keys come from the vault, and are pinned by their ids" \
    "$cella" sign "$program" -m "$work/analyst/app.manifest" -k "$work/analyst/key.pem" -o "$storage/train.cella"
measurement=$("$cella" measure -q "$storage/train.cella")
note "measurement $measurement"
"$cella" inspect "$storage/train.cella" | grep '^mount' | sed 's/, host folder.*//; s/^/      /'
note "each owner reads program and manifest, builds the same image, and gets the same measurement"

title "The owners: say what may have the keys, and put them into the vault"
must "what gets a token: this program, not debugged, at level $level, on that platform" write_policy
must "policy in force" as_hospitals attest policy SoftwareEnclave --set "$work/hospitals.policy"
sed -n '/^authorizationrules/,/^};/p' "$work/hospitals.policy" | cut -c1-120 | sed 's/^/    /'
must "what a key is released to: a token of their service, for this program" as_hospitals policy release \
    --authority "$service_url" --mrenclave "$measurement" --assurance "$level" -o "$work/release.policy"
must "hospitals a, b, c: each key in the vault, under that policy" put_keys
must "the operator may call release, and nothing else" admit_operator
check "the operator cannot even look at a key's public part" not_allowed key show hospital-a

title "The operator: starts it on its machine; the enclave proves itself and gets the keys, and nobody has to be there"
start_enclave "$storage" "$storage/train.cella" 45
must "the enclave has trained on all patients" wait_for_line 'trained on'
note "$(grep 'trained on' "$run/out")"
note "what the hospitals' record says of it"
sed -nE 's/.*"action":"(attest|release)".*"object":"([^"]*)".*"verdict":"([^"]*)".*/    \1  \2  \3/p' "$work/service/audit.log" | tail -n 5

title "Hospital a: opens the result"
must "model and report, unsealed" unseal_results
awk '/^Coefficients/ {seen = NR} !seen || NR <= seen + 10 {print "      " $0} END {print "      ... and " NR - seen - 10 " more"}' \
    "$work/hospital-a/report.txt"
accuracy=$(awk '$1 == "accuracy" {print $2}' "$work/hospital-a/report.txt")
check "accuracy $accuracy, 5-fold (0.95 or more expected)" awk -v a="$accuracy" 'BEGIN {exit !(a >= 0.95)}'
check "an independent check of the model agrees" awk -f examples/patients/check.awk "$work/hospital-a/model.csv" \
    "$work"/hospital-{a,b,c}/patients.csv

# ---------------------------------------------------------------------------------------------------------------
title "Now the operator is curious, as $([ "$(id -u)" = 0 ] && echo root || echo "an ordinary user, $(id -un)"); this machine reaches level $level"
table_head
memory_tries
stop_enclave
vault_tries
storage_tries

# ---------------------------------------------------------------------------------------------------------------
title "Without a vault: the same keys, granted by their owners to one run"
must "the image that asks owners, from the same program" sign_offline
start_enclave "$storage" "$work/offline.cella" 0
must "a key request, with evidence of what asks" wait_for_request
show '^chain|signature|platform key|asks for|^claims|assurance|mrenclave|debug|memory|^verdict' "$cella" verify "$run/request" --trust "$work/platform.pem" --allow software:S0 --mrenclave "$measurement"
must "anybody, here the operator: the request goes to $service_url, a token comes back" ask_token
must "hospitals a, b, c: the token holds, each key encrypted to this run alone" grant_all
cp -r "$run/grants" "$work/first-grants" && cp "$run/request" "$work/first-request" && cp "$run/token" "$work/first-token"
finish_enclave
check "the enclave has trained on all patients" [ "$status" = 0 ]
table_head
grant_tries

title "Verdict"
case $level in
S0 | S1) check "an owner who accepts no less than S2 (--allow software:S2) grants nothing on this machine" refused_at_s2 ;;
esac
if [ "$unexpected" = 0 ]; then
    echo "  The model has an accuracy of $accuracy. Of $tries tries $stopped got nothing; $known show what level $level does not stop:"
    echo "  the evidence names the level, and docs/threat-model.md says what it means."
else
    echo "  $unexpected things were not as expected; the lines marked !! say which."
fi
[ "$unexpected" = 0 ]
