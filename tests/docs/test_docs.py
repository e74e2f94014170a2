"""The documentation against the code: each snippet is run or parsed, each link leads somewhere, each command is named."""

import json
import re
import urllib.error
import urllib.request

import pytest

import snippets
from snippets import BINARY, PAGES, ROOT, prose, succeeds

HEADERS = {"content-type": "application/json"}
SNIPPETS = [snippet for page in PAGES for snippet in snippets.of(page)]


@pytest.mark.parametrize("snippet", SNIPPETS, ids=str)
def test_each_snippet_is_valid(snippet, tmp_path):
    assert snippet.kind in snippets.CHECKS, f"{snippet}: no check for snippets of the kind {snippet.kind!r}"
    snippets.CHECKS[snippet.kind](snippet, tmp_path)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_link_leads_to_a_file_and_a_heading(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"https?://", target):
            continue
        file, _, anchor = target.partition("#")
        file = (page.parent / file).resolve() if file else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


def anchors(page):
    """The anchors that a host of the repository makes of the headings of a page."""
    headings = re.findall(r"(?m)^#+ (.*)$", prose(page))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_path_of_the_repository_that_is_named_exists(page):
    for path in re.findall(r"`((?:crates|docs|examples|infra|tests|benches)/[^`\s]*)`", page.read_text()):
        assert list(ROOT.glob(path.rstrip("/"))), path


def names_of_tests():
    """Functions and modules of all tests: what the promises refer to."""
    names = set()
    for file in [*ROOT.glob("crates/**/*.rs"), *ROOT.glob("tests/**/*.rs"), *ROOT.glob("tests/**/*.py")]:
        names |= {file.stem, file.parent.name} | set(re.findall(r"(?m)^\s*(?:async )?(?:fn|def|mod) (\w+)", file.read_text()))
    return names | {path.name for path in ROOT.glob("crates/*")}


def test_each_promise_names_a_test_that_exists():
    names = names_of_tests()
    rows = re.findall(r"(?m)^\| [^|]+ \| ([^|]+) \|$", (ROOT / "SECURITY.md").read_text())
    references = [reference for row in rows for reference in re.findall(r"`([^`]+)`", row)]
    assert len(references) > 50
    for reference in references:
        if re.search(r"[/ ]", reference) or re.match(r"(\d+|log: \w+|info|subtle)$", reference):
            continue  # paths are checked above; commands; values
        for part in reference.split("::"):
            pattern = re.compile(part.replace("*", r"\w*"))
            assert any(pattern.fullmatch(name) for name in names), reference


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


def test_each_page_is_linked_from_the_readme():
    readme = (ROOT / "README.md").read_text()
    for page in PAGES:
        if page.parent.name != "docs" and page.parent != ROOT:
            continue
        if page.name != "README.md":
            assert f"]({page.relative_to(ROOT)})" in readme, page


def commands(*of):
    """The commands that the help of a command lists."""
    listed = succeeds(BINARY, *of, "--help").partition("\nCommands:\n")[2].partition("\n\n")[0]
    return [name for name in re.findall(r"(?m)^  (\S+)", listed) if name != "help"]


def test_each_command_is_documented():
    page = (ROOT / "docs" / "command-line.md").read_text()
    for command in commands():
        assert f"`{command}" in page, command
        for inner in commands(command):
            assert re.search(rf"`{command} (?:[\w-]+ \\\| )*{inner}\b|\b{command} {inner}\b", page), (command, inner)


def test_each_exit_status_is_documented():
    page = (ROOT / "docs" / "command-line.md").read_text().partition("## Exit status")[2].partition("\n## ")[0]
    help = succeeds(BINARY, "--help").partition("Exit status:")[2]
    assert re.findall(r"(?m)^\| (\d+) \|", page) == re.findall(r"(?m)^ *(\d+)  ", help)


def members(schema, wanted):
    """The members of the object in a JSON Schema that has a member `wanted`, alternatives included."""
    for definition in schema["$defs"].values():
        parts = [definition, *(part for key in ("oneOf", "anyOf", "allOf") for part in definition.get(key, []))]
        names = {name for part in parts for name in part.get("properties", {})}
        if wanted in names:
            return names
    raise KeyError(wanted)


def test_each_condition_and_action_of_rules_is_documented():
    page = (ROOT / "docs" / "rules.md").read_text()
    schema = json.loads(succeeds(BINARY, "transform", "schema"))
    for title, names in {
        "Conditions": members(schema, "larger_than"),
        "Actions": members(schema, "rename") - {"name", "description", "when", "on_failure", "examples"},
    }.items():
        table = page.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
        first = {name for row in re.findall(r"(?m)^\| ([^|]+) \|", table) for name in re.findall(r"`(\w+)`", row)}
        assert first == names


def test_each_documented_route_is_there(tmp_path):
    page = (ROOT / "docs" / "http.md").read_text()
    routes = re.findall(r"`(GET|POST) (/[^`?]*)", page.partition("\n## ")[0])
    assert len(routes) >= 7
    with snippets.serving(tmp_path) as address:
        for method, path in routes:
            body = b"no event" if method == "POST" else None
            request = urllib.request.Request(f"http://{address}{path}", body, HEADERS, method=method)
            try:
                status = urllib.request.urlopen(request, timeout=10).status
            except urllib.error.HTTPError as error:
                status = error.code
            # What is posted is not an event: 400, but 200 with findings where it is only checked.
            assert status in ((200, 400) if body else (200,)), (method, path)


def test_each_documented_log_message_is_logged():
    table = (ROOT / "docs" / "operate.md").read_text().partition("| message |")[2].partition("\n\n")[0]
    messages = [message for row in table.splitlines() for message in re.findall(r"`([^`]+)`", row.split("|")[1])]
    assert len(messages) > 8
    sources = "".join(file.read_text() for file in ROOT.glob("crates/*/src/**/*.rs"))
    for message in messages:
        assert f'"{message}"' in sources, message


@pytest.mark.parametrize("shell", ["bash", "elvish", "fish", "powershell", "zsh"])
def test_completions_are_printed_for_each_shell(shell, tmp_path):
    script = succeeds(BINARY, "completions", shell)
    assert "dead-letters" in script
    if shell == "bash":
        (tmp_path / "lineage-proxy.bash").write_text(script)
        succeeds("bash", "-n", tmp_path / "lineage-proxy.bash")


def test_there_is_a_manual_page_for_each_command(tmp_path):
    succeeds(BINARY, "man", tmp_path)
    expected = {"lineage-proxy.1"}
    for command in commands():
        expected.add(f"lineage-proxy-{command}.1")
        expected.update(f"lineage-proxy-{command}-{inner}.1" for inner in commands(command))
    assert {page.name for page in tmp_path.iterdir()} == expected
    assert (tmp_path / "lineage-proxy.1").read_text() == succeeds(BINARY, "man")
    for page in tmp_path.iterdir():
        if groff := snippets.shutil.which("groff"):
            # -z: no output; what is wrong with a page is written to standard error.
            done = snippets.subprocess.run([groff, "-man", "-ww", "-z", page], capture_output=True, text=True)
            assert (done.returncode, done.stderr) == (0, ""), page


def test_what_is_assumed_of_aws_names_the_page_that_says_so():
    """Or that none does: what no emulator can show has to be found again when AWS changes it."""
    section = (ROOT / "docs/aws.md").read_text().split("## Assumed of AWS, not testable here\n")[1].split("\n## ")[0]
    rows = [row for row in section.splitlines() if row.startswith("|")][2:]
    assert len(rows) >= 15
    for row in rows:
        *_, page, _ = row.split("|")
        assert "](https://docs.aws.amazon.com/" in page or page.strip().startswith("none"), row
