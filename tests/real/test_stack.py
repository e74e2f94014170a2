"""The stack at work: deployed by its script and template, used by real clients, on good days. Bad ones are in test_stack_bad_days.py.

One stack for all tests of both, as a team has one; each test leaves it empty.
"""

import json
import time

from alarms import Alarms
from openlineage.client import OpenLineageClient
from openlineage.client.event_v2 import Job, Run, RunEvent, RunState
from parts import event, eventually
from stack import BUCKET, Stack, large, name


def test_a_real_client_with_the_key_of_the_secret_is_read_at_the_other_end(stack):
    transport = {"type": "http", "url": stack.host(), "auth": {"type": "api_key", "apiKey": stack.key}}
    client = OpenLineageClient(config={"transport": transport})
    names = [name() for _ in range(5)]
    for number, job in enumerate(names):
        run = Run(runId=event("x", run=number)["run"]["runId"])
        client.emit(RunEvent(eventTime="2026-11-20T10:00:00Z", producer="https://example.com", run=run, job=Job(namespace="real", name=job), eventType=RunState.COMPLETE))
    stack.arrived(*names)
    assert stack.post(event(name()), key="a-key-that-is-not-known")[0] == 403
    assert stack.post(event(name()), path="/post-lineage-event")[0] == 200


def test_what_has_not_changed_is_not_uploaded_again(stack, tmp_path):
    assert [done for done, _ in stack.cloud.sync()] == ["unchanged"] * 11
    assert [done for done, _ in stack.cloud.sync("-x", "untouched", "-n", out=tmp_path)] == ["would"] * 11
    keys = stack.s3.list_objects_v2(Bucket=BUCKET)["Contents"]
    assert not [item["Key"] for item in keys if item["Key"].startswith("untouched")]


def test_wrong_use_of_the_script_is_told(cloud):
    for flags, message in (([], "which bucket"), (["-b", "b", "-a", "mips"], "arm64 or x86-64"), (["-b", "b", "x"], "unexpected argument"), (["-b", "b", "-u"], "-t FOLDER"), (["-b", "b", "-t", "tests"], "no transforms.yaml")):
        done = cloud.run("./sync_assets.sh", *flags, check=False)
        assert (done.returncode, message in done.stderr) == (2, True), done.stderr


def test_new_code_and_a_changed_parameter_take_effect_in_place(stack, tmp_path):
    before = stack.functions.get_function_configuration(FunctionName=stack.outputs["IngestFunction"])
    # Code that differs by a byte, as the script sees it.
    cargo = tmp_path / "cargo"
    cargo.write_text('#!/bin/sh\nset -e\nPATH="${PATH#*:}"\ncargo "$@"\n[ "$1 $2" != "lambda build" ] || printf x >>"${CARGO_TARGET_DIR:-target}/lambda/ingest/bootstrap"\n')
    cargo.chmod(0o755)
    done = [done for done, _ in stack.cloud.sync(path=tmp_path, out=tmp_path)]
    assert sorted(done) == ["unchanged"] * 9 + ["uploaded"] * 2  # ingest, and the template that has it
    updated = stack.cloud.deploy("lineage", out=tmp_path, Validation="strict", PostsPerSecond=7)
    after = updated.functions.get_function_configuration(FunctionName=updated.outputs["IngestFunction"])
    assert before["CodeSha256"] != after["CodeSha256"]
    assert updated.key == stack.key
    naive = event(name(), eventTime="2026-11-20T10:00:00")
    assert stack.post(naive)[0] == 400  # strict
    assert updated.functions.get_function_configuration(FunctionName=updated.outputs["BatchFunction"])["Environment"]["Variables"]["LINEAGE_PROXY_DATAZONE_POSTS_PER_SECOND"] == "7"
    stack.cloud.deploy("lineage", Validation="repair", PostsPerSecond=10)
    assert stack.post(naive)[0] == 200
    stack.arrived(naive["job"]["name"])


def test_a_rollout_names_the_alarms_that_roll_it_back_and_keeps_all_other_parameters(stack, tmp_path):
    """The emulator rolls nothing back on an alarm: what it would have to do is read from the request, whose form the AWS CLI checks."""
    log = tmp_path / "calls"
    aws = tmp_path / "aws"
    aws.write_text(f'#!/bin/sh\nfor word; do printf "%s\\036" "$word"; done >>"{log}"; echo >>"{log}"\nPATH="${{PATH#*:}}"\nexec aws "$@"\n')
    aws.chmod(0o755)
    rollout = lambda *parameters, **more: stack.cloud.run("infra/rollout.sh", "-s", "lineage", "-b", BUCKET, "-t", stack.cloud.folder / "openlineage-proxy.yaml", "-m", 3, *parameters, path=tmp_path, **more)
    before = Stack(stack.cloud, "lineage").parameters
    value = r'{"cluster.example.com": "redshift\u002eexample.com"}'  # quotes and a backslash, in a value that the function takes
    assert "updated lineage" in rollout("Validation=strict", "RedshiftHosts=" + value)
    after = Stack(stack.cloud, "lineage").parameters
    assert after == {**before, "Validation": "strict", "RedshiftHosts": value}
    [call] = [text.split("\036") for text in log.read_text().split("\n") if "create-change-set\036" in text]
    resource = lambda name: stack.cloud.client("cloudformation").describe_stack_resource(StackName="lineage", LogicalResourceId=name)["StackResourceDetail"]
    alarms = [resource(name)["PhysicalResourceId"] for name in ("IngestErrors", "BatchErrors")]
    arns = [stack.cloud.client("cloudwatch").describe_alarms(AlarmNames=[alarm])["MetricAlarms"][0]["AlarmArn"] for alarm in alarms]
    triggers = ",".join(f"{{Arn={arn},Type=AWS::CloudWatch::Alarm}}" for arn in arns)
    assert call[call.index("--rollback-configuration") + 1] == f"RollbackTriggers=[{triggers}],MonitoringTimeInMinutes=3"
    rollout("Validation=repair", "RedshiftHosts=")
    for wrong, message in (("Valid=strict", "no parameter Valid"), ("strict", "unexpected argument")):
        refused = rollout(wrong, check=False)
        assert refused.returncode != 0 and message in refused.stderr
    assert Stack(stack.cloud, "lineage").parameters == before


# ----------------------------------------------------------------- operate


def test_doctor_follows_an_event_and_says_where_it_ends(stack):
    doctor = lambda *more: stack.proxy("doctor", "--stack", "lineage", "--url", stack.url(), "--output", "json", *more, check=False)
    steps = lambda done: {step["step"]: step for step in map(json.loads, done.stdout.splitlines())}
    well = doctor()
    assert well.returncode == 0, well.stdout + well.stderr
    # Nobody is notified of alarms, the emulator's gateway changes gzip bodies and drops headers, and a busy machine starts slowly.
    assert {"alarms"} <= {name for name, step in steps(well).items() if step["verdict"] != "good"} <= {"alarms", "gzip", "twice", "queries", "metrics", "cold start"}, well.stdout
    for step in ("concurrency", "queue settings", "logs", "domain", "gzip", "twice", "queries", "cold start"):
        assert step in steps(well), well.stdout
    assert "SUCCESS" in steps(well)["processed"]["found"]
    # The emulator counts no requests. As API Gateway counts them they are found, and not by a route of the same API.
    metrics = stack.cloud.client("cloudwatch")
    api = stack.cloud.client("cloudformation").describe_stack_resource(StackName="lineage", LogicalResourceId="HttpApi")["StackResourceDetail"]["PhysicalResourceId"]
    count = lambda *more: metrics.put_metric_data(Namespace="AWS/ApiGateway", MetricData=[{"MetricName": "Count", "Value": 1, "Dimensions": [{"Name": "ApiId", "Value": api}, *more]}])
    count({"Name": "Stage", "Value": "$default"})
    assert (steps(doctor("--no-event"))["metrics"]["verdict"], api in steps(well)["metrics"]["found"]) == ("unsure", True), well.stdout
    count()
    assert steps(doctor("--no-event"))["metrics"]["verdict"] == "good"

    stack.cloud.stand_in.set(processing_ms=1_000, processing_fails="doctor")
    failed = doctor()
    assert (failed.returncode, "FAILED" in steps(failed)["processed"]["found"]) == (1, True), failed.stdout
    stack.cloud.stand_in.reset()
    stack.cloud.stand_in.set(posts_denied=True)
    denied = doctor()
    # In the words of a domain, not in those of IAM.
    assert (denied.returncode, "a user profile in the domain" in steps(denied)["delivered"]["advice"]) == (1, True), denied.stdout
    stack.cloud.stand_in.set(posts_denied=False, reads_denied=True)
    unseen = doctor()
    assert (unseen.returncode, steps(unseen)["processed"]["verdict"]) == (0, "unsure"), unseen.stdout
    assert doctor("--api-key-file", __file__).returncode == 1
    # What an account may have that the functions do not know of.
    key = "arn:aws:kms:eu-west-1:000000000000:key/of-the-domain"
    stack.cloud.stand_in.reset()
    stack.cloud.stand_in.set(domain_key=key)
    stack.functions.put_function_concurrency(FunctionName=stack.outputs["IngestFunction"], ReservedConcurrentExecutions=7)
    stack.sqs.set_queue_attributes(QueueUrl=stack.dead, Attributes={"MessageRetentionPeriod": "86400"})
    try:
        found = steps(doctor("--no-event"))
        assert (found["domain"]["verdict"], f"DomainKmsKeyArn={key}" in found["domain"]["advice"]) == ("bad", True), found["domain"]
        assert found["concurrency"]["found"].startswith("7 of")
        assert found["queue settings"]["verdict"] == "bad", found["queue settings"]
    finally:
        stack.cloud.stand_in.set(domain_key=None)
        stack.functions.delete_function_concurrency(FunctionName=stack.outputs["IngestFunction"])
        stack.sqs.set_queue_attributes(QueueUrl=stack.dead, Attributes={"MessageRetentionPeriod": "1209600"})
    nobody = stack.proxy("doctor", "--stack", "nobody", check=False)
    assert (nobody.returncode, "nobody" in nobody.stderr) == (2, True)


def test_a_paused_stack_keeps_events_and_doctor_says_so(stack):
    # With a second change: for a condition alone the emulator sees nothing to update.
    paused = stack.cloud.deploy("lineage", Paused="true", MaxAttempts=98)
    source = lambda: stack.functions.get_event_source_mapping(UUID=paused.outputs["BatchSource"])["State"]
    assert source() == "Disabled"
    doctor = stack.proxy("doctor", "--stack", "lineage", "--url", stack.url(), "--output", "json", check=False)
    steps = {step["step"]: step for step in map(json.loads, doctor.stdout.splitlines())}
    assert (doctor.returncode, steps["source"]["verdict"], steps["accepted"]["verdict"]) == (0, "unsure", "good"), doctor.stdout
    assert "Paused" in steps["source"]["found"] and "delivered" not in steps
    stack.put(event(job := name()))
    assert stack.waiting() == 2
    stack.cloud.deploy("lineage", Paused="false", MaxAttempts=100)
    assert source() == "Enabled"
    stack.arrived(job, "doctor")


def test_events_tell_what_became_of_each(stack):
    refused, fine = name(), name()
    stack.cloud.stand_in.set(faults=[{"match": refused, "kind": "validation"}])
    for job in (refused, fine):
        assert stack.post(event(job))[0] == 200
    assert stack.post({"job": {"namespace": "real", "name": refused}})[0] == 400
    stack.arrived(fine)
    eventually(lambda: stack.waiting(stack.dead) == 1, "a dead letter")
    events = lambda *flags: [json.loads(line) for line in stack.proxy("events", "--stack", "lineage", "--output", "json", *flags).splitlines()]
    eventually(lambda: "dead_lettered" in stack.log("Batch") and "request rejected" in stack.log("Ingest"), "the logs are written")
    [delivered] = events("--job", f"real/{fine}")
    assert (delivered["outcomes"], delivered["steps"][-1]["message"]) == (["delivered"], "event delivered")
    assert delivered["accepted_at"] < delivered["steps"][-1]["time"]
    assert delivered == events("--id", delivered["id"])[0]
    assert sorted(each["outcomes"][0] for each in events("--job", refused)) == ["dead_lettered", "rejected"]
    assert refused in [each["job.name"] for each in events("--outcome", "dead_lettered")]
    stack.sqs.purge_queue(QueueUrl=stack.dead)


def test_dead_letters_are_listed_shown_and_sent_again_by_reason_and_age(stack):
    refused, fine = [name() for _ in range(12)], name()
    stack.cloud.stand_in.set(faults=[{"match": job, "kind": "validation"} for job in refused])
    stack.put(*(event(job, run=number) for number, job in enumerate(refused)), event(fine, run=99), "[1, 2]")
    stack.arrived(fine)
    eventually(lambda: stack.waiting(stack.dead) == 13, "13 dead letters")
    letters = stack.dead_letters()
    assert len(letters) == 13
    assert sum(letter["reason"].startswith("invalid: 400 ValidationException") for letter in letters) == 12
    listed = lambda *flags: json.loads(stack.proxy("dead-letters", "list", "--stack", "lineage", "--output", "json", *flags))
    assert [letter["reason"].startswith("invalid: not an OpenLineage event") for letter in listed("--reason", "not an OpenLineage")] == [True]
    assert (listed("--older-than", "1h"), len(listed("--newer-than", "1h"))) == ([], 13)
    one = next(letter for letter in letters if "ValidationException" in letter["reason"])
    assert json.loads(stack.proxy("dead-letters", "show", "--stack", "lineage", one["id"]))["job"]["name"] in refused

    stack.cloud.stand_in.reset()
    again = lambda *flags, check=True: stack.proxy("dead-letters", "redrive", "--stack", "lineage", *flags, check=check)
    assert again(one["id"]) == "1 redriven\n"
    unknown = again("nothing", check=False)
    assert (unknown.returncode, "no dead letter has the id nothing" in unknown.stderr) == (1, True)
    started = time.monotonic()
    assert again("--all", "--reason", "ValidationException", "--rate", "5") == "11 redriven\n"
    assert time.monotonic() - started >= 2  # 11 at 5 a second
    stack.arrived(*refused)
    assert [letter["reason"].startswith("invalid: not an OpenLineage") for letter in stack.dead_letters()] == [True]
    assert stack.proxy("dead-letters", "delete", "--stack", "lineage", "--all", "--yes") == "1 deleted\n" and stack.dead_letters() == []


def test_an_event_above_the_limit_of_the_queue_goes_through_the_bucket(stack):
    job, refused = name(), name()
    stack.cloud.stand_in.set(faults=[{"match": refused, "kind": "validation"}])
    assert stack.post(large(job))[0] == 200
    stack.arrived(job)
    [post] = stack.cloud.stand_in.posts()
    assert json.loads(post["body"])["run"]["facets"]["lineageProxy_cut"]["facets"][0]["pointer"] == "/run/facets/large"
    eventually(lambda: stack.large() == [], "the bucket is cleaned up")

    assert stack.post(large(refused))[0] == 200
    eventually(lambda: stack.waiting(stack.dead) == 1, "a dead letter")
    [letter] = stack.dead_letters()
    assert letter["size"] > 2_000_000 and len(stack.large()) == 1
    assert len(stack.proxy("dead-letters", "show", "--stack", "lineage", letter["id"])) > 2_000_000
    stack.cloud.stand_in.reset()
    stack.proxy("dead-letters", "redrive", "--stack", "lineage", "--all")
    stack.arrived(refused)
    eventually(lambda: stack.large() == [], "the bucket is cleaned up")


def test_a_body_that_is_gone_or_elsewhere_is_a_dead_letter(stack):
    size = {"ExtendedPayloadSize": {"DataType": "Number", "StringValue": "2000000"}}
    pointer = lambda bucket: json.dumps(["software.amazon.payloadoffloading.PayloadS3Pointer", {"s3BucketName": bucket, "s3Key": "events/gone"}])
    stack.put(pointer(stack.outputs["LargeEventsBucket"]), pointer(BUCKET), MessageAttributes=size)
    eventually(lambda: stack.waiting(stack.dead) == 2, "two dead letters")
    reasons = " ".join(letter["reason"] for letter in stack.dead_letters())
    assert "no longer in" in reasons and "not in this queue's bucket" in reasons


def test_the_check_function_counts_what_datazone_failed_to_process(stack):
    # With a second change: for a condition alone the emulator sees nothing to update.
    stack = stack.cloud.deploy("lineage", DeliveryCheck="on", MaxAttempts=99)
    check = stack.outputs["CheckFunction"]
    role = stack.functions.get_function_configuration(FunctionName=check)["Role"]
    domain = "arn:aws:datazone:eu-west-1:000000000000:domain/dzd_standin"
    allowed = stack.iam.simulate_principal_policy(PolicySourceArn=role, ActionNames=["datazone:ListLineageEvents"], ResourceArns=[domain])
    assert allowed["EvaluationResults"][0]["EvalDecision"] == "allowed"
    while (time.time() - 600) % 3_600 > 3_540:
        time.sleep(1)  # the hour that it looks at must not change meanwhile
    failing, fine = name(), name()
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    stack.put(*(event(job, run=number, eventTime=now) for number, job in enumerate((failing, fine))))
    stack.arrived(failing, fine)
    # As if it had been in the middle of the last whole hour that ended ten minutes ago.
    ended = (time.time() - 600) // 3_600 * 3_600
    stack.cloud.stand_in.set(processing_fails=failing, age_ms=int((time.time() - ended + 1_800) * 1_000))
    alarms = Alarms(stack)
    answer = stack.functions.invoke(FunctionName=check, Payload=b"{}")
    assert json.loads(answer["Payload"].read()) == {"failed": 1}
    alarms.read()
    assert alarms.state("ProcessingFailed") == "ALARM"
    # Without its one action it fails, and doctor, which has it look at an hour long ago, names that.
    tried = lambda: next(step for step in map(json.loads, stack.proxy("doctor", "--stack", "lineage", "--url", stack.url(), "--output", "json", check=False).stdout.splitlines()) if step["step"] == "check")
    assert tried()["verdict"] == "good"
    stack.cloud.stand_in.set(reads_denied=True)
    denied = tried()
    assert (denied["verdict"], "use datazone:ListLineageEvents" in denied["advice"]) == ("bad", True), denied
    stack.cloud.stand_in.set(reads_denied=False)
