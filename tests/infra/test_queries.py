"""Queries of CloudWatch Logs Insights, which no emulator refuses as the service does: they are read by its documented grammar. Those of
`lineage-proxy events` are in tests/real/test_events.py.
"""

import json
import re

import pytest
from insights import Wrong, fields_of
from variants import SOURCE_TEMPLATES, TARGET_TEMPLATE, TEMPLATE, VARIANTS, resolved, template

ROOT = TEMPLATE.parents[1]
TEMPLATES = [TEMPLATE, TARGET_TEMPLATE, *SOURCE_TEMPLATES.values()]


def texts(value):
    """All texts in a part of a template."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from texts(item)


def of_dashboards(resources):
    """The queries in the texts of dashboards, which are JSON in pieces."""
    for resource in resources.values():
        if resource["Type"] == "AWS::CloudWatch::Dashboard":
            for text in texts(resource["Properties"]["DashboardBody"]):
                yield from (json.loads(quoted) for quoted in re.findall(r'"query": ("(?:[^"\\]|\\.)*")', text))


QUERIES = {}
for path in TEMPLATES:
    resources = template(path)["Resources"]
    QUERIES |= {f"{path.stem} {name}": resource["Properties"]["QueryString"] for name, resource in resources.items() if resource["Type"] == "AWS::Logs::QueryDefinition"}
    QUERIES |= {f"{path.stem} dashboard {number}": query for number, query in enumerate(dict.fromkeys(of_dashboards(resources)))}
for path in sorted((ROOT / "docs").glob("**/*.md")):
    QUERIES |= {f"{path.stem} {number}": query for number, query in enumerate(re.findall(r"`((?:fields|filter|stats) [^`]*)` in CloudWatch Logs Insights", path.read_text()))}


def test_there_are_queries_of_each_kind():
    assert {name.split()[0] for name in QUERIES} >= {"openlineage-proxy", "target", "aws"} and len(QUERIES) >= 8, QUERIES
    assert sum("dashboard" in name for name in QUERIES) >= 3


@pytest.mark.parametrize("name", QUERIES)
def test_a_query_is_one_of_the_documented_language(name):
    assert fields_of(QUERIES[name])


def test_what_the_access_log_is_asked_for_is_in_it():
    [query] = (query for name, query in QUERIES.items() if "status >= 400" in query)
    for variant in ("default", "rest by iam"):
        [stage] = (resource["Properties"] for resource in resolved(VARIANTS[variant])["Resources"].values() if resource["Type"].endswith("::Stage"))
        settings = stage.get("AccessLogSettings") or stage["AccessLogSetting"]
        logged = set(json.loads(settings["Format"]))
        # The error of a gateway is told by one of two fields: `error_type` of a REST API, `error` of an HTTP API.
        assert set(fields_of(query)) - {"error_type", "error", "authorizer_error"} <= logged
        assert {"error_type", "error"} & logged


@pytest.mark.parametrize(
    "query, why",
    [
        ("field @message", "no command"),
        ("fields @message | filter", "expected name"),
        ("fields user_agent", "needs backticks"),
        ("fields user-agent", "needs backticks"),
        ("fields @message || sort @timestamp", "expected name"),
        ("fields @message sort @timestamp", "expected |"),
        ("filter @message like /(/", "missing )"),
        ("filter status => 400", "expected"),
        ("filter status >= ", "found the end"),
        ("filter like /x/", "a word of the language"),
        ("filter (status = 1", "expected )"),
        ("stats number(*) by status", "no function"),
        ("fields @message | limit 0", "limit"),
        ("fields @message | limit 20000", "limit"),
        ("fields @message | SOURCE 'x'", "SOURCE comes first"),
        ("fields @message | filter name = 'x", "at"),
        ("fields @message" + " " * 10_000, "too long"),
    ],
)
def test_a_mistake_is_found(query, why):
    with pytest.raises(Wrong, match=re.escape(why)):
        fields_of(query)
