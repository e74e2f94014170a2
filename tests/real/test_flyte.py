"""Messages that Flyte's own package makes are what the tests of the crate read."""

import pathlib

import flyte_messages

FIXTURE = pathlib.Path(__file__).parents[2] / "crates/sources/tests/fixtures/flyte/flyteidl.jsonl"


def test_the_messages_that_are_read_are_those_that_the_package_of_flyte_makes():
    assert FIXTURE.read_text().splitlines() == list(flyte_messages.lines())
