//! The files of `serve` are private to its owner, whatever the umask. And its exit status where it cannot start.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use testing::events::event;
use testing::{Serve, binary, eventually, run};

use crate::disk::{does, text};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// The modes of a folder and of everything in it.
fn modes(folder: &Path) -> Vec<(String, u32)> {
    let files = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path());
    let all = files.chain([folder.to_owned()]);
    all.map(|path| (path.display().to_string(), mode(&path)))
        .collect()
}

#[test]
fn new_files_are_private_whatever_the_umask() {
    for umask in ["000", "022", "277"] {
        let above = tempfile::tempdir().unwrap();
        let (data, file) = (
            above.path().join("a/data"),
            above.path().join("events.jsonl"),
        );
        for target in ["store", "file"] {
            let command =
                format!("umask {umask}; exec \"$0\" serve --listen 127.0.0.1:0 --data-dir \"$1\"");
            let mut serve = Command::new("sh");
            serve
                .args(["-c", &command, binary(), text(&data)])
                .env("LINEAGE_PROXY_TARGET", target)
                .stderr(Stdio::null());
            if target == "file" {
                serve.env("LINEAGE_PROXY_FILE_PATH", &file);
            }
            let mut serve = serve.spawn().unwrap();
            let wanted = match target {
                "store" => data.join("events.db-wal"),
                _ => file.clone(),
            };
            eventually(|| wanted.exists().then_some(()));
            std::thread::sleep(Duration::from_millis(200)); // until all files are there
            let found = modes(&data);
            serve.kill().unwrap();
            serve.wait().unwrap();
            assert!(found.len() >= 4, "{found:?}");
            for (path, mode) in found {
                let right = if Path::new(&path).is_dir() {
                    0o700
                } else {
                    0o600
                };
                assert_eq!(mode, right, "umask {umask}: {path}");
            }
            assert_eq!(mode(&above.path().join("a")), 0o700);
        }
        assert_eq!(mode(&file), 0o600, "umask {umask}");
    }
}

#[tokio::test]
async fn a_folder_that_others_can_read_is_reported_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let (data, file) = (
        folder.path().join("data"),
        folder.path().join("events.jsonl"),
    );
    fs::create_dir(&data).unwrap();
    fs::set_permissions(&data, Permissions::from_mode(0o755)).unwrap();
    fs::write(&file, "").unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
    let settings = [("TARGET", "file"), ("FILE_PATH", text(&file))];
    let serve = Serve::start(&data, &settings);
    let warned: Vec<_> = (serve.log.lock().unwrap().iter())
        .map(|line| line["fields"].clone())
        .filter(|fields| fields["message"] == "other users can read or change files of the proxy")
        .collect();
    let warned: Vec<_> = warned
        .iter()
        .map(|fields| ["path", "mode", "remedy"].map(|name| fields[name].as_str().unwrap()))
        .collect();
    let mend = [&data, &file].map(|path| format!("chmod go= {}", path.display()));
    assert_eq!(
        warned,
        [
            [text(&data), "0755", &mend[0]],
            [text(&file), "0644", &mend[1]]
        ]
    );
    assert_eq!((mode(&data), mode(&file)), (0o755, 0o644));
    drop(serve);
    // The advice works.
    for command in mend {
        let words: Vec<&str> = command.split(' ').collect();
        assert!(does(words[0], &words[1..]));
    }
    let serve = Serve::start(&data, &settings);
    assert_eq!(serve.post(&event(1, "START")).await.status(), 200);
    let log = format!("{:?}", serve.log.lock().unwrap());
    assert!(!log.contains("other users can read"), "{log}");
}

#[test]
fn the_exit_status_tells_whether_to_retry_or_to_change_something() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    fs::write(at("file"), "in the way").unwrap();
    fs::create_dir(at("folder")).unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().to_string();
    let used = Serve::start(Path::new(&at("used")), &[]);
    // As another program locks it, such as one that makes a backup.
    fs::create_dir(at("held")).unwrap();
    let held = rusqlite::Connection::open(at("held/events.db")).unwrap();
    held.execute_batch("CREATE TABLE t (n); BEGIN EXCLUSIVE")
        .unwrap();
    let (wrong, later) = (Some(64), Some(75));
    let free = "127.0.0.1:0";
    let serve = |listen: &str, data: &str, settings: &[(&str, &str)]| {
        run(&["serve", "--listen", listen, "--data-dir", data], settings)
    };
    let file = |path: &str| {
        let settings = [("TARGET", "file"), ("FILE_PATH", path)];
        serve(free, &at("new"), &settings)
    };
    let variable = "LINEAGE_PROXY_FILE_PATH";
    let cases = [
        (
            "the port in use",
            serve(&port, &at("new"), &[]),
            later,
            port.as_str(),
        ),
        (
            "the folder in use",
            serve(free, &at("used"), &[]),
            later,
            "another lineage-proxy",
        ),
        (
            "the queue in use",
            serve(free, &at("held"), &[]),
            later,
            "events.db",
        ),
        (
            "a file in the way",
            serve(free, &at("file"), &[]),
            wrong,
            "file",
        ),
        (
            "a file above",
            serve(free, &at("file/data"), &[]),
            wrong,
            "file/data",
        ),
        (
            "no such folder",
            file(&at("none/events.jsonl")),
            wrong,
            variable,
        ),
        ("a folder as file", file(&at("folder")), wrong, variable),
        ("a device as file", file("/dev/null"), wrong, variable),
        (
            "an address of others",
            serve(
                "192.0.2.1:0",
                &at("new"),
                &[("AUTH_ALLOW_ANONYMOUS", "true")],
            ),
            wrong,
            "listen",
        ),
        (
            "dead letters of no folder",
            run(&["dead-letters", "list", "--data-dir", &at("none")], &[]),
            wrong,
            "none",
        ),
        (
            "queue of no folder",
            run(&["queue", "status", "--data-dir", &at("none")], &[]),
            wrong,
            "none",
        ),
        (
            "queue of another folder",
            run(&["queue", "status", "--data-dir", &at("folder")], &[]),
            wrong,
            "there is no queue",
        ),
        (
            "queue in a file",
            run(&["queue", "status", "--data-dir", &at("file")], &[]),
            wrong,
            "file",
        ),
        (
            "demo in a file",
            run(
                &[
                    "demo",
                    "--once",
                    "--listen",
                    free,
                    "--data-dir",
                    &at("file"),
                ],
                &[],
            ),
            wrong,
            "file",
        ),
        (
            "demo on a port in use",
            run(
                &[
                    "demo",
                    "--once",
                    "--listen",
                    &port,
                    "--data-dir",
                    &at("new"),
                ],
                &[],
            ),
            later,
            port.as_str(),
        ),
        (
            "a key file that is not there",
            run(
                &[
                    "send",
                    "--url",
                    "http://127.0.0.1:1",
                    "--api-key-file",
                    &at("none"),
                    &at("file"),
                ],
                &[],
            ),
            wrong,
            "none",
        ),
    ];
    for (what, (status, _, error), expected, word) in cases {
        assert_eq!(status, expected, "{what}: {error}");
        assert!(error.contains(word), "{what}: {error}");
    }
    drop(used);
}
