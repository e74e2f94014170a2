"""The policy of those who deploy, held against what CloudFormation itself calls for each resource type of the templates.

Each type's schema lists the permissions of its handlers (https://docs.aws.amazon.com/cloudformation-cli/latest/userguide/resource-type-schema.html);
cfn-lint brings the schemas with it. They list what a handler may need for any property, also for those that no template has.
"""

import fnmatch
import importlib.resources
import json
import pathlib

import pytest
from variants import SOURCE_TEMPLATES, TARGET_TEMPLATE, TEMPLATE, template

POLICY = TEMPLATE.with_name("deployer-policy.json")
TYPES = sorted({resource["Type"] for path in (TEMPLATE, TARGET_TEMPLATE, *SOURCE_TEMPLATES.values()) for resource in template(path)["Resources"].values()})

# What handlers list for properties that no template has.
NOT_USED = {
    "AWS::ApiGateway::RestApi": {"s3:GetObject": "definitions in S3", "iam:PassRole": "credentials"},
    "AWS::ApiGateway::Method": {"iam:PassRole": "credentials of integrations"},
    "AWS::ApiGatewayV2::Api": {"s3:getObject": "definitions in S3"},
    "AWS::ApiGatewayV2::Authorizer": {"iam:PassRole": "credentials"},
    "AWS::ApiGatewayV2::Integration": {"iam:PassRole": "credentials"},
    "AWS::DynamoDB::Table": {
        "dynamodb:AssociateTableReplica": "replicas", "dynamodb:CreateTableReplica": "replicas", "dynamodb:ImportTable": "imports", "dynamodb:*Item": "imports", "dynamodb:Query": "imports", "dynamodb:Scan": "imports",
        "dynamodb:*KinesisStreamingDestination": "streams", "dynamodb:PutResourcePolicy": "resource policies", "dynamodb:DeleteResourcePolicy": "resource policies", "dynamodb:UpdateContributorInsights": "insights", "kinesis:*": "streams", "s3:*": "imports", "logs:*": "imports",
        "iam:CreateServiceLinkedRole": "replicas", "kms:RevokeGrant": "replicas", "kms:ListAliases": "keys by alias",
    },
    "AWS::Events::Rule": {"iam:PassRole": "roles of targets"},
    "AWS::IAM::Role": {"iam:AttachRolePolicy": "managed policies", "iam:DetachRolePolicy": "managed policies"},
    "AWS::Lambda::Function": {
        "elasticfilesystem:*": "file systems", "s3files:*": "file systems", "lambda:AssociateRuntimeAlias": "aliases of runtimes", "lambda:*CodeSigningConfig": "signatures", "lambda:PassCapacityProvider": "capacity providers",
        "lambda:PublishVersion": "versions", "s3:GetObjectVersion": "versions", "lambda:PutFunctionRecursionConfig": "recursion", "lambda:PutFunctionScalingConfig": "capacity providers",
    },
    "AWS::Logs::LogGroup": {"firehose:*": "deliveries", "s3:*": "deliveries", "logs:PutBearerTokenAuthentication": "tokens", "logs:PutDataProtectionPolicy": "data protection", "logs:DeleteDataProtectionPolicy": "data protection", "logs:PutIndexPolicy": "indexes", "logs:DeleteIndexPolicy": "indexes"},
    "AWS::Logs::SubscriptionFilter": {"iam:PassRole": "roles of streams"},
    "AWS::S3::Bucket": {
        "iam:PassRole": "replication", "s3tables:*": "tables of metadata", "s3:*MetadataTable*": "tables of metadata", "s3:*Metadata*Configuration": "tables of metadata", "s3:*Accelerate*": "acceleration", "s3:*Analytics*": "analytics",
        "s3:*Cors": "websites", "s3:PutBucketCORS": "websites", "s3:*Website": "websites", "s3:*Replication*": "replication", "s3:*IntelligentTiering*": "tiers", "s3:*Inventory*": "inventories", "s3:*Metrics*": "metrics",
        "s3:*ObjectLock*": "locks", "s3:PutBucketNotification": "notifications", "s3:PutBucketVersioning": "versions", "s3:PutBucketLogging": "logs", "s3:PutBucketAcl": "ACLs", "s3:PutObjectAcl": "ACLs", "s3:PutBucketAbac": "tags as rights",
        "s3:DeleteObject": "objects, which a template does not delete", "s3:DeleteBucketEncryption": "encryption, which is always there", "s3:DeleteBucketLifecycle": "rules, which are always there",
    },
    "AWS::SecretsManager::Secret": {"secretsmanager:ReplicateSecretToRegions": "replicas", "secretsmanager:RemoveRegionsFromReplication": "replicas"},
    "AWS::SNS::Subscription": {"iam:*": "deliveries to Firehose"},
    "AWS::WAFv2::WebACLAssociation": {
        "amplify:*": "apps", "apprunner:*": "services", "appsync:*": "GraphQL", "bedrock-agentcore:*": "agents", "cognito-idp:*": "user pools", "ec2:*": "verified access", "elasticloadbalancing:*": "load balancers",
        "wafv2:*PermissionPolicy": "rule groups of other accounts",
    },
    "AWS::SNS::Topic": {"iam:*": "feedback of deliveries", "sns:PutDataProtectionPolicy": "data protection"},
}
# What no handler lists: change sets, the code, and the log of the HTTP API, which API Gateway sets up with the rights of who deploys
# (https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/AWS-logs-infrastructure-CWL.html). And what follows it.
BESIDE = ["cloudformation:*", "logs:*LogDelivery", "logs:ListLogDeliveries", "logs:*ResourcePolic*", "s3:GetBucketLocation", "s3:PutObject", "s3:GetObject", "dynamodb:Describe*"]


def schema(kind):
    folder = importlib.resources.files("cfnlint.data.schemas")
    name = json.loads((folder / "providers" / "us-east-1.json").read_text())[kind]
    return json.loads((folder / "resources" / f"{name}.json").read_text())


def needed(kind):
    """What the handlers of a type call for the properties that we have."""
    handlers = schema(kind)["handlers"]
    listed = {action for handler in ("create", "read", "update", "delete") for action in handlers.get(handler, {}).get("permissions", [])}
    return {action for action in listed if not any(matches(action, pattern) for pattern in NOT_USED.get(kind, {}))}, listed


def matches(action, pattern):
    return fnmatch.fnmatchcase(action.lower(), pattern.lower())


def statements():
    found = json.loads(POLICY.read_text())["Statement"]
    return [(statement, [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]) for statement in found]


@pytest.mark.parametrize("kind", TYPES)
def test_who_has_the_policy_can_deploy_each_resource(kind):
    allowed = [pattern for _, actions in statements() for pattern in actions]
    wanted, listed = needed(kind)
    assert wanted, "a schema without handlers"
    missing = {action for action in wanted if not any(matches(action, pattern) for pattern in allowed)}
    assert not missing, f"{kind}: {missing}"
    stale = {pattern for pattern in NOT_USED.get(kind, {}) if not any(matches(action, pattern) for action in listed)}
    assert not stale, f"{kind} does not list {stale}"


def test_the_policy_allows_nothing_that_no_template_needs():
    wanted = {action for kind in TYPES for action in needed(kind)[0]}
    for statement, actions in statements():
        for pattern in actions:
            assert any(matches(action, pattern) for action in wanted) or pattern in BESIDE or any(matches(pattern, beside) for beside in BESIDE), f"{statement['Sid']}: {pattern}"


def test_the_policy_can_be_created_and_reaches_no_roles_but_those_of_the_stacks():
    # The inline policies of a role have 10,240 characters at most, white space not counted
    # (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html).
    assert len("".join(POLICY.read_text().split()).replace("PARTITION", "aws-us-gov").replace("ACCOUNT", "111122223333").replace("KEY", "arn:aws-us-gov:kms:us-gov-west-1:111122223333:key/12345678-1234-1234-1234-123456789012").replace("BUCKET", "b" * 63)) <= 10_240
    for statement, actions in statements():
        if any(action.startswith("iam:") for action in actions):
            assert statement["Resource"] == "arn:PARTITION:iam::ACCOUNT:role/*lineage-proxy*"
        if "iam:PassRole" in actions:
            assert statement["Condition"] == {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}
        assert "*" not in actions and not any(action.endswith(":*") for action in actions)


# What a resource of the stack lineage-proxy is called, by its type. CloudFormation makes a name of the stack, the logical id and random
# letters, but of a secret without the stack (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-properties-name.html).
NAMES = {
    "AWS::SQS::Queue": "sqs:eu-west-1:ACCOUNT:lineage-proxy-EventQueue-1A",
    "AWS::S3::Bucket": "s3:::lineage-proxy-largeevents-1a",
    "AWS::DynamoDB::Table": "dynamodb:eu-west-1:ACCOUNT:table/lineage-proxy-State-1A",
    "AWS::Lambda::Function": "lambda:eu-west-1:ACCOUNT:function:lineage-proxy-Batch-1A",
    "AWS::IAM::Role": "iam::ACCOUNT:role/lineage/lineage-proxy-BatchRole-1A",
    "AWS::SecretsManager::Secret": "secretsmanager:eu-west-1:ACCOUNT:secret:Keys-1A-2B",
    "AWS::Logs::LogGroup": "logs:eu-west-1:ACCOUNT:log-group:/aws/vendedlogs/lineage-proxy-access-1a",
    "AWS::CloudWatch::Alarm": "cloudwatch:eu-west-1:ACCOUNT:alarm:lineage-proxy-NearExpiry-1A",
    "AWS::CloudWatch::Dashboard": "cloudwatch::ACCOUNT:dashboard/lineage-proxy-eu-west-1",
    "AWS::Events::Rule": "events:eu-west-1:ACCOUNT:rule/lineage-proxy-CheckSchedule-1A",
    "AWS::ApiGatewayV2::Api": "apigateway:eu-west-1::/apis/a1",
    "AWS::ApiGateway::RestApi": "apigateway:eu-west-1::/restapis/a1",
}
# Of another team.
OTHERS = ["logs:eu-west-1:ACCOUNT:log-group:/aws/lambda/payments", "sqs:eu-west-1:ACCOUNT:payments", "lambda:eu-west-1:ACCOUNT:function:payments", "apigateway:eu-west-1::/domainnames/d", "apigateway:eu-west-1::/account", "dynamodb:eu-west-1:ACCOUNT:table/payments"]
WIDE = {"NewEventSources", "LogsOfAccount", "NewKeyOfAlarms", "WithoutResource"}


def reached(statement, name):
    resources = [statement["Resource"]] if isinstance(statement["Resource"], str) else statement["Resource"]
    return any(fnmatch.fnmatchcase(f"arn:PARTITION:{name}", resource) for resource in resources)


@pytest.mark.parametrize("kind", NAMES)
def test_each_right_reaches_a_resource_by_the_name_that_it_gets(kind):
    name = NAMES[kind]
    own = {action for action in needed(kind)[0] if action.split(":")[0].lower() == name.split(":")[0]}
    assert own
    for action in own:
        assert any(reached(statement, name) and any(matches(action, pattern) for pattern in actions) for statement, actions in statements()), action


def test_what_has_a_name_is_reached_by_it_alone():
    assert {statement["Sid"] for statement, _ in statements() if statement["Resource"] == "*"} == WIDE
    for name in OTHERS:
        assert not any(reached(statement, name) for statement, _ in statements() if statement["Sid"] not in WIDE), name
    assert all("Condition" in statement for statement, _ in statements() if statement["Sid"] in ("NewSecrets", "Secrets"))


def test_who_deploys_with_terraform_may():
    """It makes and updates stacks without change sets."""
    [stacks] = (actions for statement, actions in statements() if statement["Sid"] == "Stacks")
    assert {"cloudformation:CreateStack", "cloudformation:UpdateStack"} <= set(stacks)


def test_the_policy_is_documented_with_what_has_to_be_put_in():
    page = (pathlib.Path(__file__).parents[2] / "docs/aws.md").read_text()
    for place in ("PARTITION", "ACCOUNT", "BUCKET", "KEY"):
        assert place in POLICY.read_text() and f"`{place}`" in page
