"""The calls of the crate `aws` against botocore's service models: requests, signatures, responses, errors and endpoints."""

import base64
import datetime
import hashlib
import http.server
import itertools
import json
import os
import subprocess
import threading
import time
import urllib.parse
from xml.sax.saxutils import escape

import boto3
import botocore.auth
import botocore.endpoint_provider
import botocore.parsers
import botocore.serialize
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from parts import BIN
from service_models import AWKWARD, CALLS, LOADER, answered, common, filled, model, plain, protocol

SECRET, TOKEN = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "IQoJb3JpZ2luX2VjEJr//8BEAEaCWV1"
CREDENTIALS = {"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_SESSION_TOKEN": TOKEN}
class Wire(http.server.ThreadingHTTPServer):
    """A server that keeps what it was sent, and answers from a list."""

    daemon_threads = True

    def __init__(self):
        self.sent, self.answers = [], []
        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server_port}"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.sent.append((self.command, self.path, self.headers, body))
        status, headers, body = self.server.answers.pop(0)
        self.send_response_only(status)  # with no Date of its own
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_PUT = do_POST = do_DELETE = answer

    def log_message(self, *_):
        pass


@pytest.fixture
def wire():
    wire = Wire()
    yield wire
    wire.shutdown()
    wire.server_close()


def run(lines, **environment):
    """What `aws-calls` answers to these lines."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    env |= {"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_EC2_METADATA_DISABLED": "true", **CREDENTIALS, **environment}
    text = "".join(json.dumps(line) + "\n" for line in lines)
    done = subprocess.run([BIN / "aws-calls"], input=text, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def call(wire, operation, *answers, given=None):
    wire.answers[:] = answers
    wire.sent.clear()
    (answer,) = run([[operation, given or CALLS[operation][1]]], AWS_ENDPOINT_URL=wire.url)
    return answer


@pytest.mark.parametrize("operation", CALLS)
def test_a_request_is_the_one_that_botocore_makes(wire, operation):
    """Method, path, query, body and what the protocol puts into headers."""
    answer = (200, {}, b"") if CALLS[operation][0] == "s3" else answered(operation, {})
    call(wire, operation, answer)
    ((method, target, headers, body),) = wire.sent
    serializer = botocore.serialize.create_serializer(protocol(operation))
    expected = serializer.serialize_to_request(dict(CALLS[operation][1]), model(operation))
    path, _, query = target.partition("?")
    their_path, _, their_query = expected["url_path"].partition("?")
    if CALLS[operation][0] == "s3":
        *pairs, own = urllib.parse.parse_qsl(query, keep_blank_values=True)
        assert own == ("x-id", operation)  # the SDKs' own; botocore has none
        assert dict(pairs) == dict(urllib.parse.parse_qsl(their_query)) | expected["query_string"]
        query = their_query = ""
        path = path if "Key" in CALLS[operation][1] else path.rstrip("/")  # a bucket is the same with a slash
        bucket = CALLS[operation][1]["Bucket"]
        their_path = their_path if their_path.startswith(f"/{bucket}") else f"/{bucket}{their_path}"
    assert (method, urllib.parse.unquote(path), query) == (expected["method"], urllib.parse.unquote(their_path), their_query)
    assert path.lower() == path.lower().replace("+", "%2b") and " " not in path
    if isinstance(expected["body"], dict):
        assert dict(urllib.parse.parse_qsl(body.decode(), strict_parsing=True)) == expected["body"]
    elif operation == "PutObject":
        assert body == expected["body"].encode() if isinstance(expected["body"], str) else expected["body"]
    else:
        theirs = expected["body"]
        assert (json.loads(body) if body else None) == (json.loads(theirs) if theirs else None)
    # With it a service that once spoke Query answers with the codes that errors had there, too. Those of JSON are read here.
    expected["headers"].pop("x-amzn-query-mode", None)
    for name, value in expected["headers"].items():
        assert headers[name].split(";")[0] == value.split(";")[0], name


@pytest.mark.parametrize("operation", CALLS)
def test_a_signature_is_the_one_that_botocore_makes(wire, operation):
    """Over the request as it arrived, from the same credentials at the same time."""
    answer = (200, {}, b"") if CALLS[operation][0] == "s3" else answered(operation, {})
    call(wire, operation, answer)
    ((method, target, headers, body),) = wire.sent
    signature = dict(part.split("=", 1) for part in headers["Authorization"].removeprefix("AWS4-HMAC-SHA256 ").split(", "))
    signed = {name: headers[name] for name in signature["SignedHeaders"].split(";")}
    assert {"host", "x-amz-date", "x-amz-security-token"} <= signed.keys()
    _, date, region, service, _ = signature["Credential"].split("/")
    assert (region, service) == ("eu-west-1", model(operation).service_model.signing_name)
    if service == "s3":
        assert headers["x-amz-content-sha256"] == hashlib.sha256(body).hexdigest()
    request = AWSRequest(method, f"http://{headers['Host']}{target}", {name: value for name, value in signed.items() if name != "host"}, body)
    kind = botocore.auth.S3SigV4Auth if service == "s3" else botocore.auth.SigV4Auth
    signer = kind(Credentials("AKIDEXAMPLE", SECRET, TOKEN), service, region)
    request.context["timestamp"] = headers["X-Amz-Date"]
    request.context["payload_signing_enabled"] = True
    text = signer.string_to_sign(request, signer.canonical_request(request))
    assert headers["X-Amz-Date"].startswith(date)
    assert signer.signature(text, request) == signature["Signature"], signer.canonical_request(request)


@pytest.mark.parametrize("operation", [name for name, (service, _) in CALLS.items() if service not in ("s3", "dynamodb") and name != "Invoke" and model(name).output_shape.members])
def test_a_response_is_read_as_botocore_reads_it(wire, operation):
    """With all members that the model has; of those that are read here, all are as botocore read them."""
    output = filled(model(operation).output_shape)
    token = {"DescribeStacks": "NextToken", "DescribeClusters": "Marker", "FilterLogEvents": "nextToken", "DescribeLogGroups": "nextToken", "ListSubscriptionsByTopic": "NextToken", "ListMetrics": "NextToken", "ListCrawlers": "NextToken", "ListCrawls": "NextToken", "GetTables": "NextToken"}.get(operation)
    answers = [answered(operation, output)]
    if token:
        answers.append(answered(operation, {}))
    ours = call(wire, operation, *answers)["output"]
    parser = botocore.parsers.create_parser(protocol(operation))
    status, headers, body = answers[0]
    theirs = plain(parser.parse({"status_code": status, "headers": headers, "body": body}, model(operation).output_shape))
    assert ours == common(theirs, ours)
    assert ours and None not in ours.values()
    if token:
        assert len(wire.sent) == 2, "the second page is asked for"
        assert urllib.parse.quote(theirs[token], safe="~").encode() in wire.sent[1][3] or theirs[token] in json.loads(wire.sent[1][3]).values()


def test_objects_and_errors_are_read(wire):
    assert call(wire, "GetObject", (200, {"x-amz-checksum-sha256": base64.b64encode(hashlib.sha256(b"\xc3\xa4").digest()).decode()}, "ä".encode())) == {"output": {"Body": "ä"}}
    assert "checksum" in call(wire, "GetObject", (200, {"x-amz-checksum-sha256": "AAAA"}, b"x"))["failure"]
    page = lambda keys, more: (200, {}, f"<?xml version='1.0'?><ListBucketResult xmlns='http://s3.amazonaws.com/doc/2006-03-01/'>{''.join(f'<Contents><Key>{escape(key)}</Key><Size>1</Size></Contents>' for key in keys)}<IsTruncated>{str(bool(more)).lower()}</IsTruncated>{more}</ListBucketResult>".encode())
    pages = page(["a & b"], "<NextContinuationToken>t+1</NextContinuationToken>"), page(["c"], "")
    assert call(wire, "ListObjectsV2", *pages, given={"Bucket": "my-events", "Prefix": ""}) == {"output": {"Contents": [{"Key": "a & b"}, {"Key": "c"}]}}
    assert "continuation-token=t%2B1" in wire.sent[1][1]
    wrong = (404, {"x-amz-request-id": "r-1"}, b"<Error><Code>NoSuchKey</Code><Message>m</Message></Error>")
    assert call(wire, "GetObject", wrong) == {"error": "NoSuchKey", "message": "m", "status": 404, "id": "r-1"}
    # The codes of the errors that callers know.
    for operation, error in [("GetWorkgroup", "ResourceNotFoundException"), ("GetWorkgroup", "ValidationException"), ("DescribeClusters", "ClusterNotFoundFault")]:
        shape = model(operation).service_model.shape_for(error)
        assert error in [known.name for known in model(operation).error_shapes]
        code = shape.error_code if operation == "DescribeClusters" else error
        body = f"<ErrorResponse><Error><Code>{code}</Code><Message>m</Message></Error><RequestId>r-1</RequestId></ErrorResponse>"
        answer = (400, {"x-amzn-requestid": "r-1"}, body.encode() if operation == "DescribeClusters" else json.dumps({"__type": f"com.amazonaws#{code}", "message": "m"}).encode())
        assert call(wire, operation, answer) == {"error": code, "message": "m", "status": 400, "id": "r-1"}
    assert model("DescribeClusters").service_model.shape_for("ClusterNotFoundFault").error_code == "ClusterNotFound"


def test_items_are_read(wire):
    """Values are unions of types, of which a table of ours has two."""
    item = {"id": {"S": "a"}, "version": {"N": "3"}}
    answer = lambda body: (200, {}, json.dumps(body).encode())
    assert call(wire, "GetItem", answer({"Item": item})) == {"output": {"Item": item}}
    assert call(wire, "GetItem", answer({})) == {"output": {"Item": None}}
    read = {"Responses": {"seen": [item]}, "UnprocessedKeys": {"seen": {"Keys": [{"id": {"S": "b"}}], "ConsistentRead": True}}}
    assert call(wire, "BatchGetItem", answer(read)) == {"output": {"Responses": {"seen": [item]}, "UnprocessedKeys": {"seen": {"Keys": [{"id": {"S": "b"}}]}}}}
    left = {"UnprocessedItems": {"seen": [{"PutRequest": {"Item": item}}]}}
    assert call(wire, "BatchWriteItem", answer(left)) == {"output": left}
    failed = (400, {}, b'{"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException","message":"m"}')
    assert call(wire, "PutItem", failed)["error"] == "ConditionalCheckFailedException"


def test_no_member_of_a_table_is_lost_when_it_is_written_back(wire):
    """Every member of TableInput comes from the table that was read, in the same shape; what neither has is carried."""
    table, written = (model("GetTable").service_model.shape_for(name) for name in ("Table", "TableInput"))
    wire.answers[:] = [answered("GetTable", {"Table": filled(table)})]
    body = json.loads(wire.answers[0][2])
    body["Table"] |= {"AddedLater": {"x": 1}, "ViewOriginalText": None}
    wire.answers[:] = [(200, {}, json.dumps(body).encode())]
    (answer,) = run([["TableInput", {"DatabaseName": "d", "Name": "t"}]], AWS_ENDPOINT_URL=wire.url)
    given = answer["output"]
    assert given.keys() == written.members.keys() - {"ViewOriginalText"} | {"AddedLater"}
    assert given == {name: body["Table"][name] for name in given}
    # A view's definition is read in one shape and written in another: `glue/merge.rs` leaves such tables alone.
    other = [name for name, member in written.members.items() if table.members[name].name != member.name]
    assert other == ["ViewDefinition"]


def test_a_call_is_repeated_with_the_service_s_clock(wire):
    """A request that is signed too early or too late is signed again, with the time that the service's answer has."""
    ahead = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)
    date = ahead.strftime("%a, %d %b %Y %H:%M:%S GMT")
    skewed = (403, {"Date": date}, b'{"__type":"InvalidSignatureException","message":"Signature expired"}')
    assert call(wire, "GetSecretValue", skewed, (200, {"Date": date}, b'{"SecretString":"x"}')) == {"output": {"SecretString": "x"}}
    first, second = (datetime.datetime.strptime(headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ") for _, _, headers, _ in wire.sent)
    assert datetime.timedelta(minutes=59) < second - first < datetime.timedelta(minutes=61)


def test_endpoints_are_those_of_the_service_models(wire):
    """In every region, with FIPS and dual stack, and as they are configured."""
    partitions = LOADER.load_data("partitions")
    regions = [region for partition in partitions["partitions"] for region in partition["regions"] if "global" not in region]
    assert len(regions) > 30
    services = {"API Gateway": "apigateway", "CloudWatch": "cloudwatch", "CloudFormation": "cloudformation", "CloudWatch Logs": "logs", "Glue": "glue", "Lambda": "lambda", "Redshift": "redshift", "Redshift Data": "redshift-data", "Redshift Serverless": "redshift-serverless", "Secrets Manager": "secretsmanager", "S3": "s3", "SNS": "sns", "STS": "sts", "DynamoDB": "dynamodb"}
    lines, expected = [], []
    for service, name in services.items():
        rules = botocore.endpoint_provider.EndpointProvider(LOADER.load_service_model(name, "endpoint-rule-set-1"), partitions)
        for region, fips, dual in itertools.product(regions, (False, True), (False, True)):
            lines.append(["endpoint", [service, region, fips, dual]])
            try:
                expected.append(rules.resolve_endpoint(Region=region, UseFIPS=fips, UseDualStack=dual).url)
            except Exception:
                expected.append(None)
    wrong = [(line[1], ours, theirs) for line, ours, theirs in zip(lines, run(lines), expected, strict=True) if ours != theirs]
    assert not wrong
    # The one of the service goes before the one for all,.
    secret = [["GetSecretValue", {"SecretId": "x"}]]
    wire.answers[:] = [(200, {}, b'{"SecretString":"x"}')] * 2
    away = "http://127.0.0.1:9"
    assert run(secret, AWS_ENDPOINT_URL=away, AWS_ENDPOINT_URL_SECRETS_MANAGER=wire.url) == [{"output": {"SecretString": "x"}}]
    run([["GetWorkgroup", {"workgroupName": "x"}]], AWS_ENDPOINT_URL_REDSHIFT_SERVERLESS=wire.url)
    assert wire.sent[-1][2]["X-Amz-Target"] == "RedshiftServerless.GetWorkgroup"


def test_the_emulator_answers_the_calls(emulator):
    """What an independent implementation of these services takes and gives."""
    session = boto3.Session("test", "test", region_name="eu-west-1")
    client = lambda service: session.client(service, endpoint_url=emulator.url)
    outputs = {"Out": {"Value": "a <b> & c"}}
    template = {"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}, "Outputs": outputs}
    client("cloudformation").create_stack(StackName="calls", TemplateBody=json.dumps(template))
    client("cloudformation").get_waiter("stack_create_complete").wait(StackName="calls")
    client("secretsmanager").create_secret(Name="keys/ä", SecretString="s3cr3t")
    client("s3").create_bucket(Bucket="my-events", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    logs = client("logs")
    logs.create_log_group(logGroupName="/aws/lambda/x")
    logs.create_log_stream(logGroupName="/aws/lambda/x", logStreamName="s")
    logs.put_log_events(logGroupName="/aws/lambda/x", logStreamName="s", logEvents=[{"timestamp": int(time.time() * 1_000), "message": f"event {i}"} for i in (1, 2)])
    place = {"Bucket": "my-events", "Key": AWKWARD}
    stacks, missing, secret, put, got, listed, deleted, gone, events, function = run(
        [
            ["DescribeStacks", {"StackName": "calls"}], ["DescribeStacks", {"StackName": "nobody"}], ["GetSecretValue", {"SecretId": "keys/ä"}],
            ["PutObject", {**place, "Body": "ä"}], ["GetObject", place], ["ListObjectsV2", {"Bucket": "my-events", "Prefix": "a b"}], ["DeleteObject", place], ["GetObject", place],
            ["FilterLogEvents", {"logGroupName": "/aws/lambda/x", "filterPattern": '"event"', "startTime": 0}], ["GetFunctionConfiguration", {"FunctionName": "nobody"}],
        ],
        AWS_ENDPOINT_URL=emulator.url,
    )
    assert stacks["output"]["Stacks"] == [{"StackName": "calls", "StackStatus": "CREATE_COMPLETE", "Parameters": [], "Outputs": [{"OutputKey": "Out", "OutputValue": "a <b> & c"}]}]
    assert missing["error"] == "ValidationError"
    assert listed == {"output": {"Contents": [{"Key": AWKWARD}]}}
    assert secret == {"output": {"SecretString": "s3cr3t"}}
    assert (put, got, deleted) == ({"output": {}}, {"output": {"Body": "ä"}}, {"output": {}})
    assert (gone["error"], gone["status"]) == ("NoSuchKey", 404)
    assert [event["message"] for event in events["output"]["events"]] == ["event 1", "event 2"]
    assert function["error"] == "ResourceNotFoundException"
