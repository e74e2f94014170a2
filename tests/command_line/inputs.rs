//! Every command that reads events reads them in every form, and names the place of each.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use testing::events::{event, gzip};
use testing::{Fault, FaultyTarget, Serve, binary, outcome_with, run, write};

/// A file with three texts, of which the second is not an event, and the lines that they begin on.
struct Form {
    name: &'static str,
    bytes: Vec<u8>,
    lines: [u64; 3],
}

/// The second text: JSON, and not an event.
const BAD: &str = r#"{"eventType":"START"}"#;

fn forms() -> Vec<Form> {
    let (first, last) = (event(1, "START"), event(2, "START"));
    let value = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let pretty = |text: &str| serde_json::to_string_pretty(&value(text)).unwrap();
    let long = pretty(&first).lines().count() as u64;
    let form = |name, text: String, lines| Form {
        name,
        bytes: text.into_bytes(),
        lines,
    };
    let mut forms = vec![
        form("lines", format!("{first}\n{BAD}\n{last}\n"), [1, 2, 3]),
        form(
            "lines with gaps",
            format!("\n{first}\r\n\r\n{BAD}\r\n{last}"),
            [2, 4, 5],
        ),
        form("concatenated", format!("{first}{BAD}{last}"), [1, 1, 1]),
        form(
            "pretty",
            format!("{}\n{}\n{}", pretty(&first), pretty(BAD), pretty(&last)),
            [1, long + 1, long + 4],
        ),
        form("array", format!("[{first},{BAD},{last}]"), [1, 1, 1]),
        form(
            "array of lines",
            format!("[\n{first},\n{BAD},\n{last}\n]\n"),
            [2, 3, 4],
        ),
        form(
            "page",
            format!("{{\"events\":[{first},\n{BAD},\n{last}],\"totalCount\":3}}"),
            [1, 2, 3],
        ),
        form(
            "byte order mark",
            format!("\u{feff}{first}\n{BAD}\n{last}\n"),
            [1, 2, 3],
        ),
    ];
    for form in ["lines", "array of lines"] {
        let plain = forms.iter().find(|known| known.name == form).unwrap();
        let (bytes, lines) = (gzip(&plain.bytes), plain.lines);
        let name = "gzipped";
        forms.push(Form { name, bytes, lines });
    }
    forms
}

/// Runs a command on a form: in a file, in a folder, and from standard input.
fn each(form: &Form, mut command: impl FnMut(&str, Option<&[u8]>, &str)) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("events.any");
    std::fs::write(&file, &form.bytes).unwrap();
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    command(&path(&file), None, &path(&file));
    command(&path(folder.path()), None, &path(&file));
    command("-", Some(&form.bytes), "<stdin>");
}

fn run_with(arguments: &[&str], stdin: Option<&[u8]>) -> (Option<i32>, String, String) {
    let mut command = Command::new(binary());
    outcome_with(command.args(arguments), stdin.unwrap_or_default())
}

#[test]
fn validate_reads_every_form_and_names_the_line() {
    for form in forms() {
        each(&form, |path, stdin, file| {
            let (status, out, _) = run_with(&["validate", path], stdin);
            assert_eq!(status, Some(1), "{}", form.name);
            assert!(
                out.ends_with("2 valid, 1 invalid\n"),
                "{}: {out}",
                form.name
            );
            let place = format!("{file}:{}: error at ", form.lines[1]);
            assert!(out.contains(&place), "{}: {place} in {out}", form.name);
            let (_, out, _) = run_with(&["validate", "--output", "json", path], stdin);
            let lines = out
                .lines()
                .map(|line| serde_json::from_str::<Value>(line).unwrap());
            let lines: Vec<u64> = lines.map(|line| line["line"].as_u64().unwrap()).collect();
            assert_eq!(lines, form.lines, "{}", form.name);
        });
    }
}

#[test]
fn the_workbench_reads_every_form_and_names_the_line() {
    let folder = tempfile::tempdir().unwrap();
    let text = "rules: [{name: a, when: {job: {name: 'job 1'}}, drop: true}]";
    let rules = write(folder.path(), "transforms.yaml", text);
    let rules = rules.to_str().unwrap();
    for form in forms() {
        each(&form, |path, stdin, file| {
            let bad = format!("{file}:{}: ", form.lines[1]);
            let command = |words: &[&str]| {
                let (status, out, err) =
                    run_with(&[words, &["--rules", rules, path]].concat(), stdin);
                assert_eq!(status, Some(1), "{} {words:?}", form.name);
                let is_named = err.lines().any(|line| line.starts_with(&bad));
                assert!(is_named, "{} {words:?}: {bad} in {err}", form.name);
                (out, err)
            };
            let (out, err) = command(&["transform"]);
            let same: Value = serde_json::from_str(&out).unwrap();
            let expected: Value = serde_json::from_str(&event(2, "START")).unwrap();
            assert_eq!(same, expected, "{}", form.name);
            let dropped = format!("{file}:{}: dropped by \"a\"", form.lines[0]);
            assert!(err.contains(&dropped), "{}: {err}", form.name);
            let (out, _) = command(&["transform", "explain"]);
            assert!(out.contains(&format!("{file}:{} ", form.lines[2])), "{out}");
            let (out, _) = command(&["transform", "replay", "--output", "json"]);
            let sum: Value = serde_json::from_str(&out).unwrap();
            assert_eq!((&sum["events"], &sum["invalid"]), (&2.into(), &1.into()));
            assert_eq!(sum["not_events"][0]["line"], form.lines[1], "{}", form.name);
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn send_reads_every_form_and_sends_each_event_as_it_stands() {
    for form in forms() {
        let target = FaultyTarget::start(Fault::None).await;
        each(&form, |path, stdin, _| {
            let (_, out, err) = run_with(&["send", "--url", &target.url, path], stdin);
            // The target accepts what is not an event too: all three texts arrived, each by itself.
            assert_eq!(out, "3 sent, 0 failed\n", "{}: {err}", form.name);
        });
        let mut taken = target.accepted();
        assert_eq!(taken.len(), 9, "{}", form.name);
        taken.sort();
        let json = |text: &String| serde_json::from_str::<Value>(text).unwrap();
        let expected = [BAD.to_owned(), event(1, "START"), event(2, "START")];
        let mut expected = [expected.clone(), expected.clone(), expected].concat();
        expected.sort_by_key(|text| json(text).to_string());
        taken.sort_by_key(|text| json(text).to_string());
        let same = taken.iter().map(json).eq(expected.iter().map(json));
        assert!(same, "{}: {taken:?}", form.name);
    }
}

#[test]
fn a_file_without_an_event_is_named_and_is_status_1() {
    let folder = tempfile::tempdir().unwrap();
    let empty = write(folder.path(), "empty.jsonl", "\n");
    let full = write(folder.path(), "full.jsonl", &event(1, "START"));
    let rules = write(folder.path(), "transforms.yaml", "rules: []");
    let (empty, full, rules) = (
        empty.to_str().unwrap(),
        full.to_str().unwrap(),
        rules.to_str().unwrap(),
    );
    let words: [&[&str]; 4] = [
        &["validate"],
        &["transform", "--rules", rules],
        &["transform", "explain", "--rules", rules],
        &["transform", "replay", "--rules", rules],
    ];
    for words in words {
        let (status, _, err) = run(&[words, &[full, empty]].concat(), &[]);
        assert_eq!(status, Some(1), "{words:?}");
        assert!(
            err.contains(&format!("{empty}: no event found")),
            "{words:?}: {err}"
        );
        assert_eq!(run(&[words, &[full]].concat(), &[]).0, Some(0), "{words:?}");
    }
    let archive = tempfile::tempdir().unwrap();
    write(archive.path(), "a.jsonl", "");
    write(archive.path(), ".hidden", "{");
    let (status, _, err) = run(&["validate", archive.path().to_str().unwrap()], &[]);
    assert_eq!(status, Some(1), "{err}");
    write(archive.path(), "b.jsonl", &event(1, "START"));
    let (status, _, err) = run(&["validate", archive.path().to_str().unwrap()], &[]);
    assert_eq!(
        (status, err.contains("a.jsonl: no event")),
        (Some(0), true),
        "an empty file in a folder is named, and not an error: {err}"
    );
}

#[tokio::test]
async fn responses_of_the_proxy_can_be_read_as_input() {
    let folder = tempfile::tempdir().unwrap();
    let serve = Serve::start(folder.path(), &[]);
    serve.post(&event(1, "START")).await;
    serve.post(&event(1, "COMPLETE")).await;
    serve.stored_when(2).await;
    let page = serve.get("/api/v1/events/lineage?limit=10").await;
    let (status, out, _) = run_with(&["validate", "-"], Some(page.as_bytes()));
    assert_eq!((status, out.as_str()), (Some(0), "2 valid, 0 invalid\n"));
}

#[tokio::test]
async fn send_reports_the_url_and_the_cause_of_an_endpoint_that_is_down() {
    let folder = tempfile::tempdir().unwrap();
    let events: Vec<String> = (1..=20).map(|n| event(n, "START")).collect();
    let file = write(folder.path(), "events.jsonl", &events.join("\n"));
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let url = format!("http://me:secret@{address}?token=secret");
    let (status, out, err) = run(&["send", "--url", &url, file.to_str().unwrap()], &[]);
    assert_eq!((status, out.as_str()), (Some(1), "0 sent, 20 failed\n"));
    assert!(
        err.contains(&format!(
            "http://{address}/api/v1/lineage: Connection refused"
        )),
        "{err}"
    );
    assert_eq!(
        err.lines().count(),
        1,
        "once, and not for each event: {err}"
    );
    assert!(!err.contains("secret"), "{err}");
    let unknown = [
        "send",
        "--url",
        "http://no-such-host.invalid",
        file.to_str().unwrap(),
    ];
    let (status, _, err) = run(&unknown, &[]);
    assert_eq!(status, Some(1));
    assert!(
        err.contains("http://no-such-host.invalid/api/v1/lineage: "),
        "{err}"
    );
}
