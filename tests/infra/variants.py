"""The variants of the stacks: their templates with parameters put in and conditions resolved, as CloudFormation would.

Checkers read conditions badly or not at all; a resolved template leaves them nothing to guess.
"""

import copy
import pathlib

from cfnlint.decode import cfn_yaml

TEMPLATE = pathlib.Path(__file__).parents[2] / "infra" / "openlineage-proxy.yaml"
TARGET_TEMPLATE = TEMPLATE.with_name("target.yaml")
SOURCE_TEMPLATES = {name: TEMPLATE.with_name(f"source-{name}.yaml") for name in ("logs", "glue", "redshift", "flyte", "stream")}
DATAZONE = {"DomainId": "dzd_a1b2c3", "S3AssetsBucketName": "assets"}
KEY = "arn:aws:kms:eu-west-1:123456789012:key/1"
SECRET = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:hash-key-a1b2c3"
SECRETS_KEY = "arn:aws:kms:eu-west-1:210987654321:key/2"
DOMAIN_KEY = "arn:aws:kms:eu-west-1:123456789012:key/3"
TOPIC = "arn:aws:sns:eu-west-1:123456789012:on-call"
LAYER = "arn:aws:lambda:eu-west-1:123456789012:layer:rules:3"
ROLE = "arn:aws:iam::210987654321:role/lineage"
LOOK_UP_ROLE = "arn:aws:iam::310987654321:role/look-up"
EXTERNAL_ID = "team-a:prod/1_+=,.@"
WEB_ACL = "arn:aws:wafv2:eu-west-1:123456789012:regional/webacl/lineage/a1b2c3"
SHARED = {
    "default": {},
    "in order": {"Order": "run"},
    "without a window": {"BatchWindow": 0, "BatchSize": 10},
    "function url": {"Endpoint": "function-url"},
    "function url by iam": {"Endpoint": "function-url", "Auth": "iam"},
    "private": {"Endpoint": "private", "VpcEndpointIds": ["vpce-1a", "vpce-2b"]},
    "private by iam": {"Endpoint": "private", "VpcEndpointIds": ["vpce-1a", "vpce-2b"], "Auth": "iam"},
    "private, with an access log": {"Endpoint": "private", "VpcEndpointIds": ["vpce-1a", "vpce-2b"], "RestAccessLogs": "on"},
    "rest": {"Endpoint": "rest", "ThrottlingRate": 100, "ThrottlingBurst": 200},
    "rest by iam": {"Endpoint": "rest", "Auth": "iam", "RestAccessLogs": "on"},
    "rest, by a domain name and a web acl": {"Endpoint": "rest", "WebAclArn": WEB_ACL, "DisableExecuteApiEndpoint": "true", "PathPrefix": "/lineage"},
    "rest by iam, by a domain name": {"Endpoint": "rest", "Auth": "iam", "DisableExecuteApiEndpoint": "true"},
    "by a domain name": {"DisableExecuteApiEndpoint": "true"},
    "jwt": {"Auth": "jwt", "JwtIssuer": "https://issuer.example.com", "JwtAudience": ["lineage"]},
    "iam": {"Auth": "iam"},
    "limited": {"IngestReservedConcurrency": 50, "ThrottlingRate": 100, "ThrottlingBurst": 200},
    "private, limited": {"Endpoint": "private", "VpcEndpointIds": ["vpce-1a", "vpce-2b"], "ThrottlingRate": 100, "ThrottlingBurst": 200},
    "function url, limited": {"Endpoint": "function-url", "IngestReservedConcurrency": 50},
    "customer key": {"KmsKeyArn": KEY, "AlarmEmail": "on-call@example.com"},
    "notified by e-mail": {"AlarmEmail": "on-call@example.com"},
    "notified by a topic": {"AlarmTopicArn": TOPIC},
    "notified by both": {"AlarmEmail": "on-call@example.com", "AlarmTopicArn": TOPIC},
    "domain with a key": {"DomainKmsKeyArn": DOMAIN_KEY},
    "domain with a key elsewhere, checked": {"DomainKmsKeyArn": DOMAIN_KEY, "DomainRegion": "us-east-1", "DeliveryCheck": "on"},
    "domain with a key, by a role": {"DomainKmsKeyArn": DOMAIN_KEY, "TargetRoleArn": ROLE, "DeliveryCheck": "on"},
    "in a vpc": {"SubnetIds": "subnet-1a,subnet-1b", "SecurityGroupIds": "sg-1a"},
    "paused": {"Paused": "true"},
    "traced": {"Tracing": "on", "DeliveryCheck": "on"},
    "below a path": {"RolePath": "/lineage/"},
    "boundary": {"PermissionsBoundaryArn": "arn:aws:iam::123456789012:policy/boundary"},
    "another account": {"TargetRoleArn": ROLE, "DomainRegion": "us-east-1"},
    "another account, by an external id": {"TargetRoleArn": ROLE, "TargetExternalId": EXTERNAL_ID, "DeliveryCheck": "on"},
    "look-ups in another account": {"RedshiftRoleArn": LOOK_UP_ROLE},
    "look-ups in another account, by an external id": {"RedshiftRoleArn": LOOK_UP_ROLE, "RedshiftExternalId": EXTERNAL_ID, "TargetRoleArn": ROLE},
    "a role without look-ups": {"RedshiftLookup": "false", "RedshiftRoleArn": LOOK_UP_ROLE, "RedshiftExternalId": EXTERNAL_ID},
    "checked": {"DeliveryCheck": "on"},
    "checked in another account, customer key": {"DeliveryCheck": "on", "TargetRoleArn": ROLE, "KmsKeyArn": KEY},
    "rules in the function": {"RulesFile": "rules/transforms.yaml"},
    "rules in s3": {"RulesPrefix": "lineage-proxy/rules"},
    "rules in another bucket, with a hash key": {"RulesBucketName": "rules-of-the-team", "RulesPrefix": "live", "RulesRefresh": 300, "RulesHashKeySecretArn": SECRET, "KmsKeyArn": KEY},
    "rules in a layer, with a hash key": {"RulesFile": "/opt/transforms.yaml", "RulesLayerArn": LAYER, "RulesHashKeySecretArn": SECRET},
    "datahub": {"Target": "datahub", "DomainId": "", "DataHubUrl": "https://datahub.example.com", "DataHubApiKeySecretArn": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:token"},
    "datahub, with a secret of another account": {"Target": "datahub", "DomainId": "", "DataHubUrl": "https://datahub.example.com", "DataHubApiKeySecretArn": "arn:aws:secretsmanager:eu-west-1:210987654321:secret:token", "SecretsKmsKeyArn": SECRETS_KEY},
    "glue": {"Target": "glue", "DomainId": "", "GlueDatabase": "sales_*"},
    "glue, with tables of its own": {"Target": "glue", "DomainId": "", "GlueDatabase": "sales", "GlueCreateDatabase": "lineage"},
    "glue in another account": {"Target": "glue", "DomainId": "", "GlueDatabase": "sales", "TargetRoleArn": ROLE},
    "glue in another account, by an external id": {"Target": "glue", "DomainId": "", "GlueDatabase": "sales", "TargetRoleArn": ROLE, "TargetExternalId": EXTERNAL_ID},
    "openlineage": {"Target": "openlineage", "DomainId": "", "OpenLineageUrl": "https://marquez.example.com", "OpenLineageApiKeySecretArn": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:key"},
}
VARIANTS = {name: {**DATAZONE, **parameters} for name, parameters in SHARED.items()}
# Those of the main stack alone.
VARIANTS |= {
    "fan-out": {**DATAZONE, "FanOut": "on"},
    "fan-out in order, customer key": {**DATAZONE, "FanOut": "on", "Order": "run", "KmsKeyArn": KEY},
    "leaving": {**DATAZONE, "FanOut": "leaving"},
    "drained": {**DATAZONE, "FanOut": "drain"},
    "ingest only": {"S3AssetsBucketName": "assets", "FanOut": "ingest-only"},
    "ingest only, with what belongs to a target": {**DATAZONE, "FanOut": "ingest-only", "Order": "run", "DeliveryCheck": "on", "RulesPrefix": "rules", "AlarmEmail": "on-call@example.com"},
}
OPEN = {**DATAZONE, "Auth": "none"}  # has to be asked for
GONE = object()


def template(path=TEMPLATE):
    return plain(cfn_yaml.load(str(path)))


def target_variants():
    """The variants of a target stack: those of the main stack that concern its target."""
    known = set(template(TARGET_TEMPLATE)["Parameters"])
    of_target = {name: parameters for name, parameters in SHARED.items() if set(parameters) <= known}
    return {name: {**DATAZONE, "IngestStackName": "lineage", **parameters} for name, parameters in of_target.items()}


def plain(value):
    """The same in dicts and lists of Python's own."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, str) else value


def resolved(parameters, source=None):
    """The template as it is deployed with these parameters."""
    source = copy.deepcopy(source or template())
    values = {name: declared.get("Default") for name, declared in source["Parameters"].items()}
    unknown = set(parameters) - set(values)
    assert not unknown, f"no such parameter: {unknown}"
    values.update(parameters)

    def holds(condition):
        [(function, arguments)] = condition.items()
        match function:
            case "Condition":
                return holds(source["Conditions"][arguments])
            case "Fn::Equals":
                left, right = (resolve(argument) for argument in arguments)
                return left == right
            case "Fn::Not":
                return not holds(arguments[0])
            case "Fn::And":
                return all(map(holds, arguments))
            case "Fn::Contains":
                values_, value = (resolve(argument) for argument in arguments)
                # A rule compares texts, also of numbers.
                return str(value) in map(str, values_ if isinstance(values_, list) else [values_])
            case "Fn::Or":
                return any(map(holds, arguments))
        raise AssertionError(function)

    def resolve(value):
        match value:
            case {"Ref": "AWS::NoValue"}:
                return GONE
            case {"Ref": name} if name in values:
                return values[name]
            case {"Fn::If": [condition, yes, no]}:
                return resolve(yes if holds({"Condition": condition}) else no)
            case dict():
                items = ((key, resolve(item)) for key, item in value.items())
                return {key: item for key, item in items if item is not GONE}
            case list():
                return [item for item in map(resolve, value) if item is not GONE]
        return value

    def there(name):
        condition = source["Resources"][name].get("Condition")
        return condition is None or holds({"Condition": condition})

    for rule in source["Rules"].values():
        if holds(rule["RuleCondition"]):
            for assertion in rule["Assertions"]:
                assert holds(assertion["Assert"]), assertion["AssertDescription"]
    resources = {name: resolve(resource) for name, resource in source["Resources"].items() if there(name)}
    for resource in resources.values():
        resource.pop("Condition", None)
        depends = resource.get("DependsOn")
        if depends:
            resource["DependsOn"] = [name for name in depends if name in resources]
    return {"AWSTemplateFormatVersion": "2010-09-09", "Resources": resources}


TARGET_VARIANTS = target_variants()

# What every source needs, and those that each has.
TO_QUEUE = {"S3AssetsBucketName": "assets", "LargeEventsBucket": "events", "QueueUrl": "https://sqs.eu-west-1.amazonaws.com/123456789012/lineage-EventQueue-1A"}
TO_TOPIC = {**TO_QUEUE, "QueueUrl": "", "TopicArn": "arn:aws:sns:eu-west-1:123456789012:lineage-FanOutTopic-1A"}
QUEUE = "arn:aws:sqs:eu-west-1:123456789012:events"
OF_SOURCES = {
    "logs": {"one group": {"LogGroupName": "/aws-glue/jobs/error"}, "with settings": {"LogGroupName": "a", "Settings": "overlap: 1h, stream_prefix: jr_"}, "two groups": {"LogGroupName": "a", "LogGroupName3": "b"}},
    "glue": {"all": {}, "with settings": {"Settings": "lookback: 30d"}, "two": {"CrawlerNames": "orders,returns", "UnchangedTables": "false"}, "another account": {"RoleArn": ROLE}, "another account, by an external id": {"RoleArn": ROLE, "ExternalId": EXTERNAL_ID, "Settings": "lookback: 30d"}},
    "redshift": {"workgroup": {"WorkgroupName": "wg", "Database": "dev"}, "with settings": {"WorkgroupName": "wg", "Database": "dev", "Settings": "skip: dbt, datashares: {sales: 'h:5439/dev'}"}, "cluster": {"ClusterIdentifier": "dwh", "Database": "dev"}, "another account": {"ClusterIdentifier": "dwh", "Database": "dev", "RoleArn": ROLE}, "another account, by an external id": {"WorkgroupName": "wg", "Database": "dev", "RoleArn": ROLE, "ExternalId": EXTERNAL_ID, "Settings": "skip: dbt"}},
    "flyte": {"queue": {"MessagesQueueArn": QUEUE, "Cluster": "flyte.example.com"}, "with settings": {"MessagesQueueArn": QUEUE, "Cluster": "flyte.example.com", "Settings": 'task_name: "{module}.{task}"'}, "queue and objects": {"MessagesQueueArn": QUEUE, "Cluster": "flyte.example.com", "MetadataBucketName": "flyte", "MetadataPrefix": "metadata/"}},
    "stream": {
        "sqs": {"StreamArn": QUEUE},
        "kinesis": {"Kind": "kinesis", "StreamArn": "arn:aws:kinesis:eu-west-1:123456789012:stream/lineage"},
        "kafka": {"Kind": "kafka", "StreamArn": "arn:aws:kafka:eu-west-1:123456789012:cluster/lineage/1-2"},
        "sns": {"Kind": "sns", "StreamArn": "arn:aws:sns:eu-west-1:123456789012:lineage"},
    },
}


def source_variants():
    """The variants of the stacks of sources, by template and name."""
    variants = {}
    for source, own in OF_SOURCES.items():
        for name, parameters in own.items():
            variants[source, name] = {**TO_QUEUE, **parameters}
        first = next(iter(own.values()))
        variants[source, "topic"] = {**TO_TOPIC, **first}
        variants[source, "customer key"] = {**TO_QUEUE, **first, "KmsKeyArn": KEY, "AlarmTopicArn": "arn:aws:sns:eu-west-1:123456789012:on-call"}
        variants[source, "boundary"] = {**TO_QUEUE, **first, "PermissionsBoundaryArn": "arn:aws:iam::123456789012:policy/boundary"}
    return variants


SOURCE_VARIANTS = source_variants()


def target(parameters):
    """A target stack as it is deployed with these parameters."""
    return resolved(parameters, template(TARGET_TEMPLATE))


def source(variant):
    """The stack of a source as it is deployed."""
    return resolved(SOURCE_VARIANTS[variant], template(SOURCE_TEMPLATES[variant[0]]))


def substituted(value, parameters):
    """The text of a `Fn::Sub`; a text by itself."""
    if isinstance(value, str):
        return value
    text, more = value["Fn::Sub"]
    for name, of in {**parameters, **more, "AWS::Partition": "aws"}.items():
        text = text.replace(f"${{{name}}}", str(of))
    return text


def statements(document, role):
    """The statements of a role, by their names."""
    [policy] = document["Resources"][role]["Properties"]["Policies"]
    return {statement["Sid"]: statement for statement in policy["PolicyDocument"]["Statement"]}
