"""Stacks of several targets: the main stack with its fan-out, and the stack of each further target."""

import fnmatch
import json

import pytest
from variants import KEY, TARGET_TEMPLATE, TARGET_VARIANTS, VARIANTS, resolved, substituted, target, template

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
