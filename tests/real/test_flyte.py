"""Flyte: messages that its own package makes, as the tests of the crate read them, and through a queue into `serve`."""

import base64
import json
import pathlib

import boto3
import flyte_messages
from flyteidl.admin import event_pb2 as admin
from parts import Serve, eventually

FIXTURE = pathlib.Path(__file__).parents[2] / "crates/sources/tests/fixtures/flyte/flyteidl.jsonl"
ATTEMPTS = 150


def test_the_messages_that_are_read_are_those_that_the_package_of_flyte_makes():
    assert FIXTURE.read_text().splitlines() == list(flyte_messages.lines())


def test_what_flyte_publishes_arrives_once_although_the_process_is_killed(tmp_path, emulator, started):
    """Killed between its queue and the deletion of messages, again and again. What cannot be read stays in the queue."""
    session = boto3.Session("test", "test", region_name="eu-west-1")
    sqs, s3 = (session.client(service, endpoint_url=emulator.url) for service in ("sqs", "s3"))
    queue = sqs.create_queue(QueueName="flyte")["QueueUrl"]
    s3.create_bucket(Bucket="flyte-meta", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    outputs = flyte_messages.outputs().SerializeToString()
    s3.put_object(Bucket="flyte-meta", Key="p/outputs.pb", Body=outputs)
    for n in range(ATTEMPTS):
        task = flyte_messages.task(retry_attempt=n, output_uri="s3://flyte-meta/p/outputs.pb")
        request = admin.TaskExecutionEventRequest(event=task).SerializeToString()
        sqs.send_message(QueueUrl=queue, MessageBody=base64.b64encode(request).decode())
    sqs.send_message(QueueUrl=queue, MessageBody="poison")
    config = tmp_path / "proxy.yaml"
    source = {"type": "flyte", "queue_url": queue, "cluster": "flyte.example.com", "visibility_timeout": "30s", "wait": "1s"}
    config.write_text(json.dumps({"sources": {"flyte": source}}))

    def serve():
        started.append(Serve(tmp_path, config=config, AWS_ENDPOINT_URL_SQS=emulator.url, AWS_ENDPOINT_URL_S3=emulator.url))
        return started[-1]

    for count in (1, 30, 60):
        proxy = serve()
        eventually(lambda: len(proxy.stored()[1]) >= count, f"{count} events")
        proxy.child.kill()
        proxy.child.wait()
    proxy = serve()
    proxy.stored_when(ATTEMPTS)
    states = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    left = lambda: sum(map(int, sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=states)["Attributes"].values()))
    eventually(lambda: left() == 1, "nothing but what cannot be read is in the queue")
    events = proxy.stored_when(ATTEMPTS)
    assert len({event["run"]["runId"] for event in events}) == ATTEMPTS
    names = {output["name"] for output in events[0]["outputs"]}
    assert "ab/f0e1d2c3b4a5-n1-0/orders" in names and len(names) == 6, names
