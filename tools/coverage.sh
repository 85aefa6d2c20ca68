#!/usr/bin/env bash
# Coverage of the tests: a summary here, pages in build-test/coverage/.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=build-test/cover
CC=gcc tools/build.sh $folder -Db_coverage=true -Dbuildtype=debug -Doptimization=0
meson test -C $folder --no-rebuild --suite unit >build-test/coverage.log 2>&1 || echo "some tests failed: build-test/coverage.log"
mkdir -p build-test/coverage
gcovr --root . --filter src/ --filter include/ --exclude-unreachable-branches --print-summary \
    --html-details build-test/coverage/index.html $folder
echo "pages: build-test/coverage/index.html"
