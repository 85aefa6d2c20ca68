#!/usr/bin/env bash
# `make install DESTDIR=` puts a program that runs where it belongs, and nothing outside DESTDIR.
set -euo pipefail
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
make install DESTDIR="$work/root" PREFIX=/usr
(cd "$work/root" && find . -type f | sort)
[ -x "$work/root/usr/bin/cella" ] || { echo "no usr/bin/cella"; exit 1; }
version=$(sed -n "s/.*version: '\([0-9.]*\)'.*/\1/p" meson.build | head -n 1)
[ "$("$work/root/usr/bin/cella" --version)" = "cella $version" ] || { echo "it is not version $version"; exit 1; }
outside=$(find "$work/root" -type f ! -path "$work/root/usr/*" ! -path "$work/root/lib/*" ! -path "$work/root/etc/*")
[ -z "$outside" ] || { echo "in unexpected places: $outside"; exit 1; }
