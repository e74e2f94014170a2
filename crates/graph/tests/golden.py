"""Writes golden.json: what the events of the repository's fixtures say about lineage, computed without any code of the crate.

    python3 crates/graph/tests/golden.py

Fixtures that are no valid events, and those with characters that are repaired when they are read, are left out.
"""

import json
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
FOLDERS = ["tests/fixtures", "crates/transform/tests/fixtures"]


def name(value):
    return f"{value['namespace']} | {value['name']}"


def graph(event):
    nodes, edges, columns, aliases, parent = set(), set(), {}, set(), None
    job = event.get("job")
    if job:
        nodes.add(f"job {name(job)}")
    for role in ("inputs", "outputs", "dataset"):
        datasets = event.get(role) or []
        for dataset in [datasets] if role == "dataset" and datasets else datasets:
            node = f"dataset {name(dataset)}"
            nodes.add(node)
            if role == "inputs":
                edges.add((node, f"job {name(job)}"))
            if role == "outputs":
                edges.add((f"job {name(job)}", node))
            facets = dataset.get("facets") or {}
            for link in facets.get("symlinks", {}).get("identifiers", []):
                if name(link) != name(dataset):
                    aliases.add((name(link), name(dataset)))
            lineage = facets.get("columnLineage", {})
            read = [(field, source) for field, value in lineage.get("fields", {}).items() for source in value["inputFields"]]
            read += [("*", source) for source in lineage.get("dataset", [])]
            for field, source in read:
                nodes.add(f"dataset {name(source)}")
                kinds = {change.get("type") for change in source.get("transformations") or []}
                key = (f"{name(source)} | {source['field']}", f"{name(dataset)} | {field}")
                kind = "indirect" if kinds == {"INDIRECT"} else "direct"
                columns[key] = "direct" if "direct" in (kind, columns.get(key)) else "indirect"
    above = event.get("run", {}).get("facets", {}).get("parent", {}).get("job") if job else None
    if above:
        nodes.add(f"job {name(above)}")
        parent = [name(job), name(above)]
    return {
        "nodes": sorted(nodes),
        "edges": sorted(map(list, edges)),
        "columns": sorted([*key, kind] for key, kind in columns.items()),
        "aliases": sorted(map(list, aliases)),
        "parent": parent,
    }


def main():
    golden = {}
    for folder in FOLDERS:
        for file in sorted((ROOT / folder).glob("*.json")):
            text = file.read_text()
            if not re.search(r"\\u((?i:d[89a-f])|0000)|NaN", text):
                golden[str(file.relative_to(ROOT))] = graph(json.loads(text))
    assert len(golden) > 30 and any(found["columns"] for found in golden.values())
    Path(__file__).with_suffix(".json").write_text(json.dumps(golden, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
