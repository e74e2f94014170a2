"""Marquez' own Python client, and the calls of its page, on `serve`."""

import json
import urllib.error
import urllib.parse
import urllib.request

import pytest
from marquez_client import MarquezClient
from marquez_client.errors import APIError
from parts import event, eventually, post

DB = "postgres://db.example.com:5432"
RUN = "01a1faa6-e194-708b-a993-000000000001"
FACET = {"_producer": "https://example.com/tests", "_schemaURL": "https://openlineage.io/spec/facets/1-0-0/Facet.json"}


def dataset(name, **facets):
    return {"namespace": DB, "name": name, "facets": {kind: {**FACET, **facet} for kind, facet in facets.items()}}


def get(url, path):
    with urllib.request.urlopen(f"{url}/api/v1{path}", timeout=10) as answer:
        return json.load(answer)


@pytest.fixture
def proxy(serve):
    proxy = serve()
    source = {"namespace": DB, "name": "shop.raw", "field": "amount"}
    columns = {"fields": {"total": {"inputFields": [source]}}}
    orders = dataset("shop.orders", schema={"fields": [{"name": "id", "type": "bigint"}, {"name": "total", "type": "numeric"}]}, columnLineage=columns)
    parent = {**FACET, "run": {"runId": "01a1faa6-e194-708b-a993-000000000009"}, "job": {"namespace": "real", "name": "daily"}}
    run = {"runId": RUN, "facets": {"parent": parent}}
    sql = {"sql": {**FACET, "query": "select 1"}}
    events = [
        event("daily.load", "START", second=1, inputs=[dataset("shop.raw")]) | {"run": run},
        event("daily.load", "COMPLETE", second=4, outputs=[orders]) | {"run": run, "job": {"namespace": "real", "name": "daily.load", "facets": sql}},
        event("report", "FAIL", run=2, second=9, inputs=[dataset("shop.orders")]),
    ]
    for each in events:
        assert post(f"{proxy.url}/api/v1/lineage", json.dumps(each).encode())[0] == 200
    eventually(lambda: len(get(proxy.url, "/jobs")["jobs"]) == 3, "three jobs")
    return proxy


def test_its_client_reads_jobs_datasets_and_runs(proxy):
    client = MarquezClient(proxy.url)
    names = {namespace["name"] for namespace in client.list_namespaces()["namespaces"]}
    assert names == {"real", DB}
    assert client.get_namespace(DB)["ownerName"] == "anonymous"
    jobs = client.list_jobs("real")
    assert ([job["name"] for job in jobs["jobs"]], jobs["totalCount"]) == (["daily", "daily.load", "report"], 3)
    assert [job["name"] for job in client.list_jobs("real", limit=1, offset=1)["jobs"]] == ["daily.load"]
    job = client.get_job("real", "daily.load")
    assert job["inputs"] == [{"namespace": DB, "name": "shop.raw"}]
    assert job["outputs"] == [{"namespace": DB, "name": "shop.orders"}]
    assert (job["simpleName"], job["parentJobName"]) == ("load", "daily")
    run = job["latestRun"]
    assert (run["id"], run["state"], run["durationMs"]) == (RUN, "COMPLETED", 3_000)
    assert client.list_job_runs("real", "daily.load")["runs"] == [run]
    assert client.get_job_run(RUN) == run
    assert client.get_job("real", "report")["latestRun"]["state"] == "FAILED"
    datasets = client.list_datasets(DB)
    assert [found["name"] for found in datasets["datasets"]] == ["shop.orders", "shop.raw"]
    orders = client.get_dataset(DB, "shop.orders")
    assert [(field["name"], field["type"]) for field in orders["fields"]] == [("id", "bigint"), ("total", "numeric")]
    (version,) = client.list_dataset_versions(DB, "shop.orders")["versions"]
    assert version["version"] == orders["currentVersion"]
    assert client.get_dataset_version(DB, "shop.orders", version["version"]) == version
    assert [source["name"] for source in client.list_sources()["sources"]] == [DB]
    assert client.get_source(DB)["type"] == "postgres"
    assert client.list_tags() == {"tags": []}


def test_its_client_reads_the_facets_of_jobs_and_datasets(proxy):
    client = MarquezClient(proxy.url)
    job = client.get_job("real", "daily.load")
    # As the event has them, and from the events of one job alone.
    assert job["facets"] == {"sql": {**FACET, "query": "select 1"}}
    assert client.get_job("real", "report")["facets"] == {}
    orders = client.get_dataset(DB, "shop.orders")
    assert set(orders["facets"]) == {"schema", "columnLineage"}
    assert orders["facets"]["schema"]["fields"][1] == {"name": "total", "type": "numeric"}
    (version,) = client.list_dataset_versions(DB, "shop.orders")["versions"]
    assert version["facets"] == orders["facets"]
    assert client.get_dataset(DB, "shop.raw")["facets"] == {}
    # Of the same facet the last event counts, by its own time; what it does not say stays.
    said = {"documentation": {**FACET, "description": "loads the orders"}, "sourceCodeLocation": {**FACET, "type": "git", "url": "https://example.com/load"}}
    later = {"namespace": "real", "name": "daily.load", "facets": {**said, "sql": {**FACET, "query": "select 3"}}}
    earlier = {"namespace": "real", "name": "daily.load", "facets": {"sql": {**FACET, "query": "select 2"}, "ownership": {**FACET, "owners": []}}}
    described = dataset("shop.orders", documentation={"description": "all orders"})
    for body in (event("daily.load", run=3, second=30, outputs=[described]) | {"job": later}, event("daily.load", run=4, second=20) | {"job": earlier}):
        assert post(f"{proxy.url}/api/v1/lineage", json.dumps(body).encode())[0] == 200
    job = eventually(lambda: (found := client.get_job("real", "daily.load")) and len(found["facets"]) == 4 and found, "the facets of all events")
    assert job["facets"]["sql"]["query"] == "select 3"
    assert (job["description"], job["location"]) == ("loads the orders", "https://example.com/load")
    orders = client.get_dataset(DB, "shop.orders")
    assert set(orders["facets"]) == {"schema", "columnLineage", "documentation"}
    assert orders["description"] == "all orders"


def test_lists_have_what_its_page_reads_of_each(proxy):
    """Its page colours datasets by what their tests say, which producers say of inputs, and links those whose columns are known."""
    client = MarquezClient(proxy.url)
    tests = [{"assertion": "not_null", "column": "id", "success": False}]
    tested = dataset("shop.orders", documentation={"description": "all orders"}) | {"inputFacets": {"dataQualityAssertions": {**FACET, "assertions": tests}}}
    body = event("test", run=5, second=40, inputs=[tested]) | {"job": {"namespace": "real", "name": "test", "facets": {"documentation": {**FACET, "description": "tests"}}}}
    assert post(f"{proxy.url}/api/v1/lineage", json.dumps(body).encode())[0] == 200
    alone = lambda: client.get_dataset(DB, "shop.orders")
    eventually(lambda: "dataQualityAssertions" in alone()["facets"], "the facets of the test")
    orders, raw = client.list_datasets(DB)["datasets"]
    assert orders == alone()
    assert orders["facets"]["dataQualityAssertions"]["assertions"] == tests
    assert (orders["description"], raw["facets"], raw["columnLineage"]) == ("all orders", {}, None)
    (column,) = orders["columnLineage"]
    assert (column["name"], [(source["dataset"], source["field"]) for source in column["inputFields"]]) == ("total", [("shop.raw", "amount")])
    jobs = {job["name"]: job for job in client.list_jobs("real")["jobs"]}
    assert jobs["daily.load"] == client.get_job("real", "daily.load")
    assert jobs["daily.load"]["facets"] == {"sql": {**FACET, "query": "select 1"}}
    graph = {node["id"]: node["data"] for node in get(proxy.url, "/lineage?nodeId=job:real:test&depth=2")["graph"]}
    assert graph["job:real:test"]["description"] == "tests"
    assert graph[f"dataset:{DB}:shop.orders"]["facets"] == orders["facets"]


def test_a_dataset_that_very_many_jobs_read_has_its_facets_in_their_graph(proxy):
    tests = {"dataQualityAssertions": {**FACET, "assertions": [{"assertion": "not_null", "success": False}]}}
    tested = dataset("shop.wide", documentation={"description": "all"}) | {"inputFacets": tests}
    bodies = [event(f"a{n:03}", run=100 + n, second=30, inputs=[tested]) for n in range(210)]
    assert post(f"{proxy.url}/api/v1/lineage/batch", json.dumps(bodies).encode())[0] == 200
    eventually(lambda: get(proxy.url, "/jobs?limit=0")["totalCount"] == 213, "all jobs")
    graph = get(proxy.url, "/lineage?nodeId=job:real:a000&depth=1")["graph"]
    assert len(graph) == 211
    (wide,) = (node["data"] for node in graph if node["type"] == "DATASET")
    assert set(wide["facets"]) == {"documentation", "dataQualityAssertions"}


def test_what_is_said_of_all_columns_of_a_dataset_is_no_column_of_it(proxy):
    """Marquez takes the fields of the facet only."""
    source = {"namespace": DB, "name": "shop.raw", "field": "day", "transformations": [{"type": "INDIRECT"}]}
    written = dataset("shop.filtered", columnLineage={"fields": {}, "dataset": [source]})
    assert post(f"{proxy.url}/api/v1/lineage", json.dumps(event("filter", run=6, second=40, outputs=[written])).encode())[0] == 200
    client = MarquezClient(proxy.url)
    graph = lambda: get(proxy.url, f"/column-lineage?nodeId=dataset:{DB}:shop.filtered")["graph"]
    fields = eventually(lambda: client.list_datasets(DB)["totalCount"] == 3 and [node["data"]["field"] for node in graph()], "the dataset")
    assert fields == ["", "day"]
    assert client.get_dataset(DB, "shop.filtered")["columnLineage"] is None


def test_the_last_runs_of_jobs_are_selected_by_their_states(proxy):
    names = lambda query: [job["name"] for job in get(proxy.url, f"/jobs?{query}")["jobs"]]
    # A job without a run, as a parent is, has every state: Marquez has it so.
    assert names("lastRunStates=FAILED") == ["daily", "report"]
    assert names("lastRunStates=COMPLETED&limit=5") == ["daily", "daily.load"]
    assert names("lastRunStates=COMPLETED&lastRunStates=failed") == ["daily", "daily.load", "report"]
    assert names("lastRunStates=NEW") == ["daily"]
    found = get(proxy.url, "/namespaces/real/jobs?lastRunStates=FAILED&limit=1&offset=1")
    assert ([job["name"] for job in found["jobs"]], found["totalCount"]) == (["report"], 2)


def test_its_client_reads_columns(proxy):
    client = MarquezClient(proxy.url)
    field = lambda name, column: f"datasetField:{DB}:{name}:{column}"
    expected = {field("shop.orders", "total"), field("shop.raw", "amount")}
    for answer in (
        client.get_column_lineage_by_dataset(DB, "shop.orders"),
        client.get_column_lineage_by_dataset_field(DB, "shop.orders", "total"),
        client.get_column_lineage_by_dataset_field(DB, "shop.raw", "amount", with_downstream=True),
        client.get_column_lineage_by_job("real", "daily.load"),
    ):
        assert {node["id"] for node in answer["graph"]} == expected
    assert client.get_column_lineage_by_dataset_field(DB, "shop.raw", "amount") == {"graph": []}


def test_what_is_not_known_is_an_error_of_the_client(proxy):
    client = MarquezClient(proxy.url)
    for ask in (
        lambda: client.get_namespace("nowhere"),
        lambda: client.list_jobs("nowhere"),
        lambda: client.get_job("real", "nothing"),
        lambda: client.get_job_run("01a1faa6-e194-708b-a993-00000000ffff"),
        lambda: client.get_column_lineage_by_dataset(DB, "nothing"),
        lambda: client.create_tag("nobody writes here"),
    ):
        with pytest.raises(APIError):
            ask()


def test_the_calls_of_its_page_are_answered(proxy):
    node = urllib.parse.quote(f"dataset:{DB}:shop.orders", safe="")
    graph = get(proxy.url, f"/lineage?nodeId={node}&depth=2&aggregateToParentRun=false")["graph"]
    # Marquez aggregates runs and versions of datasets, and no jobs.
    assert get(proxy.url, f"/lineage?nodeId={node}&depth=2&aggregateToParentRun=true")["graph"] == graph
    assert {(found["type"], found["data"]["name"]) for found in graph} == {
        ("JOB", "daily.load"),
        ("JOB", "report"),
        ("DATASET", "shop.raw"),
        ("DATASET", "shop.orders"),
    }
    load = next(found for found in graph if found["id"] == "job:real:daily.load")
    assert load["inEdges"] == [{"origin": f"dataset:{DB}:shop.raw", "destination": load["id"]}]
    found = get(proxy.url, "/search/?q=ORD&sort=NAME&limit=100")
    assert [(result["type"], result["nodeId"]) for result in found["results"]] == [("DATASET", f"dataset:{DB}:shop.orders")]
    facets = get(proxy.url, f"/jobs/runs/{RUN}/facets?type=job")
    assert facets["facets"]["sql"]["query"] == "select 1"
    assert "parent" in get(proxy.url, f"/jobs/runs/{RUN}/facets?type=run")["facets"]
    assert get(proxy.url, "/jobs?limit=25&offset=0&lastRunStates=")["totalCount"] == 3
    # Its list of events, with the parameters that it always sends.
    events = get(proxy.url, "/events/lineage?limit=2&before=&after=&offset=0&sortDirection=desc")
    assert (len(events["events"]), events["totalCount"]) == (2, 3)
    events = get(proxy.url, "/events/lineage?limit=2&before=2020-01-01T00:00:00.000Z&after=&offset=0&sortDirection=asc")
    assert events["events"] == []
    hours = get(proxy.url, "/stats/lineage-events?period=DAY&timezone=Europe/Paris")
    assert (len(hours), hours[-1]["complete"], hours[-1]["fail"]) == (24, 1, 1)
    assert get(proxy.url, "/stats/jobs?period=WEEK&timezone=Europe/Paris")[-1]["count"] == 3


def test_what_has_no_effect_is_said(proxy):
    for path in ("/jobs?lastRunStates=FAIL", "/lineage?nodeId=job:real:report&aggregateToParentRun=perhaps", "/lineage?nodeId=run:x", "/lineage?nodeId=report", "/search?q="):
        with pytest.raises(urllib.error.HTTPError) as error:
            get(proxy.url, path)
        assert error.value.code == 400, path


def test_a_key_that_may_only_send_reads_no_lineage(serve):
    key = "a-key-of-some-length"
    proxy = serve(AUTH_KEYS=json.dumps({"sender": {"key": key, "roles": ["send"]}}))
    for client in (MarquezClient(proxy.url, api_key=key), MarquezClient(proxy.url)):
        for ask in (client.list_namespaces, lambda: client.get_job("real", "a"), lambda: client.get_dataset("real", "a"), lambda: client.get_job_run(RUN)):
            with pytest.raises(APIError):
                ask()
