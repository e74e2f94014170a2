"""`lineage-proxy replay` of an archive in S3 that `serve` has written, and into the queue of a stack."""

import json
import os
import subprocess

import boto3
import pytest
from parts import BIN, CREDENTIALS, Serve, event, eventually, post


def test_an_archive_in_s3_is_replayed_once(serve, emulator, tmp_path, started):
    s3 = boto3.Session("test", "test", region_name="eu-west-1").client("s3", endpoint_url=emulator.url)
    s3.create_bucket(Bucket="my-archive", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    endpoint = {"AWS_ENDPOINT_URL_S3": emulator.url}
    archiving = serve(TARGET="archive", ARCHIVE_LOCATION="s3://my-archive/lineage", **endpoint)
    for n in range(30):
        assert post(f"{archiving.url}/api/v1/lineage", json.dumps(event(f"job {n}", run=n)).encode())[0] == 200
    delivered = lambda: sum('"delivered"' in line for line in archiving.lines()) == 30
    eventually(delivered, "all events are in the archive")
    assert len(s3.list_objects_v2(Bucket="my-archive")["Contents"]) > 1

    (tmp_path / "other").mkdir()
    started.append(Serve(tmp_path / "other"))
    url = started[-1].url
    replay = lambda *more: json.loads(
        subprocess.run(
            [BIN / "lineage-proxy", "replay", "s3://my-archive/lineage/", "--url", url, "--output", "json", *more],
            env={**os.environ, **CREDENTIALS, **endpoint}, capture_output=True, text=True, check=True,
        ).stdout
    )
    assert replay("--since", "1h", "--job", "job 1*")["sent"] == 11
    report = replay("--where", "{not: {job: {name: job 1*}}}", "--state", str(tmp_path / "state.json"))
    assert (report["read"], report["filtered"], report["sent"]) == (30, 11, 19)
    assert {stored["job"]["name"] for stored in started[-1].stored_when(30)} == {f"job {n}" for n in range(30)}
    assert not (tmp_path / "state.json").exists()


@pytest.mark.parametrize("suffix", ["", ".fifo"], ids=["any order", "in order"])
def test_a_replay_into_the_queue_of_a_stack_is_taken_again_with_a_new_token(suffix, serve, emulator, stand_in, tmp_path):
    """With `serve` in place of the batch function, which has the same pipeline."""
    session = boto3.Session("test", "test", region_name="eu-west-1")
    sqs, formation = session.client("sqs", endpoint_url=emulator.url), session.client("cloudformation", endpoint_url=emulator.url)
    attributes = {"FifoQueue": "true"} if suffix else {}
    queue, dead = (sqs.create_queue(QueueName=name + suffix, Attributes=attributes)["QueueUrl"] for name in ("events", "dead"))
    for stack, target in (("lineage", "datazone"), ("marquez", "openlineage")):
        template = {
            "Parameters": {"Target": {"Type": "String"}},
            "Resources": {"Other": {"Type": "AWS::SQS::Queue"}},
            "Outputs": {"QueueUrl": {"Value": queue}, "DeadLetterQueueUrl": {"Value": dead}},
        }
        formation.create_stack(StackName=stack, TemplateBody=json.dumps(template), Parameters=[{"ParameterKey": "Target", "ParameterValue": target}])
        formation.get_waiter("stack_create_complete").wait(StackName=stack)
    domain = stand_in()
    proxy = serve(
        QUEUE_URL=queue, QUEUE_DEAD_LETTER_URL=dead, AWS_ENDPOINT_URL_SQS=emulator.url, TARGET="datazone", DATAZONE_DOMAIN_ID="dzd_standin", AWS_ENDPOINT_URL_DATAZONE=domain.url,
    )
    file = tmp_path / "replayed.jsonl"
    file.write_text("".join(json.dumps(event("again", state, second=second)) + "\n" for second, state in ((1, "START"), (2, "COMPLETE"))))

    def command(*words, status=0):
        done = subprocess.run([BIN / "lineage-proxy", *map(str, words)], env={**os.environ, **CREDENTIALS, "AWS_ENDPOINT_URL": emulator.url}, capture_output=True, text=True, timeout=60)
        assert done.returncode == status, done.stdout + done.stderr
        return done

    replay = lambda *more: json.loads(command("replay", file, "--stack", "lineage", "--output", "json", *more).stdout)
    tokens = lambda: {post["client_token"] for post in domain.posts()}
    assert post(f"{proxy.url}/api/v1/lineage", json.dumps(event("again", "START", second=1)).encode())[0] == 200
    assert post(f"{proxy.url}/api/v1/lineage", json.dumps(event("again", "COMPLETE", second=2)).encode())[0] == 200
    eventually(lambda: len(tokens()) == 2, lambda: f"two posts {proxy.tail()}")
    assert "nothing was sent" in command("replay", file, "--stack", "lineage", "--dry-run").stdout
    for count in (4, 6):
        report = replay("--new-token", "--rate", 50)
        assert (report["sent"], report["complete"]) == (2, True), report
        eventually(lambda: len(tokens()) == count, lambda: f"{count} tokens, {len(tokens())}: {proxy.tail()}")
    # In their order, each time.
    assert [json.loads(posted["body"])["eventType"] for posted in domain.posts()] == ["START", "COMPLETE"] * 3
    asked = lambda: sum("new_token" in line for line in proxy.lines())
    eventually(lambda: asked() == 4, lambda: f"four outcomes, {asked()}: {proxy.tail()}")
    # Without it, what was delivered a moment ago is not delivered again.
    assert replay()["sent"] == 2
    empty = lambda: {"0"} == set(sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"])["Attributes"].values())
    eventually(empty, "the queue is empty")
    assert len(domain.posts()) == 6

    # A dead letter keeps what was asked for, and so does its redrive.
    domain.set(faults=[{"match": "again", "kind": "validation"}])
    assert replay("--new-token")["sent"] == 2
    letters = lambda: json.loads(command("dead-letters", "list", "--stack", "lineage", "--output", "json").stdout)
    eventually(lambda: len(letters()) == 2, "two dead letters")
    domain.set(faults=[])
    command("dead-letters", "redrive", "--stack", "lineage", "--all")
    eventually(lambda: len(tokens()) == 8, lambda: f"8 tokens, {len(tokens())}: {proxy.tail()}")
    assert len({post["client_token"] for post in domain.posts()}) == 8

    refused = command("replay", file, "--stack", "marquez", "--new-token", status=64)
    assert "only a target of type datazone has client tokens, not openlineage" in refused.stderr
    assert "nobody" in command("replay", file, "--stack", "nobody", status=2).stderr
