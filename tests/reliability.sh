#!/usr/bin/env bash
# The reliability suite in full, against a release build: every case of tests/reliability and
# tests/real/test_reliability_*.py at its full size, all orders of failures of the model of delivery, and the laws with
# new events. Takes more than an hour. Needs what tests/run.sh needs.
#
#   tests/reliability.sh            all cases
#   tests/reliability.sh killed     the cases with that word in their name
#
# Its short form is part of tests/run.sh. All parts are run, also after one that fails. At the end it prints what each case
# measured and which parts failed; then it ends with 1.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
    sed -n '2,10s/^# \{0,1\}//p' tests/reliability.sh
}
case "${1:-}" in
--help | -h)
    usage
    exit 0
    ;;
-*)
    usage >&2
    exit 2
    ;;
esac
if [ $# -gt 1 ]; then
    usage >&2
    exit 2
fi
name="${1:-}"

log="$(mktemp)"
trap 'rm -f "$log"' EXIT
export PROXY_TEST_RELIABILITY=full
# New events each time, and more of them than the 256 of proptest's own.
unset PROPTEST_RNG_SEED
export PROPTEST_CASES="${PROPTEST_CASES:-2000}"

# Laws that say themselves how many events they take (the slow ones) are run so often instead.
rounds=5

failed=()
part() {
    local title="$1"
    shift
    printf '\n== %s\n' "$title"
    "$@" 2>&1 | tee -a "$log" || failed+=("$title")
}

# Tests of these targets with that in their name; the others of the targets, too, when one fails.
rust() {
    cargo test --release --locked --no-fail-fast "$@" ${name:+"$name"}
}

# The functions, and serve, on SQS.
python() {
    local clients emulator status=0
    # shellcheck source=tests/environment.sh
    . tests/environment.sh
    clients="$(environment clients tests/real/requirements-clients.txt)" &&
        emulator="$(environment emulator tests/real/requirements-emulator.txt)" &&
        cargo build --release --locked --workspace --bins || return
    PROXY_TEST_BIN_DIR="${CARGO_TARGET_DIR:-$PWD/target}/release" PROXY_TEST_EMULATOR="$emulator/bin/ministack" \
        "$clients/bin/python" -m pytest -q -s -p no:cacheprovider -o tmp_path_retention_policy=failed \
        -o tmp_path_retention_count=1 tests/real/test_reliability_*.py ${name:+-k "$name"} || status=$?
    [ "$status" = 0 ] || { [ "$status" = 5 ] && [ -n "$name" ]; } # 5: none of that name
}

part "serve" rust -p lineage-proxy --test reliability -- --nocapture --test-threads 1
# The model is a test of proxy, the damaged files are one of journal, and laws stand beside what they are about.
part "model, files, laws" rust -p openlineage -p journal -p transform -p targets -p proxy -p functions --tests -- --nocapture
for round in $(seq 2 "$rounds"); do
    part "laws again, $round of $rounds" rust -p openlineage -p transform --test laws
done
part "functions, and serve on SQS" python

printf '\n== what was measured\n'
sed -n 's/.*reliability | /| /p' "$log"
if ! grep -qE '(^|[^0-9])[1-9][0-9]* (passed|failed)' "$log"; then
    echo "tests/reliability.sh: no case has $name in its name" >&2
    exit 1
fi
if [ ${#failed[@]} -gt 0 ]; then
    printf 'failed: %s\n' "${failed[@]}" >&2
    exit 1
fi
