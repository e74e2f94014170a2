"""The ingest function: never a 200 without the message in the queue, whatever the queue does or is said of it."""

import base64
import collections
import gzip
import json
import random
import threading

import pytest
from reliability import KEY, answered, measured, request, size, unique

EVENT = json.dumps(unique(1))


def jobs_in(account):
    """How often each job is in the queue."""
    return collections.Counter(json.loads(message["Body"])["job"]["name"] for message in account.taken())


def lanes(function, bodies, count=1):
    """Sends these bodies from so many sandboxes; gives what each was answered, by its place."""
    answers, places = {}, iter(range(len(bodies)))
    functions = [function() for _ in range(count)]

    def lane(function):
        for place in places:
            answers[place] = answered(function.invoke(request(body=json.dumps(bodies[place])), 15))

    threads = [threading.Thread(target=lane, args=(each,)) for each in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


TROUBLE = {
    "down": lambda rng: "reset",
    "hangs": lambda rng: ("wait", 30),
    "throttled": lambda rng: ("refuse", 403, "RequestThrottled"),
    "denied": lambda rng: ("refuse", 403, "AccessDenied"),
    "gone": lambda rng: ("refuse", 400, "QueueDoesNotExist"),
    "broken": lambda rng: ("refuse", 500, "InternalFailure"),
    "partly": lambda rng: ("partly", ["0"]),
    "says nothing": lambda rng: ("say", b"{}"),
    "says nonsense": lambda rng: ("say", b"<html>all is well</html>"),
    "names another": lambda rng: ("say", b'{"Successful": [{"Id": "7", "MessageId": "m", "MD5OfMessageBody": "0"}], "Failed": []}'),
}


@pytest.mark.parametrize("kind", TROUBLE)
def test_a_queue_that_does_not_take_it_is_503(account, kind):
    account.between.trouble = lambda action, body: TROUBLE[kind](random)
    status, body = answered(account.ingest().invoke(request(body=EVENT), 15))
    assert status == 503 and json.loads(body)["title"] == "service unavailable", (status, body)
    account.between.trouble = lambda action, body: None
    assert sum(jobs_in(account).values()) == 0


def test_a_queue_that_answers_too_late_costs_a_repeat_and_no_event(account):
    function = account.ingest()
    account.between.trouble = lambda action, body: ("late", 3)  # longer than one try may take
    first = answered(function.invoke(request(body=EVENT), 15))
    account.between.trouble = lambda action, body: "lost"
    second = answered(function.invoke(request(body=json.dumps(unique(2))), 15))
    account.between.trouble = lambda action, body: None
    assert (first[0], second[0]) == (503, 503)
    assert answered(function.invoke(request(body=EVENT), 15))[0] == 200  # as the client sends it again
    found = jobs_in(account)
    assert found["job 1"] >= 2 and found["job 2"] >= 1
    measured("SQS answers late or not at all, and has it (ingest)", f"503 twice, then 200; {dict(found)} in the queue")


def test_through_all_kinds_of_trouble_every_200_is_in_the_queue(account):
    count, rng = size(60, 2_000), random.Random(7)
    kinds = [*TROUBLE.values(), lambda rng: ("late", 3), lambda rng: "lost", lambda rng: ("wait", 0.3)]

    def trouble(action, body):
        kind = rng.choice(kinds)(rng) if rng.random() < 0.3 else None
        return ("wait", 3) if kind == ("wait", 30) else kind

    account.between.trouble = trouble
    bodies = list(map(unique, range(count)))
    answers = lanes(account.ingest, bodies, 4)
    account.between.trouble = lambda action, body: None
    found = jobs_in(account)
    accepted = {f"job {place}" for place, (status, _) in answers.items() if status == 200}
    assert {status for status, _ in answers.values()} <= {200, 503}
    assert accepted <= set(found), accepted - set(found)
    assert 0.3 * count < len(accepted) < count
    measured("trouble at SQS in 30 % of requests (ingest)", f"{count} sent, {len(accepted)} answered 200, all of them in the queue, {count - len(accepted)} answered 503")


def test_of_many_in_one_request_each_is_answered_for_itself(account):
    function, bodies = account.ingest(), [*map(unique, range(25)), {"no": "event"}]
    account.between.trouble = lambda action, body: ("partly", ["3", "7", "24"])
    send = lambda: answered(function.invoke(request("/api/v1/lineage/batch", json.dumps(bodies)), 15))
    status, body = send()
    failed = {each["index"]: each["retriable"] for each in json.loads(body)["failed_events"]}
    assert (status, failed) == (200, {3: True, 7: True, 24: True, 25: False})
    found = jobs_in(account)
    assert found == {f"job {n}": 1 for n in range(25) if n not in (3, 7, 24)}
    # A request of several requests to the queue, of which one fails.
    calls = iter(range(100))
    account.between.trouble = lambda action, body: ("say", b"{}") if next(calls) == 1 else None
    status, body = send()
    failed = {each["index"] for each in json.loads(body)["failed_events"] if each["retriable"]}
    found = jobs_in(account)
    assert status == 200 and len(failed) in (5, 10)
    assert set(found) == {f"job {n}" for n in range(25) if n not in failed}
    measured("partial failures of SendMessageBatch (ingest)", "each event has its own result; one without a result counts as failed")


def test_a_function_that_is_killed_before_its_answer_has_answered_nothing(account):
    rounds, rng, kept, sent = size(4, 50), random.Random(7), [], []
    function = account.ingest()
    for n in range(rounds):
        assert answered(function.invoke(request("/healthz", method="GET")))[0] == 200
        killer = threading.Timer(rng.uniform(0.0, 0.8), lambda: function.process and function.process.child.kill())
        account.between.trouble = lambda action, body: rng.choice([("late", 0.3), ("wait", 0.3)])
        killer.start()
        status, _ = answered(function.invoke(request(body=json.dumps(unique(n))), 15))
        killer.join()
        sent.append(n)
        if status == 200:
            kept.append(n)
        function.kill()
    # What was not answered is sent again by its client.
    account.between.trouble = lambda action, body: None
    for n in sent:
        if n not in kept:
            assert answered(function.invoke(request(body=json.dumps(unique(n))), 15))[0] == 200
    found = jobs_in(account)
    assert set(found) == {f"job {n}" for n in sent}
    measured("kill -9 of the ingest function", f"{rounds} kills, {len(kept)} had answered, {rounds - len(kept)} were sent again, {sum(found.values()) - rounds} twice in the queue, 0 lost")


def test_what_is_larger_than_the_queue_takes_is_refused_or_put_aside_and_harms_no_other(account):
    def padded(number, bytes):
        body = unique(number)
        body["run"]["facets"] = {"pad": {"_producer": "urn:p", "_schemaURL": "urn:s", "text": ""}}
        body["run"]["facets"]["pad"]["text"] = "x" * (bytes - len(json.dumps(body)))
        return body

    limit = 1_048_576 - 512  # what is kept free for attributes
    function = account.ingest()
    send = lambda function, body, path="/api/v1/lineage": answered(function.invoke(request(path, json.dumps(body)), 15))
    assert [send(function, padded(n, limit - 1 + n))[0] for n in range(3)] == [200, 200, 413]
    assert {len(message["Body"]) for message in account.taken()} == {limit - 1, limit}
    bucket = f"large-{account.queue.rsplit('-', 1)[1]}"
    account.client("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    aside = account.ingest(QUEUE_BUCKET=bucket)
    assert send(aside, padded(4, limit + 1))[0] == 200
    [pointer] = account.taken()
    place = json.loads(pointer["Body"])[1]
    assert len(account.client("s3").get_object(Bucket=place["s3BucketName"], Key=place["s3Key"])["Body"].read()) == limit + 1
    # The bucket does not take it: nothing points to what is not there.
    denied = account.ingest(QUEUE_BUCKET="no-such-bucket")
    assert send(denied, padded(5, limit + 1))[0] == 503 and account.taken() == []
    # A queue of 256 KiB, which was the default once: SQS counts a request as one.
    account.queues(MaximumMessageSize="262144")
    account.between.trouble = lambda action, body: ("refuse", 400, "BatchRequestTooLong") if action == "SendMessageBatch" and len(body) > 262_144 + 4_000 and len(json.loads(body)["Entries"]) > 1 else None
    small = account.ingest()
    status, body = send(small, [padded(n, 100_000) for n in range(10, 18)] + [padded(18, 300_000)], "/api/v1/lineage/batch")
    assert status == 200 and [(each["index"], each["retriable"]) for each in json.loads(body)["failed_events"]] == [(8, False)]
    assert jobs_in(account) == {f"job {n}": 1 for n in range(10, 18)}
    assert send(small, padded(19, 300_000))[0] == 413
    measured("the limits of the queue (ingest)", "1,048,064 bytes taken, one more 413 or put aside; a queue of 256 KiB takes each that fits")


# ------------------------------------------------------- no request at all


def v1(**more):
    """A REST API's request."""
    context = {"accountId": "0", "resourceId": "x", "stage": "$default", "requestId": "1", "identity": {"sourceIp": "192.0.2.1"}, "resourcePath": "/{proxy+}", "httpMethod": "POST", "apiId": "x", "path": "/api/v1/lineage"}
    headers = {"Host": "x.execute-api.eu-west-1.amazonaws.com", "Content-Type": "application/json", "Authorization": f"Bearer {KEY}"}
    return {
        "resource": "/{proxy+}", "path": "/api/v1/lineage", "httpMethod": "POST", "headers": headers, "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": None, "multiValueQueryStringParameters": None, "pathParameters": None, "stageVariables": None, "requestContext": context, "body": EVENT, "isBase64Encoded": False, **more,
    }


def but(payload, **changes):
    """A payload with other members; a path of `__` leads into it."""
    payload = json.loads(json.dumps(payload))
    for path, value in changes.items():
        *way, last = path.split("__")
        place = payload
        for step in way:
            place = place[step]
        place[last] = value
    return payload


GOOD = {
    "an HTTP API's": request(body=EVENT),
    "an HTTP API's, in base64": request(body=base64.b64encode(EVENT.encode()).decode(), encoded=True),
    "gzip in base64": request(body=base64.b64encode(gzip.compress(EVENT.encode())).decode(), encoded=True, **{"content-encoding": "gzip"}),
    "a REST API's": v1(),
    "a function URL's": but(request(body=EVENT), requestContext__authentication=None, requestContext__domainName="x.lambda-url.eu-west-1.on.aws"),
    "with cookies and a query": but(request(body=EVENT), cookies=["a=b"], rawQueryString="a=%ff&b=\u00e9&&=", queryStringParameters={"a": "b"}),
    "with what is not ASCII": but(request(body=EVENT, **{"user-agent": "f\u00fcr \u4e16\u754c"}), rawQueryString="q=f\u00fcr\u4e16"),
    "with a query that is no part of a URI": but(request(body=EVENT), rawQueryString="q=<a b>\"\u0000#`{}|\\"),
    "without a host": but(v1(), headers={"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}, multiValueHeaders={}),
}
RUBBISH = {
    "no JSON": b"{",
    "nothing": b"",
    "null": b"null",
    "an array": b"[]",
    "an empty object": b"{}",
    "an SQS event": b'{"Records": [{"messageId": "a", "body": "{}"}]}',
    "base64 that is none": request(body=EVENT, encoded=True),
    "base64 that is none, as text": request(body="%%%", encoded=True),
    "base64 without saying so": request(body=base64.b64encode(EVENT.encode()).decode()),
    "base64 of a REST API that is none": v1(isBase64Encoded=True),
    "a body of no kind": but(request(), body=7),
    "a body of null": but(request(), body=None),
    "headers of no kind": but(request(body=EVENT), headers=7),
    "a header of no kind": but(request(body=EVENT), headers__x=["a", 7]),
    "a header of odd characters": but(request(body=EVENT), headers={"x": "a\nb"}),
    "a host that is none": but(request(body="{}"), headers__host="a b\u0000"),
    "a host of a REST API that is none": but(v1(body="{}"), headers__Host="[", multiValueHeaders__Host=["["]),
    "a protocol that is none": but(request(body="{}"), **{"headers__x-forwarded-proto": "ht tp"}),
    "a path that is none": request("//[", "{}"),
    "a path of odd characters": request("/a b\u0000\u00e9%zz?#", "{}"),
    "a path that is relative": request("api", "{}"),
    "a method that is none": request(body=EVENT, method="P OST"),
    "an ALB's": {"requestContext": {"elb": {"targetGroupArn": "arn:x"}}, "httpMethod": "POST", "path": "/api/v1/lineage", "queryStringParameters": {}, "headers": {"host": "x"}, "body": EVENT, "isBase64Encoded": False},
    "a WebSocket's": {"requestContext": {"eventType": "MESSAGE", "connectionId": "c", "routeKey": "$default"}, "body": EVENT, "isBase64Encoded": False},
    "a depth of 100,000": b'{"rawPath": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "not UTF-8": b'{"rawPath": "\xff"}',
}


def test_every_kind_of_gateway_is_understood(account):
    function = account.ingest()
    for kind, payload in GOOD.items():
        status, body = answered(function.invoke(payload))
        assert status == 200 and "id" in json.loads(body), (kind, status, body)
    assert jobs_in(account) == {"job 1": len(GOOD)}
    assert function.starts == 1


def test_a_payload_that_is_no_request_is_an_error_and_the_next_one_is_served(account):
    function = account.ingest()
    function.start()
    statuses = {}
    for kind, payload in RUBBISH.items():
        outcome = function.invoke(payload)
        assert outcome[0] in ("response", "error"), (kind, outcome)
        statuses[kind], body = answered(outcome)
        assert EVENT[10:40] not in str(body), kind  # nothing of an event is quoted
    assert all(400 <= status < 500 or status == 502 for status in statuses.values()), statuses
    assert answered(function.invoke(request("/healthz", method="GET"))) == (200, "ok\n")
    assert answered(function.invoke(request(body=EVENT)))[0] == 200
    assert jobs_in(account) == {"job 1": 1}
    assert function.starts == 1  # the same process all the while
    assert EVENT[10:40] not in "\n".join(function.lines())
    measured("payloads that are no request (ingest)", f"{len(RUBBISH)} kinds, same process: {dict(collections.Counter(statuses.values()))}")
