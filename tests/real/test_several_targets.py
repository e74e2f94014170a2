"""Several targets: a stack of ingest with a topic, and stacks of targets that come and go.

The emulator has no dead-letter queue of a subscription, and no `MaximumMessageSize` of a topic: what SNS cannot deliver is gone
there, and its limit is 256 KiB. The templates' part in both is checked in tests/infra.
"""

import http.server
import json
import threading
import time

import pytest
from parts import BIN, event, eventually
from stack import large, name


class Endpoint(http.server.ThreadingHTTPServer):
    """An OpenLineage endpoint that keeps what it accepts, and answers as it is told."""

    daemon_threads = True

    def __init__(self):
        self.status, self.events = 200, []
        super().__init__(("127.0.0.1", 0), Answer)
        threading.Thread(target=self.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server_port}"

    def jobs(self):
        return [event["job"]["name"] for event in self.events]


class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.status == 200:
            self.server.events.append(json.loads(body))
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def endpoint():
    """Makes endpoints."""
    made = []

    def make():
        made.append(Endpoint())
        return made[-1]

    yield make
    for endpoint in made:
        endpoint.shutdown()
        endpoint.server_close()


def send(stack, *jobs, **more):
    for number, job in enumerate(jobs):
        assert stack.post(event(job, run=number, **more))[0] == 200


def test_every_target_gets_every_event_and_none_waits_for_another(deploy, cloud, endpoint):
    good, bad = endpoint(), endpoint()
    bad.status = 400
    main = deploy("fan", FanOut="on")
    first = cloud.deploy_target("fan-good", main, OpenLineageUrl=good.url)
    second = cloud.deploy_target("fan-bad", main, OpenLineageUrl=bad.url)
    jobs, above_topic, above_sqs = [name() for _ in range(5)], name(), name()
    everything = {*jobs, above_topic, above_sqs}
    send(main, *jobs)
    assert main.post(large(above_topic, 300_000))[0] == 200
    assert main.post(large(above_sqs))[0] == 200

    main.arrived(*everything)
    eventually(lambda: set(good.jobs()) == everything, lambda: f"{good.jobs()}\n{first.log('Batch')[-3000:]}")
    eventually(lambda: second.waiting(second.dead) == 7, lambda: f"dead letters\n{second.log('Batch')[-3000:]}")
    assert main.waiting(main.dead) == first.waiting(first.dead) == 0
    # Nobody has deleted the bodies that another target still needs.
    assert [key.split("/")[0] for key in main.large()] == ["shared"] * 2

    letters = json.loads(second.proxy("dead-letters", "list", "--stack", "fan-bad", "--output", "json"))
    assert len(letters) == 7 and max(letter["size"] for letter in letters) > 2_000_000
    bad.status = 200
    assert second.proxy("dead-letters", "redrive", "--stack", "fan-bad", "--all") == "7 redriven\n"
    eventually(lambda: set(bad.jobs()) == everything, lambda: f"{bad.jobs()}\n{second.log('Batch')[-3000:]}")
    eventually(lambda: second.waiting() == 0, "all of it is settled")
    assert sorted(main.jobs() + good.jobs() + bad.jobs()) == sorted([*everything] * 3)  # each target once
    assert len(main.large()) == 2

    assert main.unused("Ingest", "Publish", "Large") == main.unused("Batch", "Large") == second.unused("Batch", "Large", "DeadLetters") == set()
    # A role may read what is shared, and nothing else; and it deletes nothing.
    bucket = main.outputs["LargeEventsBucket"]
    may = lambda action, key: second.may("Batch", f"s3:{action}", f"arn:aws:s3:::{bucket}/{key}")
    assert may("GetObject", "shared/x")
    assert not (may("GetObject", "events/x") or may("DeleteObject", "shared/x") or may("DeleteObject", "events/x") or main.may("Batch", "s3:DeleteObject", f"arn:aws:s3:::{bucket}/shared/x"))


def test_targets_come_and_go_without_touching_ingest(deploy, cloud, endpoint):
    one, two = endpoint(), endpoint()
    main = deploy("come", FanOut="on")
    ingest = lambda: main.functions.get_function_configuration(FunctionName=main.outputs["IngestFunction"])["RevisionId"]
    before = ingest()
    first = cloud.deploy_target("come-one", main, OpenLineageUrl=one.url)
    send(main, early := name())
    eventually(lambda: one.jobs() == [early], lambda: first.log("Batch")[-3000:])

    # What it has not delivered yet, it delivers; what comes later passes it by.
    source = lambda on: first.functions.update_event_source_mapping(UUID=first.outputs["BatchSource"], Enabled=on)
    source(False)
    send(main, pending := name())
    eventually(lambda: first.waiting() == 1, "an event waits")
    # Paused, since a deploy would enable the event source again; and for the condition of Attached alone the emulator sees nothing
    # to update.
    detached = cloud.deploy_target("come-one", main, OpenLineageUrl=one.url, Attached="false", Paused="true")
    assert "FanOutSubscriptionArn" not in detached.outputs
    send(main, late := name())
    main.arrived(early, pending, late)
    assert first.waiting() == 1
    source(True)
    eventually(lambda: one.jobs() == [early, pending], lambda: f"{one.jobs()}\n{first.log('Batch')[-3000:]}")
    status = lambda: json.loads(first.proxy("queue", "status", "--stack", "come-one", "--output", "json"))
    eventually(lambda: status()["waiting"] + status()["in_flight"] == 0, "it is drained")
    cloud.run("aws", "cloudformation", "delete-stack", "--stack-name", "come-one")
    cloud.run("aws", "cloudformation", "wait", "stack-delete-complete", "--stack-name", "come-one")
    assert first.waiting() == first.waiting(first.dead) == 0  # both queues are kept

    second = cloud.deploy_target("come-two", main, OpenLineageUrl=two.url)
    send(main, last := name())
    eventually(lambda: two.jobs() == [last], lambda: second.log("Batch")[-3000:])
    main.arrived(last)
    assert one.jobs() == [early, pending] and ingest() == before


def test_a_stack_in_use_is_switched_without_a_loss(deploy, cloud, endpoint):
    other = endpoint()
    main = deploy("switch")
    cloud.stand_in.set(faults=[{"kind": "unavailable_503_untyped"}])
    send(main, *(queued := [name() for _ in range(3)]))
    big = name()
    assert main.post(large(big))[0] == 200
    eventually(lambda: main.waiting() == 4 and main.large(), "events wait in the queue")
    with Load(main) as on:
        assert deploy("switch", FanOut="on").queue == main.queue
        on.goes_on()
    target = cloud.deploy_target("switch-other", main, OpenLineageUrl=other.url)
    send(main, *(published := [name() for _ in range(3)]))
    cloud.stand_in.set(faults=[])
    main.arrived(*queued, big, *on.sent, *published, patience=300)
    eventually(lambda: set(other.jobs()) == set(published), lambda: f"{other.jobs()}\n{target.log('Batch')[-3000:]}")
    eventually(lambda: main.large() == [], "a body of one message is deleted with it")

    # And back.
    cloud.run("aws", "cloudformation", "delete-stack", "--stack-name", "switch-other")
    cloud.run("aws", "cloudformation", "wait", "stack-delete-complete", "--stack-name", "switch-other")
    with Load(main) as off:
        for step in ("leaving", "off"):
            deploy("switch", FanOut=step)
            off.goes_on()
    main.arrived(*off.sent, patience=300)
    main.drained()
    assert main.waiting(main.dead) == 0
    jobs = main.jobs()
    assert sorted(jobs) == sorted([*queued, big, *on.sent, *published, *off.sent])


class Load:
    """A client that sends events one after the other, and again what was not accepted, as clients do."""

    def __init__(self, stack):
        self.stack, self.key, self.sent, self.stop = stack, stack.key, [], threading.Event()
        self.thread = threading.Thread(target=self.send, daemon=True)

    def send(self):
        while not self.stop.is_set():
            body = event(job := name(), run=100 + len(self.sent))
            while self.stack.post(body, key=self.key)[0] != 200:
                time.sleep(0.1)
            self.sent.append(job)
            time.sleep(0.05)

    def goes_on(self):
        """Some more were accepted."""
        before = len(self.sent)
        eventually(lambda: len(self.sent) >= before + 3, "events are accepted")

    def __enter__(self):
        self.thread.start()
        self.goes_on()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join(60)
        assert not self.thread.is_alive()


def test_ingest_alone_publishes_to_targets_and_accepts_nothing_for_nobody(deploy, cloud, endpoint):
    only = endpoint()
    main = deploy("alone", FanOut="ingest-only", DomainId="")
    assert "QueueUrl" not in main.outputs and "BatchFunction" not in main.outputs
    doctor = lambda stack: cloud.run(BIN / "lineage-proxy", "doctor", "--stack", stack, "--url", main.url(), "--output", "json", check=False)
    steps = lambda done: {step["step"]: step for step in map(json.loads, done.stdout.splitlines())}
    assert main.post(event(name()))[0] == 503  # for whom?
    lonely = doctor("alone")
    assert (lonely.returncode, steps(lonely)["topic"]["verdict"]) == (1, "bad"), lonely.stdout + lonely.stderr
    target = cloud.deploy_target("alone-only", main, OpenLineageUrl=only.url)
    eventually(lambda: doctor("alone").returncode == 0, "that nobody subscribes is believed for some seconds")
    well = doctor("alone")
    assert well.returncode == 0 and steps(well)["accepted"]["verdict"] == "good" and "batch" not in steps(well), well.stdout
    refused = cloud.run(BIN / "lineage-proxy", "dead-letters", "list", "--stack", "alone", check=False)
    assert "no target of its own" in refused.stderr

    # From the other end: ingest, the way to the queue, and the target.
    well = doctor("alone-only")
    assert well.returncode == 0, well.stdout + well.stderr
    assert {step: found["verdict"] for step, found in steps(well).items() if step in ("ingest stack", "ingest", "topic", "subscription", "policy", "batch", "delivered")} == dict.fromkeys(("ingest stack", "ingest", "topic", "subscription", "policy", "batch", "delivered"), "good"), well.stdout
    assert set(only.jobs()) == {"doctor"}
    policy = target.sqs.get_queue_attributes(QueueUrl=target.queue, AttributeNames=["Policy"])["Attributes"]["Policy"]
    target.sqs.set_queue_attributes(QueueUrl=target.queue, Attributes={"Policy": json.dumps({"Version": "2012-10-17", "Statement": [json.loads(policy)["Statement"][0]]})})
    cloud.client("sns").set_subscription_attributes(SubscriptionArn=target.outputs["FanOutSubscriptionArn"], AttributeName="RawMessageDelivery", AttributeValue="false")
    ill = cloud.run(BIN / "lineage-proxy", "doctor", "--stack", "alone-only", "--url", main.url(), "--output", "json", "--no-event", check=False)
    assert (ill.returncode, steps(ill)["policy"]["verdict"], steps(ill)["subscription"]["verdict"]) == (1, "bad", "bad"), ill.stdout


def test_the_order_of_runs_is_kept_for_every_target(deploy, cloud, endpoint):
    other = endpoint()
    main = deploy("fan-order", FanOut="on", Order="run")
    refused = cloud.run("aws", "cloudformation", "deploy", "--stack-name", "fan-unordered", "--template-file", cloud.folder / "target.yaml", "--s3-bucket", "assets", "--capabilities", "CAPABILITY_IAM",
                        "--parameter-overrides", "S3AssetsBucketName=assets", "IngestStackName=fan-order", "Target=openlineage", f"OpenLineageUrl={other.url}", check=False)
    assert refused.returncode != 0
    target = cloud.deploy_target("fan-ordered", main, OpenLineageUrl=other.url, Order="run")
    assert target.queue.endswith(".fifo")
    jobs = [name() for _ in range(3)]
    for number, job in enumerate(jobs):
        for second, state in ((1, "START"), (2, "RUNNING"), (3, "COMPLETE")):
            assert main.post(event(job, state, run=number, second=second))[0] == 200
    eventually(lambda: len(other.events) == len(main.jobs()) == 9, lambda: f"{other.jobs()} {main.jobs()}\n{target.log('Batch')[-3000:]}", 120)
    for job in jobs:
        assert [event["eventType"] for event in other.events if event["job"]["name"] == job] == ["START", "RUNNING", "COMPLETE"]
