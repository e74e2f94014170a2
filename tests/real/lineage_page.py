"""What tests of the lineage screen share: a proxy with a lineage, and addresses into it. Needs no browser."""

import json
import urllib.parse
import urllib.request

import estate
from parts import eventually, post

FCT_ORDERS = (estate.WAREHOUSE, "dev.marts.fct_orders")
STG_ORDERS = (estate.WAREHOUSE, "dev.staging.stg_orders")


def filled(serve, events, datasets):
    """A proxy that has delivered these events, once its lineage has so many datasets."""
    proxy = serve(TARGET="store")
    send(proxy, events)
    eventually(lambda: answer(proxy, "/lineage")["datasets"] >= datasets or None, lambda: f"{datasets} datasets\n{proxy.tail()}")
    return proxy


def send(proxy, events):
    events = list(events)
    for start in range(0, len(events), 100):
        status, _, body = post(f"{proxy.url}/api/v1/lineage/batch", json.dumps(events[start : start + 100]).encode())
        assert status == 200, body


def answer(proxy, path):
    request = urllib.request.Request(f"{proxy.url}{path}", headers={"Accept": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.load(response)


def near(kind, namespace, name, **more):
    return "/lineage?" + urllib.parse.urlencode({kind: name, "namespace": namespace, **more})
