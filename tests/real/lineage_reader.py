"""The lineage that events describe, twice: as a server with Marquez' API tells it, and computed from the events themselves.

The reader asks only what Marquez answers too, so that a real Marquez can stand in the place of `serve`.
"""

import datetime
import json
import urllib.parse
import urllib.request
from dataclasses import dataclass, field


@dataclass
class Lineage:
    jobs: set = field(default_factory=set)
    datasets: set = field(default_factory=set)
    edges: set = field(default_factory=set)  # (kind, namespace, name) twice
    columns: set = field(default_factory=set)  # (namespace, name, field) twice


class LineageReader:
    """Reads all that a server knows over Marquez' API."""

    def __init__(self, url, page=50):
        self.url, self.page = f"{url}/api/v1", page

    def get(self, path, **query):
        with urllib.request.urlopen(f"{self.url}{path}?{urllib.parse.urlencode(query)}", timeout=30) as answer:
            return json.load(answer)

    def all(self, path, member):
        """All of a list, page after page."""
        found = []
        while True:
            page = self.get(path, limit=self.page, offset=len(found))[member]
            found += page
            if len(page) < self.page:
                return found

    def lineage(self):
        found = Lineage()
        for namespace in self.all("/namespaces", "namespaces"):
            quoted = urllib.parse.quote(namespace["name"], safe="")
            for job in self.all(f"/namespaces/{quoted}/jobs", "jobs"):
                self.add_job(found, job)
            for dataset in self.all(f"/namespaces/{quoted}/datasets", "datasets"):
                found.datasets.add((dataset["namespace"], dataset["name"]))
        for namespace, name in found.datasets:
            answer = self.get("/column-lineage", nodeId=f"dataset:{namespace}:{name}", depth=1)
            for node in answer["graph"]:
                to = (node["data"]["namespace"], node["data"]["dataset"], node["data"]["field"])
                for source in node["data"]["inputFields"]:
                    found.columns.add(((source["namespace"], source["dataset"], source["field"]), to))
        return found

    def add_job(self, found, job):
        node = ("job", job["namespace"], job["name"])
        found.jobs.add(node[1:])
        for source in job["inputs"]:
            found.edges.add((("dataset", source["namespace"], source["name"]), node))
        for target in job["outputs"]:
            found.edges.add((node, ("dataset", target["namespace"], target["name"])))

    def listed(self, page=5):
        """The jobs and datasets of all lists, by kind, namespace and name. Of a short page, as many events are read as of each alone."""
        short, found = LineageReader(self.url.removesuffix("/api/v1"), page), {}
        for namespace in self.all("/namespaces", "namespaces"):
            quoted = urllib.parse.quote(namespace["name"], safe="")
            for kind in ("job", "dataset"):
                nodes = short.all(f"/namespaces/{quoted}/{kind}s", f"{kind}s")
                found |= {(kind, node["namespace"], node["name"]): node for node in nodes}
        return found

    def graph(self, node_id, depth=1_000):
        """The edges of what is connected with a node, from the side of jobs and from that of datasets."""
        jobs, datasets = set(), set()
        for node in self.get("/lineage", nodeId=node_id, depth=depth)["graph"]:
            edges = {(edge["origin"], edge["destination"]) for edge in node["inEdges"] + node["outEdges"]}
            (jobs if node["type"] == "JOB" else datasets).update(edges)
        assert jobs == datasets, node_id
        return jobs


def named(value):
    """Namespace and name, if both are texts."""
    pair = (value.get("namespace"), value.get("name")) if isinstance(value, dict) else (None, None)
    return pair if all(isinstance(part, str) and is_text(part) for part in pair) else None


def is_text(part):
    """Not half of a pair of UTF-16."""
    return not any("\ud800" <= character <= "\udfff" for character in part)


def listed(value, name):
    items = value.get(name) if isinstance(value, dict) else None
    return items if isinstance(items, list) else []


def at(value, *path):
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


class Computed:
    """What the events say, in the order in which they were delivered."""

    def __init__(self, events):
        self.lineage, self.times, self.runs, self.aliases, self.sets = Lineage(), {}, {}, {}, {}
        self.said = {}  # of each name of a node: the times of its events, and the facets in them
        for event in events:
            self.add(event)
        self.complete()

    def add(self, event):
        time = datetime.datetime.fromisoformat(event["eventTime"])
        job = named(event.get("job"))
        if job and not event.get("dataset"):
            self.lineage.jobs.add(job)
            self.said.setdefault(("job", *job), []).append((time, [at(event, "job", "facets")]))
            parent = named(at(event, "run", "facets", "parent", "job"))
            self.lineage.jobs.update([parent] if parent else [])
            edges = [(name, is_output) for member, is_output in (("inputs", False), ("outputs", True)) for name in map(named, listed(event, member)) if name]
            for edge in edges:
                known = self.times.setdefault(job, {})
                known[edge] = max(known.get(edge, time), time)
            # A JobEvent is as a run of its own that has completed.
            run = at(event, "run", "runId")
            if run or edges:
                of_run = self.runs.setdefault(job, {}).setdefault(run or ("event", time), {"times": [], "ends": [], "edges": False})
                of_run["times"].append(time)
                of_run["edges"] |= bool(edges)
                if not run or event.get("eventType") in ("COMPLETE", "FAIL", "ABORT"):
                    of_run["ends"].append((time, not run or event["eventType"] == "COMPLETE"))
        for dataset in [*listed(event, "inputs"), *listed(event, "outputs"), event.get("dataset")]:
            self.add_dataset(job, dataset, time)
        facets = {}
        others, inputs = ("facets",), ("inputFacets", "facets")
        for dataset, members in [*((it, others) for it in listed(event, "outputs")), *((it, inputs) for it in listed(event, "inputs")), (event.get("dataset"), others)]:
            if name := named(dataset):
                facets.setdefault(name, []).extend(dataset.get(member) for member in members)
        for name, all in facets.items():
            self.said.setdefault(("dataset", *name), []).append((time, all))

    def add_dataset(self, job, dataset, time):
        name = named(dataset)
        if not name:
            return
        self.lineage.datasets.add(name)
        for other in listed(at(dataset, "facets", "symlinks"), "identifiers"):
            if (alias := named(other)) and alias != name:
                self.aliases.setdefault(alias, set()).add(name)
                self.lineage.datasets.add(alias)
        facet = at(dataset, "facets", "columnLineage")
        steps = set()
        for column, value in (at(facet, "fields") or {}).items():
            steps |= {(source, column) for source in map(self.source, listed(value, "inputFields")) if source}
        steps |= {(source, "") for source in map(self.source, listed(facet, "dataset")) if source}
        self.lineage.datasets.update(source[:2] for source, _ in steps)
        known = self.sets.get((name, job))
        if steps and (not known or time >= known[0]):
            self.sets[name, job] = (time, steps)

    @staticmethod
    def source(value):
        name, column = named(value), at(value, "field")
        return (*name, column) if name and isinstance(column, str) else None

    def complete(self):
        """Of each job, the edges since its last completed run began; of each dataset, one name."""
        one = self.one_name
        for job, edges in self.times.items():
            runs = [run for run in self.runs[job].values() if run["ends"] and run["edges"]]
            ended = [(max(run["ends"])[0], min(run["times"])) for run in runs if max(run["ends"])[1]]
            begun = max(ended)[1] if ended else None
            for (dataset, is_output), time in edges.items():
                if begun is None or time >= begun:
                    pair = (("job", *job), ("dataset", *one(dataset)))
                    self.lineage.edges.add(pair if is_output else pair[::-1])
        for (dataset, _), (_, steps) in self.sets.items():
            for source, column in steps:
                self.lineage.columns.add(((*one(source[:2]), source[2]), (*one(dataset), column)))

    def facets(self, kind, namespace, name):
        """Those of a job or a dataset by any of its names, each as it was said last, and of how many events."""
        names = [(kind, namespace, name)]
        if kind == "dataset":
            one = self.one_name((namespace, name))
            names = [node for node in self.said if node[0] == kind and self.one_name(node[1:]) == one]
        said = sorted((event for node in names for event in self.said.get(node, [])), key=lambda event: event[0])
        found = {}
        for _, all in reversed(said):
            for facets in all:
                for facet, value in (facets if isinstance(facets, dict) else {}).items():
                    if is_text(facet):
                        found.setdefault(facet, value)
        return found, len(said)

    def one_name(self, name):
        """Where a name leads; of names that lead to each other, the smallest."""
        path = [name]
        while path[-1] in self.aliases:
            following = min(self.aliases[path[-1]])
            if following in path:
                return min(path[path.index(following) :])
            path.append(following)
        return path[-1]
