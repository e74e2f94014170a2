"""The examples for Terraform and the AWS CDK, held against the template that they deploy.

Terraform's provider cannot be had everywhere, so its file is read and not planned: that its parameters and outputs are those of the
template. The app of the CDK is synthesized, where there is Node.js.
"""

import json
import os
import re
import shutil
import subprocess

import hcl2
import pytest
from variants import TEMPLATE, template

EXAMPLES = TEMPLATE.parents[1] / "examples"
REQUIRED = {name for name, parameter in template()["Parameters"].items() if "Default" not in parameter}


def skip(need):
    """Skips for lack of something, and says so in the report of tests/run.sh."""
    line = f"SKIPPED: the example of the AWS CDK: this machine has no {need}"
    if report := os.environ.get("PROXY_TEST_SKIPPED"):
        with open(report, "a") as file:
            file.write(line + "\n")
    pytest.skip(line)


def one(blocks, *names):
    """The only block of these names."""
    for name in names:
        [blocks] = [block[name] for block in (blocks if isinstance(blocks, list) else [blocks]) if name in block]
    return blocks


def test_terraform_gives_parameters_and_reads_outputs_that_the_template_has():
    text = (EXAMPLES / "terraform/main.tf").read_text()
    parsed = hcl2.loads(text)
    stack = one(parsed["resource"], "aws_cloudformation_stack", "lineage_proxy")
    [parameters] = stack["parameters"] if isinstance(stack["parameters"], list) else [stack["parameters"]]
    assert REQUIRED <= set(parameters) <= set(template()["Parameters"])
    [capabilities] = stack["capabilities"] if isinstance(stack["capabilities"][0], list) else [stack["capabilities"]]
    assert capabilities == ["CAPABILITY_IAM"]
    outputs = re.findall(r'\.outputs\["(\w+)"\]', text)
    assert outputs and set(outputs) <= set(template()["Outputs"])
    # What it refers to is there.
    declared = {f"var.{name}" for block in parsed["variable"] for name in block}
    declared |= {f"{kind}.{name}" for block in parsed["resource"] for kind, named in block.items() for name in named}
    assert set(re.findall(r"\b(?:var|aws_\w+)\.\w+", text.replace("data.aws_caller_identity.current", ""))) <= declared
    if shutil.which("terraform"):
        done = subprocess.run(["terraform", "fmt", "-check", "-diff", EXAMPLES / "terraform"], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout


def test_an_app_of_the_cdk_has_the_whole_template_and_its_parameters(tmp_path):
    python = os.environ.get("PROXY_TEST_CDK") or skip("environment of the AWS CDK")
    shutil.which("node") or skip("Node.js")
    context = {"bucket": "assets", "domain": "dzd_a1b2c3", "template": str(TEMPLATE)}
    # Without the CDK's own check of the template, which takes minutes: cfn-lint has checked it.
    env = {**os.environ, "CDK_OUTDIR": str(tmp_path), "CDK_CONTEXT_JSON": json.dumps(context), "CDK_VALIDATION": "false", "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "1"}
    done = subprocess.run([python, EXAMPLES / "cdk/app.py"], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    made = json.loads((tmp_path / "lineage-proxy.template.json").read_text())
    ours = template()
    assert made["Resources"].keys() > ours["Resources"].keys() and made["Rules"].keys() >= ours["Rules"].keys()
    given = ours["Parameters"].keys() - made["Parameters"].keys()
    assert given == {"S3AssetsBucketName", "DomainId", "AlarmTopicArn"} and REQUIRED <= given
    [topic] = (name for name, resource in made["Resources"].items() if resource["Type"] == "AWS::SNS::Topic" and name.startswith("OnCall"))
    assert made["Resources"]["DeadLetters"]["Properties"]["AlarmActions"][1]["Fn::If"][:2] == ["TellsTopic", {"Ref": topic}]
    assert made["Conditions"]["TellsTopic"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": topic}, ""]}]}
    assert made["Outputs"]["OpenLineageUrl"]["Value"]["Fn::Join"][1][1] == "/api/v1/lineage"
