"""Dead letters in SQS on the Queue screen: redriven and deleted, and what becomes of them when that is interrupted.

A proxy stands between `serve` and the emulator, so that a request can be late, or the last one that a process has made.
"""

import json
import signal
import threading
import time

import boto3
import pytest
from parts import eventually, post
from playwright.sync_api import expect
from reliability import Between
from test_page_queue import queue, send, target  # noqa: F401  (a fixture)

NO_EVENT = "invalid: not an OpenLineage event"


class Line:
    """A `serve` with its queue in SQS."""

    def __init__(self, serve, target, emulator):
        self.sqs = boto3.Session("test", "test", region_name="eu-west-1").client("sqs", endpoint_url=emulator.url)
        self.events, self.dead = (self.sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("events", "dead"))
        self.between, self.target, self.start = Between(emulator.url), target, serve
        self.serve()

    def serve(self):
        endpoint = {"AWS_ENDPOINT_URL_SQS": self.between.url}
        self.proxy = self.start(QUEUE_URL=self.events, QUEUE_DEAD_LETTER_URL=self.dead, TARGET="openlineage", OPENLINEAGE_URL=self.target.url, **endpoint)

    def counts(self, url):
        """Messages that are visible, and those that are not."""
        found = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        return int(found["ApproximateNumberOfMessages"]), int(found["ApproximateNumberOfMessagesNotVisible"])

    def refuse(self, names):
        """Sends events that become dead letters, since the target refuses them."""
        before = sum(self.counts(self.dead))
        self.target.refused = {"orders"}
        send(self.proxy, names)
        eventually(lambda: self.counts(self.dead) == (before + len(names), 0), lambda: f"{len(names)} dead letters\n{self.proxy.tail()}")

    def put(self, count):
        """Messages of somebody else, which are no events."""
        before = sum(self.counts(self.dead))
        for n in range(count):
            self.sqs.send_message(QueueUrl=self.events, MessageBody=f"[{n}]")
        eventually(lambda: self.counts(self.dead) == (before + count, 0), lambda: f"{count} dead letters\n{self.proxy.tail()}")

    def act(self, path, **fields):
        """Posts a form as a script does."""
        body = "&".join(f"{name}={value}" for name, value in fields.items()).encode()
        headers = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "none"}
        status, _, answer = post(f"{self.proxy.url}/queue/{path}", body, headers)
        return status, json.loads(answer)

    def look(self):
        """The groups by their reasons, after a look."""
        status, letters = self.act("look")
        assert status == 200, letters
        return {group["shape"]: group for group in letters["groups"]}

    def redrive(self, group, rate):
        return self.act("redrive", target=group["target"], key=group["key"], rate=rate)

    def operation(self):
        """What runs, or ran last."""
        return queue(self.proxy)["redrives"][0]

    def ended(self):
        return eventually(lambda: (found := self.operation())["end"] and found, lambda: f"the end\n{self.proxy.tail()}")

    def logged(self, *messages):
        lines = [json.loads(line)["fields"] for line in self.proxy.lines() if line.startswith("{")]
        return [line for line in lines if line.get("message") in messages]


@pytest.fixture
def line(serve, target, emulator):  # noqa: F811
    line = Line(serve, target, emulator)
    yield line
    line.between.trouble = lambda action, body: None
    line.between.stop()


def test_a_reason_is_redriven_and_all_others_stay_where_they_are(line, browser):
    line.refuse([f"orders-{n}" for n in range(12)])
    line.put(3)
    page = browser.open(f"{line.proxy.url}/queue")
    page.get_by_role("button", name="Look at them").click()
    page.locator(".group").first.wait_for()
    expect(page.locator(".group .count")).to_have_text(["12 ×", "3 ×"])
    assert line.counts(line.dead) == (15, 0), "visible again after the look"
    browser.check(page)
    browser.picture(page, "dead-letters-in-sqs")
    line.target.refused = set()
    page.get_by_label("a second").first.fill("6")
    page.get_by_role("button", name="Redrive 12").click()
    expect(page.get_by_role("status")).to_contain_text("Redriving 12 dead letters")
    eventually(lambda: line.operation()["done"] > 2, lambda: f"progress\n{line.proxy.tail()}")
    eventually(lambda: len(line.target.taken) == 12, lambda: f"all are delivered\n{line.proxy.tail()}")
    line.ended()
    assert line.counts(line.dead) == (3, 0)
    page.goto(f"{line.proxy.url}/queue")
    page.get_by_text("✔ finished").wait_for()
    expect(page.get_by_text("12 of 12 redriven")).to_be_visible()
    browser.check(page)
    browser.picture(page, "redrive-in-sqs")
    expect(page.locator(".group .count")).to_have_text(["3 ×"])
    started, ended = line.logged("redrive started", "redrive finished")
    assert (started["dead_letters"], started["rate"], ended["redriven"]) == (12, 6, 12)
    assert started["target"] == "openlineage" and started["reason"].startswith("invalid: 422")


def test_deleting_asks_first_and_deletes_only_what_was_seen(line, browser):
    line.put(3)
    page = browser.open(f"{line.proxy.url}/queue")
    page.get_by_role("button", name="Look at them").click()
    page.get_by_role("link", name="Delete…").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Delete 3 dead letters?")
    browser.check(page)
    page.get_by_label("Type 3 to delete them").fill("2")
    page.get_by_role("button", name="Delete for good").click()
    expect(page.get_by_role("alert")).to_contain_text("Nothing was deleted")
    line.put(2)
    page.get_by_label("Type 3 to delete them").fill("3")
    page.get_by_role("button", name="Delete for good").click()
    expect(page.get_by_role("status")).to_contain_text("Deleted 3 dead letters")
    assert line.counts(line.dead) == (2, 0)
    [done] = line.logged("dead letters deleted")
    assert done["deleted"] == 3 and done["reason"].startswith(NO_EVENT)
    # What was asked before another look is not what is deleted.
    [group] = line.look().values()
    seen = line.act("delete", target=group["target"], key=group["key"], row=0, at=1, count=2, typed=2)
    assert seen[0] == 409 and "looked at again" in seen[1]["detail"]
    assert line.counts(line.dead) == (2, 0)


def test_one_runs_at_a_time_and_what_is_cancelled_leaves_the_rest(line):
    line.put(20)
    [group] = line.look().values()
    status, answer = line.redrive(group, 2)
    assert (status, answer["count"]) == (200, 20)
    assert [line.redrive(group, 2)[0], line.act("look")[0]] == [409, 409]
    selection = {"row": answer["until"]["row"], "at": answer["until"]["at"], "count": 20, "typed": 20}
    assert line.act("delete", target=group["target"], key=group["key"], **selection)[0] == 409
    eventually(lambda: line.operation()["done"] >= 2, lambda: f"two\n{line.proxy.tail()}")
    assert line.act("cancel", target=group["target"]) == (200, {"cancelled": True})
    done = line.ended()
    assert done["end"] == {"end": "cancelled"} and 2 <= done["done"] < 20
    # Those that were put back are dead letters again, and were not seen.
    eventually(lambda: line.counts(line.dead) == (20, 0), lambda: f"all are visible\n{line.proxy.tail()}")
    left = [group["count"] for group in queue(line.proxy)["dead_letters"]["groups"]]
    assert left == [20 - done["done"]]


def test_a_redrive_that_is_killed_between_sending_and_deleting_loses_nothing(line):
    names = [f"orders-{n}" for n in range(5)]
    line.refuse(names)
    [group] = line.look().values()
    sent, deletes = threading.Event(), lambda body: json.loads(body)["QueueUrl"].endswith("/dead")

    def trouble(action, body):
        if action == "DeleteMessage" and deletes(body):
            sent.set()
            return ("wait", 600)
        return None

    line.between.trouble = trouble
    line.target.refused = set()
    assert line.redrive(group, 100)[0] == 200
    assert sent.wait(20)
    line.proxy.child.kill()
    line.proxy.child.wait()
    assert sum(line.counts(line.dead)) == 5
    # The request that hangs is passed on when nobody looks any more: the next process takes another way.
    line.between = Between(f"http://{line.between.upstream}")
    line.serve()
    eventually(lambda: len(line.target.taken) == 1, lambda: f"what was sent is delivered\n{line.proxy.tail()}")
    assert sum(line.counts(line.dead)) == 5, "and is a dead letter still: once too often, and not once too few"


def test_a_stop_during_a_redrive_and_during_a_look_leaves_all_visible(line):
    line.put(25)
    [group] = line.look().values()
    assert line.redrive(group, 1)[0] == 200
    eventually(lambda: line.operation()["done"] >= 1, lambda: f"one\n{line.proxy.tail()}")
    assert line.proxy.stop() == 0
    visible, hidden = line.counts(line.dead)
    assert hidden == 0 and visible + sum(line.counts(line.events)) == 25
    line.serve()
    eventually(lambda: line.counts(line.dead) == (25, 0), lambda: f"all are dead letters again\n{line.proxy.tail()}")
    received = threading.Event()

    def trouble(action, body):
        if action == "ReceiveMessage" and json.loads(body)["QueueUrl"].endswith("/dead"):
            received.set()
            return ("late", 1)
        return None

    line.between.trouble = trouble
    looking = threading.Thread(target=lambda: line.act("look"), daemon=True)
    looking.start()
    assert received.wait(20)
    time.sleep(0.3)
    assert line.counts(line.dead)[1] > 0, "hidden while they are looked at"
    line.proxy.child.send_signal(signal.SIGTERM)
    line.proxy.child.wait(20)
    assert line.counts(line.dead) == (25, 0)
