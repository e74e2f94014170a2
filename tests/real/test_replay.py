"""`lineage-proxy replay` of an archive in S3 that `serve` has written."""

import json
import os
import subprocess

import boto3
from parts import BIN, CREDENTIALS, Serve, event, eventually, post


def test_an_archive_in_s3_is_replayed_once(serve, emulator, tmp_path, started):
    s3 = boto3.Session("test", "test", region_name="eu-west-1").client("s3", endpoint_url=emulator.url)
    s3.create_bucket(Bucket="my-archive", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    endpoint = {"AWS_ENDPOINT_URL_S3": emulator.url}
    archiving = serve(TARGET="archive", ARCHIVE_LOCATION="s3://my-archive/lineage", **endpoint)
    for n in range(30):
        assert post(f"{archiving.url}/api/v1/lineage", json.dumps(event(f"job {n}", run=n)).encode())[0] == 200
    delivered = lambda: sum('"delivered"' in line for line in archiving.lines()) == 30
    eventually(delivered, "all events are in the archive")
    assert len(s3.list_objects_v2(Bucket="my-archive")["Contents"]) > 1

    (tmp_path / "other").mkdir()
    started.append(Serve(tmp_path / "other"))
    url = started[-1].url
    replay = lambda *more: json.loads(
        subprocess.run(
            [BIN / "lineage-proxy", "replay", "s3://my-archive/lineage/", "--url", url, "--output", "json", *more],
            env={**os.environ, **CREDENTIALS, **endpoint}, capture_output=True, text=True, check=True,
        ).stdout
    )
    assert replay("--since", "1h", "--job", "job 1*")["sent"] == 11
    report = replay("--where", "{not: {job: {name: job 1*}}}", "--state", str(tmp_path / "state.json"))
    assert (report["read"], report["filtered"], report["sent"]) == (30, 11, 19)
    assert {stored["job"]["name"] for stored in started[-1].stored_when(30)} == {f"job {n}" for n in range(30)}
    assert not (tmp_path / "state.json").exists()
