"""Logs of real producers, and log groups of an independent implementation of CloudWatch Logs, read by `extract logs`.

What a producer prints is compared with what the same client wrote into a file beside it.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

import boto3
import pytest
from airflow import Airflow, lake
from parts import BIN, CREDENTIALS

PROJECT = pathlib.Path(__file__).parent / "dbt_project"
GROUP = "/aws-glue/jobs/error"


def extract(*arguments, input=None, **environment):
    """The events that are found, and the summary."""
    env = {"PATH": os.environ["PATH"], **CREDENTIALS, "AWS_EC2_METADATA_DISABLED": "true", **environment}
    command = [BIN / "lineage-proxy", "extract", "logs", *map(str, arguments)]
    done = subprocess.run(command, env=env, input=input, capture_output=True, text=True, timeout=120)
    assert done.returncode in (0, 1), done.stderr
    return done.stdout.splitlines(), done


def same(found, sent):
    """Whether these are the same events, each once."""
    order = lambda events: sorted(json.dumps(json.loads(event), sort_keys=True) for event in events)
    assert order(found) == order(sent)


def transports(sent):
    return {"type": "composite", "transports": {"console": {"type": "console"}, "file": {"type": "file", "log_file_path": str(sent), "append": True}}}


def test_every_event_that_dbt_prints_is_found(tmp_path):
    project, sent = tmp_path / "project", tmp_path / "sent"
    shutil.copytree(PROJECT, project)
    (project / "openlineage.yml").write_text(json.dumps({"transport": transports(sent)}))
    dbt = pathlib.Path(sys.executable).parent / "dbt-ol"
    env = {**os.environ, "PATH": f"{dbt.parent}:{os.environ['PATH']}", "OPENLINEAGE_NAMESPACE": "dbt", "DO_NOT_TRACK": "1"}
    done = subprocess.run([dbt, "build", "--profiles-dir", "."], cwd=project, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300)
    assert done.returncode == 0, done.stdout
    events = sent.read_text().splitlines()
    assert len(events) >= 8
    found, _ = extract("--input", "-", input=done.stdout)
    same(found, events)
    # As Docker's driver keeps it, and cut into pieces by it.
    pieces = [line[at : at + 1_000] for line in done.stdout.splitlines(keepends=True) for at in range(0, len(line), 1_000)]
    docker = tmp_path / "docker.log"
    docker.write_text("".join(json.dumps({"log": piece, "stream": "stdout", "time": "2026-05-15T06:00:00Z"}) + "\n" for piece in pieces))
    found, _ = extract("--input", docker)
    same(found, events)


@pytest.mark.skipif("PROXY_TEST_AIRFLOW" not in os.environ, reason="PROXY_TEST_AIRFLOW: the folder of a real Airflow's commands")
def test_every_event_that_airflow_prints_is_found(tmp_path, emulator):
    folder, sent = tmp_path / "airflow", tmp_path / "sent"
    folder.mkdir()
    lake(emulator)
    airflow = Airflow(folder, emulator, transports(sent))
    printed = airflow.run("warehouse")
    events = sent.read_text().splitlines()
    assert len(events) >= 20
    logs = sorted(str(path) for path in (folder / "logs").rglob("*.log"))
    inputs = [argument for log in logs for argument in ("--input", log)]
    found, _ = extract("--input", "-", *inputs, input=printed)
    same(found, events)


@pytest.fixture
def logs(emulator):
    """CloudWatch Logs of the emulator, with a log group."""
    client = boto3.client("logs", endpoint_url=emulator.url, region_name=CREDENTIALS["AWS_REGION"], aws_access_key_id="test", aws_secret_access_key="test")
    client.create_log_group(logGroupName=GROUP)
    return client


def event(number, **more):
    return json.dumps({"eventTime": "2026-05-15T06:00:00Z", "eventType": "START", "producer": "urn:p", "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent", "run": {"runId": f"018f3a5e-0000-7000-8000-{number:012}"}, "job": {"namespace": "n", "name": "j", **more}})


def test_a_log_group_yields_each_event_once_however_late_split_or_often_it_is_printed(logs, emulator, tmp_path):
    now = int(time.time() * 1_000) - 60_000
    line = lambda said: f"26/05/15 06:00:00 INFO ConsoleTransport: {said}"

    def put(stream, *messages, at=now):
        logs.put_log_events(logGroupName=GROUP, logStreamName=stream, logEvents=[{"timestamp": at + n, "message": message} for n, message in enumerate(messages)])

    for stream in ("driver", "executor"):
        logs.create_log_stream(logGroupName=GROUP, logStreamName=stream)
    large = event(2, facets={"documentation": {"_producer": "urn:p", "_schemaURL": "https://openlineage.io/spec/facets/1-0-0/DocumentationJobFacet.json", "description": "d" * 50_000}})
    pieces = [line(large)[at : at + 16_384] for at in range(0, len(line(large)), 16_384)]
    put("driver", "Running Spark version 3.3", line(event(1)), line(event(1)), *pieces, line(event(3)))
    put("executor", "Got assigned task 12 {\"stage\":3}")
    settings = ("--set", f"groups={GROUP}", "--set", "settle=0s", "--since", "1h")
    found, _ = extract(*settings, AWS_ENDPOINT_URL=emulator.url)
    same(found, [event(1), large, event(3)])
    # What comes late, and is older than what was read.
    put("executor", line(event(4)), line(event(1)), at=now - 600_000)
    found, _ = extract(*settings, AWS_ENDPOINT_URL=emulator.url)
    same(found, [event(number) for number in (4, 1, 3)] + [large])
    cut = line(event(5))[:230]  # with the phrase of the filter
    put("driver", cut, "26/05/15 06:00:01 INFO EventEmitter: another line", at=now + 1_000)
    found, done = extract(*settings, AWS_ENDPOINT_URL=emulator.url)
    assert len(found) == 4 and done.returncode == 1
    assert "truncated" in done.stderr and "stream driver" in done.stderr
