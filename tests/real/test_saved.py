"""What the AWS CLI prints, as the guides say to save it: it is read without a service, and comes to the same events."""

import json
import os
import pathlib
import re
import subprocess

from parts import BIN, CREDENTIALS, FIXTURES, crawlers, event
from stack import PACKAGING

ROOT = pathlib.Path(__file__).parents[2]


def script(guide, replaced):
    """The commands of a guide, with names of the fixtures in place of those of its example."""
    [text] = [fence for fence in re.findall(r"(?ms)^```sh\n(.*?)^```$", (ROOT / "docs/sources" / guide).read_text()) if "aws " in fence]
    for name, other in replaced.items():
        assert name in text, name
        text = text.replace(name, other)
    return text.replace("--dry-run", "--to found.jsonl")


def run(text, folder, url):
    """Runs commands with the AWS CLI and the proxy on the path. A status of 1 says that something could not be read."""
    # Version 1 of the CLI has an address of its own for SQS, whatever AWS_ENDPOINT_URL says.
    text = f'aws() {{ command aws --endpoint-url "$AWS_ENDPOINT_URL" "$@"; }}\n{text}'
    environment = {**CREDENTIALS, "PATH": f"{PACKAGING}:{BIN}:{os.environ['PATH']}", "HOME": str(folder), "AWS_ENDPOINT_URL": url, "AWS_DEFAULT_REGION": CREDENTIALS["AWS_REGION"]}
    done = subprocess.run(["bash", "-uo", "pipefail", "-c", text], cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found = folder / "found.jsonl"
    assert found.exists(), done.stdout + done.stderr
    return [json.loads(line) for line in found.read_text().splitlines()], done.stderr


def test_a_history_of_redshift_is_saved_by_the_commands_of_the_guide(tmp_path, stand_in):
    views = {}
    for file in sorted((FIXTURES / "redshift").glob("s*.json")):
        page = json.loads(file.read_text())
        view = views.setdefault(file.name.split(".")[0], page)
        if view is not page:
            view["Records"] += page["Records"]
    service = stand_in()
    service.set(redshift_views=views, redshift_page=7)
    text = script("redshift.md", {"analytics.111122223333": "corp-wg.111122223333"})
    events, errors = run(text, tmp_path, service.url)
    # The text of every statement and the columns of every table are there: no page is missing.
    assert len(events) > 20 and "NextToken" not in errors, errors
    columns = [output for found in events for output in found["outputs"] if "columnLineage" in output.get("facets", {})]
    assert len(columns) > 10
    assert {output["namespace"] for output in columns if output["name"].startswith("dev.")} == {"redshift://corp-wg.111122223333.eu-west-1.redshift-serverless.amazonaws.com:5439"}


def test_crawls_are_saved_by_the_commands_of_the_guide(tmp_path, stand_in):
    service = stand_in()
    service.set(crawlers=crawlers(page=50))
    names = {"--crawler-name sales": "--crawler-name shop-jdbc", "--database-name sales": "--database-name shop", "--name shop ": "--name shop-pg "}
    events, errors = run(script("glue-crawlers.md", names), tmp_path, service.url)
    jobs = {found["job"]["name"] for found in events}
    assert {"crawler/shop-jdbc", "crawler/shop-jdbc/shop.shop_public_customers"} <= jobs, (jobs, errors)


def test_messages_are_saved_by_the_commands_of_the_guide(tmp_path, emulator):
    import boto3

    sqs = boto3.Session("test", "test", region_name="eu-west-1").client("sqs", endpoint_url=emulator.url)
    queue = sqs.create_queue(QueueName="saved")["QueueUrl"]
    for n in range(5):
        sqs.send_message(QueueUrl=queue, MessageBody=json.dumps(event(f"job {n}", run=n)))
    text = f"QUEUE={queue}\n" + script("streams.md", {})
    events, errors = run(text, tmp_path, emulator.url)
    assert {found["job"]["name"] for found in events} <= {f"job {n}" for n in range(5)} and events, errors
