#!/usr/bin/env python3
"""Measures the page against its budgets: 100,000 events, and a lineage of 2,000 nodes, in a real browser.

    benches/report.py page

Prints a table in Markdown, and which budgets are exceeded. It takes some minutes, on a machine that does nothing else; `--events` and
`--nodes` make it smaller. No test runs it: times belong to a machine. Sizes are held by tests (`crates/page/src/assets.rs`).
"""

import argparse
import gzip
import http.client
import json
import pathlib
import random
import re
import shutil
import statistics
import sys
import tempfile
import time
import urllib.parse
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).parent / "real"))

import estate  # noqa: E402
from parts import Serve, eventually, event, post  # noqa: E402
from playwright.sync_api import sync_playwright  # noqa: E402

# How many events may wait for the history to record them: it keeps four times as many.
AHEAD = 4_000

HTML = {"Accept": "text/html"}
JSON = {"Accept": "application/json"}

# What finds events, by each field that a search has.
SEARCHES = [
    "orders",
    "job:dbt.*",
    "job:dbt.shop.fct_orders",
    "dataset:dev.staging.stg_orders",
    "dataset:dev.*",
    "outcome:dead",
    "outcome:delivered",
    "kind:fail",
    "kind:start job:airflow.*",
    "since:2h",
    "rule:one-host",
    "rule:nothing-has-this",
    "target:store",
    "nothing-has-this",
]

# Renames each name, so that nothing stays as it was.
RULES = """version: 1
rules:
  - name: one host
    rename: {only: {namespace: {regex: "^postgres://.*"}}, namespace: "postgres://db:5432"}
"""

# Tells in `window.told` when each text of `window.awaited` is first on the screen, in milliseconds since 1970.
WATCH = """() => {
    window.told = {};
    window.awaited = [];
    const look = () => {
        const live = document.getElementById("live");
        for (const [name, id, word] of window.awaited) {
            const row = [...live.querySelectorAll("tbody tr")].find((it) => it.querySelector(".when a").href.endsWith(id));
            if (row?.textContent.includes(word)) window.told[name] ??= performance.timeOrigin + performance.now();
        }
        requestAnimationFrame(look);
    };
    look();
}"""

FRAMES = """() => new Promise((done) => {
    const graph = document.querySelector("#graph"), { left, top } = graph.getBoundingClientRect(), times = [];
    let last = performance.now(), count = 0;
    const step = (now) => {
        times.push(now - last);
        last = now;
        const deltaY = count % 60 < 30 ? -40 : 40;
        graph.dispatchEvent(new WheelEvent("wheel", { deltaY, clientX: left + 400, clientY: top + 300, cancelable: true }));
        ++count < 180 ? requestAnimationFrame(step) : done(times.slice(5));
    };
    requestAnimationFrame(step);
})"""

# Clicks a node and waits for the frame that shows it as the chosen one.
CLICK = """(at) => new Promise((done) => {
    const begin = performance.now(), was = document.querySelector(".node.chosen"), heads = [...document.querySelectorAll(".node:not(.chosen, .more) .head")];
    heads[at % heads.length].click();
    const look = () => {
        const now = document.querySelector(".node.chosen");
        now && now !== was ? done(performance.now() - begin) : requestAnimationFrame(look);
    };
    look();
})"""

DRAWN = "() => !document.querySelector('#graph').ariaBusy && document.querySelector('#graph canvas')?.width > 300 && performance.now()"


class Report:
    """The table, row by row."""

    def __init__(self):
        self.exceeded = []
        print("| what | budget | median | p95 | worst |\n|---|---|---|---|---|", flush=True)

    def times(self, what, budget, times, at=95):
        """Milliseconds, of which this percentile is held to the budget."""
        times = sorted(times)
        percentile = lambda share: times[min(len(times) - 1, len(times) * share // 100)]
        self.row(what, f"{budget} ms{'' if at == 50 else f' p{at}'}", [statistics.median(times), percentile(95), times[-1]], percentile(at) > budget)

    def size(self, what, budget, size):
        self.row(what, f"{budget:,} bytes", [size], size > budget)

    def row(self, what, budget, figures, is_exceeded):
        cells = [f"{figure:,}" if isinstance(figure, int) else f"{figure:.1f} ms" for figure in figures]
        cells += [""] * (3 - len(cells))
        if is_exceeded:
            self.exceeded.append(f"{what}: {cells[0]}, budget {budget}")
            cells[0] = f"**{cells[0]}**"
        print(f"| {what} | {budget} | {' | '.join(cells)} |", flush=True)


class Client:
    """One connection that stays open, until nothing was asked for so long that the server closes it."""

    def __init__(self, proxy):
        self.connection = http.client.HTTPConnection(urllib.parse.urlsplit(proxy.url).netloc, timeout=60)

    def get(self, path, headers=HTML):
        try:
            self.connection.request("GET", path, headers=headers)
            answer = self.connection.getresponse()
        except http.client.RemoteDisconnected:
            self.connection.request("GET", path, headers=headers)
            answer = self.connection.getresponse()
        body = answer.read()
        assert answer.status == 200, (path, answer.status, body[:300])
        return body

    def timed(self, path, times, headers=HTML):
        taken = []
        for _ in range(times):
            begin = time.perf_counter()
            self.get(path, headers)
            taken.append((time.perf_counter() - begin) * 1_000)
        return taken


def fill(proxy, client, events, nodes):
    """Sends the events of an estate of so many nodes, again and again, until there are so many, and waits for the last outcome.

    No faster than they are recorded: the history leaves out what it has no time for (docs/operate.md).
    """

    def recorded():
        found = re.search(r'data-o="delivered">[^<]*</span></dt><dd><a [^>]*>([\d,]+)', client.get("/").decode())
        return int(found[1].replace(",", "")) if found else 0

    def wait_for(count):
        eventually(lambda: recorded() >= count, lambda: f"{count} events are delivered and recorded\n{proxy.tail()}", patience=120)

    jobs = list(estate.estate(nodes))
    for start in range(0, events, 500):
        some = []
        for number in range(start, min(events, start + 500)):
            one = dict(jobs[number % len(jobs)])
            if number >= len(jobs):
                one["run"] = {"runId": str(uuid.uuid4()), "facets": {}}
                one["eventTime"] = estate.at((events - number) / 10_000)
            some.append(one)
        status, _, body = post(f"{proxy.url}/api/v1/lineage/batch", json.dumps(some).encode())
        assert status == 200, body
        wait_for(start - AHEAD)
    wait_for(events)


def assets(report, client):
    """The files of the page, as they are served."""
    page = client.get("/lineage?all=1").decode()
    sizes = {name: len(client.get(name)) for name in set(re.findall(r'"(/assets/[^"]+)"', page))}
    report.size("all assets", 40_000, sum(sizes.values()))
    report.size("scripts", 16_384, sum(size for name, size in sizes.items() if name.endswith(".js")))


def events_page(report, client):
    body = client.get("/")
    rows = body.count(b"<tr>") + body.count(b"<tr ") - 1
    report.size(f"events page, {rows} rows", 60_000, len(body))
    report.size(f"events page, {rows} rows, gzip", 15_000, len(gzip.compress(body, 6)))
    report.times("events page, server", 5, client.timed("/", 500), at=99)
    newest = json.loads(client.get("/", JSON))["events"][0]
    searches = [*SEARCHES, f"run:{newest['run'][:8]}", f"id:{newest['id']}"]
    found = {search: client.timed(f"/?{urllib.parse.urlencode({'q': search})}", 30, JSON) for search in searches}
    worst = max(found, key=lambda search: statistics.median(found[search]))
    report.times(f"find, {len(searches)} fields and words", 50, [it for times in found.values() for it in times])
    report.times(f"find `{worst}`, the slowest", 50, found[worst])


def trial(report, client):
    form = urllib.parse.urlencode({"target": "store", "rules": RULES, "events": 1_000, "q": ""})
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin", **JSON}
    taken = []
    for _ in range(10):
        begin = time.perf_counter()
        client.connection.request("POST", "/rules/try", form, headers)
        answer = client.connection.getresponse()
        body = json.loads(answer.read())
        taken.append((time.perf_counter() - begin) * 1_000)
        assert answer.status == 200, body
    report.times("trial of 1,000 events", 1_000, taken)


def first_paint(report, browser, proxy):
    times = []
    for _ in range(20):
        page = browser.new_context(viewport={"width": 1280, "height": 860}).new_page()
        page.goto(proxy.url)
        paint = "() => performance.getEntriesByType('paint').find((it) => it.name === 'first-contentful-paint')?.startTime"
        times.append(page.wait_for_function(paint).json_value())
        page.context.close()
    report.times("first paint of a cold tab", 300, times)


def on_screen(report, browser, proxy, client):
    """From the response to an event until its row is painted, and from its outcome until that is."""
    page = browser.new_page()
    page.goto(proxy.url)
    page.wait_for_selector("#news[data-state=live]")
    page.evaluate(WATCH)
    waiting, settled = [], []
    # After an update, the page waits for half a second before the next one: events come at any time of that.
    pauses = random.Random(1)
    for number in range(20):
        time.sleep(0.5 + pauses.random())
        status, _, body = post(f"{proxy.url}/api/v1/lineage", json.dumps(event(f"seen_{number}", run=900_000 + number)).encode())
        accepted = time.time() * 1_000
        assert status == 200, body
        id = json.loads(body)["id"]
        page.evaluate("(awaited) => { window.awaited = awaited; }", [["first", id, ""], ["last", id, "delivered"]])
        page.wait_for_function("() => window.told.last")
        told = page.evaluate("() => { const told = window.told; window.told = {}; window.awaited = []; return told; }")
        found = json.loads(client.get(f"/?q=id:{id}", JSON))["events"][0]
        changed = estate.datetime.datetime.fromisoformat(found["changed_at"]).timestamp() * 1_000
        waiting.append(max(0.0, told["first"] - accepted))
        settled.append(max(0.0, told["last"] - changed))
    page.close()
    report.times("accepted → on screen", 500, waiting)
    report.times("settled → on screen", 500, settled)


def lineage(report, browser, proxy, client, nodes):
    size = len(client.get("/lineage?all=1&part=drawing"))
    cold, warm, frames, clicks = [], [], [], []
    for number in range(6):
        # It is kept for ten seconds for all who look.
        time.sleep(11)
        for times in cold, warm:
            page = browser.new_context(viewport={"width": 1280, "height": 860}).new_page()
            page.goto(f"{proxy.url}/lineage?all=1")
            times.append(page.wait_for_function(DRAWN).json_value())
            if times is warm and number < 3:
                frames += page.evaluate(FRAMES)
            page.context.close()
    report.times(f"{nodes:,} nodes whole, first reader, page opened → drawn", 500, cold, at=50)
    report.times(f"{nodes:,} nodes whole, next reader, page opened → drawn", 500, warm, at=50)
    report.times(f"{nodes:,} nodes whole, a frame", 33, frames)
    print(f"| drawing of {nodes:,} nodes, JSON with the table beside it | | {size:,} | | |")
    near = "/lineage?" + urllib.parse.urlencode({"dataset": "dev.staging.stg_orders", "namespace": estate.WAREHOUSE, "up": 20, "down": 20})
    shown = len(json.loads(client.get(near, JSON))["nodes"])
    page = browser.new_page()
    for number in range(20):
        page.goto(f"{proxy.url}{near}")
        page.wait_for_selector(".node.chosen")
        clicks.append(page.evaluate(CLICK, number))
    page.close()
    report.times(f"lineage near a node, {shown} nodes, click → drawn", 150, clicks, at=50)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--nodes", type=int, default=2_000)
    wanted = parser.parse_args()
    chromium = shutil.which("chromium") or sys.exit("this machine has no chromium (Debian: apt-get install chromium)")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        proxy = Serve(pathlib.Path(folder), TARGET="store", BATCH_WINDOW="2s")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        try:
            client = Client(proxy)
            fill(proxy, client, wanted.events, wanted.nodes)
            report = Report()
            assets(report, client)
            events_page(report, client)
            trial(report, client)
            first_paint(report, browser, proxy)
            on_screen(report, browser, proxy, client)
            lineage(report, browser, proxy, client, wanted.nodes)
        finally:
            browser.close()
            proxy.stop()
    print("\nExceeded: " + ("; ".join(report.exceeded) if report.exceeded else "none"))


if __name__ == "__main__":
    main()
