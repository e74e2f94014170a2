"""The batch function, by what happens to it: whatever target, queue and time do, nothing is lost and nobody harmed."""

import collections
import json
import socket
import threading
import time

import pytest
from parts import event, eventually
from reliability import POINTER, exactly_once, failures, handed, invoked, measured, size, unique


def kinds(mapping):
    """How often an invocation was answered, and how often killed."""
    return collections.Counter(invocation["kind"] for invocation in mapping.invocations)


# -------------------------------------------------------- what the target does


def test_what_the_target_refuses_to_all_waits_until_it_is_granted(account):
    count = size(60, 1_000)
    functions = [account.batch(), account.batch()]
    for kind, class_ in (("access_denied", "permission"), ("not_found", "missing")):
        account.stand_in.set(faults=[{"kind": kind}])
        jobs = [f"{kind} {n}" for n in range(count)]
        account.put(*(event(job, run=n) for n, job in enumerate(jobs)))
        with account.mapping(*functions) as mapping:
            counted = lambda: sum(function.counted("lineage_proxy_retries_total", reason=class_) for function in functions)
            eventually(lambda: counted() >= size(1, 3) * count, lambda: f"each was retried: {counted()}", 180)
            account.stand_in.set(faults=[])
            account.empty(patience=300)
        assert set(kinds(mapping)) == {"response"}
        assert account.dead_letters() == []
    exactly_once(account, [f"{kind} {n}" for kind in ("access_denied", "not_found") for n in range(count)])
    measured("AccessDenied, missing domain (functions)", f"2 x {count}: 0 lost, 0 dead letters, each handed back and counted by its class, posted once")


def test_what_was_given_up_while_access_was_denied_is_delivered_after_a_redrive(account):
    count = size(30, 1_000)
    account.stand_in.set(faults=[{"kind": "access_denied"}])
    account.put(*map(unique, range(count)))
    with account.mapping(account.batch(QUEUE_MAX_ATTEMPTS=1)):
        account.empty("all are dead letters")
        assert account.left(account.dead) == count
        account.stand_in.set(faults=[])
        for body, reason in account.dead_letters(count):
            assert reason.startswith("permission: ") and "no retry after 1 attempts" in reason
            account.put(body)
        account.empty()
    exactly_once(account, [f"job {n}" for n in range(count)])
    measured("AccessDenied, dead-lettered, redriven (functions)", f"{count}: all dead letters with their reason, all delivered after")


def test_throttles_errors_and_half_answers_lose_nothing_and_give_nothing_up(account):
    count = size(100, 1_000)
    function = [account.batch(), account.batch()]
    for lane in function:
        lane.settings["QUEUE_MAX_ATTEMPTS"] = size(20, 100)
    account.stand_in.set(faults=[{"kind": "internal", "every": 100}, {"kind": "half", "every": 97}, {"kind": "throttle", "every": 3, "times": 2 * count}])
    account.put(*map(unique, range(count)))
    began = time.monotonic()
    with account.mapping(*function):
        account.empty(patience=900)
    took = time.monotonic() - began
    posted = collections.Counter(account.jobs())
    assert set(posted) == {f"job {n}" for n in range(count)}
    assert account.dead_letters() == []
    tries = [line["attempts"] for lane in function for line in lane.outcomes_told()]
    measured("30 % throttles, 1 % 500s, 1 % half answers (functions)", f"{count}: 0 lost, 0 dead letters, at most {max(tries)} tries, {took:.0f} s, {sum(posted.values()) - count} repeats by token")


@pytest.mark.parametrize("each", [20, 10])  # together over the quota, and divided as docs/aws.md says
def test_a_target_of_twenty_a_second_gets_all_and_nothing_is_given_up(account, each):
    count = size(60, 1_000)
    account.stand_in.set(rate=20)
    functions = [account.batch(DATAZONE_POSTS_PER_SECOND=each), account.batch(DATAZONE_POSTS_PER_SECOND=each)]
    account.put(*map(unique, range(count)))
    began = time.monotonic()
    with account.mapping(*functions):
        account.empty(patience=900)
    took = time.monotonic() - began
    exactly_once(account, [f"job {n}" for n in range(count)])
    assert account.dead_letters() == []
    tries = [line["attempts"] for lane in functions for line in lane.outcomes_told()]
    measured(f"target of 20 a second, two functions of {each} (functions)", f"{count}: 0 lost, 0 dead letters, at most {max(tries)} tries, {took:.0f} s ({count / 20:.0f} s at the rate itself)")


def test_a_target_too_slow_for_a_batch_gets_all_and_nothing_is_given_up(account):
    count = size(40, 100)
    account.stand_in.set(rate=5)
    function = account.batch(DATAZONE_POSTS_PER_SECOND=5, QUEUE_MAX_ATTEMPTS=20)
    account.put(*map(unique, range(count)))
    began = time.monotonic()
    with account.mapping(function, batch=count, window=2, seconds=6):  # time for some 15 of them
        account.empty(patience=900)
    took = time.monotonic() - began
    posted = collections.Counter(account.jobs())
    assert set(posted) == {f"job {n}" for n in range(count)} and account.dead_letters() == []
    tries = [line["attempts"] for line in function.outcomes_told()]
    measured("batches larger than the time of the function (functions)", f"{count} at 5 a second: 0 lost, 0 dead letters, at most {max(tries)} tries, {took:.0f} s ({count / 5:.0f} s at the rate itself)")


# ----------------------------------------------------------- when time is over


def job_of(message):
    return json.loads(message["Body"])["job"]["name"]


def test_a_target_that_hangs_is_reported_before_the_time_of_the_function_is_over(account):
    function, messages = account.batch(BATCH_CONCURRENCY=2), handed(account, 20)
    function.start()
    account.stand_in.set(faults=[{"kind": "hang", "match": '"job 1'}])  # 1, 10 to 19
    outcome = invoked(function, messages, seconds=8)
    failed = failures(outcome)
    posted = set(account.jobs())
    assert outcome[2] < 8 and function.starts == 1
    assert failed == {message["MessageId"] for message in messages if job_of(message) not in posted}
    assert len(failed) >= 11
    measured("batch function at its time-out: hanging target", f"20 in hand, {len(posted)} delivered, {len(failed)} reported after {outcome[2]:.1f} of 8 s")


def test_a_queue_that_hangs_at_the_end_of_a_batch_costs_no_more_than_its_time(account):
    function, messages = account.batch(), handed(account, 6)
    account.put("[1]"), account.put("[2]")
    messages += account.sqs.receive_message(QueueUrl=account.queue, MaxNumberOfMessages=10, AttributeNames=["All"], MessageAttributeNames=["All"])["Messages"]
    function.start()
    account.stand_in.set(faults=[{"kind": "internal", "match": '"job 1"'}, {"kind": "hang", "match": '"job 2"'}])
    account.between.trouble = lambda action, body: ("wait", 20) if action in ("SendMessageBatch", "ChangeMessageVisibilityBatch") else None
    outcome = invoked(function, messages, seconds=8)
    told_failed = failures(outcome)
    bodies = {message["MessageId"]: message["Body"] for message in messages}
    assert outcome[2] < 8 and function.starts == 1
    # Delivered ones are done; whatever the queue did not confirm comes again.
    assert {bodies[identifier] for identifier in told_failed} == {json.dumps(unique(1)), json.dumps(unique(2)), "[1]", "[2]"}
    measured("batch function at its time-out: hanging queue", f"answered after {outcome[2]:.1f} of 8 s, 4 delivered ones done, 4 others reported")


def test_a_bucket_that_hangs_keeps_only_what_lies_in_it(account):
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections and never answers
        function, messages = account.batch(QUEUE_BUCKET="no-bucket", AWS_ENDPOINT_URL_S3=f"http://127.0.0.1:{silent.getsockname()[1]}"), handed(account, 3)
        account.put(POINTER, MessageAttributes={"ExtendedPayloadSize": {"DataType": "Number", "StringValue": "9"}})
        [pointer] = account.sqs.receive_message(QueueUrl=account.queue, AttributeNames=["All"], MessageAttributeNames=["All"])["Messages"]
        function.start()
        outcome = invoked(function, [pointer, *messages], seconds=12)
    assert failures(outcome) == {pointer["MessageId"]} and function.starts == 1
    assert sorted(account.jobs()) == ["job 0", "job 1", "job 2"] and account.dead_letters() == []


def test_dead_letters_that_cannot_be_sent_wait_and_harm_no_other(account):
    account.queues(visibility=2)
    denied = lambda action, body: ("refuse", 403, "AccessDenied") if action == "SendMessageBatch" and account.dead.encode() in body else None
    account.between.trouble = denied
    account.put("[1]", *map(unique, range(9)))
    with account.mapping(account.batch()) as mapping:
        eventually(lambda: len(mapping.invocations) >= 3, "the poison comes again")
        eventually(lambda: account.left() == 1, "its neighbours are delivered")
        assert account.left(account.dead) == 0
        account.between.trouble = lambda action, body: None
        account.empty()
    exactly_once(account, [f"job {n}" for n in range(9)])
    [(body, reason)] = account.dead_letters(1)
    assert body == "[1]" and reason.startswith("invalid: ")


def test_a_function_that_is_killed_in_the_middle_of_a_batch_gets_the_rest_again(account):
    times, per_batch = size(4, 20), 20
    account.queues(visibility=3)
    function = account.batch(BATCH_CONCURRENCY=2)
    count = times * per_batch
    account.put(*map(unique, range(count)))
    account.stand_in.set(latency_ms=100)  # a batch is at work for a second
    with account.mapping(function) as mapping:
        for round in range(times):
            before = len(set(account.jobs()))
            eventually(lambda: len(set(account.jobs())) > before + 3 or account.left() == 0, "the function is at work")
            function.process and function.process.child.kill()
        account.stand_in.set(latency_ms=0)
        account.empty()
    posted = collections.Counter(account.jobs())
    assert set(posted) == {f"job {n}" for n in range(count)} and account.dead_letters() == []
    killed = kinds(mapping)["killed"]
    again = sum(posted.values()) - count
    assert killed and again <= killed * per_batch
    measured("kill -9 of the batch function", f"{killed} kills, {count} events: 0 lost, {again} posted again, by the same token")


# ---------------------------------------------------------- twice, out of order


def test_the_same_messages_for_two_functions_at_once_are_one_event_each_at_the_target(account):
    rounds = size(2, 25)
    functions = [account.batch(), account.batch()]
    for function in functions:
        function.start()
    for round in range(rounds):
        messages = handed(account, 20)
        outcomes = []
        lanes = [threading.Thread(target=lambda function=function: outcomes.append(failures(invoked(function, messages)))) for function in functions]
        for lane in lanes:
            lane.start()
        for lane in lanes:
            lane.join()
        assert outcomes == [set(), set()]
        account.sqs.purge_queue(QueueUrl=account.queue)
    fresh = [post for post in account.posts() if not post["repeat"]]
    assert len(fresh) == 20  # the same 20 in each round: their token is their content
    assert account.dead_letters() == []
    measured("the same message in two functions at once", f"{rounds} x 20 handed to two: {len(fresh)} events at the target, {len(account.posts()) - 20} repeats by token")


def test_the_same_message_twice_in_a_batch_is_one_post(account):
    function, messages = account.batch(), handed(account, 3)
    poison = {**messages[0], "MessageId": "poison", "Body": "[1]", "MD5OfBody": ""}
    batch = [*messages, *({**message, "ReceiptHandle": f"{message['ReceiptHandle']}-2"} for message in messages), poison, poison]
    assert failures(invoked(function, batch)) == set()
    assert collections.Counter(account.jobs()) == {f"job {n}": 1 for n in range(3)}
    assert len(account.dead_letters(1)) == 1


def test_what_comes_out_of_order_is_delivered_in_order_and_a_fifo_queue_keeps_it(account):
    runs = size(10, 100)
    order = ["START", "RUNNING", "COMPLETE"]
    made = lambda n: [event(f"job {n}", event_type, run=n, second=second) for second, event_type in enumerate(order)]
    # A standard queue: within a batch, whatever the order in which it comes.
    account.put(*(each for n in range(3) for each in reversed(made(n))))
    with account.mapping(account.batch(), window=1):
        account.empty()
    types = lambda n: [body["eventType"] for body in (json.loads(post["body"]) for post in account.posts() if not post["repeat"]) if body["job"]["name"] == f"job {n}"]
    assert [types(n) for n in range(3)] == [order] * 3
    # A FIFO queue: across batches and functions, through hiccups and poison.
    account.stand_in.reset()
    account.queues(fifo=True, visibility=30)
    account.stand_in.set(faults=[{"kind": "internal", "match": '"START"', "every": 7, "times": 2 * runs}])
    for n in range(runs):
        entries = [{"Id": str(place), "MessageBody": json.dumps(each), "MessageGroupId": f"run {n}", "MessageDeduplicationId": f"{n} {place}"} for place, each in enumerate(made(n))]
        assert not account.sqs.send_message_batch(QueueUrl=account.queue, Entries=entries).get("Failed")
    account.sqs.send_message(QueueUrl=account.queue, MessageBody="[1]", MessageGroupId="poison", MessageDeduplicationId="poison")
    with account.mapping(account.batch(), account.batch(), batch=10, window=0):
        account.empty(patience=300)
    assert [types(n) for n in range(runs)] == [order] * runs
    [(body, reason)] = account.dead_letters(1)
    assert body == "[1]" and reason.startswith("invalid: ")
    measured("out of order, and a FIFO queue (functions)", f"{runs} runs of 3 in order through hiccups, poison buried")
