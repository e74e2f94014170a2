"""Rules of a deployed stack: in S3, changed while it runs, and packed with the function by its script.

(The emulator runs functions without /opt: what a layer changes is looked at in tests/infra.)
"""

import itertools
import json
import time

import pytest
from alarms import Alarms
from parts import event, eventually
from stack import BUCKET, name

MARK = "https://example.com/marked"
NUMBERS = itertools.count(1)


@pytest.fixture
def rules(tmp_path):
    """Writes a folder of rules: RUNNING goes nowhere, jobs of `real` get another namespace, a script leaves its mark."""
    folder = tmp_path / "my rules"

    def written(namespace, expected=None, more=""):
        (folder / "events").mkdir(parents=True, exist_ok=True)
        (folder / "events" / "running.json").write_text(json.dumps(event("example", "RUNNING")))
        (folder / "mark.rhai").write_text(f'event.producer = "{MARK}";\n')
        (folder / ".hidden").write_text("not for others")
        (folder / "transforms.yaml").write_text(
            f"""\
version: 1
rules:
  - name: no-running
    when: {{event_type: RUNNING}}
    drop: true
    examples:
      - name: from a file
        given: {{file: events/running.json}}
        expect_dropped: true
  - name: namespace
    rename: {{of: job, namespace: {{map: {{real: {namespace}}}}}}}
    examples:
      - name: of a job
        given: {{job: {{namespace: real, name: j}}}}
        expect_at: {{"/job/namespace": {expected or namespace}}}
  - name: mark
    script: {{file: mark.rhai}}
{more}"""
        )
        return folder

    return written


HASHED = """\
  - name: secret
    redact: {pointers: [/run/facets/secret/text], with: hash}
"""


def send(stack, event_type="COMPLETE", facets=None):
    """The job of an event that was sent, of a run of its own."""
    made = event(name(), event_type, run=next(NUMBERS))
    if facets:
        made["run"]["facets"] = facets
    assert stack.post(made)[0] == 200
    return made["job"]["name"]


def bodies(stack):
    """What is at DataZone, by the names of the jobs."""
    posted = [json.loads(post["body"]) for post in stack.cloud.stand_in.posts()]
    return {body["job"]["name"]: body for body in posted}


def came(stack):
    """What the rules decide about each event at DataZone: namespace and producer."""
    return {job: (body["job"]["namespace"], body["producer"]) for job, body in bodies(stack).items()}


def namespace_now(stack):
    """The namespace that an event gets now, a second after the last one: time for another look at the rules."""
    time.sleep(1)
    job = send(stack)
    stack.arrived(job)
    return came(stack)[job][0]


def test_rules_in_s3_change_without_a_deploy_and_bad_ones_change_nothing(deploy, cloud, rules):
    key = "lineage-proxy/rules/transforms.yaml"
    uploaded = cloud.sync("-u", "-t", rules("lake"))
    assert [place for _, place in uploaded] == [f"s3://{BUCKET}/lineage-proxy/rules/{file}" for file in ("events/running.json", "mark.rhai", "transforms.yaml")]
    stack = deploy("rules-in-s3", RulesPrefix="lineage-proxy/rules", RulesRefresh=1)
    alarms = Alarms(stack)
    running, complete = send(stack, "RUNNING"), send(stack)
    stack.arrived(complete)
    stack.drained()
    assert came(stack) == {complete: ("lake", MARK)}
    dropped = (f"LineageProxy/{stack.name}", "lineage_proxy_dropped_total", frozenset({"function": "batch", "rule": "no-running", "target": "datazone"}.items()))
    eventually(lambda: alarms.read() or sum(alarms.points.get(dropped, [])) == 1, lambda: f"{running} is counted\n{alarms.points}")
    assert alarms.state("RulesReloadFailed") == "OK"

    def refused():
        assert namespace_now(stack) == "lake"
        alarms.read()
        return alarms.state("RulesReloadFailed") == "ALARM"

    bad_ones = {
        b"rules: [{name: nothing}]": "invalid rules file; the last valid rules stay in use",
        b"rules: [{name: x, script: {file: gone.rhai}}]": "gone.rhai",
        b"\xff": "failed to read rules; the last valid rules stay in use",
    }
    for bad, message in bad_ones.items():
        stack.s3.put_object(Bucket=BUCKET, Key=key, Body=bad)
        eventually(lambda: refused() and message in stack.log("Batch"), lambda: f"{message}: {alarms.all()}\n{stack.log('Batch')[-3000:]}")
        alarms.points.clear()
    eventually(refused, "it is counted at each look, so that the alarm stays")

    cloud.sync("-u", "-t", rules("warehouse"))
    eventually(lambda: namespace_now(stack) == "warehouse", lambda: f"new rules are taken\n{stack.log('Batch')[-3000:]}")

    def mended():
        alarms.read()
        alarms.points.clear()
        assert namespace_now(stack) == "warehouse"
        time.sleep(1)  # what an invocation counts is in its log once it has ended
        alarms.read()
        return alarms.state("RulesReloadFailed") == "OK"

    eventually(mended, lambda: f"the alarm is over: {alarms.all()}")


def test_without_its_rules_the_function_does_not_start_and_events_wait(deploy, cloud, rules):
    secret = cloud.client("secretsmanager").create_secret(Name="hash-key", SecretString="the-key-of-hashes-of-32-characters-or-more")["ARN"]
    cloud.sync("-u", "-t", rules("lake", more=HASHED), "-x", "elsewhere")
    stack = deploy("rules-at-start", RulesBucketName=BUCKET, RulesPrefix="elsewhere/rules", RulesHashKeySecretArn=secret)
    function, (_, role) = stack.outputs["BatchFunction"], stack.role("Batch")
    stack.sqs.set_queue_attributes(QueueUrl=stack.queue, Attributes={"VisibilityTimeout": "10"})  # not to wait for minutes
    document = stack.iam.get_role_policy(RoleName=role, PolicyName="batch")["PolicyDocument"]
    allow = lambda statements: stack.iam.put_role_policy(RoleName=role, PolicyName="batch", PolicyDocument=json.dumps({**document, "Statement": statements}))
    good = stack.s3.get_object(Bucket=BUCKET, Key="elsewhere/rules/transforms.yaml")["Body"].read()
    put = lambda body: stack.s3.put_object(Bucket=BUCKET, Key="elsewhere/rules/transforms.yaml", Body=body)

    def stays_away(setting):
        """The function does not start, for that setting; an event waits. Gives its job."""
        eventually(lambda: stack.waiting() == 0, "what was delivered is deleted")
        stack.kill(function)
        answer = lambda: stack.functions.invoke(FunctionName=function, Payload=json.dumps({"Records": []}))["Payload"].read().decode()
        # Of a process that is being killed the emulator says only that it has exited: the one after that did not start.
        message = eventually(lambda: "code 64" in (said := answer()) and said, f"{function} does not start")
        assert "exited" in message and setting in message, message
        job = send(stack)
        time.sleep(2)
        assert stack.waiting() == 1 and job not in came(stack)
        return job

    hidden = {"secret": {"_producer": "https://example.com", "_schemaURL": "https://example.com/s.json", "text": "hidden"}}
    first, second = send(stack, facets=hidden), send(stack, facets=hidden)
    stack.arrived(first, second)
    texts = [bodies(stack)[job]["run"]["facets"]["secret"]["text"] for job in (first, second)]
    assert texts[0] == texts[1] and texts[0].startswith("hmac:"), texts  # of the same text, by the same key

    assert stack.unused("Batch", "Rules", "RulesHashKey") == set()
    # Each statement is needed.
    for statement, setting in (("Rules", "rules.file"), ("RulesHashKey", "rules.hash_key_secret_id")):
        less = [kept for kept in document["Statement"] if kept["Sid"] != statement]
        assert len(less) == len(document["Statement"]) - 1
        allow(less)
        job = stays_away(setting)
        allow(document["Statement"])
        stack.arrived(job)

    put(b"rules: [{name: nothing}]")
    job = stays_away("rules.file")
    put(good)
    stack.arrived(job)
    assert came(stack)[job] == ("lake", MARK)


def test_rules_are_packed_with_the_function_and_new_ones_are_new_code(deploy, cloud, rules, tmp_path):
    done = lambda folder: sorted(done for done, _ in cloud.sync("-t", folder, out=tmp_path))
    code = lambda stack: stack.functions.get_function_configuration(FunctionName=stack.outputs["BatchFunction"])["CodeSha256"]
    assert done(rules("lake")) == ["unchanged"] * 8 + ["uploaded"] * 3  # the batch function, and the templates that have it
    assert done(rules("lake")) == ["unchanged"] * 11
    stack = deploy("rules-in-zip", out=tmp_path, RulesFile="rules/transforms.yaml")
    running, complete, before = send(stack, "RUNNING"), send(stack), code(stack)
    stack.arrived(complete)
    stack.drained()
    assert running not in came(stack) and came(stack)[complete] == ("lake", MARK)

    assert done(rules("warehouse")) == ["unchanged"] * 8 + ["uploaded"] * 3
    stack = deploy("rules-in-zip", out=tmp_path, RulesFile="rules/transforms.yaml")
    assert code(stack) != before
    eventually(lambda: namespace_now(stack) == "warehouse", "the new code has the new rules")


def test_wrong_rules_are_neither_packed_nor_uploaded(cloud, rules):
    wrong, otherwise = "these rules are wrong", "not all examples came out"
    for message, folder in ((otherwise, lambda: rules("lake", expected="warehouse")), (wrong, lambda: rules("lake", more="  - name: nothing\n"))):
        for flags in (["-u"], []):
            refused = cloud.run("./sync_assets.sh", "-b", BUCKET, *flags, "-t", folder(), "-x", "nowhere", check=False)
            assert (refused.returncode, message in refused.stderr) == (1, True), refused.stdout + refused.stderr
    assert "Contents" not in cloud.client("s3").list_objects_v2(Bucket=BUCKET, Prefix="nowhere/")
