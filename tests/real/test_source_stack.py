"""Stacks of sources beside a main stack: deployed by their templates, invoked as AWS invokes them, delivering to DataZone.

The emulator has no crawls and no Data API of Redshift: those functions ask the stand-in, whose answers no IAM guards. What
their roles may do there is asked of the emulator's IAM.
"""

import base64
import datetime
import gzip
import json
import re
import time
import uuid

import flyte_messages
import pytest
from flyteidl.admin import event_pb2
from flyteidl.core import literals_pb2
from parts import FIXTURES, crawlers, event, eventually
from stack import ACCOUNT, LOGS, POLLER, REGION, large, name

SCHEDULE = {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}


@pytest.fixture(scope="module")
def deployed(cloud):
    return cloud.deploy("sources")


@pytest.fixture
def main(deployed):
    deployed.cloud.stand_in.reset()
    yield deployed
    deployed.empty()


def invoke(stack, payload, **more):
    """Invokes the source function, again when another poll was at work at the same moment, as Lambda does."""

    def done():
        answer = stack.functions.invoke(FunctionName=stack.outputs["SourceFunction"], Payload=json.dumps(payload), **more)
        text = answer["Payload"].read().decode()
        assert "FunctionError" not in answer or "at the same time" in text, text
        return "FunctionError" not in answer

    eventually(done, "an invocation that nothing meets")


def line(job, **more):
    return f"26/01/02 10:00:00 INFO ConsoleTransport: {json.dumps(event(job, **more))}"


def put_lines(cloud, group, *lines):
    """Log lines of now, in a stream of their own."""
    stream, at = f"jr_{uuid.uuid4().hex}", int(time.time() * 1_000) - 20_000
    cloud.client("logs").create_log_stream(logGroupName=group, logStreamName=stream)
    cloud.client("logs").put_log_events(logGroupName=group, logStreamName=stream, logEvents=[{"timestamp": at + n, "message": text} for n, text in enumerate(lines)])


def subscription(group, *lines):
    """What a subscription invokes the function with."""
    events = [{"id": f"{n:056}", "timestamp": int(time.time() * 1_000), "message": text} for n, text in enumerate(lines)]
    data = {"messageType": "DATA_MESSAGE", "owner": ACCOUNT, "logGroup": group, "logStream": "jr_1", "subscriptionFilters": ["lineage"], "logEvents": events}
    return {"awslogs": {"data": base64.b64encode(gzip.compress(json.dumps(data).encode())).decode()}}


def asks_the_stand_in(stack, service):
    """Has the function find this service there."""
    stack.functions.get_waiter("function_updated").wait(FunctionName=stack.outputs["SourceFunction"])
    environment = stack.functions.get_function_configuration(FunctionName=stack.outputs["SourceFunction"])["Environment"]["Variables"]
    stack.functions.update_function_configuration(FunctionName=stack.outputs["SourceFunction"], Environment={"Variables": {**environment, f"AWS_ENDPOINT_URL_{service}": stack.cloud.stand_in.url}})


def queue_of_others(cloud, receives=3, visibility=5):
    """A queue that clients fill, with dead letters of its own."""
    sqs = cloud.client("sqs")
    arn = lambda url: sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    dead = sqs.create_queue(QueueName=f"theirs-dead-{uuid.uuid4().hex}")["QueueUrl"]
    redrive = json.dumps({"deadLetterTargetArn": arn(dead), "maxReceiveCount": receives})
    queue = sqs.create_queue(QueueName=f"theirs-{uuid.uuid4().hex}", Attributes={"RedrivePolicy": redrive, "VisibilityTimeout": str(visibility)})["QueueUrl"]
    return queue, arn(queue), dead


def each_once(main, *names):
    """These events have come, and no other, and none twice."""
    main.arrived(*names)
    main.drained()
    assert sorted(main.jobs()) == sorted(names)


def assert_aws_may(stack):
    """What AWS does in the function's name it may do."""
    for action in LOGS:
        assert stack.may("Source", action, f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{stack.outputs['SourceLogGroup']}:log-stream:x"), action
    arn = lambda url: stack.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    for action in POLLER:
        assert stack.may("Source", action, arn(stack.queue)), action
    assert stack.may("Source", "sqs:SendMessage", arn(stack.dead))


# -------------------------------------------------------------------- logs


def test_a_subscription_brings_what_is_logged_and_the_schedule_what_it_missed(main):
    cloud, group, before = main.cloud, f"/aws-glue/jobs/{uuid.uuid4().hex}", name()
    cloud.client("logs").create_log_group(logGroupName=group)
    put_lines(cloud, group, line(before))  # nobody subscribes yet
    source = cloud.deploy_source("logs", "source-logs", main, LogGroupName=group, Schedule="rate(1 minute)", Settings="overlap: 1h, settle: 0s")
    assert_aws_may(source)
    brought = [name(), name()]
    put_lines(cloud, group, line(brought[0], run=2), "nothing of ours", line(brought[1], run=3))
    main.arrived(*brought)
    main.arrived(before, patience=240)  # by the schedule
    # Again, by both ways: the schedule finds all of it a second time, and CloudWatch Logs invokes at least once.
    invoke(source, SCHEDULE)
    invoke(source, SCHEDULE)
    invoke(source, subscription(group, line(brought[0], run=2)))
    put_lines(cloud, group, line(last := name(), run=4))
    whole = line(cut := name(), run=5)
    put_lines(cloud, group, whole[:-40], whole[-40:])  # what a writer has split: the rest is read from its stream
    each_once(main, before, *brought, last, cut)
    assert source.unused("Source", "State", "Queue", "Read") == set()
    assert main.waiting(source.dead) == 0, source.log("Source")[-3000:]


def test_an_invocation_that_fails_is_a_dead_letter_and_comes_back_by_the_documented_command(main):
    cloud, group = main.cloud, f"/aws-glue/jobs/{uuid.uuid4().hex}"
    cloud.client("logs").create_log_group(logGroupName=group)
    source = cloud.deploy_source("logs", "source-again", main, LogGroupName=group)
    role, document = source.role("Source")[1], source.iam.get_role_policy(RoleName=source.role("Source")[1], PolicyName="source")["PolicyDocument"]
    put = lambda statements: source.iam.put_role_policy(RoleName=role, PolicyName="source", PolicyDocument=json.dumps({**document, "Statement": statements}))
    # The queue of the main stack cannot be reached, for as long as the function has; and a stranger, which nobody can read.
    source.functions.get_waiter("function_updated").wait(FunctionName=source.outputs["SourceFunction"])
    source.functions.update_function_configuration(FunctionName=source.outputs["SourceFunction"], Timeout=6)
    put([statement for statement in document["Statement"] if statement["Sid"] != "Queue"])
    lost, stranger = name(), {"awslogs": {"data": "bm90IGd6aXA="}}
    for payload in (subscription(group, line(lost)), stranger):
        invoke(source, payload, InvocationType="Event")
    eventually(lambda: main.waiting(source.dead) == 2, lambda: f"two dead letters\n{source.log('Source')[-3000:]}")
    assert main.jobs() == []
    put(document["Statement"])
    letters = json.loads(source.proxy("dead-letters", "list", "--stack", "source-again", "--output", "json"))
    assert len(letters) == 2
    source.sqs.set_queue_attributes(QueueUrl=source.queue, Attributes={"VisibilityTimeout": "1"})  # not after minutes here
    assert source.proxy("dead-letters", "redrive", "--stack", "source-again", "--all") == "2 redriven\n"
    main.arrived(lost)
    # The stranger fails five times more, and harms nobody.
    eventually(lambda: main.waiting(source.queue) == 0 and main.waiting(source.dead) == 1, lambda: f"one dead letter\n{source.log('Source')[-3000:]}")
    each_once(main, lost)


# ------------------------------------------------------------ streams, Flyte


def test_a_queue_of_clients_is_read_and_what_is_no_event_left_to_its_dead_letters(main):
    theirs, arn, dead = queue_of_others(main.cloud)
    source = main.cloud.deploy_source("stream", "source-stream", main, StreamArn=arn)
    assert_aws_may(source)
    for action in POLLER:
        assert source.may("Source", action, arn), action
    one, two, three = name(), name(), name()
    for body in (event(one), [event(two, run=2), event(three, run=3)], "no event", event(one)):
        source.sqs.send_message(QueueUrl=theirs, MessageBody=body if isinstance(body, str) else json.dumps(body))
    each_once(main, one, two, three)
    eventually(lambda: main.waiting(dead) == 1 and main.waiting(theirs) == 0, lambda: f"one dead letter of theirs\n{source.log('Source')[-3000:]}")
    [letter] = source.sqs.receive_message(QueueUrl=dead)["Messages"]
    assert letter["Body"] == "no event"
    assert source.unused("Source", "State", "Queue", "Messages") == set()


def test_a_source_that_is_killed_in_the_middle_loses_nothing(main):
    theirs, arn, dead = queue_of_others(main.cloud, receives=100, visibility=3)
    source = main.cloud.deploy_source("stream", "source-killed", main, StreamArn=arn)
    jobs = [name() for _ in range(80)]
    for number, job in enumerate(jobs):
        source.sqs.send_message(QueueUrl=theirs, MessageBody=json.dumps(event(job, run=number)))
        if number % 20 == 19:
            eventually(lambda: source.kill(source.outputs["SourceFunction"]), "a process is there and killed")
    main.arrived(*jobs)
    eventually(lambda: main.waiting(theirs) == 0, "their queue is empty")
    assert main.waiting(dead) == 0
    each_once(main, *jobs)  # an event that came twice into our queue is none twice at DataZone


def test_flyte_is_read_with_its_objects(main):
    cloud, bucket = main.cloud, f"flyte-{uuid.uuid4().hex}"
    cloud.client("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    outputs = literals_pb2.LiteralMap(literals={"orders": flyte_messages.blob("s3://lake/orders.csv")})
    cloud.client("s3").put_object(Bucket=bucket, Key="metadata/outputs.pb", Body=outputs.SerializeToString())
    theirs, arn, dead = queue_of_others(cloud)
    source = cloud.deploy_source("flyte", "source-flyte", main, MessagesQueueArn=arn, Cluster="flyte.example.com", MetadataBucketName=bucket, Settings='task_name: "{module}.{task}"')
    assert_aws_may(source)
    task = flyte_messages.task(output_uri=f"s3://{bucket}/metadata/outputs.pb")
    body = base64.b64encode(event_pb2.TaskExecutionEventRequest(request_id="r", event=task).SerializeToString()).decode()
    for message in (body, body, "no message of Flyte"):
        source.sqs.send_message(QueueUrl=theirs, MessageBody=message)
    eventually(lambda: main.waiting(dead) == 1 and main.waiting(theirs) == 0, lambda: f"theirs are read\n{source.log('Source')[-3000:]}")
    each_once(main, "etl.orders.join")  # as the setting names it
    [post] = cloud.stand_in.posts()
    assert [output["name"] for output in json.loads(post["body"])["outputs"]] == ["orders.csv"]
    assert source.unused("Source", "State", "Queue", "Messages", "Objects") == set()


# ---------------------------------------------------------- Glue, Redshift


def test_crawls_are_read_when_eventbridge_tells_of_one_and_on_a_schedule(main):
    cloud = main.cloud
    source = cloud.deploy_source("glue", "source-glue", main, Settings="lookback: 366d")
    assert_aws_may(source)
    for action, resource in (("ListCrawls", "crawler/x"), ("GetCrawler", "crawler/x"), ("ListCrawlers", "x"), ("GetTables", "table/d/t"), ("GetTables", "database/d"), ("GetConnection", "connection/c")):
        assert source.may("Source", f"glue:{action}", f"arn:aws:glue:{REGION}:{ACCOUNT}:{resource}"), action
    asks_the_stand_in(source, "GLUE")
    cloud.stand_in.set(crawlers=crawlers(page=2))
    hints = [{**json.loads(text), "account": ACCOUNT} for text in (FIXTURES / "crawler/eventbridge.jsonl").read_text().splitlines()]
    events = cloud.client("events")
    [rule] = (found for found in events.list_rules()["Rules"] if found.get("EventPattern") and found["Name"].startswith("source-glue-"))
    matching = [hint for hint in hints if events.test_event_pattern(EventPattern=rule["EventPattern"], Event=json.dumps(hint))["Result"]]
    assert [hint["detail"]["state"] for hint in matching] == ["Failed", "Succeeded"]
    assert [target["Arn"].rsplit(":", 1)[1] for target in events.list_targets_by_rule(Rule=rule["Name"])["Targets"]] == [source.outputs["SourceFunction"]]

    invoke(source, matching[1], InvocationType="Event")
    main.arrived("crawler/orders-s3/landing.orders")
    assert not any("shop" in job for job in main.jobs())
    invoke(source, SCHEDULE)
    main.arrived("crawler/shop-jdbc/shop.shop_public_customers")
    main.drained()
    found = main.jobs()
    invoke(source, SCHEDULE)
    invoke(source, matching[1])
    main.drained()
    assert main.jobs() == found


def doctor(source, *more):
    """The steps of doctor for the stack of a source."""
    lines = source.proxy("doctor", "--stack", source.name, "--output", "json", *more, check=False).stdout.splitlines()
    return {step["step"]: step for step in map(json.loads, lines)}


def history():
    """The history of the fixture, as if it had been of the last hours."""
    moved = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None) - datetime.timedelta(hours=3) - datetime.datetime(2026, 5, 13, 2)

    def now(found):
        return (datetime.datetime.fromisoformat(found[0]) + moved).isoformat(" ", "microseconds")

    views = {}
    for file in sorted((FIXTURES / "redshift").glob("s*.json")):
        page = json.loads(re.sub(r"2026-05-1\d \d\d:\d\d:\d\d(\.\d+)?", now, file.read_text()))
        view = file.name.split(".")[0]
        if view in views:
            views[view]["Records"] += page["Records"]
        else:
            views[view] = page
    return views


def test_the_history_of_redshift_is_read_on_a_schedule(main):
    cloud = main.cloud
    source = cloud.deploy_source("redshift", "source-redshift", main, WorkgroupName="corp-wg", Database="dev", Settings="skip: airflow, job_namespace: warehouse")
    assert_aws_may(source)
    workgroup = f"arn:aws:redshift-serverless:{REGION}:{ACCOUNT}:workgroup/0f0f"
    for action in ("redshift-data:ExecuteStatement", "redshift-serverless:GetCredentials", "redshift-serverless:GetWorkgroup"):
        assert source.may("Source", action, workgroup), action
    asks_the_stand_in(source, "REDSHIFT_DATA")
    cloud.stand_in.set(workgroups={"corp-wg": {"account": ACCOUNT, "region": REGION, "port": 5439}}, redshift_views=history(), redshift_waits=0)
    invoke(source, SCHEDULE)
    eventually(lambda: len(main.jobs()) > 5 and main.waiting() == 0, lambda: f"statements\n{source.log('Source')[-3000:]}")
    found = cloud.stand_in.posts()
    assert {json.loads(post["body"])["job"]["namespace"] for post in found} == {"warehouse"}
    outputs = {output["name"] for post in found for output in json.loads(post["body"]).get("outputs", [])}
    assert any(output.endswith("mart.daily_sales") for output in outputs), outputs
    invoke(source, SCHEDULE)
    main.drained()
    assert len(cloud.stand_in.posts()) == len(found)


def test_sources_of_another_account_are_read_by_its_role_and_lose_nothing_without_it(main):
    """The trust is that of the documentation, with an external id."""
    cloud, id = main.cloud, "team-a:prod/1"
    iam = cloud.client("iam")

    def trusting(account):
        condition = {"StringEquals": {"sts:ExternalId": id}, "ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{account}:role/by-role-*-SourceRole-*"}}
        trust = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{account}:root"}, "Action": "sts:AssumeRole", "Condition": condition}
        return json.dumps({"Version": "2012-10-17", "Statement": [trust]})

    role = iam.create_role(RoleName="reader", AssumeRolePolicyDocument=trusting("999999999999"))["Role"]["Arn"]
    # Those of the same account are the events of the test above, which a batch function that has delivered them drops as duplicates.
    crawls = cloud.deploy_source("glue", "by-role-glue", main, RoleArn=role, ExternalId=id, Settings="lookback: 366d, account: '444455556666'")
    warehouse = cloud.deploy_source("redshift", "by-role-redshift", main, WorkgroupName="corp-wg", Database="dev", RoleArn=role, ExternalId=id)
    asks_the_stand_in(crawls, "GLUE")
    asks_the_stand_in(warehouse, "REDSHIFT_DATA")
    cloud.stand_in.set(crawlers=crawlers(page=2), workgroups={"corp-wg": {"account": ACCOUNT, "region": REGION, "port": 5439}}, redshift_views=history(), redshift_waits=0)

    # The role trusts nobody who assumes it: the invocation fails, says so, and is made again.
    for source in (crawls, warehouse):
        answer = source.functions.invoke(FunctionName=source.outputs["SourceFunction"], Payload=json.dumps(SCHEDULE))
        text = answer["Payload"].read().decode()
        assert "FunctionError" in answer and f"role {role} cannot be assumed" in text, text
        refused = doctor(source)
        assert refused["poll"]["verdict"] == "bad" and refused["poll"]["advice"].startswith(f"let {role} trust {source.outputs['SourceRoleArn']}:"), refused
        assert "poll" not in doctor(source, "--no-event")
    assert main.jobs() == []

    iam.update_assume_role_policy(RoleName="reader", PolicyDocument=trusting(ACCOUNT))

    for source in (crawls, warehouse):
        invoke(source, SCHEDULE)
    main.arrived("crawler/shop-jdbc/shop.shop_public_customers")
    for source in (crawls, warehouse):
        assert source.unused("Source", "Assume", "State", "Queue") == set()
        assert {name: step["verdict"] for name, step in doctor(source).items()} == dict.fromkeys(("stack", "function", "destination", "queue", "dead letters", "logs", "poll"), "good") | {"alarms": "unsure"}
    main.drained()
    assert any("daily_sales" in post["body"] for post in cloud.stand_in.posts())


# ------------------------------------------------------------ several targets


def test_a_source_sends_to_the_topic_of_several_targets(deploy, cloud):
    main = deploy("sources-fan", FanOut="on")
    theirs, arn, dead = queue_of_others(cloud)
    source = cloud.deploy_source("stream", "source-fan", main, StreamArn=arn)
    source.sqs.send_message(QueueUrl=theirs, MessageBody=json.dumps(event(job := name())))
    source.sqs.send_message(QueueUrl=theirs, MessageBody=json.dumps(large(big := name(), 300_000)))  # above the limit of a topic
    each_once(main, job, big)
    assert source.unused("Source", "Publish", "Large") == set()


def test_settings_that_are_wrong_are_named_and_nothing_is_lost(main):
    cloud, group = main.cloud, f"/aws-glue/jobs/{uuid.uuid4().hex}"
    cloud.client("logs").create_log_group(logGroupName=group)
    source = cloud.deploy_source("logs", "source-wrong", main, LogGroupName=group, Settings="look_back: 3d, overlap: long")
    put_lines(cloud, group, line(job := name()))
    # (The emulator has what a function says before it starts in its own log.)
    told = lambda: cloud.emulator.log.read_text(errors="replace").split("source-wrong-Source-", 1)[-1]
    eventually(lambda: "look_back" in told() and "overlap" in told(), "both are named")
    cloud.deploy_source("logs", "source-wrong", main, LogGroupName=group, Settings="lookback: 3d", Memory=256)
    invoke(source, SCHEDULE)
    each_once(main, job)
