"""What the reliability suite needs for the functions: a queue with trouble before it, a target, payloads. Lambda: `sandbox.py`.

The queue is the emulator's. Cases have two sizes: short with all other tests, full with PROXY_TEST_RELIABILITY=full
(`tests/reliability.sh`).
"""

import collections
import http.client
import json
import os
import threading
import time
import uuid

import boto3
from botocore.config import Config
from parts import event, eventually, get
from sandbox import Function, Mapping, Quiet, Server, record

FULL = os.environ.get("PROXY_TEST_RELIABILITY") == "full"
KEY = "a-key-of-some-length"
POINTER = json.dumps(["software.amazon.payloadoffloading.PayloadS3Pointer", {"s3BucketName": "no-bucket", "s3Key": "events/gone"}], separators=(",", ":"))


def size(short, full):
    return full if FULL else short


def measured(case, figures):
    """A line for the table that `tests/reliability.sh` prints at the end."""
    print(f"reliability | {case} | {figures}")


class Between(Server):
    """Stands before the queue and makes trouble: `trouble(action, body)` says which, each time.

    None: passes it on. ("wait", s): first waits. ("late", s): passes it on at once and answers late. "reset": hangs up.
    "lost": passes it on, then hangs up. ("refuse", status, type). ("partly", ids): these entries fail, the others are
    passed on. ("say", body): answers so, and passes nothing on.
    """

    def __init__(self, url):
        self.trouble, self.seen, self.upstream, local = lambda action, body: None, [], url.removeprefix("http://"), threading.local()
        between = self

        class Handler(Quiet):
            def do_POST(self):
                body, action = self.body(), self.headers.get("X-Amz-Target", "").rsplit(".", 1)[-1]
                between.seen.append(action)
                trouble = between.trouble(action, body)
                kind, *more = trouble if isinstance(trouble, tuple) else (trouble,)
                match kind:
                    case None:
                        self.answer(*self.passed_on(body))
                    case "wait":
                        time.sleep(more[0])
                        self.answer(*self.passed_on(body))
                    case "late":
                        passed_on = self.passed_on(body)
                        time.sleep(more[0])
                        self.answer(*passed_on)
                    case "reset":
                        self.close_connection = True
                    case "lost":
                        self.passed_on(body)
                        self.close_connection = True
                    case "refuse":
                        status, named = more
                        self.answer(status, {"Content-Type": "application/x-amz-json-1.0"}, json.dumps({"__type": f"com.amazonaws.sqs#{named}", "message": "so it was told"}).encode())
                    case "partly":
                        self.answer(*self.passed_on_but(body, more[0]))
                    case "say":
                        self.answer(200, {"Content-Type": "application/x-amz-json-1.0"}, more[0])

            def passed_on(self, body):
                connection = getattr(local, "connection", None) or http.client.HTTPConnection(between.upstream, timeout=60)
                local.connection = connection
                headers = {name: value for name, value in self.headers.items() if name.lower() not in ("content-length", "transfer-encoding", "connection")}
                connection.request("POST", self.path, body, headers)
                answer = connection.getresponse()
                kept = {name: value for name, value in answer.getheaders() if name.lower() in ("content-type", "x-amzn-query-error", "x-amzn-requestid")}
                return answer.status, kept, answer.read()

            def passed_on_but(self, body, failing):
                request = json.loads(body)
                failed = [{"Id": entry["Id"], "Code": "InternalError", "SenderFault": False} for entry in request["Entries"] if entry["Id"] in failing]
                request["Entries"] = [entry for entry in request["Entries"] if entry["Id"] not in failing]
                status, headers, answer = self.passed_on(json.dumps(request).encode()) if request["Entries"] else (200, {}, b"{}")
                answer = json.loads(answer)
                return status, headers, json.dumps({**answer, "Failed": answer.get("Failed", []) + failed}).encode()

        super().__init__(Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"


class Account:
    """A queue, its dead letters and a target, each test with its own; functions and proxies that use them."""

    def __init__(self, emulator, stand_in, folder, started):
        self.emulator, self.stand_in, self.folder, self.started = emulator, stand_in, folder, started
        self.client = lambda service: boto3.Session("test", "test", region_name="eu-west-1").client(service, endpoint_url=emulator.url, config=Config(max_pool_connections=64, retries={"max_attempts": 5}))
        self.sqs = self.client("sqs")
        self.between = Between(emulator.url)
        self.queues()

    def queues(self, visibility=60, receives=100, fifo=False, **attributes):
        """A new queue and a new one for its dead letters."""
        named, end = uuid.uuid4().hex, ".fifo" if fifo else ""
        kind = {"FifoQueue": "true"} if fifo else {}
        self.dead = self.sqs.create_queue(QueueName=f"dead-{named}{end}", Attributes=kind)["QueueUrl"]
        arn = self.sqs.get_queue_attributes(QueueUrl=self.dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        redrive = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": receives})
        attributes = {"VisibilityTimeout": str(visibility), "RedrivePolicy": redrive, **kind, **attributes}
        self.queue = self.sqs.create_queue(QueueName=f"events-{named}{end}", Attributes=attributes)["QueueUrl"]

    @property
    def settings(self):
        return {
            "AWS_ENDPOINT_URL_SQS": self.between.url, "AWS_ENDPOINT_URL_DATAZONE": self.stand_in.url, "QUEUE_URL": self.queue, "QUEUE_DEAD_LETTER_URL": self.dead,
            "AWS_ENDPOINT_URL_S3": self.emulator.url,
        }

    @property
    def target(self):
        return {"TARGET": "datazone", "DATAZONE_DOMAIN_ID": "dzd_standin", "REDSHIFT_LOOKUP": "false", "DATAZONE_POSTS_PER_SECOND": "1000"}

    def batch(self, **settings):
        self.started.append(Function(self.folder, "batch", **{**self.settings, **self.target, **settings}))
        return self.started[-1]

    def ingest(self, **settings):
        self.started.append(Function(self.folder, "ingest", **{**self.settings, "AUTH_KEYS": KEY, **settings}))
        return self.started[-1]

    def mapping(self, *functions, **more):
        return Mapping(self.sqs, self.queue, functions, **more)

    def put(self, *bodies, url=None, **more):
        """Messages of another writer."""
        entries = [{"Id": str(i), "MessageBody": body if isinstance(body, str) else json.dumps(body), **more} for i, body in enumerate(bodies)]
        for start in range(0, len(entries), 10):
            answer = self.sqs.send_message_batch(QueueUrl=url or self.queue, Entries=entries[start : start + 10])
            assert not answer.get("Failed"), answer

    def left(self, url=None):
        """Messages in a queue, those that are not visible included."""
        attributes = self.sqs.get_queue_attributes(QueueUrl=url or self.queue, AttributeNames=["All"])["Attributes"]
        return int(attributes["ApproximateNumberOfMessages"]) + int(attributes["ApproximateNumberOfMessagesNotVisible"])

    def empty(self, what="the queue is empty", patience=120):
        eventually(lambda: self.left() == 0, what, patience)

    def taken(self, url=None):
        """Takes all messages out of a queue."""
        found = []
        while messages := self.sqs.receive_message(QueueUrl=url or self.queue, MaxNumberOfMessages=10, AttributeNames=["All"], MessageAttributeNames=["All"], VisibilityTimeout=600).get("Messages"):
            found += messages
        return found

    def dead_letters(self, count=0):
        """The dead letters and their reasons, once there are so many."""
        eventually(lambda: self.left(self.dead) >= count, f"{count} dead letters")
        return [(letter["Body"], letter.get("MessageAttributes", {}).get("reason", {}).get("StringValue", "")) for letter in self.taken(self.dead)]

    def posts(self):
        return json.loads(get(f"{self.stand_in.url}/_stand-in/posts"))

    def jobs(self):
        """Names of the jobs at the target, each as often as it was posted: repeats too, which DataZone recognises by their token."""
        return [json.loads(post["body"])["job"]["name"] for post in self.posts()]


def unique(number):
    """An event of its own run."""
    return event(f"job {number}", run=number)


def request(path="/api/v1/lineage", body="", method="POST", encoded=False, **headers):
    """A request as an HTTP API passes it on (payload format 2.0)."""
    return {
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": "", "isBase64Encoded": encoded, "body": body,
        "headers": {"host": "x.execute-api.eu-west-1.amazonaws.com", "content-type": "application/json", "authorization": f"Bearer {KEY}", **headers},
        "requestContext": {
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "x"}, "requestId": "1", "stage": "$default",
            "time": "21/Nov/2026:10:00:00 +0000", "timeEpoch": 1_795_255_200_000, "accountId": "000000000000", "apiId": "x", "domainName": "x", "domainPrefix": "x", "routeKey": "$default",
        },
    }


def answered(outcome):
    """Status and body of what a client is answered."""
    kind, body, _ = outcome
    if kind != "response":
        return 502, body  # what API Gateway makes of it
    answer = json.loads(body)
    return answer["statusCode"], answer.get("body") or ""


# ------------------------------------------------- messages by hand, and their end


def handed(account, count):
    """Messages as a function is handed them."""
    account.put(*map(unique, range(count)))
    messages = []
    while len(messages) < count:
        messages += account.sqs.receive_message(QueueUrl=account.queue, MaxNumberOfMessages=10, AttributeNames=["All"], MessageAttributeNames=["All"]).get("Messages", [])
    return messages


def invoked(function, messages, seconds=30):
    return function.invoke({"Records": [record(message) for message in messages]}, seconds)


def failures(outcome):
    kind, body, _ = outcome
    assert kind == "response", outcome
    return {failure["itemIdentifier"] for failure in json.loads(body)["batchItemFailures"]}


def exactly_once(account, jobs):
    """These jobs are at the target, each posted once, and nothing else is anywhere."""
    posted = collections.Counter(account.jobs())
    missing, twice = set(jobs) - set(posted), {job for job, times in posted.items() if times > 1}
    assert (missing, twice, set(posted) - set(jobs)) == (set(), set(), set())
    assert account.left() == 0
