"""What happened to events: `lineage-proxy events` against the emulator's CloudFormation and CloudWatch Logs, which runs queries of Logs
Insights. The lines are as the functions write them."""

import datetime
import http.server
import json
import os
import pathlib
import subprocess
import sys
import threading
import time

import boto3
import pytest
from parts import BIN, CREDENTIALS, eventually

sys.path.append(str(pathlib.Path(__file__).parents[1] / "infra"))

from insights import fields_of

RUN, OTHER = "01a1faa6-e194-708b-a993-000000000001", "01a1faa6-e194-708b-a993-000000000002"
# Ids of version 7 begin with a time: that of the tests.
ID = lambda number: f"{int(time.time() * 1_000):012x}"[:8] + "-" + f"{int(time.time() * 1_000):012x}"[8:] + f"-7000-8000-{number:012x}"
NASTY = "it's \"a\" | `job` /x/ \\ #1 Ä/with slash"


class Account:
    """A main stack, the stack of a target and that of a source, and another main stack, each with its logs."""

    def __init__(self, emulator):
        session = boto3.Session("test", "test", region_name="eu-west-1")
        self.url = emulator.url
        self.logs = session.client("logs", endpoint_url=emulator.url)
        formation = session.client("cloudformation", endpoint_url=emulator.url)
        for name, outputs, parameters in [
            ("main", {"IngestLogGroup": "/main/ingest", "BatchLogGroup": "/main/batch", "QueueUrl": "https://q"}, {}),
            ("marquez", {"IngestStackName": "main", "BatchLogGroup": "/marquez/batch", "QueueUrl": "https://m"}, {}),
            ("glue", {"SourceLogGroup": "/glue/source", "QueueUrl": "https://retries"}, {"QueueUrl": "https://q"}),
            ("stranger", {"BatchLogGroup": "/stranger/batch"}, {}),
        ]:
            template = {
                "Parameters": {key: {"Type": "String"} for key in parameters},
                "Resources": {"Queue": {"Type": "AWS::SQS::Queue"}},
                "Outputs": {key: {"Value": value} for key, value in outputs.items()},
            }
            formation.create_stack(StackName=name, TemplateBody=json.dumps(template), Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()])
            formation.get_waiter("stack_create_complete").wait(StackName=name)
            for group in (value for key, value in outputs.items() if key.endswith("LogGroup")):
                self.logs.create_log_group(logGroupName=group)
                self.logs.create_log_stream(logGroupName=group, logStreamName="s")

    def log(self, group, *lines, ago=0):
        """Writes lines as tracing does, a millisecond apart."""
        now = time.time() - ago
        events = []
        for number, fields in enumerate(lines):
            at = datetime.datetime.fromtimestamp(now + number / 1_000, datetime.timezone.utc)
            message = fields if isinstance(fields, str) else json.dumps({"timestamp": at.isoformat().replace("+00:00", "Z"), "level": "INFO", "fields": fields, "target": "proxy"}, ensure_ascii=False, separators=(",", ":"))
            events.append({"timestamp": int(at.timestamp() * 1_000), "message": message})
        self.logs.put_log_events(logGroupName=group, logStreamName="s", logEvents=events)

    def env(self):
        return {**os.environ, **CREDENTIALS, "AWS_ENDPOINT_URL": self.url}

    def events(self, *flags, stack="main", status=0):
        """The events that the command prints as JSON."""
        done = subprocess.run([BIN / "lineage-proxy", "events", "--stack", stack, "--output", "json", *flags], env=self.env(), capture_output=True, text=True, timeout=60)
        assert done.returncode == status, done.stdout + done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]


def line(message, id, run=RUN, job="load", **more):
    return {"message": message, **more, "id": id, "run.id": run, "job.namespace": "shop", "job.name": job, "event.type": "START"}


def delivered(id, **more):
    return line("event delivered", id, **{"outcome": "delivered", "target": "catalog", "attempts": 1, **more})


@pytest.fixture(scope="module")
def account(shared_emulator):
    return Account(shared_emulator)


def test_the_path_of_an_event_goes_through_all_functions(account):
    first, second = ID(1), ID(2)
    account.log("/main/ingest", line("event repaired", first, repairs="eventTime"), "START RequestId: 7", ago=9)
    # Of a batch only the first event has its run in the line.
    account.log("/main/batch", line("delivery failed, will retry", second, run=OTHER, ids=f"{second} {first}", reason="throttled", error="429", after_s=5), ago=6)
    account.log("/main/batch", {"message": "rule failed", "id": first, "rule": "names"}, delivered(first, attempts=2), ago=3)
    account.log("/marquez/batch", line("event dead-lettered", first, outcome="dead_lettered", reason="invalid", error="422"), ago=2)
    account.log("/stranger/batch", delivered(first))
    [event] = account.events("--run", RUN)
    assert (event["id"], event["outcomes"], event["job.name"]) == (first, ["dead_lettered", "delivered"], "load")
    assert [(step["function"], step["message"]) for step in event["steps"]] == [
        ("ingest", "event repaired"), ("batch", "delivery failed, will retry"), ("batch", "rule failed"), ("batch", "event delivered"), ("marquez batch", "event dead-lettered"),
    ]
    assert event["accepted_at"].startswith("20")
    assert event == account.events("--id", first)[0] == account.events("--job", "shop/lo*", "--outcome", "dead_lettered")[0]
    # The stack of a target has what its own function made of the event.
    [event] = account.events("--run", RUN, stack="marquez")
    assert [step["function"] for step in event["steps"]][-1] == "batch" and event["outcomes"] == ["dead_lettered", "delivered"]
    [waiting] = account.events("--run", OTHER)
    assert (waiting["id"], waiting["outcomes"]) == (second, [])
    text = subprocess.run([BIN / "lineage-proxy", "events", "--stack", "main", "--run", RUN], env=account.env(), capture_output=True, text=True, timeout=60).stdout
    assert text.startswith(f"{first}  dead_lettered, delivered\n  START of shop/load, run {RUN}\n") and text.count("\n") == 9, text


def test_a_source_and_a_rejection_belong_to_a_stack(account):
    account.log("/glue/source", line("event repaired", ID(3), run="-", job="crawl"))
    account.log("/main/ingest", {"message": "request rejected", "status": 400, "reason": "invalid", "detail": "$.run", "job.namespace": "shop", "job.name": "bad"})
    assert account.events("--job", "shop/crawl")[0]["steps"][0]["function"] == "glue source"
    [rejected] = account.events("--outcome", "rejected")
    assert (rejected["id"], rejected["outcomes"], rejected["steps"][0]["details"]["detail"]) == (None, ["rejected"], "$.run")
    assert rejected == account.events("--job", "shop/bad")[0]


def test_no_name_changes_a_query(account):
    """A query that something was added to would fail, or find what was not asked for."""
    id = ID(4)
    account.log("/main/batch", delivered(id, job=NASTY))
    assert [event["id"] for event in account.events("--job", f"shop/{NASTY}")] == [id]
    assert [event["id"] for event in account.events("--job", NASTY)] == [id]
    for job in ('x/ | filter @message like /.', 'x" or 1=1', "x|sort", "[", "(", "\\", "/", "`"):
        assert account.events("--job", job, status=1) == [], job


def test_every_query_is_one_of_the_documented_language(account):
    """The emulator runs more than the service does."""
    asked = []

    class Service(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.headers["X-Amz-Target"].endswith("StartQuery"):
                asked.append(body)
            line = json.dumps({"fields": delivered(ID(9), job=NASTY)})
            row = {"@timestamp": "2026-11-20 10:00:00.000", "@log": "1:/main/batch", "@logStream": "s", "@message": line}
            rows = [[{"field": field, "value": value} for field, value in row.items()]]
            answer = json.dumps({"queryId": "q", "status": "Complete", "results": rows}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_):
            """Nobody reads it."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service) as service:
        threading.Thread(target=service.serve_forever, daemon=True).start()
        env = {**account.env(), "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS": f"http://127.0.0.1:{service.server_port}"}
        for flags in ([], ["--job", NASTY], ["--job", "a/b*c d{1}"], ["--run", RUN, "--id", ID(9)], ["--outcome", "rejected"], ["--outcome", "dead_lettered"]):
            subprocess.run([BIN / "lineage-proxy", "events", "--stack", "main", *flags], env=env, capture_output=True, text=True, timeout=60)
        service.shutdown()
    assert len(asked) >= 8, asked
    for query in asked:
        assert fields_of(query["queryString"])[:4] == ["@timestamp", "@log", "@logStream", "@message"]
        assert 1 <= query["limit"] <= 10_000 and query["startTime"] < query["endTime"] and len(query["logGroupNames"]) <= 50


def test_the_newest_are_shown_and_times_limit_them(account):
    ids = [ID(100 + number) for number in range(5)]
    for number, id in enumerate(ids):
        account.log("/main/batch", delivered(id, job="many"), ago=100 - number)
    assert [event["id"] for event in account.events("--job", "many")] == ids
    assert [event["id"] for event in account.events("--job", "many", "--limit", "2")] == ids[-2:]
    assert account.events("--job", "many", "--since", "50s", status=1) == []
    assert account.events("--job", "many", "--since", "1h", "--until", "10m", status=1) == []


def test_more_lines_than_a_query_returns_are_all_there(account):
    """Queries return 10,000 lines: the time is divided until each part has fewer."""
    id = ID(5)
    for part in range(3):
        account.log("/main/batch", *({"message": "rule failed", "id": id, "rule": f"{part} {number}"} for number in range(4_000)), ago=20 - 5 * part)
    account.log("/main/batch", delivered(id, job="long"))
    [event] = account.events("--job", "long")
    assert len(event["steps"]) == 12_001


@pytest.mark.parametrize("selected", [[], ["--job", "shop/followed"]], ids=["all", "a job"])
def test_following_prints_each_line_once_and_late_ones_too(account, selected):
    old, new, other = ID(6), ID(7), ID(8)
    account.log("/main/batch", delivered(old, job="followed", run=OTHER), ago=1)
    command = [BIN / "lineage-proxy", "events", "--stack", "main", "--since", "5s", "--follow", "--interval", "1s", "--output", "json", *selected]
    child = subprocess.Popen(command, env=account.env(), stdout=subprocess.PIPE, text=True)
    lines = []
    threading.Thread(target=lambda: lines.extend(json.loads(text) for text in child.stdout), daemon=True).start()
    try:
        seen = lambda: [(each["id"], each["message"]) for each in lines if each.get("id") in (old, new, other)]
        eventually(lambda: (old, "event delivered") in seen(), "the line of before")
        account.log("/main/batch", line("delivery failed, will retry", new, job="followed", reason="throttled"))
        eventually(lambda: (new, "delivery failed, will retry") in seen(), "the first new line")
        account.log("/main/batch", {"message": "rule failed", "id": new, "rule": "late"}, ago=1)  # logged before, and there after
        account.log("/main/batch", delivered(other, job="not followed"), delivered(new, job="followed"))
        eventually(lambda: (new, "event delivered") in seen() and (new, "rule failed") in seen(), "the last line")
        eventually(lambda: selected or (other, "event delivered") in seen(), "what is not selected")
        time.sleep(2.5)  # two polls more
    finally:
        child.terminate()
        child.wait()
    assert len(seen()) == len(set(seen())) == (4 if selected else 5), seen()


def test_what_cannot_be_asked_is_told(account):
    command = lambda *flags: subprocess.run([BIN / "lineage-proxy", "events", *flags], env=account.env(), capture_output=True, text=True, timeout=60)
    nobody = command("--stack", "nobody")
    assert (nobody.returncode, "nobody" in nobody.stderr) == (2, True)
    wrong = command("--stack", "main", "--run", "x' | filter 1")
    assert wrong.returncode == 2 and "--run" in wrong.stderr
    gone = command("--stack", "main", "--id", "01a1faa6-e194-7000-a993-0000000000ff")
    assert (gone.returncode, gone.stdout) == (1, "") and "waits in the queue" in gone.stderr
