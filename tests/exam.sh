#!/usr/bin/env bash
# The exam in full: every case of tests/exam and tests/real/test_exam_*.py at its real size, against a release build.
# Takes about an hour; needs what tests/run.sh needs.
#
#   tests/exam.sh            all cases
#   tests/exam.sh killed     the cases with that in their name
#
# Its short form is part of tests/run.sh. At the end it prints what each case measured.
set -euo pipefail
cd "$(dirname "$0")/.."

case "${1:-}" in
--help | -h)
    sed -n '2,8s/^# \{0,1\}//p' tests/exam.sh
    exit 0
    ;;
esac

log="$(mktemp)"
trap 'rm -f "$log"' EXIT
# As for a release, but for what only makes the build longer.
export CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 PROXY_TEST_EXAM=full

cargo test --release --locked -p lineage-proxy --test exam -- --nocapture --test-threads 1 "$@" 2>&1 | tee "$log"

# The functions, and serve, on SQS.
. tests/environment.sh
clients="$(environment clients tests/real/requirements-clients.txt)"
emulator="$(environment emulator tests/real/requirements-emulator.txt)"
cargo build --release --locked --workspace --bins
PROXY_TEST_BIN_DIR="${CARGO_TARGET_DIR:-$PWD/target}/release" PROXY_TEST_EMULATOR="$emulator/bin/ministack" \
    "$clients/bin/python" -m pytest -q -s -p no:cacheprovider tests/real/test_exam_*.py ${1:+-k "$1"} 2>&1 | tee -a "$log" ||
    [ "${PIPESTATUS[0]}" = 5 ] # none of that name

printf '\n== what was measured\n'
sed -n 's/.*exam | /| /p' "$log"
