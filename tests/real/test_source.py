"""The source function, by what it is invoked with: the real bootstrap, and queue and table of the emulator."""

import base64
import gzip
import json
import time
import uuid

import flyte_messages
import pytest
from flyteidl.admin import event_pb2
from flyteidl.core import literals_pb2
from parts import FIXTURES, crawlers, event
from sandbox import Function, record

SETTINGS = {"glue-crawlers": {"type": "glue-crawlers", "account": "111122223333", "lookback": "366d"}}
SCHEDULE = {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}


@pytest.fixture
def source(account):
    """Makes source functions that share a table, with these settings."""
    dynamodb, table = account.client("dynamodb"), f"state-{uuid.uuid4().hex}"
    key = {"AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}], "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}]}
    dynamodb.create_table(TableName=table, BillingMode="PAY_PER_REQUEST", **key)

    def make(**settings):
        shared = {"AWS_ENDPOINT_URL_DYNAMODB": account.emulator.url, "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS": account.emulator.url, "AWS_ENDPOINT_URL_GLUE": account.stand_in.url, "FUNCTION_TABLE": table}
        of_account = {name: value for name, value in account.settings.items() if name != "QUEUE_DEAD_LETTER_URL"}
        account.started.append(Function(account.folder, "source", **{**of_account, **shared, **settings}))
        return account.started[-1]

    return make


def queued(account):
    """The events in the queue, which is empty afterwards."""
    found = []
    while messages := account.sqs.receive_message(QueueUrl=account.queue, MaxNumberOfMessages=10).get("Messages"):
        for message in messages:
            found.append(json.loads(message["Body"]))
            account.sqs.delete_message(QueueUrl=account.queue, ReceiptHandle=message["ReceiptHandle"])
    return found


def jobs(account):
    return sorted(found["job"]["name"] for found in queued(account))


def subscription(*events, group="/aws-glue/jobs/error", stream="jr_1"):
    """What a subscription filter invokes a function with."""
    lines = [{"id": f"{n:056}", "timestamp": 1_770_000_000_000 + n, "message": f"26/01/02 10:00:00 INFO ConsoleTransport: {json.dumps(made)}"} for n, made in enumerate(events)]
    data = {"messageType": "DATA_MESSAGE", "owner": "111122223333", "logGroup": group, "logStream": stream, "subscriptionFilters": ["lineage"], "logEvents": lines}
    return {"awslogs": {"data": base64.b64encode(gzip.compress(json.dumps(data).encode())).decode()}}


def answered(outcome):
    kind, body, _ = outcome
    assert kind == "response", body
    return json.loads(body)


def message(body, number=0, receives=1):
    made = {"MessageId": f"m-{number}", "ReceiptHandle": f"r-{number}", "Body": body if isinstance(body, str) else json.dumps(body), "MD5OfBody": "", "Attributes": {"ApproximateReceiveCount": str(receives), "SentTimestamp": "1"}}
    return record(made)


def test_what_a_subscription_brings_is_queued_once(account, source):
    payload = subscription(event("a"), event("b", run=2))
    first = source()
    answered(first.invoke(payload))
    assert jobs(account) == ["a", "b"]
    answered(first.invoke(payload))  # Lambda invokes at least once
    answered(source().invoke(subscription(event("b", run=2), event("c", run=3))))
    assert jobs(account) == ["c"]


def test_an_invocation_that_could_not_be_queued_fails_and_is_made_good_by_a_redrive(account, source):
    function, payload = source(), subscription(event("a"))
    account.between.trouble = lambda action, body: ("refuse", 500, "InternalError") if action == "SendMessageBatch" else None
    kind, body, _ = function.invoke(payload, seconds=12)
    assert kind == "error" and "queue" in body.decode(), body
    account.between.trouble = lambda action, body: None
    # As it is in the destination of failed invocations, from where it is moved to the queue that the function reads.
    failed = {"version": "1.0", "requestContext": {"condition": "RetriesExhausted"}, "requestPayload": payload, "responseContext": {}, "responsePayload": {}}
    again = {"Records": [message(failed)]}
    assert answered(function.invoke(again)) == {"batchItemFailures": []}
    assert jobs(account) == ["a"]
    assert answered(function.invoke(again)) == {"batchItemFailures": []}
    assert jobs(account) == []


def test_a_control_message_and_the_own_log_are_answered_with_success(account, source):
    data = {"messageType": "CONTROL_MESSAGE", "owner": "CloudwatchLogs", "logGroup": "", "logStream": "", "subscriptionFilters": [], "logEvents": [{"id": "", "timestamp": 1, "message": "CWL CONTROL MESSAGE: Checking health of destination Lambda function."}]}
    control = {"awslogs": {"data": base64.b64encode(gzip.compress(json.dumps(data).encode())).decode()}}
    function = source(AWS_LAMBDA_LOG_GROUP_NAME="/aws/lambda/source")
    answered(function.invoke(control))
    answered(function.invoke(subscription(event("a"), group="/aws/lambda/source")))
    assert jobs(account) == []
    assert any("own log group" in line for line in function.lines())


def test_messages_that_cannot_be_read_are_reported_and_harm_no_other(account, source):
    function = source()
    payload = {"Records": [message(event("a"), 0), message("no event", 1), message([event("b", run=2), event("c", run=3)], 2)]}
    assert answered(function.invoke(payload)) == {"batchItemFailures": [{"itemIdentifier": "m-1"}]}
    assert jobs(account) == ["a", "b", "c"]
    assert answered(function.invoke(payload)) == {"batchItemFailures": [{"itemIdentifier": "m-1"}]}
    assert jobs(account) == []


def test_a_search_of_log_groups_brings_only_what_their_subscription_did_not(account, source):
    logs, group = account.client("logs"), f"/aws-glue/jobs/{uuid.uuid4().hex}"
    logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName="jr_1")
    at = int(time.time() * 1_000) - 60_000
    lines = [f"26/01/02 10:00:00 INFO ConsoleTransport: {json.dumps(made)}" for made in (event("a"), event("b", run=2))]
    logs.put_log_events(logGroupName=group, logStreamName="jr_1", logEvents=[{"timestamp": at + n, "message": line} for n, line in enumerate(lines)])
    settings = {"SOURCES": json.dumps({"logs": {"type": "logs", "groups": group}})}
    answered(source(**settings).invoke(subscription(event("a"), group=group)))
    assert jobs(account) == ["a"]
    answered(source(**settings).invoke(SCHEDULE))
    assert jobs(account) == ["b"]
    answered(source(**settings).invoke(subscription(event("b", run=2), group=group)))
    answered(source(**settings).invoke(SCHEDULE))
    assert jobs(account) == []


@pytest.fixture
def flyte(account):
    """A bucket with the outputs of a task, and makes messages of Flyte whose task has its outputs there."""
    s3, bucket = account.client("s3"), f"flyte-{uuid.uuid4().hex}"
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    outputs = literals_pb2.LiteralMap(literals={"orders": flyte_messages.blob("s3://lake/orders.csv")})
    for key in ("metadata/outputs.pb", "raw/outputs.pb"):
        s3.put_object(Bucket=bucket, Key=key, Body=outputs.SerializeToString())

    def made(key="metadata/outputs.pb", retry=0):
        task = flyte_messages.task(output_uri=f"s3://{bucket}/{key}", retry_attempt=retry)
        return base64.b64encode(event_pb2.TaskExecutionEventRequest(request_id="r", event=task).SerializeToString()).decode()

    made.settings = {"SOURCES": json.dumps({"flyte": {"type": "flyte", "queue_url": account.queue, "cluster": "flyte.example.com", "literals": f"s3://{bucket}/metadata/"}})}
    return made


def outputs(account):
    return [[data["name"] for data in found.get("outputs", [])] for found in queued(account)]


def test_messages_of_flyte_are_read_with_their_objects_and_with_no_others(account, source, flyte):
    function = source(**flyte.settings)
    payload = {"Records": [message(flyte()), message("no message of Flyte", 1), message(flyte("raw/outputs.pb", retry=1), 2)]}
    assert answered(function.invoke(payload)) == {"batchItemFailures": [{"itemIdentifier": "m-1"}]}
    assert sorted(outputs(account)) == [[], ["orders.csv"]]
    assert any("below the prefix" in line for line in function.lines())
    answered(function.invoke(payload))
    assert outputs(account) == []


def test_a_message_of_flyte_waits_for_its_objects_and_then_goes_without(account, source, flyte):
    function = source(**flyte.settings, AWS_ENDPOINT_URL_S3="http://127.0.0.1:9")  # nobody listens
    assert answered(function.invoke({"Records": [message(flyte())]}, seconds=60)) == {"batchItemFailures": [{"itemIdentifier": "m-0"}]}
    assert outputs(account) == []
    assert answered(function.invoke({"Records": [message(flyte(), receives=3)]}, seconds=60)) == {"batchItemFailures": []}
    assert outputs(account) == [[]]


def test_records_of_streams_and_topics_are_queued(account, source):
    function, encoded = source(), lambda name, run: base64.b64encode(json.dumps(event(name, run=run)).encode()).decode()
    kinesis = {"Records": [{"kinesis": {"sequenceNumber": "7", "data": encoded("kinesis", 1), "partitionKey": "p"}, "eventID": "shardId-0:7", "eventSource": "aws:kinesis", "eventSourceARN": "arn:aws:kinesis:eu-west-1:1:stream/s"}]}
    kafka = {"eventSource": "aws:kafka", "records": {"t-0": [{"topic": "t", "partition": 0, "offset": 1, "value": encoded("kafka", 2)}]}}
    sns = {"Records": [{"EventSource": "aws:sns", "Sns": {"MessageId": "1", "TopicArn": "arn:aws:sns:eu-west-1:1:t", "Message": json.dumps(event("sns", run=3))}}]}
    for payload in (kinesis, kafka, sns):
        assert answered(function.invoke(payload)) == {"batchItemFailures": []}
    assert jobs(account) == ["kafka", "kinesis", "sns"]


def test_a_schedule_and_an_event_of_a_crawler_bring_the_same_once(account, source):
    account.stand_in.set(crawlers=crawlers(page=2))
    function = source(SOURCES=json.dumps(SETTINGS))
    hint = json.loads((FIXTURES / "crawler/eventbridge.jsonl").read_text().splitlines()[2])
    assert hint["detail"]["crawlerName"] == "orders-s3"
    answered(function.invoke(hint))
    first = jobs(account)
    assert "crawler/orders-s3/landing.orders" in first and not any("shop" in job for job in first)
    answered(function.invoke(SCHEDULE))
    second = jobs(account)
    assert "crawler/shop-jdbc/shop.shop_public_customers" in second and not any("orders" in job for job in second)
    answered(source(SOURCES=json.dumps(SETTINGS)).invoke(SCHEDULE))
    assert jobs(account) == []


def test_what_is_missing_is_told_at_the_start(account, source):
    function = source(FUNCTION_TABLE="", SOURCES="{crawls: {type: glue-crawler}}")
    assert function.invoke({}, seconds=10)[0] == "killed"
    text = "\n".join(function.lines())
    assert "function.table: is required" in text and "glue-crawler" in text
