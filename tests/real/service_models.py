"""The calls that are compared with botocore, and values and responses of its service models."""

import base64
import datetime
import json
from xml.sax.saxutils import escape

import botocore.session

AWKWARD = "a b+ä/..'~!(c)*%2F"

# Operation: service in botocore, input.
CALLS = {
    "DescribeStacks": ("cloudformation", {"StackName": AWKWARD}),
    "DescribeStackResource": ("cloudformation", {"StackName": AWKWARD, "LogicalResourceId": "RestApi"}),
    "GetStage": ("apigateway", {"restApiId": AWKWARD, "stageName": "lineage"}),
    "GetDeployment": ("apigateway", {"restApiId": "a1b2c3", "deploymentId": AWKWARD}),
    "DescribeClusters": ("redshift", {"ClusterIdentifier": AWKWARD}),
    "GetTable": ("glue", {"CatalogId": "123456789012", "DatabaseName": "shop", "Name": AWKWARD}),
    "CreateDatabase": ("glue", {"DatabaseInput": {"Name": "lineage", "Description": AWKWARD}}),
    "CreateTable": ("glue", {"DatabaseName": "shop", "TableInput": {"Name": "t", "StorageDescriptor": {"Columns": [{"Name": "a", "Type": "int"}]}}}),
    "UpdateTable": ("glue", {"CatalogId": "123456789012", "DatabaseName": "shop", "TableInput": {"Name": "t", "Parameters": {"k": AWKWARD}}, "SkipArchive": True, "VersionId": "7"}),
    "GetItem": ("dynamodb", {"TableName": "seen", "Key": {"id": {"S": AWKWARD}}, "ConsistentRead": True}),
    "PutItem": ("dynamodb", {"TableName": "seen", "Item": {"id": {"S": AWKWARD}, "version": {"N": "2"}}, "ConditionExpression": "#v = :v", "ExpressionAttributeNames": {"#v": "version"}, "ExpressionAttributeValues": {":v": {"N": "1"}}}),
    "BatchGetItem": ("dynamodb", {"RequestItems": {"seen": {"Keys": [{"id": {"S": "1"}}, {"id": {"S": AWKWARD}}], "ConsistentRead": True}}}),
    "BatchWriteItem": ("dynamodb", {"RequestItems": {"seen": [{"PutRequest": {"Item": {"id": {"S": "1"}, "expires": {"N": "7"}}}}]}}),
    "ListCrawlers": ("glue", {}),
    "GetCrawler": ("glue", {"Name": AWKWARD}),
    "ListCrawls": ("glue", {"CrawlerName": AWKWARD, "MaxResults": 7, "Filters": [{"FieldName": "START_TIME", "FilterOperator": "GE", "FieldValue": "1700000000000"}]}),
    "GetTables": ("glue", {"DatabaseName": "shop"}),
    "GetConnection": ("glue", {"Name": AWKWARD, "HidePassword": True}),
    "GetCallerIdentity": ("sts", {}),
    "FilterLogEvents": ("logs", {"logGroupName": "/aws/lambda/x", "logStreamNamePrefix": "jr_", "filterPattern": '"1-ä"', "startTime": 1_700_000_000_000, "endTime": 1_700_000_060_000}),
    "GetLogEvents": ("logs", {"logGroupIdentifier": "arn:aws:logs:eu-west-1:123456789012:log-group:/aws-glue/jobs/error", "logStreamName": AWKWARD, "startTime": 1_700_000_000_000, "startFromHead": True, "nextToken": "f/1"}),
    "DescribeLogGroups": ("logs", {"logGroupNamePrefix": "/aws-glue/jobs/error"}),
    "StartQuery": ("logs", {"logGroupNames": ["/aws/lambda/x", "b"], "startTime": 1_700_000_000, "endTime": 1_700_000_060, "queryString": f"filter @message like /{AWKWARD}/", "limit": 10_000}),
    "GetQueryResults": ("logs", {"queryId": "12ab3456-12ab-123a-789e-1234567890ab"}),
    "StopQuery": ("logs", {"queryId": "12ab3456-12ab-123a-789e-1234567890ab"}),
    "ListMetrics": ("cloudwatch", {"Namespace": "AWS/ApiGateway", "MetricName": "Count", "Dimensions": [{"Name": "ApiName", "Value": AWKWARD}]}),
    "GetFunctionConcurrency": ("lambda", {"FunctionName": "arn:aws:lambda:eu-west-1:1:function:x"}),
    "Invoke": ("lambda", {"FunctionName": "arn:aws:lambda:eu-west-1:1:function:x", "Payload": '{"time": "ä"}'}),
    "GetAccountSettings": ("lambda", {}),
    "GetFunctionConfiguration": ("lambda", {"FunctionName": "arn:aws:lambda:eu-west-1:1:function:x:$LATEST"}),
    "GetEventSourceMapping": ("lambda", {"UUID": "14e0db71-5d35-4eb5-b481-8945cf9d10c2"}),
    "GetWorkgroup": ("redshift-serverless", {"workgroupName": "analytics"}),
    "ExecuteStatement": (
        "redshift-data",
        {"Sql": f"SELECT '{AWKWARD}'", "Database": "dev", "ClusterIdentifier": "dwh", "DbUser": "reader", "ClientToken": "t-1", "StatementName": AWKWARD, "SessionKeepAliveSeconds": 120},
    ),
    "DescribeStatement": ("redshift-data", {"Id": "d9b6c0c9-0747-4bf4-b142-e8883122f766"}),
    "GetStatementResult": ("redshift-data", {"Id": "d9b6c0c9-0747-4bf4-b142-e8883122f766", "NextToken": AWKWARD}),
    "CancelStatement": ("redshift-data", {"Id": "d9b6c0c9-0747-4bf4-b142-e8883122f766"}),
    "GetSecretValue": ("secretsmanager", {"SecretId": AWKWARD}),
    "PublishBatch": (
        "sns",
        {
            "TopicArn": "arn:aws:sns:eu-west-1:123456789012:events.fifo",
            "PublishBatchRequestEntries": [
                {"Id": "0", "Message": AWKWARD + ' {"ä": "\n&=+"}', "MessageAttributes": {"id": {"DataType": "String", "StringValue": AWKWARD}, "received_at": {"DataType": "Number", "StringValue": "7"}}},
                {"Id": "1", "Message": "{}", "MessageGroupId": "run 1", "MessageDeduplicationId": "0f"},
            ],
        },
    ),
    "ListSubscriptionsByTopic": ("sns", {"TopicArn": "arn:aws:sns:eu-west-1:123456789012:events"}),
    "GetSubscriptionAttributes": ("sns", {"SubscriptionArn": "arn:aws:sns:eu-west-1:123456789012:events:14e0db71"}),
    "PutObject": ("s3", {"Bucket": "my-events", "Key": AWKWARD, "Body": '{"ä": 1}', "ContentType": "application/json"}),
    "GetObject": ("s3", {"Bucket": "my-events", "Key": AWKWARD, "ChecksumMode": "ENABLED"}),
    "DeleteObject": ("s3", {"Bucket": "my-events", "Key": AWKWARD}),
    "ListObjectsV2": ("s3", {"Bucket": "my-events", "Prefix": AWKWARD, "StartAfter": AWKWARD, "ContinuationToken": "1+/="}),
}
SESSION = botocore.session.get_session()
LOADER = SESSION.get_component("data_loader")


def model(operation):
    return SESSION.get_service_model(CALLS[operation][0]).operation_model(operation)


def protocol(operation):
    """That which is spoken here: of several, JSON."""
    spoken = model(operation).service_model.metadata
    return "json" if "json" in spoken.get("protocols", []) else spoken["protocol"]


def filled(shape, depth=0):
    """A value of a shape with all of its members."""
    if shape.type_name == "structure":
        members = {} if depth > 6 else shape.members
        if shape.is_tagged_union:  # exactly one
            members = dict(list(members.items())[-1:])
        return {name: filled(member, depth + 1) for name, member in members.items()}
    if shape.type_name == "list":
        return [filled(shape.member, depth + 1) for _ in range(2)] if depth < 6 else []
    if shape.type_name == "map":
        return {"k": filled(shape.value, depth + 1)} if depth < 6 else {}
    return {
        "string": (shape.metadata.get("enum") or [f"{shape.name} <ä&\">"])[0], "integer": 4_242, "long": 4_242, "float": 0.5, "double": 0.5,
        "boolean": True, "timestamp": datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc), "blob": b"blob",
    }[shape.type_name]


def plain(value):
    """A value as JSON has it."""
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, datetime.datetime):
        return value.timestamp()
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


def renamed(shape, value):
    """The names of members as they stand in JSON."""
    if shape.type_name == "structure":
        return {shape.members[name].serialization.get("name", name): renamed(shape.members[name], item) for name, item in value.items()}
    if shape.type_name == "list":
        return [renamed(shape.member, item) for item in value]
    return value


def xml(shape, name, value):
    """A value as awsQuery writes it."""
    if shape.type_name == "structure":
        inner = "".join(xml(member, member.serialization.get("name", key), value[key]) for key, member in shape.members.items() if key in value)
        return f"<{name}>{inner}</{name}>"
    if shape.type_name == "list":
        item = shape.member.serialization.get("name", "member")
        inner = "".join(xml(shape.member, item, element) for element in value)
        return inner if shape.serialization.get("flattened") else f"<{name}>{inner}</{name}>"
    if shape.type_name == "map":
        names = [part.serialization.get("name", default) for part, default in ((shape.key, "key"), (shape.value, "value"))]
        return f"<{name}>" + "".join(f"<entry>{xml(shape.key, names[0], key)}{xml(shape.value, names[1], item)}</entry>" for key, item in value.items()) + f"</{name}>"
    if shape.type_name == "timestamp":
        value = value.strftime("%Y-%m-%dT%H:%M:%SZ")
    if shape.type_name == "boolean":
        value = str(value).lower()
    if shape.type_name == "blob":
        value = base64.b64encode(value).decode()
    return f"<{name}>{escape(str(value))}</{name}>"


def answered(operation, output):
    """A response with that output."""
    shape = model(operation).output_shape
    if protocol(operation) == "query":
        wrapper = shape.serialization.get("resultWrapper", f"{operation}Result")
        body = f'<{operation}Response xmlns="http://x/">{xml(shape, wrapper, output)}<ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata></{operation}Response>'
        return 200, {"Content-Type": "text/xml"}, body.encode()
    return 200, {"Content-Type": "application/json"}, json.dumps(plain(renamed(shape, output))).encode()


def common(theirs, ours):
    """What both have, of what botocore read."""
    if isinstance(ours, dict):
        return {name: common(theirs.get(name), item) for name, item in ours.items()} if isinstance(theirs, dict) else theirs
    if isinstance(ours, list) and isinstance(theirs, list):
        return [common(one, other) for one, other in zip(theirs, ours)] + theirs[len(ours) :]
    return theirs
