#!/usr/bin/env bash
# What a machine can see of the house style: tools/lint.sh [--format-only]. Prints what is off and where.
set -euo pipefail
cd "$(dirname "$0")/.."

bad=0
say() {
    echo "$1"
    bad=$((bad + 1))
}
# Tracked files, and where there is no repository (a release's archive) all files.
files() {
    if git rev-parse --git-dir >/dev/null 2>&1; then git ls-files -- "$@"
    else
        local pattern
        for pattern in "$@"; do find . -path './build*' -prune -o -type f -name "${pattern##*/}" -print; done | sed 's,^\./,,'
    fi
}
mapfile -t sources < <(files '*.c' '*.h')
mapfile -t scripts < <(files '*.sh' '.ci/run')

# Format. One line per file: the way out is the same for all.
for file in "${sources[@]}"; do
    clang-format --dry-run -Werror "$file" >/dev/null 2>&1 || say "$file: not in house format; do: make format"
done
[ "${1:-}" != --format-only ] || exit "$((bad != 0))"

each() { # MESSAGE PATTERN FILE...: every line that matches
    local message=$1 pattern=$2 hit
    shift 2
    [ "$#" != 0 ] || return 0
    while IFS= read -r hit; do
        # A comment may name what code may not call.
        [ "$message" != "$unfinished" ] && [[ $hit =~ ^[^:]*:[0-9]+:[[:space:]]*(/?\*|//) ]] && continue
        say "$hit  <- $message"
    done < <(grep -nHE -- "$pattern" "$@" || true)
}
unfinished='finish it or write an issue'
mapfile -t product < <(printf '%s\n' "${sources[@]}" | grep -E '^(src|include)/' || true)
word='(^|[^A-Za-z0-9_.>])'
each 'unbounded: use snprintf or a writer' "$word(gets|strcpy|strcat|sprintf|vsprintf|stpcpy|alloca)[[:space:]]*\(" "${product[@]}"
each 'starts a shell: use posix_spawn with a fixed argument list' "$word(system|popen)[[:space:]]*\(" "${product[@]}"
each 'which comparison? cella_equal for public data, cella_equal_secret for secrets (K07)' \
    "(!(memcmp|bcmp)[[:space:]]*\(|$word(memcmp|bcmp)[[:space:]]*\(.*\) *[!=]= *0)" "${product[@]}"
each 'secrets are compared by cella_equal_secret alone (K07)' \
    "$word(cella_equal|memcmp|strcmp|strncmp)[[:space:]]*\([^\"]*\b(tag|mac|secret|private|password|token)\b" "${product[@]}"
each 'weak randomness' "$word(rand|random|srand|drand48)[[:space:]]*\(" "${product[@]}"

# Words that mark unfinished work; spelled so that this line does not find itself.
mapfile -t texts < <(files '*.c' '*.h' '*.S' '*.sh' '*.md' 'meson.build' '*/meson.build' 'Makefile' '.ci/run')
each "$unfinished" "\\b(TO""DO|FIX""ME|XX""X|HA""CK)\\b" "${texts[@]}"

while IFS= read -r hit; do
    [ -n "$hit" ] && say "$hit"
done < <(awk 'length($0) > 100 {print FILENAME ":" FNR ": " length($0) " columns; at most 100"}' "${sources[@]}")
while IFS= read -r hit; do
    [ -n "$hit" ] && say "$hit: tab or trailing blank"
done < <(grep -nHE $'\t|[[:space:]]+$' "${sources[@]}" | cut -d: -f1,2 || true)
for file in "${product[@]}"; do
    lines=$(wc -l <"$file")
    [ "$lines" -le 600 ] || echo "warning: $file: $lines lines; is there a second noun inside?"
done

if [ "${#scripts[@]}" != 0 ]; then
    shellcheck --severity=warning "${scripts[@]}" || say "shellcheck: see above"
fi

[ "$bad" = 0 ] || {
    echo "lint: $bad findings"
    exit 1
}
echo "lint: ${#sources[@]} C files and ${#scripts[@]} scripts are clean"
