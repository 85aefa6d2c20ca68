#!/usr/bin/env bash
# Runs the commands of the documents: every ```sh block of README.md and docs/guides/*.md, each document in a shell
# of its own, with a platform of its own. A command that fails ends the document and the test.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
commands() { awk '/^```sh$/ {on = 1; next} /^```/ {on = 0} on' "$1"; }
bad=0

# The README's three: `make demo` is run; `make test` is what runs this, so only that it can be started is checked;
# `cella serve` is run by the guides.
[ "$(commands README.md | awk '{print $1, $2}' | xargs)" = "make demo make test cella serve" ] ||
    { echo "README.md: expected its three commands, make demo, make test and cella serve"; bad=1; }
make -n test >/dev/null || { echo "make test: cannot be started"; bad=1; }
make demo || { echo "README.md: make demo failed"; bad=1; }

for guide in docs/guides/*.md; do
    # A guide whose commands need a network or data of the reader's says so, and which tests run their like.
    if reason=$(grep -m 1 '^<!-- not run: .*tests/' "$guide"); then echo "$guide: $reason"; continue; fi
    count=$(commands "$guide" | grep -c .)
    [ "$count" != 0 ] || { echo "$guide: no command in it"; bad=1; continue; }
    mkdir -p "$work/home"
    if (
        export CELLA_PLATFORM_STATE=$work/state CELLA_PLATFORM_SOCKET=$work/socket HOME=$work/home
        bash -euo pipefail -x <(commands "$guide")
        status=$?
        build/src/cli/cella platform stop
        exit $status
    ); then echo "$guide: $count lines ran"; else
        echo "$guide: failed, see above"
        bad=1
    fi
done
exit $bad
