"""A real dbt project on duckdb, run by `dbt-ol` with `serve` behind it."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

PROJECT = pathlib.Path(__file__).parent / "dbt_project"


def test_every_event_of_a_dbt_build_arrives_equal_and_once(serve, tmp_path):
    proxy = serve()
    project = tmp_path / "project"
    shutil.copytree(PROJECT, project)
    sent = tmp_path / "sent"
    transports = {"http": {"type": "http", "url": proxy.url}, "file": {"type": "file", "log_file_path": str(sent), "append": True}}
    (project / "openlineage.yml").write_text(json.dumps({"transport": {"type": "composite", "transports": transports}}))
    dbt = pathlib.Path(sys.executable).parent / "dbt-ol"
    env = {**os.environ, "PATH": f"{dbt.parent}:{os.environ['PATH']}", "OPENLINEAGE_NAMESPACE": "dbt", "DO_NOT_TRACK": "1"}
    done = subprocess.run([dbt, "build", "--profiles-dir", "."], cwd=project, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    events = [json.loads(line) for line in sent.read_text().splitlines()]
    assert len(events) >= 8, done.stdout
    stored = proxy.stored_when(len(events))
    order = lambda event: json.dumps(event, sort_keys=True)
    assert sorted(map(order, stored)) == sorted(map(order, events))
    assert {event["eventType"] for event in events} == {"START", "COMPLETE"}
