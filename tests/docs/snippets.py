"""The fenced snippets of the documentation, and how each kind is checked.

The info string of a fence names the language, and after it what the snippet is: `yaml rules` is a rules file,
`sh run` is run, `sh serve` beside a proxy. A snippet of a kind that CHECKS does not know fails the tests.
"""

import contextlib
import dataclasses
import json
import os
import pathlib
import re
import shutil
import subprocess

import yaml

ROOT = pathlib.Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("docs/sources/*.md"), *ROOT.glob("examples/*/README.md")])
BINARY = pathlib.Path(os.environ.get("PROXY_TEST_BIN_DIR", ROOT / "target" / "debug")) / "lineage-proxy"
FENCE = re.compile(r"(?m)^ *```([^\n]*)\n(.*?)^ *```$", re.DOTALL)
EVENT = (
    '{"eventType": "START", "eventTime": "2026-05-01T10:00:00Z", "run": {"runId": "018f3a5e-0000-7000-8000-000000000001"}, '
    '"job": {"namespace": "shop", "name": "load"}, "producer": "https://example.com/etl", '
    '"schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"}\n'
)


@dataclasses.dataclass
class Snippet:
    """A fenced block: where it begins, what it is, its text."""

    page: pathlib.Path
    line: int
    kind: str
    text: str

    def __str__(self):
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def of(page):
    """The snippets of a page."""
    text = page.read_text()
    for fence in FENCE.finditer(text):
        yield Snippet(page, text.count("\n", 0, fence.start()) + 1, fence[1].strip(), fence[2])


def prose(page):
    """A page without its snippets."""
    return FENCE.sub("", page.read_text())


def succeeds(*command, **options):
    """Runs a command that has to end with 0; returns what it printed."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, **options)
    assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def environment(folder):
    """What a user's shell has: the binary on its path, nothing of the proxy set, no AWS."""
    path = f"{BINARY.parent}:{os.environ['PATH']}"
    return {"PATH": path, "HOME": str(folder), "AWS_EC2_METADATA_DISABLED": "true", "NO_COLOR": "1"}


def prepare(folder):
    """The files that snippets name."""
    shutil.copy(ROOT / "examples" / "transforms.yaml", folder)
    (folder / "events.json").write_text(EVENT)
    (folder / "events.jsonl").write_text(EVENT)
    (folder / "archive").mkdir()
    (folder / "archive" / "may.jsonl").write_text(EVENT)
    (folder / "proxy.yaml").write_text("listen: 127.0.0.1:5000\nrules: {file: transforms.yaml}\n")


def parses(snippet, folder):
    """A shell script: parsed, not run."""
    succeeds("bash", "-n", "-c", snippet.text)


def runs(snippet, folder):
    """A shell script that is run in a folder with the files that snippets name."""
    prepare(folder)
    succeeds("bash", "-euo", "pipefail", "-c", snippet.text, cwd=folder, env=environment(folder))


@contextlib.contextmanager
def serving(folder):
    """A proxy that serves from a folder, on a free port: its address."""
    command = [BINARY, "serve", "--listen", "127.0.0.1:0", "--data-dir", "lineage-data"]
    with subprocess.Popen(command, cwd=folder, env=environment(folder), stderr=subprocess.PIPE, text=True) as serve:
        try:
            lines = (json.loads(line)["fields"] for line in serve.stderr)
            yield next(line["address"] for line in lines if line["message"] == "lineage-proxy is listening")
        finally:
            serve.terminate()


def runs_beside_serve(snippet, folder):
    """A shell script that is run while a proxy serves, which has received an event."""
    prepare(folder)
    with serving(folder) as address:
        succeeds(BINARY, "send", "events.jsonl", "--url", f"http://{address}", cwd=folder, env=environment(folder))
        script = snippet.text.replace("127.0.0.1:5000", address)
        succeeds("bash", "-euo", "pipefail", "-c", script, cwd=folder, env=environment(folder))


def is_rules(snippet, folder):
    """A rules file: read as `serve` reads it, and its examples run."""
    file = folder / "rules.yaml"
    file.write_text(snippet.text)
    succeeds(BINARY, "transform", "check", "--rules", file, env=environment(folder))
    if re.search(r"(?m)^ +- given:", snippet.text):
        succeeds(BINARY, "transform", "test", "--rules", file, env=environment(folder))


def is_script(snippet, folder):
    """A script of a rule: compiled."""
    script = folder / "snippet.rhai"
    script.write_text(snippet.text)
    rules = folder / "rules.yaml"
    rules.write_text("rules: [{name: snippet, when: {kind: run}, script: {file: snippet.rhai}}]\n")
    succeeds(BINARY, "transform", "check", "--rules", rules, env=environment(folder))


def is_config(snippet, folder):
    """A configuration file: checked as `serve` would before a start."""
    prepare(folder)
    file = folder / "snippet.yaml"
    file.write_text(snippet.text)
    variables = {**environment(folder), "AWS_REGION": "eu-west-1"}
    succeeds(BINARY, "config", "check", "--config", file, cwd=folder, env=variables)


def is_yaml(snippet, folder):
    """YAML of other programs."""
    assert yaml.safe_load(snippet.text)


def is_prometheus(snippet, folder):
    """The configuration of Prometheus; `promtool` reads it where there is one."""
    settings = yaml.safe_load(snippet.text)
    assert set(settings) == {"scrape_configs"}
    assert all({"job_name", "static_configs"} <= set(job) for job in settings["scrape_configs"])
    if promtool := shutil.which("promtool"):
        (folder / "prometheus.yml").write_text(snippet.text)
        succeeds(promtool, "check", "config", "--syntax-only", folder / "prometheus.yml")


def is_alerts(snippet, folder):
    """Alerting rules of Prometheus: each metric exists; `promtool` reads the expressions where there is one."""
    metrics = set(re.findall(r"(?m)^\| `(lineage_proxy_\w+)`", (ROOT / "docs" / "operate.md").read_text()))
    for group in yaml.safe_load(snippet.text)["groups"]:
        for rule in group["rules"]:
            assert {"alert", "expr", "annotations"} <= set(rule), rule
            for name in re.findall(r"lineage_proxy_\w+", rule["expr"]):
                assert name in metrics or re.sub("_(sum|count|bucket)$", "", name) in metrics, name
    if promtool := shutil.which("promtool"):
        (folder / "rules.yml").write_text(snippet.text)
        succeeds(promtool, "check", "rules", folder / "rules.yml")


def is_json(snippet, folder):
    """JSON."""
    json.loads(snippet.text)


def is_sql(snippet, folder):
    """SQL of query engines: whole statements, with quotes and brackets in pairs."""
    text = snippet.text.strip()
    assert text.endswith(";") and text.count("'") % 2 == 0 and text.count("(") == text.count(")"), text


def is_unit(snippet, folder):
    """A unit of systemd; `systemd-analyze` reads it where there is one."""
    sections = re.findall(r"(?m)^\[(\w+)\]$", snippet.text)
    assert sections == ["Unit", "Service", "Install"], sections
    lines = [line for line in snippet.text.splitlines() if line and line[0] not in "#["]
    assert all(re.match(r"[A-Z]\w+=", line) for line in lines), lines
    if analyze := shutil.which("systemd-analyze"):
        # The binary and the user are not on this machine: what is read is the unit.
        unit = folder / "lineage-proxy.service"
        unit.write_text(re.sub(r"(?m)^ExecStart=\S+", f"ExecStart={BINARY}", snippet.text))
        said = subprocess.run([analyze, "verify", "--man=no", unit], capture_output=True, text=True, timeout=60).stderr
        ours = [line for line in said.splitlines() if "lineage-proxy.service" in line]
        assert not ours, ours


def is_nginx(snippet, folder):
    """A `server` of nginx; `nginx -t` reads it where there is one."""
    assert snippet.text.count("{") == snippet.text.count("}")
    if nginx := shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin"):
        succeeds("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=lineage",
                 "-keyout", folder / "key.pem", "-out", folder / "cert.pem")
        server = re.sub(r"(ssl_certificate )\S+;", rf"\1{folder}/cert.pem;", snippet.text)
        server = re.sub(r"(ssl_certificate_key )\S+;", rf"\1{folder}/key.pem;", server)
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        temporary = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
        config = folder / "nginx.conf"
        config.write_text(f"pid {folder}/pid;\nerror_log stderr;\nevents {{}}\nhttp {{\naccess_log off;\n{temporary}{server}}}\n")
        succeeds(nginx, "-t", "-c", config)


def is_caddyfile(snippet, folder):
    """A Caddyfile; `caddy` reads it where there is one."""
    assert snippet.text.count("{") == snippet.text.count("}")
    if caddy := shutil.which("caddy"):
        (folder / "Caddyfile").write_text(snippet.text)
        succeeds(caddy, "adapt", "--config", folder / "Caddyfile", "--adapter", "caddyfile")


def is_logrotate(snippet, folder):
    """A configuration of logrotate, which reads it where there is one."""
    assert snippet.text.count("{") == snippet.text.count("}")
    if logrotate := shutil.which("logrotate", path=f"{os.environ['PATH']}:/usr/sbin"):
        file = folder / "logrotate.conf"
        # The folder and the user are not on this machine.
        text = snippet.text.replace("/var/lib/lineage/", f"{folder}/")
        file.write_text(re.sub(r"(?m)^( +create \d+) .*$", r"\1", text))
        file.chmod(0o644)
        (folder / "events.jsonl").touch()
        succeeds(logrotate, "--debug", "--state", folder / "state", file)


def is_plain(snippet, folder):
    """A drawing, a formula or output: nothing to check."""


CHECKS = {
    "sh": parses,
    "sh run": runs,
    "sh serve": runs_beside_serve,
    "yaml": is_yaml,
    "yaml rules": is_rules,
    "yaml config": is_config,
    "yaml prometheus": is_prometheus,
    "yaml alerts": is_alerts,
    "json": is_json,
    "rhai": is_script,
    "ini unit": is_unit,
    "nginx": is_nginx,
    "caddyfile": is_caddyfile,
    "logrotate": is_logrotate,
    "sql": is_sql,
    "text": is_plain,
}
