#!/bin/sh
# Builds the modules under crates/transform/tests/modules: the two examples and the one for the benches. Replaces those
# that differ; with --check it only reports them, and fails. The bytes depend on the versions of rustc and asc: these
# were made with rustc 1.95.0 and the asc that package.json names.
#
# Needs: rustup target add wasm32-unknown-unknown; node and npm.
set -eu
cd "$(dirname "$0")/.."
kept=$PWD/crates/transform/tests/modules
target=${CARGO_TARGET_DIR:-$PWD/target}/modules
differ=0

keep() { # from, name
    if cmp -s "$1" "$kept/$2"; then
        echo "$2: unchanged"
    elif [ "${check:-}" ]; then
        echo "$2: differs"
        differ=1
    else
        cp "$1" "$kept/$2"
        echo "$2: replaced"
    fi
}

rust() { # folder, name
    # Paths stay out of the file, so that it is the same wherever it is built.
    (cd "$1" && CARGO_TARGET_DIR=$target RUSTFLAGS="--remap-path-prefix=$PWD=. --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=cargo" \
        cargo build --quiet --release --locked)
    chmod -x "$target/wasm32-unknown-unknown/release/$2.wasm"
    keep "$target/wasm32-unknown-unknown/release/$2.wasm" "$2.wasm"
}

[ "${1:-}" = --check ] && check=1
mkdir -p "$kept"
rust examples/module-rust team_owner
rust crates/transform/benches/module bench_module
(cd examples/module-assemblyscript && npm ci --silent && npm run --silent build)
keep examples/module-assemblyscript/build/job-environment.wasm job_environment.wasm
exit "$differ"
