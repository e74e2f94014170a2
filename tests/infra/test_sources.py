"""The stacks of sources."""

import json

import pytest
import yaml
from variants import EXTERNAL_ID, ROLE, SOURCE_TEMPLATES, SOURCE_VARIANTS, TO_QUEUE, resolved, source, substituted, template

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


# What a role of the function has in every stack of a source.
OF_ALL = {"Log", "State", "Again", "Failed", "Queue", "Large"}


def role_and_settings(variant):
    """The statements of the function's role by their names, and the settings of its source."""
    resources = source(variant)["Resources"]
    [policy] = resources["SourceRole"]["Properties"]["Policies"]
    sources = resources["Source"]["Properties"]["Environment"]["Variables"]["LINEAGE_PROXY_SOURCES"]
    [(_, settings)] = yaml.safe_load(written(sources, SOURCE_VARIANTS[variant])).items()
    return {statement["Sid"]: statement for statement in policy["PolicyDocument"]["Statement"]}, settings


@pytest.mark.parametrize("kind", ["glue", "redshift"])
@pytest.mark.parametrize(("variant", "external_id"), [("another account", None), ("another account, by an external id", EXTERNAL_ID)])
def test_a_source_of_another_account_may_assume_its_role_and_read_nothing_of_this_one(kind, variant, external_id):
    statements, settings = role_and_settings((kind, variant))
    assert statements.keys() == OF_ALL | {"Assume"}
    assert (statements["Assume"]["Action"], statements["Assume"]["Resource"]) == ("sts:AssumeRole", ROLE)
    assert (settings["role_arn"], settings.get("external_id")) == (ROLE, external_id)
    assert "account" not in settings  # it is that of the role


@pytest.mark.parametrize(("variant", "own"), [(("glue", "all"), {"Crawlers", "Names", "Tables"}), (("glue", "two"), {"Crawlers", "Tables"}), (("redshift", "workgroup"), {"Statements", "OwnStatements", "Credentials"}), (("redshift", "cluster"), {"Statements", "OwnStatements", "Credentials", "Cluster"})], ids=str)
def test_a_source_of_this_account_assumes_no_role(variant, own):
    statements, settings = role_and_settings(variant)
    assert statements.keys() == OF_ALL | own
    assert not {"role_arn", "external_id"} & settings.keys()


@pytest.mark.parametrize(("variant", "account"), [("all", "123456789012"), ("another account", ROLE.split(":")[4])])
def test_only_crawls_of_the_account_that_is_read_let_the_source_poll(variant, account):
    """A crawl of another one, which EventBridge may tell of too, would be looked for in vain."""
    pattern = source(("glue", variant))["Resources"]["CrawlEnded"]["Properties"]["EventPattern"]
    [found] = pattern["account"]
    assert (written(found, SOURCE_VARIANTS["glue", variant]) if "Ref" not in found else {"AWS::AccountId": "123456789012"}[found["Ref"]]) == account


@pytest.mark.parametrize("kind", ["glue", "redshift"])
def test_an_external_id_needs_the_role_that_asks_for_it(kind):
    path = SOURCE_TEMPLATES[kind]
    with pytest.raises(AssertionError, match="ExternalId needs RoleArn"):
        resolved({**SOURCE_VARIANTS[kind, "another account, by an external id"], "RoleArn": ""}, template(path))


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
