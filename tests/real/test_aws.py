"""The two bootstraps between API Gateway, SQS and DataZone: an emulator runs the real binaries, a stand-in is DataZone."""

import gzip
import io
import json
import subprocess
import zipfile

import boto3
import pytest
from openlineage.client import OpenLineageClient
from openlineage.client.event_v2 import Job, Run, RunEvent, RunState
from parts import BIN, CREDENTIALS, Emulator, StandIn, event, eventually, post, skip

KEY = "a-key-of-some-length"


def bootstrap(name, folder):
    """A deployment package of a binary, without its debug information."""
    stripped = folder / name
    try:
        subprocess.run(["strip", "-o", stripped, BIN / name], check=True)
    except FileNotFoundError:
        skip(f"the deployment package of {name}", "strip (binutils)")
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        entry = zipfile.ZipInfo("bootstrap")
        entry.external_attr = 0o755 << 16
        entry.compress_type = zipfile.ZIP_DEFLATED
        archive.writestr(entry, stripped.read_bytes())
    return package.getvalue()


class Stack:
    """Queue, dead-letter queue, both functions and an HTTP API, as a deployment has them."""

    def __init__(self, emulator, stand_in, folder):
        session = boto3.Session("test", "test", region_name="eu-west-1")
        client = lambda service: session.client(service, endpoint_url=emulator.url)
        self.sqs, self.functions, gateway = client("sqs"), client("lambda"), client("apigatewayv2")
        self.stand_in = stand_in
        self.dead = self.sqs.create_queue(QueueName="dead")["QueueUrl"]
        redrive = {"deadLetterTargetArn": self.arn(self.dead), "maxReceiveCount": 50}
        attributes = {"VisibilityTimeout": "60", "RedrivePolicy": json.dumps(redrive)}
        self.queue = self.sqs.create_queue(QueueName="events", Attributes=attributes)["QueueUrl"]
        settings = {
            **CREDENTIALS,
            "AWS_ENDPOINT_URL_SQS": emulator.url,
            "AWS_ENDPOINT_URL_DATAZONE": stand_in.url,
            "AWS_ENDPOINT_URL_REDSHIFT": stand_in.url,
            "AWS_ENDPOINT_URL_REDSHIFT_SERVERLESS": stand_in.url,
            "LINEAGE_PROXY_QUEUE_URL": self.queue,
            "LINEAGE_PROXY_QUEUE_DEAD_LETTER_URL": self.dead,
        }
        ingest = self.function("ingest", folder, {**settings, "LINEAGE_PROXY_AUTH_KEYS": KEY})
        self.function("batch", folder, {**settings, "LINEAGE_PROXY_TARGET": "datazone", "LINEAGE_PROXY_DATAZONE_DOMAIN_ID": "dzd_standin"})
        mapping = self.functions.create_event_source_mapping(
            FunctionName="batch", EventSourceArn=self.arn(self.queue), BatchSize=20, MaximumBatchingWindowInSeconds=1,
            FunctionResponseTypes=["ReportBatchItemFailures"],
        )
        self.mapping = mapping["UUID"]
        api = gateway.create_api(Name="lineage", ProtocolType="HTTP")
        integration = gateway.create_integration(ApiId=api["ApiId"], IntegrationType="AWS_PROXY", IntegrationUri=ingest, PayloadFormatVersion="2.0")
        gateway.create_route(ApiId=api["ApiId"], RouteKey="$default", Target=f"integrations/{integration['IntegrationId']}")
        gateway.create_stage(ApiId=api["ApiId"], StageName="$default", AutoDeploy=True)
        self.url = api["ApiEndpoint"].replace("https://", "http://")
        if ":" not in self.url.removeprefix("http://"):
            self.url = f"{self.url}:{emulator.url.rsplit(':', 1)[1]}"

    def arn(self, url):
        return self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]

    def function(self, name, folder, settings):
        function = self.functions.create_function(
            FunctionName=name, Runtime="provided.al2023", Handler="bootstrap", Role="arn:aws:iam::000000000000:role/any",
            Code={"ZipFile": bootstrap(name, folder)}, Environment={"Variables": settings}, Timeout=20, MemorySize=256,
        )
        return function["FunctionArn"]

    def takes(self, enabled):
        """Whether the batch function is given what is in the queue."""
        self.functions.update_event_source_mapping(UUID=self.mapping, Enabled=enabled)

    def post(self, path, body, **headers):
        return post(f"{self.url}{path}", body, {"Authorization": f"Bearer {KEY}", **headers})

    def empty(self):
        attributes = self.sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=["All"])["Attributes"]
        return attributes["ApproximateNumberOfMessages"] == attributes["ApproximateNumberOfMessagesNotVisible"] == "0"

    def put(self, *bodies):
        for body in bodies:
            self.sqs.send_message(QueueUrl=self.queue, MessageBody=body)

    def posted(self, count):
        """What is at DataZone, once it is `count` events; and it must not be more."""
        posts = eventually(lambda: (found := self.stand_in.posts()) and len(found) >= count and found, lambda: f"{count} posts, {self.stand_in.posts()}")
        assert len(posts) == count
        return [json.loads(post["body"]) for post in posts]

    def dead_letters(self, count):
        found = []

        def look():
            messages = self.sqs.receive_message(QueueUrl=self.dead, MaxNumberOfMessages=10, MessageAttributeNames=["All"], WaitTimeSeconds=1)
            for message in messages.get("Messages", []):
                self.sqs.delete_message(QueueUrl=self.dead, ReceiptHandle=message["ReceiptHandle"])
                found.append(message)
            return len(found) >= count

        eventually(look, lambda: f"{count} dead letters, {found}")
        assert len(found) == count
        return found


@pytest.fixture(scope="module")
def deployed(tmp_path_factory):
    """One for all tests here: what each leaves behind is looked at by itself, and is gone."""
    folder, processes = tmp_path_factory.mktemp("aws"), []
    try:
        processes.append(emulator := Emulator(folder))
        processes.append(stand_in := StandIn(folder, "--rate", "0"))
        stack = Stack(emulator, stand_in, folder)
        stack.processes = processes
        yield stack
    finally:
        for process in reversed(processes):
            process.stop()


@pytest.fixture
def stack(deployed):
    yield deployed
    try:
        eventually(deployed.empty, "the queue is empty")
    finally:
        deployed.stand_in.reset()
        for queue in (deployed.queue, deployed.dead):
            deployed.sqs.purge_queue(QueueUrl=queue)
        for process in deployed.processes:  # shown when the test failed
            print(f"--- {process.log.name}\n{process.tail()}")


def test_what_a_real_client_posts_is_read_at_the_other_end(stack):
    client = OpenLineageClient(config={"transport": {"type": "http", "url": stack.url, "auth": {"type": "api_key", "apiKey": KEY}}})
    stack.takes(False)  # so that all ten are one batch, for which order is promised
    for n in range(5):
        for state, second in ((RunState.COMPLETE, 9), (RunState.START, 1)):
            run = Run(runId=event("x", run=n)["run"]["runId"])
            time = f"2026-11-20T10:00:0{second}Z"
            client.emit(RunEvent(eventTime=time, producer="https://example.com", run=run, job=Job(namespace="real", name=f"job {n}"), eventType=state))
    stack.takes(True)
    posts = stack.posted(10)
    for n in range(5):
        assert [post["eventType"] for post in posts if post["job"]["name"] == f"job {n}"] == ["START", "COMPLETE"]
    assert stack.post("/api/v1/lineage", b"{}", Authorization="Bearer wrong")[0] == 403


def test_of_two_keys_that_the_gateway_joins_one_good_one_is_enough(stack):
    """The Java client sends `Authorization` twice if a header is configured besides the key; payload 2.0 joins the two."""
    body = lambda name: json.dumps(event(name)).encode()
    assert stack.post("/api/v1/lineage", body("twice"), Authorization=f"Bearer {KEY},Bearer {KEY}")[0] == 200
    assert stack.post("/api/v1/lineage", body("second"), Authorization=f"Bearer wrong, Bearer {KEY}")[0] == 200
    assert stack.post("/api/v1/lineage", body("neither"), Authorization="Bearer wrong,Bearer wrong")[0] == 403
    assert {post["job"]["name"] for post in stack.posted(2)} == {"twice", "second"}


def test_the_batch_route_and_gzip_come_through_the_gateway(stack):
    events = [event("a", run=1), {"no": "event"}, event("b", run=2)]
    status, _, answer = stack.post("/api/v1/lineage/batch", json.dumps(events).encode())
    assert (status, json.loads(answer)["summary"]["successful"], json.loads(answer)["failed_events"][0]["index"]) == (200, 2, 1)
    body = gzip.compress(json.dumps(event("c", run=3)).encode())
    packed = {"Content-Encoding": "gzip", "Content-Type": "application/openlineage+json"}
    assert stack.post("/api/v1/lineage", body, **packed)[0] == 200
    # As application/json this gateway takes it for text: what is left is refused with a reason, not queued.
    status, _, answer = stack.post("/api/v1/lineage", body, **{"Content-Encoding": "gzip"})
    assert (status, "turned into text" in json.loads(answer)["detail"]) == (400, True)
    assert {post["job"]["name"] for post in stack.posted(3)} == {"a", "b", "c"}


def test_poison_in_the_queue_is_a_dead_letter_with_its_reason_and_its_neighbours_arrive(stack):
    good = [json.dumps(event(f"good {n}", run=n)) for n in range(18)]
    stack.put(*good[:9], "[1,2]", *good[9:], "\x1f no JSON".replace("\x1f", "?"))
    posts = stack.posted(18)
    assert {post["job"]["name"] for post in posts} == {f"good {n}" for n in range(18)}
    letters = stack.dead_letters(2)
    assert all(letter["MessageAttributes"]["reason"]["StringValue"].startswith("invalid: not an OpenLineage event") for letter in letters)
    assert {letter["MessageAttributes"]["attempts"]["StringValue"] for letter in letters} == {"1"}


def test_a_refused_event_is_buried_at_once_and_a_hiccup_is_tried_again(stack):
    stack.stand_in.set(faults=[{"match": "refused", "kind": "validation"}, {"match": "hiccup", "kind": "internal", "times": 3}])
    stack.put(*(json.dumps(event(name, run=n)) for n, name in enumerate(["refused", "hiccup", "fine"])))
    assert {post["job"]["name"] for post in stack.posted(2)} == {"fine", "hiccup"}
    [letter] = stack.dead_letters(1)
    assert letter["MessageAttributes"]["reason"]["StringValue"].startswith("invalid: 400 ValidationException")
    assert json.loads(letter["Body"])["job"]["name"] == "refused"


def test_a_short_redshift_name_is_looked_up(stack):
    stack.stand_in.set(workgroups={"wg": {"account": "123456789012", "region": "eu-west-1", "port": 5439}})
    outputs = [{"namespace": "redshift://wg.eu-west-1:5439", "name": "dev.public.t"}]
    assert stack.post("/api/v1/lineage", json.dumps(event("r", outputs=outputs)).encode())[0] == 200
    [post] = stack.posted(1)
    assert post["outputs"][0]["namespace"] == "redshift://wg.123456789012.eu-west-1.redshift-serverless.amazonaws.com:5439"
