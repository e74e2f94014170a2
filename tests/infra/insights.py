"""The query language of CloudWatch Logs Insights as AWS documents it, as far as we use it: what is not here is a mistake, or to be added
with its page. `fields_of` reads a query, or says what is wrong with it.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax.html (commands, pipes, comments)
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax-Guidelines.html (names in backticks)
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax-Filter.html (comparisons, like)
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax-operations-functions.html (functions)
"""

import re

MOST_CHARACTERS, MOST_ROWS = 10_000, 10_000
TOKEN = re.compile(
    r"""\s*(?:
    (?P<comment>\#[^\n]*)
  | (?P<name>@?`[^`\n]+`|@{1,2}[A-Za-z][A-Za-z0-9.]*|[A-Za-z][A-Za-z0-9.]*)
  | (?P<number>\d+(?:\.\d+)?)
  | (?P<text>'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*")
  | (?P<regex>/(?:[^/\\\n]|\\.)+/)
  | (?P<operator>=~|!=|<=|>=|[=<>])
  | (?P<mark>[|,()*])
)""",
    re.VERBOSE,
)
KEYWORDS = {"and", "or", "not", "like", "in", "as", "by", "asc", "desc"}
# Those that are no command of ours are a mistake: a query with one is refused.
COMMANDS = {"source", "fields", "display", "filter", "stats", "sort", "limit"}
TESTS, AGGREGATIONS = {"ispresent", "isempty", "isblank"}, {"count", "count_distinct", "sum", "avg", "min", "max"}


class Wrong(Exception):
    """A query that CloudWatch Logs Insights would refuse."""


def tokens(query):
    place, found = 0, []
    while query[place:].strip():
        match = TOKEN.match(query, place)
        if not match:
            raise Wrong(f"at {query[place:place + 30]!r}")
        if match.lastgroup != "comment":
            found.append((match.lastgroup, match[match.lastgroup]))
        place = match.end()
        following = query[place:place + 1]
        if match.lastgroup in ("name", "number") and re.match(r"[\w`@-]", following):
            raise Wrong(f"{match[match.lastgroup] + following}: a name with it needs backticks")
    return found


class Query:
    def __init__(self, query):
        if len(query) > MOST_CHARACTERS:
            raise Wrong("too long")
        self.left, self.fields, self.made = tokens(query), [], set()
        self.commands = []
        while True:
            self.command()
            if not self.left:
                break
            self.take("mark", "|")

    def peek(self, kind, *words):
        found = self.left[0] if self.left else (None, "")
        return found[0] == kind and (not words or found[1].lower() in words)

    def take(self, kind, *words):
        if not self.peek(kind, *words):
            raise Wrong(f"expected {' or '.join(words) or kind}, found {self.left[0][1] if self.left else 'the end'}")
        return self.left.pop(0)[1]

    def maybe(self, kind, *words):
        return self.take(kind, *words) if self.peek(kind, *words) else None

    def command(self):
        name = self.take("name").lower()
        if name not in COMMANDS:
            raise Wrong(f"{name} is no command that is known here")
        if name == "source" and self.commands:
            raise Wrong("SOURCE comes first")
        self.commands.append(name)
        getattr(self, f"command_{name}")()

    def several(self, one):
        one()
        while self.maybe("mark", ","):
            one()

    def command_source(self):
        self.several(lambda: self.take("text"))

    def command_fields(self):
        self.several(self.field)

    command_display = command_fields

    def command_filter(self):
        self.condition()

    def command_stats(self):
        self.several(self.aggregation)
        if self.maybe("name", "by"):
            self.several(self.field)

    def command_sort(self):
        def one():
            self.field()
            self.maybe("name", "asc", "desc")

        self.several(one)

    def command_limit(self):
        if not 1 <= int(self.take("number")) <= MOST_ROWS:
            raise Wrong(f"limit: 1 to {MOST_ROWS}")

    def field(self):
        name = self.take("name")
        if name.lower() in KEYWORDS | COMMANDS:
            raise Wrong(f"{name} is a word of the language")
        plain = name.replace("`", "")
        if plain not in self.made:
            self.fields.append(plain)

    def aggregation(self):
        name = self.take("name")
        if name not in AGGREGATIONS:
            raise Wrong(f"{name} is no function that is known here")
        self.take("mark", "(")
        self.maybe("mark", "*") or self.field()
        self.take("mark", ")")
        if self.maybe("name", "as"):
            self.made.add(self.take("name"))

    def condition(self):
        self.term()
        while self.maybe("name", "and", "or"):
            self.term()

    def term(self):
        self.maybe("name", "not")
        if self.maybe("mark", "("):
            self.condition()
            self.take("mark", ")")
        elif self.peek("name", *TESTS):
            self.take("name")
            self.take("mark", "(")
            self.field()
            self.take("mark", ")")
        else:
            self.field()
            self.comparison()

    def comparison(self):
        self.maybe("name", "not")
        if self.maybe("name", "like") or self.maybe("operator", "=~"):
            if pattern := self.maybe("regex"):
                try:
                    re.compile(pattern[1:-1])
                except re.error as error:
                    raise Wrong(f"{pattern}: {error}") from None
            else:
                self.take("text")
        else:
            self.take("operator", "=", "!=", "<", "<=", ">", ">=")
            self.maybe("number") or self.take("text")


def fields_of(query):
    """The fields of the log that a query reads. Raises `Wrong`."""
    return Query(query).fields
