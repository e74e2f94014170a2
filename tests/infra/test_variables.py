"""The variables of functions, with each parameter as long as it may be."""

import re

import pytest
from variants import TARGET_TEMPLATE, TARGET_VARIANTS, TEMPLATE, VARIANTS, resolved, template

# The longest that CloudFormation and the services put in place of what a variable refers to, in characters.
LONGEST = {
    "AWS::StackName": 128,  # https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateStack.html
    "EventQueue": 140,  # https://sqs.REGION.amazonaws.com.cn/ACCOUNT/NAME, with a name of 80
    "DeadLetterQueue": 140,
    "FanOutTopic": 130,  # arn:aws-us-gov:sns:REGION:ACCOUNT:NAME, with a name that CloudFormation makes of at most 80
    "LargeEvents": 63,
    "Keys": 300,
    "FanOutBucket": 63,
    "S3AssetsBucketName": 63,
    "LogFilter": 128,
}


def length(value, parameters):
    """The length that a value of a variable can have, with each parameter as long as it may be."""

    def named(name):
        if name in LONGEST:
            return LONGEST[name]
        declared = parameters[name]
        if "AllowedValues" in declared:
            return max(len(str(allowed)) for allowed in declared["AllowedValues"])
        return len(str(declared["MaxValue"])) if declared["Type"] == "Number" else int(declared["MaxLength"])

    match value:
        case str() | int():
            return len(str(value))
        case {"Ref": "AWS::NoValue"}:
            return None
        case {"Ref": name}:
            return named(name)
        case {"Fn::GetAtt": [name, "Id"]}:
            return LONGEST[name]
        case {"Fn::If": [_, yes, no]}:
            return max(length(yes, parameters), length(no, parameters))
        case {"Fn::ImportValue": _}:
            return LONGEST["FanOutBucket"]
        case {"Fn::Sub": [text, own]}:
            inside = [own[name] if name in own else {"Ref": name} for name in re.findall(r"\$\{([^}]+)}", text)]
            return len(re.sub(r"\$\{[^}]+}", "", text)) + sum(length(value, parameters) for value in inside)
        case {"Fn::Sub": text}:
            return length({"Fn::Sub": [text, {}]}, parameters)
    raise AssertionError(value)


@pytest.mark.parametrize("path", [TEMPLATE, TARGET_TEMPLATE], ids=lambda path: path.name)
@pytest.mark.parametrize("kind", ["datazone", "openlineage", "datahub", "glue"])
def test_the_variables_of_a_function_fit_into_4096_bytes_whatever_the_parameters_are(kind, path):
    """Lambda refuses more when the stack is deployed (https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html)."""
    source, made = template(path), TARGET_VARIANTS if path == TARGET_TEMPLATE else VARIANTS
    found = {}
    # Of parameters only their bounds count, but which variables there are depends on the target.
    functions = resolved({**made["default" if kind == "datazone" else kind], "RulesPrefix": "rules"}, without_values(source))["Resources"]
    for name, resource in functions.items():
        if resource["Type"] == "AWS::Lambda::Function":
            variables = resource["Properties"].get("Environment", {"Variables": {}})["Variables"]
            found[name] = sum(len(name) + length(value, source["Parameters"]) for name, value in variables.items())
    assert {"Batch"} <= set(found) and max(found.values()) <= 4096, found
    # The bound of the map of hosts is as high as it can be, so that nobody needs rules for it without need.
    assert kind != "openlineage" or found["Batch"] > 4096 - 200, found


def without_values(source):
    """The template whose variables keep the names of their parameters."""
    for resource in source["Resources"].values():
        if resource["Type"] == "AWS::Lambda::Function":
            variables = resource["Properties"].get("Environment", {}).get("Variables", {})
            variables.update({name: renamed(value) for name, value in variables.items()})
    return source


def renamed(value):
    match value:
        case {"Ref": name} if name != "AWS::NoValue":
            return {"Fn::Sub": ["${" + name + "}", {}]}
        case dict():
            return {name: renamed(item) for name, item in value.items()}
        case list():
            return [renamed(item) for item in value]
    return value
