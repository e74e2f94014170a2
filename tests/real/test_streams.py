"""Events of the real client on a topic, which reach `serve` by two queues: in the envelope of SNS, and raw."""

import json
import sys
import types
import uuid

import boto3
from parts import Serve, eventually

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
