"""Queues of others as sources of `serve`: events of the real client on a topic, and a process that is killed."""

import json
import sys
import types
import uuid

import boto3
from parts import Serve, event, eventually

RUNS = 20


def test_events_of_a_client_on_a_topic_arrive_once_by_whatever_queues(tmp_path, emulator, started, monkeypatch):
    session = boto3.Session("test", "test", region_name="eu-west-1")
    sqs, sns = (session.client(service, endpoint_url=emulator.url) for service in ("sqs", "sns"))
    topic = sns.create_topic(Name="lineage")["TopicArn"]
    queues = {}
    for name, raw in (("wrapped", "false"), ("raw", "true")):
        queues[name] = sqs.create_queue(QueueName=name)["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=queues[name], AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": raw})

    class Producer:
        """What the transport `kafka` of the client produces with; here it publishes to the topic."""

        def __init__(self, config):
            pass

        def produce(self, topic, key, value, on_delivery):
            sns.publish(TopicArn=TOPICS[topic], Message=value.decode())

        def flush(self, timeout):
            return 0

    TOPICS = {"lineage": topic}
    monkeypatch.setitem(sys.modules, "confluent_kafka", types.SimpleNamespace(Producer=Producer))
    from openlineage.client.event_v2 import Job, Run, RunEvent, RunState
    from openlineage.client.transport.kafka import KafkaConfig, KafkaTransport

    transport = KafkaTransport(KafkaConfig(config={}, topic="lineage"))
    runs = [str(uuid.UUID(int=n, version=4)) for n in range(RUNS)]
    for run in runs:
        event = RunEvent(eventTime="2026-11-20T10:00:00Z", run=Run(runId=run), job=Job(namespace="n", name="é"), eventType=RunState.COMPLETE, producer="https://example.com/tests")
        transport.emit(event)
    config = tmp_path / "proxy.yaml"
    sources = {name: {"type": "sqs", "queue_url": url, "visibility_timeout": "30s", "wait": "1s"} for name, url in queues.items()}
    config.write_text(json.dumps({"sources": sources}))
    started.append(Serve(tmp_path, config=config, AWS_ENDPOINT_URL_SQS=emulator.url))
    proxy = started[-1]
    proxy.stored_when(RUNS)
    states = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    left = lambda url: sum(map(int, sqs.get_queue_attributes(QueueUrl=url, AttributeNames=states)["Attributes"].values()))
    eventually(lambda: not any(map(left, queues.values())), "both queues are empty")
    events = proxy.stored_when(RUNS)
    assert sorted(event["run"]["runId"] for event in events) == sorted(runs)
    assert {event["job"]["name"] for event in events} == {"é"}


STATES = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]


def client(emulator):
    return boto3.Session("test", "test", region_name="eu-west-1").client("sqs", endpoint_url=emulator.url)


def fill(sqs, queue, numbers):
    for n in numbers:
        sqs.send_message(QueueUrl=queue, MessageBody=json.dumps(event(f"job {n}", run=n)))


def left(sqs, queue):
    """How many messages are in a queue, those included that are in flight."""
    return sum(map(int, sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=STATES)["Attributes"].values()))


def configured(folder, queue):
    config = folder / "proxy.yaml"
    config.write_text(json.dumps({"sources": {"partner": {"type": "sqs", "queue_url": queue, "visibility_timeout": "30s", "wait": "1s"}}}))
    return config


def test_a_queue_is_read_once_although_the_process_is_killed(tmp_path, emulator, started):
    """Killed with messages in hand, again and again: they come back after their visibility timeout, and are known or new."""
    sqs = client(emulator)
    queue = sqs.create_queue(QueueName="partner")["QueueUrl"]
    fill(sqs, queue, range(150))
    config = configured(tmp_path, queue)

    def serve():
        started.append(Serve(tmp_path, config=config, AWS_ENDPOINT_URL_SQS=emulator.url))
        return started[-1]

    for count in (1, 40, 80):
        proxy = serve()
        eventually(lambda: len(proxy.stored()[1]) >= count, f"{count} events")
        proxy.child.kill()
        proxy.child.wait()
    proxy = serve()
    eventually(lambda: left(sqs, queue) == 0, "the queue is empty")
    events = proxy.stored_when(150)
    assert {event["job"]["name"] for event in events} == {f"job {n}" for n in range(150)}


def test_what_a_source_finds_goes_to_a_queue_once_by_the_ledger(tmp_path, emulator, started):
    """A queue of SQS knows no identities: `sources.db` does, also after a kill, and when a producer sends all again."""
    sqs = client(emulator)
    source, queue, dead = (sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("partner", "events", "dead"))
    config = configured(tmp_path, source)
    settings = {"QUEUE_URL": queue, "QUEUE_DEAD_LETTER_URL": dead, "ONLY": "ingest", "AWS_ENDPOINT_URL_SQS": emulator.url}

    def serve():
        started.append(Serve(tmp_path, config=config, **settings))
        return started[-1]

    proxy = serve()
    fill(sqs, source, range(40))
    eventually(lambda: left(sqs, source) == 0, "all are taken")
    proxy.child.kill()
    proxy.child.wait()
    fill(sqs, source, range(60))
    proxy = serve()
    eventually(lambda: left(sqs, source) == 0, "all are taken again")
    found = []
    while messages := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
        found += [json.loads(message["Body"])["job"]["name"] for message in messages]
        for message in messages:
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    assert sorted(found) == sorted(f"job {n}" for n in range(60))
