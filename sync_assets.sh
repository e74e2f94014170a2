#!/usr/bin/env bash
# Uploads the functions, built here or of a release, and the templates that name them, and says how to deploy.
#
#   ./sync_assets.sh -b BUCKET [-p PROFILE] [-r REGION] [-a arm64|x86-64] [-z RELEASE] [-x PREFIX] [-o FOLDER] [-t RULES] [-n]
#   ./sync_assets.sh -u -t RULES -b BUCKET [-p PROFILE] [-r REGION] [-x PREFIX] [-n]
#
#   -b BUCKET   the bucket for code and templates, in the region of the stack
#   -p PROFILE  the AWS CLI profile
#   -r REGION   the region of the stack (default: that of the profile)
#   -a ARCH     arm64 (default) or x86-64: the template's parameter Architecture
#   -z RELEASE  builds nothing: uploads from this folder of release.sh, after its checksums are verified (default: where this is)
#   -x PREFIX   where in the bucket (default: lineage-proxy)
#   -o FOLDER   where the finished templates are written (default: target/lambda)
#   -t RULES    a folder with transforms.yaml and all that it refers to: checked, and packed with the batch function as rules/
#   -u          builds nothing: uploads these rules to BUCKET/PREFIX/rules/, where a stack with RulesPrefix looks
#   -n          dry run: builds, and says what would be uploaded
#   -h          this help
#
# Code lies under the hash of its content, and the template names that hash: an update of the stack takes new code,
# and what is there already is not uploaded again. What is built here is a release of one architecture (release.sh -f). Needs the
# AWS CLI; to build, what release.sh needs; with rules, zip or Python.
set -euo pipefail
here="$PWD"
cd "$(dirname "$0")"

usage() { sed -n '2,17s/^# \{0,1\}//p' sync_assets.sh; }
fail() {
    echo "sync_assets.sh: $1" >&2
    exit "${2:-1}"
}
# A path as the caller means it.
from_here() { case "$1" in /*) echo "$1" ;; *) echo "$here/$1" ;; esac; }

bucket="" arch=arm64 prefix=lineage-proxy out="" rules="" release="" rules_only=false dry=false
aws=(aws)
while getopts b:p:r:a:z:x:o:t:unh option; do
    case "$option" in
    b) bucket="$OPTARG" ;;
    p) aws+=(--profile "$OPTARG") ;;
    r) aws+=(--region "$OPTARG") ;;
    a) arch="$OPTARG" ;;
    z)
        release="$(from_here "$OPTARG")"
        { [ -n "$OPTARG" ] && [ -f "$release/SHA256SUMS" ]; } || { echo "sync_assets.sh: -z: there is no SHA256SUMS in $OPTARG: is it a folder of release.sh?" >&2; exit 2; }
        release="$(cd "$release" && pwd)"
        ;;
    x) prefix="${OPTARG%/}" ;;
    o) [ -z "$OPTARG" ] || out="$(from_here "$OPTARG")" ;;
    t)
        # An unset variable must not mean: without rules.
        [ -n "$OPTARG" ] || { echo "sync_assets.sh: which folder? -t RULES" >&2; exit 2; }
        rules="$(from_here "${OPTARG%/}")"
        ;;
    u) rules_only=true ;;
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
if [ -n "$rules" ]; then
    [ -f "$rules/transforms.yaml" ] || fail "-t: there is no transforms.yaml in $rules" 2
elif $rules_only; then
    fail "-u uploads rules: which? -t FOLDER" 2
fi
need() { command -v "$1" >/dev/null || fail "$1 is needed and not on the PATH"; }
need aws
# As release.sh copies this script into a release.
if [ -z "$release" ] && [ -f SHA256SUMS ] && ! [ -d infra ]; then release="$PWD"; fi

target="${CARGO_TARGET_DIR:-$PWD/target}"
if [ -z "$out" ] && [ -n "$release" ]; then out="$(dirname "$release")/templates-$bucket"; fi
out="${out:-$target/lambda}"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

sum() { if command -v sha256sum >/dev/null; then sha256sum "$@"; else shasum -a 256 "$@"; fi; }
hash_of() { sum "$@" | cut -c1-16; }

# Refuses a release of which a file is not, or not as, its list says.
verify() {
    local file line
    while IFS= read -r line; do
        file="${line#* [ *]}"
        [ -f "$release/$file" ] || fail "$release: $file is in SHA256SUMS and not there: nothing was uploaded"
        [ "$(sum "$release/$file" | cut -c1-64)" = "${line%% *}" ] ||
            fail "$release: $file is not the file that SHA256SUMS describes: nothing was uploaded. Get the release again"
    done <"$release/SHA256SUMS"
    for file in "$release"/functions/*.zip "$release"/templates/*.yaml; do
        grep -Fq " ${file#"$release"/}" "$release/SHA256SUMS" || fail "$release: SHA256SUMS does not describe ${file#"$release"/}: nothing was uploaded"
    done
    for file in ingest batch check source; do
        [ -f "$(echo "$release/functions/$file-$arch"-*.zip)" ] || fail "$release was not built for $arch"
    done
}

# Takes the one file of an archive of a release out of it.
unpack() {
    if command -v unzip >/dev/null; then unzip -q "$1" -d "$2"; else python3 -m zipfile -e "$1" "$2"; fi
}

# The files of a folder by their paths in it, always in the same order; hidden ones are left out.
files_in() { (cd "$1" && find -L . -name '.?*' -prune -o -type f -print | sed 's|^\./||' | LC_ALL=C sort); }

# The hash of what a function is made of: its bootstrap and its rules.
hash_of_function() {
    local file
    files_in "$1" | while IFS= read -r file; do echo "$(hash_of "$1/$file") $file"; done | hash_of
}

# Packs the files in a folder with their modes; the same files make the same archive.
pack() {
    find "$1" -exec touch -t 198001010000 {} +
    if command -v zip >/dev/null; then
        (cd "$1" && files_in . | zip -q -X -@ "$2")
    else
        python3 -m zipfile -c "$2" "$1/bootstrap" "$1/rules"
    fi
}

# Refuses rules that are wrong, or whose examples come out otherwise, where there is a command line that can tell.
check_rules() {
    local file="$rules/transforms.yaml" tool="" found told
    for found in lineage-proxy "$target/release/lineage-proxy" "$target/debug/lineage-proxy"; do
        if command -v "$found" >/dev/null && "$found" transform --help >/dev/null 2>&1; then
            tool="$found"
            break
        fi
    done
    if [ -z "$tool" ]; then
        cat <<END
not checked: the command line lineage-proxy is not here. To check, cargo install --path crates/cli, then
  lineage-proxy transform check --rules $file
  lineage-proxy transform test --rules $file
END
        return
    fi
    "$tool" transform check --rules "$file" || fail "these rules are wrong: nothing was uploaded"
    told="$("$tool" transform check --rules "$file" --output json)"
    if grep -q '"examples":0[,}]' <<<"$told"; then
        echo "not tested: there are no examples in $file"
    else
        "$tool" transform test --rules "$file" || fail "not all examples came out as these rules say: nothing was uploaded"
    fi
}

# Uploads a file, in place of what is there.
put() {
    local file="$1" key="$2"
    if $dry; then
        echo "would put  s3://$bucket/$key"
    else
        "${aws[@]}" s3api put-object --bucket "$bucket" --key "$key" --body "$file" >/dev/null
        echo "uploaded   s3://$bucket/$key"
    fi
}

# Uploads a file, unless its key is there already.
upload() {
    local file="$1" key="$2" answer
    if answer="$("${aws[@]}" s3api head-object --bucket "$bucket" --key "$key" 2>&1)"; then
        echo "unchanged  s3://$bucket/$key"
    elif ! grep -q '(404)' <<<"$answer"; then
        fail "s3://$bucket/$key: $answer"
    else
        put "$file" "$key"
    fi
}

if [ -n "$rules" ]; then
    check_rules
    files_in "$rules" >"$work/rules.txt"
fi
if $rules_only; then
    # The rules file last: whoever looks finds what it refers to.
    { grep -Fxv transforms.yaml "$work/rules.txt" || true; echo transforms.yaml; } >"$work/ordered.txt"
    while IFS= read -r file <&3; do put "$rules/$file" "$prefix/rules/$file"; done 3<"$work/ordered.txt"
    cat <<END

A stack that has its rules there takes them within RulesRefresh seconds, without a deploy. Any other stack, with these
parameters in its next deploy:

  RulesFile= RulesLayerArn= RulesBucketName=$bucket RulesPrefix=$prefix/rules
END
    exit
fi

if [ -n "$release" ]; then
    verify
else
    ./release.sh -f -a "$arch" -o "$work/release" | sed '/^release /d'
    release="$work/release"
fi

mkdir -p "$out"
# Of ingest and its target, of a further target, and of each kind of source.
templates=(source-logs source-glue source-redshift source-flyte source-stream target openlineage-proxy)
for template in "${templates[@]}"; do cp "$release/templates/$template.yaml" "$work/"; done
for name in Ingest Batch Check Source; do
    function="$(tr "[:upper:]" "[:lower:]" <<<"$name")"
    # The archive itself, so that CodeSha256 of the function is its hash in SHA256SUMS.
    archive="$(echo "$release/functions/$function-$arch"-*.zip)"
    key="$prefix/$(basename "$archive")"
    if [ "$name" = Batch ] && [ -n "$rules" ]; then
        mkdir "$work/batch"
        unpack "$archive" "$work/batch"
        while IFS= read -r file; do
            mkdir -p "$work/batch/rules/$(dirname "$file")"
            cp "$rules/$file" "$work/batch/rules/$file"
        done <"$work/rules.txt"
        find "$work/batch/rules" -type d -exec chmod 755 {} + -o -exec chmod 644 {} + # a function is another user
        chmod 755 "$work/batch/bootstrap"
        key="$prefix/batch-$arch-$(hash_of_function "$work/batch").zip"
        archive="$work/batch.zip"
        pack "$work/batch" "$archive"
    fi
    upload "$archive" "$key"
    # In the line of this architecture, "Ingest: not-uploaded" and so on.
    for template in "${templates[@]}"; do
        sed "/^    $arch: {Name/s|$name: [^,}]*|$name: $key|" "$work/$template.yaml" >"$work/next.yaml"
        mv "$work/next.yaml" "$work/$template.yaml"
    done
done
for template in "${templates[@]}"; do
    grep -q "^    $arch: {Name.*not-uploaded" "$work/$template.yaml" &&
        fail "Mappings.Code of $template.yaml cannot be filled in"
    mv "$work/$template.yaml" "$out/$template.yaml"
    template_key="$prefix/templates/$template-$(hash_of "$out/$template.yaml").yaml"
    upload "$out/$template.yaml" "$template_key"
done
template="$out/openlineage-proxy.yaml"

region="${AWS_REGION:-${AWS_DEFAULT_REGION:-$("${aws[@]}" configure get region 2>/dev/null || true)}}"
for ((i = 1; i < ${#aws[@]}; i++)); do [ "${aws[i]}" = --region ] && region="${aws[i + 1]}"; done
# The console, and the names of AWS, of the partition that the region is in.
case "$region" in
cn-*) console=console.amazonaws.cn suffix=amazonaws.com.cn ;;
us-gov-*) console=console.amazonaws-us-gov.com suffix=amazonaws.com ;;
*) console="${region:-REGION}.console.aws.amazon.com" suffix=amazonaws.com ;;
esac
with_rules=""
[ -z "$rules" ] || with_rules=" RulesFile=rules/transforms.yaml RulesPrefix= RulesBucketName= RulesLayerArn="
cat <<END

Next, with the id of your DataZone domain (every other parameter has a default: see docs/aws.md):

  ${aws[*]} cloudformation deploy --stack-name lineage-proxy \\
      --template-file $template --s3-bucket $bucket --s3-prefix $prefix/templates \\
      --capabilities CAPABILITY_IAM \\
      --parameter-overrides S3AssetsBucketName=$bucket Architecture=$arch DomainId=dzd_...$with_rules

  ${aws[*]} cloudformation describe-stacks --stack-name lineage-proxy --query 'Stacks[0].Outputs' --output table
  lineage-proxy doctor --stack lineage-proxy      # cargo install --path crates/cli

A further target is a stack of its own, once the first has FanOut=on (docs/aws.md, "Several targets"):

  ${aws[*]} cloudformation deploy --stack-name lineage-proxy-TARGET \\
      --template-file $out/target.yaml --s3-bucket $bucket --s3-prefix $prefix/templates \\
      --capabilities CAPABILITY_IAM \\
      --parameter-overrides S3AssetsBucketName=$bucket Architecture=$arch IngestStackName=lineage-proxy DomainId=dzd_...$with_rules

Sources find lineage where nobody sends it: $out/source-*.yaml (docs/aws.md, "Sources"). For AWS Glue crawlers:

  ${aws[*]} cloudformation deploy --stack-name lineage-proxy-source-glue \\
      --template-file $out/source-glue.yaml --s3-bucket $bucket --s3-prefix $prefix/templates \\
      --capabilities CAPABILITY_IAM \\
      --parameter-overrides S3AssetsBucketName=$bucket Architecture=$arch QueueUrl=... LargeEventsBucket=...

The first in the console: https://$console/cloudformation/home?region=${region:-REGION}#/stacks/create/review?templateURL=https://$bucket.s3.${region:-REGION}.$suffix/$template_key
END
