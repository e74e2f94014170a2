"""The REST API of the main stack: who reaches it, and that a change of it is published."""

import itertools
import json
import re
import shutil
import subprocess

import pytest
from variants import DATAZONE, TEMPLATE, VARIANTS, WEB_ACL, resolved, template

ROOT = TEMPLATE.parents[1]
LINEAGE_PROXY = "openlineage-proxy.yaml"


def rest(variant):
    resources = resolved(VARIANTS[variant])["Resources"]
    return resources, resources["RestApi"]["Properties"]


def test_a_private_api_is_reached_through_its_vpc_endpoints_and_no_other_way():
    _, api = rest("private")
    assert api["EndpointConfiguration"] == {"Types": ["PRIVATE"], "VpcEndpointIds": ["vpce-1a", "vpce-2b"]}
    [deny] = (statement for statement in api["Policy"]["Statement"] if statement["Effect"] == "Deny")
    assert deny["Condition"] == {"StringNotEquals": {"aws:SourceVpce": ["vpce-1a", "vpce-2b"]}}  # none of them
    url = template()["Outputs"]["LineageProxyApiUrl"]["Value"]["Fn::If"][2]["Fn::If"][1]["Fn::Sub"]
    assert url[0].startswith("https://${RestApi}${VpcEndpoint}.") and url[0].endswith("/lineage")


def test_a_regional_api_is_public_and_may_have_a_web_acl_and_a_domain_name_alone():
    resources, api = rest("rest")
    assert api["EndpointConfiguration"] == {"Types": ["REGIONAL"]} and "Policy" not in api
    assert api["DisableExecuteApiEndpoint"] is False and "WebAcl" not in resources
    resources, api = rest("rest, by a domain name and a web acl")
    assert api["DisableExecuteApiEndpoint"] is True
    acl = resources["WebAcl"]["Properties"]
    assert acl["WebACLArn"] == WEB_ACL and acl["ResourceArn"]["Fn::Sub"].endswith("::/restapis/${RestApi}/stages/${RestStage}")
    assert resources["Ingest"]["Properties"]["Environment"]["Variables"]["LINEAGE_PROXY_PATH_PREFIX"] == "/lineage"
    assert resolved(VARIANTS["by a domain name"])["Resources"]["HttpApi"]["Properties"]["DisableExecuteApiEndpoint"] is True


@pytest.mark.parametrize("variant", ["rest", "private"])
def test_bodies_and_errors_are_alike_in_every_rest_api(variant):
    """Whatever is sent arrives as it was sent, gzip too, and what the gateway cannot do is answered so that every client retries."""
    resources, api = rest(variant)
    assert api["BinaryMediaTypes"] == ["*/*"]
    for name, kind in (("RestThrottled", "THROTTLED"), ("RestFailed", "DEFAULT_5XX")):
        response = resources[name]["Properties"]
        assert (response["ResponseType"], response["StatusCode"], response["ResponseParameters"]) == (kind, "503", {"gatewayresponse.header.Retry-After": "'1'"})


def test_what_parameters_change_in_the_api_is_published():
    """A deployment is a snapshot: another API needs another one. But for VPC endpoints, of which there are any number."""
    private = {"VpcEndpointIds": ["vpce-1a"]}
    choices = [{"Endpoint": "private", "Auth": auth, **private} for auth in ("key", "iam")]
    choices += [{"Endpoint": "rest", "Auth": auth, "DisableExecuteApiEndpoint": only} for auth, only in itertools.product(("key", "iam"), ("false", "true"))]
    apis, names = set(), set()
    for choice in choices:
        resources = resolved({**DATAZONE, **choice})["Resources"]
        [deployment] = (name for name, resource in resources.items() if resource["Type"] == "AWS::ApiGateway::Deployment")
        assert resources["RestStage"]["Properties"]["DeploymentId"] == {"Ref": deployment}
        assert set(resources[deployment]["DependsOn"]) == {"RestMethod", "RestThrottled", "RestFailed"}
        apis.add(json.dumps([resources[name]["Properties"] for name in ("RestApi", "RestMethod", "RestThrottled", "RestFailed")]))
        names.add(deployment)
    assert len(apis) == len(names) == len(choices)
    # No other parameter is in it.
    section = {name: resource for name, resource in template()["Resources"].items() if resource["Type"].startswith("AWS::ApiGateway::") and not name.startswith(("RestDeployment", "RestStage"))}
    used = set(re.findall(r'"Ref": "(\w+)"', json.dumps(section))) & set(template()["Parameters"])
    conditions = set(re.findall(r'"Fn::If": \["(\w+)"', json.dumps(section)))
    assert (used, conditions) == ({"VpcEndpointIds", "DomainName"}, {"IsPrivate", "ByIam", "ByDomainOnly"})  # DomainName is a tag


@pytest.fixture
def synced(tmp_path):
    """`sync_assets.sh` on these templates, without building or uploading anything: the names of the deployments that it makes."""
    tools = tmp_path / "tools"
    tools.mkdir()
    bootstraps = "for name in ingest batch check source; do mkdir -p $CARGO_TARGET_DIR/lambda/$name; echo $name >$CARGO_TARGET_DIR/lambda/$name/bootstrap; done"
    for tool, does in (("cargo", bootstraps), ("aws", "echo '(404)' >&2; exit 1")):
        (tools / tool).write_text(f"#!/bin/sh\n{does}\n")
        (tools / tool).chmod(0o755)
    for file in ("sync_assets.sh", "release.sh", "Cargo.toml"):
        shutil.copy(ROOT / file, tmp_path)
    for folder in ("infra", "examples/terraform", "examples/cdk"):
        shutil.copytree(ROOT / folder, tmp_path / folder)

    def sync(change=lambda text: text, region="eu-west-1", output=False):
        path = tmp_path / "infra" / LINEAGE_PROXY
        path.write_text(change(TEMPLATE.read_text()))
        env = {"PATH": f"{tools}:/usr/bin:/bin", "CARGO_TARGET_DIR": str(tmp_path / "target"), "AWS_REGION": region}
        done = subprocess.run([tmp_path / "sync_assets.sh", "-b", "assets", "-n"], env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        if output:
            return done.stdout
        made = template(tmp_path / "target/lambda" / LINEAGE_PROXY)
        names = {name for name, resource in made["Resources"].items() if resource["Type"] == "AWS::ApiGateway::Deployment"}
        # The stage names what is there, and nothing else is called so.
        assert set(re.findall(r"RestDeployment\w*", json.dumps(made))) == names
        return names

    return sync


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("HttpMethod: ANY", "HttpMethod: POST"),
        ("        TimeoutInMillis: 29000\n    Metadata", "        TimeoutInMillis: 28000\n    Metadata"),
        ("ResponseType: THROTTLED, StatusCode: \"503\"", "ResponseType: THROTTLED, StatusCode: \"500\""),
        ('BinaryMediaTypes: ["*/*"]', 'BinaryMediaTypes: ["application/json"]'),
        ('PathPart: "{path+}"', 'PathPart: "{all+}"'),
    ],
)
def test_a_change_of_the_api_in_a_later_version_is_published(synced, was, becomes):
    before = synced()
    assert len(before) == 6 and all(re.fullmatch(r"RestDeployment[0-9a-f]{16}(Private|Regional|Domain)By(Iam|Other)", name) for name in before)
    assert TEMPLATE.read_text().count(was) == 1
    assert not before & synced(lambda text: text.replace(was, becomes))
    # Any other change leaves it as it is.
    assert before == synced(lambda text: text.replace("OldestEventSeconds", "OldestSeconds"))


@pytest.mark.parametrize(
    ("region", "console", "bucket"),
    [
        ("eu-west-1", "https://eu-west-1.console.aws.amazon.com/cloudformation/", "https://assets.s3.eu-west-1.amazonaws.com/lineage-proxy/"),
        ("cn-north-1", "https://console.amazonaws.cn/cloudformation/", "https://assets.s3.cn-north-1.amazonaws.com.cn/lineage-proxy/"),
        ("us-gov-west-1", "https://console.amazonaws-us-gov.com/cloudformation/", "https://assets.s3.us-gov-west-1.amazonaws.com/lineage-proxy/"),
    ],
)
def test_the_link_to_the_console_is_that_of_the_partition(synced, region, console, bucket):
    [link] = re.findall(r"console: (\S+)", synced(region=region, output=True))
    assert link.startswith(console) and f"templateURL={bucket}" in link
