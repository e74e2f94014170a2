"""Lambda around a bootstrap, for the reliability suite: a sandbox that invokes it, a mapping that feeds it.

The bootstraps are the real binaries. Lambda is as small and as exact as it can be: an invocation at a time and process,
a process that is killed when its time is over, messages that are deleted only as the function's answer says. Time for
which this machine lets nobody run is not the function's.
"""

import base64
import http.server
import json
import queue
import threading
import time
import uuid

from parts import BIN, CREDENTIALS, Process


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
        """`response` or `error` with its body, or `killed` when time was over or the process died, and how long it took.

        A turn of the loop takes 50 ms: for what is longer this machine let nobody run, which is not the function's time.
        """
        self.start()
        payload = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        began = turn = time.monotonic()
        stood = 0
        headers = {
            "Lambda-Runtime-Aws-Request-Id": uuid.uuid4(), "Lambda-Runtime-Deadline-Ms": int((time.time() + seconds) * 1_000),
            "Lambda-Runtime-Invoked-Function-Arn": f"arn:aws:lambda:eu-west-1:000000000000:function:{self.name}", "Content-Type": "application/json",
        }
        self.invocations.put((headers, payload))
        outcomes, process = self.outcomes, self.process
        while True:
            try:
                kind, body, ended = outcomes.get(timeout=0.05)
                return kind, body, ended - began - stood
            except queue.Empty:
                now = time.monotonic()
                stood, turn = stood + max(0, now - turn - 0.2), now
                if process.child.poll() is not None or now - began - stood > seconds:
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
