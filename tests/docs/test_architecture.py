"""The table of crates in docs/architecture.md: what each crate must not depend on."""

import os
import re
import subprocess
import tomllib

import pytest

from snippets import ROOT

TABLE = re.findall(r"(?m)^\| `crates/(\w+)` \| .+ \|(.*)\|$", (ROOT / "docs/architecture.md").read_text())
CRATES = [name for name, _ in TABLE]

# What a word of the table forbids: dependencies, and what the sources may not contain.
DEPENDENCIES = {
    "tokio": r"tokio.*|hyper.*|reqwest|axum",
    "AWS": r"aws.*",
    "Lambda": r"lambda.*|aws_lambda_events|functions",
    "events": "openlineage",
    "rules": "transform",
    "targets": "targets",
    "the queue": "queue",
    "the proxy": "proxy",
}
CALLS = {
    "environment": r"std::env\b|\benv::",
    "files": r"std::fs\b|\bfs::|File::",
}
# What the clippy.toml of a crate without a clock disallows, so that Clippy finds the calls.
CLOCKS = {
    *(f"std::time::{clock}::{call}" for clock in ("Instant", "SystemTime") for call in ("now", "elapsed")),
    *("time::OffsetDateTime::now_utc", "time::OffsetDateTime::now_local", "time::UtcDateTime::now"),
    *(f"uuid::Uuid::now_v{version}" for version in (1, 6, 7)),
}

# What exempts code from that: an attribute that names the lint, or a group that it is in.
EXEMPTIONS = r"#!?\[[^\]]*\b(?:allow|expect)\([^\]]*\b(?:clippy::(?:all|style|disallowed_methods)|warnings)\b"


def dependencies(crate):
    return tomllib.loads((ROOT / "crates" / crate / "Cargo.toml").read_text())["dependencies"]


def sources(crate):
    """The code of a crate, without its tests and comments."""
    for file in (ROOT / "crates" / crate / "src").rglob("*.rs"):
        if "tests" in file.relative_to(ROOT).parts or file.stem == "tests":
            continue
        code, _, _ = file.read_text().partition("#[cfg(test)]\nmod tests {")
        yield file, re.sub(r"//.*", "", code)


def disallowed(crate):
    """The functions that its own clippy.toml lets nobody call, which have to be those of the root and more."""
    methods = [tomllib.loads((ROOT / folder / "clippy.toml").read_text())["disallowed-methods"] for folder in (".", f"crates/{crate}")]
    everywhere, here = ({method["path"] for method in listed} for listed in methods)
    assert everywhere <= here
    return here


def found(pattern, crate):
    """Where it is in the code."""
    return [f"{file}: {match.group()}" for file, code in sources(crate) for match in re.finditer(pattern, code)]


def forbidden(crate, word):
    """What breaks the rule."""
    if word == "everything above":
        return dependencies(crate).keys() & set(CRATES[: CRATES.index(crate)])
    if word == "clock":
        return [*CLOCKS - disallowed(crate), *found(EXEMPTIONS, crate)]
    if word in DEPENDENCIES:
        return [name for name in dependencies(crate) if re.fullmatch(DEPENDENCIES[word], name)]
    return found(CALLS[word], crate)


@pytest.mark.parametrize(
    ("crate", "word"), [(crate, word) for crate, words in TABLE for word in words.strip().split(", ") if word]
)
def test_a_crate_does_not_depend_on_what_it_must_not(crate, word):
    assert not list(forbidden(crate, word))


def test_the_table_has_every_crate():
    assert sorted(CRATES) == sorted(path.parent.name for path in ROOT.glob("crates/*/Cargo.toml"))


def test_the_command_line_is_built_of_at_most_294_crates_of_others():
    """Each is somebody's code that can break, and time in the first build. Our own are no reason to put theirs in one file."""
    tree = ["cargo", "tree", "--locked", "-p", "lineage-proxy", "-e", "normal", "--prefix", "none", "--no-dedupe"]
    # With the features that this package asks for, whatever cargo is set to unify.
    alone = {**os.environ, "CARGO_RESOLVER_FEATURE_UNIFICATION": "selected"}
    listed = subprocess.run(tree, cwd=ROOT, env=alone, capture_output=True, text=True, check=True)
    crates = {line for line in listed.stdout.splitlines() if str(ROOT) not in line}
    assert 200 < len(crates) <= 294, "see who brings a crate: cargo tree -p lineage-proxy -e normal -i CRATE"
