"""The examples for Terraform and the AWS CDK, held against the template that they deploy.

Terraform formats, validates and plans its file. Its provider comes from a registry that not every machine reaches, so
`terraform/provider.py` stands in for it, with its schema. The app of the CDK is synthesized, where there is Node.js.
"""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import hcl2
import pytest
from variants import TEMPLATE, template

EXAMPLES = TEMPLATE.parents[1] / "examples"
REQUIRED = {name for name, parameter in template()["Parameters"].items() if "Default" not in parameter}


def skip(need, what="the AWS CDK"):
    """Skips for lack of something, and says so in the report of tests/run.sh."""
    line = f"SKIPPED: the example of {what}: this machine has no {need}"
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


class Terraform:
    """Terraform in a folder with a copy of the example, beside which `sync_assets.sh` has written a template."""

    def __init__(self, folder):
        python = os.environ.get("PROXY_TEST_TERRAFORM") or skip("environment of Terraform", "Terraform")
        self.folder, self.run_py = folder / "example", [python, Path(__file__).parent / "terraform/run.py"]
        shutil.copytree(EXAMPLES / "terraform", self.folder)
        (self.folder / "lineage-proxy").mkdir()
        shutil.copy(TEMPLATE, self.folder / "lineage-proxy")
        provider = folder / "terraform-provider-aws"
        provider.write_text(f"#!/bin/sh\nexec {python} {Path(__file__).parent / 'terraform/provider.py'} \"$@\"\n")
        provider.chmod(0o755)
        settings = folder / "terraformrc"
        settings.write_text(f'provider_installation {{\n  dev_overrides {{ "hashicorp/aws" = "{folder}" }}\n  direct {{}}\n}}\n')
        self.env = {**os.environ, "HOME": str(folder), "TF_CLI_CONFIG_FILE": str(settings), "CHECKPOINT_DISABLE": "1", "PYTHONDONTWRITEBYTECODE": "1"}

    def __call__(self, *command):
        return subprocess.run([*self.run_py, self.folder, *command], env=self.env, capture_output=True, text=True, timeout=120)

    def plan(self):
        """The plan, as Terraform shows it to programs."""
        done = self("plan", "-no-color", "-input=false", "-out=plan", "-var", "bucket=assets", "-var", "domain=dzd_a1b2c3")
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(self("show", "-json", "plan").stdout)


@pytest.fixture
def terraform(tmp_path):
    return Terraform(tmp_path)


def test_terraform_formats_validates_and_plans_the_stack(terraform):
    formatted = terraform("fmt", "-check", "-diff")
    assert formatted.returncode == 0, formatted.stdout
    validated = json.loads(terraform("validate", "-json").stdout)
    assert (validated["valid"], validated["error_count"]) == (True, 0), validated
    plan = terraform.plan()
    resources = {resource["address"]: resource.get("values") for resource in plan["planned_values"]["root_module"]["resources"]}
    stack, stored = resources["aws_cloudformation_stack.lineage_proxy"], resources["aws_s3_object.template"]
    assert stack["parameters"] == {"S3AssetsBucketName": "assets", "DomainId": "dzd_a1b2c3"}
    assert stack["template_url"] == f"https://assets.s3.amazonaws.com/{stored['key']}"
    # What is known after apply: the topic comes before the stack that tells it, and the outputs after the stack.
    [change] = [change["change"] for change in plan["resource_changes"] if change["address"] == "aws_cloudformation_stack.lineage_proxy"]
    assert change["after_unknown"]["parameters"] == {"AlarmTopicArn": True} and change["after_unknown"]["outputs"]
    # Another template is another key, which changes the stack.
    with open(terraform.folder / "lineage-proxy" / TEMPLATE.name, "a") as file:
        file.write("# changed\n")
    changed = {resource["address"]: resource.get("values") for resource in terraform.plan()["planned_values"]["root_module"]["resources"]}
    assert changed["aws_cloudformation_stack.lineage_proxy"]["template_url"] != stack["template_url"]


@pytest.mark.parametrize(
    "wrong, found",
    [
        (("template_url = ", "template_uri = "), "Unsupported argument"),
        (('["CAPABILITY_IAM"]', '"CAPABILITY_IAM"'), "set of string required"),
        (("aws_sns_topic.on_call.arn\n  }", "aws_sns_topic.on_call.url\n  }"), "Unsupported attribute"),
        (('name         = "lineage-proxy"\n', ""), "Missing required argument"),
        (("filesha256(", "sha256file("), "Call to unknown function"),
        (("var.domain", "var.domains"), "Reference to undeclared input variable"),
    ],
)
def test_terraform_would_find_a_mistake(terraform, wrong, found):
    file = terraform.folder / "main.tf"
    text = file.read_text()
    assert text.count(wrong[0]) == 1
    file.write_text(text.replace(*wrong))
    assert found in terraform("validate", "-json").stdout


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
