"""Events of a shop, from its raw tables to its reports, and of estates of any size."""

import datetime
import json
import random
import uuid

PRODUCER = "https://example.com/estate"
DATABASE = "postgres://db.example.com:5432"
WAREHOUSE = "redshift://warehouse.eu-west-1:5439"
FACET = "https://openlineage.io/spec/facets"


def at(minutes):
    """So many minutes before now."""
    time = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=minutes)
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def facet(name, version, **members):
    return {"_producer": PRODUCER, "_schemaURL": f"{FACET}/{version}/{name}.json#/$defs/{name}", **members}


def dataset(namespace, name, fields=(), columns=None):
    """A dataset with the names of its fields, and for each of some of them the inputs of which it is made."""
    facets = {}
    if fields:
        schema = [{"name": field, "type": "varchar"} for field in fields]
        facets["schema"] = facet("SchemaDatasetFacet", "1-1-1", fields=schema)
    if columns:
        def inputs(sources):
            return [
                {"namespace": source[0], "name": source[1], "field": source[2], "transformations": [{"type": (source + ("DIRECT",))[3]}]}
                for source in sources
            ]

        fields = {field: {"inputFields": inputs(sources)} for field, sources in columns.items()}
        facets["columnLineage"] = facet("ColumnLineageDatasetFacet", "1-2-0", fields=fields)
    return {"namespace": namespace, "name": name, "facets": facets}


def run(job, end, minutes, inputs=(), outputs=(), parent=None):
    """The events of a run that began so many minutes ago, and took one. Without an end it is under way."""
    namespace, name = job
    facets = {}
    if parent:
        parent_run = str(uuid.uuid5(uuid.NAMESPACE_URL, "/".join(parent)))
        facets["parent"] = facet("ParentRunFacet", "1-1-0", run={"runId": parent_run}, job={"namespace": parent[0], "name": parent[1]})
    event = {
        "producer": PRODUCER,
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "run": {"runId": str(uuid.uuid4()), "facets": facets},
        "job": {"namespace": namespace, "name": name, "facets": {}},
        "inputs": list(inputs),
        "outputs": list(outputs),
    }
    ends = [("START", minutes)] + ([(end, minutes - 1)] if end else [])
    return [{**event, "eventType": kind, "eventTime": at(time)} for kind, time in ends]


def shop(failed="load_customers"):
    """Two loads, the models of a dbt run, and reports. One job has failed."""
    raw_orders = dataset(DATABASE, "shop.raw.orders", ["id", "customer_id", "amount_cents", "ordered_at"])
    raw_customers = dataset(DATABASE, "shop.raw.customers", ["id", "name"])
    orders = (DATABASE, "shop.raw.orders")
    stg_orders = dataset(WAREHOUSE, "dev.staging.stg_orders", ["id", "customer_id", "amount", "day"], {
        "id": [(*orders, "id")],
        "customer_id": [(*orders, "customer_id")],
        "amount": [(*orders, "amount_cents")],
        "day": [(*orders, "ordered_at")],
    })
    stg_customers = dataset(WAREHOUSE, "dev.staging.stg_customers", ["id", "name"], {"name": [(DATABASE, "shop.raw.customers", "name")]})
    staged = (WAREHOUSE, "dev.staging.stg_orders")
    fct_orders = dataset(WAREHOUSE, "dev.marts.fct_orders", ["day", "customer", "total"], {
        "total": [(*staged, "amount"), (*staged, "day", "INDIRECT")],
        "day": [(*staged, "day")],
        "customer": [(WAREHOUSE, "dev.staging.stg_customers", "name")],
    })
    dag, dbt = ("airflow", "daily_shop"), ("dbt", "dbt.shop.build")
    jobs = [
        (("airflow", "load_orders"), 50, [], [raw_orders], dag),
        (("airflow", "load_customers"), 48, [], [raw_customers], dag),
        (("dbt", "dbt.shop.stg_orders"), 40, [raw_orders], [stg_orders], dbt),
        (("dbt", "dbt.shop.stg_customers"), 38, [raw_customers], [stg_customers], dbt),
        (("dbt", "dbt.shop.fct_orders"), 30, [stg_orders, stg_customers], [fct_orders], dbt),
        (("looker", "orders_by_day"), 20, [fct_orders], [], None),
    ]
    for job, minutes, inputs, outputs, parent in jobs:
        end = "FAIL" if job[1] == failed else "COMPLETE"
        yield from run(job, "COMPLETE", minutes + 1440, inputs, outputs, parent)
        yield from run(job, end, minutes, inputs, outputs, parent)


def estate(nodes, seed=7):
    """Loads, staging 1:1, intermediate tables of two, marts of three: about so many jobs and datasets."""
    draw = random.Random(seed)
    words = "orders customers payments sessions inventory shipments returns prices campaigns leads invoices ledger suppliers products".split()

    def word(number):
        return words[number % len(words)] + (f"_{number // len(words)}" if number >= len(words) else "")

    count = 0

    def step(job, inputs, output):
        nonlocal count
        count += 2
        end = draw.choices(["COMPLETE", "FAIL", "ABORT", None], [40, 2, 1, 1])[0]
        fields = [f"column_{n}" for n in range(draw.randint(3, 40))]
        return run(job, end, draw.randint(2, 600), [dataset(*it) for it in inputs], [dataset(*output, fields)])[-1:]

    staged, middle = [], []
    for n in range(max(1, nodes * 14 // 100)):
        raw, table = (DATABASE, f"shop.raw.{word(n)}"), (WAREHOUSE, f"dev.staging.stg_{word(n)}")
        yield from step(("airflow", f"load_{word(n)}"), [], raw)
        yield from step(("dbt", f"dbt.shop.stg_{word(n)}"), [raw], table)
        staged.append(table)
    for n in range(nodes):
        if count >= nodes * 8 // 10:
            break
        table = (WAREHOUSE, f"dev.intermediate.int_{word(n)}")
        yield from step(("dbt", f"dbt.shop.int_{word(n)}"), draw.sample(staged, min(2, len(staged))), table)
        middle.append(table)
    for n in range(nodes):
        if count >= nodes:
            break
        table = (WAREHOUSE, f"dev.marts.fct_{word(n)}")
        yield from step(("dbt", f"dbt.shop.fct_{word(n)}"), draw.sample(middle, min(3, len(middle))), table)


def hub(readers):
    """A table that so many jobs read."""
    table = dataset(WAREHOUSE, "dev.hub.calendar", ["day"])
    yield from run(("airflow", "load_calendar"), "COMPLETE", 60, [], [table])
    for number in range(readers):
        yield from run(("reports", f"report_{number:03}"), "COMPLETE", 50, [table], [])


def texts(events):
    return [json.dumps(event).encode() for event in events]
