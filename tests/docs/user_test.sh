#!/usr/bin/env bash
# The demo as an ordinary user: no capability, 8 MiB of memory to lock, a copy of what was built.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
if [ "$(id -u)" != 0 ]; then
    echo "not root, so the step \"demo\" already ran as an ordinary user"
    exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for file in examples build/src/cli/cella build/examples/patients/patients_train build/examples/hello/hello \
    build/tests/attack/operator; do
    mkdir -p "$work/$(dirname "$file")" && cp -r "$file" "$work/$file" || exit 1
done
mkdir "$work/home" "$work/tmp"
chown -R 65534:65534 "$work"
prlimit --memlock=8388608:8388608 setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all --bounding-set=-all \
    env -i HOME="$work/home" TMPDIR="$work/tmp" PATH="$PATH" CELLA=build/src/cli/cella \
    bash -c "cd '$work' && examples/patients/demo.sh"
