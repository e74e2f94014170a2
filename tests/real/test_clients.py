"""openlineage-python through `serve`: every kind of event, plain, gzip, with a key.

Each client writes what it sends to a file as well; what is stored has to be equal to that, once each.
"""

import json
import uuid

import pytest
from openlineage.client import OpenLineageClient
from openlineage.client.event_v2 import DatasetEvent, InputDataset, Job, JobEvent, OutputDataset, Run, RunEvent, RunState, StaticDataset
from openlineage.client.facet_v2 import column_lineage_dataset, schema_dataset, sql_job
from parts import event, eventually, post

KEY = "a-key-of-some-length"
PRODUCER = "https://example.com/clients"


def client(url, sent, **http):
    http = {"type": "http", "url": url, **http}
    file = {"type": "file", "log_file_path": str(sent), "append": True}
    return OpenLineageClient(config={"transport": {"type": "composite", "continue_on_failure": False, "transports": {"http": http, "file": file}}})


def run_events():
    run, job = Run(runId=str(uuid.uuid4())), Job(namespace="clients", name="größe ✓ job", facets={"sql": sql_job.SQLJobFacet(query="select 1")})
    schema = schema_dataset.SchemaDatasetFacet(fields=[schema_dataset.SchemaDatasetFacetFields(name="id", type="bigint")])
    output = OutputDataset(namespace="s3://bucket", name="t", facets={"schema": schema})
    time = "2026-11-20T10:00:00.123456+00:00"
    for state in (RunState.START, RunState.RUNNING, RunState.COMPLETE):
        yield RunEvent(eventTime=time, producer=PRODUCER, run=run, job=job, eventType=state, inputs=[InputDataset(namespace="file", name="/srv/a")], outputs=[output])
    yield JobEvent(eventTime=time, producer=PRODUCER, job=job, inputs=[], outputs=[output])
    yield DatasetEvent(eventTime=time, producer=PRODUCER, dataset=StaticDataset(namespace="bigquery", name="p.d.t"))


def large_event():
    field = lambda n: column_lineage_dataset.InputField(namespace="s3://bucket", name=f"source_{n}", field="c")
    fields = {f"column_{n}": column_lineage_dataset.Fields(inputFields=[field(m) for m in range(12)]) for n in range(400)}
    output = OutputDataset(namespace="s3://bucket", name="wide", facets={"columnLineage": column_lineage_dataset.ColumnLineageDatasetFacet(fields=fields)})
    return RunEvent(eventTime="2026-11-20T10:00:00Z", producer=PRODUCER, run=Run(runId=str(uuid.uuid4())), job=Job(namespace="clients", name="wide"), eventType=RunState.COMPLETE, outputs=[output])


@pytest.mark.parametrize("http", [{}, {"compression": "gzip"}, {"auth": {"type": "api_key", "apiKey": KEY}}], ids=["plain", "gzip", "key"])
def test_every_kind_arrives_equal_and_once(serve, tmp_path, http):
    proxy = serve(key=KEY if "auth" in http else None)
    sender = client(proxy.url, tmp_path / "sent", **http)
    events = [*run_events(), large_event()]
    for each in events:
        sender.emit(each)
    stored = proxy.stored_when(len(events))
    sent = [json.loads(line) for line in (tmp_path / "sent").read_text().splitlines()]
    order = lambda event: json.dumps(event, sort_keys=True)
    assert sorted(map(order, stored)) == sorted(map(order, sent))
    # Byte for byte: this client sends json.dumps(…, sort_keys=True).
    page, _ = proxy.stored()
    for each in sent:
        assert json.dumps(each, sort_keys=True).encode() in page


def test_a_wrong_key_is_refused(serve, tmp_path):
    proxy = serve(key=KEY)
    with pytest.raises(Exception, match="failed to emit"):
        client(proxy.url, tmp_path / "sent", auth={"type": "api_key", "apiKey": "another-key-of-some-length"}).emit(next(run_events()))
    assert proxy.stored()[1] == []
    eventually(lambda: any('"status":403' in line for line in proxy.lines()), "the refusal is logged")


def test_a_time_without_zone_is_repaired_and_the_answer_says_so(serve):
    proxy = serve()
    naive = event("naive", eventTime="2026-11-20T21:06:27.826602")
    status, _, answer = post(f"{proxy.url}/api/v1/lineage", json.dumps(naive).encode())
    assert (status, json.loads(answer)["repaired"][0]["pointer"]) == (200, "/eventTime")
    assert proxy.stored_when(1) == [{**naive, "eventTime": "2026-11-20T21:06:27.826602Z"}]
