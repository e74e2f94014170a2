"""The batch function, by what it is given: rubbish in the queue, foreign messages, what is no SQS event at all."""

import base64
import collections
import gzip
import json

from parts import event
from reliability import FULL, POINTER, exactly_once, failures, handed, invoked, measured, size, unique
from sandbox import record

# ------------------------------------------------------- what is in the queue


def pad(text, bytes):
    return text + "x" * (bytes - len(text))


GOOD = json.dumps(event("attributes", run=90_000))
TEXT = lambda value: {"DataType": "String", "StringValue": value}
RUBBISH = {
    "an array": "[1, 2]",
    "a text": '"text"',
    "nothing": "null",
    "blank": " ",
    "no JSON": '{"eventType":',
    "XML": "<event/>",
    "gzip": base64.b64encode(gzip.compress(GOOD.encode())).decode(),
    "UTF-16": GOOD.encode("utf-16-le").decode("latin-1").replace("\0", "\u0100"),
    "not a number": GOOD.replace('"real"', "NaN"),
    "half a character": GOOD.replace('"real"', '"\\ud800"'),
    "a depth of 50,000": "[" * 50_000 + "]" * 50_000,
    "an envelope": json.dumps({"Type": "Notification", "Message": GOOD}),
    "an array of events": f"[{GOOD}]",
    "of no kind": json.dumps({"eventTime": "2026-11-20T10:00:00Z", "producer": "urn:p", "schemaURL": "urn:s"}),
    "as large as can be": pad("[", 1_048_576),
    "nearly as large": pad('{"eventType": "', 1_047_900),
}
FOREIGN = {
    "of other types": {"n": {"DataType": "Number.int", "StringValue": "7"}, "b": {"DataType": "Binary.x", "BinaryValue": b"\xff\x00"}},
    "ten": {f"a{n}": TEXT("x" * 1_000) for n in range(10)},
    "an id of 100 KB": {"id": TEXT("x" * 100_000)},
    "an id that is none": {"id": {"DataType": "Binary", "BinaryValue": b"\xff"}, "received_at": TEXT("yesterday")},
    "a time of long ago": {"received_at": {"DataType": "Number", "StringValue": "-99999999999999999999999"}},
    "a size without a pointer": {"ExtendedPayloadSize": {"DataType": "Number", "StringValue": "9"}},
}
LEGAL = {
    "no type": {"eventType": None},
    "no inputs": {"inputs": []},
    "a large integer": {"x": 2**70},
    "a key twice": {"twice": "TWICE"},
    "a list for a name": {"outputs": [{"namespace": "n", "name": "t", "facets": {"f": {"_producer": "urn:p", "_schemaURL": "urn:s", "name": ["a"]}}}]},
}


def as_sqs_counts(action, body):
    """SQS counts attributes too, and refuses the whole request; the emulator counts bodies alone."""
    if action != "SendMessageBatch":
        return None
    length = lambda text: len(text.encode())
    sizes = [
        length(entry["MessageBody"]) + sum(length(name) + length(value["DataType"]) + length(value.get("StringValue", "")) for name, value in entry.get("MessageAttributes", {}).items())
        for entry in json.loads(body)["Entries"]
    ]
    return ("refuse", 400, "BatchRequestTooLong") if sum(sizes) > 1_048_576 else None


def test_rubbish_among_good_ones_is_a_dead_letter_with_its_reason_and_no_more(account):
    account.between.trouble = as_sqs_counts
    jobs, dead = [], {}
    number = iter(range(10**6))
    for kind, rubbish in RUBBISH.items() if FULL else [(None, None)]:
        # In full: each kind alone among 99. Short: all kinds among 99.
        bodies = [unique(next(number)) for _ in range(99)]
        jobs += [body["job"]["name"] for body in bodies]
        these = [rubbish] if FULL else list(RUBBISH.values())
        dead.update(dict.fromkeys(these))
        for place, body in enumerate(these):
            bodies.insert(place * 6, body)
        account_put(account, bodies)
    legal = [{key: value for key, value in {**event(f"legal {kind}", run=next(number)), **more}.items() if value is not None} for kind, more in LEGAL.items()]
    jobs += [body["job"]["name"] for body in legal]
    dataset = {"eventTime": "2026-11-20T10:00:00Z", "producer": "urn:p", "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/DatasetEvent", "dataset": {"namespace": "n", "name": "t"}}
    account_put(account, [json.dumps(body).replace('"twice": "TWICE"', '"twice": 1, "twice": 2') for body in legal] + [dataset])
    for kind, attributes in FOREIGN.items():
        jobs.append(f"foreign {kind}")
        account.put(event(jobs[-1], run=next(number)), MessageAttributes=attributes)
        if "ExtendedPayloadSize" not in attributes:
            account.put(f"[{json.dumps(kind)}]", MessageAttributes=attributes)
            dead[f"[{json.dumps(kind)}]"] = None
    account.put(POINTER, MessageAttributes={"ExtendedPayloadSize": {"DataType": "Number", "StringValue": "9"}})
    dead[POINTER] = None
    with account.mapping(account.batch()) as mapping:
        account.empty(f"{len(dead)} dead, {len(jobs)} delivered", 90)
    exactly_once(account, jobs)
    letters = account.dead_letters(len(dead))
    assert sorted(body for body, _ in letters) == sorted(dead)  # each once
    assert all(reason.startswith(("invalid: ", "body: ")) for body, reason in letters if len(body) < 1_048_500), [reason for _, reason in letters]
    assert [invocation["failed"] for invocation in mapping.invocations if invocation["failed"]] == []  # no message comes a second time
    outcomes = [line for line in mapping.functions[0].outcomes_told()]
    assert all(line["attempts"] == 1 for line in outcomes)
    assert [line["event.type"] for line in outcomes if line["outcome"] == "dropped"] == ["DatasetEvent"]  # DataZone takes none
    assert sum('"twice": 1, "twice": 2' in post["body"] for post in account.posts()) == 1
    measured("illegal among 100 in the queue (functions)", f"{len(jobs)} delivered once, {len(dead)} dead letters, none received twice")


def account_put(account, bodies):
    """In the order given; large ones in requests of their own."""
    some = []
    for body in bodies:
        if isinstance(body, str) and len(body) > 40_000:
            account.put(*some), account.put(body)
            some = []
        else:
            some.append(body)
    account.put(*some)


def test_job_events_among_run_events_have_one_outcome_each(account):
    count = size(200, 1_000)
    bodies = [unique(n) for n in range(count)]
    for n in range(0, count, 20):  # 5 %
        body = bodies[n]
        del body["run"], body["eventType"]
        body["schemaURL"] = body["schemaURL"].replace("RunEvent", "JobEvent")
        if n % 40:
            body["outputs"] = [{"namespace": "n", "name": f"t{n}"}]
    function = account.batch()
    account.put(*bodies)
    with account.mapping(function):
        account.empty()
    outcomes = collections.Counter(line["outcome"] for line in function.outcomes_told())
    without = len([n for n in range(0, count, 20) if not n % 40])
    assert outcomes == {"delivered": count - without, "dropped": without}
    exactly_once(account, [body["job"]["name"] for body in bodies if body.get("run") or body.get("outputs")])
    measured("5 % JobEvents (functions)", f"{count} outcomes: {dict(outcomes)}, no duplicate post")


# ------------------------------------------------------------ no SQS event at all

PAYLOADS = {
    "no JSON": b"{",
    "nothing": b"",
    "null": b"null",
    "an array": b"[]",
    "a text": b'"x"',
    "a number": b"1e999",
    "no records": b"{}",
    "records of no kind": b'{"Records": 7}',
    "a record of no kind": b'{"Records": [7]}',
    "an empty record": b'{"Records": [{}]}',
    "no body": b'{"Records": [{"messageId": "a", "receiptHandle": "r"}]}',
    "a body of no kind": b'{"Records": [{"messageId": "a", "receiptHandle": "r", "body": 7}]}',
    "no id": b'{"Records": [{"receiptHandle": "r", "body": "[1]"}]}',
    "an empty id": b'{"Records": [{"messageId": "", "receiptHandle": "r", "body": "[1]"}]}',
    "of S3": b'{"Records": [{"eventSource": "aws:s3", "s3": {"bucket": {"name": "b"}}}]}',
    "of SNS": b'{"Records": [{"EventSource": "aws:sns", "Sns": {"MessageId": "a", "Message": "{}"}}]}',
    "an HTTP request": b'{"version": "2.0", "rawPath": "/", "requestContext": {"http": {"method": "GET", "path": "/"}}}',
    "not UTF-8": b'{"Records": [{"messageId": "\xff\xfe", "body": "\xff"}]}',
    "a depth of 100,000": b'{"Records": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
}


def test_a_payload_that_is_no_sqs_event_is_an_error_and_the_next_one_is_served(account):
    function = account.batch()
    function.start()
    for kind, payload in PAYLOADS.items():
        answer, body, _ = function.invoke(payload)
        assert answer == "error", (kind, answer, body)
        assert "errorMessage" in json.loads(body), kind
    assert failures(function.invoke({"Records": []})) == set()
    messages = handed(account, 2)
    assert failures(invoked(function, messages)) == set()
    assert function.starts == 1  # the same process all the while
    assert sorted(account.jobs()) == ["job 0", "job 1"] and account.dead_letters() == []
    measured("payloads that are no SQS event", f"{len(PAYLOADS)} kinds: an error each, same process, the next batch served")


def test_a_record_of_which_something_is_odd_harms_none_of_its_batch(account):
    function = account.batch()
    good = [record(message) for message in handed(account, 3)]
    odd = {
        "attributes of null": {"attributes": None, "messageAttributes": None},
        "a count of no kind": {"attributes": {"ApproximateReceiveCount": "many", "SentTimestamp": "-"}},
        "a count that is a number": {"attributes": {"ApproximateReceiveCount": 3}},
        "an attribute of no kind": {"messageAttributes": {"a": 7, "id": {"stringValue": 9, "dataType": None}}},
        "a binary attribute that is none": {"messageAttributes": {"a": {"binaryValue": "%%%", "dataType": "Binary"}}},
    }
    records = [*good]
    for n, (kind, change) in enumerate(odd.items()):
        records.append({**good[0], "messageId": kind, "receiptHandle": kind, "body": json.dumps(event(f"odd {kind}", run=1_000 + n)), **change})
    assert failures(function.invoke({"Records": records})) == set()
    assert set(account.jobs()) == {f"job {n}" for n in range(3)} | {f"odd {kind}" for kind in odd}
