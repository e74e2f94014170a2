#!/usr/bin/env bash
# Builds the example modules from their sources, as their READMEs say, and compares them with those that the tests use.
# Where that cannot be done on this machine (no standard library for WebAssembly, no node), says so loudly and goes on:
# the tests use the modules that are kept.
set -euo pipefail
cd "$(dirname "$0")/.."

skip() {
    printf '\n!!! NOT TESTED: the example modules from source. %s\n\n' "$1" >&2
    exit 0
}

rustup target add wasm32-unknown-unknown >/dev/null 2>&1 || skip "the toolchain has no standard library for WebAssembly"
command -v npm >/dev/null || skip "npm is not there"
made_with=1.95.0
rustc --version | grep -qF " $made_with " || skip "rustc is not $made_with, with which the kept modules were made"
examples/build.sh --check
