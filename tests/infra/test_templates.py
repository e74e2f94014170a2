"""The templates before anyone deploys them: cfn-lint, checkov and our own invariants, for every variant."""

import fnmatch
import json
import pathlib
import re
import subprocess
import sys

import cfn_guard_rs
import pytest
from variants import EXTERNAL_ID, KEY, LAYER, OPEN, ROLE, SECRET, SOURCE_TEMPLATES, SOURCE_VARIANTS, TARGET_TEMPLATE, TARGET_VARIANTS, TEMPLATE, VARIANTS, WEB_ACL, resolved, source, statements, substituted, target, template

BIN = pathlib.Path(sys.executable).parent
RULES = TEMPLATE.with_name("invariants.guard").read_text()
PAGE = TEMPLATE.parents[1] / "docs/aws.md"


def failed(document):
    """The invariants that a template breaks."""
    # Without the dashboard, whose text the bindings of Guard mistake for their own output.
    resources = {name: resource for name, resource in document["Resources"].items() if resource["Type"] != "AWS::CloudWatch::Dashboard"}
    head, *rules = RULES.split("\nrule ")
    broken = set()
    for rule in rules:
        try:
            report = cfn_guard_rs.run_checks({"Resources": resources}, f"{head}\nrule {rule}")
            # A rule is left out only by its own `when`.
            is_left_out = report.status == "SKIP" and " when %" in rule.splitlines()[0]
            holds = is_left_out or report.status == "PASS" and len(report.compliant) == 1
        except (json.JSONDecodeError, cfn_guard_rs.errors.UnknownError):
            holds = False  # the bindings cut long reports, and only failures are long
        if not holds:
            broken.add(rule.split()[0])
    return broken


def test_cfn_lint_finds_nothing():
    done = subprocess.run([BIN / "cfn-lint", TEMPLATE, TARGET_TEMPLATE, *SOURCE_TEMPLATES.values(), "--regions", "us-east-1", "eu-west-1"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_checkov_finds_nothing_in_any_variant(tmp_path):
    files = [str(path) for path in (TEMPLATE, TARGET_TEMPLATE, *SOURCE_TEMPLATES.values())]
    documents = {name: resolved(parameters) for name, parameters in VARIANTS.items()}
    documents |= {f"target {name}": target(parameters) for name, parameters in TARGET_VARIANTS.items()}
    documents |= {"source " + " ".join(variant): source(variant) for variant in SOURCE_VARIANTS}
    for name, document in documents.items():
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(document))
        files.append(str(path))
    flags = [flag for file in files for flag in ("--file", file)]
    command = [BIN / "checkov", *flags, "--framework", "cloudformation", "--compact", "--quiet", "--skip-download"]
    done = subprocess.run(command, capture_output=True, text=True, env={"LOG_LEVEL": "ERROR", "PATH": str(BIN)})
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Passed checks" in done.stdout


def test_the_documentation_names_every_parameter_and_no_other():
    text = PAGE.read_text()
    table = re.search(r"\n\| parameter \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", text)[1]
    first = [name for row in table.splitlines() for name in re.findall(r"`(\w+)`", row.split("|")[1])]
    parameters = set(template()["Parameters"]) | set(template(TARGET_TEMPLATE)["Parameters"])
    assert len(first) == len(set(first)) and set(first) <= parameters, set(first) - parameters
    parameters |= {name for path in SOURCE_TEMPLATES.values() for name in template(path)["Parameters"]}
    # Those that go with another stand in its row, and two of them in the text before.
    assert parameters <= set(re.findall(r"`(\w+)`", text)), parameters - set(re.findall(r"`(\w+)`", text))


@pytest.mark.parametrize("variant", VARIANTS)
def test_invariants_hold(variant):
    assert failed(resolved(VARIANTS[variant])) == set()


@pytest.mark.parametrize("variant", TARGET_VARIANTS)
def test_invariants_hold_in_target_stacks(variant):
    assert failed(target(TARGET_VARIANTS[variant])) == set()
    assert failed(target(TARGET_VARIANTS[variant] | {"Attached": "false"})) == set()


@pytest.mark.parametrize("variant", SOURCE_VARIANTS, ids=" ".join)
def test_invariants_hold_in_stacks_of_sources(variant):
    assert failed(source(variant)) == set()


@pytest.mark.parametrize("kind", ["kinesis", "kafka"])
def test_a_stream_is_not_held_up_for_ever_and_what_is_given_up_is_kept(kind):
    resources = source(("stream", kind))["Resources"]
    [mapping] = [resource["Properties"] for resource in resources.values() if "StartingPosition" in resource["Properties"]]
    bucket = json.dumps(mapping["DestinationConfig"]["OnFailure"]["Destination"])
    assert ":s3:::" in bucket and ("LargeEventsBucket" in bucket or "large" in bucket)
    [policy] = resources["SourceRole"]["Properties"]["Policies"]
    actions = {statement["Sid"]: statement["Action"] for statement in policy["PolicyDocument"]["Statement"]}
    assert (actions["Discarded"], actions["DiscardedBefore"]) == ("s3:PutObject", "s3:ListBucket")
    # Of Kafka, for provisioned pollers only.
    if kind == "kinesis":
        assert mapping["BisectBatchOnFunctionError"] and 0 < mapping["MaximumRetryAttempts"] <= 10_000


@pytest.mark.parametrize(("kind", "metrics"), [("kinesis", {"IteratorAge", "DestinationDeliveryFailures"}), ("kafka", {"DestinationDeliveryFailures"}), ("sqs", set()), ("sns", set())])
def test_a_stream_that_waits_and_records_that_could_not_be_kept_ring_an_alarm(kind, metrics):
    resources = source(("stream", kind))["Resources"]
    alarms = {resource["Properties"]["MetricName"]: resource["Properties"] for resource in resources.values() if resource["Type"] == "AWS::CloudWatch::Alarm"}
    assert set(alarms) - {"Errors", "ApproximateNumberOfMessagesVisible"} == metrics
    for metric in metrics:
        assert alarms[metric]["Namespace"] == "AWS/Lambda" and alarms[metric]["Dimensions"] == alarms["Errors"]["Dimensions"]
        assert alarms[metric]["AlarmActions"] == alarms["Errors"]["AlarmActions"] and len(alarms[metric]["AlarmDescription"]) > 60
    if kind == "kinesis":
        # Milliseconds: long before 360 retries are exhausted, of which each takes half a minute.
        assert 60_000 < int(alarms["IteratorAge"]["Threshold"]) < 360 * 30_000 / 4


def test_an_open_endpoint_is_never_the_default():
    assert failed(resolved(OPEN)) == {"senders_are_authenticated"}


def statement_of(resources, role, sid):
    [found] = (statement for statement in resources[role]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"] if statement["Sid"] == sid)
    return found


BREAKS = {
    "the_queue_has_a_dead_letter_queue": lambda all: all["EventQueue"]["Properties"].pop("RedrivePolicy"),
    "partial_failures_are_reported": lambda all: all["BatchSource"]["Properties"].pop("FunctionResponseTypes"),
    "the_visibility_timeout_covers_the_batch_function": lambda all: all["Batch"]["Properties"].update(Timeout=60),
    "no_policy_has_a_wildcard": lambda all: all["BatchRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"][1].update(Resource="*"),
    "senders_are_authenticated": lambda all: all["Ingest"]["Properties"]["Environment"]["Variables"].update(LINEAGE_PROXY_AUTH_ALLOW_ANONYMOUS="true"),
    "data_is_encrypted_and_retained": lambda all: all["DeadLetterQueue"]["Properties"].pop("SqsManagedSseEnabled"),
    "only_over_tls": lambda all: all.pop("DeadLettersOverTlsOnly"),
    "a_subscription_is_raw_and_has_dead_letters": lambda all: all["FanOutSubscription"]["Properties"].update(RawMessageDelivery=False),
    "a_role_is_assumed_by_its_own_arn": lambda all: statement_of(all, "BatchRole", "Assume").update(Resource="arn:aws:iam::210987654321:role/*"),
    "a_failed_invocation_of_a_source_is_kept_and_can_be_made_again": lambda all: all["SourceInvocations"]["Properties"].pop("DestinationConfig"),
}


@pytest.mark.parametrize("rule", BREAKS)
def test_each_invariant_can_be_broken(rule):
    document = source(("logs", "one group")) if "of_a_source" in rule else resolved({**VARIANTS["fan-out"], "TargetRoleArn": ROLE})
    BREAKS[rule](document["Resources"])
    assert failed(document) == {rule}


@pytest.mark.parametrize("policy", ["QueuesOverTlsOnly", "DeadLettersOverTlsOnly"])
def test_a_subscription_waits_for_both_policies(policy):
    document = resolved(VARIANTS["fan-out"])
    document["Resources"]["FanOutSubscription"]["DependsOn"].remove(policy)
    assert failed(document) == {"a_subscription_is_raw_and_has_dead_letters"}


def test_every_invariant_is_broken_once_here():
    assert {line.split()[1] for line in RULES.splitlines() if line.startswith("rule ")} == set(BREAKS)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"DomainId": ""}, "needs DomainId"),
        ({"Target": "openlineage"}, "needs OpenLineageUrl"),
        ({"Target": "datahub"}, "needs DataHubUrl"),
        ({"Target": "glue"}, "needs GlueDatabase"),
        ({"Target": "glue", "GlueDatabase": "sales", "DeliveryCheck": "on"}, "needs the target datazone"),
        ({"Auth": "jwt", "Endpoint": "private", "VpcEndpointIds": ["vpce-1"]}, "Only an HTTP API"),
        ({"Auth": "jwt", "JwtIssuer": "https://issuer.example.com"}, "needs JwtAudience"),
        ({"Endpoint": "private"}, "needs VpcEndpointIds"),
        ({"BatchWindow": 0}, "BatchSize is 10 at most"),
        ({"BatchWindow": 0, "BatchSize": 11}, "BatchSize is 10 at most"),
        ({"WebAclArn": WEB_ACL}, "WebAclArn needs the endpoint rest"),
        ({"Endpoint": "function-url", "DisableExecuteApiEndpoint": "true"}, "needs the endpoint http-api or rest"),
        ({"ThrottlingRate": 100}, "ThrottlingRate needs ThrottlingBurst"),
        ({"ThrottlingBurst": 100}, "ThrottlingBurst needs ThrottlingRate"),
        ({"Endpoint": "function-url", "ThrottlingRate": 100, "ThrottlingBurst": 200}, "A function URL has no throttling"),
        ({"RulesFile": "rules/transforms.yaml", "RulesPrefix": "rules"}, "not both"),
        ({"RulesFile": "rules/transforms.yaml", "RulesBucketName": "rules"}, "RulesBucketName needs RulesPrefix"),
        ({"RulesPrefix": "rules", "RulesLayerArn": LAYER}, "RulesLayerArn needs RulesFile"),
        ({"RulesHashKeySecretArn": SECRET}, "RulesHashKeySecretArn needs rules"),
        ({"SubnetIds": "subnet-1a"}, "SubnetIds needs SecurityGroupIds"),
        ({"SecurityGroupIds": "sg-1a"}, "SecurityGroupIds needs SubnetIds"),
        ({"TargetExternalId": EXTERNAL_ID}, "TargetExternalId needs TargetRoleArn"),
        ({"RedshiftExternalId": EXTERNAL_ID, "TargetRoleArn": ROLE}, "RedshiftExternalId needs RedshiftRoleArn"),
    ],
)
def test_conflicting_parameters_are_rejected_before_anything_is_created(parameters, message):
    with pytest.raises(AssertionError, match=message):
        resolved({**VARIANTS["default"], **parameters})


@pytest.mark.parametrize(
    ("variant", "reserved", "limits"),
    [
        ("default", None, None),
        ("private", None, None),
        ("limited", 50, {"ThrottlingRateLimit": 100, "ThrottlingBurstLimit": 200}),
        ("rest", None, {"ThrottlingRateLimit": 100, "ThrottlingBurstLimit": 200}),
        ("private, limited", None, {"ThrottlingRateLimit": 100, "ThrottlingBurstLimit": 200}),
        ("function url, limited", 50, None),
    ],
)
def test_ingest_is_limited_only_where_that_was_asked_for(variant, reserved, limits):
    """Whatever limits it can cost events."""
    resources = resolved(VARIANTS[variant])["Resources"]
    assert resources["Ingest"]["Properties"].get("ReservedConcurrentExecutions") == reserved
    if "HttpStage" in resources:
        assert resources["HttpStage"]["Properties"].get("DefaultRouteSettings") == limits
    if "RestStage" in resources:
        assert resources["RestStage"]["Properties"].get("MethodSettings") == (limits and [{"HttpMethod": "*", "ResourcePath": "/*", **limits}])


@pytest.mark.parametrize(("parameters", "window", "size"), [({}, 5, 20), ({"BatchWindow": 0, "BatchSize": 10}, 0, 10), ({"BatchWindow": 0, "Order": "run"}, None, 10)])
def test_a_batch_has_a_window_or_ten_events_at_most(parameters, window, size):
    for resources in (resolved({**VARIANTS["default"], **parameters})["Resources"], target({**TARGET_VARIANTS["default"], **parameters})["Resources"]):
        source = resources["BatchSource"]["Properties"]
        assert (source.get("MaximumBatchingWindowInSeconds"), source["BatchSize"]) == (window, size)


def test_no_template_names_a_partition_or_what_only_one_has():
    """ARNs, and the links of the console, which China and GovCloud have elsewhere."""
    for path in (TEMPLATE, TARGET_TEMPLATE, *SOURCE_TEMPLATES.values()):
        text = json.dumps({key: section for key, section in template(path).items() if key != "Parameters"})
        assert not re.findall(r"arn:aws[a-z-]*:", text) and ".amazonaws.com/" not in text, path
        # The one host of the console that is written out is that of the commercial regions, in the choice between all three.
        assert "console.aws.amazon.com" not in text.replace('"${AWS::Region}.console.aws.amazon.com"', ""), path
        choices = consoles(template(path))
        assert len(choices) == text.count('"${AWS::Region}.console.aws.amazon.com"') == {TEMPLATE: 3, TARGET_TEMPLATE: 2}.get(path, 0), path
        assert all(choice == consoles(template())[0] for choice in choices)
        assert not choices or {"InChina", "InGovCloud"} <= template(path)["Conditions"].keys()
    console = consoles(template())[0]
    [china, [gov, elsewhere]] = (lambda choice: [choice[:2], [choice[2]["Fn::If"][:2], choice[2]["Fn::If"][2]]])(console["Fn::If"])
    assert (china, gov) == (["InChina", "console.amazonaws.cn"], ["InGovCloud", "console.amazonaws-us-gov.com"])
    assert elsewhere == {"Fn::Sub": "${AWS::Region}.console.aws.amazon.com"}


def consoles(value):
    """What stands for `${Console}`, wherever it does."""
    if isinstance(value, list):
        return [found for item in value for found in consoles(item)]
    if not isinstance(value, dict):
        return []
    return [found for key, item in value.items() for found in ([item] if key == "Console" else consoles(item))]


def test_a_customer_key_encrypts_everything():
    resources = resolved(VARIANTS["customer key"] | {"DeliveryCheck": "on", "FanOut": "on"})["Resources"]
    places = {
        "AWS::SQS::Queue": lambda properties: properties["KmsMasterKeyId"],
        "AWS::S3::Bucket": lambda properties: properties["BucketEncryption"]["ServerSideEncryptionConfiguration"][0]["ServerSideEncryptionByDefault"]["KMSMasterKeyID"],
        "AWS::SecretsManager::Secret": lambda properties: properties["KmsKeyId"],
        "AWS::Logs::LogGroup": lambda properties: properties["KmsKeyId"],
        "AWS::Lambda::Function": lambda properties: properties["KmsKeyArn"],
        "AWS::SNS::Topic": lambda properties: properties["KmsMasterKeyId"],
    }
    keys = [(name, places[resource["Type"]](resource["Properties"])) for name, resource in resources.items() if resource["Type"] in places]
    assert len(keys) == 13 and {key for _, key in keys} == {KEY}


def test_the_batch_function_is_in_a_vpc_and_may_not_change_it():
    for stack in (resolved(VARIANTS["in a vpc"]), target(TARGET_VARIANTS["in a vpc"])):
        functions = {name: resource["Properties"] for name, resource in stack["Resources"].items() if resource["Type"] == "AWS::Lambda::Function"}
        assert functions["Batch"]["VpcConfig"] == {"SubnetIds": {"Fn::Split": [",", "subnet-1a,subnet-1b"]}, "SecurityGroupIds": {"Fn::Split": [",", "sg-1a"]}}
        assert not any("VpcConfig" in function for name, function in functions.items() if name != "Batch")
        allowed, denied = statements(stack, "BatchRole")["Network"], statements(stack, "BatchRole")["NetworkOfLambdaOnly"]
        assert set(allowed["Action"]) == set(denied["Action"]) and denied["Effect"] == "Deny"
        # CloudFormation names the function STACK-Batch-ID.
        pattern = denied["Condition"]["ArnLike"]["lambda:SourceFunctionArn"]["Fn::Sub"]
        names = {"AWS::Partition": "aws", "AWS::Region": "eu-west-1", "AWS::AccountId": "1", "AWS::StackName": "lineage"}
        assert fnmatch.fnmatchcase("arn:aws:lambda:eu-west-1:1:function:lineage-Batch-1A2B", substituted({"Fn::Sub": [pattern, {}]}, names))
    batch = resolved(VARIANTS["default"])["Resources"]["Batch"]["Properties"]
    assert "VpcConfig" not in batch and not {"Network", "NetworkOfLambdaOnly"} & statements(resolved(VARIANTS["default"]), "BatchRole").keys()


@pytest.mark.parametrize(("variant", "enabled"), [("default", True), ("paused", False)])
def test_a_paused_stack_receives_nothing_and_accepts_everything(variant, enabled):
    for stack in (resolved(VARIANTS[variant]), target(TARGET_VARIANTS[variant])):
        assert stack["Resources"]["BatchSource"]["Properties"]["Enabled"] is enabled
    assert resolved(VARIANTS["default"])["Resources"]["Ingest"] == resolved(VARIANTS["paused"])["Resources"]["Ingest"]
    for path in (TEMPLATE, TARGET_TEMPLATE):
        assert template(path)["Outputs"]["Paused"]["Value"] == {"Ref": "Paused"}  # for doctor


@pytest.mark.parametrize(("variant", "mode"), [("default", None), ("traced", {"Mode": "Active"})])
def test_functions_are_traced_where_it_is_asked_for(variant, mode):
    for stack in (resolved(VARIANTS[variant] | {"Endpoint": "private", "VpcEndpointIds": ["vpce-1a"]}), target(TARGET_VARIANTS[variant])):
        functions = {name: resource["Properties"] for name, resource in stack["Resources"].items() if resource["Type"] == "AWS::Lambda::Function"}
        for name, function in functions.items():
            assert function.get("TracingConfig") == mode, name
            assert ("Trace" in statements(stack, f"{name}Role")) == (mode is not None), name
        if "RestStage" in stack["Resources"]:
            assert stack["Resources"]["RestStage"]["Properties"].get("TracingEnabled") == (True if mode else None)


def test_every_role_is_below_the_path():
    stacks = [resolved(VARIANTS["below a path"] | {"DeliveryCheck": "on"}), target(TARGET_VARIANTS["below a path"])]
    stacks += [resolved({**SOURCE_VARIANTS[name, "topic"], "RolePath": "/lineage/"}, template(path)) for name, path in SOURCE_TEMPLATES.items()]
    for stack in stacks:
        roles = [resource["Properties"] for resource in stack["Resources"].values() if resource["Type"] == "AWS::IAM::Role"]
        assert roles and all(role["Path"] == "/lineage/" for role in roles)


def test_every_log_outlives_its_stack_and_is_found_by_its_prefix():
    stacks = [resolved(VARIANTS[variant]) for variant in ("ingest only", "default", "checked", "function url")]
    stacks += [target(TARGET_VARIANTS["default"]), target(TARGET_VARIANTS["checked"]), *(source((name, "topic")) for name in SOURCE_TEMPLATES)]
    kept = []
    for stack in stacks:
        groups = {name: resource for name, resource in stack["Resources"].items() if resource["Type"] == "AWS::Logs::LogGroup"}
        kept.append(set(groups))
        for name, group in groups.items():
            assert (group["DeletionPolicy"], group["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")
            [text, more] = group["Properties"]["LogGroupName"]["Fn::Sub"]
            # A kept group must not be met again: neither by a stack of the same name, nor by this one.
            assert text == ("/aws/vendedlogs/" if name == "AccessLogs" else "/aws/lambda/") + "${AWS::StackName}-" + name.removesuffix("Logs").lower() + "-${Id}"
            assert more["Id"]["Fn::Select"][1]["Fn::Split"] == ["/", {"Ref": "AWS::StackId"}]
    # Nor by this stack: whatever the parameters are, it has the same ones.
    assert kept == [{"IngestLogs", "BatchLogs", "CheckLogs", "AccessLogs"}] * 4 + [{"BatchLogs", "CheckLogs"}] * 2 + [{"SourceLogs"}] * len(SOURCE_TEMPLATES)


def test_no_queue_has_a_name_that_it_could_meet_again():
    """A queue is kept when it is replaced, so a second change of Order back and forth would find its own name taken."""
    for stack in (resolved(VARIANTS["in order"]), target(TARGET_VARIANTS["in order"])):
        queues = [resource["Properties"] for resource in stack["Resources"].values() if resource["Type"] == "AWS::SQS::Queue"]
        assert len(queues) == 2 and all(queue["FifoQueue"] and "QueueName" not in queue for queue in queues)


def test_the_check_looks_at_every_hour_once():
    """It looks at the last whole hour that ended ten minutes ago: at a fixed minute after that, whatever EventBridge's delay of a minute."""
    for stack in (resolved(VARIANTS["checked"]), target(TARGET_VARIANTS["checked"])):
        minute = re.fullmatch(r"cron\((\d+) \* \* \* \? \*\)", stack["Resources"]["CheckSchedule"]["Properties"]["ScheduleExpression"])[1]
        assert 12 <= int(minute) <= 57
    for path in (TEMPLATE, TARGET_TEMPLATE):
        assert template(path)["Outputs"]["CheckRoleArn"] == {"Condition": "Checks", "Description": template(path)["Outputs"]["CheckRoleArn"]["Description"], "Value": {"Fn::GetAtt": ["CheckRole", "Arn"]}}
