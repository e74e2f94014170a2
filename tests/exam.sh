#!/usr/bin/env bash
# The exam in full: every case of tests/exam at its real size, against a release build. Takes about an hour.
#
#   tests/exam.sh            all cases
#   tests/exam.sh kills      the cases with that in their name
#
# Its short form is part of tests/run.sh. At the end it prints what each case measured.
set -euo pipefail
cd "$(dirname "$0")/.."

case "${1:-}" in
--help | -h)
    sed -n '2,7s/^# \{0,1\}//p' tests/exam.sh
    exit 0
    ;;
esac

log="$(mktemp)"
trap 'rm -f "$log"' EXIT
# As for a release, but for what only makes the build longer.
export CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 PROXY_TEST_EXAM=full

cargo test --release --locked -p lineage-proxy --test exam -- --nocapture --test-threads 1 "$@" 2>&1 | tee "$log"

printf '\n== what was measured\n'
sed -n 's/.*exam | /| /p' "$log"
