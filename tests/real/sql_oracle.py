"""What sqlglot finds in statements of Redshift: an object a line in, with `sql`, and one a line out. Run by its own Python,
which has sqlglot and nothing else. The first argument is the catalogue: columns by the name of a table, as JSON."""

import json
import sys

import sqlglot
from sqlglot import exp
from sqlglot.lineage import lineage
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import build_scope


def name(table):
    return ".".join(part for part in (table.catalog, table.db, table.name) if part).lower()


def tables(tree):
    """The tables that a query reads: those that are no common table expressions, nor only in one that nobody uses."""
    tree = tree.copy()
    unused = True
    while unused:
        used = [table.name.lower() for table in tree.find_all(exp.Table) if not table.db]
        unused = [cte for cte in tree.find_all(exp.CTE) if cte.alias.lower() not in used]
        for cte in unused:
            cte.pop()
    hidden = {cte.alias.lower() for cte in tree.find_all(exp.CTE)}
    return sorted({name(table) for table in tree.find_all(exp.Table) if table.db or table.name.lower() not in hidden})


def split(tree):
    """What a statement writes, under which names, and the query."""
    if isinstance(tree, (exp.Insert, exp.Create)):
        target, names = tree.this, None
        if isinstance(target, exp.Schema):
            target, names = target.this, [column.name.lower() for column in target.expressions]
        return name(target), names, tree.expression
    if isinstance(tree, exp.Query) and tree.args.get("into"):
        query = tree.copy()
        into = query.args["into"]
        query.set("into", None)
        return name(into.this), None, query
    return None, None, tree


def schema(catalog):
    nested = {}
    for table, columns in catalog.items():
        db, table = table.split(".")
        nested.setdefault(db, {})[table] = {column: "int" for column in columns}
    return nested


def columns(query, names, catalog):
    """The columns of tables that each column of a query is made of, in any way."""
    query = qualify(query.copy(), schema=schema(catalog), dialect="redshift", validate_qualify_columns=False, quote_identifiers=False)
    scope = build_scope(query)
    found = {}
    for position, column in enumerate(query.named_selects):
        node = lineage(column, query, schema=None, scope=scope, dialect="redshift", trim_selects=False)
        sources = set()
        for leaf in node.walk():
            if isinstance(leaf.expression, exp.Table) and "." in leaf.name:
                sources.add(f"{name(leaf.expression)}.{leaf.name.split('.')[-1].lower()}")
        label = names[position] if names and position < len(names) else column.lower()
        found[label] = sorted(sources)
    return found


def read(sql, catalog):
    tree = sqlglot.parse_one(sql, dialect="redshift")
    if isinstance(tree, (exp.Update, exp.Delete, exp.Merge)):
        target = tree.this
        inputs = {table for table in tables(tree)}
        # The target is read when it also stands among the sources.
        if sum(name(table) == name(target) for table in tree.find_all(exp.Table)) == 1:
            inputs -= {name(target)}
        return {"output": name(target), "inputs": sorted(inputs), "columns": None}
    output, names, query = split(tree)
    if names is None and isinstance(tree, exp.Insert):
        names = catalog.get(output)
    return {"output": output, "inputs": tables(query), "columns": columns(query, names, catalog)}


catalog = json.loads(sys.argv[1])
for line in sys.stdin:
    try:
        answer = read(json.loads(line)["sql"], catalog)
    except Exception as error:  # noqa: BLE001: whatever it cannot read is a class of its own
        answer = {"error": f"{type(error).__name__}: {error}"[:200]}
    print(json.dumps(answer), flush=True)
