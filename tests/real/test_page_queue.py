"""The Queue screen in a real browser: dead letters by reason, redriven and deleted, before a target that fails and recovers."""

import http.server
import json
import threading

import boto3
import pytest
from playwright.sync_api import expect

from parts import event, eventually, post


class Target(http.server.ThreadingHTTPServer):
    """An OpenLineage endpoint that refuses the jobs in `refused`."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.refused, self.taken = set(), []
        self.url = f"http://127.0.0.1:{self.server_address[1]}/api/v1/lineage"
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name = sent["job"]["name"]
        is_refused = name.split("-")[0] in self.server.refused
        if not is_refused:
            self.server.taken.append(name)
        body = json.dumps({"error": f"no place {len(name)}"}).encode() if is_refused else b""
        self.send_response(422 if is_refused else 201)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def target():
    target = Target()
    yield target
    target.shutdown()


def start(serve, target):
    return serve(TARGET="openlineage", OPENLINEAGE_URL=target.url)


def send(proxy, names):
    for run, name in enumerate(names, 1):
        status, _, body = post(f"{proxy.url}/api/v1/lineage", json.dumps(event(name, run=run)).encode())
        assert status == 200, body


def dead(proxy, count, is_grouped=True):
    """The queue, once it has so many dead letters, and its groups know all of them: those are counted less often."""

    def look():
        state = queue(proxy)
        counts = [target["counts"]["dead_letters"] for target in state["targets"][:1]]
        if is_grouped:
            counts.append(sum(group["count"] for group in state["dead_letters"]["groups"]))
        return state if set(counts) == {count} else None

    return eventually(look, lambda: f"{count} dead letters\n{proxy.tail()}")


def queue(proxy):
    import urllib.request

    request = urllib.request.Request(f"{proxy.url}/queue", headers={"Accept": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def test_a_reason_is_redriven_when_the_target_has_recovered(serve, target, browser):
    target.refused = {"orders"}
    proxy = start(serve, target)
    send(proxy, [f"orders-{n}" for n in range(30)] + ["fine"])
    state = dead(proxy, 30)
    assert [group["count"] for group in state["dead_letters"]["groups"]] == [30]
    page = browser.open(f"{proxy.url}/queue")
    expect(page.get_by_role("button", name="Redrive 30")).to_be_visible()
    eventually(lambda: page.reload() and page.locator("nav .mark").count() and page.locator("nav .mark").inner_text().startswith("●30"), "the mark")
    target.refused = set()
    page.get_by_label("a second").fill("6")
    page.get_by_role("button", name="Redrive 30").click()
    expect(page.get_by_role("status")).to_contain_text("Redriving 30 dead letters")
    # The progress is that of the process: another tab shows it, too.
    expect(browser.open(f"{proxy.url}/queue").locator("progress")).to_have_count(1)
    eventually(lambda: len(target.taken) == 31, lambda: f"all are delivered\n{proxy.tail()}")
    page.goto(f"{proxy.url}/queue")
    page.get_by_text("finished").wait_for()
    expect(page.get_by_text("There are no dead letters.")).to_be_visible()
    lines = [json.loads(line)["fields"] for line in proxy.lines() if '"message":"redrive ' in line]
    assert [line["message"] for line in lines] == ["redrive started", "redrive finished"]
    assert lines[0]["dead_letters"] == 30 and lines[1]["redriven"] == 30


def test_the_progress_of_a_redrive_is_shown_in_place(serve, target, browser):
    target.refused = {"orders"}
    proxy = start(serve, target)
    send(proxy, [f"orders-{n}" for n in range(30)])
    dead(proxy, 30)
    target.refused = set()
    page = browser.open(f"{proxy.url}/queue")
    eventually(lambda: page.reload() and page.locator("nav .mark").count(), "the mark")
    page.get_by_label("a second").fill("4")
    page.get_by_role("button", name="Redrive 30").click()
    page.evaluate("window.isTheSamePage = true")
    cancel = page.get_by_role("button", name="Cancel")
    cancel.focus()
    amount = page.locator(".redrives .amount")
    before = amount.inner_text()
    eventually(lambda: page.wait_for_timeout(100) or amount.inner_text() != before, "the progress")
    expect(cancel).to_be_focused()  # it stays on what is the same
    page.get_by_text("finished").wait_for(timeout=30_000)
    page.get_by_text("There are no dead letters.").wait_for()
    expect(page.locator("nav .mark")).to_have_count(0)
    assert page.evaluate("window.isTheSamePage")


def test_what_fails_again_came_back_and_a_redrive_can_be_cancelled(serve, target, browser):
    target.refused = {"orders"}
    proxy = start(serve, target)
    send(proxy, [f"orders-{n}" for n in range(30)])
    dead(proxy, 30)
    page = browser.open(f"{proxy.url}/queue")
    page.get_by_label("a second").fill("3")
    page.get_by_role("button", name="Redrive 30").click()
    page.get_by_role("button", name="Cancel").click()
    page.goto(f"{proxy.url}/queue")
    page.get_by_text("cancelled").wait_for()
    done = queue(proxy)["redrives"][0]["done"]
    assert 0 < done < 30
    came_back = lambda: [group["came_back"] for group in dead(proxy, 30)["dead_letters"]["groups"]]
    eventually(lambda: came_back() == [done], lambda: f"{done} came back\n{proxy.tail()}")
    page.reload()
    expect(page.get_by_text(f"{done} came back after a redrive")).to_be_visible()


def test_deleting_asks_first_and_keeps_what_came_since(serve, target, browser):
    target.refused = {"orders"}
    proxy = start(serve, target)
    send(proxy, [f"orders-{n}" for n in range(3)])
    dead(proxy, 3)
    page = browser.open(f"{proxy.url}/queue")
    page.get_by_role("link", name="Delete…").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Delete 3 dead letters?")
    page.get_by_label("Type 3 to delete them").fill("2")
    page.get_by_role("button", name="Delete for good").click()
    expect(page.get_by_role("alert")).to_contain_text("Nothing was deleted")
    dead(proxy, 3)
    send(proxy, ["orders-later"])
    dead(proxy, 4)
    # The page was shown again with the number of then.
    page.get_by_label("Type 3 to delete them").fill("3")
    page.get_by_role("button", name="Delete for good").click()
    expect(page.get_by_role("status")).to_contain_text("Deleted 3 dead letters")
    dead(proxy, 1)


def test_a_reader_sees_the_queue_and_no_buttons(serve, target, browser):
    target.refused = {"orders"}
    proxy = serve(key="a-key-of-32-characters-for-tests", TARGET="openlineage", OPENLINEAGE_URL=target.url)
    headers = {"Authorization": "Bearer a-key-of-32-characters-for-tests"}
    status, _, _ = post(f"{proxy.url}/api/v1/lineage", json.dumps(event("orders-1")).encode(), headers)
    assert status == 200
    page = browser.open(f"{proxy.url}/queue")
    page.get_by_label("Key").fill("a-key-of-32-characters-for-tests")
    page.get_by_role("button", name="Log in").click()
    eventually(lambda: page.goto(f"{proxy.url}/queue") and page.locator(".group").count() == 1, "the dead letter")
    expect(page.get_by_role("button", name="Redrive")).to_have_count(0)
    for path in ("redrive", "delete", "cancel"):
        status, _, _ = post(f"{proxy.url}/queue/{path}", b"target=openlineage&key=x", headers)
        assert status == 403, path


def test_the_queue_is_accessible_in_both_colours(serve, target, browser):
    target.refused = {"orders"}
    proxy = start(serve, target)
    send(proxy, ["orders-1"])
    dead(proxy, 1)
    browser.accessible(f"{proxy.url}/queue")
    key = queue(proxy)["dead_letters"]["groups"][0]["key"]
    browser.accessible(f"{proxy.url}/queue/delete?target=openlineage&key={key}")


def test_dead_letters_of_sqs_are_listed_when_somebody_asks_and_visible_afterwards(serve, target, emulator, browser):
    sqs = boto3.Session("test", "test", region_name="eu-west-1").client("sqs", endpoint_url=emulator.url)
    events, letters = (sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("events", "dead"))
    proxy = serve(QUEUE_URL=events, QUEUE_DEAD_LETTER_URL=letters, AWS_ENDPOINT_URL_SQS=emulator.url, TARGET="openlineage", OPENLINEAGE_URL=target.url)
    for n in range(12):
        sqs.send_message(QueueUrl=events, MessageBody=f"[{n}]")
    dead(proxy, 12, is_grouped=False)
    page = browser.open(f"{proxy.url}/queue")
    expect(page.get_by_text("they have to be received")).to_be_visible()
    page.get_by_role("button", name="Look at them").click()
    page.locator(".group").first.wait_for()
    expect(page.locator(".group .count")).to_have_text(["12 ×"])
    visible = sqs.get_queue_attributes(QueueUrl=letters, AttributeNames=["All"])["Attributes"]["ApproximateNumberOfMessages"]
    assert visible == "12"
