"""The SQL of Redshift, read by this product and by sqlglot: the same tables and columns, or a known difference."""

import json
import os
import pathlib
import subprocess

import pytest

from sql_statements import CATALOG, statements

HERE = pathlib.Path(__file__).parent
CASES = HERE.parents[1] / "crates/sources/src/redshift/sql/tests/cases.json"

# Made, of one seed. Each takes sqlglot 20 ms.
COUNT = 2000

# Cases that sqlglot reads otherwise, and why what we say is right.
DIFFERENT = {
    "append-from": "sqlglot keeps ALTER TABLE APPEND as text",
    "copy": "sqlglot has no lineage of COPY",
    "copy-manifest": "sqlglot has no lineage of COPY",
    "copy-job-create": "sqlglot has no lineage of COPY",
    "copy-job-alter": "sqlglot has no lineage of COPY",
    "copy-job-run": "sqlglot has no lineage of COPY",
    "copy-job-list": "sqlglot has no lineage of COPY",
    "copy-job-show": "sqlglot has no lineage of COPY",
    "copy-job-drop": "sqlglot has no lineage of COPY",
    "copy-into-a-table-named-job": "sqlglot has no lineage of COPY",
    "merge-remove-duplicates": "sqlglot does not know REMOVE DUPLICATES",
    "truncate": "no query",
    "unload": "sqlglot keeps UNLOAD as text",
    "unqualified": "sqlglot gets no search path, so it does not know the columns of the target",
}


@pytest.fixture(scope="module")
def sqlglot():
    python = os.environ.get("PROXY_TEST_SQLGLOT")
    if not python:
        pytest.skip("PROXY_TEST_SQLGLOT names no Python with sqlglot")

    def read(texts, catalog):
        lines = "".join(json.dumps({"sql": sql}) + "\n" for sql in texts)
        done = subprocess.run([python, HERE / "sql_oracle.py", json.dumps(catalog)], input=lines, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    return read


def ours(texts, catalog):
    binary = pathlib.Path(os.environ["PROXY_TEST_BIN_DIR"]) / "examples/sql_lineage"
    requests = [{"sql": sql} for sql in texts]
    requests[0]["catalog"] = catalog
    lines = "".join(json.dumps(request) + "\n" for request in requests)
    done = subprocess.run([binary], input=lines, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def difference(ours, theirs):
    """How two readings of a statement differ. Theirs tells no values from decisions, so that all columns count."""
    [ours] = ours
    if "error" in theirs:
        return theirs["error"]
    if ours["refused"]:
        return ours["refused"]
    if ours["outputs"] != [theirs["output"]]:
        return f"output: {ours['outputs']} {theirs['output']}"
    if sorted(ours["inputs"]) != theirs["inputs"]:
        return f"inputs: {ours['inputs']} {theirs['inputs']}"
    columns = {name: sorted({f"{table}.{column}" for table, column, *_ in sources}) for name, sources in ours["columns"].items()}
    if theirs["columns"] is not None and columns != theirs["columns"]:
        return f"columns: {columns} {theirs['columns']}"
    return None


def test_made_statements_come_to_the_same(sqlglot):
    texts = statements(COUNT)
    pairs = zip(texts, ours(texts, CATALOG), sqlglot(texts, CATALOG), strict=True)
    different = [(text, found) for text, mine, theirs in pairs if (found := difference(mine, theirs))]
    assert different == [], f"{len(different)} of {COUNT}"


def test_cases_come_to_the_same_or_are_known_to_differ(sqlglot):
    cases = json.loads(CASES.read_text())
    catalog = {name: columns for name, columns in cases["catalog"].items() if name.count(".") == 1}
    texts = [case["sql"] for case in cases["cases"]]
    found = zip(cases["cases"], ours(texts, cases["catalog"]), sqlglot(texts, catalog), strict=True)
    different = {case["key"]: why for case, mine, theirs in found if (why := difference(mine, theirs))}
    assert different.keys() == DIFFERENT.keys(), different
