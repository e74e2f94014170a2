"""The templates before anyone deploys them: cfn-lint, checkov and our own invariants, for every variant."""

import json
import pathlib
import re
import subprocess
import sys

import cfn_guard_rs
import pytest
from variants import KEY, LAYER, OPEN, SECRET, TEMPLATE, VARIANTS, resolved, template

BIN = pathlib.Path(sys.executable).parent
RULES = TEMPLATE.with_name("invariants.guard").read_text()
PAGE = TEMPLATE.parents[1] / "docs/aws.md"


def failed(document):
    """The invariants that a template breaks."""
    # Without the dashboard, whose text the bindings of Guard mistake for their own output.
    resources = {name: resource for name, resource in document["Resources"].items() if name != "Dashboard"}
    head, *rules = RULES.split("\nrule ")
    broken = set()
    for rule in rules:
        try:
            report = cfn_guard_rs.run_checks({"Resources": resources}, f"{head}\nrule {rule}")
            holds = report.status == "PASS" and len(report.compliant) == 1
        except (json.JSONDecodeError, cfn_guard_rs.errors.UnknownError):
            holds = False  # the bindings cut long reports, and only failures are long
        if not holds:
            broken.add(rule.split()[0])
    return broken


def test_cfn_lint_finds_nothing():
    done = subprocess.run([BIN / "cfn-lint", TEMPLATE, "--regions", "us-east-1", "eu-west-1"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_checkov_finds_nothing_in_any_variant(tmp_path):
    files = [str(TEMPLATE)]
    for name, parameters in VARIANTS.items():
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(resolved(parameters)))
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
    parameters = set(template()["Parameters"])
    assert len(first) == len(set(first)) and set(first) <= parameters, set(first) - parameters
    # Those that go with another stand in its row, and two of them in the text before.
    assert parameters <= set(re.findall(r"`(\w+)`", text)), parameters - set(re.findall(r"`(\w+)`", text))


@pytest.mark.parametrize("variant", VARIANTS)
def test_invariants_hold(variant):
    assert failed(resolved(VARIANTS[variant])) == set()


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
}


@pytest.mark.parametrize("rule", BREAKS)
def test_each_invariant_can_be_broken(rule):
    document = resolved(VARIANTS["default"])
    BREAKS[rule](document["Resources"])
    assert failed(document) == {rule}


def test_every_invariant_is_broken_once_here():
    assert {line.split()[1] for line in RULES.splitlines() if line.startswith("rule ")} == set(BREAKS)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"DomainId": ""}, "needs DomainId"),
        ({"Target": "openlineage"}, "needs OpenLineageUrl"),
        ({"Auth": "jwt", "Endpoint": "private", "VpcEndpointId": "vpce-1"}, "Only an HTTP API"),
        ({"Auth": "jwt", "JwtIssuer": "https://issuer.example.com"}, "needs JwtAudience"),
        ({"Endpoint": "private"}, "needs VpcEndpointId"),
        ({"RulesFile": "rules/transforms.yaml", "RulesPrefix": "rules"}, "not both"),
        ({"RulesFile": "rules/transforms.yaml", "RulesBucketName": "rules"}, "RulesBucketName needs RulesPrefix"),
        ({"RulesPrefix": "rules", "RulesLayerArn": LAYER}, "RulesLayerArn needs RulesFile"),
        ({"RulesHashKeySecretArn": SECRET}, "RulesHashKeySecretArn needs rules"),
    ],
)
def test_conflicting_parameters_are_rejected_before_anything_is_created(parameters, message):
    with pytest.raises(AssertionError, match=message):
        resolved({**VARIANTS["default"], **parameters})


def test_a_customer_key_encrypts_everything():
    resources = resolved(VARIANTS["customer key"] | {"DeliveryCheck": "on"})["Resources"]
    places = {
        "AWS::SQS::Queue": lambda properties: properties["KmsMasterKeyId"],
        "AWS::S3::Bucket": lambda properties: properties["BucketEncryption"]["ServerSideEncryptionConfiguration"][0]["ServerSideEncryptionByDefault"]["KMSMasterKeyID"],
        "AWS::SecretsManager::Secret": lambda properties: properties["KmsKeyId"],
        "AWS::Logs::LogGroup": lambda properties: properties["KmsKeyId"],
        "AWS::Lambda::Function": lambda properties: properties["KmsKeyArn"],
        "AWS::SNS::Topic": lambda properties: properties["KmsMasterKeyId"],
    }
    keys = [(name, places[resource["Type"]](resource["Properties"])) for name, resource in resources.items() if resource["Type"] in places]
    assert len(keys) == 12 and {key for _, key in keys} == {KEY}


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


def substituted(value, parameters):
    """The text of a `Fn::Sub`; a text by itself."""
    if isinstance(value, str):
        return value
    text, more = value["Fn::Sub"]
    for name, of in {**parameters, **more, "AWS::Partition": "aws"}.items():
        text = text.replace(f"${{{name}}}", str(of))
    return text


def test_every_alarm_says_what_to_do_and_tells_whom_it_should():
    alarms = {name: resource["Properties"] for name, resource in resolved(VARIANTS["notified by e-mail"] | {"DeliveryCheck": "on", "RulesPrefix": "rules"})["Resources"].items() if resource["Type"] == "AWS::CloudWatch::Alarm"}
    assert len(alarms) == 17
    for name, alarm in alarms.items():
        assert len(alarm["AlarmDescription"] if isinstance(alarm["AlarmDescription"], str) else alarm["AlarmDescription"]["Fn::Sub"]) > 60, name
        assert alarm["AlarmActions"] == [{"Ref": "Topic"}] == alarm["OKActions"], name


@pytest.mark.parametrize("variant", ["default", "rules in s3", "rules in the function"])
def test_the_dashboard_is_json_and_shows_every_alarm_that_rules_add_to_those_always_there(variant):
    resources = resolved(VARIANTS[variant])["Resources"]
    body, more = resources["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    rules = more["RulesAlarm"]
    widgets = json.loads(body.replace("${RulesAlarm}", rules and rules["Fn::Sub"]))["widgets"]
    shown = {alarm.strip("${}").removesuffix(".Arn") for alarm in widgets[0]["properties"]["alarms"]}
    assert shown == {name for name, resource in resources.items() if resource["Type"] == "AWS::CloudWatch::Alarm"}
