#!/usr/bin/env bash
# Installs the Debian packages that the kinds named need: tools/setup.sh [--check] [build] [test] [bench]
# Says nothing, and asks no network, when all are there. --check only says what is missing.
set -euo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
check=no
if [ "${1:-}" = --check ]; then
    check=yes
    shift
fi

wanted=()
for kind in "${@:-build}"; do
    mapfile -t -O "${#wanted[@]}" wanted < <(awk -v kind="$kind" '$1 == kind {print $2}' "$top/tools/packages.txt")
done
if [ "${#wanted[@]}" = 0 ]; then
    echo "tools/setup.sh: expected kinds of tools/packages.txt (build, test, bench), found: $*" >&2
    exit 2
fi

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    echo "This is no Debian system; cella then takes for granted that you have installed what these packages hold:" >&2
    echo "  ${wanted[*]}" >&2
    exit 0
fi

# Of a package, and of what it provides: other makers' nodejs brings npm along, and conflicts with Debian's.
installed=$(dpkg-query -W -f '${db:Status-Status} ${Package} ${Provides}\n' 2>/dev/null |
    sed -n 's/^installed //p' | sed 's/([^)]*)//g; s/,/ /g' | tr -s ' ' '\n' || true)
missing=()
for package in "${wanted[@]}"; do
    grep -qxF "$package" <<<"$installed" || missing+=("$package")
done
[ "${#missing[@]}" != 0 ] || exit 0

how="apt-get install ${missing[*]}"
if [ "$check" = yes ]; then
    echo "missing packages: ${missing[*]}" >&2
    echo "  do: make setup, or as root: $how" >&2
    exit 1
fi
as_root=()
if [ "$(id -u)" != 0 ]; then
    # Without a terminal sudo must not wait for a password that nobody will type.
    if command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
        as_root=(sudo)
    else
        echo "These packages are missing, and neither root nor sudo is at hand to install them:" >&2
        echo "  ${missing[*]}" >&2
        echo "  do: ask an administrator to run: $how" >&2
        exit 1
    fi
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
run() { # LINE COMMAND...
    echo "$1"
    shift
    if ! "$@" >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        echo "failed: $*" >&2
        exit 1
    fi
}
run "setup: reading the package lists" "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q update
run "setup: installing ${#missing[@]} packages: ${missing[*]}" "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get -q -y --no-install-recommends install "${missing[@]}"
echo "setup: done"
