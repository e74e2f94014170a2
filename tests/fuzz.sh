#!/usr/bin/env bash
# The fuzzer: every law of tests/fuzz and tests/fuzz-edge, for a time each, from the inputs that were kept.
#
#   tests/fuzz.sh                  60 s a law
#   tests/fuzz.sh 600              600 s a law
#   tests/fuzz.sh 600 event fit    those laws alone
#   tests/fuzz.sh --keep 60        and keeps what reaches new code: corpus/ in the repository, made as small as it gets
#
# Coverage is counted by the compiler, which a nightly toolchain is needed for; without one the stable one is made to
# (RUSTC_BOOTSTRAP). cargo-fuzz is installed where it is missing. What breaks a law is named, and lies in
# $FUZZ_DIR/LAW/broken (default: the target folder): mend it, and give the input a name and a place among the fixtures.
#
# FUZZ_TOOLCHAIN names another toolchain. No law uses unsafe code, so no sanitizer is asked for: it would only be slow.
set -euo pipefail
cd "$(dirname "$0")/.."

keep=false
case "${1:-}" in
--help | -h)
    sed -n '2,14s/^# \{0,1\}//p' tests/fuzz.sh
    exit 0
    ;;
--keep)
    keep=true
    shift
    ;;
esac
seconds="${1:-60}"
[ $# -gt 0 ] && shift
wanted=("$@")

target="${CARGO_TARGET_DIR:-$PWD/target}"
folder="${FUZZ_DIR:-$target/fuzz}"
export CARGO_TARGET_DIR="$target/fuzz-build"

if [ -n "${FUZZ_TOOLCHAIN:-}" ]; then
    toolchain="$FUZZ_TOOLCHAIN"
elif rustup toolchain list 2>/dev/null | grep -q '^nightly'; then
    toolchain=nightly
else
    echo "tests/fuzz.sh: no nightly toolchain (rustup toolchain install nightly); trying with the stable one" >&2
    toolchain=stable
    export RUSTC_BOOTSTRAP=1
fi
cargo fuzz --version >/dev/null 2>&1 || cargo install --locked --version 0.13.2 cargo-fuzz

# The dictionary of a law.
words() {
    case "$1" in
    rules | config) echo rules ;;
    script | module) echo "$1" ;;
    texts | pattern) echo text ;;
    *) echo json ;;
    esac
}

# The largest input of a law in bytes: small ones are fast, and what is quadratic shows in the slow ones all the same.
largest() {
    case "$1" in
    spelling | pattern) echo 96 ;;
    texts) echo 256 ;;
    names) echo 700 ;;
    *) echo 4096 ;;
    esac
}

broken=()
for crate in fuzz fuzz-edge; do
    tool="kept"
    binary="laws"
    if [ "$crate" = fuzz-edge ]; then
        tool="kept-edge"
        binary="edge-laws"
    fi
    kept() { CARGO_TARGET_DIR="$target" cargo run --quiet --locked -p "$crate-laws" --bin "$tool" -- "$@"; }
    laws="$(kept laws)"
    if [ ${#wanted[@]} -gt 0 ]; then
        laws="$(printf '%s\n' "${wanted[@]}" | grep -Fx "$laws" || true)"
    fi
    [ -n "$laws" ] || continue

    (cd "tests/$crate" && cargo "+$toolchain" fuzz build --sanitizer none "$binary")
    fuzzer="$(find "$CARGO_TARGET_DIR" -path "*/release/$binary" -type f | head -1)"

    for law in $laws; do
        inputs="$folder/$law/inputs"
        mkdir -p "$inputs" "$folder/$law/broken"
        kept unpack "tests/$crate/corpus/$law.jsonl" "$inputs"
        kept seeds "$law" "$inputs"
        echo "== $law: $seconds s"
        LAW="$law" "$fuzzer" "$inputs" -dict="tests/fuzz/dict/$(words "$law").dict" -max_len="$(largest "$law")" \
            -max_total_time="$seconds" -timeout=10 -report_slow_units=2 -rss_limit_mb=1500 -print_final_stats=1 \
            -artifact_prefix="$folder/$law/broken/" >"$folder/$law/log" 2>&1 || broken+=("$law")
        # A fuzzer that did not start has no figures, but a reason; and it looked at nothing, whatever it ended with.
        if ! grep -E 'stat::(number_of_executed_units|average_exec_per_sec|slowest_unit)|cov:' "$folder/$law/log" | tail -4; then
            tail -5 "$folder/$law/log"
            [[ " ${broken[*]-} " == *" $law "* ]] || broken+=("$law")
            continue
        fi
        if $keep; then
            rm -rf "$folder/$law/least"
            mkdir "$folder/$law/least"
            # Small ones alone: what takes a large input to reach is reached again soon.
            LAW="$law" "$fuzzer" -set_cover_merge=1 -use_counters=0 -max_len=1024 "$folder/$law/least" "$inputs" >"$folder/$law/merge" 2>&1
            mkdir -p "tests/$crate/corpus"
            kept pack "$folder/$law/least" "tests/$crate/corpus/$law.jsonl"
        fi
    done
done

if [ ${#broken[@]} -gt 0 ]; then
    printf 'broken: %s\n' "${broken[@]}"
    find "$folder" -path '*/broken/*' -type f
    exit 1
fi
