"""What the target `datahub` sends, read with DataHub's own classes, and its names compared with those of DataHub's converter.

The service that listens here only writes down what it is sent; `datahub/check.py` reads that with `acryl-datahub`, which has an
environment of its own. The strict service of the Rust tests is `tests/testing/src/gms.rs`.
"""

import json
import os
import pathlib
import subprocess

from parts import eventually, post
from sandbox import Quiet, Server

FIXTURES = pathlib.Path(__file__).parents[1] / "fixtures"
PYTHON = pathlib.Path(os.environ.get("PROXY_TEST_DATAHUB", "")) / "python"
CHECK = pathlib.Path(__file__).parent / "datahub" / "check.py"
FACET = {"_producer": "urn:p", "_schemaURL": "urn:s"}


class Gms:
    """Answers every call with a success, and keeps its body."""

    def __init__(self):
        bodies = self.bodies = []

        class Handler(Quiet):
            def do_POST(self):
                assert self.path == "/aspects?action=ingestProposalBatch", self.path
                bodies.append(self.body().decode())
                self.answer(200, {"Content-Type": "application/json"}, b'{"value":"success"}')

        self.server = Server(Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def proposals(self):
        return [proposal for body in list(self.bodies) for proposal in json.loads(body)["proposals"]]

    def urns(self, entity):
        return {proposal["entityUrn"] for proposal in self.proposals() if proposal["entityType"] == entity}


def everything():
    """An event with all that is converted, in names that need escapes."""
    def facets(**facets):
        return {name: {**FACET, **facet} for name, facet in facets.items()}

    people = {"ownership": {"owners": [{"name": "jané", "type": "MAINTAINER"}, {"name": "team:data (eu)"}]}, "tags": {"tags": [{"key": "pii", "value": "true"}, {"key": "tier", "value": "a,b"}, {"key": "key", "value": "x", "field": "id"}]}}
    fields = [{"name": "id", "type": "bigint", "description": "größe"}, {"name": "a, (b)", "type": "struct", "fields": [{"name": "c/d~e", "type": "varchar(10)"}]}, {"name": "when", "type": "timestamp"}, {"name": "odd", "type": "geography"}]
    source = {"namespace": "s3://bucket", "name": "p/a (1), ☃~x"}
    lineage = {"fields": {"a, (b)": {"inputFields": [{**source, "field": "c/d~e", "transformations": [{"type": "DIRECT", "subtype": "IDENTITY"}]}, {**source, "field": "id"}]}}}
    table = {"identifiers": [{"namespace": "arn:aws:glue:us-east-1:123456789012", "name": "table/db/t", "type": "TABLE"}]}
    dataset = lambda name, **more: {"namespace": "postgres://db:5432", "name": name, "facets": facets(**people, schema={"fields": fields}, documentation={"description": "d €"}, **more)}
    run = {"runId": "01a1faa6-e194-708b-a993-000000000001", "facets": facets(parent={"run": {"runId": "01a1faa6-e194-708b-a993-000000000002"}, "job": {"namespace": "n", "name": "p"}}, processing_engine={"name": "Spark", "version": "3.5"}, airflow={"dag": {"tags": "['daily', 'é']"}})}
    job = {"namespace": "ns, (1)", "name": "flow.job ☃", "facets": facets(**people, documentation={"description": "what it does"}, sourceCodeLocation={"type": "git", "url": "https://example.com/x"}, jobType={"processingType": "BATCH", "integration": "SPARK", "jobType": "JOB"})}
    common = {"eventTime": "2026-11-20T10:00:00Z", "producer": "https://example.com/p", "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json"}
    inputs = [{**source, "facets": facets(symlinks=table)}, dataset("d.s.in")]
    outputs = [dataset("d.s.out", columnLineage=lineage)]
    for kind in ("START", "RUNNING", "COMPLETE", "FAIL", "ABORT", "OTHER"):
        yield {**common, "eventType": kind, "run": run, "job": job, "inputs": inputs, "outputs": outputs}
    yield {**common, "job": job, "inputs": inputs, "outputs": outputs}
    yield {**common, "dataset": outputs[0]}


def deliver(serve, gms, events, **settings):
    proxy = serve(TARGET="datahub", DATAHUB_URL=gms.url, BATCH_DEDUPLICATION_WINDOW="0", **settings)
    for text in events:
        status, _, body = post(f"{proxy.url}/api/v1/lineage", text)
        assert status == 200, body

    def outcomes():
        lines = [json.loads(line)["fields"] for line in proxy.lines() if line.startswith("{")]
        return [line["outcome"] for line in lines if line.get("outcome", "retry") != "retry"]

    eventually(lambda: len(outcomes()) >= len(events), "all outcomes")
    assert set(outcomes()) == {"delivered"}


def fixtures():
    """The events of the corpus that are accepted, each as its client sent it."""
    refused = {"python-nan.json", "python-lone-surrogate.json"}
    return [path.read_bytes() for path in sorted(FIXTURES.glob("*.json")) if path.name not in refused]


def test_datahub_reads_every_proposal_with_its_own_classes(serve, tmp_path):
    gms = Gms()
    made = [json.dumps(event).encode() for event in everything()]
    deliver(serve, gms, [*fixtures(), *made], DATAHUB_PLATFORM_INSTANCES=json.dumps({"postgres://*": "one (1)"}), DATAHUB_JOB_PLATFORM_INSTANCE="cluster, (1)")
    calls = tmp_path / "calls.jsonl"
    calls.write_text("".join(body + "\n" for body in gms.bodies))
    quiet = {**os.environ, "DATAHUB_TELEMETRY_ENABLED": "false"}
    checked = subprocess.run([PYTHON, CHECK, calls], capture_output=True, text=True, env=quiet)
    assert checked.returncode == 0, checked.stderr[-3000:]
    seen = json.loads(checked.stdout)
    # Nothing that is written is missing from the check.
    assert set(seen) == {
        "status", "dataPlatformInstance", "datasetProperties", "schemaMetadata", "upstreamLineage", "ownership", "globalTags",
        "dataFlowInfo", "dataJobInfo", "dataJobInputOutput",
        "dataProcessInstanceProperties", "dataProcessInstanceRelationships", "dataProcessInstanceInput", "dataProcessInstanceOutput", "dataProcessInstanceRunEvent",
    }, seen


def test_names_are_those_of_the_converter(serve):
    """Names that the converter makes. Those of the flow and the job of Airflow are expected by its own tests
    (`metadata-integration/java`); the names of datasets, and those of the flow and the job of Spark, follow from its source
    (`OpenLineageToDataHub.java`)."""
    common = {"eventTime": "2026-11-20T10:00:00Z", "schemaURL": "urn:s"}
    run = {"runId": "01a1faa6-e194-708b-a993-000000000001"}
    airflow = {**common, "producer": "https://github.com/apache/airflow/tree/providers-openlineage/1.14.0", "eventType": "START", "run": {**run, "facets": {"processing_engine": {**FACET, "name": "Airflow", "version": "3"}}}, "job": {"namespace": "airflow", "name": "BQ.upload"}}
    glue = {"_producer": "urn:p", "_schemaURL": "urn:s", "identifiers": [{"namespace": "aws:glue:us-east-1:123456789012", "name": "table/my_glue_database/my_glue_table", "type": "TABLE"}]}
    inputs = [
        {"namespace": "gs://my-bucket", "name": "path/to/x"},
        {"namespace": "redshift://rs.us-west-2.redshift.amazonaws.com:5439", "name": "dev.public.person1"},
        {"namespace": "s3://bucket", "name": "data/x", "facets": {"symlinks": glue}},
    ]
    spark = {**common, "producer": "https://github.com/OpenLineage/OpenLineage/tree/1.13.1/integration/spark", "eventType": "COMPLETE", "run": run, "job": {"namespace": "default", "name": "my_app.insert"}, "inputs": inputs}
    gms = Gms()
    deliver(serve, gms, [json.dumps(airflow).encode(), json.dumps(spark).encode()])
    assert gms.urns("dataFlow") == {"urn:li:dataFlow:(airflow,BQ,airflow)", "urn:li:dataFlow:(spark,my_app,default)"}
    assert gms.urns("dataJob") == {"urn:li:dataJob:(urn:li:dataFlow:(airflow,BQ,airflow),BQ.upload)", "urn:li:dataJob:(urn:li:dataFlow:(spark,my_app,default),my_app.insert)"}
    assert gms.urns("dataset") == {
        "urn:li:dataset:(urn:li:dataPlatform:gcs,my-bucket/path/to/x,PROD)",
        "urn:li:dataset:(urn:li:dataPlatform:redshift,dev.public.person1,PROD)",
        "urn:li:dataset:(urn:li:dataPlatform:glue,my_glue_database.my_glue_table,PROD)",
    }
    assert gms.urns("dataProcessInstance") == {f"urn:li:dataProcessInstance:{run['runId']}"}
