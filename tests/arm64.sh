#!/usr/bin/env bash
# Builds the ingest bootstrap for arm64 and has it answer one request under qemu. Where that cannot be done on this
# machine (no standard library for arm64, no qemu), says so loudly and goes on: nothing else depends on it.
set -euo pipefail
cd "$(dirname "$0")/.."

target="${CARGO_TARGET_DIR:-$PWD/target}"
libraries=/usr/aarch64-linux-gnu

skip() {
    printf '\n!!! NOT TESTED: arm64. %s\n\n' "$1" >&2
    exit 0
}

rustup target add aarch64-unknown-linux-gnu >/dev/null 2>&1 || skip "the toolchain has no standard library for it"
if ! command -v qemu-aarch64 >/dev/null || ! [ -d "$libraries" ]; then
    if [ "$(id -u)" != 0 ] || ! apt-get install -y -qq --no-install-recommends qemu-user libc6-arm64-cross >/dev/null 2>&1; then
        skip "qemu-user and libc6-arm64-cross are not there"
    fi
fi

. tests/environment.sh
packaging="$(environment packaging tests/real/requirements-packaging.txt)"
PATH="$packaging/bin:$PATH" cargo lambda build --locked --arm64 -p functions --bin ingest --lambda-dir "$target/lambda-arm64"
python3 tests/arm64.py qemu-aarch64 -L "$libraries" "$target/lambda-arm64/ingest/bootstrap"
