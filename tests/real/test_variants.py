"""Variants of the stack at work, each deployed by the same template: what they change, and that events arrive."""

import base64
import gzip
import json
import re
import time
import urllib.request

from parts import PATIENCE, event, eventually, post
from stack import ACCOUNT, BUCKET, REGION, large, name

ANYONE = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}]}


def test_a_release_is_deployed_by_its_own_script_without_rust(deploy, cloud, tmp_path):
    release, templates = tmp_path / "release", tmp_path / "templates"
    cloud.run("./release.sh", "-f", "-a", "x86-64", "-o", release)  # what is built is there: nothing is compiled
    cargo = tmp_path / "cargo"
    cargo.write_text("#!/bin/sh\nexit 9\n")
    cargo.chmod(0o755)
    uploaded = cloud.run(release / "sync_assets.sh", "-b", BUCKET, "-a", "x86-64", "-x", "released", "-o", templates, path=tmp_path)
    assert uploaded.count(f"uploaded   s3://{BUCKET}/released/") == 11
    stack = deploy("released", out=templates)
    assert stack.post(event(job := name()))[0] == 200
    stack.arrived(job)
    sums = {base64.b64encode(bytes.fromhex(digest)).decode() for digest, _ in (line.split() for line in (release / "SHA256SUMS").read_text().splitlines())}
    for function in ("Ingest", "Batch"):
        assert stack.functions.get_function_configuration(FunctionName=stack.outputs[f"{function}Function"])["CodeSha256"] in sums


def test_in_order_of_runs(deploy):
    stack = deploy("in-order", Order="run")
    assert stack.queue.endswith(".fifo") and stack.dead.endswith(".fifo")
    jobs, held, refused = [name() for _ in range(3)], name(), name()
    stack.cloud.stand_in.set(faults=[{"match": held, "kind": "internal", "times": 3}, {"match": refused, "kind": "validation"}])
    for number, job in enumerate([*jobs, held, refused]):
        for second, state in ((1, "START"), (2, "RUNNING"), (3, "COMPLETE")):
            assert stack.post(event(job, state, run=number, second=second))[0] == 200
    again = event(jobs[0], "COMPLETE", run=0, second=3)
    assert stack.post(again)[0] == 200  # what is sent again is there once
    stack.arrived(*jobs, held, patience=120)
    eventually(lambda: len(stack.jobs()) == 12, lambda: f"12 events, {stack.jobs()}", 120)
    bodies = [json.loads(post["body"]) for post in stack.cloud.stand_in.posts()]
    for job in (*jobs, held):
        assert [body["eventType"] for body in bodies if body["job"]["name"] == job] == ["START", "RUNNING", "COMPLETE"]
    eventually(lambda: stack.waiting(stack.dead) == 3, "three dead letters")
    redrive = lambda: stack.proxy("dead-letters", "redrive", "--stack", "in-order", "--all")
    assert redrive() == "3 redriven\n"  # refused again at once, which SQS must not take for repeats
    eventually(lambda: stack.waiting() == 0 and stack.waiting(stack.dead) == 3, "three dead letters again")
    stack.cloud.stand_in.reset()
    assert redrive() == "3 redriven\n"
    stack.arrived(refused)
    assert stack.unused("Ingest", "Queue") == stack.unused("Batch", "Queue", "DeadLetters") == set()


def test_behind_a_vpc_endpoint(deploy, cloud):
    stack = deploy("private", Endpoint="private", VpcEndpointIds="vpce-1a2b,vpce-3c4d", ThrottlingRate=100, ThrottlingBurst=200)
    [api] = [api for api in stack.cloud.client("apigateway").get_rest_apis()["items"] if api["name"] == "private"]
    assert all(endpoint in str(api["policy"]) for endpoint in ("vpce-1a2b", "vpce-3c4d"))
    limits = stack.cloud.client("apigateway").get_stage(restApiId=api["id"], stageName="lineage")["methodSettings"]["*/*"]
    assert (limits["throttlingRateLimit"], limits["throttlingBurstLimit"]) == (100, 200)
    assert api["binaryMediaTypes"] == ["*/*"], api
    responses = stack.cloud.client("apigateway").get_gateway_responses(restApiId=api["id"])["items"]
    by_type = {response["responseType"]: (response["statusCode"], response["responseParameters"]) for response in responses if not response.get("defaultResponse")}
    assert by_type["THROTTLED"] == by_type["DEFAULT_5XX"] == ("503", {"gatewayresponse.header.Retry-After": "'1'"})
    assert stack.outputs["LineageProxyApiUrl"].endswith("-vpce-1a2b.execute-api.eu-west-1.amazonaws.com/lineage")
    # From anywhere but the VPC endpoint, with a good key too: refused by the gateway.
    job, key = name(), stack.key
    url = f"{stack.cloud.emulator.url}/_aws/execute-api/{api['id']}/lineage/api/v1/lineage"
    assert post(url, json.dumps(event(job)).encode(), {"Authorization": f"Bearer {key}"})[0] == 403
    # As the REST API would invoke the function: the stage is no part of our paths, gzip arrives as it was sent.
    packed = base64.b64encode(gzip.compress(json.dumps(event(job)).encode())).decode()
    request = {
        "resource": "/{path+}", "path": "/api/v1/lineage", "httpMethod": "POST", "isBase64Encoded": True, "body": packed,
        "headers": {"Content-Type": "application/json", "Content-Encoding": "gzip", "Authorization": f"Bearer {key}", "Host": "x"}, "multiValueHeaders": {},
        "queryStringParameters": None, "multiValueQueryStringParameters": None, "pathParameters": {"path": "api/v1/lineage"}, "stageVariables": None,
        "requestContext": {"stage": "lineage", "httpMethod": "POST", "path": "/lineage/api/v1/lineage", "resourcePath": "/{path+}", "requestId": "1", "accountId": "0", "apiId": "x", "resourceId": "x", "identity": {"sourceIp": "10.0.0.1"}},
    }
    answer = stack.functions.invoke(FunctionName=stack.outputs["IngestFunction"], Payload=json.dumps(request))["Payload"].read()
    assert json.loads(answer)["statusCode"] == 200, answer
    stack.arrived(job)

    # Other endpoints are in the policy, and take effect with a deployment, which the stack does not make.
    published = lambda: next(step for step in map(json.loads, stack.proxy("doctor", "--stack", "private", "--no-event", "--output", "json", check=False).stdout.splitlines()) if step["step"] == "published")
    assert published()["verdict"] == "good"
    time.sleep(1)  # times are in seconds
    deploy("private", VpcEndpointIds="vpce-1a2b,vpce-5e6f")
    told = published()
    assert told["verdict"] == "unsure" and told["advice"] == f"aws apigateway create-deployment --rest-api-id {api['id']} --stage-name lineage"
    cloud.run(*told["advice"].split())
    assert published()["verdict"] == "good"
    cloud.run("infra/rollout.sh", "-s", "private", "-b", BUCKET, "-t", cloud.folder / "openlineage-proxy.yaml", "-m", 0, "VpcEndpointIds=vpce-5e6f")
    assert published()["verdict"] == "good"


def test_by_a_regional_rest_api_with_a_web_acl_and_a_base_path(deploy, cloud, tmp_path):
    visibility = {"SampledRequestsEnabled": False, "CloudWatchMetricsEnabled": False, "MetricName": "lineage"}
    acl = cloud.client("wafv2").create_web_acl(Name="lineage", Scope="REGIONAL", DefaultAction={"Allow": {}}, VisibilityConfig=visibility)["Summary"]["ARN"]
    stack = deploy("regional", Endpoint="rest", WebAclArn=acl, PathPrefix="/team", ThrottlingRate=100, ThrottlingBurst=200)
    gateway = cloud.client("apigateway")
    [api] = [api for api in gateway.get_rest_apis()["items"] if api["name"] == "regional"]
    assert stack.outputs["LineageProxyApiUrl"] == f"https://{api['id']}.execute-api.eu-west-1.amazonaws.com/lineage"
    stage = gateway.get_stage(restApiId=api["id"], stageName="lineage")
    limits = stage["methodSettings"]["*/*"]
    assert (limits["throttlingRateLimit"], limits["throttlingBurstLimit"]) == (100, 200)
    assert cloud.client("wafv2").list_resources_for_web_acl(WebACLArn=acl)["ResourceArns"] == [f"arn:aws:apigateway:eu-west-1::/restapis/{api['id']}/stages/lineage"]

    plain, packed = name(), name()
    assert stack.post(event(plain), path="/lineage/api/v1/lineage")[0] == 200  # by the URL of the API
    body = gzip.compress(json.dumps(event(packed)).encode())
    assert stack.post(body, path="/lineage/team/api/v1/lineage", **{"Content-Encoding": "gzip", "Content-Type": "application/json"})[0] == 200
    assert stack.post(event(name()), path="/lineage/team/api/v1/lineage", key="a-key-that-is-not-known")[0] == 403
    assert stack.post(event(name()), path="/lineage/teams/api/v1/lineage")[0] == 404
    stack.arrived(plain, packed)

    # As a later version with another API: its deployment has another name, and the stage takes it.
    made = (cloud.folder / "openlineage-proxy.yaml").read_text()
    [own] = set(re.findall(r"RestDeployment([0-9a-f]{16})RegionalByOther", made))
    for file in cloud.folder.glob("*.yaml"):
        (tmp_path / file.name).write_text(file.read_text().replace(own, "0123456789abcdef"))
    deploy("regional", out=tmp_path)
    assert gateway.get_stage(restApiId=api["id"], stageName="lineage")["deploymentId"] != stage["deploymentId"]


def test_by_function_url(deploy):
    stack = deploy("by-url", Endpoint="function-url", IngestReservedConcurrency=3)
    reserved = lambda stack: stack.functions.get_function_concurrency(FunctionName=stack.outputs["IngestFunction"]).get("ReservedConcurrentExecutions")
    assert reserved(stack) == 3
    assert "execute-api" not in stack.outputs["LineageProxyApiUrl"] and not stack.outputs["LineageProxyApiUrl"].endswith("/")
    config = stack.functions.get_function_url_config(FunctionName=stack.outputs["IngestFunction"])
    assert config["AuthType"] == "NONE"
    job = name()
    # As a function URL would invoke it: the payload of an HTTP API, version 2.0.
    request = lambda key: {
        "version": "2.0", "rawPath": "/api/v1/lineage", "rawQueryString": "", "isBase64Encoded": False, "body": json.dumps(event(job)),
        "headers": {"content-type": "application/json", "authorization": f"Bearer {key}", "host": "x.lambda-url.eu-west-1.on.aws"},
        "requestContext": {"http": {"method": "POST", "path": "/api/v1/lineage", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "x"}, "requestId": "1", "stage": "$default", "time": "", "timeEpoch": 0, "accountId": "anonymous", "apiId": "x", "domainName": "x", "domainPrefix": "x"},
    }
    invoke = lambda key: json.loads(stack.functions.invoke(FunctionName=stack.outputs["IngestFunction"], Payload=json.dumps(request(key)))["Payload"].read())["statusCode"]
    assert (invoke("a-key-that-is-not-known"), invoke(stack.key)) == (403, 200)
    stack.arrived(job)
    assert reserved(deploy("by-url", IngestReservedConcurrency=0)) is None  # and the account has them again


def test_to_another_account_by_role(deploy, cloud):
    iam = cloud.client("iam")
    iam.create_role(RoleName="poster", AssumeRolePolicyDocument=json.dumps(ANYONE))
    iam.create_role(RoleName="look-up", AssumeRolePolicyDocument=json.dumps(ANYONE))
    role, look_up = f"arn:aws:iam::{ACCOUNT}:role/poster", f"arn:aws:iam::{ACCOUNT}:role/look-up"
    stack = deploy("by-role", TargetRoleArn=role, TargetExternalId="team-a", RedshiftRoleArn=look_up, RedshiftExternalId="team-b", DomainRegion="us-east-1", DeliveryCheck="on")
    warehouse = {"wg": {"account": "123456789012", "region": "eu-west-1", "port": 5439}}
    # What the batch function itself may do is not asked.
    cloud.stand_in.set(posts_denied=False, workgroups_denied=False, clusters_denied=False, workgroups=warehouse)
    assert not stack.may("Batch", "datazone:PostLineageEvent", f"arn:aws:datazone:{REGION}:{ACCOUNT}:domain/dzd_standin")
    first, second = name(), name()
    assert stack.post(event(first, run=1))[0] == 200
    stack.arrived(first)
    [poster] = {post["signed_by"].split("/")[0] for post in cloud.stand_in.posts()}
    assert poster.startswith("ASIA") and poster != ""
    assert {post["signed_by"].split("/")[2] for post in cloud.stand_in.posts()} == {"us-east-1"}

    # Without the right to take on the role nothing is lost, and the fault has its name.
    document = iam.get_role_policy(RoleName=stack.role("Batch")[1], PolicyName="batch")["PolicyDocument"]
    less = {**document, "Statement": [statement for statement in document["Statement"] if statement["Sid"] != "Assume"]}
    iam.put_role_policy(RoleName=stack.role("Batch")[1], PolicyName="batch", PolicyDocument=json.dumps(less))
    stack.kill(stack.outputs["BatchFunction"])
    assert stack.post(event(second, run=2))[0] == 200
    eventually(lambda: '"reason":"permission"' in stack.log("Batch"), lambda: stack.log("Batch"))
    iam.put_role_policy(RoleName=stack.role("Batch")[1], PolicyName="batch", PolicyDocument=json.dumps(document))
    stack.arrived(second)

    # With the trust of the documentation, and then without one of the roles in it: doctor tries both as they are.
    def doctor(*functions):
        condition = {"ArnLike": {"aws:PrincipalArn": [f"arn:aws:iam::{ACCOUNT}:role/by-role-{function}Role-*" for function in functions]}}
        condition["StringEquals"] = {"sts:ExternalId": "team-a"}
        trust = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sts:AssumeRole", "Condition": condition}
        iam.update_assume_role_policy(RoleName="poster", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}))
        stack.kill()
        lines = stack.proxy("doctor", "--stack", "by-role", "--url", stack.url(), "--output", "json", check=False).stdout.splitlines()
        steps = {step["step"]: step for step in map(json.loads, lines)}
        return steps["check"], steps["delivered"]

    check, delivered = doctor("Batch", "Check")
    assert (check["verdict"], delivered["verdict"]) == ("good", "good"), (check, delivered)
    assert stack.unused("Batch", "Assume") == stack.unused("Check", "Assume") == set()
    outputs = [{"namespace": "redshift://wg.eu-west-1:5439", "name": "dev.public.t"}]
    assert stack.post(event(named := name(), run=3, outputs=outputs))[0] == 200
    stack.arrived(named)
    assert any("wg.123456789012.eu-west-1.redshift-serverless.amazonaws.com" in post["body"] for post in cloud.stand_in.posts())
    assert stack.unused("Batch", "AssumeToLookUp") == set()
    check, delivered = doctor("Batch")
    assert (check["verdict"], delivered["verdict"]) == ("bad", "good"), (check, delivered)
    assert check["advice"].startswith(f"let {role} trust {stack.outputs['CheckRoleArn']}"), check
    check, delivered = doctor("Check")
    assert (check["verdict"], delivered["verdict"]) == ("good", "bad"), (check, delivered)
    assert delivered["advice"].startswith(f"let {role} trust {stack.outputs['BatchRoleArn']}"), delivered
    doctor("Batch", "Check")
    stack.empty()


def test_to_an_openlineage_endpoint_with_a_key_from_a_secret(deploy, cloud, serve):
    key = "the-key-of-the-other-side-0123"
    other = serve(key=key)
    secret = cloud.client("secretsmanager").create_secret(Name="other-side", SecretString=key)["ARN"]
    stack = deploy("to-http", Target="openlineage", DomainId="", OpenLineageUrl=other.url, OpenLineageApiKeySecretArn=secret)
    small, big = event(name(), run=1), large(name())
    assert (stack.post(small)[0], stack.post(big)[0]) == (200, 200)
    stored = other.stored_when(2)
    assert small in stored and big in stored  # whole: nothing is cut for an endpoint without a limit
    eventually(lambda: stack.large() == [], "the bucket is cleaned up")
    assert stack.unused("Batch", "TargetKey", "Large", "LargeDone") == set()
    doctor = stack.proxy("doctor", "--stack", "to-http", "--url", stack.url())
    assert "FAIL" not in doctor and "delivered" in doctor
    assert key not in stack.log("Batch")


def test_with_a_customer_key_and_a_mailbox(deploy, cloud):
    key = cloud.client("kms").create_key()["KeyMetadata"]["Arn"]
    stack = deploy("with-key", KmsKeyArn=key, AlarmEmail="on-call@example.com")
    attributes = stack.sqs.get_queue_attributes(QueueUrl=stack.queue, AttributeNames=["All"])["Attributes"]
    assert attributes["KmsMasterKeyId"] == key  # the others: tests/infra
    for function in ("Ingest", "Batch"):
        assert stack.may(function, "kms:Decrypt", key) and stack.may(function, "kms:GenerateDataKey", key)
    small, big = name(), name()
    assert (stack.post(event(small, run=1))[0], stack.post(large(big))[0]) == (200, 200)
    stack.arrived(small, big)


def test_nobody_is_let_in_by_the_function_where_the_gateway_does_it(deploy):
    for auth, more in (("jwt", {"JwtIssuer": "https://issuer.example.com", "JwtAudience": "lineage"}), ("iam", {})):
        stack = deploy(f"by-{auth}", Auth=auth, **more)
        assert "KeysSecretArn" not in stack.outputs
        routes = stack.cloud.client("apigatewayv2").get_routes(ApiId=stack.outputs["LineageProxyApiUrl"].split("//")[1].split(".")[0])["Items"]
        types = {route["RouteKey"]: route["AuthorizationType"] for route in routes}
        assert types == {"$default": {"jwt": "JWT", "iam": "AWS_IAM"}[auth], "GET /healthz": "NONE"}
        assert post(f"{stack.url()}/api/v1/lineage", json.dumps(event(name())).encode())[0] in (401, 403)
        with urllib.request.urlopen(f"{stack.url()}/healthz", timeout=PATIENCE) as answer:
            assert answer.status == 200
        # doctor signs nothing: its event goes onto the queue.
        started = time.monotonic()
        output = stack.proxy("doctor", "--stack", f"by-{auth}", "--url", stack.url(), check=False).stdout
        assert "FAIL  accepted" in output if auth == "jwt" else "ok    processed" in output, (output, time.monotonic() - started)


def test_the_order_is_switched_back_and_forth(deploy):
    """Queues are kept when others take their place, so none may meet its own name again."""
    seen = set()
    for order in ("none", "run", "none", "run"):
        stack = deploy("reorder", Order=order)
        assert stack.queue.endswith(".fifo") == stack.dead.endswith(".fifo") == (order == "run")
        assert not seen & {stack.queue, stack.dead}
        seen |= {stack.queue, stack.dead}
        assert stack.post(event(job := name(), run=len(seen)))[0] == 200
        stack.arrived(job)


def traced(stack, **headers):
    """The trace of an event with a wrong time: as ingest logs it, which repairs the event, and as the batch function does with the outcome."""
    assert stack.post(event(job := name(), run=time.time_ns() % 10**9, eventTime="2026-11-20T10:00:00"), **headers)[0] == 200
    stack.arrived(job)
    lines = lambda function, message: [fields for text in stack.log_lines(function) if job in text and (fields := json.loads(text)["fields"])["message"] == message]
    [repaired] = eventually(lambda: lines("Ingest", "event repaired"), f"ingest logs {job}")
    [delivered] = eventually(lambda: lines("Batch", "event delivered"), f"batch logs {job}")
    return repaired["trace_id"], delivered["trace_id"]


def test_in_a_vpc_traced_below_a_path_with_a_topic_of_the_team(deploy, cloud):
    """What the emulator keeps of it. Its functions run on this machine, and its stacks give them no VpcConfig: tests/infra looks at that."""
    ec2, sns = cloud.client("ec2"), cloud.client("sns")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = [ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{n}.0/24")["Subnet"]["SubnetId"] for n in range(2)]
    group = ec2.create_security_group(GroupName="lineage", Description="batch", VpcId=vpc)["GroupId"]
    topic = sns.create_topic(Name="on-call")["TopicArn"]
    stack = deploy("in-vpc", SubnetIds=",".join(subnets), SecurityGroupIds=group, Tracing="on", RolePath="/lineage/", AlarmTopicArn=topic)
    cloud.stand_in.set(posts_denied=False)  # the emulator simulates no role below a path
    assert stack.post(event(job := name()))[0] == 200
    stack.arrived(job)
    batch, ingest = (stack.functions.get_function_configuration(FunctionName=stack.outputs[f"{function}Function"]) for function in ("Batch", "Ingest"))
    assert batch["TracingConfig"] == ingest["TracingConfig"] == {"Mode": "Active"}
    # X-Ray begins a trace with the invocation of ingest, and `AWSTraceHeader` takes it to that of the batch function.
    [first], [second] = set(traced(stack)), set(traced(stack))
    assert re.fullmatch("1-[0-9a-f]{8}-[0-9a-f]{24}", first) and first != second
    assert all(":role/lineage/in-vpc-" in function["Role"] for function in (batch, ingest))
    pages = cloud.client("cloudwatch").get_paginator("describe_alarms").paginate(AlarmNamePrefix="in-vpc-")
    alarms = [alarm for page in pages for alarm in page["MetricAlarms"]]
    assert len(alarms) > 10 and all(alarm["AlarmActions"] == alarm["OKActions"] == [topic] for alarm in alarms)
    assert stack.outputs["BatchLogGroup"].startswith("/aws/lambda/in-vpc-batch-")

    # Without X-Ray it is that of the client, in either form.
    stack = deploy("in-vpc", Tracing="off")
    cloud.stand_in.set(posts_denied=False)
    assert set(traced(stack, **{"X-Amzn-Trace-Id": "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"})) == {"1-5759e988-bd862e3fe1be46a994272793"}
    assert set(traced(stack, traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")) == {"1-4bf92f35-77b34da6a3ce929d0e0e4736"}
