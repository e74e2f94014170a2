"""A real Airflow with nothing behind it: no scheduler, no warehouse, no network.

`airflow dags test` runs the DAGs of `airflow/dags` in one process, with its database in a folder of its own. The
driver of Redshift is the stand-in in `airflow/driver`; S3 and Athena are the emulator. What is left is Airflow's own
code, up to the names that it gives to datasets.
"""

import json
import os
import pathlib
import signal
import subprocess

import boto3
from parts import CREDENTIALS

HERE = pathlib.Path(__file__).parent / "airflow"
REGION = CREDENTIALS["AWS_REGION"]

# By kind: the host of the connection, what Airflow makes of it in a namespace, and the warehouse that it stands for.
SERVERLESS = "my-wg.123456789012.eu-west-1.redshift-serverless.amazonaws.com"
PROVISIONED = "my-cluster.abc123xyz.us-east-1.redshift.amazonaws.com"
BEHIND_IP = "other.def456uvw.eu-west-1.redshift.amazonaws.com"
BEHIND_CNAME = "dwh.123456789012.eu-west-1.redshift-serverless.amazonaws.com"
HOSTS = {
    "serverless": (SERVERLESS, "my-wg.eu-west-1", SERVERLESS),
    "provisioned": (PROVISIONED, "my-cluster.us-east-1", PROVISIONED),
    "ip": ("10.1.2.3", "10.1.2.3", BEHIND_IP),
    "cname": ("dwh.example.com", "dwh.example.com", BEHIND_CNAME),
}


def lake(emulator):
    """What the DAG finds in S3 and in the Glue catalogue."""
    client = lambda service: boto3.client(
        service, endpoint_url=emulator.url, region_name=REGION, aws_access_key_id="test", aws_secret_access_key="test"
    )
    s3, glue = client("s3"), client("glue")
    for bucket in ("landing", "archive"):
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket="landing", Key="in/dst.csv", Body=b"1,a\n")
    glue.create_database(DatabaseInput={"Name": "lake"})
    columns = [{"Name": "id", "Type": "int"}, {"Name": "name", "Type": "string"}]
    for table in ("src", "dst"):
        location = f"s3://lake/{table}"
        storage = {"Columns": columns, "Location": location}
        glue.create_table(DatabaseName="lake", TableInput={"Name": table, "StorageDescriptor": storage, "Parameters": {"location": location}})


class Airflow:
    """An installation in a folder."""

    def __init__(self, folder, emulator, transport):
        connection = lambda host: json.dumps({"conn_type": "redshift", "host": host, "schema": "dev", "login": "reader", "password": "secret"})
        self.commands = pathlib.Path(os.environ["PROXY_TEST_AIRFLOW"])
        self.folder = folder
        self.env = {
            **CREDENTIALS,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL": emulator.url,
            "AIRFLOW_HOME": str(folder),
            "AIRFLOW__CORE__DAGS_FOLDER": str(HERE / "dags"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(HERE / "plugins"),
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "false",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{folder / 'airflow.db'}",
            "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(folder / "logs"),
            "AIRFLOW__OPENLINEAGE__NAMESPACE": "airflow",
            "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(transport),
            "AIRFLOW__OPENLINEAGE__EXECUTION_TIMEOUT": "60",
            "PATH": f"{self.commands}:{os.environ['PATH']}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": str(HERE / "driver"),
            **{f"AIRFLOW_CONN_{kind.upper()}": connection(host) for kind, (host, _, _) in HOSTS.items()},
        }

    def do(self, *arguments, patience=300):
        """Its output, which is shown when it fails."""
        ours = ("AIRFLOW", "AWS_", "OPENLINEAGE", "PYTHON")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        log = self.folder / f"{'-'.join(arguments)}.log"
        with open(log, "wb") as out:
            # A session of its own: Airflow forks, and what hangs is ended with all that it started.
            child = subprocess.Popen(
                [self.commands / "airflow", *arguments], cwd=self.folder, env={**inherited, **self.env}, stdout=out, stderr=out, start_new_session=True
            )
        try:
            status = child.wait(patience)
        except subprocess.TimeoutExpired:
            status = f"not done in {patience} s"
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        text = log.read_text(errors="replace")
        assert status == 0, f"airflow {' '.join(arguments)}: {status}\n{text[-20000:]}"
        return text

    def run(self, dag):
        self.do("db", "migrate")
        return self.do("dags", "test", dag)
