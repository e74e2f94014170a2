//! Lines and rotation, and every way in which the path stops naming the open file.

use std::collections::BTreeSet;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::rotation::rotated;
use super::*;
use openlineage::Level;

fn event(name: &str) -> Event {
    let text = format!(
        r#"{{"eventTime":"2026-01-01T00:00:00Z","producer":"urn:p","schemaURL":"urn:s","dataset":{{"namespace":"n","name":"{name}"}}}}"#
    );
    Event::read(text.as_bytes(), Level::Strict).unwrap().event
}

fn target(path: &Path) -> File {
    let config = FileConfig {
        path: path.to_owned(),
        max_bytes: u64::MAX,
        keep: 0,
    };
    File::open(config).unwrap()
}

#[tokio::test]
async fn when_the_writer_panics_deliveries_fail_and_nothing_gathers() {
    let file = File::start(|_| panic!("a bug")).unwrap();
    for name in ["a", "b", "c"] {
        let event = event(name);
        let delivery = tokio::time::timeout(Duration::from_secs(10), file.deliver(&event)).await;
        assert!(
            matches!(delivery, Ok(Delivery::Transient(_))),
            "{delivery:?}"
        );
        assert!(lock(&file.waiting).lines.is_empty());
    }
}

/// A file whose writer confirms each line, and the number of lines that it took each time it was woken.
fn counting() -> (File, std::sync::mpsc::Receiver<usize>) {
    let (taken, counts) = std::sync::mpsc::channel();
    let file = File::start(move |waiting| {
        let lines = std::mem::take(&mut lock(waiting).lines);
        if !lines.is_empty() {
            taken.send(lines.len()).unwrap();
        }
        for line in lines {
            line.written.send(Ok(())).unwrap();
        }
    });
    (file.unwrap(), counts)
}

#[tokio::test]
async fn the_lines_of_a_batch_that_begins_in_steps_are_written_at_once() {
    let (file, counts) = counting();
    let events = [event("a"), event("b"), event("c")];
    let gathering = file.gather();
    let steps = async {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert!(counts.try_recv().is_err(), "more follow");
        drop(gathering);
    };
    let deliver = async |event: &Event| {
        tokio::task::yield_now().await;
        file.deliver(event).await
    };
    let all = futures_util::future::join_all(events.iter().map(deliver));
    let (delivered, ()) = tokio::join!(all, steps);
    assert_eq!(
        delivered,
        [(); 3].map(|()| Delivery::Delivered { id: None })
    );
    assert_eq!(Vec::from_iter(counts.try_iter()), [3]);
}

#[tokio::test]
async fn lines_are_written_while_a_later_batch_gathers_for_long() {
    let (file, counts) = counting();
    let (first, second) = (file.gather(), file.gather());
    let event = event("a");
    let delivery = file.deliver(&event);
    let (delivered, ()) = tokio::join!(delivery, async { drop(first) });
    assert_eq!(delivered, Delivery::Delivered { id: None });
    assert_eq!(counts.try_recv(), Ok(1));
    drop(second);
    assert_eq!(file.deliver(&event).await, Delivery::Delivered { id: None });
}

#[tokio::test]
async fn when_the_writer_has_ended_nobody_waits_for_the_end_of_a_batch() {
    let file = File::start(|_| panic!("a bug")).unwrap();
    let event = event("a");
    file.deliver(&event).await; // ends it
    let gathering = file.gather();
    let all = async { tokio::join!(file.deliver(&event), async { drop(gathering) }) };
    let ended = tokio::time::timeout(Duration::from_secs(10), all).await;
    assert!(
        matches!(ended, Ok((Delivery::Transient(_), ()))),
        "{ended:?}"
    );
}

#[test]
fn the_memory_of_a_large_group_is_given_back() {
    let folder = tempfile::tempdir().unwrap();
    let config = FileConfig {
        path: folder.path().join("events.jsonl"),
        max_bytes: u64::MAX,
        keep: 0,
    };
    let (waiting, mut buffer) = (Mutex::<Waiting>::default(), Vec::new());
    let (written, _answer) = oneshot::channel();
    let event = event(&"x".repeat(3 * BUFFER));
    lock(&waiting).lines.push(Line { event, written });
    write_all(&waiting, &mut None, &config, &mut buffer);
    assert!(fs::metadata(&config.path).unwrap().len() > BUFFER as u64);
    assert!(buffer.capacity() <= BUFFER, "{}", buffer.capacity());
}

#[test]
fn half_a_line_that_a_crash_left_is_taken_away_and_a_whole_one_is_ended() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    let long = format!("{{\"a\":\"{}", "x".repeat(200_000));
    let whole = format!("{{}}\n{long}\"}}");
    let cases = [
        ("", ""),
        ("{}\n", "{}\n"),
        ("{}\n{}", "{}\n{}\n"),
        ("{}\n{\"a\":", "{}\n"),
        ("{}\n\0\0", "{}\n"),
        ("{\"a\"", ""),
        (&format!("{{}}\n{long}"), "{}\n"),
        (&whole, &format!("{whole}\n")),
    ];
    for (left, ended) in cases {
        fs::write(&path, left).unwrap();
        append(&path).unwrap().file.write_all(b"{}\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{ended}{{}}\n"));
    }
}

#[tokio::test]
async fn what_is_delivered_is_in_the_file_that_the_path_names_however_that_changes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("above/folder/events.jsonl");
    let up = path.parent().unwrap();
    let above = up.parent().unwrap();
    let (other, moved) = (folder.path().join("other"), folder.path().join("moved"));
    // What is done to it, and whether it can go on by itself: what was a folder may have been a mount.
    type Way<'a> = (&'a str, &'a dyn Fn(), bool);
    let ways: [Way<'_>; 15] = [
        ("rm", &|| fs::remove_file(&path).unwrap(), true),
        ("mv", &|| fs::rename(&path, &moved).unwrap(), true),
        ("mv over it", &|| fs::rename(&other, &path).unwrap(), true),
        (
            "logrotate, create",
            &|| {
                fs::rename(&path, &moved).unwrap();
                fs::write(&path, "").unwrap();
            },
            true,
        ),
        (
            "logrotate, copytruncate",
            &|| {
                fs::copy(&path, &moved).unwrap();
                fs::write(&path, "").unwrap();
            },
            true,
        ),
        (
            "cut within a line",
            &|| {
                let file = OpenOptions::new().write(true).open(&path).unwrap();
                file.set_len(9).unwrap();
            },
            true,
        ),
        (
            "a hard link to another",
            &|| {
                fs::remove_file(&path).unwrap();
                fs::hard_link(&other, &path).unwrap();
            },
            true,
        ),
        (
            "a link to another",
            &|| {
                fs::remove_file(&path).unwrap();
                symlink(&other, &path).unwrap();
            },
            true,
        ),
        (
            "a link to nothing",
            &|| {
                fs::remove_file(&path).unwrap();
                symlink(&moved, &path).unwrap();
            },
            true,
        ),
        (
            "rm of the folder, and a new one",
            &|| {
                fs::remove_dir_all(up).unwrap();
                fs::create_dir(up).unwrap();
            },
            true,
        ),
        (
            "rm of the folder",
            &|| fs::remove_dir_all(up).unwrap(),
            false,
        ),
        (
            "mv of the folder",
            &|| fs::rename(up, &moved).unwrap(),
            false,
        ),
        ("mv above it", &|| fs::rename(above, &moved).unwrap(), false),
        (
            "a folder",
            &|| {
                fs::remove_file(&path).unwrap();
                fs::create_dir(&path).unwrap();
            },
            false,
        ),
        (
            "no file",
            &|| {
                fs::remove_file(&path).unwrap();
                symlink("/dev/null", &path).unwrap();
            },
            false,
        ),
    ];
    for (what, way, goes_on) in ways {
        let _ = fs::remove_file(&moved).or_else(|_| fs::remove_dir_all(&moved));
        let _ = fs::remove_dir_all(above);
        fs::create_dir_all(up).unwrap();
        fs::write(&other, "{}\n").unwrap();
        let file = target(&path);
        let delivered = Delivery::Delivered { id: None };
        assert_eq!(file.deliver(&event("before")).await, delivered, "{what}");
        way();
        let after = file.deliver(&event("after")).await;
        if !goes_on {
            let Delivery::Transient(failure) = after else {
                panic!("{what}: {after:?}");
            };
            assert!(failure.message.contains("events.jsonl"), "{failure:?}");
            let _ = fs::remove_file(&path).or_else(|_| fs::remove_dir(&path));
            fs::create_dir_all(up).unwrap();
            assert_eq!(file.deliver(&event("after")).await, delivered, "{what}");
        }
        let text = fs::read_to_string(&path).unwrap();
        let last = text.lines().last().unwrap();
        assert_eq!(last, event("after").text(), "{what}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_delivered_while_somebody_moves_packs_and_deletes_is_never_in_what_was_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    let done = AtomicBool::new(false);
    let file = target(&path);
    let deliver = async |name: String| {
        while file.deliver(&event(&name)).await != (Delivery::Delivered { id: None }) {}
    };
    let (mut packed, rounds) = std::thread::scope(|scope| {
        // Reads what it has moved once, and deletes it: as a rotation that compresses.
        let rotating = scope.spawn(|| {
            let (mut packed, mut rounds) = (String::new(), 0u64);
            let moved = folder.path().join("moved");
            while !done.load(Ordering::Acquire) {
                if fs::rename(&path, &moved).is_ok() {
                    packed += &fs::read_to_string(&moved).unwrap();
                    fs::remove_file(&moved).unwrap();
                    rounds += 1;
                    // Without a pause now and then, nothing would be written between two of these where syncs are slow.
                    std::thread::sleep(Duration::from_micros(rounds % 16 * 50));
                }
            }
            (packed, rounds)
        });
        let delivering = async {
            for group in 0..100 {
                futures_of((0..5).map(|n| deliver(format!("{group}-{n}")))).await;
            }
        };
        tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(delivering));
        done.store(true, Ordering::Release);
        rotating.join().unwrap()
    });
    packed += &fs::read_to_string(&path).unwrap_or_default();
    let kept: BTreeSet<&str> = packed.lines().collect();
    let lost: Vec<String> = (0..100)
        .flat_map(|group| (0..5).map(move |n| event(&format!("{group}-{n}")).text().to_owned()))
        .filter(|line| !kept.contains(line.as_str()))
        .collect();
    assert!(lost.is_empty() && rounds > 0, "{rounds} rounds: {lost:#?}");
}

/// All of them side by side.
async fn futures_of(futures: impl Iterator<Item = impl Future<Output = ()>>) {
    let mut all: Vec<_> = futures.map(Box::pin).collect();
    std::future::poll_fn(|context| {
        all.retain_mut(|one| one.as_mut().poll(context).is_pending());
        match all.is_empty() {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    })
    .await;
}

#[tokio::test]
async fn a_file_is_reopened_when_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    let file = target(&path);
    fs::remove_file(&path).unwrap();
    file.reopen();
    // Behind it in the line.
    file.deliver(&event("a")).await;
    fs::rename(&path, folder.path().join("moved")).unwrap();
    file.reopen();
    while !path.exists() {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), "");
}

#[tokio::test]
async fn files_are_their_owners_alone_unless_somebody_decided_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    let file = File::open(FileConfig {
        path: path.clone(),
        max_bytes: 1,
        keep: 0,
    })
    .unwrap();
    let modes = || {
        let files = fs::read_dir(folder.path()).unwrap();
        let modes = files.map(|file| file.unwrap().metadata().unwrap().permissions().mode());
        modes.map(|mode| mode & 0o777).collect::<Vec<_>>()
    };
    for n in 0..3 {
        file.deliver(&event(&n.to_string())).await;
    }
    assert_eq!(modes(), [0o600; 3]);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    file.deliver(&event("more")).await;
    let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o640);
}

#[tokio::test]
async fn a_line_an_event_and_a_new_file_past_the_limit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    let file = File::open(FileConfig {
        path: path.clone(),
        max_bytes: 100,
        keep: 2,
    })
    .unwrap();
    // From before the clock was set back.
    fs::write(folder.path().join("events.jsonl.5000000000000"), "{}\n").unwrap();
    let text = "{\n\"eventTime\":\"2026-01-01T00:00:00Z\",\"producer\":\"urn:p\",\"schemaURL\":\"urn:s\",\r\n\"dataset\":{\"namespace\":\"n\",\"name\":\"d\\n\"}}";
    let event = Event::read(text.as_bytes(), Level::Strict).unwrap().event;
    for _ in 0..5 {
        assert_eq!(file.deliver(&event).await, Delivery::Delivered { id: None });
    }
    let line = fs::read_to_string(&path).unwrap();
    assert_eq!(line, text.replace(['\n', '\r'], " ") + "\n");
    let mut kept = rotated(&path).unwrap();
    kept.sort();
    let newest = [3, 4].map(|n| folder.path().join(format!("events.jsonl.500000000000{n}")));
    assert_eq!(kept, newest);
}
