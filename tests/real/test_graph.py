"""The lineage of `serve` is that of the events that it delivered, as another program computes it.

Every event that this repository has goes in; with PROXY_TEST_CORPUS, those of a folder too.
"""

import json
import os
import pathlib

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
