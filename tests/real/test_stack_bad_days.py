"""The stack on bad days: faults of every kind, each with its alarm, a key that is rotated under load, and a permission that is missing.

The stack is that of test_stack.py.
"""

import json
import threading
import time
import urllib.request

from alarms import Alarms
from parts import event, eventually
from stack import ELSEWHERE, REDSHIFT, large, name


def test_on_a_bad_day_nothing_is_lost_and_each_alarm_names_its_fault(stack):
    alarms = Alarms(stack)
    assert set(alarms.all().values()) == {"OK"}
    stand_in = stack.cloud.stand_in
    sent = []

    def send(count=3):
        jobs = [name() for _ in range(count)]
        for number, job in enumerate(jobs):
            assert stack.post(event(job, run=number + len(sent)))[0] == 200
        sent.extend(jobs)

    def reached(alarm, *faults, count=3):
        stand_in.set(faults=list(faults))
        send(count)
        eventually(lambda: alarms.read() or alarms.state(alarm) == "ALARM", lambda: f"{alarm}: {alarms.all()}\n{stack.log('Batch')[-3000:]}")

    reached("PermissionMissing", {"kind": "access_denied"})
    reached("DomainMissing", {"kind": "not_found"})
    reached("Throttled", {"kind": "throttle"}, count=25)
    reached("QuotaUsedUp", {"kind": "quota"})
    reached("TargetDown", {"kind": "unavailable_503_untyped"}, count=25)
    queue = {"QueueName": stack.queue.rsplit("/", 1)[1]}
    alarms.point("AWS/SQS", "ApproximateAgeOfOldestMessage", queue, 7_200.0)
    assert (alarms.state("OldestEvent"), alarms.state("OldestRetry")) == ("ALARM", "OK")
    hours_ago = {"received_at": {"DataType": "Number", "StringValue": str(int(time.time() - 7_200) * 1_000)}}
    sent.append(name())
    stack.put(event(sent[-1], run=900), MessageAttributes=hours_ago)
    eventually(lambda: alarms.read() or alarms.state("OldestRetry") == "ALARM", "an old event is tried again", patience=180)
    stand_in.set(faults=[])
    stack.arrived(*sent, patience=300)

    # Poison beside good ones; the function killed under its work. What it had comes again, here not after minutes.
    visibility = lambda seconds: stack.sqs.set_queue_attributes(QueueUrl=stack.queue, Attributes={"VisibilityTimeout": str(seconds)})
    as_deployed = stack.sqs.get_queue_attributes(QueueUrl=stack.queue, AttributeNames=["VisibilityTimeout"])["Attributes"]["VisibilityTimeout"]
    visibility(20)
    stack.put("not JSON", event(poisoned := name(), run=500))
    stand_in.set(latency_ms=1_500)
    send(6)
    eventually(lambda: len(set(stack.jobs()) & set(sent)) > len(sent) - 6, "the batch function is at work")
    assert stack.kill(stack.outputs["BatchFunction"]) > 0
    stand_in.set(latency_ms=0)
    stack.arrived(*sent, poisoned, patience=300)
    eventually(lambda: stack.waiting(stack.dead) == 1, "one dead letter")
    visibility(as_deployed)
    alarms.read()
    assert (alarms.state("DeadLetters"), alarms.state("Rejected")) == ("ALARM", "OK")

    # Clients that send what is no event; a key that is not known; a queue that cannot be reached.
    for _ in range(9):
        assert stack.post({"no": "event"})[0] == 400
    assert stack.post(event(name()), key="a-key-that-is-not-known")[0] == 403
    policy = stack.iam.get_role_policy(RoleName=stack.role("Ingest")[1], PolicyName="ingest")["PolicyDocument"]
    stack.iam.put_role_policy(RoleName=stack.role("Ingest")[1], PolicyName="ingest", PolicyDocument=json.dumps({**policy, "Statement": policy["Statement"][:1]}))
    status, headers, _ = stack.post(event(name()))
    stack.iam.put_role_policy(RoleName=stack.role("Ingest")[1], PolicyName="ingest", PolicyDocument=json.dumps(policy))
    assert (status, headers["retry-after"]) == (503, "1")
    alarms.read()
    assert (alarms.state("Rejected"), alarms.state("NotQueued")) == ("ALARM", "ALARM")
    for function in ("Ingest", "Batch"):
        for metric in ("Errors", "Throttles"):
            alarms.point("AWS/Lambda", metric, {"FunctionName": stack.outputs[f"{function}Function"]}, 1.0)
            assert alarms.state(f"{function}{metric}") == "ALARM"
    assert alarms.state("NearExpiry") == "OK"
    alarms.point("AWS/SQS", "ApproximateAgeOfOldestMessage", {"QueueName": stack.dead.rsplit("/", 1)[1]}, 1_000_000.0)
    assert alarms.state("NearExpiry") == "ALARM"
    # What the gateway answers by itself, of which only CloudWatch knows.
    api = {"ApiId": stack.outputs["LineageProxyApiUrl"].split("//")[1].split(".")[0]}
    for _ in range(12):
        alarms.point("AWS/ApiGateway", "Count", api, 1.0)
        alarms.point("AWS/ApiGateway", "4xx", api, 1.0)
    assert (alarms.state("GatewayRejects"), alarms.state("GatewayFails")) == ("ALARM", "OK")
    alarms.point("AWS/ApiGateway", "5xx", api, 1.0)
    assert alarms.state("GatewayFails") == "ALARM"
    quiet = {alarm for alarm, state in alarms.all().items() if state == "OK"}
    assert quiet <= {"ProcessingFailed", "CheckErrors"}, quiet
    delivered = [job for job in stack.jobs() if job in set(sent)]
    assert sorted(delivered) == sorted(sent)  # each once: the client token makes a repeat none


def test_a_key_is_rotated_under_load_with_no_refusal(stack):
    old, new = stack.key, "a-new-key-of-some-length-0123456789"
    secret = stack.outputs["KeysSecretArn"]
    current, stop, answers, sent = [old], threading.Event(), [], []

    def load(lane):
        while not stop.is_set():
            job = name()
            status = stack.post(event(job, run=lane * 10_000 + len(answers)), key=current[0])[0]
            answers.append(status)
            if status == 200:
                sent.append(job)

    lanes = [threading.Thread(target=load, args=(lane,)) for lane in range(3)]
    for lane in lanes:
        lane.start()
    eventually(lambda: len(answers) >= 15, "some were sent with the old key")
    stack.secrets.put_secret_value(SecretId=secret, SecretString=json.dumps({"current": new, "previous": old}))
    time.sleep(11)  # docs/aws.md: ten seconds until every function knows it
    current[0] = new
    before = len(answers)
    eventually(lambda: len(answers) >= before + 15, "some were sent with the new key")
    stop.set()
    for lane in lanes:
        lane.join()
    assert set(answers) == {200}
    stack.arrived(*sent)
    assert new not in stack.log("Ingest") and old not in stack.log("Ingest")


def good_day(stack, patience):
    """All that the functions' roles are for, once. Fails within `patience` seconds where something is missing."""
    stack.assert_aws_may()
    assert stack.post(b"", path="/readyz")[0] == 405 and get_ready(stack)
    plain, big, hiccup, serverless, provisioned, poison = (name() for _ in range(6))
    stack.cloud.stand_in.set(faults=[{"match": hiccup, "kind": "internal", "times": 2}, {"match": poison, "kind": "validation"}])
    datasets = lambda *names: [{"namespace": f"redshift://{name}.eu-west-1:5439", "name": "dev.public.t"} for name in names]
    events = [event(plain, run=1), large(big), event(hiccup, run=2), event(poison, run=3)]
    events += [event(serverless, run=4, outputs=datasets("wg")), event(provisioned, run=5, outputs=datasets("cl"))]
    for each in events:
        assert stack.post(each)[0] == 200
    pointer = json.dumps(["software.amazon.payloadoffloading.PayloadS3Pointer", {"s3BucketName": stack.outputs["LargeEventsBucket"], "s3Key": "events/gone"}])
    stack.put(pointer, MessageAttributes={"ExtendedPayloadSize": {"DataType": "Number", "StringValue": "9"}})
    stack.arrived(plain, big, hiccup, serverless, provisioned, patience=patience)
    eventually(lambda: stack.waiting(stack.dead) == 2, "poison and the missing body are dead letters", patience)
    eventually(lambda: stack.large() == [], "the bucket is cleaned up", patience)
    outputs = {json.loads(post["body"])["job"]["name"]: json.loads(post["body"]).get("outputs") for post in stack.cloud.stand_in.posts()}
    assert "123456789012" in outputs[serverless][0]["namespace"]
    assert "abc123xyz" in outputs[provisioned][0]["namespace"]


def get_ready(stack):
    request = urllib.request.Request(f"{stack.url()}/readyz", headers={"Authorization": f"Bearer {stack.key}"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.status == 200


def test_every_action_of_a_policy_is_needed(stack):
    """IAM is asked for each on a good day, but for those of the stand-in, without which it is none. (What other stacks have more,
    their own tests look at in the same way.)
    """
    stack.cloud.stand_in.set(**REDSHIFT)
    started = time.monotonic()
    good_day(stack, 60)
    # So that a run with all it needs would pass, however slow this machine is.
    patience = max(8, 2 * (time.monotonic() - started))
    assert stack.unused("Ingest") == stack.unused("Batch") == set()
    stack.empty()

    role, document = stack.role("Batch")[1], stack.iam.get_role_policy(RoleName=stack.role("Batch")[1], PolicyName="batch")["PolicyDocument"]
    put = lambda statements: stack.iam.put_role_policy(RoleName=role, PolicyName="batch", PolicyDocument=json.dumps({**document, "Statement": statements}))
    alone = [statement["Sid"] for statement in document["Statement"] if statement["Action"] in ELSEWHERE]
    assert sorted(alone) == ["Clusters", "Post", "Workgroups"]
    needless = []
    for sid in alone:
        put([statement for statement in document["Statement"] if statement["Sid"] != sid])
        stack.let_iam_decide()
        stack.kill()  # what a function remembers is no right
        try:
            good_day(stack, patience)
            needless.append(sid)
        except Exception as missed:  # noqa: BLE001 - whatever it is that fails
            print(f"without {sid}: {str(missed).splitlines()[0][:160]}")
        finally:
            put(document["Statement"])
            stack.let_iam_decide()
            stack.kill()
            stack.cloud.stand_in.set(faults=[])
            stack.sqs.purge_queue(QueueUrl=stack.queue)
            stack.empty()
    assert needless == []
