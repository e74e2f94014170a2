"""Events in a real browser (browser.py): `serve` before a target that answers as each outcome needs."""

import http.server
import json
import re
import subprocess
import threading
import urllib.parse
import uuid

import pytest
from parts import BIN, eventually, get, post
from playwright.sync_api import expect

RULES = """
rules:
  - name: drop tests
    when: {job: {namespace: tests}}
    drop: true
  - name: one host
    rename: {of: dataset, namespace: {regex: 'postgres://10\\.1\\.2\\.3:5432', to: 'postgres://db.example.com:5432'}}
"""

# Text that is markup, in each way in which a page might run it.
MARKUP = [
    "<img src=x onerror=alert(1)>",
    "\"><script>alert(1)</script>",
    "'-alert(1)-'",
    "</title><script>alert(1)</script>",
    "javascript:alert(1)//",
    "{{7*7}}${7*7}",
    "\u202egnp.exe\u2066",
    "a\u0000b\u0007\u001b[31m",
    "<svg/onload=alert(1)>" * 3,
    "x" * 5_000,
]

# The most pages of jobs, datasets, runs and their lineage that a test looks at: each takes some 0.2 s.
MOST_PAGES = 90


class Target(http.server.BaseHTTPRequestHandler):
    """Takes events, but those of a job whose name says otherwise."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        job = json.loads(body).get("job", {}).get("name", "")
        status = 400 if "rejected" in job else 503 if "later" in job else 200
        answer = b'{"error": "<b>no</b> such thing"}'
        self.send_response(status)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


@pytest.fixture
def target():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Target)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture
def line(serve, target, tmp_path):
    """A proxy with a target for each outcome, and rules."""
    rules = tmp_path / "rules.yaml"
    rules.write_text(RULES)
    return serve(TARGET="openlineage", OPENLINEAGE_URL=target, RULES_FILE=rules)


def event(run, job, kind="START", namespace="dbt", inputs=(), outputs=(), **facets):
    return {
        "eventType": kind,
        "eventTime": "2026-11-20T10:00:00Z",
        "run": {"runId": str(uuid.UUID(int=0x01A1FAA6_E194_708B_A993_000000000000 + run)), "facets": facets},
        "job": {"namespace": namespace, "name": job},
        "inputs": [dataset(name) for name in inputs],
        "outputs": [dataset(name) for name in outputs],
        "producer": "https://example.com/tests",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
    }


def dataset(name):
    fields = [{"name": f"column_{n}", "type": "varchar"} for n in range(12)]
    schema = {"_producer": "https://example.com", "_schemaURL": "https://openlineage.io/spec/facets/1-1-1/SchemaDatasetFacet.json", "fields": fields}
    return {"namespace": "postgres://10.1.2.3:5432", "name": name, "facets": {"schema": schema}}


def send(line, body):
    status, _, answer = post(f"{line.url}/api/v1/lineage", json.dumps(body).encode())
    assert status == 200, answer
    return json.loads(answer)["id"]


def send_all(line):
    """An event for each outcome. Returns their ids by the outcome."""
    ids = {
        "delivered": send(line, event(1, "shop.fct_orders", "COMPLETE", inputs=["shop.stg_orders", "shop.customers"], outputs=["shop.fct_orders"])),
        "dropped": send(line, event(2, "a test", namespace="tests")),
        "dead letter": send(line, event(3, "rejected.job", "FAIL", inputs=["shop.raw"])),
        "retry": send(line, event(4, "later.job", outputs=["shop.later"])),
    }
    for outcome, id in ids.items():
        eventually(lambda: found(line, f"id:{id}"), outcome)
    return ids


def found(line, search):
    answer = get(f"{line.url}/api/v1/events?{urllib.parse.urlencode({'q': search})}")
    return json.loads(answer)["events"] if answer else []


def test_each_outcome_is_on_the_page_and_is_found(line, browser):
    ids = send_all(line)
    page = browser.open(line.url)
    for outcome in ids:
        expect(page.locator("tbody .o", has_text=outcome)).to_have_count(1)
    for search, count in [
        ("job:shop.*", 1),
        ("dataset:shop.raw", 1),
        ("run:01a1faa6-e194-708b-a993-000000000002", 1),
        ("REJECTED", 1),
        ("outcome:dead", 1),
        ("kind:start", 2),
        ("nothing-has-this", 0),
    ]:
        page.get_by_label("Find events").fill(search)
        page.get_by_role("button", name="Find").click()
        expect(page.locator("#live tbody tr")).to_have_count(count)
        expect(page.get_by_label("Find events")).to_have_value(search)
    page.goto(line.url)
    browser.picture(page, "events")
    # What the browser shows is the time of its clock, and not that of the server.
    shown = page.locator("tbody time").first
    assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d\d\d", shown.inner_text()), shown.inner_text()


def test_a_link_into_the_page_shows_the_same_again(line, browser):
    ids = send_all(line)
    first, second = browser.tab(), browser.tab()
    first.goto(f"{line.url}/?q=outcome%3Adead")
    first.locator("tbody .when a").click()
    first.get_by_role("link", name="Before").click()
    expect(first.locator("pre")).to_contain_text("rejected.job")
    second.goto(first.url)
    assert second.locator("main").inner_text() == first.locator("main").inner_text()
    assert ids["dead letter"] in second.url


def test_what_rules_changed_is_what_transform_says(line, browser, tmp_path):
    ids = send_all(line)
    body = event(1, "shop.fct_orders", "COMPLETE", inputs=["shop.stg_orders", "shop.customers"], outputs=["shop.fct_orders"])
    file = tmp_path / "event.json"
    file.write_text(json.dumps(body))
    command = [BIN / "lineage-proxy", "transform", "--diff", "--output", "json", "--rules", tmp_path / "rules.yaml", file]
    printed = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    assert printed.returncode == 0, printed.stderr
    rules = json.loads(printed.stdout.splitlines()[0])["rules"]
    expected = {(change["pointer"], json.dumps(change["before"]), json.dumps(change["after"]), rule["rule"]) for rule in rules for change in rule.get("changes", [])}
    page = browser.open(f"{line.url}/events/{ids['delivered']}")
    rows = page.locator(".diff tbody tr")
    texts = lambda row, selector: row.locator(selector).first.inner_text()
    shown = {(where, texts(row, "del code"), texts(row, "ins code"), texts(row, ".rule")) for row in rows.all() for where in row.locator(".where code").all_text_contents()}
    assert shown == expected and len(expected) == 3
    page.get_by_role("link", name="After").click()
    expect(page.locator("pre")).to_contain_text("postgres://db.example.com:5432")
    page.get_by_role("link", name="What changed").click()
    browser.picture(page, "event")
    page.goto(f"{line.url}/events/{ids['dead letter']}?show=before")
    browser.picture(page, "event-dead")
    with page.expect_download() as download:
        page.get_by_role("link", name="Raw ⤓").click()
    assert json.loads(download.value.path().read_text())["job"]["name"] == "rejected.job"


def test_news_are_shown_at_once_and_never_move_what_is_read(line, browser):
    send_all(line)
    page = browser.open(line.url)
    expect(page.locator("#news")).to_have_text("live")
    rows = page.locator("tbody tr")
    count = rows.count()
    send(line, event(50, "shop.new", inputs=["shop.raw"]))
    expect(page.locator("tbody tr", has_text="shop.new").locator(".o", has_text="delivered")).to_be_visible()
    expect(rows).to_have_count(count + 1)
    page.locator("tbody .job a").first.focus()
    before = page.locator("tbody").inner_text()
    send(line, event(51, "shop.newer"))
    newer = page.get_by_role("button", name="1 new")
    expect(newer).to_be_visible()
    assert page.locator("tbody").inner_text() == before
    newer.click()
    expect(page.locator("tbody tr", has_text="shop.newer")).to_be_visible()
    expect(newer).to_be_hidden()


def test_seven_tabs_load(line, browser):
    send_all(line)
    first = browser.tab()
    for _ in range(7):
        page = first.context.new_page()
        page.goto(line.url, timeout=5_000)
        expect(page.locator("tbody tr")).to_have_count(4)
        expect(page.locator("#news")).to_have_text("live")
        # Without a window, a browser hides no tab: it says what it says when the reader goes to another one.
        page.evaluate("Object.defineProperty(document, 'hidden', { value: true }); document.dispatchEvent(new Event('visibilitychange'))")


def test_a_form_of_another_site_changes_nothing(line, browser, other_site):
    form = f'<form method="post" action="{line.url}/theme"><input name="theme" value="dark"><button>go</button></form>'
    page = browser.open(other_site(form))
    with page.expect_navigation():
        page.get_by_role("button").click()
    expect(page.get_by_role("heading", name="Forbidden")).to_be_visible()
    assert not [cookie for cookie in page.context.cookies() if cookie["name"] == "lineage_theme"]


def test_no_text_of_an_event_becomes_markup(line, browser):
    ids = []
    for number, text in enumerate(MARKUP):
        body = event(100 + number, text, inputs=[text], outputs=[text + "2"], namespace=text)
        body["producer"] = "https://example.com/" + urllib.parse.quote(text[:100])
        body["run"]["facets"] = {"errorMessage": {"_producer": "https://e.example", "_schemaURL": "https://e.example", "message": text, "programmingLanguage": text, "stackTrace": text}}
        body["job"]["facets"] = {text[:200]: {"_producer": "https://e.example", "_schemaURL": "https://e.example", "x": text}}
        body["inputs"][0]["facets"]["schema"]["fields"] = [{"name": text, "type": text}]
        ids.append(send(line, body))
        eventually(lambda: found(line, f"id:{ids[-1]}"), text)
    page = browser.tab()
    query = urllib.parse.urlencode
    quoted = lambda text: '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    addresses = [line.url + "/"] + [f"{line.url}/?{query({'q': quoted(text)})}" for text in MARKUP if "\u0000" not in text and len(text) < 1_000]
    addresses += [f"{line.url}/events/{id}?show={show}" for id in ids for show in ("change", "before", "after")]
    # Each kind of page to which these lead, too: of each text that is a name, one, and that at a place on the page.
    kinds_seen, page_of = set(), re.compile(re.escape(line.url) + r"/(job|dataset|run|lineage)\?")
    while addresses:
        address = addresses.pop(0)
        response = page.goto(address)
        if response.status == 404 and page_of.match(address):
            continue  # screens that this proxy does not have, and names that are shortened, are not part of it
        shown = page.evaluate("""() => ({
            kinds: [...new Set([...document.querySelectorAll("body *")].map((it) => it.localName))],
            scripts: [...document.querySelectorAll("script")].map((it) => it.getAttribute("src")),
            images: document.images.length,
            handlers: [...document.querySelectorAll("*")].flatMap((it) => [...it.attributes]).filter((it) => it.name.startsWith("on")).length,
            text: document.body.innerText,
            links: [...document.querySelectorAll("a[href]")].map((it) => it.href),
            width: document.documentElement.scrollWidth,
        })""")
        assert not {"iframe", "object", "embed", "base", "link"} & set(shown["kinds"]), (address, shown["kinds"])
        assert all(source and source.startswith("/assets/") for source in shown["scripts"]), (address, shown["scripts"])
        assert shown["images"] == 1, address  # the icon
        assert not shown["handlers"], address
        assert not set(shown["text"]) & set("\u202e\u2066\u0000\u0007\u001b"), address
        assert shown["width"] <= 1280, address
        for link in shown["links"]:
            assert link.startswith(("http://", "https://")), link
            if kind := page_of.match(link):
                parts = urllib.parse.urlsplit(link)
                values = {name: value for name, value in urllib.parse.parse_qsl(parts.query) if name in ("job", "dataset", "name", "id")}
                key = (kind[1], bool(parts.fragment), *sorted(values)[:1], *sorted(values.values())[:1])
                if key not in kinds_seen and len(kinds_seen) < MOST_PAGES:
                    kinds_seen.add(key)
                    addresses.append(link)
    assert {kind for kind, *_ in kinds_seen} >= {"job", "dataset", "run", "lineage"}
    browser.picture(page, "hostile")
    page.goto(line.url)
    browser.picture(page, "hostile-events")


def test_everything_can_be_read_and_reached(line, browser):
    ids = send_all(line)
    page = browser.tab()
    for path in ["/", "/?q=nothing-has-this", "/?q=jbo:x", f"/events/{ids['delivered']}", f"/events/{ids['dead letter']}?show=before", "/login"]:
        page.goto(line.url + path)
        browser.check(page)


def test_whoever_has_a_key_logs_in_and_out(serve, browser):
    keys = {"reader": {"key": "a-key-that-may-read", "roles": ["read"]}, "sender": {"key": "a-key-that-may-send"}}
    line = serve(AUTH_KEYS=json.dumps(keys))
    page = browser.open(f"{line.url}/?q=job:a")
    page.get_by_label("Key").fill("a-key-that-may-send")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_contain_text("needs the role read")
    browser.picture(page, "login")
    page.get_by_label("Key").fill("a-key-that-may-read")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_label("Find events")).to_have_value("job:a")
    cookies = page.context.cookies()
    assert [(cookie["httpOnly"], cookie["sameSite"]) for cookie in cookies] == [(True, "Lax")]
    page.goto(line.url)
    browser.picture(page, "empty")
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_text("You are logged out.")).to_be_visible()
    page.context.add_cookies(cookies)
    page.goto(line.url)
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()


def test_the_colours_stay_as_they_were_chosen(line, browser):
    page = browser.open(line.url)
    ground = lambda: page.evaluate("getComputedStyle(document.body).backgroundColor")
    light = ground()
    page.get_by_role("button", name="Colours").click()
    expect(page.locator("html[data-theme=dark]")).to_have_count(1)
    assert ground() != light
    page.reload()
    expect(page.locator("html[data-theme=dark]")).to_have_count(1)


def test_screens_work_without_a_script(line, browser):
    ids = send_all(line)
    page = browser.tab(java_script_enabled=False)
    page.goto(line.url)
    page.get_by_label("Find events").fill("outcome:dead")
    page.get_by_role("button", name="Find").click()
    page.locator("tbody .when a").click()
    expect(page.locator(".way")).to_contain_text("dead letter")
    assert ids["dead letter"] in page.url
