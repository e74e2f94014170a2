#!/usr/bin/env bash
# All tests, with everything they need: the Rust tests, the templates, then real clients and an AWS emulator against the
# real binaries, deployed by their own script.
#
#   tests/run.sh            everything
#   tests/run.sh --quick    the Rust tests alone
#   tests/run.sh --rest     all but those
#
# Needs Rust, cc (SQLite is built with it) and, for the second half, Python 3.11 or newer with venv. Virtual environments
# with pinned versions are kept in the user's cache, by the hash of their pins. A test that needs what the machine does
# not have is skipped, and is listed at the end:
#
#   prlimit        (util-linux) full disks, and floods past the descriptors
#   /dev/fuse      with root or fusermount3: power cuts
#   strip          (binutils) the functions on an emulator of AWS
#   mount          as root: a file system over the data folder
#   chromium       the page in a browser (Debian: apt-get install chromium)
#   node           the syntax of the scripts of the page
#
# Where mounting is not allowed, a limit of file sizes stands for a full disk.
set -euo pipefail
cd "$(dirname "$0")/.."

quick=true
rest=true
case "${1:-}" in
"") ;;
--quick) rest=false ;;
--rest) quick=false ;;
*)
    sed -n '2,21s/^# \{0,1\}//p' tests/run.sh
    [ "$1" = --help ] && exit 0 || exit 2
    ;;
esac

target="${CARGO_TARGET_DIR:-$PWD/target}"

# One line for each test that was skipped for lack of something; shown at the end, whatever the end is.
PROXY_TEST_SKIPPED="$(mktemp)"
export PROXY_TEST_SKIPPED
trap 'cat "$PROXY_TEST_SKIPPED" >&2; rm -f "$PROXY_TEST_SKIPPED"' EXIT

# Property tests make the same events each time here, so that a failure is that of a change. The reliability suite makes
# new ones.
export PROPTEST_RNG_SEED="${PROPTEST_RNG_SEED:-1}"
# Most of the reliability suite waits.
export RUST_TEST_THREADS="${RUST_TEST_THREADS:-4}"
if $quick; then
    cargo test --workspace --locked
fi
$rest || exit 0

. tests/environment.sh
# Those that are missing are made side by side; an error is shown when the environment is used below.
for name in clients emulator packaging airflow datahub sql page; do
    environment "$name" "tests/real/requirements-$name.txt" >/dev/null 2>&1 &
done
environment cdk examples/cdk/requirements.txt >/dev/null 2>&1 &
environment terraform tests/infra/requirements-terraform.txt >/dev/null 2>&1 &
infra="$(environment infra tests/infra/requirements.txt)"
wait
clients="$(environment clients tests/real/requirements-clients.txt)"
emulator="$(environment emulator tests/real/requirements-emulator.txt)"
packaging="$(environment packaging tests/real/requirements-packaging.txt)"
airflow="$(environment airflow tests/real/requirements-airflow.txt)"
datahub="$(environment datahub tests/real/requirements-datahub.txt)"
sql="$(environment sql tests/real/requirements-sql.txt)"
page="$(environment page tests/real/requirements-page.txt)"

# Folders of tests that passed are not kept: they have binaries of 50 MB in them.
pytest=(-m pytest -q -p no:cacheprovider -o tmp_path_retention_policy=failed -o tmp_path_retention_count=1)

PROXY_TEST_CDK="$(environment cdk examples/cdk/requirements.txt)/bin/python"
# Of Terraform there are wheels for some platforms.
PROXY_TEST_TERRAFORM="$(environment terraform tests/infra/requirements-terraform.txt)/bin/python" || PROXY_TEST_TERRAFORM=""
export PROXY_TEST_CDK PROXY_TEST_TERRAFORM
"$infra/bin/python" "${pytest[@]}" tests/infra

# With the tests among the targets, so that the dependencies are those that were just built.
cargo build --workspace --bins --tests --locked
# Prints the lineage of statements, for the comparison with another reader of SQL.
cargo build -p sources --example sql_lineage --locked

# The crates for other systems, too: what the container needs is looked up without a network.
cargo fetch --locked --quiet
PROXY_TEST_BIN_DIR="$target/debug" "$infra/bin/python" "${pytest[@]}" tests/docs

PROXY_TEST_BIN_DIR="$target/debug" PROXY_TEST_EMULATOR="$emulator/bin/ministack" \
    "$page/bin/python" "${pytest[@]}" -n 2 --durations 5 tests/real/test_page*.py

# sync_assets.sh builds the functions without what takes time and makes them only smaller and faster.
export FUNCTION_PROFILE=function-test
PROXY_TEST_BIN_DIR="$target/debug" PROXY_TEST_EMULATOR="$emulator/bin/ministack" PROXY_TEST_PACKAGING="$packaging" \
    PROXY_TEST_AIRFLOW="$airflow/bin" PROXY_TEST_DATAHUB="$datahub/bin" PROXY_TEST_SQLGLOT="$sql/bin/python" \
    "$clients/bin/python" "${pytest[@]}" -n 2 --durations 15 --ignore-glob 'tests/real/test_page*.py' tests/real
