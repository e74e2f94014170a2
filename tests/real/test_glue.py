"""Target `glue` with an emulator of the Data Catalog. `tests/glue.rs` has what the emulator leaves out: whole replacement
of a table, and errors."""

import json

import boto3
from parts import event, eventually, post

ARN = "arn:aws:glue:eu-west-1:000000000000"


def test_lineage_is_written_to_tables_of_others_and_to_new_ones(serve, emulator):
    glue = boto3.Session("test", "test", region_name="eu-west-1").client("glue", endpoint_url=emulator.url)
    glue.create_database(DatabaseInput={"Name": "shop"})
    columns = [{"Name": "id", "Type": "bigint"}]
    glue.create_table(DatabaseName="shop", TableInput={"Name": "orders", "StorageDescriptor": {"Columns": columns, "Location": "s3://lake/orders"}, "Parameters": {"classification": "parquet"}})
    proxy = serve(TARGET="glue", GLUE_CREATE_TABLES="true", GLUE_DATABASE="lineage", AWS_ENDPOINT_URL_GLUE=emulator.url)
    schema = {"schema": {"_producer": "urn:p", "_schemaURL": "urn:s", "fields": [
        {"name": "Id", "type": "BIGINT"}, {"name": "lines", "type": "array", "fields": [{"name": "_element", "type": "struct", "fields": [{"name": "sku", "type": "varchar(20)"}]}]}]}}
    outputs = [{"namespace": ARN, "name": "table/shop/orders", "facets": schema}, {"namespace": "postgres://db:5432", "name": "shop.public.orders", "facets": schema}]
    sent = event("load", inputs=[{"namespace": "s3://lake", "name": "raw"}], outputs=outputs)
    assert post(f"{proxy.url}/api/v1/lineage", json.dumps(sent).encode())[0] == 200

    def table(database, name):
        try:
            return glue.get_table(DatabaseName=database, Name=name)["Table"]
        except glue.exceptions.EntityNotFoundException:
            return None

    created = eventually(lambda: table("lineage", "shop_public_orders"), "a table is created")
    assert [(column["Name"], column["Type"]) for column in created["StorageDescriptor"]["Columns"]] == [("id", "bigint"), ("lines", "array<struct<sku:string>>")]
    assert created["Parameters"]["openlineage.managed_by"] == "lineage-proxy"

    changed = eventually(lambda: (now := table("shop", "orders"))["VersionId"] != "1" and now, "the table is written")
    assert changed["StorageDescriptor"]["Columns"] == columns and changed["StorageDescriptor"]["Location"] == "s3://lake/orders"
    assert changed["Parameters"]["classification"] == "parquet"
    assert json.loads(changed["Parameters"]["openlineage.upstream"]) == {"datasets": [{"namespace": "s3://lake", "name": "raw"}]}
    assert [field["name"] for field in json.loads(changed["Parameters"]["openlineage.schema"])["fields"]] == ["Id", "lines"]
