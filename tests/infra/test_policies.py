"""What the functions may do, by variant: their policies, and the roles that they assume."""

import json
import re

import pytest
from variants import DOMAIN_KEY, EXTERNAL_ID, LAYER, LOOK_UP_ROLE, ROLE, SECRET, SECRETS_KEY, SOURCE_TEMPLATES, TARGET_TEMPLATE, TARGET_VARIANTS, TEMPLATE, VARIANTS, resolved, statements, substituted, target, template


def batch(variant):
    """The batch function of a variant: its settings, its layers, and the statements of its role by their names."""
    resources = resolved(VARIANTS[variant])["Resources"]
    function, [policy] = resources["Batch"]["Properties"], resources["BatchRole"]["Properties"]["Policies"]
    statements = {statement["Sid"]: (statement["Action"], statement["Resource"]) for statement in policy["PolicyDocument"]["Statement"]}
    return function["Environment"]["Variables"], function.get("Layers"), statements


@pytest.mark.parametrize(
    ("variant", "file", "refresh", "layers", "objects"),
    [
        ("default", "", 60, None, None),
        ("rules in the function", "rules/transforms.yaml", 60, None, None),
        ("rules in s3", "s3://assets/lineage-proxy/rules/transforms.yaml", 60, None, "arn:aws:s3:::assets/lineage-proxy/rules/*"),
        ("rules in another bucket, with a hash key", "s3://rules-of-the-team/live/transforms.yaml", 300, None, "arn:aws:s3:::rules-of-the-team/live/*"),
        ("rules in a layer, with a hash key", "/opt/transforms.yaml", 60, [LAYER], None),
    ],
)
def test_the_batch_function_can_read_its_rules_and_nothing_else(variant, file, refresh, layers, objects):
    variables, found, statements = batch(variant)
    passed = variables["LINEAGE_PROXY_RULES_FILE"], variables["LINEAGE_PROXY_RULES_REFRESH"], variables["LINEAGE_PROXY_RULES_HASH_KEY_SECRET_ID"]
    secret = SECRET if variant.endswith("with a hash key") else ""
    assert (substituted(passed[0], VARIANTS[variant]), *passed[1:]) == (file, refresh, secret)
    assert found == layers
    assert statements.get("RulesHashKey") == (("secretsmanager:GetSecretValue", secret) if secret else None)
    action, resource = statements.get("Rules", (None, None))
    assert (action, resource and substituted(resource, VARIANTS[variant])) == ("s3:GetObject" if objects else None, objects)


@pytest.mark.parametrize(("variant", "region", "roles"), [("domain with a key", {"Ref": "AWS::Region"}, ["BatchRole"]), ("domain with a key elsewhere, checked", "us-east-1", ["BatchRole", "CheckRole"])])
def test_who_calls_a_domain_may_use_its_key_through_datazone_alone(variant, region, roles):
    for stack in (resolved(VARIANTS[variant]), target(TARGET_VARIANTS[variant])):
        for role in roles:
            key = statements(stack, role)["DomainKey"]
            assert (key["Resource"], set(key["Action"])) == (DOMAIN_KEY, {"kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey", "kms:DescribeKey"})
            [text, more] = key["Condition"]["StringEquals"]["kms:ViaService"]["Fn::Sub"]
            assert (text, more) == ("datazone.${Region}.amazonaws.com", {"Region": region})


def test_a_key_of_the_domain_is_for_those_alone_that_call_it():
    others = ["default", "checked", "openlineage", "domain with a key, by a role"]  # the role that is assumed has a key of its own
    for variant in others:
        for stack in (resolved(VARIANTS[variant]), target(TARGET_VARIANTS[variant])):
            assert "DomainKey" not in json.dumps([resource for resource in stack["Resources"].values() if resource["Type"] == "AWS::IAM::Role"]), variant


@pytest.mark.parametrize(
    ("variant", "kind", "external_id", "roles"),
    [
        ("another account", "DATAZONE", "", ["BatchRole"]),
        ("another account, by an external id", "DATAZONE", EXTERNAL_ID, ["BatchRole", "CheckRole"]),
        ("glue in another account, by an external id", "GLUE", EXTERNAL_ID, ["BatchRole"]),
    ],
)
def test_the_role_of_a_target_is_assumed_with_its_external_id(variant, kind, external_id, roles):
    for stack in (resolved(VARIANTS[variant]), target(TARGET_VARIANTS[variant])):
        for role in roles:
            variables = stack["Resources"][role.removesuffix("Role")]["Properties"]["Environment"]["Variables"]
            passed = variables[f"LINEAGE_PROXY_{kind}_ROLE_ARN"], variables[f"LINEAGE_PROXY_{kind}_EXTERNAL_ID"]
            assert passed == (ROLE, external_id)
            assert statements(stack, role)["Assume"] == {"Sid": "Assume", "Effect": "Allow", "Action": "sts:AssumeRole", "Resource": ROLE}


@pytest.mark.parametrize(
    ("variant", "role", "external_id", "sids"),
    [
        ("default", "", "", {"Workgroups", "Clusters"}),
        ("look-ups in another account", LOOK_UP_ROLE, "", {"AssumeToLookUp"}),
        ("look-ups in another account, by an external id", LOOK_UP_ROLE, EXTERNAL_ID, {"AssumeToLookUp"}),
        ("a role without look-ups", None, None, set()),
        ("openlineage", None, None, set()),
    ],
)
def test_names_are_looked_up_by_the_function_itself_or_by_a_role(variant, role, external_id, sids):
    for stack in (resolved(VARIANTS[variant]), target(TARGET_VARIANTS[variant])):
        variables = stack["Resources"]["Batch"]["Properties"]["Environment"]["Variables"]
        assert (variables.get("LINEAGE_PROXY_REDSHIFT_ROLE_ARN"), variables.get("LINEAGE_PROXY_REDSHIFT_EXTERNAL_ID")) == (role, external_id)
        found = statements(stack, "BatchRole")
        assert found.keys() & {"Workgroups", "Clusters", "AssumeToLookUp"} == sids
        if "AssumeToLookUp" in sids:
            assert (found["AssumeToLookUp"]["Action"], found["AssumeToLookUp"]["Resource"]) == ("sts:AssumeRole", role)


@pytest.mark.parametrize("path", [TEMPLATE, TARGET_TEMPLATE, *SOURCE_TEMPLATES.values()], ids=lambda path: path.name)
def test_parameters_of_roles_take_what_iam_and_sts_do_and_nothing_that_ends_a_text(path):
    """The settings of a source are JSON in a variable."""
    parameters = template(path)["Parameters"]
    takes = lambda name, value: re.fullmatch(parameters[name]["AllowedPattern"], value) is not None
    for name in {"TargetExternalId", "RedshiftExternalId", "ExternalId"} & parameters.keys():
        assert all(takes(name, value) for value in ("", "12", EXTERNAL_ID)), name
        assert not any(takes(name, value) for value in ("1", 'a"b', "a b", "a;b")), name
    for name in {"RedshiftRoleArn", "RoleArn"} & parameters.keys():
        assert all(takes(name, value) for value in ("", ROLE, "arn:aws-us-gov:iam::210987654321:role/a/b_+=,.@-1")), name
        assert not any(takes(name, value) for value in (f'{ROLE}"', f"{ROLE}*", "arn:aws:iam::210987654321:user/lineage")), name


def test_a_secret_under_another_key_can_be_read_through_its_service():
    for stack in (resolved(VARIANTS["datahub, with a secret of another account"]), target(TARGET_VARIANTS["datahub, with a secret of another account"])):
        key = statements(stack, "BatchRole")["SecretsKey"]
        condition = {"StringEquals": {"kms:ViaService": {"Fn::Sub": "secretsmanager.${AWS::Region}.amazonaws.com"}}}
        assert (key["Action"], key["Resource"], key["Condition"]) == ("kms:Decrypt", SECRETS_KEY, condition)
    assert "SecretsKey" not in statements(resolved(VARIANTS["datahub"]), "BatchRole")
