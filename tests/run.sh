#!/usr/bin/env bash
# All tests, with everything they need: the Rust tests, then real clients and an AWS emulator against the real binaries.
#
#   tests/run.sh            everything
#   tests/run.sh --quick    the Rust tests alone
#
# Needs Rust and, for the second half, Python 3.11 or newer with venv. Virtual environments with pinned versions are
# kept in the user's cache, by the hash of their pins.
set -euo pipefail
cd "$(dirname "$0")/.."

quick=false
case "${1:-}" in
"") ;;
--quick) quick=true ;;
*)
    sed -n '2,9s/^# \{0,1\}//p' tests/run.sh
    [ "$1" = --help ] && exit 0 || exit 2
    ;;
esac

cache="${PROXY_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/lineage-proxy}"
target="${CARGO_TARGET_DIR:-$PWD/target}"

cargo test --workspace --locked
$quick && exit 0

# An environment of pinned versions, made once.
environment() {
    local pins="tests/real/requirements-$1.txt" folder
    folder="$cache/venv-$1-$(sha256sum "$pins" | cut -c1-16)"
    if ! [ -e "$folder/ready" ]; then
        rm -rf "$folder"
        python3 -m venv "$folder" || {
            echo "tests/run.sh: python3 with venv is needed (Debian: apt-get install python3-venv)" >&2
            exit 1
        }
        "$folder/bin/pip" install --quiet --disable-pip-version-check -r "$pins"
        touch "$folder/ready"
    fi
    echo "$folder"
}

clients="$(environment clients)"
emulator="$(environment emulator)"
# With the tests among the targets, so that the dependencies are those that were just built.
cargo build --workspace --bins --tests --locked

PROXY_TEST_BIN_DIR="$target/debug" PROXY_TEST_EMULATOR="$emulator/bin/ministack" \
    "$clients/bin/python" -m pytest -q -p no:cacheprovider tests/real
