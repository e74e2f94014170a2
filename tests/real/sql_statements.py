"""Makes statements for the comparison with another reader: any number of them, always the same for a seed."""

import random

CATALOG = {
    "shop.orders": ["id", "customer_id", "amount", "day", "status"],
    "shop.customers": ["customer_id", "email", "country", "created"],
    "shop.items": ["item_id", "order_id", "sku", "qty", "price"],
    "stage.loads": ["load_id", "source", "rows_read", "day"],
    "mart.daily": ["day", "country", "revenue", "visits"],
    "mart.targets": ["a", "b", "c", "d", "e", "f"],
}


class Source:
    """Something with columns in a `FROM`."""

    def __init__(self, alias, columns):
        self.alias, self.columns = alias, columns
        # Columns by which it is joined to the sources before it: without a qualifier they are those of both.
        self.joined = set()


class Maker:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.names = 0

    def name(self, prefix):
        self.names += 1
        return f"{prefix}{self.names}"

    def pick(self, options):
        return self.random.choice(options)

    def chance(self, share):
        return self.random.random() < share

    # Sources

    def source(self, known, depth):
        """Text and columns of one source: a table, a common table expression, or a query in brackets."""
        alias = self.name("s")
        if known and self.chance(0.5):
            name, columns = self.pick(known)
            return f"{name} {self.pick(['', 'as '])}{alias}", Source(alias, columns)
        if depth > 0 and self.chance(0.3):
            text, columns = self.query(known, depth - 1)
            return f"({text}) {alias}", Source(alias, columns)
        table = self.pick(list(CATALOG))
        columns = CATALOG[table]
        if self.chance(0.15):
            return table, Source(table, columns)
        return f"{table} {alias}", Source(alias, columns)

    def sources(self, known, depth):
        text, first = self.source(known, depth)
        sources = [first]
        # Where the item of the FROM begins that is joined to: USING sees no other.
        item = 0
        for _ in range(self.pick([0, 0, 1, 1, 2])):
            more, source = self.source(known, depth)
            if any(source.alias == other.alias for other in sources):
                continue
            kind = self.pick(["join", "left join", "inner join", "right outer join", "full join", "cross join", ","])
            shared = [column for column in source.columns if sum(column in other.columns for other in sources[item:]) == 1]
            if kind in ("cross join", ","):
                text += f" {kind} {more}"
                item = len(sources) if kind == "," else item
            elif kind in ("right outer join", "full join") and shared and self.chance(0.5):
                source.joined.add(self.pick(shared))
                text += f" {kind} {more} using ({', '.join(source.joined)})"
            else:
                condition = f"{self.column(sources)} = {self.column([source])}"
                text += f" {kind} {more} on {condition}"
            sources.append(source)
        return text, sources

    # Values

    def column(self, sources):
        source = self.pick(sources)
        column = self.pick(source.columns)
        unique = sum(column in other.columns for other in sources) == 1
        # Where one more source has the column, its name alone would be ambiguous.
        holders = [other for other in sources if column in other.columns]
        joined = [other for other in holders if column in other.joined]
        if joined and len(holders) - len(joined) == 1 and self.chance(0.7):
            return column
        if unique and self.chance(0.4):
            return self.pick([column, column.upper()])
        return f"{source.alias}.{column}"

    def value(self, sources, known, depth):
        column = lambda: self.column(sources)
        inner = lambda: self.value(sources, known, depth - 1) if depth > 0 else column()
        return self.pick([
            column, column, column,
            lambda: f"{inner()} + {inner()}",
            lambda: f"{inner()} || '-' || {column()}",
            lambda: f"coalesce({inner()}, {inner()}, 0)",
            lambda: f"{column()}::varchar(10)",
            lambda: f"cast({inner()} as decimal(18, 2))",
            lambda: f"case when {column()} > 1 then {inner()} else {column()} end",
            lambda: f"case {column()} when 'a' then {inner()} end",
            lambda: f"date_trunc('month', {column()})",
            lambda: f"nvl(upper({column()}), 'x')",
            lambda: f"({inner()})",
            lambda: f"sum({column()}) over (partition by {column()} order by {column()})",
            lambda: f"lag({column()}) over (order by {column()})",
            lambda: f"first_value({column()} ignore nulls) over (order by {column()} rows between unbounded preceding and current row)",
            lambda: f"decode({column()}, 'a', {inner()}, {column()})",
            lambda: f"nvl2({column()}, {inner()}, {column()})",
            lambda: f"date_part('year', {column()})",
            lambda: f"({column()} is null)",
            lambda: self.pick(["1", "'text'", "null", "1.5", "getdate()"]),
            lambda: self.scalar(known, depth),
            lambda: f"{column()} between {column()} and 10",
            lambda: f"substring({column()}, 1, 3)",
        ])()

    def scalar(self, known, depth):
        text, sources = self.sources(known, 0)
        return f"(select max({self.column(sources)}) from {text})"

    def condition(self, sources, known):
        column = self.column(sources)
        return self.pick([
            lambda: f"{column} > 10",
            lambda: f"{column} in (1, 2, 3)",
            lambda: f"{column} like 'a%'",
            lambda: f"{column} is not null and {self.column(sources)} <> 'x'",
            lambda: self.within(column, known),
        ])()

    def within(self, column, known):
        text, sources = self.sources(known, 0)
        return f"{column} in (select {self.column(sources)} from {text})"

    # Queries

    def select(self, known, depth, width):
        text, sources = self.sources(known, depth)
        items, columns = [], []
        all_columns = [column for source in sources for column in source.columns if column not in source.joined]
        if width is None and self.chance(0.2) and len(set(all_columns)) == len(all_columns):
            items, columns = ["*"], all_columns
            if len(columns) > 1 and self.chance(0.3):
                gone = self.pick(columns)
                items, columns = [f"* exclude ({gone})"], [column for column in columns if column != gone]
        elif width is None and self.chance(0.15):
            source = self.pick(sources)
            items, columns = [f"{source.alias}.*"], list(source.columns)
        grouped = not items and self.chance(0.25)
        while len(columns) < (width or self.pick([1, 2, 3, 4])):
            name = self.name("c")
            if grouped:
                value = self.pick(["sum({})", "max({})", "count(distinct {})", "count(*)", "listagg({}, ',')", "median({})"]).format(self.column(sources))
            elif columns and not items[0].endswith((")", "*")) and self.chance(0.1):
                value = f"{self.pick(columns)} || 'x'"
            else:
                value = self.value(sources, known, 2)
            items.append(f"{value} {self.pick(['', 'as '])}{name}")
            columns.append(name)
        if grouped:
            by = self.column(sources)
            items[0], columns[0] = f"{by} as {columns[0]}", columns[0]
        text = f"select {self.pick(['', '', '', 'distinct '])}{', '.join(items)} from {text}"
        if self.chance(0.4):
            text += f" where {self.condition(sources, known)}"
        if grouped:
            text += f" group by {self.pick(['1', by, by, f'rollup ({by})', f'cube ({by})', f'grouping sets (({by}), ())'])}"
            if self.chance(0.3):
                text += f" having count(*) > 1"
        elif self.chance(0.08):
            text += f" qualify row_number() over (partition by {self.column(sources)} order by {self.column(sources)}) = 1"
        return text, columns

    def query(self, known, depth, width=None):
        text, columns = self.select(known, depth, width)
        if self.chance(0.15):
            for _ in range(self.pick([1, 1, 2])):
                more, _ = self.select(known, depth, len(columns))
                text += f" {self.pick(['union', 'union all', 'union all', 'intersect'])} {more}"
        elif self.chance(0.1):
            text += f" order by 1 limit 10"
        return text, columns

    def with_query(self, width=None):
        known, parts = [], []
        for _ in range(self.pick([0, 0, 1, 2, 3])):
            name = self.name("w")
            text, columns = self.query(known, 1)
            parts.append(f"{name} as ({text})")
            known.append((name, columns))
        text, columns = self.query(known, 2, width)
        if not parts:
            return text, columns
        # What is not used is not read: another reader may count it.
        used = parts if all(name in text or any(name in part for part in parts) for name, _ in known) else None
        return (f"with {', '.join(parts)} {text}" if used else self.with_query(width)[0]), columns

    def statement(self):
        return self.pick([self.insert, self.insert, self.insert_list, self.create, self.create, self.view, self.materialized, self.recursive, self.into, self.update, self.delete, self.merge])()

    def insert(self):
        return f"insert into mart.targets {self.with_query(6)[0]}"

    def insert_list(self):
        names = self.random.sample(CATALOG["mart.targets"], 3)
        return f"insert into mart.targets ({', '.join(names)}) {self.with_query(3)[0]}"

    def create(self):
        options = self.pick(["", "diststyle all ", "distkey(c1) sortkey(c2) ", "diststyle even "])
        return f"create table mart.made {options}as {self.with_query()[0]}"

    def view(self):
        return f"create or replace view mart.seen as {self.with_query()[0]}{self.pick(['', ' with no schema binding'])}"

    def materialized(self):
        return f"create materialized view mart.seen {self.pick(['', 'auto refresh yes ', 'backup no diststyle even sortkey (c1) auto refresh no '])}as {self.with_query()[0]}"

    def recursive(self):
        """A hierarchy: what begins it, and what is found again and again."""
        table = self.pick(list(CATALOG))
        key, parent, more = self.random.sample(CATALOG[table], 3)
        step = self.pick([f"t.{more}", f"r.label || t.{more}", "r.label"])
        return (
            f"create table mart.made as with recursive r(node, up, label) as (select {key}, {parent}, {more} from {table} where {parent} is null "
            f"union all select t.{key}, t.{parent}, {step} from {table} t join r on r.node = t.{parent}) select node, label as c1 from r"
        )

    def into(self):
        text, _ = self.select([], 1, 2)
        return text.replace(" from ", " into mart.made from ", 1) if "(select" not in text else self.create()

    def update(self):
        text, sources = self.sources([], 1)
        values = ", ".join(f"{column} = {self.value(sources, [], 1)}" for column in ("a", "b"))
        return f"update mart.targets set {values} from {text} where mart.targets.a = {self.column(sources)}"

    def delete(self):
        text, sources = self.source([], 1)
        return f"delete from mart.targets using {text} where mart.targets.a = {self.column([sources])}"

    def merge(self):
        text, source = self.source([], 1)
        column = lambda: f"{source.alias}.{self.pick(source.columns)}"
        return (
            f"merge into mart.targets using {text} on mart.targets.a = {column()} "
            f"when matched then update set b = {column()} when not matched then insert (a, b) values ({column()}, {column()})"
        )


def statements(count, seed=1):
    maker = Maker(seed)
    return [maker.statement() for _ in range(count)]
