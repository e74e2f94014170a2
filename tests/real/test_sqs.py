"""`serve` with an SQS queue in place of its own."""

import json
import os
import subprocess

import boto3
from parts import BIN, CREDENTIALS, Serve, event, eventually, get, post


def test_events_go_through_sqs_and_a_queue_that_is_gone_is_503(serve, emulator, tmp_path):
    sqs = boto3.Session("test", "test", region_name="eu-west-1").client("sqs", endpoint_url=emulator.url)
    queue, dead = (sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("events", "dead"))
    target = tmp_path / "events.jsonl"
    proxy = serve(QUEUE_URL=queue, QUEUE_DEAD_LETTER_URL=dead, AWS_ENDPOINT_URL_SQS=emulator.url, TARGET="file", FILE_PATH=target)
    for n in range(12):
        assert post(f"{proxy.url}/api/v1/lineage", json.dumps(event(f"job {n}", run=n)).encode())[0] == 200
    lines = lambda: target.read_text().splitlines() if target.exists() else []
    eventually(lambda: len(lines()) >= 12, "12 events")
    assert sorted(json.loads(line)["job"]["name"] for line in lines()) == sorted(f"job {n}" for n in range(12))
    left = lambda: sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
    empty = lambda: (now := left())["ApproximateNumberOfMessages"] == now["ApproximateNumberOfMessagesNotVisible"] == "0"
    eventually(empty, "what is delivered is acknowledged")

    # What another writer put there and is no event: a dead letter, seen and sent again from the command line.
    sqs.send_message(QueueUrl=queue, MessageBody="[1, 2]")
    settings = {"LINEAGE_PROXY_QUEUE_URL": queue, "LINEAGE_PROXY_QUEUE_DEAD_LETTER_URL": dead, "AWS_ENDPOINT_URL_SQS": emulator.url}
    letters = lambda *command: subprocess.run([BIN / "lineage-proxy", "dead-letters", *command], env={**os.environ, **CREDENTIALS, **settings}, capture_output=True, text=True, check=True).stdout
    [letter] = eventually(lambda: json.loads(letters("list", "--output", "json")), "a dead letter")
    eventually(empty, "the dead letter is no longer in the queue")
    assert letter["reason"].startswith("invalid: not an OpenLineage event") and letters("show", letter["id"]) == "[1, 2]\n"
    status = subprocess.run([BIN / "lineage-proxy", "queue", "status", "--output", "json"], env={**os.environ, **CREDENTIALS, **settings}, capture_output=True, check=True).stdout
    assert json.loads(status) == {"waiting": 0, "in_flight": 0, "dead_letters": 1, "oldest_seconds": None}
    assert letters("delete", letter["id"]) == "1 deleted\n" and letters("list") == "no dead letters\n"

    large = json.dumps(event("large", pad="x" * 1_100_000)).encode()
    assert post(f"{proxy.url}/api/v1/lineage", large)[0] == 413
    emulator.stop()
    status, headers, _ = post(f"{proxy.url}/api/v1/lineage", json.dumps(event("late")).encode())
    assert (status, headers["retry-after"]) == (503, "1")


def test_what_is_published_to_a_topic_is_delivered_to_every_target(tmp_path, started, emulator):
    """`serve --only ingest` publishes, and a `serve` for each target receives from its own queue. Large bodies are shared."""
    session = boto3.Session("test", "test", region_name="eu-west-1")
    sqs, sns, s3 = (session.client(service, endpoint_url=emulator.url) for service in ("sqs", "sns", "s3"))
    s3.create_bucket(Bucket="large", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    topic = sns.create_topic(Name="events")["TopicArn"]
    names = ("one", "two")
    queues = {name: sqs.create_queue(QueueName=name)["QueueUrl"] for name in names}
    dead = {name: sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"] for name in names}
    for queue in queues.values():
        arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        allow = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": arn, "Condition": {"ArnEquals": {"aws:SourceArn": topic}}}
        sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": json.dumps({"Version": "2012-10-17", "Statement": [allow]})})
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
    shared = {"QUEUE_BUCKET": "large", **{f"AWS_ENDPOINT_URL_{service}": emulator.url for service in ("SQS", "SNS", "S3")}}

    def serve(name, **settings):
        (tmp_path / name).mkdir()
        started.append(Serve(tmp_path / name, **settings, **shared))
        return started[-1]

    ingest = serve("ingest", ONLY="ingest", QUEUE_TOPIC_ARN=topic)
    jobs = {f"job {n}" for n in range(12)} | {"large"}
    for n in range(12):
        assert post(f"{ingest.url}/api/v1/lineage", json.dumps(event(f"job {n}", run=n)).encode())[0] == 200
    # Above the 256 KiB of a topic, below the limit of SQS.
    assert post(f"{ingest.url}/api/v1/lineage", json.dumps(event("large", run=99, pad="x" * 300_000)).encode())[0] == 200
    assert get(f"{ingest.url}/readyz") is not None
    # A limit that is not the topic's: what it refuses goes to the bucket, and is in no client's way.
    generous = serve("generous", ONLY="ingest", QUEUE_TOPIC_ARN=topic, QUEUE_TOPIC_MESSAGE_SIZE="1 MiB")
    misfits = [event(job, run=100 + n, pad="y" * size) for n, (job, size) in enumerate({"small": 9, "misfit": 400_000, "next": 100_000, "last": 200_000}.items())]
    status, _, answer = post(f"{generous.url}/api/v1/lineage/batch", json.dumps(misfits).encode())
    assert status == 200 and "misfit" not in str(answer), answer
    jobs |= {"small", "misfit", "next", "last"}

    bodies = lambda: [item["Key"].split("/")[0] for item in s3.list_objects_v2(Bucket="large").get("Contents", [])]
    for name in names:  # one after the other: the second still finds the body that the first has settled
        file = tmp_path / f"{name}.jsonl"
        serve(name, QUEUE_URL=queues[name], QUEUE_DEAD_LETTER_URL=dead[name], TARGET="file", FILE_PATH=file)
        lines = lambda: file.read_text().splitlines() if file.exists() else []
        eventually(lambda: len(lines()) >= 17, "17 events")
        assert sorted(json.loads(line)["job"]["name"] for line in lines()) == sorted(jobs)
        left = lambda: sqs.get_queue_attributes(QueueUrl=queues[name], AttributeNames=["All"])["Attributes"]
        eventually(lambda: (now := left())["ApproximateNumberOfMessages"] == now["ApproximateNumberOfMessagesNotVisible"] == "0", "all are settled")
        assert bodies() == ["shared"] * 2

    for subscription in sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]:
        sns.unsubscribe(SubscriptionArn=subscription["SubscriptionArn"])
    eventually(lambda: get(f"{ingest.url}/readyz") is None, "what is published would go to nobody")
    unsure = serve("lonely", ONLY="ingest", QUEUE_TOPIC_ARN=topic)
    assert post(f"{unsure.url}/api/v1/lineage", json.dumps(event("lost")).encode())[0] == 503
    sns.delete_topic(TopicArn=topic)
    status, headers, _ = post(f"{ingest.url}/api/v1/lineage", json.dumps(event("late")).encode())
    assert (status, headers["retry-after"]) == (503, "1")
    assert get(f"{ingest.url}/readyz") is None


def test_a_fifo_topic_gets_the_events_of_a_run_in_order(tmp_path, started, emulator):
    """Also those of one request, of which one is refused for its size at first: the configured limit is not the topic's."""
    session = boto3.Session("test", "test", region_name="eu-west-1")
    sqs, sns, s3 = (session.client(service, endpoint_url=emulator.url) for service in ("sqs", "sns", "s3"))
    s3.create_bucket(Bucket="large", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    topic = sns.create_topic(Name="events.fifo", Attributes={"FifoTopic": "true"})["TopicArn"]
    queue = sqs.create_queue(QueueName="events.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
    endpoints = {f"AWS_ENDPOINT_URL_{service}": emulator.url for service in ("SQS", "SNS", "S3")}
    ingest = Serve(tmp_path, ONLY="ingest", QUEUE_TOPIC_ARN=topic, QUEUE_TOPIC_MESSAGE_SIZE="1 MiB", QUEUE_BUCKET="large", **endpoints)
    started.append(ingest)
    more = lambda n: {"pad": "x" * 400_000} if n == 7 else {}
    events = [event(f"job {n % 3}", "RUNNING", run=n % 3, second=n, **more(n)) for n in range(45)]
    status, _, answer = post(f"{ingest.url}/api/v1/lineage/batch", json.dumps(events).encode())
    assert status == 200 and json.loads(answer)["summary"]["successful"] == 45, answer

    received = []
    while messages := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
        for message in messages:
            body = json.loads(message["Body"])
            if isinstance(body, list):  # a pointer
                body = json.loads(s3.get_object(Bucket="large", Key=body[1]["s3Key"])["Body"].read())
            received.append((body["job"]["name"], body["eventTime"]))
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    for job in range(3):
        times = [time for name, time in received if name == f"job {job}"]
        assert len(times) == 15 and times == sorted(times), times
