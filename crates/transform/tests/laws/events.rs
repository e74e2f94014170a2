//! Events for the laws: real ones, and ones that are made to be awkward.
//!
//! Made events are texts and not values, so that they can have what a value cannot: duplicated keys, escapes that need
//! not be, numbers that no float holds, white space. Each has names at every typed place, and beside them objects that
//! look like names and are none.

use std::path::Path;

use openlineage::{Event, Level};

use crate::support::{Chance, FIXTURES, fixtures};

/// From the fixtures of the repository.
const OWN: &str = "../../crates/transform/tests/fixtures";

/// Every real event, with the name of its file: of the repository, and of this crate.
pub(crate) fn real() -> Vec<(String, Event)> {
    let mut texts = fixtures();
    for entry in std::fs::read_dir(Path::new(FIXTURES).join(OWN)).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        texts.push((name, std::fs::read_to_string(path).unwrap()));
    }
    let read = |(name, text): (String, String)| {
        let read = Event::read(text.as_bytes(), Level::Repair).ok()?;
        Some((name, read.event))
    };
    texts.into_iter().filter_map(read).collect()
}

/// An awkward event; the same for the same seed.
pub(crate) fn made(seed: u64) -> Event {
    let text = Maker(Chance(seed)).event();
    match Event::read(text.as_bytes(), Level::Strict) {
        Ok(read) => read.event,
        Err(refused) => panic!("{refused}: {text}"),
    }
}

const NAMESPACES: [&str; 20] = [
    "s3a://lake",
    "s3a://lake",
    "s3n://Lake",
    "s3://lake",
    "S3A://lake/",
    "postgres://DB.example.com",
    "postgres://10.1.2.3:5432",
    "postgres://10.1.2.3:5432",
    "jdbc:postgresql://scott:tiger@10.1.2.3/shop?user=a&password=b",
    "redshift://10.1.2.3:5439",
    "redshift://10.1.2.3:5439",
    "redshift://dwh.us-east-1:5439",
    "redshift://wg.123456789012.eu-west-1.redshift-serverless.amazonaws.com:5439",
    "awsathena://athena.eu-west-1.amazonaws.com",
    "arn:aws:glue:eu-west-1:123456789012",
    "bigquery",
    "hdfs://namenode:8020",
    "airflow-prod",
    "airflow-prod",
    "of \"all\" \\ kinds: é ☃ \u{1F600}\t",
];

const NAMES: [&str; 16] = [
    "/raw/orders/",
    "raw/orders/year=2026/month=05",
    "shop.public.orders",
    "shop.public.orders",
    "dev.public.a~b/c",
    "table/shop/orders",
    "table/shop/orders",
    "shop.public.orders_20260501",
    "project.dataset.Table$20260501",
    "wh/t/_temporary/0/x",
    "shop.public.orders__dbt_tmp",
    "a \"b\"\n\u{7} 名前",
    "dag.task.scheduled__2026-05-01T00:00:00+00:00",
    "/",
    "",
    "tmp/01a1faa6-e194-708b-a993-cc010cbe1ae4/data",
];

const RUN: &str = "01a1faa6-e194-708b-a993-cc010cbe1ae4";

const NUMBERS: [&str; 9] = [
    "0",
    "-0.0",
    "1.0",
    "1.10",
    "1E+2",
    "1e308",
    "9007199254740993123",
    "1180591620717411303424",
    "4611686018427387905",
];

struct Maker(Chance);

impl Maker {
    fn often(&mut self) -> bool {
        self.0.below(3) > 0
    }

    fn seldom(&mut self) -> bool {
        self.0.below(8) == 0
    }

    fn one(&mut self, of: &[&'static str]) -> &'static str {
        of[self.0.below(of.len())]
    }

    fn space(&mut self) -> &'static str {
        self.one(&["", "", "", "", " ", "\n  "])
    }

    /// Quoted, with escapes that the grammar allows and nobody needs.
    fn string(&mut self, text: &str) -> String {
        let style = self.0.below(6);
        let mut out = String::from("\"");
        for c in text.chars() {
            let whim = style == 0 || style == 1 && self.seldom();
            match c {
                '/' if style == 2 => out.push_str("\\/"),
                _ if whim || u32::from(c) < 0x20 || c == '"' || c == '\\' => {
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        out.push_str(&format!("\\u{unit:04X}"));
                    }
                }
                _ => out.push(c),
            }
        }
        out + "\""
    }

    fn object(&mut self, members: Vec<(&str, String)>) -> String {
        let mut out = String::from("{");
        for (index, (key, value)) in members.into_iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            let (a, b, c) = (self.space(), self.space(), self.space());
            let key = if self.seldom() {
                self.string(key)
            } else {
                format!("\"{key}\"")
            };
            out.push_str(&format!("{comma}{a}{key}{b}:{c}{value}"));
        }
        out + self.space() + "}"
    }

    fn list(&mut self, most: usize, mut item: impl FnMut(&mut Maker) -> String) -> String {
        let items: Vec<String> = (0..self.0.below(most + 1)).map(|_| item(self)).collect();
        let (a, b) = (self.space(), self.space());
        format!("[{a}{}{b}]", items.join(","))
    }

    fn name(&mut self) -> Vec<(&'static str, String)> {
        let namespace = self.one(&NAMESPACES);
        self.name_in(namespace)
    }

    fn name_in(&mut self, namespace: &str) -> Vec<(&'static str, String)> {
        let name = self.one(&NAMES);
        let mut members = vec![
            ("namespace", self.string(namespace)),
            ("name", self.string(name)),
        ];
        if self.seldom() {
            members.insert(0, ("name", self.string(name))); // the last of its kind counts
        }
        if self.seldom() {
            members.reverse();
        }
        members
    }

    fn named(&mut self, more: Vec<(&'static str, String)>) -> String {
        let mut members = self.name();
        members.extend(more);
        self.object(members)
    }

    fn facet(&mut self, mut members: Vec<(&'static str, String)>) -> String {
        members.push(("_producer", "\"urn:p\"".into()));
        members.push(("_schemaURL", "\"urn:s\"".into()));
        self.object(members)
    }

    /// What looks like a name and is none.
    fn decoy(&mut self) -> String {
        let (inner, number) = (self.named(vec![]), self.one(&NUMBERS));
        let mut members = self.name();
        members.extend([
            ("job", inner.clone()),
            ("identifiers", format!("[{inner}]")),
            ("n", number.to_owned()),
        ]);
        self.facet(members)
    }

    /// Facets of that many kinds, each there or not, one of them perhaps twice.
    fn facets(&mut self, all: Vec<(&'static str, String)>) -> String {
        let mut some = Vec::new();
        for (name, facet) in all {
            if self.often() {
                if self.seldom() {
                    some.push((name, self.decoy()));
                }
                some.push((name, facet));
            }
        }
        self.object(some)
    }

    fn typed(&mut self, more: Vec<(&'static str, String)>) -> String {
        let kind = self.one(&["DATASET", "JOB", "OTHER"]);
        let mut members = vec![("type", format!("\"{kind}\""))];
        members.extend(more);
        self.named(members)
    }

    /// `inputs` and `fields` of a lineage facet or an entry of one.
    fn lineage(&mut self) -> Vec<(&'static str, String)> {
        let inputs = self.list(2, |m| m.typed(vec![]));
        let inner = self.list(2, |m| m.typed(vec![]));
        let field = self.object(vec![("inputs", inner)]);
        let fields = self.object(vec![("shop.public.orders", field)]);
        vec![("inputs", inputs), ("fields", fields)]
    }

    /// A text that repeats a namespace, or does not.
    fn repeated(&mut self, namespace: &str) -> String {
        let text = match self.0.below(4) {
            0 => format!("{namespace}/shop"),
            1 => "elsewhere".to_owned(),
            _ => namespace.to_owned(),
        };
        self.string(&text)
    }

    fn dataset_facets(&mut self, namespace: &str) -> String {
        let symlinks = self.list(2, |m| m.named(vec![("type", "\"TABLE\"".into())]));
        let symlinks = self.facet(vec![("identifiers", symlinks)]);
        let input = |m: &mut Maker| m.named(vec![("field", "\"shop.public.orders\"".into())]);
        let (fields, whole) = (self.list(3, input), self.list(1, input));
        let column = self.object(vec![("inputFields", fields)]);
        let fields = self.object(vec![("shop.public.orders", column)]);
        let columns = self.facet(vec![("fields", fields), ("dataset", whole)]);
        let previous = self.named(vec![]);
        let lifecycle = self.facet(vec![
            ("lifecycleStateChange", "\"RENAME\"".into()),
            ("previousIdentifier", previous),
        ]);
        let lineage = self.lineage();
        let lineage = self.facet(lineage);
        let fields = self.list(2, |m| m.named(vec![]));
        let schema = self.facet(vec![("fields", fields)]);
        let (name, uri) = (self.repeated(namespace), self.repeated(namespace));
        let source = self.facet(vec![("name", name), ("uri", uri)]);
        let decoy = self.decoy();
        self.facets(vec![
            ("dataSource", source),
            ("symlinks", symlinks),
            ("columnLineage", columns),
            ("lifecycleStateChange", lifecycle),
            ("lineage", lineage),
            ("schema", schema),
            ("custom", decoy),
        ])
    }

    fn dataset(&mut self, io: Option<&'static str>) -> String {
        let namespace = self.one(&NAMESPACES);
        let mut more = Vec::new();
        if self.often() {
            more.push(("facets", self.dataset_facets(namespace)));
        }
        if let Some(io) = io.filter(|_| self.often()) {
            let (symlinks, custom) = (self.decoy(), self.decoy());
            let facets = self.facets(vec![("symlinks", symlinks), ("custom", custom)]);
            more.push((io, facets));
        }
        let mut members = self.name_in(namespace);
        members.extend(more);
        self.object(members)
    }

    fn job(&mut self) -> String {
        let facets = self.job_facets();
        self.named(vec![("facets", facets)])
    }

    fn job_facets(&mut self) -> String {
        let entries = self.list(2, |m| {
            let lineage = m.lineage();
            m.typed(lineage)
        });
        let lineage = self.facet(vec![("entries", entries)]);
        let query = self.string("select 'x', 17 from t where u = 'jdbc:a://b?password=c'");
        let sql = self.facet(vec![("query", query)]);
        let (symlinks, custom) = (self.decoy(), self.decoy());
        self.facets(vec![
            ("lineage", lineage),
            ("sql", sql),
            ("symlinks", symlinks),
            ("custom", custom),
        ])
    }

    /// A run and its job, as facets of another run refer to them, with the facets that they forward.
    fn linked(&mut self, levels: usize) -> Vec<(&'static str, String)> {
        let mut job = Vec::new();
        if levels > 0 && self.seldom() {
            job.push(("facets", self.job_facets()));
        }
        let job = self.named(job);
        let run = match levels > 0 && self.seldom() {
            true => self.run(levels - 1),
            false => format!("{{\"runId\":\"{RUN}\"}}"),
        };
        vec![("run", run), ("job", job)]
    }

    fn run(&mut self, levels: usize) -> String {
        let root = self.linked(levels);
        let root = self.object(root);
        let mut parent = self.linked(levels);
        parent.push(("root", root));
        let parent = self.facet(parent);
        let old = self.linked(levels);
        let old = self.facet(old);
        let dependency = |m: &mut Maker| {
            let job = m.named(vec![]);
            m.object(vec![("job", job)])
        };
        let (up, down) = (self.list(2, dependency), self.list(2, dependency));
        let dependencies = self.facet(vec![("upstream", up), ("downstream", down)]);
        let secret = self.string("hunter2");
        let variable = self.object(vec![("name", "\"DB_PASSWORD\"".into()), ("value", secret)]);
        let variables = self.facet(vec![("environmentVariables", format!("[{variable}]"))]);
        let number = self.one(&NUMBERS);
        let (plan, custom) = (
            self.facet(vec![("plan", format!("[{number}, null, {{}}]"))]),
            self.decoy(),
        );
        let facets = self.facets(vec![
            ("parent", parent),
            ("parentRun", old),
            ("jobDependencies", dependencies),
            ("environmentVariables", variables),
            ("spark.logicalPlan", plan),
            ("custom", custom),
        ]);
        self.object(vec![("runId", format!("\"{RUN}\"")), ("facets", facets)])
    }

    fn event(&mut self) -> String {
        let mut members = vec![
            ("eventTime", "\"2026-01-01T00:00:00Z\"".to_owned()),
            ("producer", "\"urn:p\"".to_owned()),
            ("schemaURL", "\"urn:s\"".to_owned()),
        ];
        let kind = self.0.below(6);
        if kind == 0 {
            members.push(("dataset", self.dataset(None)));
        } else {
            if kind > 1 {
                let event_type = self.one(&["START", "RUNNING", "COMPLETE", "FAIL"]);
                members.push(("eventType", format!("\"{event_type}\"")));
                members.push(("run", self.run(2)));
            }
            members.push(("job", self.job()));
            for (list, io) in [("inputs", "inputFacets"), ("outputs", "outputFacets")] {
                if self.often() {
                    if self.seldom() {
                        members.push((list, self.list(2, |m| m.dataset(Some(io)))));
                    }
                    members.push((list, self.list(3, |m| m.dataset(Some(io)))));
                }
            }
        }
        let (namespace, name, number) = (
            self.string("s3a://lake"),
            self.string("shop.public.orders"),
            self.one(&NUMBERS),
        );
        let unknown = self.object(vec![("namespace", namespace), ("name", name)]);
        members.push(("unknown", unknown));
        members.push(("unknown", number.to_owned()));
        self.object(members)
    }
}
