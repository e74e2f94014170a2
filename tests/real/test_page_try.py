"""The screens Rules and Try rules in a real browser."""

import json
import time
import urllib.parse
import urllib.request

import pytest
from playwright.sync_api import expect

from parts import event, eventually, post

RULES = """version: 1
rules:
  - name: secrets
    redact: {connection_secrets: true}
"""

ONE_HOST = """version: 1
rules:
  - name: one host
    rename: {only: {namespace: {regex: "^postgres://.*10[.].*"}}, namespace: "postgres://db:5432"}
"""


@pytest.fixture
def proxy(serve, tmp_path):
    rules = tmp_path / "transforms.yaml"
    rules.write_text(RULES)
    proxy = serve(RULES_FILE=rules)
    for run, host in enumerate(["u:hunter2@10.1.2.3", "10.1.2.4", "db"], 1):
        dataset = {"namespace": f"postgres://{host}:5432", "name": "shop.orders"}
        status, _, body = post(f"{proxy.url}/api/v1/lineage", json.dumps(event(f"job{run}", run=run, inputs=[dataset])).encode())
        assert status == 200, body
    proxy.stored_when(3)
    return proxy


def tried(page, rules=None):
    """Tries rules; what the page says of them."""
    if rules is not None:
        page.get_by_label("Rules", exact=True).fill(rules)
    page.get_by_role("button", name="Try", exact=True).click()
    page.locator("#result, [role=alert]").first.wait_for()
    return page.locator("main").inner_text()


def test_the_rules_in_force_have_their_counts(proxy, browser):
    page = browser.open(f"{proxy.url}/rules")
    expect(page.get_by_text("transforms.yaml")).to_be_visible()
    row = page.get_by_role("row", name="secrets")
    eventually(lambda: page.reload() and row.get_by_role("cell").first.inner_text() == "1", "the count")
    page.get_by_role("link", name="Try rules…").click()
    expect(page.get_by_label("Rules", exact=True)).to_have_value(RULES)


def test_two_spellings_that_become_one_are_found_and_nothing_redacted_is_shown(proxy, browser):
    page = browser.open(f"{proxy.url}/rules/try")
    text = tried(page, ONE_HOST)
    assert "1 as now" in text and "2 changed" in text, text
    assert "3 datasets become 1" in text, text
    assert "6 nodes become 4" in text, text
    assert "hunter2" not in page.content(), "the rules in force redact it, and those that are tried do not"
    expect(page.get_by_label("Rules", exact=True)).to_have_value(ONE_HOST)
    page.get_by_label("matching").fill("job:job1")
    assert "on 1 event" in tried(page)


def test_errors_have_their_line_and_the_text_stays(proxy, browser):
    page = browser.open(f"{proxy.url}/rules/try")
    wrong = "version: 1\nrules:\n  - name: a\n    drop: maybe\n"
    text = tried(page, wrong)
    assert "rules:4:11:" in text, text
    expect(page.get_by_label("Rules", exact=True)).to_have_value(wrong)


@pytest.mark.parametrize(
    "rule",
    [
        "script: {file: /etc/passwd}",
        "script: {file: transforms.yaml}",
        "module: {file: transforms.yaml}",
        "drop: true\n    examples: [{given: {file: transforms.yaml}, expect: dropped}]",
    ],
)
def test_no_rule_reads_a_file(proxy, browser, rule):
    page = browser.open(f"{proxy.url}/rules/try")
    text = tried(page, f"version: 1\nrules:\n  - name: r\n    {rule}\n")
    assert "expected no file" in text, text


def test_a_script_without_end_is_bounded(proxy, browser):
    page = browser.open(f"{proxy.url}/rules/try")
    begun = time.monotonic()
    text = tried(page, "version: 1\nrules:\n  - name: endless\n    script: 'loop {}'\n")
    assert time.monotonic() - begun < 10
    assert "Too many operations" in text or "operations" in text, text
    refused = tried(page, "version: 1\nrules:\n  - name: endless\n    script: {text: 'loop {}', operations: 100000000}\n")
    assert "at most 100000 operations" in refused, refused


def test_the_rules_file_is_never_written(proxy, browser, tmp_path):
    page = browser.open(f"{proxy.url}/rules/try")
    tried(page, ONE_HOST)
    assert (tmp_path / "transforms.yaml").read_text() == RULES
    assert [path.name for path in (tmp_path).iterdir() if path.name.startswith("transforms")] == ["transforms.yaml"]


def test_trying_is_accessible_in_both_colours(proxy, browser):
    browser.accessible(f"{proxy.url}/rules")
    page = browser.open(f"{proxy.url}/rules/try")
    tried(page, ONE_HOST)
    sides(page)
    browser.check(page)
    browser.picture(page, "try-merge")


# What tells of a node of a drawing: its name, what becomes of it and its namespace.
NODES = r"""graph => [...graph.querySelectorAll(".node")].map(node => ["name", "ran"].map(part => node.querySelector("." + part)?.textContent.trim()
  ?? "").concat(node.querySelector(".head").title.split("\n")[1] ?? "")).sort()"""


def sides(page):
    """The drawings of the lineage before and after, once they are there."""
    both = page.locator(".compared .graph")
    expect(both).to_have_count(2)
    for at in range(2):
        expect(both.nth(at).locator(".node").first).to_be_visible()
    return both.nth(0), both.nth(1)


def nodes(graph):
    return [tuple(node) for node in graph.evaluate(NODES)]


def test_the_drawing_shows_how_spellings_of_a_dataset_become_one(proxy, browser):
    page = browser.open(f"{proxy.url}/rules/try")
    tried(page, ONE_HOST)
    before, after = sides(page)
    jobs = [(f"job{run}", "", "real") for run in (1, 2, 3)]
    orders = [
        ("shop.orders", "", "postgres://db:5432"),
        ("shop.orders", "✎ renamed", "postgres://10.1.2.4:5432"),
        ("shop.orders", "✎ renamed", "postgres://xxxxx@10.1.2.3:5432"),
    ]
    found = nodes(before)
    assert found[:3] == jobs
    assert [(name, said) for name, said, _ in found[3:]] == [(name, said) for name, said, _ in orders], found
    assert nodes(after) == [*jobs, ("shop.orders", "✎ 3 in one", "postgres://db:5432")]
    assert "hunter2" not in page.content()
    # What stays is at the same place on both sides, and both move together.
    place = "graph => { const { x, y } = [...graph.querySelectorAll('.node')].find(it => it.innerText.includes('job2')).getBoundingClientRect(), own = graph.getBoundingClientRect(); return [x - own.x, y - own.y].map(Math.round); }"
    assert before.evaluate(place) == after.evaluate(place)
    was = before.evaluate(place)
    before.focus()
    page.keyboard.press("+")
    eventually(lambda: (at := after.evaluate(place)) != was and at == before.evaluate(place), "the other side moves, too")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#spoken")).to_have_text("Job job1, 1 before, 0 after")


def test_the_drawing_shows_what_is_lost_with_dropped_events(proxy, browser):
    page = browser.open(f"{proxy.url}/rules/try")
    tried(page, "version: 1\nrules:\n  - name: no tests\n    when: {job: {name: job2}}\n    drop: true\n")
    expect(page.get_by_role("heading", name="Lineage of these events")).to_be_visible()
    graph = page.locator(".compared .graph")
    expect(graph).to_have_count(1)
    expect(graph.locator(".node").first).to_be_visible()
    assert nodes(graph) == [("job2", "− gone", "real"), ("shop.orders", "− gone", "postgres://10.1.2.4:5432")]
    expect(page.locator(".compared figure").nth(1)).to_contain_text("Nothing of it is there.")
    style = graph.locator(".node").first.evaluate("it => getComputedStyle(it).borderTopStyle")
    assert style == "dashed", "not by colour alone"
    # The lists say the same, and are all there is without scripts.
    expect(page.get_by_text("2 nodes are gone")).to_be_visible()
    browser.check(page)
    browser.picture(page, "try-lost")


def test_without_scripts_the_lists_tell_what_changes(proxy, browser):
    page = browser.open(f"{proxy.url}/rules/try", java_script_enabled=False)
    page.get_by_label("Rules", exact=True).fill(ONE_HOST)
    page.get_by_role("button", name="Try", exact=True).click()
    expect(page.get_by_text("2 nodes are gone")).to_be_visible()
    expect(page.locator(".compared .graph").first).to_be_hidden()


def test_a_narrow_screen_has_one_side_below_the_other(proxy, browser):
    page = browser.open(f"{proxy.url}/rules/try", viewport={"width": 390, "height": 860})
    tried(page, ONE_HOST)
    before, after = (side.bounding_box() for side in sides(page))
    assert before["x"] == after["x"] and before["y"] + before["height"] < after["y"], (before, after)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_names_of_markup_stay_text_in_the_drawing(serve, browser, tmp_path):
    hostile = "<img src=x onerror=alert(1)>\"' data-x=\u202e</section><script>alert(2)</script>"
    proxy = serve()
    inputs = [{"namespace": f"postgres://10.1.2.3/{hostile}", "name": hostile}]
    status, _, body = post(f"{proxy.url}/api/v1/lineage", json.dumps(event(hostile, inputs=inputs)).encode())
    assert status == 200, body
    proxy.stored_when(1)
    page = browser.open(f"{proxy.url}/rules/try")
    tried(page, ONE_HOST)
    before, after = sides(page)
    for side in before, after:
        assert any("<img src=x" in name for name, *_ in nodes(side)), nodes(side)
        expect(side.locator("img, script")).to_have_count(0)
    expect(page.locator("main img, [data-x], main script:not([src])")).to_have_count(0)
    assert "\u202e" not in page.locator("main").inner_text()


def test_the_answer_in_json_has_the_same_graph(proxy):
    body = urllib.parse.urlencode({"target": "store", "rules": ONE_HOST}).encode()
    headers = {"Accept": "application/json", "Sec-Fetch-Site": "same-origin"}
    with urllib.request.urlopen(urllib.request.Request(f"{proxy.url}/rules/try", body, headers), timeout=30) as answer:
        near = json.load(answer)["graph"]["near"]
    one = next(at for at, node in enumerate(near["nodes"]) if node["from"] == 3)
    assert near["nodes"][one]["name"] == {"namespace": "postgres://db:5432", "name": "shop.orders"}
    assert sorted(node["within"] for node in near["nodes"]) == ["before"] * 2 + ["both"] * 4
    assert [node["becomes"] for node in near["nodes"] if node["within"] == "before"] == [[one], [one]]
    assert near["more"] == [0, 0] and all(edge["is_renamed"] or edge["within"] == "both" for edge in near["edges"])
