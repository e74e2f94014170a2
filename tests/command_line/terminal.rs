//! What people see on a terminal, and what a program reads from the same command; and what a demo leaves behind.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use testing::events::{event, event_with};
use testing::{Fault, FaultyTarget, Serve, binary, eventually, run};

/// Runs a command on a terminal of so many columns, with `input` typed in. Returns its exit status and output.
fn on_terminal(columns: u16, arguments: &[&str], input: &str) -> (Option<i32>, String) {
    let rows = if columns == 0 { 0 } else { 24 };
    let command = format!(
        "stty cols {columns} rows {rows} -echo; exec {} {}",
        binary(),
        arguments.join(" ")
    );
    let mut child = Command::new("script")
        .args(["-qec", &command, "/dev/null"])
        .env_remove("COLUMNS")
        .env("NO_COLOR", "1") // characters are counted
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut keys = child.stdin.take().unwrap();
    keys.write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    (output.status.code(), shown.replace('\r', ""))
}

/// A data folder with three dead letters, and their ids.
async fn dead_letters(folder: &Path) -> Vec<String> {
    let target = FaultyTarget::start(Fault::None).await;
    let settings = target.settings();
    let serve = Serve::start(folder, &settings);
    for n in 1..=3 {
        serve.post(&event_with(n, "START", r#""answer":400"#)).await;
    }
    let dead = eventually(|| Some(serve.outcomes()).filter(|outcomes| outcomes.len() == 3));
    assert!(dead.iter().all(|line| line["outcome"] == "dead_lettered"));
    let mut ids: Vec<String> = dead
        .iter()
        .map(|line| line["id"].as_str().unwrap().to_owned())
        .collect();
    ids.sort();
    assert_eq!(serve.terminate(), Some(0));
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_fits_the_terminal_with_its_ids_whole_and_is_plain_in_a_pipe() {
    let folder = tempfile::tempdir().unwrap();
    let ids = dead_letters(folder.path()).await;
    let list = [
        "dead-letters",
        "list",
        "--data-dir",
        folder.path().to_str().unwrap(),
    ];
    for columns in [0, 80, 120] {
        let (status, shown) = on_terminal(columns, &list, "");
        assert_eq!(status, Some(0), "{shown}");
        assert!(
            ids.iter().all(|id| shown.contains(id.as_str())),
            "{columns}:\n{shown}"
        );
        let widest = shown
            .lines()
            .map(|line| line.chars().count())
            .max()
            .unwrap();
        let room = if columns == 0 { 80 } else { columns.into() };
        assert!(widest <= room, "{columns}:\n{shown}");
    }
    let (_, out, _) = run(&list, &[]);
    let rows: Vec<Vec<&str>> = out.lines().map(|line| line.split('\t').collect()).collect();
    let mut first: Vec<&str> = rows.iter().map(|row| row[0]).collect();
    assert_eq!(first.remove(0), "id");
    first.sort_unstable();
    assert_eq!(first, ids);
    assert!(rows.iter().all(|row| row.len() == 6), "{out}");
    assert!(!out.contains(['\u{1b}', '│', '─']), "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_dead_letters_are_deleted_only_after_confirmation_or_with_yes() {
    let folder = tempfile::tempdir().unwrap();
    let ids = dead_letters(folder.path()).await;
    let place = ["--data-dir", folder.path().to_str().unwrap()];
    let left = || {
        let (_, out, _) = run(&[&["dead-letters", "list"], &place[..]].concat(), &[]);
        out.lines().skip(1).count()
    };
    let delete = [&["dead-letters", "delete", "--all"], &place[..]].concat();
    let (status, _, err) = run(&delete, &[]);
    assert_eq!((status, left()), (Some(2), 3), "{err}");
    assert!(err.contains("--yes"), "{err}");
    for answer in ["\n", "no\n", "2\n", "y\n"] {
        let (status, shown) = on_terminal(80, &delete, answer);
        assert_eq!((status, left()), (Some(1), 3), "{answer:?}: {shown}");
        assert!(shown.contains("Delete 3 events for good?"), "{shown}");
    }
    // One that is named by its id needs no confirmation.
    let one = [&["dead-letters", "delete", ids[0].as_str()], &place[..]].concat();
    assert_eq!((run(&one, &[]).0, left()), (Some(0), 2));
    let none = [delete.as_slice(), &["--reason", "no-such-reason"]].concat();
    assert_eq!((run(&none, &[]).0, left()), (Some(0), 2));
    let (status, shown) = on_terminal(80, &delete, "2\n");
    assert_eq!((status, left()), (Some(0), 0), "{shown}");
    assert_eq!(
        run(&[delete.as_slice(), &["--yes"]].concat(), &[]).0,
        Some(0)
    );
}

#[test]
fn the_demo_fits_a_terminal_of_any_width_and_one_that_has_none() {
    for columns in [0, 80, 200] {
        let (status, shown) =
            on_terminal(columns, &["demo", "--once", "--listen", "127.0.0.1:0"], "");
        assert_eq!(status, Some(0), "{shown}");
        assert!(
            shown.contains("lineage: 12 of 12 events delivered"),
            "{shown}"
        );
        assert!(
            shown.contains("catalog: 10 of 12 events delivered"),
            "{shown}"
        );
        let widest = shown
            .lines()
            .map(|line| line.chars().count())
            .max()
            .unwrap();
        assert!(
            widest <= if columns == 0 { 80 } else { columns.into() },
            "{shown}"
        );
    }
    let (_, out, _) = run(&["demo", "--once", "--listen", "127.0.0.1:0"], &[]);
    let rows: Vec<&str> = out.lines().filter(|line| line.contains('\t')).collect();
    assert_eq!(rows.len(), 13, "a header, and a row an event: {out}");
}

/// A demo with a folder for temporary files of its own.
fn demo(temporary: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command
        .arg("demo")
        .args(arguments)
        .env("TMPDIR", temporary)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).unwrap().next().is_none()
}

#[test]
fn a_demo_that_fails_leaves_nothing_behind() {
    let temporary = tempfile::tempdir().unwrap();
    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = held.local_addr().unwrap().to_string();
    let named = temporary.path().join("named");
    let named = named.to_str().unwrap();
    for arguments in [
        &["--listen", &taken][..],
        &["--listen", &taken, "--data-dir", named],
        &["--listen", "no address"],
    ] {
        let status = demo(temporary.path(), arguments).status().unwrap();
        assert!(!status.success(), "{arguments:?}");
        assert!(is_empty(temporary.path()), "{arguments:?}");
    }
    // A folder that existed before is kept.
    std::fs::create_dir(named).unwrap();
    let arguments = ["--listen", &taken, "--data-dir", named];
    assert!(
        !demo(temporary.path(), &arguments)
            .status()
            .unwrap()
            .success()
    );
    assert!(Path::new(named).is_dir());
}

#[test]
fn a_demo_that_is_interrupted_leaves_nothing_behind_however_early() {
    for (signal, wait) in [("INT", 0), ("INT", 30), ("TERM", 100), ("HUP", 1_000)] {
        let temporary = tempfile::tempdir().unwrap();
        let mut child = demo(temporary.path(), &["--listen", "127.0.0.1:0"])
            .spawn()
            .unwrap();
        // As soon as there is something to remove.
        eventually(|| (!is_empty(temporary.path())).then_some(()));
        std::thread::sleep(Duration::from_millis(wait));
        let sent = Command::new("kill")
            .args([&format!("-{signal}"), &child.id().to_string()])
            .status();
        assert!(sent.unwrap().success());
        child.wait().unwrap();
        assert!(is_empty(temporary.path()), "{signal} after {wait} ms");
    }
}

#[test]
fn a_demo_whose_storage_fails_ends_as_serve_does() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let mut child = demo(
        folder.path(),
        &[
            "--listen",
            "127.0.0.1:0",
            "--data-dir",
            data_dir.to_str().unwrap(),
        ],
    )
    .stderr(Stdio::piped())
    .spawn()
    .unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut lines = lines.map_while(Result::ok);
    let serving = |line: String| {
        let (_, address) = line.split_once("OPENLINEAGE_URL=http://")?;
        Some(address.split_once(". ")?.0.to_owned())
    };
    let address = lines.find_map(serving).unwrap();
    std::fs::remove_dir_all(&data_dir).unwrap();
    let mut proxy = TcpStream::connect(address).unwrap();
    let event = event(1, "START");
    let length = event.len();
    let post = format!(
        "POST /api/v1/lineage HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{event}"
    );
    proxy.write_all(post.as_bytes()).unwrap();
    assert_eq!(
        child.wait().unwrap().code(),
        Some(75),
        "{:?}",
        lines.collect::<Vec<_>>()
    );
}

#[test]
fn help_begins_with_what_it_is_and_fits_eighty_columns() {
    let (_, out, _) = run(&["--help"], &[]);
    assert!(
        out.starts_with("Accepts OpenLineage events over HTTP"),
        "{out}"
    );
    let commands: [&[&str]; 14] = [
        &[],
        &["serve"],
        &["demo"],
        &["validate"],
        &["send"],
        &["transform"],
        &["transform", "check"],
        &["transform", "explain"],
        &["transform", "replay"],
        &["dead-letters"],
        &["dead-letters", "list"],
        &["dead-letters", "delete"],
        &["doctor"],
        &["queue", "status"],
    ];
    for command in commands {
        let (status, shown) = on_terminal(80, &[command, &["--help"]].concat(), "");
        assert_eq!(status, Some(0), "{shown}");
        let widest = shown
            .lines()
            .max_by_key(|line| line.chars().count())
            .unwrap();
        assert!(widest.chars().count() <= 80, "{command:?}: {widest}");
    }
}
