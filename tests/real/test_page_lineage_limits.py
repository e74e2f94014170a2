"""The lineage screen at its limits: what takes too long, and what is not among what is drawn. As text: nothing is clicked."""

import json
import sqlite3
import urllib.error
import urllib.parse
import urllib.request

from parts import event, eventually, post

DB = "postgres://db.example.com:5432"


def step(number, kind="COMPLETE"):
    """A job that makes a table of the one before it."""
    table = lambda n: {"namespace": DB, "name": f"t{n}"}
    return event(f"job{number}", kind, run=number, second=number, inputs=[table(number - 1)], outputs=[table(number)])


def send(proxy, *events):
    for each in events:
        assert post(f"{proxy.url}/api/v1/lineage", json.dumps(each).encode())[0] == 200


def page(proxy, **address):
    """The screen; nothing if the chosen node is not known."""
    request = urllib.request.Request(f"{proxy.url}/lineage?{urllib.parse.urlencode(address)}", headers={"Accept": "text/html"})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.read().decode()
    except urllib.error.HTTPError as error:
        assert error.code == 404
        return ""


def failed_before(text):
    """The names below this heading."""
    _, found, rest = text.partition("failed before it")
    rest = rest.partition("</ul>")[0]
    return sorted(name for name in (f"job{n}" for n in range(1, 20)) if f">{name}<" in rest) if found else []


def test_what_failed_far_before_is_left_out_if_it_takes_too_long(serve):
    proxy = serve()
    send(proxy, *(step(n, "FAIL" if n in (1, 7) else "COMPLETE") for n in range(1, 9)))
    chosen = {"dataset": "t8", "namespace": DB}
    found = eventually(lambda: len(names := failed_before(page(proxy, **chosen))) == 2 and names, "two jobs that failed")
    assert found == ["job1", "job7"]
    # From now on it takes forever to read what is far before it.
    with sqlite3.connect(proxy.data_dir / "history.db") as history:
        far = history.execute("SELECT node FROM nodes WHERE is_job AND name = 'job2'").fetchone()[0]
        history.executescript(
            f"""
            ALTER TABLE edges RENAME TO all_edges;
            CREATE VIEW edges AS SELECT * FROM all_edges WHERE job <> {far} OR
                (WITH RECURSIVE forever(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM forever) SELECT count(*) FROM forever) > 0;
            """
        )
    text = page(proxy, **chosen)
    assert failed_before(text) == ["job7"], "of what is near"
    assert "t7" in text


def test_a_node_that_is_not_among_what_is_drawn_is_said_to_be_missing(serve):
    proxy = serve()
    send(proxy, step(1))
    chosen = {"job": "job2", "namespace": "real", "all": 1}
    note = "The chosen one is not among the nodes that are drawn."

    def is_missing():
        # What is drawn of all is kept for some seconds. What is known of one is not.
        drawn = page(proxy, all=1)
        assert "t1" in drawn and note not in drawn
        send(proxy, step(2))
        return note in eventually(lambda: page(proxy, **chosen), "the job is known")

    eventually(lambda: "t1" in page(proxy, all=1), "the first job is drawn")
    assert is_missing()
    eventually(lambda: note not in page(proxy, **chosen), "it is drawn")
    near = page(proxy, job="job2", namespace="real")
    assert note not in near and "t2" in near
