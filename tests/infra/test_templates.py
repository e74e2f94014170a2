"""The templates before anyone deploys them: cfn-lint, checkov and our own invariants, for every variant."""

import fnmatch
import json
import pathlib
import re
import subprocess
import sys

import cfn_guard_rs
import pytest
import yaml
from metric_math import compared
from variants import DOMAIN_KEY, KEY, LAYER, OPEN, SECRET, SECRETS_KEY, SOURCE_TEMPLATES, SOURCE_VARIANTS, TARGET_TEMPLATE, TARGET_VARIANTS, TEMPLATE, TO_QUEUE, TOPIC as ON_CALL, VARIANTS, WEB_ACL, resolved, template

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


def target(parameters):
    """A target stack as it is deployed with these parameters."""
    return resolved(parameters, template(TARGET_TEMPLATE))


def source(variant):
    """The stack of a source as it is deployed."""
    return resolved(SOURCE_VARIANTS[variant], template(SOURCE_TEMPLATES[variant[0]]))


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


BREAKS = {
    "the_queue_has_a_dead_letter_queue": lambda all: all["EventQueue"]["Properties"].pop("RedrivePolicy"),
    "partial_failures_are_reported": lambda all: all["BatchSource"]["Properties"].pop("FunctionResponseTypes"),
    "the_visibility_timeout_covers_the_batch_function": lambda all: all["Batch"]["Properties"].update(Timeout=60),
    "no_policy_has_a_wildcard": lambda all: all["BatchRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"][1].update(Resource="*"),
    "senders_are_authenticated": lambda all: all["Ingest"]["Properties"]["Environment"]["Variables"].update(LINEAGE_PROXY_AUTH_ALLOW_ANONYMOUS="true"),
    "data_is_encrypted_and_retained": lambda all: all["DeadLetterQueue"]["Properties"].pop("SqsManagedSseEnabled"),
    "only_over_tls": lambda all: all.pop("DeadLettersOverTlsOnly"),
    "a_subscription_is_raw_and_has_dead_letters": lambda all: all["FanOutSubscription"]["Properties"].update(RawMessageDelivery=False),
    "a_failed_invocation_of_a_source_is_kept_and_can_be_made_again": lambda all: all["SourceInvocations"]["Properties"].pop("DestinationConfig"),
}


@pytest.mark.parametrize("rule", BREAKS)
def test_each_invariant_can_be_broken(rule):
    document = source(("logs", "one group")) if "of_a_source" in rule else resolved(VARIANTS["fan-out"])
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


def batch(variant):
    """The batch function of a variant: its settings, its layers, and the statements of its role by their names."""
    resources = resolved(VARIANTS[variant])["Resources"]
    function, [policy] = resources["Batch"]["Properties"], resources["BatchRole"]["Properties"]["Policies"]
    statements = {statement["Sid"]: (statement["Action"], statement["Resource"]) for statement in policy["PolicyDocument"]["Statement"]}
    return function["Environment"]["Variables"], function.get("Layers"), statements


@pytest.mark.parametrize(
    ("variant", "file", "refresh", "layers", "objects"),
    [
        ("default", "", 60, None, None),
        ("rules in the function", "rules/transforms.yaml", 60, None, None),
        ("rules in s3", "s3://assets/lineage-proxy/rules/transforms.yaml", 60, None, "arn:aws:s3:::assets/lineage-proxy/rules/*"),
        ("rules in another bucket, with a hash key", "s3://rules-of-the-team/live/transforms.yaml", 300, None, "arn:aws:s3:::rules-of-the-team/live/*"),
        ("rules in a layer, with a hash key", "/opt/transforms.yaml", 60, [LAYER], None),
    ],
)
def test_the_batch_function_can_read_its_rules_and_nothing_else(variant, file, refresh, layers, objects):
    variables, found, statements = batch(variant)
    passed = variables["LINEAGE_PROXY_RULES_FILE"], variables["LINEAGE_PROXY_RULES_REFRESH"], variables["LINEAGE_PROXY_RULES_HASH_KEY_SECRET_ID"]
    secret = SECRET if variant.endswith("with a hash key") else ""
    assert (substituted(passed[0], VARIANTS[variant]), *passed[1:]) == (file, refresh, secret)
    assert found == layers
    assert statements.get("RulesHashKey") == (("secretsmanager:GetSecretValue", secret) if secret else None)
    action, resource = statements.get("Rules", (None, None))
    assert (action, resource and substituted(resource, VARIANTS[variant])) == ("s3:GetObject" if objects else None, objects)


def statements(document, role):
    """The statements of a role, by their names."""
    [policy] = document["Resources"][role]["Properties"]["Policies"]
    return {statement["Sid"]: statement for statement in policy["PolicyDocument"]["Statement"]}


@pytest.mark.parametrize(("variant", "region", "roles"), [("domain with a key", {"Ref": "AWS::Region"}, ["BatchRole"]), ("domain with a key elsewhere, checked", "us-east-1", ["BatchRole", "CheckRole"])])
def test_who_calls_a_domain_may_use_its_key_through_datazone_alone(variant, region, roles):
    for stack in (resolved(VARIANTS[variant]), target(TARGET_VARIANTS[variant])):
        for role in roles:
            key = statements(stack, role)["DomainKey"]
            assert (key["Resource"], set(key["Action"])) == (DOMAIN_KEY, {"kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey", "kms:DescribeKey"})
            [text, more] = key["Condition"]["StringEquals"]["kms:ViaService"]["Fn::Sub"]
            assert (text, more) == ("datazone.${Region}.amazonaws.com", {"Region": region})


def test_a_key_of_the_domain_is_for_those_alone_that_call_it():
    others = ["default", "checked", "openlineage", "domain with a key, by a role"]  # the role that is assumed has a key of its own
    for variant in others:
        for stack in (resolved(VARIANTS[variant]), target(TARGET_VARIANTS[variant])):
            assert "DomainKey" not in json.dumps([resource for resource in stack["Resources"].values() if resource["Type"] == "AWS::IAM::Role"]), variant


def test_a_secret_under_another_key_can_be_read_through_its_service():
    for stack in (resolved(VARIANTS["datahub, with a secret of another account"]), target(TARGET_VARIANTS["datahub, with a secret of another account"])):
        key = statements(stack, "BatchRole")["SecretsKey"]
        condition = {"StringEquals": {"kms:ViaService": {"Fn::Sub": "secretsmanager.${AWS::Region}.amazonaws.com"}}}
        assert (key["Action"], key["Resource"], key["Condition"]) == ("kms:Decrypt", SECRETS_KEY, condition)
    assert "SecretsKey" not in statements(resolved(VARIANTS["datahub"]), "BatchRole")


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


def substituted(value, parameters):
    """The text of a `Fn::Sub`; a text by itself."""
    if isinstance(value, str):
        return value
    text, more = value["Fn::Sub"]
    for name, of in {**parameters, **more, "AWS::Partition": "aws"}.items():
        text = text.replace(f"${{{name}}}", str(of))
    return text


@pytest.mark.parametrize(("variant", "told"), [("default", []), ("notified by e-mail", [{"Ref": "Topic"}]), ("notified by a topic", [ON_CALL]), ("notified by both", [{"Ref": "Topic"}, ON_CALL])])
def test_every_alarm_says_what_to_do_and_tells_whom_it_should(variant, told):
    alarms = {name: resource["Properties"] for name, resource in resolved(VARIANTS[variant] | {"DeliveryCheck": "on", "RulesPrefix": "rules", "FanOut": "on"})["Resources"].items() if resource["Type"] == "AWS::CloudWatch::Alarm"}
    assert len(alarms) == 22
    for name, alarm in alarms.items():
        assert len(alarm["AlarmDescription"] if isinstance(alarm["AlarmDescription"], str) else alarm["AlarmDescription"]["Fn::Sub"]) > 60, name
        assert alarm["AlarmActions"] == told == alarm["OKActions"], name


# Of each endpoint, where CloudWatch has its requests: the namespace, the metrics, and the one dimension.
ENDPOINTS = {
    "default": ("AWS/ApiGateway", "Count", "4xx", "5xx", "ApiId", {"Ref": "HttpApi"}),
    "jwt": ("AWS/ApiGateway", "Count", "4xx", "5xx", "ApiId", {"Ref": "HttpApi"}),
    "private": ("AWS/ApiGateway", "Count", "4XXError", "5XXError", "ApiName", {"Ref": "AWS::StackName"}),
    "rest": ("AWS/ApiGateway", "Count", "4XXError", "5XXError", "ApiName", {"Ref": "AWS::StackName"}),
    "function url": ("AWS/Lambda", "UrlRequestCount", "Url4xxCount", "Url5xxCount", "FunctionName", {"Ref": "Ingest"}),
    "ingest only": ("AWS/ApiGateway", "Count", "4xx", "5xx", "ApiId", {"Ref": "HttpApi"}),
}


@pytest.mark.parametrize("variant", ENDPOINTS)
def test_what_the_gateway_answers_by_itself_is_in_an_alarm_and_on_the_dashboard(variant):
    namespace, requests, rejected, failed, dimension, value = ENDPOINTS[variant]
    resources = resolved(VARIANTS[variant])["Resources"]
    dimensions = [{"Name": dimension, "Value": value}]
    fails = resources["GatewayFails"]["Properties"]
    assert (fails["Namespace"], fails["MetricName"], fails["Dimensions"]) == (namespace, failed, dimensions)
    of = {metric["Id"]: metric["MetricStat"]["Metric"] for metric in resources["GatewayRejects"]["Properties"]["Metrics"] if "MetricStat" in metric}
    assert of.pop("invocations") == {"Namespace": "AWS/Lambda", "MetricName": "Invocations", "Dimensions": [{"Name": "FunctionName", "Value": {"Ref": "Ingest"}}]}
    assert of == {id: {"Namespace": namespace, "MetricName": name, "Dimensions": dimensions} for id, name in (("requests", requests), ("rejected", rejected))}
    widgets = dashboard(resources)
    [shown] = (widget["properties"]["metrics"] for widget in widgets if widget["properties"].get("title") == "Requests at the gateway")
    api = f"${{{value['Ref']}}}"
    for name in (requests, rejected, failed):
        assert [namespace, name, dimension, api] in [metric[:4] for metric in shown], name
    of_ingest = [metric[1] for metric in shown if metric[:1] + metric[2:4] == ["AWS/Lambda", "FunctionName", "${Ingest}"]]
    assert {"Invocations", "Throttles"} <= set(of_ingest)


@pytest.mark.parametrize(
    ("requests", "rejected", "reached_ingest", "share"),
    [
        (1000, 100, 900, 0.1),  # by the gateway alone
        (1000, 100, 1000, 0.0),  # by ingest alone, which has an alarm of its own
        (1000, 500, 800, 0.2),  # by both
        (1000, 30, 800, 0.03),  # what ended in a 5xx is not rejected
        (1000, 0, 1002, 0.0),  # counted in another minute
        (12, 9, 3, 0.0),  # a few are no fault of a fleet
        (12, 12, None, 1.0),  # nothing reached ingest
        (None, None, None, None),  # nobody called
    ],
)
def test_the_share_that_the_gateway_rejects_leaves_out_what_reached_ingest(requests, rejected, reached_ingest, share):
    values = {"Count": requests, "4xx": rejected, "Invocations": reached_ingest}
    metrics = resolved(VARIANTS["default"])["Resources"]["GatewayRejects"]["Properties"]["Metrics"]
    assert compared(metrics, lambda metric: values[metric["Metric"]["MetricName"]]) == share


def test_the_access_log_says_who_called_and_why_the_gateway_refused():
    who = {"source_ip": "$context.identity.sourceIp", "user_agent": "$context.identity.userAgent", "caller": "$context.identity.userArn"}
    log = json.loads(resolved(VARIANTS["jwt"])["Resources"]["HttpStage"]["Properties"]["AccessLogSettings"]["Format"])
    assert log.items() >= {**who, "error": "$context.error.message", "authorizer_error": "$context.authorizer.error"}.items()
    stage = resolved(VARIANTS["private, with an access log"])["Resources"]["RestStage"]["Properties"]
    log = json.loads(stage["AccessLogSetting"]["Format"])
    assert log.items() >= {**who, "error_type": "$context.error.responseType", "vpc_endpoint": "$context.identity.vpceId"}.items()
    # A wrong signature is answered with the request that was signed, its session token included.
    assert "$context.error.message" not in log.values() and "$context.authorize.error" not in log.values()


@pytest.mark.parametrize(("variant", "there"), [("default", True), ("private, with an access log", True), ("private", False), ("function url", False)])
def test_there_is_an_access_log_where_something_writes_it(variant, there):
    """A REST API writes none without a role of the whole account, and a stage that is to has no chance without."""
    resources = resolved(VARIANTS[variant])["Resources"]
    writes = any("AccessLogs}" in json.dumps(resource) for name, resource in resources.items() if name in ("HttpStage", "RestStage"))
    queried = [widget for widget in dashboard(resources) if "${AccessLogs}" in widget["properties"].get("query", "")]
    assert (there, there) == (writes, bool(queried))


@pytest.mark.parametrize("variant", ["default", "function url", "private", "private, with an access log", "checked", "checked in another account, customer key", "rules in s3", "rules in the function", "fan-out", "ingest only, with what belongs to a target"])
def test_the_dashboard_is_json_and_shows_every_alarm(variant):
    assert_dashboard(resolved(VARIANTS[variant])["Resources"])


@pytest.mark.parametrize("variant", ["default", "checked", "rules in s3"])
def test_a_target_has_a_dashboard_of_its_own(variant):
    assert_dashboard(target(TARGET_VARIANTS[variant])["Resources"])


def dashboard(resources):
    """The widgets of a stack's dashboard."""
    [dashboard] = (resource for resource in resources.values() if resource["Type"] == "AWS::CloudWatch::Dashboard")
    body, more = dashboard["Properties"]["DashboardBody"]["Fn::Sub"]
    for name, value in more.items():
        text = value if isinstance(value, str) else value["Fn::Sub"] if "Fn::Sub" in value else f"${{{value['Ref']}}}" if "Ref" in value else name
        assert f"${{{name}}}" in body, name
        body = body.replace(f"${{{name}}}", text)
    return json.loads(body)["widgets"]


def assert_dashboard(resources):
    widgets = dashboard(resources)
    shown = {alarm.strip("${}").removesuffix(".Arn") for alarm in widgets[0]["properties"]["alarms"]}
    # Discovered names of fields, in which a period needs no backticks and part of a name takes none:
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax.html
    assert "`" not in json.dumps([widget["properties"].get("query", "") for widget in widgets])
    assert shown == {name for name, resource in resources.items() if resource["Type"] == "AWS::CloudWatch::Alarm"}


@pytest.mark.parametrize(
    ("retention", "queued", "retried", "dead", "near"),
    [
        (1_209_600, 900_000, None, None, False),
        (1_209_600, 970_000, None, None, True),
        (1_209_600, 0, 970_000, None, True),  # which SQS leaves out of its age
        (345_600, 280_000, None, None, True),  # of the four days of this queue
        # The age of a dead letter counts from the move, and SQS deletes it 14 days after it was sent. One that waited for 11 days before,
        # when the alarm would have rung for it in the queue, has three left.
        (1_209_600, 0, None, 172_000, False),
        (1_209_600, 0, None, 1_209_600 - 967_680 - 3600, True),
        (345_600, 0, None, 173_000, True),
        (1_209_600, None, None, None, False),
    ],
)
def test_an_alarm_rings_long_before_sqs_deletes_an_event(retention, queued, retried, dead, near):
    for resources in (resolved(VARIANTS["default"])["Resources"], target(TARGET_VARIANTS["default"])["Resources"]):
        alarm = resources["NearExpiry"]["Properties"]
        text = json.dumps(alarm["Metrics"])
        text = re.sub(r'{"Fn::Sub": ("[^"]*")}', r"\1", text).replace("${MessageRetention}", str(retention))
        ages = {"EventQueue": queued, "batch": retried, "DeadLetterQueue": dead}

        def age(metric):
            [name] = (name for name in ages if f'"{name}"' in json.dumps(metric) or f'"{name}.' in json.dumps(metric))
            assert metric["Stat"] == "Maximum"
            return ages[name]

        spent = compared(json.loads(text), age)
        assert (spent is not None and spent > float(alarm["Threshold"])) == near
        assert float(alarm["Threshold"]) == 0.8 and resources["EventQueue"]["Properties"]["MessageRetentionPeriod"] == 1_209_600


@pytest.mark.parametrize("variant", [name for name, parameters in VARIANTS.items() if parameters.get("Auth", "key") != "none"])
def test_whoever_has_no_key_has_to_go_on_for_three_periods_to_ring_an_alarm(variant):
    """Of what anyone can cause who reaches the endpoint: rejected by the gateway, failed by it, throttled."""
    alarms = resolved(VARIANTS[variant])["Resources"]
    for name in ("GatewayRejects", "GatewayFails", "IngestThrottles", "Rejected"):
        properties = alarms[name]["Properties"]
        assert (properties["EvaluationPeriods"], properties["DatapointsToAlarm"]) == (6, 3), name


@pytest.mark.parametrize(("variant", "rejects", "fails"), [("default", "lost to the clients", "Without NotQueued"), ("rest", "503, which every client retries", "counts as 4XXError"), ("private", "503, which every client retries", "counts as 4XXError"), ("function url", "no access log", "Without NotQueued")])
def test_the_alarms_of_a_gateway_say_what_its_kind_does(variant, rejects, fails):
    resources = resolved(VARIANTS[variant])["Resources"]
    said = [resources[name]["Properties"]["AlarmDescription"] for name in ("GatewayRejects", "GatewayFails")]
    assert rejects in said[0] and fails in said[1]
    assert all(len(text) <= 1024 for text in said)  # CloudWatch takes no more
    # What the gateway of a REST API answers in place of a 429 or a 5xx of its own, and clients do not lose.
    assert ("RestThrottled" in resources, "RestFailed" in resources) == ("4XXError" in said[1],) * 2


@pytest.mark.parametrize("resources", [resolved(VARIANTS["default"])["Resources"], resolved(VARIANTS["ingest only"])["Resources"], target(TARGET_VARIANTS["default"])["Resources"]], ids=["main", "ingest only", "target"])
def test_the_dashboard_links_to_every_saved_query_and_each_reads_a_log_of_the_stack(resources):
    of = lambda kind: {name: resource["Properties"] for name, resource in resources.items() if resource["Type"] == kind}
    [text] = (widget["properties"]["markdown"] for widget in dashboard(resources) if widget["type"] == "text")
    queries = of("AWS::Logs::QueryDefinition")
    assert set(re.findall(r"queryId~'\$\{(\w+)\}\)", text)) == set(queries) != set()
    for query in queries.values():
        [group] = query["LogGroupNames"]
        assert group["Ref"] in of("AWS::Logs::LogGroup")
        assert len(query["QueryString"]) < 10_000


# ------------------------------------------------------- several targets

# What a target stack imports, as the main stack has it.
TOPIC = {"Fn::ImportValue": {"Fn::Sub": "${IngestStackName}-FanOutTopic-Order-${Order}"}}
BUCKETS = [{"Fn::ImportValue": {"Fn::Sub": ["${IngestStackName}-FanOutBucket${Key}", {"Key": key}]}} for key in ("", "-Key")]
# What only one of them has: parameters that are described otherwise, and statements about large events.
OWN_PARAMETERS = {"IngestStackName", "Attached", "Order", "KmsKeyArn"}
OWN_STATEMENTS = {"Large", "LargeDone", "LargeMissing"}
FAN_OUT = ["off", "on", "leaving", "drain", "ingest-only"]


def as_main(value):
    """Imports replaced with what they name."""
    if value == TOPIC:
        return {"Ref": "FanOutTopic"}
    if value in BUCKETS:
        return {"Ref": "LargeEvents"}
    if isinstance(value, dict):
        return {key: as_main(item) for key, item in value.items()}
    return [as_main(item) for item in value] if isinstance(value, list) else value


def taken_out(resources):
    """Takes out what may differ, and returns the statements about large events."""
    resources.pop("Dashboard")
    resources["FanOutSubscription"].pop("DependsOn")
    for policy in ("QueuesOverTlsOnly", "DeadLettersOverTlsOnly"):
        [allow] = (statement for statement in resources[policy]["Properties"]["PolicyDocument"]["Statement"] if statement["Effect"] == "Allow")
        [(_, source)] = allow.pop("Condition").items()
        assert source.keys() == {"aws:SourceArn"}
    [policy] = resources["BatchRole"]["Properties"]["Policies"]
    statements = policy["PolicyDocument"]["Statement"]
    own = [statement for statement in statements if statement["Sid"] in OWN_STATEMENTS]
    policy["PolicyDocument"]["Statement"] = [statement for statement in statements if statement["Sid"] not in OWN_STATEMENTS]
    return own


@pytest.mark.parametrize("variant", TARGET_VARIANTS)
def test_a_target_stack_is_the_target_of_the_main_stack(variant):
    ours = as_main(target(TARGET_VARIANTS[variant]))["Resources"]
    main = resolved({**VARIANTS[variant], "FanOut": "on"})["Resources"]
    for statement in taken_out(ours):
        # It reads bodies that are shared, and deletes none.
        assert statement["Action"] in ("s3:GetObject", "s3:ListBucket") and "/events/" not in json.dumps(statement)
    taken_out(main)
    assert ours == {name: main[name] for name in ours}
    # All that is not ingest's is in both.
    ingest = {name for name in main if name.startswith(("Ingest", "Http", "Rest", "Large", "Keys", "Access", "FanOut", "Rejected", "NotQueued", "FunctionUrl", "Anyone", "Gateway"))}
    assert main.keys() - ours.keys() == ingest - {"FanOutSubscription"}


@pytest.mark.parametrize("order", ["none", "run"])
def test_no_change_of_fan_out_changes_what_the_queues_accept_or_may_meet_its_own_names(order):
    """A policy takes up to a minute to spread, and what SNS may not deliver meanwhile is lost. And CloudFormation creates before it deletes."""
    steps = {step: resolved({**VARIANTS["default"], "FanOut": step, "Order": order})["Resources"] for step in FAN_OUT}
    assert set(template()["Parameters"]["FanOut"]["AllowedValues"]) == set(FAN_OUT)
    policies = [[resources[name] for name in ("QueuesOverTlsOnly", "DeadLettersOverTlsOnly")] for step, resources in steps.items() if step != "ingest-only"]
    assert all(policy == policies[0] for policy in policies)
    ids = {}
    for resources in steps.values():
        for id, resource in resources.items():
            for key in ("DashboardName", "QueueName", "TopicName"):
                if key in resource["Properties"]:
                    ids.setdefault((resource["Type"], json.dumps(resource["Properties"][key])), set()).add(id)
    assert ids and all(len(one) == 1 for one in ids.values()), ids


@pytest.mark.parametrize(("order", "topic"), [("none", "lineage-FanOutTopic-0F0F"), ("run", "lineage-events-0f0f.fifo")])
def test_both_queues_accept_what_the_topic_delivers_and_nothing_of_another(order, topic):
    resources = resolved({**VARIANTS["default"], "Order": order})["Resources"]
    own = resolved({**VARIANTS["fan-out"], "Order": order})["Resources"]["FanOutTopic"]["Properties"].get("TopicName")
    names = {"AWS::Region": "eu-west-1", "AWS::AccountId": "1", "AWS::StackName": "lineage", "Id": "0f0f"}
    text = lambda value: substituted(value if isinstance(value["Fn::Sub"], list) else {"Fn::Sub": [value["Fn::Sub"], {}]}, names | {"AWS::Partition": "aws"})
    if own:
        own["Fn::Sub"][1].clear()
        assert text(own) == topic
    for policy in ("QueuesOverTlsOnly", "DeadLettersOverTlsOnly"):
        [allow] = (statement for statement in resources[policy]["Properties"]["PolicyDocument"]["Statement"] if statement["Effect"] == "Allow")
        pattern = allow["Condition"]["ArnLike"]["aws:SourceArn"]
        if isinstance(pattern["Fn::Sub"], list):
            pattern["Fn::Sub"][1].clear()
        assert fnmatch.fnmatchcase(f"arn:aws:sns:eu-west-1:1:{topic}", text(pattern))
        assert not fnmatch.fnmatchcase(f"arn:aws:sns:eu-west-1:1:other-{topic}", text(pattern))


def test_a_target_subscribes_when_the_rest_of_it_stands():
    """Its policies have had that long to spread, and events come at once."""
    for variant in TARGET_VARIANTS.values():
        resources = target(variant)["Resources"]
        assert {"QueuesOverTlsOnly", "DeadLettersOverTlsOnly", "BatchSource", "Dashboard"} == set(resources["FanOutSubscription"]["DependsOn"])


def test_targets_keep_an_ingest_stack_from_publishing_no_more():
    outputs = template()["Outputs"]
    assert {output["Condition"] for output in outputs.values() if "Export" in output} == {"Publishes", "PublishesWithoutKey"}
    assert template()["Conditions"]["PublishesWithoutKey"] == {"Fn::And": [{"Condition": "Publishes"}, {"Fn::Not": [{"Condition": "HasKey"}]}]}


@pytest.mark.parametrize(("key", "name"), [("", "lineage-FanOutBucket"), (KEY, "lineage-FanOutBucket-Key")])
def test_a_target_without_a_key_finds_only_a_bucket_that_it_can_read(key, name):
    variables = target({**TARGET_VARIANTS["default"], "KmsKeyArn": key})["Resources"]["Batch"]["Properties"]["Environment"]["Variables"]
    imported = variables["LINEAGE_PROXY_QUEUE_BUCKET"]["Fn::ImportValue"]
    assert substituted(imported, {"IngestStackName": "lineage"}) == name
    exports = {output["Export"]["Name"]["Fn::Sub"].replace("${AWS::StackName}", "lineage"): output["Condition"] for output in template()["Outputs"].values() if "Export" in output}
    # That with a key is always there; that without one only if the bucket has none.
    assert exports[name] == ("Publishes" if key else "PublishesWithoutKey")


def test_parameters_and_rules_of_a_target_stack_are_those_of_the_main_stack():
    ours, main = template(TARGET_TEMPLATE), template()
    for name, parameter in ours["Parameters"].items():
        if name not in OWN_PARAMETERS:
            assert parameter == main["Parameters"][name], name
    assert ours["Parameters"]["Order"]["AllowedValues"] == main["Parameters"]["Order"]["AllowedValues"]
    for name, rule in ours["Rules"].items():
        assert rule["Assertions"] == main["Rules"][name]["Assertions"], name


@pytest.mark.parametrize("order", ["none", "run"])
def test_a_target_finds_the_topic_only_with_the_order_of_its_ingest_stack(order):
    """SNS does not let a FIFO queue subscribe to a standard topic, and the other way round its order would be lost."""
    outputs = template()["Outputs"]
    exported = lambda output, values: output["Export"]["Name"]["Fn::Sub"].replace("${AWS::StackName}", "lineage").replace("${Order}", values["Order"])
    main = {exported(output, {"Order": order}) for output in outputs.values() if "Export" in output and "Bucket" not in output["Export"]["Name"]["Fn::Sub"]}
    imported = TOPIC["Fn::ImportValue"]["Fn::Sub"].replace("${IngestStackName}", "lineage").replace("${Order}", order)
    assert main == {imported}
    other = TOPIC["Fn::ImportValue"]["Fn::Sub"].replace("${IngestStackName}", "lineage").replace("${Order}", {"none": "run", "run": "none"}[order])
    assert other not in main
    topic = resolved({**VARIANTS["fan-out"], "Order": order})["Resources"]["FanOutTopic"]["Properties"]
    queue = target({**TARGET_VARIANTS["default"], "Order": order})["Resources"]["EventQueue"]["Properties"]
    assert (topic.get("FifoTopic"), topic.get("FifoThroughputScope")) == (queue.get("FifoQueue"), "MessageGroup" if order == "run" else None)


def test_shared_bodies_outlive_every_message_that_points_to_them():
    resources = resolved(VARIANTS["fan-out"])["Resources"]
    rules = {rule["Prefix"]: rule["ExpirationInDays"] for rule in resources["LargeEvents"]["Properties"]["LifecycleConfiguration"]["Rules"]}
    # 23 days until SNS gives up, a dead letter of that, and then queue and dead letters, redriven once.
    days = 1_209_600 // 86_400
    assert rules["shared/"] >= 23 + days + 2 * (days + days)
    # No role deletes them, and ingest writes nowhere else than where the two rules look.
    for role in ("IngestRole", "BatchRole"):
        [policy] = resources[role]["Properties"]["Policies"]
        for statement in policy["PolicyDocument"]["Statement"]:
            if "s3:DeleteObject" in statement["Action"]:
                assert statement["Resource"] == {"Fn::Sub": "${LargeEvents.Arn}/events/*"}
            if "s3:PutObject" in statement["Action"]:
                assert statement["Resource"] == [{"Fn::Sub": f"${{LargeEvents.Arn}}/{prefix}*"} for prefix in rules]


def test_ingest_waits_for_the_subscription_and_publishes_to_the_topic():
    for variant, queue, topic in (("default", True, False), ("fan-out", True, True), ("leaving", True, False), ("drained", True, True), ("ingest only", False, True)):
        ingest = resolved(VARIANTS[variant])["Resources"]["Ingest"]["Properties"]
        variables = ingest["Environment"]["Variables"]
        assert variables["LINEAGE_PROXY_QUEUE_URL"] == ({"Ref": "EventQueue"} if queue else "")
        assert variables["LINEAGE_PROXY_QUEUE_TOPIC_ARN"] == ({"Ref": "FanOutTopic"} if topic else "")
        waits = {"Ref": "FanOutSubscription"} in [tag["Value"] for tag in ingest["Tags"]]
        assert waits == (variant in ("fan-out", "leaving")) == ("FanOutSubscription" in resolved(VARIANTS[variant])["Resources"])


def test_an_ingest_stack_without_a_target_has_nothing_of_one():
    resources = resolved(VARIANTS["ingest only, with what belongs to a target"])["Resources"]
    types = {resource["Type"] for resource in resources.values()}
    assert not types & {"AWS::SQS::Queue", "AWS::Lambda::EventSourceMapping", "AWS::Events::Rule", "AWS::SNS::Subscription"}
    text = json.dumps(resources)
    # But for the logs of the target that it may have had.
    for name in target(TARGET_VARIANTS["checked"])["Resources"].keys() - {"Topic", "TopicKey", "Dashboard", "BatchLogs", "CheckLogs"}:
        assert name not in resources and f'"{name}"' not in text and f"${{{name}." not in text, name


# ------------------------------------------------------------------ sources

# What the templates of sources have alike, and what of it may differ.
ALIKE = ["State", "EventQueue", "DeadLetterQueue", "QueuesOverTlsOnly", "DeadLettersOverTlsOnly", "SourceLogs", "SourceRole", "Source", "SourceInvocations", "Again", "SourceErrors", "DeadLetters"]
POSITION = {"dynamodb:GetItem", "dynamodb:PutItem"}  # of a source that looks; messages are where they are
ALIKE_PARAMETERS = ["QueueUrl", "TopicArn", "LargeEventsBucket", "TopicMessageSize", "Validation", "S3AssetsBucketName", "Architecture", "AlarmTopicArn", "LogRetentionDays", "LogFilter", "KmsKeyArn", "PermissionsBoundaryArn"]


def alike(document):
    """The parts that all sources have, without those that may differ. The statements of the role are those of all sources."""
    parts = {name: json.loads(json.dumps(document["Resources"][name])) for name in ALIKE}
    parts["EventQueue"]["Properties"].pop("VisibilityTimeout")
    function = parts["Source"]["Properties"]
    function.pop("Timeout"), function.pop("MemorySize"), function["Environment"]["Variables"].pop("LINEAGE_PROXY_SOURCES")
    role = parts["SourceRole"]["Properties"]
    role["Tags"] = [tag for tag in role["Tags"] if tag["Key"] != "RedshiftDbRoles"]
    [policy] = role["Policies"]
    common = {"Log", "State", "Again", "Failed", "Publish", "Queue", "Large", "Encrypt"}
    policy["PolicyDocument"]["Statement"] = [statement for statement in policy["PolicyDocument"]["Statement"] if statement["Sid"] in common]
    [state] = (statement for statement in policy["PolicyDocument"]["Statement"] if statement["Sid"] == "State")
    state["Action"] = [action for action in state["Action"] if action not in POSITION]
    return parts


def test_only_sources_that_poll_a_service_have_a_position():
    for name in SOURCE_TEMPLATES:
        [policy] = source((name, "topic"))["Resources"]["SourceRole"]["Properties"]["Policies"]
        [state] = (statement for statement in policy["PolicyDocument"]["Statement"] if statement["Sid"] == "State")
        assert (POSITION <= set(state["Action"])) == ("Schedule" in template(SOURCE_TEMPLATES[name])["Parameters"]), name
        assert len(state["Action"]) in (2, 4)


@pytest.mark.parametrize("variant", ["topic", "customer key", "boundary"])
def test_sources_are_alike(variant):
    first, *others = (alike(source((name, variant))) for name in SOURCE_TEMPLATES)
    assert all(other == first for other in others)
    parameters = [{name: template(path)["Parameters"][name] for name in ALIKE_PARAMETERS} for path in SOURCE_TEMPLATES.values()]
    assert all(other == parameters[0] for other in parameters)
    # As in the main stack.
    for name in ("Validation", "S3AssetsBucketName", "Architecture", "LogRetentionDays", "LogFilter", "PermissionsBoundaryArn"):
        assert parameters[0][name] == template()["Parameters"][name], name


@pytest.mark.parametrize("variant", SOURCE_VARIANTS, ids=" ".join)
def test_a_source_has_time_to_fail_and_one_source_of_its_kind(variant):
    resources = source(variant)["Resources"]
    function = resources["Source"]["Properties"]
    assert resources["EventQueue"]["Properties"]["VisibilityTimeout"] >= 6 * function["Timeout"]
    sources = function["Environment"]["Variables"]["LINEAGE_PROXY_SOURCES"]
    if variant[0] == "stream":
        assert sources == ""  # it polls nothing
        return
    # The function reads it as YAML, of which JSON is a part.
    [(_, settings)] = yaml.safe_load(written(sources, SOURCE_VARIANTS[variant])).items()
    assert settings.pop("type") == {"glue": "glue-crawlers"}.get(variant[0], variant[0])
    assert "$" not in json.dumps(settings)
    more = yaml.safe_load("{" + SOURCE_VARIANTS[variant].get("Settings", "") + "}")
    assert more.items() <= settings.items() and len(settings) >= len(more) + 1


def test_a_search_of_a_log_group_is_allowed_by_both_forms_of_its_arn():
    [policy] = source(("logs", "two groups"))["Resources"]["SourceRole"]["Properties"]["Policies"]
    [read] = (statement for statement in policy["PolicyDocument"]["Statement"] if statement["Sid"] == "Read")
    suffixes = [resource["Fn::Sub"].rsplit("log-group:", 1)[1] for resource in read["Resource"]]
    assert suffixes == ["${LogGroupName}", "${LogGroupName}:*", "${LogGroupName3}", "${LogGroupName3}:*"]


def written(value, parameters):
    """The text that CloudFormation makes of a value, with these parameters of a template."""
    if not isinstance(value, dict):
        return value
    [(function, of)] = value.items()
    if function == "Ref":
        return parameters[of]
    if function == "Fn::Join":
        return of[0].join(written(item, parameters) for item in of[1])
    if function == "Fn::Split":
        return written(of[1], parameters).split(of[0])
    if function == "Fn::Select":
        return written(of[1], parameters)[int(of[0])]
    assert function == "Fn::Sub", function
    text, more = of if isinstance(of, list) else (of, {})
    aws = {"AWS::AccountId": "123456789012", "AWS::Region": "eu-west-1", "AWS::URLSuffix": "amazonaws.com"}
    more = {name: written(item, parameters) for name, item in more.items()}
    return substituted({"Fn::Sub": [text, more]}, {"CrawlerNames": "", "UnchangedTables": "true", "MetadataPrefix": "metadata/", **parameters, **aws})


def test_flyte_reads_no_objects_but_those_below_its_prefix():
    [policy] = source(("flyte", "queue and objects"))["Resources"]["SourceRole"]["Properties"]["Policies"]
    statements = {statement["Sid"]: statement for statement in policy["PolicyDocument"]["Statement"]}
    assert written(statements["Objects"]["Resource"], SOURCE_VARIANTS["flyte", "queue and objects"]) == "arn:aws:s3:::flyte/metadata/*"
    variables = source(("flyte", "queue and objects"))["Resources"]["Source"]["Properties"]["Environment"]["Variables"]
    settings = json.loads(written(variables["LINEAGE_PROXY_SOURCES"], SOURCE_VARIANTS["flyte", "queue and objects"]))["flyte"]
    assert (settings["literals"], settings["queue_url"]) == ("s3://flyte/metadata/", "https://sqs.eu-west-1.amazonaws.com/123456789012/events")
    [policy] = source(("flyte", "queue"))["Resources"]["SourceRole"]["Properties"]["Policies"]
    assert "s3:GetObject" not in json.dumps(policy)


def test_a_warehouse_is_one():
    for wrong in ({"WorkgroupName": ""}, {"ClusterIdentifier": "dwh"}):
        with pytest.raises(AssertionError, match="The warehouse is a workgroup"):
            resolved({**SOURCE_VARIANTS["redshift", "workgroup"], **wrong}, template(SOURCE_TEMPLATES["redshift"]))


def test_a_source_sends_to_the_queue_or_to_the_topic_and_to_nothing_else():
    for variant in SOURCE_VARIANTS:
        [policy] = source(variant)["Resources"]["SourceRole"]["Properties"]["Policies"]
        statements = {statement["Sid"]: statement["Resource"] for statement in policy["PolicyDocument"]["Statement"]}
        to_topic = variant[1] == "topic"
        assert ("Publish" in statements, "Queue" in statements) == (to_topic, not to_topic)
        if not to_topic:
            text, more = statements["Queue"]["Fn::Sub"]
            name = TO_QUEUE["QueueUrl"].split("/")[more["Name"]["Fn::Select"][0]]
            assert text.endswith(":${Name}") and name == "lineage-EventQueue-1A"
    for wrong in ({"QueueUrl": ""}, {"TopicArn": "arn:aws:sns:eu-west-1:123456789012:t"}):
        with pytest.raises(AssertionError, match="Events go to a queue"):
            resolved({**SOURCE_VARIANTS["glue", "all"], **wrong}, template(SOURCE_TEMPLATES["glue"]))


def test_a_subscription_of_logs_waits_until_it_can_fail_safely():
    resources = source(("logs", "two groups"))["Resources"]
    subscriptions = {name: resource for name, resource in resources.items() if resource["Type"] == "AWS::Logs::SubscriptionFilter"}
    assert subscriptions.keys() == {"Subscription", "Subscription3"}
    for name, subscription in subscriptions.items():
        assert set(subscription["DependsOn"]) == {name.replace("Subscription", "LogsMayInvoke"), "SourceInvocations"}
        permission = resources[name.replace("Subscription", "LogsMayInvoke")]["Properties"]
        assert permission["SourceAccount"] == {"Ref": "AWS::AccountId"} and permission["SourceArn"]["Fn::Sub"].endswith(":*")


# The longest that CloudFormation and the services put in place of what a variable refers to, in characters.
LONGEST = {
    "AWS::StackName": 128,  # https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateStack.html
    "EventQueue": 140,  # https://sqs.REGION.amazonaws.com.cn/ACCOUNT/NAME, with a name of 80
    "DeadLetterQueue": 140,
    "FanOutTopic": 130,  # arn:aws-us-gov:sns:REGION:ACCOUNT:NAME, with a name that CloudFormation makes of at most 80
    "LargeEvents": 63,
    "Keys": 300,
    "FanOutBucket": 63,
    "S3AssetsBucketName": 63,
    "LogFilter": 128,
}


def length(value, parameters):
    """The length that a value of a variable can have, with each parameter as long as it may be."""

    def named(name):
        if name in LONGEST:
            return LONGEST[name]
        declared = parameters[name]
        if "AllowedValues" in declared:
            return max(len(str(allowed)) for allowed in declared["AllowedValues"])
        return len(str(declared["MaxValue"])) if declared["Type"] == "Number" else int(declared["MaxLength"])

    match value:
        case str() | int():
            return len(str(value))
        case {"Ref": "AWS::NoValue"}:
            return None
        case {"Ref": name}:
            return named(name)
        case {"Fn::GetAtt": [name, "Id"]}:
            return LONGEST[name]
        case {"Fn::If": [_, yes, no]}:
            return max(length(yes, parameters), length(no, parameters))
        case {"Fn::ImportValue": _}:
            return LONGEST["FanOutBucket"]
        case {"Fn::Sub": [text, own]}:
            inside = [own[name] if name in own else {"Ref": name} for name in re.findall(r"\$\{([^}]+)}", text)]
            return len(re.sub(r"\$\{[^}]+}", "", text)) + sum(length(value, parameters) for value in inside)
        case {"Fn::Sub": text}:
            return length({"Fn::Sub": [text, {}]}, parameters)
    raise AssertionError(value)


@pytest.mark.parametrize("path", [TEMPLATE, TARGET_TEMPLATE], ids=lambda path: path.name)
@pytest.mark.parametrize("kind", ["datazone", "openlineage", "datahub", "glue"])
def test_the_variables_of_a_function_fit_into_4096_bytes_whatever_the_parameters_are(kind, path):
    """Lambda refuses more when the stack is deployed (https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html)."""
    source, made = template(path), TARGET_VARIANTS if path == TARGET_TEMPLATE else VARIANTS
    found = {}
    # Of parameters only their bounds count, but which variables there are depends on the target.
    functions = resolved({**made["default" if kind == "datazone" else kind], "RulesPrefix": "rules"}, without_values(source))["Resources"]
    for name, resource in functions.items():
        if resource["Type"] == "AWS::Lambda::Function":
            variables = resource["Properties"].get("Environment", {"Variables": {}})["Variables"]
            found[name] = sum(len(name) + length(value, source["Parameters"]) for name, value in variables.items())
    assert {"Batch"} <= set(found) and max(found.values()) <= 4096, found
    # The bound of the map of hosts is as high as it can be, so that nobody needs rules for it without need.
    assert kind != "openlineage" or found["Batch"] > 4096 - 200, found


def without_values(source):
    """The template whose variables keep the names of their parameters."""
    for resource in source["Resources"].values():
        if resource["Type"] == "AWS::Lambda::Function":
            variables = resource["Properties"].get("Environment", {}).get("Variables", {})
            variables.update({name: renamed(value) for name, value in variables.items()})
    return source


def renamed(value):
    match value:
        case {"Ref": name} if name != "AWS::NoValue":
            return {"Fn::Sub": ["${" + name + "}", {}]}
        case dict():
            return {name: renamed(item) for name, item in value.items()}
        case list():
            return [renamed(item) for item in value]
    return value
