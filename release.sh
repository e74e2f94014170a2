#!/usr/bin/env bash
# Builds a release: what a team deploys without Rust. Uploads nothing: that is `sync_assets.sh -z FOLDER`.
#
#   ./release.sh [-o FOLDER] [-a ARCH]... [-c] [-f]
#
#   -o FOLDER   where to put it (default: target/release-VERSION); replaced, if it is a release
#   -a ARCH     arm64 or x86-64 (default: both)
#   -c          the command line lineage-proxy, too, for Linux with glibc 2.26 or newer
#   -f          functions and templates only: no SBOM
#   -h          this help
#
# Writes functions/NAME-ARCH-HASH.zip, templates/*.yaml that name these hashes, bin/lineage-proxy-ARCH.tar.gz (-c),
# sbom/*.cdx.json in CycloneDX, sync_assets.sh, VERSION, and SHA256SUMS of all of that.
#
# The same commit and the same tools (they are in VERSION) make the same bytes, in whatever folder: docs/release.md. Needs
# Rust, Python, cargo-lambda with zig (pip install cargo-lambda ziglang) and, for the SBOM, cargo-cyclonedx (cargo install
# --locked cargo-cyclonedx). FUNCTION_PROFILE names another Cargo profile for functions than `function`.
set -euo pipefail
here="$PWD"
# Without links: compilers name files by their real paths.
cd -P "$(dirname "$0")"

usage() { sed -n '2,17s/^# \{0,1\}//p' release.sh; }
fail() {
    echo "release.sh: $1" >&2
    exit "${2:-1}"
}

architectures=() out="" with_cli=false with_sbom=true
while getopts o:a:cfh option; do
    case "$option" in
    o) out="$OPTARG" ;;
    a)
        case "$OPTARG" in arm64 | x86-64) ;; *) fail "architecture: arm64 or x86-64, not $OPTARG" 2 ;; esac
        architectures+=("$OPTARG")
        ;;
    c) with_cli=true ;;
    f) with_sbom=false ;;
    h)
        usage
        exit 0
        ;;
    *)
        usage >&2
        exit 2
        ;;
    esac
done
shift $((OPTIND - 1))
[ $# = 0 ] || fail "unexpected argument: $1" 2
[ ${#architectures[@]} != 0 ] || architectures=(arm64 x86-64)
need() { command -v "$1" >/dev/null || fail "$1 is needed and not on the PATH"; }
need cargo
need python3
cargo lambda --version >/dev/null 2>&1 ||
    fail "cargo-lambda is needed: https://www.cargo-lambda.info, or pip install cargo-lambda ziglang"
! $with_sbom || cargo cyclonedx --version >/dev/null 2>&1 ||
    fail "cargo-cyclonedx is needed: cargo install --locked cargo-cyclonedx (-f makes no SBOM)"

version="$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)"
target="${CARGO_TARGET_DIR:-${CARGO_BUILD_TARGET_DIR:-target}}"
mkdir -p "$target"
target="$(cd -P "$target" && pwd)"
export CARGO_TARGET_DIR="$target"
case "$out" in "") out="$target/release-$version" ;; /*) ;; *) out="$here/$out" ;; esac
if [ -e "$out" ] && ! [ -e "$out/SHA256SUMS" ] && [ -n "$(ls -A "$out")" ]; then
    fail "$out is not empty and not a release: remove it, or choose another folder" 2
fi
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
mkdir "$work/functions" "$work/templates"

sum() { if command -v sha256sum >/dev/null; then sha256sum "$@"; else shasum -a 256 "$@"; fi; }

# No folder, time or setting of this machine in what is built: panics name source files, in C, too. Cargo leaves --remap-path-prefix out
# of the hashes of crates (rust-lang/cargo#6966). Of several prefixes that fit, rustc takes the last, so a folder inside another one comes
# after it: https://doc.rust-lang.org/rustc/remap-source-paths.html
reproducible() {
    local cargo_home="${CARGO_HOME:-${HOME:-}/.cargo}" from folders=() setting
    # It would take the place of RUSTFLAGS, and these of the profile in Cargo.toml.
    unset CARGO_ENCODED_RUSTFLAGS
    for setting in $(compgen -e CARGO_PROFILE_ || true); do unset "$setting"; done
    export CARGO_INCREMENTAL=0 SOURCE_DATE_EPOCH
    SOURCE_DATE_EPOCH="$(commit_time)" # https://reproducible-builds.org/specs/source-date-epoch/: for __DATE__ of C
    cargo fetch --locked --quiet
    folders+=("$PWD=/lineage-proxy" "$target=/target")
    for from in "$cargo_home"/registry/src/*; do folders+=("$from=/cargo"); done
    if printf '%s' "${folders[@]}" | grep -q '[[:space:]]'; then
        echo "release.sh: a folder has a space in its name, so what is built names folders of this machine" >&2
        return
    fi
    for from in "${folders[@]}"; do
        RUSTFLAGS="${RUSTFLAGS:+$RUSTFLAGS }--remap-path-prefix=$from"
        CFLAGS="${CFLAGS:+$CFLAGS }-ffile-prefix-map=$from"
    done
    export RUSTFLAGS CFLAGS
}

# Packs one file as `bootstrap`, so that the same file makes the same archive. Functions of another profile are for tests: large, and
# downloaded by nobody.
pack() {
    local level=9
    [ "${FUNCTION_PROFILE:-function}" = function ] || level=1
    python3 - "$@" "$level" <<'END'
import sys, zipfile

archive, file, level = sys.argv[1:]
entry = zipfile.ZipInfo("bootstrap", (1980, 1, 1, 0, 0, 0))
entry.external_attr, entry.create_system, entry.compress_type = 0o100755 << 16, 3, zipfile.ZIP_DEFLATED
with zipfile.ZipFile(archive, "w") as packed, open(file, "rb") as read:
    packed.writestr(entry, read.read(), compresslevel=int(level))
END
}

pack_cli() {
    python3 - "$@" <<'END'
import gzip, os, sys, tarfile

archive, *files = sys.argv[1:]
with open(archive, "wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as packed, tarfile.open(fileobj=packed, mode="w") as tar:
    for file in files:
        entry = tarfile.TarInfo("lineage-proxy/" + ("lineage-proxy" if file.endswith("bootstrap") else os.path.basename(file)))
        entry.size, entry.mode = os.path.getsize(file), 0o755 if file.endswith("bootstrap") else 0o644
        with open(file, "rb") as read:
            tar.addfile(entry, read)
END
}

# What this is made of. In a copy: cargo-cyclonedx writes beside each Cargo.toml.
describe() {
    local name folder
    mkdir "$work/source" "$work/sbom"
    tar -c --exclude=./target --exclude=./.git . | tar -x -C "$work/source"
    cargo cyclonedx --quiet --format json --spec-version 1.5 --target all --override-filename sbom --manifest-path "$work/source/Cargo.toml"
    for name in cli functions; do
        folder="$work/source/crates/$name"
        [ -s "$folder/sbom.json" ] || fail "cargo cyclonedx wrote nothing for crates/$name"
        # The folder of the copy is in the addresses of our own crates.
        sed "s|$work/source|/lineage-proxy|g" "$folder/sbom.json" | same_serial_number >"$work/sbom/$name.cdx.json"
    done
    rm -r "$work/source"
}

# Gives a document of CycloneDX a serial number that is made of its content, in place of one by chance, and the time of the commit.
same_serial_number() {
    python3 -c '
import datetime, json, os, sys, uuid

document = json.load(sys.stdin)
document.pop("serialNumber", None)
time = datetime.datetime.fromtimestamp(int(os.environ["SOURCE_DATE_EPOCH"]), datetime.timezone.utc)
document["metadata"]["timestamp"] = time.strftime("%Y-%m-%dT%H:%M:%SZ")
document["serialNumber"] = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(document, sort_keys=True)).urn
json.dump(document, sys.stdout, indent=2)
'
}

commit_time() { git log -1 --format=%ct 2>/dev/null || echo 315532800; } # or 1980, as in the archives

# What was built of what, and with what: the same makes the same.
provenance() {
    local commit
    commit="$(git rev-parse HEAD 2>/dev/null || echo unknown)"
    [ -z "$(git status --porcelain 2>/dev/null)" ] || commit="$commit and changes"
    echo "lineage-proxy $version"
    echo "commit $commit"
    echo "profile ${FUNCTION_PROFILE:-function}"
    rustc --version 2>/dev/null || echo "rustc unknown"
    cargo lambda --version | sed 's/ (.*//'
    echo "zig $(zig_version 2>/dev/null || echo unknown)"
    python3 -c 'import zlib; print("zlib", zlib.ZLIB_RUNTIME_VERSION)' # another one may pack to other bytes
    if $with_sbom; then echo "cargo-cyclonedx $(cargo cyclonedx --version 2>/dev/null | sed 's/.* //')"; fi
}

# On the PATH, or beside cargo-lambda, where pip puts it.
zig_version() { zig version || "$(dirname "$(command -v cargo-lambda)")/python3" -m ziglang version; }

# The REST API of the main stack is published by deployments that have the hash of it in their names: another API is another deployment.
publish_rest_api() {
    local section
    section="$(sed -n '/^  # -* endpoint: rest or private$/,/^  # -* endpoint: function URL$/p' "$1")"
    grep -q '^  RestDeployment' <<<"$section" || fail "there is no REST API in openlineage-proxy.yaml"
    sed "s/RestDeployment\([A-Z]\)/RestDeployment$(sum <<<"$section" | cut -c1-16)\1/g" "$1" >"$work/next.yaml"
    mv "$work/next.yaml" "$1"
}

reproducible
flags="${RUSTFLAGS:-}"
for template in infra/*.yaml; do cp "$template" "$work/templates/"; done
publish_rest_api "$work/templates/openlineage-proxy.yaml"
for arch in "${architectures[@]}"; do
    echo "building for $arch (some minutes the first time)"
    # What `cargo lambda build --release` would add; it adds nothing to a profile of ours. Graviton2; Lambda has AVX2.
    case "$arch" in arm64) cpu=neoverse-n1 ;; x86-64) cpu=haswell ;; esac
    case "$flags" in
    *target-cpu*) ;;
    *) export RUSTFLAGS="${flags:+$flags }-C target-cpu=$cpu" ;;
    esac
    cargo lambda build --profile "${FUNCTION_PROFILE:-function}" --locked "--$arch" -p functions --bin ingest --bin batch --bin check --bin source
    for name in Ingest Batch Check Source; do
        function="$(tr "[:upper:]" "[:lower:]" <<<"$name")"
        bootstrap="$target/lambda/$function/bootstrap"
        zip="$function-$arch-$(sum "$bootstrap" | cut -c1-16).zip"
        pack "$work/functions/$zip" "$bootstrap"
        # In the line of this architecture, "Ingest: not-uploaded" and so on.
        for template in "$work"/templates/*.yaml; do
            sed "/^    $arch: {Name/s|$name: [^,}]*|$name: lineage-proxy/$zip|" "$template" >"$work/next.yaml"
            mv "$work/next.yaml" "$template"
        done
    done
    for template in "$work"/templates/*.yaml; do
        if ! grep -q "^    $arch: {Name" "$template" || grep -q "^    $arch: {Name.*not-uploaded" "$template"; then
            fail "Mappings.Code of infra/$(basename "$template") cannot be filled in"
        fi
    done
    if $with_cli; then
        # For every processor of this architecture.
        case "$arch" in arm64) cpu=generic ;; x86-64) cpu=x86-64 ;; esac
        export RUSTFLAGS="${flags:+$flags }-C target-cpu=$cpu"
        mkdir -p "$work/bin"
        cargo lambda build --profile release --locked "--$arch" -p lineage-proxy --bin lineage-proxy
        pack_cli "$work/bin/lineage-proxy-$arch.tar.gz" "$target/lambda/lineage-proxy/bootstrap" LICENSE README.md
    fi
done
! $with_sbom || describe
provenance >"$work/VERSION"
cp sync_assets.sh infra/rollout.sh infra/deployer-policy.json "$work/"
# By name: a folder that is in use also has the state of Terraform, with its secrets, and templates with the names of a bucket.
for file in terraform/main.tf cdk/app.py cdk/cdk.json cdk/requirements.txt; do
    mkdir -p "$work/examples/$(dirname "$file")"
    cp "examples/$file" "$work/examples/$file"
done
rm -f "$work/next.yaml"
sums="$(cd "$work" && find . -type f | sed 's|^\./||' | LC_ALL=C sort | while IFS= read -r file; do sum "$file"; done)"
echo "$sums" >"$work/SHA256SUMS"

mkdir -p "$out"
(cd "$out" && rm -rf bin examples functions sbom templates sync_assets.sh rollout.sh deployer-policy.json VERSION SHA256SUMS)
cp -R "$work/." "$out/"
echo "release    $out"
