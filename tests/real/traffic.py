"""Events of an estate of any size, the same each time: what load is measured with.

Sources → staging one to one → intermediate of two to four → marts of two to six, some of which everybody reads → exports. Half of the
nodes are jobs. Each run has a START and a COMPLETE, and some fail; datasets have 5 to 40 columns, each made of one to three others.

    python tests/real/traffic.py --events 100000 --nodes 2000 > events.jsonl
"""

import argparse
import datetime
import json
import random
import uuid

PRODUCER = "https://example.com/estate"
FACET = {"_producer": PRODUCER, "_schemaURL": "https://openlineage.io/spec/facets/1-0-0/Facet.json"}
BEGIN = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
TYPES = ("bigint", "varchar(256)", "timestamp", "numeric(18,2)", "boolean")


class Estate:
    """Jobs with their inputs, outputs and columns."""

    def __init__(self, nodes=2_000, seed=7):
        self.random = random.Random(seed)
        half = nodes // 2
        layers = {"raw": half * 3 // 10, "stg": half * 3 // 10, "int": half * 2 // 10}
        layers["mart"] = half - sum(layers.values())
        self.datasets = {layer: [f"shop.{layer}.table_{n:05}" for n in range(count)] for layer, count in layers.items()}
        self.columns = {}
        for names in self.datasets.values():
            for name in names:
                self.columns[name] = [f"column_{n:02}" for n in range(self.random.randint(5, 40))]
        self.jobs = []  # name, inputs, output
        for source, output in zip(self.datasets["raw"], self.datasets["stg"]):
            self.job("load", [source], output)
        for output in self.datasets["int"]:
            self.job("build", self.some("stg", 2, 4), output)
        for output in self.datasets["mart"]:
            self.job("mart", self.some("int", 2, 6), output)
        for n in range(half - len(self.jobs)):
            # A few marts are read by most.
            hub = int(self.random.random() ** 3 * len(self.datasets["mart"]))
            self.job("export", [self.datasets["mart"][hub]], None)

    def some(self, layer, least, most):
        names = self.datasets[layer]
        return sorted(self.random.sample(names, min(len(names), self.random.randint(least, most))))

    def job(self, kind, inputs, output):
        lineage = {}
        for column in self.columns[output] if output else ():
            sources = [self.random.choice(inputs) for _ in range(self.random.randint(1, 3))]
            lineage[column] = sorted({(source, self.random.choice(self.columns[source]), self.random.random() < 0.8) for source in sources})
        self.jobs.append((f"{kind}_{len(self.jobs):05}", inputs, output, lineage))

    def dataset(self, name, lineage=None):
        fields = [{"name": column, "type": TYPES[n % len(TYPES)]} for n, column in enumerate(self.columns[name])]
        facets = {"schema": {**FACET, "fields": fields}}
        if lineage:
            field = lambda source, column, is_direct: {
                "namespace": "postgres://db.example.com:5432",
                "name": source,
                "field": column,
                "transformations": [{"type": "DIRECT" if is_direct else "INDIRECT", "subtype": "IDENTITY" if is_direct else "FILTER"}],
            }
            fields = {column: {"inputFields": [field(*source) for source in sources]} for column, sources in lineage.items()}
            facets["columnLineage"] = {**FACET, "fields": fields}
        return {"namespace": "postgres://db.example.com:5432", "name": name, "facets": facets}

    def events(self, count):
        """So many events, in the order of their times."""
        for number in range(count):
            turn, is_end = divmod(number, 2)
            name, inputs, output, lineage = self.jobs[turn % len(self.jobs)]
            run = uuid.UUID(int=(turn << 64) | (8 << 60) | (7 << 76))
            is_failed = is_end and self.random.random() < 0.02
            yield {
                "eventTime": (BEGIN + datetime.timedelta(seconds=number)).isoformat().replace("+00:00", "Z"),
                "producer": PRODUCER,
                "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
                "eventType": ("FAIL" if is_failed else "COMPLETE") if is_end else "START",
                "run": {"runId": str(run), "facets": {"parent": self.parent(turn)}},
                "job": {"namespace": "airflow", "name": f"dag_{turn % len(self.jobs) % 40}.{name}"},
                "inputs": [self.dataset(source) for source in inputs],
                "outputs": [self.dataset(output, lineage if is_end else None)] if output else [],
            }

    def parent(self, turn):
        run = uuid.UUID(int=(turn // len(self.jobs) << 64) | (8 << 60) | (7 << 76) | 1)
        return {**FACET, "run": {"runId": str(run)}, "job": {"namespace": "airflow", "name": f"dag_{turn % len(self.jobs) % 40}"}}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--nodes", type=int, default=2_000)
    arguments = parser.parse_args()
    for each in Estate(arguments.nodes).events(arguments.events):
        print(json.dumps(each, separators=(",", ":")))
