#!/usr/bin/env bash
# Updates a stack with a template of sync_assets.sh, and has CloudFormation roll the update back when the functions fail.
#
# `aws cloudformation deploy` knows no rollback triggers, so this makes the change set itself. Parameters that are not given keep their
# values. CloudFormation would apply the triggers to every later update, whoever makes it, and fail one whose trigger is missing
# (https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_RollbackConfiguration.html). So they are removed at the end.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: infra/rollout.sh -s STACK -b BUCKET [-t TEMPLATE] [-m MINUTES] [PARAMETER=VALUE ...]

  -s  the stack, which exists
  -b  the bucket of the code, in the region of the stack
  -t  the template; by default target/lambda/openlineage-proxy.yaml of this checkout, as sync_assets.sh writes it
  -m  for how many minutes after the update an alarm rolls it back; by default 10, at most 180
TEXT
}

fail() {
    echo "rollout.sh: $*" >&2
    exit "${status:-1}"
}

stack="" bucket="" minutes=10
template="${CARGO_TARGET_DIR:-$(cd "$(dirname "$0")/.." && pwd)/target}/lambda/openlineage-proxy.yaml"
while getopts s:b:t:m:h option; do
    case "$option" in
    s) stack="$OPTARG" ;;
    b) bucket="$OPTARG" ;;
    t) template="$OPTARG" ;;
    m) minutes="$OPTARG" ;;
    h) usage && exit ;;
    *) usage >&2 && exit 2 ;;
    esac
done
shift $((OPTIND - 1))
status=2
[[ -n "$stack" && -n "$bucket" ]] || { usage >&2 && exit 2; }
[[ -f "$template" ]] || fail "no template $template: run sync_assets.sh"
[[ "$minutes" =~ ^[0-9]{1,3}$ && "$minutes" -le 180 ]] || fail "-m takes 0 to 180 minutes"
for parameter in "$@"; do [[ "$parameter" == [A-Za-z]*=* ]] || fail "unexpected argument $parameter"; done
status=1

cloudformation() { aws cloudformation "$@" --output text; }

# The alarms of functions that fail, as far as this stack has them.
triggers=()
for name in IngestErrors BatchErrors; do
    alarm="$(cloudformation describe-stack-resources --stack-name "$stack" --query "StackResources[?LogicalResourceId=='$name'].PhysicalResourceId")"
    [[ -n "$alarm" && "$alarm" != None ]] || continue
    arn="$(aws cloudwatch describe-alarms --alarm-names "$alarm" --query 'MetricAlarms[0].AlarmArn' --output text)"
    triggers+=("{Arn=$arn,Type=AWS::CloudWatch::Alarm}")
done
((${#triggers[@]})) || fail "the stack $stack has neither IngestErrors nor BatchErrors"

# Larger than CloudFormation takes in a request.
hash="$( (sha256sum "$template" 2>/dev/null || shasum -a 256 "$template") | cut -c1-16)"
key="lineage-proxy/templates/rollout-$hash.yaml"
aws s3 cp --only-show-errors "$template" "s3://$bucket/$key"
region="$(aws configure get region || true)"
region="${AWS_REGION:-${AWS_DEFAULT_REGION:-$region}}"
domain=amazonaws.com
[[ "$region" != cn-* ]] || domain=amazonaws.com.cn
url="https://s3.${region:+$region.}$domain/$bucket/$key" # as aws cloudformation deploy names it

# Those of the new template: as given, or as the stack has them, or else their defaults.
known=" $(cloudformation get-template-summary --template-url "$url" --query 'Parameters[].ParameterKey' | tr '\t\n' '  ') "
has=" $(cloudformation describe-stacks --stack-name "$stack" --query 'Stacks[0].Parameters[].ParameterKey' | tr '\t\n' '  ') "
parameters=() given=" "
for parameter in "$@"; do
    name="${parameter%%=*}"
    [[ "$known" == *" $name "* ]] || fail "the template has no parameter $name"
    value="${parameter#*=}" given+="$name "
    value="${value//\\/\\\\}"
    parameters+=("{\"ParameterKey\": \"$name\", \"ParameterValue\": \"${value//\"/\\\"}\"}")
done
for name in $known; do
    [[ "$given" == *" $name "* || "$has" != *" $name "* ]] || parameters+=("{\"ParameterKey\": \"$name\", \"UsePreviousValue\": true}")
done
joined="$(IFS=,; echo "${parameters[*]}")"
trigger_list="$(IFS=,; echo "${triggers[*]}")"

# The policy of a private API names its VPC endpoints, and takes effect with a deployment of the API. CloudFormation makes one for
# another template alone, as no name in it can depend on a parameter. A stack that has these VPC endpoints already may have them from
# an update that did not publish them.
publish_vpc_endpoints() {
    local api
    [[ "$given" == *" VpcEndpointIds "* ]] || return 0
    api="$(cloudformation describe-stack-resources --stack-name "$stack" --query "StackResources[?LogicalResourceId=='RestApi'].PhysicalResourceId")"
    [[ -n "$api" && "$api" != None ]] || return 0
    aws apigateway create-deployment --rest-api-id "$api" --stage-name lineage --output text >/dev/null ||
        fail "$stack is updated, and its VPC endpoints are not published: run this again, or aws apigateway create-deployment --rest-api-id $api --stage-name lineage"
}

change="rollout-$(date -u +%Y%m%d%H%M%S)"
cloudformation create-change-set --stack-name "$stack" --change-set-name "$change" --change-set-type UPDATE \
    --template-url "$url" --capabilities CAPABILITY_IAM --parameters "[$joined]" \
    --rollback-configuration "RollbackTriggers=[$trigger_list],MonitoringTimeInMinutes=$minutes" >/dev/null
if ! cloudformation wait change-set-create-complete --stack-name "$stack" --change-set-name "$change" 2>/dev/null; then
    reason="$(cloudformation describe-change-set --stack-name "$stack" --change-set-name "$change" --query StatusReason)"
    cloudformation delete-change-set --stack-name "$stack" --change-set-name "$change" >/dev/null
    case "$reason" in
    *"didn't contain changes"* | *"No updates"*)
        publish_vpc_endpoints
        echo "$stack is up to date" && exit
        ;;
    esac
    fail "no change set: $reason"
fi
# The status of the stack once nothing is in progress. The waiter of the AWS CLI gives up after an hour, and -m may be three.
settled() {
    local status
    while true; do
        status="$(cloudformation describe-stacks --stack-name "$stack" --query 'Stacks[0].StackStatus')" || return
        [[ "$status" == *_IN_PROGRESS ]] || break
        sleep 10
    done
    echo "$status"
}

# An alarm that rings would roll back a repair, and one that is gone would fail a change of FanOut.
remove_triggers() {
    local name keep=() said
    for name in $(cloudformation describe-stacks --stack-name "$stack" --query 'Stacks[0].Parameters[].ParameterKey'); do
        [[ "$name" == None ]] || keep+=("ParameterKey=$name,UsePreviousValue=true")
    done
    said="$(cloudformation update-stack --stack-name "$stack" --use-previous-template --capabilities CAPABILITY_IAM \
        ${keep[@]+--parameters "${keep[@]}"} --rollback-configuration "RollbackTriggers=[],MonitoringTimeInMinutes=0" 2>&1)" &&
        [[ "$(settled)" == UPDATE_COMPLETE ]] && return
    echo "rollout.sh: the rollback triggers stay on $stack until its next update with another --rollback-configuration (docs/aws.md, \"Update with a way back\"): $said" >&2
}

echo "updating $stack; ${#triggers[@]} alarms roll it back for $minutes minutes. Send events now, such as by lineage-proxy doctor --stack $stack"
cloudformation execute-change-set --stack-name "$stack" --change-set-name "$change" >/dev/null
result="$(settled)" || fail "the update goes on, and its end was not seen. Its rollback triggers stay on $stack: see docs/aws.md, \"Update with a way back\""
case "$result" in
UPDATE_COMPLETE | UPDATE_ROLLBACK_COMPLETE) remove_triggers ;; # no other state can be updated
esac
[[ "$result" == UPDATE_COMPLETE ]] ||
    fail "$stack is $result: see aws cloudformation describe-stack-events --stack-name $stack, and the logs of the functions"
publish_vpc_endpoints
echo "updated $stack"
