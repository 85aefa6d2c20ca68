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

# Somebody else's program, with the installed library and headers alone, agrees with the command.
PKG_CONFIG_PATH=$(dirname "$(find "$work/root" -name cella.pc)")
export PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR=$work/root
read -ra flags <<<"$(pkg-config --cflags --libs --static cella)"
gcc -Wall -Wextra -Werror -o "$work/program" tests/docs/library_program.c "${flags[@]}"
hello=$(find "$PWD" -path '*/examples/hello/hello' -type f | head -n 1)
"$work/root/usr/bin/cella" keygen -o "$work/key.pem" >/dev/null
"$work/root/usr/bin/cella" sign "$hello" -m examples/hello/app.manifest -k "$work/key.pem" -o "$work/hello.cella" >/dev/null
[ "$("$work/program" "$work/hello.cella")" = "$("$work/root/usr/bin/cella" measure -q "$work/hello.cella")" ] ||
    { echo "library and command measure differently"; exit 1; }
