"""The real parts of a test: a proxy, the AWS stand-in, an emulator of AWS, each a process on a free port.

Every wait is bounded and ends as soon as what it waits for is there. On failure the end of a process's log is shown.
"""

import json
import os
import pathlib
import random
import re
import signal
import socket
import subprocess
import time
import urllib.request

import pytest

BIN = pathlib.Path(os.environ["PROXY_TEST_BIN_DIR"])
FIXTURES = pathlib.Path(__file__).parents[2] / "crates/sources/tests/fixtures"
PATIENCE = 120
CREDENTIALS = {"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}


def skip(test, need):
    """Skips a test for lack of a system facility, and says so in the report that tests/run.sh prints at its end."""
    line = f"SKIPPED: {test}: this machine has no {need}"
    report = os.environ.get("PROXY_TEST_SKIPPED")
    if report:
        with open(report, "a") as file:
            file.write(line + "\n")
    pytest.skip(line)


def eventually(look, what, patience=PATIENCE):
    """What `look` gives, once that is something. `what` is a text, or returns one of how things are when time is over."""
    deadline = time.monotonic() + patience
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline, f"not in time: {what() if callable(what) else what}"
        time.sleep(0.05)


def crawlers(page):
    """The crawlers of the fixture, as the stand-in has them, with so many items a page. As if the last crawl had begun a day
    ago: a source looks back a year at most."""
    there = {"crawlers": {}, "crawls": {}, "tables": {}, "connections": {}, "page": page}
    text = (FIXTURES / "crawler/answers.jsonl").read_text()
    seconds = re.compile(r'("[A-Z][A-Za-z]*(?:Time|Updated)":)(1\d{9})')
    moved = int(time.time()) - 24 * 3_600 - max(int(found[2]) for found in seconds.finditer(text))
    text = seconds.sub(lambda found: f"{found[1]}{int(found[2]) + moved}", text)
    for line in text.splitlines():
        answer = json.loads(line)
        for kind, named in (("Crawler", "crawlers"), ("Connection", "connections")):
            if kind in answer:
                there[named][answer[kind]["Name"]] = answer[kind]
        for crawl in answer.get("Crawls", []):
            there["crawls"].setdefault(crawl["LogStream"], []).append(crawl)
        for table in answer.get("TableList", []):
            there["tables"].setdefault(table["DatabaseName"], []).append(table)
    return there


def free_port():
    """A port that is free now. Below those that the system gives to others, so that it stays free until it is used."""
    while True:
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", port := random.randrange(20_000, 32_000)))
                return port
            except OSError:
                continue  # somebody's


def get(url, key=None):
    """The body of an answer, or None while nobody answers."""
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {key}"} if key else {})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.read()
    except OSError:
        return None


def post(url, body, headers=None):
    """Status, headers and body of the answer to a POST, refusals included."""
    headers = {"Content-Type": "application/json", **(headers or {})}
    request = urllib.request.Request(url, data=body, headers=headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as refusal:
        return refusal.code, dict(refusal.headers), refusal.read()


class Process:
    """A child process with its log in a file."""

    patience = 30  # seconds for a stop

    def __init__(self, log, command, env=None):
        self.log = log
        with open(log, "wb") as out:
            self.child = subprocess.Popen(command, env={**os.environ, **(env or {})}, stdout=out, stderr=subprocess.STDOUT)

    def lines(self):
        return self.log.read_text(errors="replace").splitlines()

    def tail(self):
        return "\n".join(self.lines()[-40:])

    def once(self, look, what):
        """What `look` gives, once that is something; not waited for when the process has ended."""

        def living():
            assert self.child.poll() is None, f"ended: {what}\n{self.tail()}"
            return look()

        return eventually(living, what)

    def stop(self):
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
            try:
                self.child.wait(self.patience)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()
        return self.child.returncode


class Serve(Process):
    """`lineage-proxy serve` with a data folder of its own."""

    def __init__(self, folder, key=None, config=None, **settings):
        self.key = key
        self.data_dir = folder / "data"
        settings = {"LISTEN": "127.0.0.1:0", "DATA_DIR": self.data_dir, "BATCH_WINDOW": "100ms", **settings}
        if key:
            settings["AUTH_KEYS"] = json.dumps({"test": {"key": key, "roles": ["send", "read"]}})
        env = {name if name.startswith("AWS_") else f"LINEAGE_PROXY_{name}": str(value) for name, value in settings.items()}
        command = [BIN / "lineage-proxy", "serve", *(["--config", config] if config else [])]
        super().__init__(folder / "serve.log", command, {**CREDENTIALS, **env})
        self.url = f"http://{self.once(self.address, 'the proxy listens')}"

    def address(self):
        for line in self.lines():
            fields = json.loads(line).get("fields", {}) if line.startswith("{") else {}
            if fields.get("message") == "lineage-proxy is listening":
                return fields["address"]
        return None

    def stored(self):
        """The texts of the stored events, as they stand in the answer, oldest first."""
        page = get(f"{self.url}/api/v1/events/lineage?limit=1000&sortDirection=asc", self.key)
        assert page is not None, self.tail()
        return page, json.loads(page)["events"]

    def stored_when(self, count):
        """The stored events, once there are `count`; and there must not be more."""
        events = eventually(lambda: (found := self.stored()[1]) and len(found) >= count and found, lambda: f"{count} events\n{self.tail()}")
        assert len(events) == count
        return events


class StandIn(Process):
    """DataZone and the Redshift look-ups."""

    def __init__(self, folder, *flags):
        super().__init__(folder / "stand-in.log", [BIN / "aws-stand-in", "--listen", "127.0.0.1:0", *flags])
        prefix = "listening on "
        self.url = self.once(lambda: [line.removeprefix(prefix) for line in self.lines() if line.startswith(prefix)], "the stand-in listens")[0]
        self.once(lambda: get(f"{self.url}/_stand-in/calls"), "the stand-in answers")

    def posts(self):
        """New events, in the order of their arrival."""
        return [post for post in json.loads(get(f"{self.url}/_stand-in/posts")) if not post["repeat"]]

    def set(self, **settings):
        status, _, body = post(f"{self.url}/_stand-in/settings", json.dumps(settings).encode())
        assert (status, body) == (200, b""), body

    def reset(self):
        post(f"{self.url}/_stand-in/reset", b"")


class Emulator(Process):
    """AWS (MiniStack). Secure: over TLS, with IAM evaluated; functions find everything at this address."""

    patience = 5  # it keeps nothing, and after a function was killed it would wait for good

    def __init__(self, folder, secure=False, env=None):
        port = free_port()
        self.url = f"{'https://localhost' if secure else 'http://127.0.0.1'}:{port}"
        settings = {"GATEWAY_PORT": port, "BIND_HOST": "127.0.0.1", "LAMBDA_EXECUTOR": "local", "SFTP_ENABLED": 0, "IOT_MTLS_ENABLED": 0}
        # What it unpacks and keeps goes when the folder goes: each version of a function is some 50 MB.
        for place in ("TMPDIR", "STATE_DIR", "S3_DATA_DIR"):
            settings[place] = folder / "emulator" / place.lower()
            settings[place].mkdir(parents=True, exist_ok=True)
        env = {**CREDENTIALS, **(env or {}), **{name: str(value) for name, value in settings.items()}}
        python = pathlib.Path(os.environ["PROXY_TEST_EMULATOR"]).with_name("python")
        command = [python, pathlib.Path(__file__).with_name("emulator.py"), folder]
        if secure:
            self.trust = {name: str(folder / "ca.pem") for name in ("SSL_CERT_FILE", "AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE")}
            os.environ |= self.trust  # for the clients in this process; other tests use no TLS
            # By address: the SDK would look for a bucket at a host of its own.
            self.endpoints = {"AWS_ENDPOINT_URL": self.url, "AWS_ENDPOINT_URL_S3": f"https://127.0.0.1:{port}"}
            env |= {"AUTH": "true", "USE_SSL": "1", **self.endpoints, **self.trust}
        super().__init__(folder / "emulator.log", command, env)
        self.once(lambda: get(f"{self.url}/_ministack/health"), "the emulator answers")


def event(name, event_type="COMPLETE", run=1, second=0, **more):
    """A RunEvent."""
    return {
        "eventTime": f"2026-11-20T10:00:{second:02}Z",
        "producer": "https://example.com/tests",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "eventType": event_type,
        "run": {"runId": f"01a1faa6-e194-708b-a993-{run:012x}"},
        "job": {"namespace": "real", "name": name},
        **more,
    }
