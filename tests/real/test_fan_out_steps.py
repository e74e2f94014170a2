"""The steps of `FanOut`, deployed one after the other: whether CloudFormation can take each from the one before.

With functions that do nothing; what flows through a stack is in test_several_targets.py.
"""

import io
import pathlib
import time
import zipfile

import boto3
import pytest

INFRA = pathlib.Path(__file__).parents[2] / "infra"
KEY = "arn:aws:kms:eu-west-1:000000000000:key/1"


@pytest.fixture
def deploy(emulator):
    """Deploys a stack of a template; returns its state, and its outputs or why it failed."""
    session = boto3.Session("test", "test", region_name="eu-west-1")
    s3, formation = (session.client(service, endpoint_url=emulator.url) for service in ("s3", "cloudformation"))
    s3.create_bucket(Bucket="assets", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    with zipfile.ZipFile(code := io.BytesIO(), "w") as archive:
        archive.writestr("bootstrap", "#!/bin/sh\n")
    s3.put_object(Bucket="assets", Key="not-uploaded", Body=code.getvalue())  # what the templates name before they are filled in
    for template in ("openlineage-proxy.yaml", "target.yaml"):
        s3.upload_file(str(INFRA / template), "assets", template)
    known = set()

    def deployed(template, name, **parameters):
        parameters = {"S3AssetsBucketName": "assets", "DomainId": "dzd_1", **parameters}
        change = formation.update_stack if name in known else formation.create_stack
        change(
            StackName=name, TemplateURL=f"{emulator.url}/assets/{template}.yaml", Capabilities=["CAPABILITY_IAM"],
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        )
        known.add(name)
        while (stack := formation.describe_stacks(StackName=name)["Stacks"][0])["StackStatus"].endswith("IN_PROGRESS"):
            time.sleep(0.1)
        reasons = [event.get("ResourceStatusReason") for event in formation.describe_stack_events(StackName=name)["StackEvents"] if "FAILED" in event["ResourceStatus"]]
        is_done = stack["StackStatus"] in ("CREATE_COMPLETE", "UPDATE_COMPLETE")
        return stack["StackStatus"], {output["OutputKey"] for output in stack.get("Outputs", [])} if is_done else reasons

    return deployed


# The way out and, without an order, also the way back. With one, the kept queues have to be deleted before.
@pytest.mark.parametrize(
    ("order", "steps"),
    [("none", ["off", "on", "leaving", "off", "on", "drain", "ingest-only", "on"]), ("run", ["off", "on", "leaving", "off", "on", "drain", "ingest-only"])],
)
def test_a_stack_takes_every_step_of_fan_out(deploy, order, steps):
    own, shared = {"QueueUrl", "FanOutSubscriptionArn"}, {"FanOutTopicArn", "FanOutBucket", "FanOutBucketWithoutKey"}
    expected = {"off": {"QueueUrl"}, "on": own | shared, "leaving": own, "drain": {"QueueUrl"} | shared, "ingest-only": shared}
    for step in steps:
        state, outputs = deploy("openlineage-proxy", "main", FanOut=step, Order=order)
        assert state in ("CREATE_COMPLETE", "UPDATE_COMPLETE"), (step, outputs)
        assert outputs & (own | shared) == expected[step], step


def test_a_target_needs_a_key_if_its_ingest_stack_has_one(deploy):
    assert deploy("openlineage-proxy", "keyed", FanOut="on", KmsKeyArn=KEY)[0] == "CREATE_COMPLETE"
    state, reasons = deploy("target", "without", IngestStackName="keyed")
    assert state == "ROLLBACK_COMPLETE" and "FanOutBucket" in str(reasons)
    assert deploy("target", "with", IngestStackName="keyed", KmsKeyArn=KEY)[0] == "CREATE_COMPLETE"
    assert deploy("openlineage-proxy", "plain", FanOut="on")[0] == "CREATE_COMPLETE"
    for name, key in (("plain-without", ""), ("plain-with", KEY)):
        assert deploy("target", name, IngestStackName="plain", KmsKeyArn=key)[0] == "CREATE_COMPLETE"
