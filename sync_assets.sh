#!/usr/bin/env bash
# Builds the functions, uploads them and the templates that name them, and says how to deploy.
#
#   ./sync_assets.sh -b BUCKET [-p PROFILE] [-r REGION] [-a arm64|x86-64] [-x PREFIX] [-o FOLDER] [-n]
#
#   -b BUCKET   the bucket for code and templates, in the region of the stack
#   -p PROFILE  the AWS CLI profile
#   -r REGION   the region of the stack (default: that of the profile)
#   -a ARCH     arm64 (default) or x86-64: the template's parameter Architecture
#   -x PREFIX   where in the bucket (default: lineage-proxy)
#   -o FOLDER   where the finished templates are written (default: target/lambda)
#   -n          dry run: builds, and says what would be uploaded
#   -h          this help
#
# Code lies under the hash of its content, and the template names that hash: an update of the stack takes new code,
# and what is there already is not uploaded again. Needs Rust, the AWS CLI, zip or Python, and cargo-lambda
# (https://www.cargo-lambda.info, or: pip install cargo-lambda ziglang).
set -euo pipefail
cd "$(dirname "$0")"

usage() { sed -n '2,14s/^# \{0,1\}//p' sync_assets.sh; }
fail() {
    echo "sync_assets.sh: $1" >&2
    exit "${2:-1}"
}

bucket="" arch=arm64 prefix=lineage-proxy out="" dry=false
aws=(aws)
while getopts b:p:r:a:x:o:nh option; do
    case "$option" in
    b) bucket="$OPTARG" ;;
    p) aws+=(--profile "$OPTARG") ;;
    r) aws+=(--region "$OPTARG") ;;
    a) arch="$OPTARG" ;;
    x) prefix="${OPTARG%/}" ;;
    o) out="$OPTARG" ;;
    n) dry=true ;;
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
[ -n "$bucket" ] || fail "which bucket? -b BUCKET (-h for help)" 2
case "$arch" in arm64 | x86-64) ;; *) fail "architecture: arm64 or x86-64, not $arch" 2 ;; esac
for tool in aws cargo; do
    command -v "$tool" >/dev/null || fail "$tool is needed and not on the PATH"
done
command -v zip >/dev/null || command -v python3 >/dev/null || fail "zip or python3 is needed"
cargo lambda --version >/dev/null 2>&1 ||
    fail "cargo-lambda is needed: https://www.cargo-lambda.info, or pip install cargo-lambda ziglang"

target="${CARGO_TARGET_DIR:-$PWD/target}"
out="${out:-$target/lambda}"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

hash_of() {
    if command -v sha256sum >/dev/null; then sha256sum "$1"; else shasum -a 256 "$1"; fi | cut -c1-16
}

# Packs the bootstrap in a folder, with its mode.
pack() {
    if command -v zip >/dev/null; then
        (cd "$1" && zip -q -X "$2" bootstrap)
    else
        python3 -m zipfile -c "$2" "$1/bootstrap"
    fi
}

# Uploads a file, unless its key is there already.
upload() {
    local file="$1" key="$2" answer
    if answer="$("${aws[@]}" s3api head-object --bucket "$bucket" --key "$key" 2>&1)"; then
        echo "unchanged  s3://$bucket/$key"
    elif ! grep -q '(404)' <<<"$answer"; then
        fail "s3://$bucket/$key: $answer"
    elif $dry; then
        echo "would put  s3://$bucket/$key"
    else
        "${aws[@]}" s3api put-object --bucket "$bucket" --key "$key" --body "$file" >/dev/null
        echo "uploaded   s3://$bucket/$key"
    fi
}

echo "building for $arch (some minutes the first time)"
cargo lambda build --release --locked "--$arch" -p proxy --bin ingest --bin batch --bin check

mkdir -p "$out"
template="$out/openlineage-proxy.yaml"
cp infra/openlineage-proxy.yaml "$work/template.yaml"
for name in Ingest Batch Check; do
    function="$(tr "[:upper:]" "[:lower:]" <<<"$name")"
    bootstrap="$target/lambda/$function/bootstrap"
    key="$prefix/$function-$arch-$(hash_of "$bootstrap").zip"
    mkdir "$work/$function"
    cp -p "$bootstrap" "$work/$function/bootstrap"
    chmod 755 "$work/$function/bootstrap"
    pack "$work/$function" "$work/$function.zip"
    upload "$work/$function.zip" "$key"
    # In the line of this architecture, "Ingest: not-uploaded" and so on.
    sed "/^    $arch: {Name/s|$name: [^,}]*|$name: $key|" "$work/template.yaml" >"$work/next.yaml"
    mv "$work/next.yaml" "$work/template.yaml"
done
grep -q "^    $arch: {Name.*not-uploaded" "$work/template.yaml" && fail "the template's Mappings.Code cannot be filled in"
mv "$work/template.yaml" "$template"
template_key="$prefix/templates/openlineage-proxy-$(hash_of "$template").yaml"
upload "$template" "$template_key"

region="${AWS_REGION:-${AWS_DEFAULT_REGION:-$("${aws[@]}" configure get region 2>/dev/null || true)}}"
for ((i = 1; i < ${#aws[@]}; i++)); do [ "${aws[i]}" = --region ] && region="${aws[i + 1]}"; done
cat <<END

Next, with the id of your DataZone domain (every other parameter has a default: see README, "On AWS"):

  ${aws[*]} cloudformation deploy --stack-name lineage-proxy \\
      --template-file $template --s3-bucket $bucket --s3-prefix $prefix/templates \\
      --capabilities CAPABILITY_IAM \\
      --parameter-overrides S3AssetsBucketName=$bucket Architecture=$arch DomainId=dzd_...

  ${aws[*]} cloudformation describe-stacks --stack-name lineage-proxy --query 'Stacks[0].Outputs' --output table
  lineage-proxy doctor --stack lineage-proxy      # cargo install --path crates/cli

or in the console: https://${region:-REGION}.console.aws.amazon.com/cloudformation/home?region=${region:-REGION}#/stacks/create/review?templateURL=https://$bucket.s3.${region:-REGION}.amazonaws.com/$template_key
END
