#!/usr/bin/env bash
# Runs the fuzz targets, each for SECONDS: tools/fuzz.sh SECONDS [NAME...]; tools/fuzz.sh --build only builds them.
# Seeds: fuzz/corpus/NAME. What is found grows build-test/corpus/NAME; a crash is kept as build-test/crash-NAME-*.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=build-test/fuzz

if [ ! -f $folder/build.ninja ]; then
    CC=clang meson setup $folder -Dfuzz=true -Db_sanitize=address,undefined -Db_lundef=false -Dbuildtype=debug \
        -Doptimization=1 >/dev/null
fi
ninja -C $folder -j "${JOBS:-$(nproc)}" fuzz-programs >$folder/build.log 2>&1 || {
    grep -E 'error|warning|undefined' $folder/build.log >&2 || tail -n 20 $folder/build.log >&2
    exit 1
}
[ "${1:-}" != --build ] || exit 0

seconds=${1:?tools/fuzz.sh SECONDS [NAME...]}
shift
if [ "$#" = 0 ]; then
    for target in $folder/fuzz/fuzz_*; do
        [ -f "$target" ] && [ -x "$target" ] && set -- "$@" "${target##*/fuzz_}"
    done
fi
[ "$#" != 0 ] || { echo "no fuzz target was built" >&2; exit 1; }
# Captured evidence and collateral, where they are, as seeds beside our own.
vectors=${CELLA_VECTORS:-../shared/vectors}
families() {
    case $1 in
    envelope) echo sgx-quote tdx-quote snp-report nitro maa-jwt azure-vtpm tpm2-quote ra-tls ;;
    collateral | collateral_store) echo collateral-parse dcap-testroot snp-certs maa-jwt tpm2-quote ;;
    quote) echo sgx-quote tdx-quote dcap-testroot ;;
    tcbinfo | identity | intel_collateral) echo collateral-parse dcap-testroot ;;
    ccel) echo tdx-eventlog ;;
    snp) echo snp-report snp-certs ;;
    nitro) echo nitro ;;
    jwt | jose) echo maa-jwt ;;
    ratls) echo ra-tls ;;
    tpm_quote) echo tpm2-quote azure-vtpm ;;
    esac
}
bad=0
for name in "$@"; do
    corpus=build-test/corpus/$name
    mkdir -p "$corpus"
    seeds=()
    [ ! -d "fuzz/corpus/$name" ] || seeds=("fuzz/corpus/$name")
    for family in $(families "$name"); do [ ! -d "$vectors/$family" ] || seeds+=("$vectors/$family"); done
    log=build-test/fuzz-$name.log
    if UBSAN_OPTIONS=halt_on_error=1 $folder/fuzz/fuzz_"$name" -max_total_time="$seconds" -rss_limit_mb=2048 -timeout=10 \
        -artifact_prefix="build-test/crash-$name-" "$corpus" "${seeds[@]}" >"$log" 2>&1; then
        echo "fuzz $name: $(grep -oE 'Done [0-9]+ runs in [0-9]+ second' "$log" || echo "finished")"
    else
        tail -n 40 "$log"
        echo "fuzz $name: FAILED, log: $log"
        bad=1
    fi
done
exit $bad
