//! Where the fuzzer begins: the events of the repository and made ones, in the form that each law takes.

use crate::actions::{ACTIONS, RENAMES};
use crate::events;
use crate::messages;

/// Events that are small enough to be tried often.
const LARGEST: usize = 6_000;

/// The seeds of that law.
pub fn of(law: &str) -> Vec<Vec<u8>> {
    let events = events().into_iter();
    match law {
        "event" => events.collect(),
        "array" => events
            .map(|event| [&b"["[..], &event, b" , ", &event, b"]"].concat())
            .chain([b"[NaN]".to_vec()])
            .collect(),
        "diff" => events
            .map(|event| [&event[..], b"\0", &event].concat())
            .collect(),
        "spelling" => spellings(),
        "edits" => events
            .map(|event| [b"\x05\x0a\x50\xa0", &event[..]].concat())
            .collect(),
        "names" => names(),
        "actions" => {
            let all = ACTIONS.len();
            let tagged =
                |(index, event): (usize, Vec<u8>)| [&[(index % all) as u8][..], &event].concat();
            events.enumerate().map(tagged).collect()
        }
        "fit" => events
            .map(|event| [b"\xf4\x01", &event[..]].concat())
            .collect(),
        "together" => together(events.collect()),
        "rules" => rules(),
        "pattern" => texts(&[
            "s3*\0s3://b",
            "a?c\0abc",
            "**\0",
            "postgres://[::1]:*\0postgres://[::1]:5432",
            "é?\0é\n",
        ]),
        "texts" => texts(&[
            "jdbc:postgresql://scott:tiger@10.1.2.3/shop?user=a&password=b",
            "jdbc:oracle:thin:user/password@//h:1521/x",
            "select 'x', 17, \"q\" from t where u = E'a\\'b' -- c\n/* d */ and v in ($1, :n, x'ff')",
            "AccountKey={a b};SharedAccessSignature=x;token='y'",
            "select $$a$$, $tag$b$tag$, q'[c]', N'd', r\"e\"",
        ]),
        "logs" => logs(),
        "script" => scripts(),
        "module" => modules(),
        "crawler" => crawler(),
        "flyte" => flyte(),
        "streams" => streams(),
        "sql" => {
            let forms = include_str!("../../../crates/sources/src/redshift/sql/tests/forms.sql");
            forms.lines().map(|line| line.as_bytes().to_vec()).collect()
        }
        _ => Vec::new(),
    }
}

fn events() -> Vec<Vec<u8>> {
    let real = events::real().into_iter().map(|(_, event)| event);
    let all = real.chain((0..12).map(events::made));
    all.map(|event| event.text().as_bytes().to_vec())
        .filter(|text| text.len() <= LARGEST)
        .collect()
}

/// The answers of a crawler with everything that it needs, and of each alone.
fn crawler() -> Vec<Vec<u8>> {
    const ANSWERS: &str =
        include_str!("../../../crates/sources/tests/fixtures/crawler/answers.jsonl");
    let lines = ANSWERS.lines().filter(|line| line.len() <= LARGEST);
    let of = |kind: &str| {
        let found = lines.clone().filter(|line| line.contains(kind));
        found.collect::<Vec<_>>().join("\n").into_bytes()
    };
    let alone = lines.clone().map(|line| line.as_bytes().to_vec());
    let together = ["shop-", "sessions", "profiles", "lake"].map(of);
    alone.chain(together).collect()
}

/// Events in the layouts of logs, in pieces, cut off, and within JSON.
fn logs() -> Vec<Vec<u8>> {
    let event = r#"{"eventTime":"2026-05-15T06:00:00Z","producer":"p","schemaURL":"s","job":{"name":"j\"{"}}"#;
    let quoted = serde_json::Value::from(event).to_string();
    let (head, rest) = event.split_at(40);
    let logs = [
        format!(
            "26/05/15 06:00:00 INFO C: {event}\n[2026-05-13T18:35:43.100+0000] {{{{console.py:29}}}} INFO - {event}"
        ),
        format!("26/05/15 06:00:00 INFO C: {head}\nother {{a=1}}\n{rest} {event}\n"),
        format!("26/05/15 06:00:00 INFO C: {head}\nINFO\tanew\n"),
        format!(
            "{{\"logger\": \"l\", \"event\": {quoted}, \"level\": \"info\"}}\n{{\"log\":{quoted}}}"
        ),
        format!("emit b'{event}'\nconf = {{\"a\": 1, plan {{\"x\": {event}, oops\n{{"),
        event.replace(',', ",\n  "),
        r#"{"awslogs":{"data":"H4sIAAAAAAAC/6uuBQBDv6ajAgAAAA=="}}"#.to_owned(),
    ];
    logs.into_iter().map(String::into_bytes).collect()
}

/// The messages that Flyte's own package has made, as they are before they become base64, each with an object.
fn flyte() -> Vec<Vec<u8>> {
    const MESSAGES: &str =
        include_str!("../../../crates/sources/tests/fixtures/flyte/flyteidl.jsonl");
    const OBJECT: &[u8] =
        include_bytes!("../../../crates/sources/tests/fixtures/flyte/n0.outputs.pb");
    let line = |line| -> Option<serde_json::Value> { serde_json::from_str(line).ok() };
    let body = |line: serde_json::Value| messages::decoded(line.get("body")?.as_str()?);
    let bodies = MESSAGES.lines().filter_map(line).filter_map(body);
    bodies
        .map(|body| [&body, &b"\n"[..], OBJECT].concat())
        .collect()
}

/// Events in what carries them, and payloads of functions.
fn streams() -> Vec<Vec<u8>> {
    const EVENT: &str = r#"{"eventTime":"2026-11-20T10:00:00Z","run":{"runId":"r"},"job":{"namespace":"n","name":"j"}}"#;
    let envelope = r#"{"Type":"Notification","MessageId":"m","TopicArn":"arn:aws:sns:eu-west-1:111122223333:t","Message":"[{\"job\":{}}, 7]"}"#;
    let sqs = r#"{"Records":[{"messageId":"m","body":"{\"run\":{}}","eventSourceARN":"a"}]}"#;
    let kinesis = r#"{"Records":[{"kinesis":{"sequenceNumber":"1","data":"eyJydW4iOnt9fQ=="},"eventID":"s:1"}]}"#;
    let kafka = r#"{"records":{"t-0":[{"topic":"t","partition":0,"offset":1,"value":"eyJydW4iOnt9fQ=="}]}}"#;
    // Made by the Python library of AWS, `aws_kinesis_agg` 1.2.3.
    let aggregate = "84mawgoHcnVuOm4vagoHcnVuOm4vaxooCAAaJHsiam9iIjp7Im5hbWVzcGFjZSI6Im4iLCJuYW1lIjoiaiJ9fRooCAEaJHsiam9iIjp7Im5hbWVzcGFjZSI6Im4iLCJuYW1lIjoiayJ9fUiP+EvAsescMTXKqj677DM=";
    let lines = format!("{EVENT}\n{EVENT}");
    let array = format!("[{EVENT}, {EVENT}]");
    let texts = texts(&[EVENT, &lines, &array, envelope, sqs, kinesis, kafka]);
    texts
        .into_iter()
        .chain(messages::decoded(aggregate))
        .collect()
}

fn texts(all: &[&str]) -> Vec<Vec<u8>> {
    all.iter().map(|text| text.as_bytes().to_vec()).collect()
}

fn spellings() -> Vec<Vec<u8>> {
    let times = [
        "2026-01-01T00:00:00Z",
        "2026-11-20T21:06:27.826602",
        "20260101T000000Z",
        "2026-W01-1T00:00:00",
        "2026-01-01 10:20:30 +02:00",
        "2026-01-01T10:20:30-0330",
        "2016-12-31T23:59:60Z",
        "2026-01-01T10:20:30+02:00[Europe/Paris]",
        "2026-01-01 10:20:30 UTC",
        "2026-01-01T10:20:30+00:00Z",
    ];
    let uris = [
        "urn:p",
        "http://[::1]:80/%41?b#c",
        "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "my job (v2)",
    ];
    let types = ["START", "complete ", "Other"];
    let ids = [
        "01a1faa6-e194-708b-a993-cc010cbe1ae4",
        "01a1faa6e194708ba993cc010cbe1ae4",
        "{01a1faa6-e194-708b-a993-cc010cbe1ae4}",
        "urn:uuid:01a1faa6-e194-708b-a993-cc010cbe1ae4",
        "manual__2026-01-01T00:00:00+00:00",
    ];
    let all = [&times[..], &uris, &types, &ids];
    let tagged = |(place, texts): (u8, &&[&str])| -> Vec<Vec<u8>> {
        texts
            .iter()
            .map(|text| [&[place], text.as_bytes()].concat())
            .collect()
    };
    (0..4).zip(&all).flat_map(tagged).collect()
}

fn names() -> Vec<Vec<u8>> {
    let sets = [
        "s3a://lake\0/raw/orders/year=2026/month=05\0arn:aws:glue:eu-west-1:123456789012\0table/shop/orders\0file\0a_20260501\0S3A://lake/\0wh/t/_temporary/0/x\0airflow-prod\0dag.task.scheduled__2026-05-01T00:00:00+00:00\0select 'x'\0hunter2\0DB_PASSWORD",
        "redshift://10.1.2.3:5439\0dev.public.t\0redshift://dwh.us-east-1:5439\0a.b.c\0redshift://wg.123456789012.eu-west-1.redshift-serverless.amazonaws.com:5439\0d.s.t\0arn:aws:redshift:us-east-1:123456789012:table\0dwh/dev/public/t\0af-ns\0j",
        "jdbc:postgresql://scott:tiger@10.1.2.3/shop?user=a&password=b\0shop.public.orders\0postgres://DB.example.com:5432/\0project.dataset.Table$20260501\0awsathena://athena.eu-west-1.amazonaws.com\0x/tmp/01a1faa6-e194-708b-a993-cc010cbe1ae4/data",
    ];
    let all = ACTIONS.len();
    let tagged =
        (0..all).flat_map(|index| sets.map(|set| [&[index as u8], set.as_bytes()].concat()));
    tagged.collect()
}

fn together(events: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let one_line = |event: &Vec<u8>| -> Vec<u8> {
        event
            .iter()
            .map(|byte| if *byte == b'\n' { b' ' } else { *byte })
            .collect()
    };
    let small: Vec<Vec<u8>> = events
        .iter()
        .map(one_line)
        .filter(|event| event.len() < 3_000)
        .collect();
    let runs = small
        .windows(2)
        .map(|pair| [b"\x01\x40", &pair[0][..], b"\n", &pair[1], b"\n", &pair[0]].concat());
    let mut all: Vec<Vec<u8>> = runs.collect();
    let tiny = |kind: &str, more: &str| {
        format!(
            r#"{{"eventTime":"2026-01-01T00:00:00Z","eventType":"{kind}","producer":"urn:p","schemaURL":"urn:s","run":{{"runId":"01a1faa6-e194-708b-a993-cc010cbe1ae4"{more}}},"job":{{"namespace":"n","name":"j"}},"inputs":[{{"namespace":"n","name":"t"}}]}}"#
        )
    };
    let facet = r#","facets":{"a":{"_producer":"urn:p","_schemaURL":"urn:s","x":1}}"#;
    for how in 0..4 {
        let lines = [
            tiny("START", facet),
            tiny("RUNNING", ""),
            tiny("FAIL", ""),
            tiny("COMPLETE", facet),
        ]
        .join("\n");
        all.push([&[how, 60], lines.as_bytes()].concat());
    }
    all
}

fn rules() -> Vec<Vec<u8>> {
    let whole = include_str!("../../../examples/transforms.yaml");
    let mut all: Vec<Vec<u8>> = vec![whole.as_bytes().to_vec()];
    // One rule each of the example, and one of each action of the laws.
    let actions = ACTIONS
        .iter()
        .map(|(action, _)| *action)
        .chain(RENAMES.iter().map(|rename| rename.action));
    for (index, action) in actions.enumerate() {
        let when = [
            "{}",
            "{kind: run}",
            "{event_type: [START, COMPLETE], any: [{producer: urn*}, {inputs: true}]}",
            "{dataset: {namespace: {regex: '^s3'}}, larger_than: 1 KB}",
            "{job: {name: '*'}, facet: sql, target: store}",
        ];
        let when = when[index % when.len()];
        all.push(format!("rules:\n  - name: r{index}\n    when: {when}\n    {action}\n    on_failure: dead_letter\n").into_bytes());
    }
    all.extend(texts(&[
        "rules: []",
        "coalesce: {window: 30s, keep_start: false, max_bytes: 1 MB, when: {kind: run}}",
        "rules: [{name: s, script: 'event.job.name += \"x\"'}]",
        "rules: [{name: s, script: {file: s.rhai}}]",
        "rules: [{name: m, module: {file: m.wasm, with: {team: a}}}]",
        "version: 1\nrules:\n- {name: d, drop: true, when: {not: {kind: job}}, examples: [{given: {job: {name: x}}, expect: dropped}]}\nexamples: [{name: e, given: e.json, expect: unchanged}]",
        "a: &a [1]\nb: *a\nc: !!str 1\nd: |\n  x\n? e\n: f\n<<: {g: h}",
    ]));
    all
}

fn scripts() -> Vec<Vec<u8>> {
    texts(&[
        "event.job.name += \"!\"; event.inputs[0].x.push(1);",
        "for i in event.inputs { if i.namespace == \"a\" { drop(); } } throw \"x\";",
        "fn f(x) { if x > 0 { f(x - 1) } else { #{a: [1, 2.5, ()]} } } event.run.facets = f(3);",
        "let a = event.inputs.map(|d| d.name); event.job.name = `${a.len}`; event.remove(\"eventType\");",
        "let x = 0; while x < 1000 { x += 1; } loop { break; } do { x -= 1 } until x == 0; switch x { 0 => 1, _ => 2 }",
        "event.inputs[0].x[2] = event.inputs[0].x[2]; event.job.name = event.job.name.sub_string(1).to_upper().replace(\"A\", \"b\");",
        "names(event).filter(|n| n.role == \"dataset\"); let s = \"a,b\".split(\",\"); s.sort(); event.x = s.reduce(|a, b| a + b);",
    ])
}

fn modules() -> Vec<Vec<u8>> {
    let mut all =
        vec![include_bytes!("../../../crates/transform/tests/modules/team_owner.wasm").to_vec()];
    let answer = |body: &str, more: &str| {
        format!(
            "(module (memory (export \"memory\") 2) (global (export \"lineage_proxy_abi\") i32 (i32.const 1)) (data (i32.const 8) \"=+{{}}-!no\") {more}
            (func (export \"alloc\") (param i32) (result i32) (i32.const 1024)) (func (export \"transform\") (param i32 i32) (result i64) {body}))"
        )
    };
    for body in [
        "(i64.const 0x800000001)",
        "(i64.const 0x900000003)",
        "(i64.const 0xc00000001)",
        "(i64.const 0xd00000003)",
        "(loop $l (br $l)) (i64.const 0)",
        "(unreachable)",
        "(i64.const -1)",
    ] {
        let text = answer(body, "");
        all.push(wat::parse_str(&text).unwrap());
        all.push(text.into_bytes());
    }
    let configure = "(func (export \"configure\") (param i32 i32) (result i64) (i64.const 0x800000001)) (table 4 funcref) (start $s) (func $s (drop (memory.grow (i32.const 100))))";
    all.push(answer("(i64.const 0x800000001)", configure).into_bytes());
    all
}
