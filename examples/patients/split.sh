#!/usr/bin/env bash
# Splits the patients among three hospitals, every third row to each: split.sh IN.csv FOLDER
# writes FOLDER/hospital-{a,b,c}/patients.csv, each with the header. The same input gives the same parts.
set -euo pipefail
in=${1:?split.sh IN.csv FOLDER} out=${2:?split.sh IN.csv FOLDER}
mkdir -p "$out"/hospital-{a,b,c}
awk -v out="$out" '
    BEGIN { split("a b c", letter, " "); for (i = 1; i <= 3; i++) file[i] = out "/hospital-" letter[i] "/patients.csv" }
    NR == 1 { for (i = 1; i <= 3; i++) print >file[i]; next }
    { print >file[(NR - 2) % 3 + 1] }
' "$in"
