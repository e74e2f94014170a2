"""What a data team lets Airflow do around Redshift: SQL on four kinds of host, COPY and UNLOAD, a hook in a Python task,
Athena, objects in S3, assets. Each task reads and writes; the names are what the tests are about."""

import datetime

from airflow.providers.amazon.aws.hooks.redshift_sql import RedshiftSQLHook
from airflow.providers.amazon.aws.operators.athena import AthenaOperator
from airflow.providers.amazon.aws.operators.s3 import S3CopyObjectOperator
from airflow.providers.amazon.aws.transfers.redshift_to_s3 import RedshiftToS3Operator
from airflow.providers.amazon.aws.transfers.s3_to_redshift import S3ToRedshiftOperator
from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator
from airflow.sdk import DAG, Asset, task

INSERT = "INSERT INTO public.dst (id, name) SELECT s.id, s.name FROM public.src s"

with DAG("warehouse", schedule=None, start_date=datetime.datetime(2026, 1, 1), default_args={"retries": 0}):
    # By the kind of the host: the connections are `airflow.CONNECTIONS`.
    for kind in ("serverless", "provisioned", "ip", "cname"):
        SQLExecuteQueryOperator(task_id=f"sql_{kind}", conn_id=kind, sql=INSERT)

    S3ToRedshiftOperator(task_id="copy", redshift_conn_id="provisioned", schema="public", table="dst", s3_bucket="landing", s3_key="in/dst.csv")
    RedshiftToS3Operator(
        task_id="unload", redshift_conn_id="serverless", schema="public", table="src", s3_bucket="landing", s3_key="out", table_as_file_name=False
    )

    @task
    def hook():
        RedshiftSQLHook(redshift_conn_id="provisioned").run(INSERT)

    hook()

    @task(inlets=[Asset("s3://landing/in/dst.csv")], outlets=[Asset("redshift://my-cluster.abc123xyz.us-east-1.redshift.amazonaws.com:5439/dev/public/dst")])
    def assets():
        pass

    assets()

    # With the region: the provider does not take it from the environment, and would say `athena.None.amazonaws.com`.
    AthenaOperator(
        task_id="athena",
        query="INSERT INTO lake.dst SELECT id, name FROM lake.src",
        database="lake",
        output_location="s3://landing/results/",
        region_name="eu-west-1",
        sleep_time=1,
    )
    S3CopyObjectOperator(task_id="s3_copy", source_bucket_key="s3://landing/in/dst.csv", dest_bucket_key="s3://archive/2026/dst.csv")
