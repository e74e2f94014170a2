"""Stacks whose target is no DataZone: the Data Catalog of Glue, which is the emulator's, and a metadata service of DataHub."""

import json

import pytest
from parts import event, eventually
from sandbox import Quiet, Server
from stack import ACCOUNT, REGION, name

ARN = f"arn:aws:glue:{REGION}:{ACCOUNT}"
FACET = {"_producer": "urn:p", "_schemaURL": "urn:s"}
SCHEMA = {"schema": {**FACET, "fields": [{"name": "id", "type": "bigint"}]}}
TOKEN = "the-token-of-datahub-0123"


class Gms:
    """Accepts proposals with the token, and keeps them."""

    def __init__(self):
        proposals = self.proposals = []

        class Handler(Quiet):
            def do_POST(self):
                body = self.body()
                if self.headers["Authorization"] != f"Bearer {TOKEN}":
                    return self.answer(401)
                proposals.extend(json.loads(body)["proposals"])
                self.answer(200, {"Content-Type": "application/json"}, b'{"value":"success"}')

        self.server = Server(Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def jobs(self):
        return {proposal["entityUrn"] for proposal in list(self.proposals) if proposal["entityType"] == "dataJob"}


@pytest.fixture
def gms():
    gms = Gms()
    yield gms
    gms.server.stop()


def made(job, run, source="raw"):
    """An event from S3 to a table of the catalog, and to one that is not there."""
    outputs = [{"namespace": ARN, "name": f"table/shop/{job}", "facets": SCHEMA}, {"namespace": "postgres://db:5432", "name": f"shop.public.{job}", "facets": SCHEMA}]
    return event(job, run=run, inputs=[{"namespace": "s3://lake", "name": source}], outputs=outputs)


def parameters(glue, database, table):
    """The parameters of a table, if it is there."""
    try:
        return glue.get_table(DatabaseName=database, Name=table)["Table"]["Parameters"]
    except glue.exceptions.EntityNotFoundException:
        return {}


def catalog(cloud, *tables):
    glue = cloud.client("glue")
    if "shop" not in [database["Name"] for database in glue.get_databases()["DatabaseList"]]:
        glue.create_database(DatabaseInput={"Name": "shop"})
    for table in tables:
        glue.create_table(DatabaseName="shop", TableInput={"Name": table, "StorageDescriptor": {"Columns": [{"Name": "id", "Type": "bigint"}]}, "Parameters": {"owner": "others"}})
    return glue


def test_lineage_is_written_to_the_catalog_and_to_no_other_database(deploy, cloud):
    glue = catalog(cloud, "orders", "late")
    stack = deploy("to-glue", Target="glue", DomainId="", GlueDatabase="shop", GlueCreateDatabase="lineage")
    assert stack.post(made("orders", 1))[0] == 200
    eventually(lambda: "openlineage.upstream" in parameters(glue, "shop", "orders"), lambda: stack.log("Batch"))
    assert parameters(glue, "shop", "orders")["owner"] == "others"
    eventually(lambda: parameters(glue, "lineage", "shop_public_orders").get("openlineage.managed_by") == "lineage-proxy", lambda: stack.log("Batch"))
    may = lambda action, resource: stack.may("Batch", f"glue:{action}", f"{ARN}:{resource}")
    assert may("UpdateTable", "table/shop/orders") and may("CreateTable", "table/lineage/x")
    assert not (may("CreateTable", "table/shop/x") or may("UpdateTable", "table/other/x") or may("DeleteTable", "table/shop/orders"))
    doctor = stack.proxy("doctor", "--stack", "to-glue", "--url", stack.url(), check=False)
    assert "FAIL" not in doctor.stdout, doctor.stdout

    # Without its rights nothing is lost, and the fault has its name.
    role, document = stack.role("Batch")[1], stack.iam.get_role_policy(RoleName=stack.role("Batch")[1], PolicyName="batch")["PolicyDocument"]
    put = lambda statements: stack.iam.put_role_policy(RoleName=role, PolicyName="batch", PolicyDocument=json.dumps({**document, "Statement": statements}))
    put([statement for statement in document["Statement"] if statement["Sid"] not in ("Tables", "NewTables")])
    stack.kill(stack.outputs["BatchFunction"])
    assert stack.post(made("late", 2))[0] == 200
    eventually(lambda: '"reason":"permission"' in stack.log("Batch"), lambda: stack.log("Batch")[-3000:])
    put(document["Statement"])
    eventually(lambda: "openlineage.upstream" in parameters(glue, "shop", "late"), lambda: stack.log("Batch")[-3000:])
    assert stack.post(made("orders", 3, source="refined"))[0] == 200  # into a table that is there
    eventually(lambda: stack.unused("Batch", "Tables", "NewTables") == set(), lambda: f"{stack.unused('Batch', 'Tables', 'NewTables')}\n{stack.log('Batch')[-3000:]}")
    stack.empty()


def test_lineage_is_proposed_to_datahub_with_the_token_of_a_secret(deploy, cloud, gms):
    secret = cloud.client("secretsmanager").create_secret(Name="datahub", SecretString="a-token-that-is-old")["ARN"]
    stack = deploy("to-datahub", Target="datahub", DomainId="", DataHubUrl=gms.url, DataHubApiKeySecretArn=secret)
    job = name().replace(" ", "-")
    assert stack.post(made(job, 1))[0] == 200
    eventually(lambda: '"reason":"permission"' in stack.log("Batch"), lambda: stack.log("Batch")[-3000:])
    assert not gms.proposals
    cloud.client("secretsmanager").put_secret_value(SecretId=secret, SecretString=TOKEN)
    eventually(lambda: any(job in urn for urn in gms.jobs()), lambda: f"{gms.jobs()}\n{stack.log('Batch')[-3000:]}", 600)
    assert stack.unused("Batch", "DataHubKey") == set()
    assert TOKEN not in stack.log("Batch") and "a-token-that-is-old" not in stack.log("Batch")
    stack.empty()


def test_further_targets_are_the_catalog_and_datahub(deploy, cloud, gms):
    glue = catalog(cloud, "returns")
    secret = cloud.client("secretsmanager").create_secret(Name="datahub-of-a-target", SecretString=TOKEN)["ARN"]
    main = deploy("three", FanOut="on")
    to_glue = cloud.deploy_target("three-glue", main, Target="glue", GlueDatabase="shop", GlueCreateDatabase="lineage")
    to_datahub = cloud.deploy_target("three-datahub", main, Target="datahub", DataHubUrl=gms.url, DataHubApiKeySecretArn=secret)
    assert main.post(made("returns", 1))[0] == 200
    main.arrived("returns")
    eventually(lambda: "openlineage.upstream" in parameters(glue, "shop", "returns"), lambda: to_glue.log("Batch"))
    eventually(lambda: any("returns" in urn for urn in gms.jobs()), lambda: to_datahub.log("Batch"))
    assert to_glue.unused("Batch", "Tables") == to_datahub.unused("Batch", "DataHubKey") == set()
    for target in (to_glue, to_datahub):
        eventually(lambda: target.waiting() == 0, lambda: target.log("Batch")[-3000:])
        assert target.waiting(target.dead) == 0
