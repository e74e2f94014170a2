"""`serve` with an SQS queue in place of its own."""

import json
import os
import subprocess

import boto3
from parts import BIN, CREDENTIALS, event, eventually, post


def test_events_go_through_sqs_and_a_queue_that_is_gone_is_503(serve, emulator):
    sqs = boto3.Session("test", "test", region_name="eu-west-1").client("sqs", endpoint_url=emulator.url)
    queue, dead = (sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("events", "dead"))
    proxy = serve(QUEUE_URL=queue, QUEUE_DEAD_LETTER_URL=dead, AWS_ENDPOINT_URL_SQS=emulator.url)
    for n in range(12):
        assert post(f"{proxy.url}/api/v1/lineage", json.dumps(event(f"job {n}", run=n)).encode())[0] == 200
    assert {stored["job"]["name"] for stored in proxy.stored_when(12)} == {f"job {n}" for n in range(12)}
    left = lambda: sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
    empty = lambda: (now := left())["ApproximateNumberOfMessages"] == now["ApproximateNumberOfMessagesNotVisible"] == "0"
    eventually(empty, "what is delivered is acknowledged")

    # What another writer put there and is no event: a dead letter, seen and sent again from the command line.
    sqs.send_message(QueueUrl=queue, MessageBody="[1, 2]")
    settings = {"LINEAGE_PROXY_QUEUE_URL": queue, "LINEAGE_PROXY_QUEUE_DEAD_LETTER_URL": dead, "AWS_ENDPOINT_URL_SQS": emulator.url}
    letters = lambda *command: subprocess.run([BIN / "lineage-proxy", "dead-letters", *command], env={**os.environ, **CREDENTIALS, **settings}, capture_output=True, text=True, check=True).stdout
    [letter] = eventually(lambda: json.loads(letters("list", "--output", "json")), "a dead letter")
    eventually(empty, "the dead letter is no longer in the queue")
    assert letter["reason"].startswith("invalid: no OpenLineage event") and letters("show", letter["id"]) == "[1, 2]\n"
    status = subprocess.run([BIN / "lineage-proxy", "queue", "status", "--output", "json"], env={**os.environ, **CREDENTIALS, **settings}, capture_output=True, check=True).stdout
    assert json.loads(status) == {"waiting": 0, "not_visible": 0, "dead_letters": 1, "oldest_seconds": None}
    assert letters("delete", letter["id"]) == "1 deleted\n" and letters("list") == "no dead letters\n"

    large = json.dumps(event("large", pad="x" * 1_100_000)).encode()
    assert post(f"{proxy.url}/api/v1/lineage", large)[0] == 413
    emulator.stop()
    status, headers, _ = post(f"{proxy.url}/api/v1/lineage", json.dumps(event("late")).encode())
    assert (status, headers["retry-after"]) == (503, "1")
