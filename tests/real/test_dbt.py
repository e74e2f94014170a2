"""A real dbt project on duckdb, run by `dbt-ol` with `serve` behind it."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

from parts import Serve, post

PROJECT = pathlib.Path(__file__).parent / "dbt_project"


@pytest.fixture(scope="module")
def sent(tmp_path_factory):
    """The bodies of a build, as dbt's client wrote them, and the events that a plain proxy stored."""
    folder = tmp_path_factory.mktemp("dbt")
    proxy = Serve(folder)
    try:
        project, sent = folder / "project", folder / "sent"
        shutil.copytree(PROJECT, project)
        transports = {"http": {"type": "http", "url": proxy.url}, "file": {"type": "file", "log_file_path": str(sent), "append": True}}
        (project / "openlineage.yml").write_text(json.dumps({"transport": {"type": "composite", "transports": transports}}))
        dbt = pathlib.Path(sys.executable).parent / "dbt-ol"
        env = {**os.environ, "PATH": f"{dbt.parent}:{os.environ['PATH']}", "OPENLINEAGE_NAMESPACE": "dbt", "DO_NOT_TRACK": "1"}
        done = subprocess.run([dbt, "build", "--profiles-dir", "."], cwd=project, env=env, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
        bodies = sent.read_text().splitlines()
        assert len(bodies) >= 8, done.stdout
        return bodies, proxy.stored_when(len(bodies))
    finally:
        proxy.stop()


def test_every_event_of_a_dbt_build_arrives_equal_and_once(sent):
    bodies, stored = sent
    events = [json.loads(body) for body in bodies]
    order = lambda event: json.dumps(event, sort_keys=True)
    assert sorted(map(order, stored)) == sorted(map(order, events))
    assert {event["eventType"] for event in events} == {"START", "COMPLETE"}


def test_rules_move_a_dbt_project_and_make_one_event_of_each_run(sent, serve, tmp_path):
    bodies, stored = sent
    old = {dataset["namespace"] for event in stored for side in ("inputs", "outputs") for dataset in event.get(side, [])}
    assert len(old) == 1, "one database"
    [database] = old
    rules = [
        {"name": "warehouse", "rename": {"namespace": {"map": {database: "awsathena://athena.eu-west-1.amazonaws.com"}}}},
        {"name": "jobs", "rename": {"of": "job", "only": {"namespace": "dbt"}, "namespace": "analytics"}},
        {"name": "literals", "redact": {"sql_literals": True}},
        {"name": "team", "add": {"tags": {"team": "analytics"}}},
    ]
    file = tmp_path / "transforms.yaml"
    file.write_text(json.dumps({"rules": rules, "coalesce": {"keep_start": False, "window": "20s"}}))
    proxy = serve(RULES_FILE=file)
    for body in bodies:
        status, _, answer = post(f"{proxy.url}/api/v1/lineage", body.encode())
        assert status == 200, answer
    runs = {json.loads(body)["run"]["runId"] for body in bodies}
    events = proxy.stored_when(len(runs))
    assert {event["eventType"] for event in events} == {"COMPLETE"}
    text = proxy.stored()[0].decode()
    assert f'"namespace": "{database}"' not in text and '"namespace": "dbt"' not in text
    assert {event["job"]["namespace"] for event in events} == {"analytics"}
    parents = [event["run"]["facets"]["parent"]["job"]["namespace"] for event in events if "parent" in event["run"]["facets"]]
    assert parents and set(parents) == {"analytics"}
    # Nothing of meaning is lost: what any event of a run read or wrote, the one that is left does.
    union = lambda events, side: {(event["run"]["runId"], dataset["name"]) for event in events for dataset in event.get(side, [])}
    for side in ("inputs", "outputs"):
        assert union(events, side) == union(stored, side)
