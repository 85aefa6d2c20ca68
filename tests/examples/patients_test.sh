#!/usr/bin/env bash
# The analyst's program outside an enclave: patients_test.sh PROGRAM SOURCE-ROOT
set -uo pipefail
train=$1 example=$2/examples/patients
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
die() { echo "patients_test: $*" >&2; exit 1; }

mkdir -p "$work/result"
"$example/split.sh" "$example/wdbc.csv" "$work/data"
all=$(tail -n +2 "$example/wdbc.csv" | sort | sha256sum)
parts=$(tail -q -n +2 "$work"/data/*/patients.csv | sort | sha256sum)
[ "$all" = "$parts" ] || die "the parts together are not the whole"

"$train" "$work" >"$work/out" || die "training failed"
grep -q 'trained on 569 patients' "$work/out" || die "expected 569 patients: $(cat "$work/out")"
awk -f "$example/check.awk" "$work/result/model.csv" "$work"/data/*/patients.csv || die "the model is not the minimum"
accuracy=$(awk '$1 == "accuracy" {print $2}' "$work/result/report.txt")
awk -v a="$accuracy" 'BEGIN {exit !(a >= 0.96 && a <= 0.99)}' || die "expected an accuracy of about 0.97, found $accuracy"
# The check itself can fail: one coefficient nudged is no minimum.
awk -F, -v OFS=, 'FNR == 5 {$2 += 0.01} {print}' "$work/result/model.csv" >"$work/nudged.csv"
awk -f "$example/check.awk" "$work/nudged.csv" "$work"/data/*/patients.csv && die "a wrong model passed the check"

cp "$work/result/model.csv" "$work/first.csv"
"$train" "$work" >/dev/null && cmp "$work/first.csv" "$work/result/model.csv" || die "a second run differs"

good=$(cat "$work/data/hospital-b/patients.csv")
part=$work/data/hospital-b/patients.csv
refused() { # WHAT IS EXPECTED IN THE MESSAGE; the changed part is on stdin
    cat >"$part"
    "$train" "$work" >/dev/null 2>"$work/err" && die "accepted: $1"
    grep -q -- "$1" "$work/err" || die "expected '$1', found: $(cat "$work/err")"
}
sed '7s/,[^,]*$/,2/' <<<"$good" | refused 'patients.csv:7: column 31 (benign) is neither'
sed '9s/^[^,]*/12.5x/' <<<"$good" | refused 'patients.csv:9: column 1 (mean_radius) is not a number'
sed '9s/^[^,]*/nan/' <<<"$good" | refused 'patients.csv:9: column 1'
sed '9s/^[^,]*/1e999/' <<<"$good" | refused 'patients.csv:9: column 1'
sed '4s/,[^,]*$//' <<<"$good" | refused 'patients.csv:4: expected 31 fields, found 30'
sed '4s/$/,1/' <<<"$good" | refused 'patients.csv:4: expected 31 fields, found 32'
sed '1s/mean_radius/radius/' <<<"$good" | refused 'patients.csv:1: column 1 is "radius"'
sed -n '1p' <<<"$good" | refused 'no patients'
{ sed -n '1p' <<<"$good"; head -c 5000 /dev/zero | tr '\0' 1; } | refused 'patients.csv:2: longer than'
rm "$part"
"$train" "$work" >/dev/null 2>"$work/err" && die "accepted a missing part"
grep -q 'hospital-b/patients.csv: cannot open' "$work/err" || die "expected a name, found: $(cat "$work/err")"
echo "patients: all as expected, accuracy $accuracy"
