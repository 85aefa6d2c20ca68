#!/usr/bin/env bash
# A host that breaks every rule of the call ring, against a real enclave (hostile_host.c).
# Usage: hostile_test.sh CELLA HOST INSIDE
# shellcheck source=tests/sdk/lib.sh
source "$(dirname "$0")/lib.sh" "$1"
sign "$3" app 'calls = 1M' 'threads = 2' 'heap = 6M'
timeout 100 "$2" "$cella" "$work/app.cella"
