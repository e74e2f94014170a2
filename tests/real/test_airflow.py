"""A real Airflow at work on Redshift: what it sends, and the names under which it is delivered.

Airflow runs once, against a proxy that changes nothing; then its events are sent again to proxies with other settings.
"""

import json
import os
import shutil

import pytest
from airflow import HOSTS, PROVISIONED, Airflow, lake
from parts import Emulator, Serve, post

pytestmark = pytest.mark.skipif("PROXY_TEST_AIRFLOW" not in os.environ, reason="PROXY_TEST_AIRFLOW: the folder of a real Airflow's commands")

# By kind of host, as a namespace and what stands before a table: as Airflow says it, and as it is.
AIRFLOW = {kind: (f"redshift://{short}:5439", "dev.public.") for kind, (_, short, _) in HOSTS.items()}
ENDPOINT = {kind: (f"redshift://{full}:5439", "dev.public.") for kind, (_, _, full) in HOSTS.items()}
MAP = ",".join(f"{short}={full}:5439" for _, short, full in HOSTS.values())
ACCOUNT = "210987654321"  # of the provisioned clusters; the hosts of workgroups tell theirs
STYLES = {
    "endpoint": ENDPOINT,
    "account_host": {
        **ENDPOINT,
        "provisioned": (f"redshift://my-cluster.{ACCOUNT}.us-east-1.redshift.amazonaws.com:5439", "dev.public."),
        "ip": (f"redshift://other.{ACCOUNT}.eu-west-1.redshift.amazonaws.com:5439", "dev.public."),
    },
    "arn": {
        "serverless": ("arn:aws:redshift-serverless:eu-west-1:123456789012:table", "my-wg/dev/public/"),
        "provisioned": (f"arn:aws:redshift:us-east-1:{ACCOUNT}:table", "my-cluster/dev/public/"),
        "ip": (f"arn:aws:redshift:eu-west-1:{ACCOUNT}:table", "other/dev/public/"),
        "cname": ("arn:aws:redshift-serverless:eu-west-1:123456789012:table", "dwh/dev/public/"),
    },
    "openlineage": {
        **AIRFLOW,
        "ip": ("redshift://other.eu-west-1:5439", "dev.public."),
        "cname": ("redshift://dwh.eu-west-1:5439", "dev.public."),
    },
}


def lineage(names, asset):
    """What each job of the DAG reads and writes, by the names of warehouses; of the one that an asset names, this one."""
    table = lambda name, table: (name[0], f"{name[1]}{table}")
    src, dst = ({kind: table(name, which) for kind, name in names.items()} for which in ("src", "dst"))
    lake, landed = "awsathena://athena.eu-west-1.amazonaws.com", ("s3://landing", "in/dst.csv")
    return {
        **{f"sql_{kind}": ([src[kind]], [dst[kind]]) for kind in HOSTS},
        "copy": ([landed], [dst["provisioned"]]),
        "unload": ([src["serverless"]], [("s3://landing", "out")]),
        "hook": ([], []),
        "hook.query.1": ([src["provisioned"]], [dst["provisioned"]]),
        "assets": ([landed], [table(asset, "dst")]),
        "athena": ([(lake, "AwsDataCatalog.lake.src")], [(lake, "AwsDataCatalog.lake.dst"), ("s3://landing", "/results/")]),
        "s3_copy": ([landed], [("s3://archive", "2026/dst.csv")]),
    }


def ends(events):
    """The last event of each job of the DAG."""
    return {event["job"]["name"].removeprefix("warehouse."): event for event in events if event["eventType"] == "COMPLETE" and event["job"]["name"] != "warehouse"}


def reported(events):
    """What each job of the DAG reads and writes, by its events."""
    names = lambda datasets: [(dataset["namespace"], dataset["name"]) for dataset in datasets]
    return {job: (names(event["inputs"]), names(event["outputs"])) for job, event in ends(events).items()}


def origins(events):
    """What the columns of each job come from, where it says so."""
    facets = lambda event: [output["facets"]["columnLineage"] for output in event["outputs"] if "columnLineage" in output["facets"]]
    fields = lambda event: [field for facet in facets(event) for column in facet["fields"].values() for field in column["inputFields"]]
    return {job: {(field["namespace"], field["name"]) for field in fields(event)} for job, event in ends(events).items() if facets(event)}


@pytest.fixture(scope="session")
def captured(tmp_path_factory):
    """The bodies that Airflow sent, and the events that a plain proxy made of them."""
    folder, parts = tmp_path_factory.mktemp("airflow"), []
    try:
        parts.append(emulator := Emulator(folder))
        parts.append(proxy := Serve(folder))
        lake(emulator)
        sent = folder / "sent"
        transports = {"http": {"type": "http", "url": proxy.url}, "file": {"type": "file", "log_file_path": str(sent), "append": True}}
        log = Airflow(folder, emulator, {"type": "composite", "transports": transports}).run("warehouse")
        assert sent.exists(), log[-20000:]
        if keep := os.environ.get("PROXY_TEST_AIRFLOW_KEEP"):
            shutil.copy(sent, keep)  # JSON lines, for who wants to look at them
        bodies = sent.read_text().splitlines()
        return bodies, proxy.stored_when(len(bodies))
    finally:
        for part in reversed(parts):
            part.stop()


@pytest.fixture
def run(serve, captured):
    """Sends Airflow's events through a proxy with these settings: what it delivers, as one text and as events."""

    def run(delivered=None, **settings):
        bodies, _ = captured
        proxy = serve(**settings)
        for body in bodies:
            status, _, answer = post(f"{proxy.url}/api/v1/lineage", body.encode())
            assert status == 200, answer
        events = proxy.stored_when(len(bodies) if delivered is None else delivered)
        return proxy.stored()[0].decode(), events

    return run


def test_every_event_of_a_dag_arrives_equal_and_once(captured):
    bodies, stored = captured
    order = lambda event: json.dumps(event, sort_keys=True)
    assert sorted(map(order, stored)) == sorted(order(json.loads(body)) for body in bodies)
    states = sorted((event["job"]["name"], event["eventType"]) for event in stored)
    tasks = [(f"warehouse.{job}", state) for job in reported(stored) for state in ("START", "COMPLETE")]
    assert states == sorted([*tasks, ("warehouse", "COMPLETE")])  # `dags test` does not report the start of the DAG


def test_airflow_still_names_warehouses_as_the_proxy_knows_it(captured):
    _, events = captured
    assert reported(events) == lineage(AIRFLOW, asset=ENDPOINT["provisioned"])
    assert sorted(origins(events)) == ["hook.query.1", "sql_cname", "sql_ip", "sql_provisioned", "sql_serverless", "unload"]


@pytest.mark.parametrize("style", STYLES)
def test_every_warehouse_gets_its_name_in_the_style(run, style):
    names = STYLES[style]
    text, events = run(REDSHIFT_STYLE=style, REDSHIFT_HOSTS=MAP, REDSHIFT_ACCOUNT=ACCOUNT)
    assert reported(events) == lineage(names, asset=names["provisioned"])
    assert origins(events) == {job: set(reported(events)[job][0]) for job in origins(events)}, "columns come from what the job reads"
    # What Airflow called it is nowhere any more, whatever the place.
    old = {namespace for namespace, _ in AIRFLOW.values()} - {namespace for namespace, _ in names.values()}
    assert len(old) == (2 if style == "openlineage" else 4)
    assert [namespace for namespace in old if namespace in text] == []


def test_short_names_are_looked_up_where_no_map_tells_them(run, stand_in):
    aws = stand_in()
    aws.set(
        workgroups={"my-wg": {"account": "123456789012", "region": "eu-west-1", "port": 5439}},
        clusters={"my-cluster": {"address": PROVISIONED, "port": 5439}},
    )
    endpoints = {f"AWS_ENDPOINT_URL_{service}": aws.url for service in ("REDSHIFT", "REDSHIFT_SERVERLESS")}
    text, events = run(REDSHIFT_STYLE="endpoint", REDSHIFT_LOOKUP="true", **endpoints)
    # Of an address and a name of the user's own AWS knows nothing: they stay.
    stay = {kind: AIRFLOW[kind] for kind in ("ip", "cname")}
    assert reported(events) == lineage({**ENDPOINT, **stay}, asset=ENDPOINT["provisioned"])
    assert [kind for kind, (namespace, _) in AIRFLOW.items() if namespace in text] == list(stay)


def test_an_event_without_a_short_name_leaves_byte_for_byte(run, captured):
    text, _ = run(REDSHIFT_STYLE="endpoint", REDSHIFT_HOSTS=MAP)
    untouched = [body for body in captured[0] if not any(namespace in body for namespace, _ in AIRFLOW.values())]
    assert len(untouched) == 11
    assert [body for body in untouched if body not in text] == []


@pytest.mark.parametrize("style", STYLES)
def test_rules_do_what_the_settings_do(run, tmp_path, style):
    """The same golden names, by a rules file: and on the way one event a run, no leading slash, no literals."""
    names = STYLES[style]
    rules = [
        {"name": "addresses", "rename": {"namespace": [{"hosts": [host], "to": full} for host, _, full in (HOSTS["ip"], HOSTS["cname"])]}},
        {"name": "warehouses", "redshift": {"style": style, "account": ACCOUNT, "hosts": {short: f"{full}:5439" for _, short, full in HOSTS.values()}}},
        {"name": "keys", "normalise": ["s3"]},
        {"name": "secrets", "redact": {"sql_literals": True, "connection_secrets": True}},
        {"name": "owner", "when": {"job": {"name": "warehouse.sql_*"}}, "add": {"owners": [{"name": "team:dwh", "type": "OWNER"}]}},
        {"name": "dag", "when": {"job": {"name": "warehouse"}}, "drop": True},
    ]
    file = tmp_path / "transforms.yaml"
    file.write_text(json.dumps({"rules": rules, "coalesce": {"window": "20s", "keep_start": False}}))  # JSON is YAML
    text, events = run(delivered=11, RULES_FILE=file)
    expected = lineage(names, asset=names["provisioned"])
    sources, (table, _) = expected["athena"]
    expected["athena"] = (sources, [table, ("s3://landing", "results/")])
    assert reported(events) == expected
    assert origins(events) == {job: set(reported(events)[job][0]) for job in origins(events)}
    old = {namespace for namespace, _ in AIRFLOW.values()} - {namespace for namespace, _ in names.values()}
    assert [namespace for namespace in old if namespace in text] == []
    owned = {job for job, event in ends(events).items() if "team:dwh" in json.dumps(event["job"].get("facets", {}).get("ownership", {}))}
    assert owned == {"sql_serverless", "sql_provisioned", "sql_ip", "sql_cname"}
    # What a START alone brought is in the event that is left of its run.
    assert all(event["run"]["facets"].get("airflow") or job == "hook.query.1" for job, event in ends(events).items())
