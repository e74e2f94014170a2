"""What rings an alarm, what the dashboards show, and what the gateways log, of every kind of stack."""

import json
import re

import pytest
from metric_math import compared
from variants import TARGET_VARIANTS, TOPIC as ON_CALL, VARIANTS, resolved, target


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
