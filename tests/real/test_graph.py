"""The lineage of `serve` is that of the events that it delivered, as another program computes it.

Every event that this repository has goes in; with PROXY_TEST_CORPUS, those of a folder too.
"""

import json
import os
import pathlib
import urllib.parse

from lineage_reader import Computed, LineageReader
from parts import eventually, event, post
from traffic import Estate

ROOT = pathlib.Path(__file__).parents[2]


def texts(folder):
    """The texts of the events in a folder: one in a file, or one in a line."""
    for path in sorted(folder.rglob("*")):
        if path.suffix == ".json":
            yield path.read_bytes()
        elif path.suffix == ".jsonl":
            yield from filter(None, path.read_bytes().splitlines())


def accepted(proxy, bodies):
    """Posts what is an event. Returns how many were accepted."""
    return sum(post(f"{proxy.url}/api/v1/lineage", body)[0] == 200 for body in bodies)


def delivered(proxy):
    """All events that were delivered, in their order, page after page."""
    reader, found, position = LineageReader(proxy.url), [], {}
    while True:
        page = reader.get("/events/lineage", limit=1_000, sortDirection="asc", **position)
        found += page["events"]
        if "position" not in page:
            return found
        position = {"position": page["position"]}


def recorded(proxy, count):
    """Waits until the history has so many events, of which it shows a page, and all of them have ended."""
    found = lambda search: len(LineageReader(proxy.url).get("/events", limit=1_000, q=search)["events"])
    eventually(lambda: found("") >= min(count, 1_000), lambda: f"{count} events in the history\n{proxy.tail()}")
    assert found("outcome:dead") == found("outcome:retry") == 0


def compare(proxy, count):
    recorded(proxy, count)
    events = delivered(proxy)
    assert 0 < len(events) <= count  # one that is sent twice is delivered once
    computed, reader = Computed(events), LineageReader(proxy.url)
    read = reader.lineage()
    assert read.jobs == computed.lineage.jobs
    assert read.edges == computed.lineage.edges
    assert read.columns == computed.lineage.columns
    # Of several names of a dataset, one is listed.
    assert {computed.one_name(name) for name in read.datasets} == {computed.one_name(name) for name in computed.lineage.datasets}
    return computed, reader


def compare_lists(computed, reader):
    """What lists say of jobs and datasets besides their names: facets, and columns. Returns the facets that were compared."""
    found, columns, compared = reader.listed(), set(), {}
    for node, answer in found.items():
        facets, events = computed.facets(*node)
        # Of more events the last ones are read, and large facets are left out.
        if events <= 15 and len(json.dumps(facets)) < 50_000:
            assert answer["facets"] == facets, node
            compared[node] = facets
        for column in answer.get("columnLineage") or []:
            sources = ((source["namespace"], source["dataset"], source["field"]) for source in column["inputFields"])
            columns |= {(source, (*node[1:], column["name"])) for source in sources}
    # As in Marquez, without what is said of all columns of a dataset.
    assert columns == {(source, to) for source, to in computed.lineage.columns if source[2] and to[2]}
    return compared


def test_the_lineage_of_every_fixture_is_what_its_events_say(serve):
    proxy = serve()
    bodies = [*texts(ROOT / "tests/fixtures"), *texts(ROOT / "crates/cli/src/cli/demo")]
    folder = os.environ.get("PROXY_TEST_CORPUS")
    bodies += texts(pathlib.Path(folder)) if folder else []
    count = accepted(proxy, bodies)
    assert count >= 40
    computed, reader = compare(proxy, count)
    # A job with its datasets is a part of what is connected with it.
    text = lambda node: ":".join(node)
    for kind, namespace, name in {end for edge in computed.lineage.edges for end in edge if end[0] == "job"}:
        job = text((kind, namespace, name))
        own = {tuple(map(text, edge)) for edge in computed.lineage.edges if (kind, namespace, name) in edge}
        assert own <= reader.graph(job), job


def test_lists_say_of_every_fixture_what_its_events_say_last(serve):
    proxy = serve()
    count = accepted(proxy, [*texts(ROOT / "tests/fixtures"), *texts(ROOT / "crates/cli/src/cli/demo")])
    computed, reader = compare(proxy, count)
    compared = compare_lists(computed, reader)
    kinds = {(kind, facet) for (kind, *_), facets in compared.items() for facet in facets}
    assert {("job", "sql"), ("dataset", "schema"), ("dataset", "columnLineage")} <= kinds
    # A request for one node returns the same facets. So does a graph, for each node, if it fits on one page.
    for (kind, namespace, name), facets in compared.items():
        path = [urllib.parse.quote(part, safe="") for part in (namespace, name)]
        assert reader.get(f"/namespaces/{path[0]}/{kind}s/{path[1]}")["facets"] == facets
        graph = reader.get("/lineage", nodeId=f"{kind}:{namespace}:{name}", depth=0)["graph"]
        for node in graph if len(graph) <= 5 else []:
            data = node["data"]
            node = (node["type"].lower(), data["namespace"], data["name"])
            assert data["facets"] == compared.get(node, data["facets"]), node


def test_lists_say_of_an_estate_what_its_events_say_last(serve):
    proxy = serve()
    events = list(Estate(nodes=60).events(150))
    status, _, answer = post(f"{proxy.url}/api/v1/lineage/batch", json.dumps(events).encode())
    assert status == 200, answer
    computed, reader = compare(proxy, len(events))
    assert sum(bool(facets) for facets in compare_lists(computed, reader).values()) >= 10


def test_the_lineage_of_an_estate_is_what_its_events_say(serve):
    proxy = serve()
    estate = Estate(nodes=300)
    events = list(estate.events(700))
    status, _, answer = post(f"{proxy.url}/api/v1/lineage/batch", json.dumps(events).encode())
    assert status == 200, answer
    compare(proxy, len(events))


def test_events_in_any_order_say_the_same(serve):
    proxy = serve()
    dataset = lambda name: {"namespace": "pg", "name": name}
    first = event("j", "COMPLETE", run=1, second=1, inputs=[dataset("a"), dataset("gone")], outputs=[dataset("out")])
    second = event("j", "START", run=2, second=5, inputs=[dataset("a")])
    third = event("j", "COMPLETE", run=2, second=9, outputs=[dataset("out")])
    failed = event("j", "FAIL", run=3, second=20, inputs=[dataset("b")])
    for body in (failed, third, second, first):
        assert post(f"{proxy.url}/api/v1/lineage", json.dumps(body).encode())[0] == 200
    _, reader = compare(proxy, 4)
    job = reader.get("/namespaces/real/jobs/j")
    assert job["latestRun"]["state"] == "FAILED"
    assert [source["name"] for source in job["inputs"]] == ["a", "b"]
