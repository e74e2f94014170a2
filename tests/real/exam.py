"""What the exam of the functions needs: the Lambda service around a bootstrap, a queue with trouble before it, payloads.

The bootstraps are the real binaries. Lambda is as small and as exact as it can be: an invocation at a time and process,
a process that is killed when its time is over, messages that are deleted only as the function's answer says. The queue
is the emulator's. Cases have two sizes: short with all other tests, full with PROXY_TEST_EXAM=full (`tests/exam.sh`).
"""

import base64
import http.client
import http.server
import json
import os
import queue
import threading
import time
import uuid

import boto3
from botocore.config import Config
from parts import BIN, CREDENTIALS, Process, event, eventually, get, post

FULL = os.environ.get("PROXY_TEST_EXAM") == "full"
KEY = "a-key-of-some-length"


def size(short, full):
    return full if FULL else short


def told(case, figures):
    """A line for the table that `tests/exam.sh` prints at the end."""
    print(f"exam | {case} | {figures}")


# ------------------------------------------------------------------ Lambda


class Quiet(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def body(self):
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        whole = b""
        while length := int(self.rfile.readline().split(b";")[0], 16):
            whole += self.rfile.read(length)
            self.rfile.readline()
        self.rfile.readline()
        return whole

    def answer(self, status, headers=(), body=b""):
        self.send_response(status)
        for name, value in {**dict(headers), "Content-Length": len(body)}.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)


class Server(http.server.ThreadingHTTPServer):
    """On a free port, until it is stopped."""

    daemon_threads, request_queue_size = True, 128

    def __init__(self, handler):
        super().__init__(("127.0.0.1", 0), handler)
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def handle_error(self, *_):
        pass  # a process that was killed hangs up

    def stop(self):
        self.shutdown()
        self.server_close()


class Function:
    """A bootstrap in its sandbox. `invoke` gives what became of an invocation; the next one finds a living process."""

    def __init__(self, folder, name, **settings):
        self.folder, self.name, self.settings, self.starts = folder, name, settings, 0
        self.process = self.api = None
        self.log_names = []

    def _start(self):
        self.invocations, self.outcomes, self.starts = queue.Queue(), queue.Queue(), self.starts + 1
        invocations, outcomes = self.invocations, self.outcomes

        class RuntimeApi(Quiet):
            def do_GET(self):  # .../invocation/next
                headers, payload = invocations.get()
                self.answer(200, headers, payload)

            def do_POST(self):  # .../response, .../error
                outcomes.put((self.path.rsplit("/", 1)[1], self.body(), time.monotonic()))
                self.answer(202)

        self.api = Server(RuntimeApi)
        port = self.api.server_port
        function = {"AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{port}", "AWS_LAMBDA_FUNCTION_NAME": self.name, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256", "AWS_LAMBDA_FUNCTION_VERSION": "1"}
        settings = {name if name.startswith("AWS_") else f"LINEAGE_PROXY_{name}": str(value) for name, value in self.settings.items()}
        self.process = Process(self.folder / f"{self.name}-{uuid.uuid4().hex[:8]}.log", [BIN / self.name], {**CREDENTIALS, **function, **settings})
        self.log_names.append(self.process.log)

    def start(self):
        """A warm process, so that its start is nobody's time."""
        if self.process is None or self.process.child.poll() is not None:
            self.kill()
            self._start()

    def invoke(self, payload, seconds=30):
        """`response` or `error` with its body, or `killed` when time was over or the process died, and how long it took."""
        self.start()
        payload = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        began = time.monotonic()
        deadline = began + seconds
        headers = {
            "Lambda-Runtime-Aws-Request-Id": uuid.uuid4(), "Lambda-Runtime-Deadline-Ms": int((time.time() + seconds) * 1_000),
            "Lambda-Runtime-Invoked-Function-Arn": f"arn:aws:lambda:eu-west-1:000000000000:function:{self.name}", "Content-Type": "application/json",
        }
        self.invocations.put((headers, payload))
        outcomes, process = self.outcomes, self.process
        while True:
            try:
                kind, body, ended = outcomes.get(timeout=0.05)
                return kind, body, ended - began
            except queue.Empty:
                if process.child.poll() is not None or time.monotonic() > deadline:
                    if self.process is process:
                        self.kill()
                    return "killed", b"", time.monotonic() - began

    def kill(self):
        """At once, as the time-out of a function or the end of its machine does."""
        if self.process is not None:
            self.process.child.kill()
            self.process.child.wait()
            self.api.stop()
            self.process = None

    def stop(self):
        self.kill()

    @property
    def log(self):  # for the fixture that shows it
        return self.log_names[-1] if self.log_names else self.folder

    def tail(self):
        return "\n".join(self.lines()[-40:])

    def lines(self):
        return [line for log in self.log_names for line in log.read_text(errors="replace").splitlines()]

    def records(self):
        """Log lines and embedded metrics."""
        found = []
        for line in self.lines():
            try:
                found.append(json.loads(line))
            except ValueError:
                continue  # cut off by a kill, or a panic's
        return [line for line in found if isinstance(line, dict)]

    def outcomes_told(self):
        """The fields of the lines that end an event's way."""
        return [line["fields"] for line in self.records() if line.get("fields", {}).get("outcome")]

    def counted(self, metric, **dimensions):
        """The sum of an embedded metric."""
        total = 0
        for document in self.records():
            if metric in document and all(document.get(name) == value for name, value in dimensions.items()):
                values = document[metric] if isinstance(document[metric], list) else [document[metric]]
                total += sum(values)
        return total


def record(message, arn="arn:aws:sqs:eu-west-1:000000000000:events"):
    """A received message, as Lambda passes it on."""
    camel = {"StringValue": "stringValue", "BinaryValue": "binaryValue", "DataType": "dataType"}
    plain = lambda value: base64.b64encode(value).decode() if isinstance(value, bytes) else value
    attributes = {
        name: {**{camel[key]: plain(value) for key, value in attribute.items() if key in camel}, "stringListValues": [], "binaryListValues": []}
        for name, attribute in message.get("MessageAttributes", {}).items()
    }
    return {
        "messageId": message["MessageId"], "receiptHandle": message["ReceiptHandle"], "body": message["Body"], "attributes": message["Attributes"],
        "messageAttributes": attributes, "md5OfBody": message["MD5OfBody"], "eventSource": "aws:sqs", "eventSourceARN": arn, "awsRegion": "eu-west-1",
    }


class Mapping:
    """An event source mapping with its functions: each lane receives, invokes, and deletes what was not reported."""

    def __init__(self, sqs, url, functions, batch=20, window=0.2, seconds=30):
        self.sqs, self.url, self.functions, self.batch, self.window, self.seconds = sqs, url, functions, batch, window, seconds
        self.stopping, self.lanes, self.invocations = threading.Event(), [], []

    def __enter__(self):
        for function in self.functions:
            function.start()
        self.lanes = [threading.Thread(target=self.lane, args=(function,), daemon=True) for function in self.functions]
        for lane in self.lanes:
            lane.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for lane in self.lanes:
            lane.join(60)

    def lane(self, function):
        while not self.stopping.is_set():
            messages = self.receive()
            if messages:
                self.settle(messages, function.invoke({"Records": [record(message) for message in messages]}, self.seconds))

    def receive(self):
        messages, until = [], None
        while len(messages) < self.batch and (until is None or time.monotonic() < until) and not (self.stopping.is_set() and not messages):
            most = min(10, self.batch - len(messages))
            received = self.sqs.receive_message(
                QueueUrl=self.url, MaxNumberOfMessages=most, WaitTimeSeconds=1 if until is None else 0, AttributeNames=["All"], MessageAttributeNames=["All"],
            )
            messages += received.get("Messages", [])
            if messages and until is None:
                until = time.monotonic() + self.window
            if sum(len(message["Body"]) for message in messages) > 3_000_000:
                break  # an invocation takes 6 MB
        return messages

    def settle(self, messages, outcome):
        """As ReportBatchItemFailures is defined: an identifier that is empty or unknown is a failure of the whole batch."""
        kind, body, took = outcome
        handed = [message["MessageId"] for message in messages]
        failed = handed
        if kind == "response":
            failed = [failure["itemIdentifier"] for failure in json.loads(body)["batchItemFailures"]]
            assert set(failed) <= set(handed), (failed, handed)
        self.invocations.append({"kind": kind, "handed": handed, "failed": failed, "took": took})
        done = [message for message in messages if message["MessageId"] not in failed]
        for some in (done[i : i + 10] for i in range(0, len(done), 10)):
            self.sqs.delete_message_batch(QueueUrl=self.url, Entries=[{"Id": str(i), "ReceiptHandle": message["ReceiptHandle"]} for i, message in enumerate(some)])


# ------------------------------------------------------------------- queue


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
        """Messages in a queue, those out of sight included."""
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
        """Names of the jobs at the target, each as often as it was posted: repeats too, which DataZone tells by their token."""
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
