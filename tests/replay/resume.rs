//! A replay that was interrupted: what it goes on with, and with what it does not.

use super::*;

/// Starts a replay of 400 events that are in a file, and returns once the target has accepted 50.
async fn under_way(file: &str, target: &FaultyTarget) -> Child {
    target.delay(Duration::from_millis(15));
    let child = start(&[file, "--url", &target.url]);
    target.accepted_when(50).await;
    child
}

fn stop(mut child: Child, name: &str) {
    signal(&child, name);
    assert_eq!(child.wait().unwrap().code(), Some(75));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_that_was_killed_goes_on_and_repeats_only_what_was_on_its_way() {
    let (folder, target) = (Setup::new(), FaultyTarget::start(Fault::None).await);
    target.delay(Duration::from_millis(15));
    let events: Vec<String> = (0..600).map(numbered).collect();
    let file = folder.file(&events);
    let arguments = [&*file, "--url", &target.url];
    for stop in [150, 300] {
        let mut child = start(&arguments);
        target.accepted_when(stop).await;
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert_eq!(folder.states().len(), 1);
    let (status, report, err) = replay(&arguments);
    assert_eq!(status, Some(0), "{err}");
    assert!(err.contains("resuming"), "{err}");
    assert!(report["earlier"].as_u64().unwrap() >= 200, "{report}");
    let times = target.times();
    assert_eq!(times.len(), 600);
    // A batch and a half is on its way at once.
    let repeated: u32 = times.values().map(|times| times - 1).sum();
    assert!(repeated <= 2 * 30, "{repeated} were sent again");
    assert!(folder.states().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_stops_cleanly_and_the_same_command_goes_on() {
    let (folder, target) = (Setup::new(), FaultyTarget::start(Fault::None).await);
    let file = folder.file(&runs(200));
    let arguments = [&*file, "--url", &target.url];
    let child = under_way(&file, &target).await;
    let (status, _, err) = replay(&arguments);
    assert_eq!(status, Some(75), "{err}");
    assert!(err.contains("another replay uses it"), "{err}");
    stop(child, "INT");
    let sent = target.accepted().len();

    // Another replay does not go on with it.
    let other = [&arguments[..], &["--job", "x"]].concat();
    let (status, _, err) = replay(&other);
    assert_eq!(status, Some(64), "{err}");
    assert!(err.contains("--job is x, and was not set"), "{err}");

    // However the same file is written.
    let same = file.replace("/events.jsonl", "/./events.jsonl");
    let (status, report, err) = replay(&[&same, "--url", &target.url]);
    assert_eq!(status, Some(0), "{err}");
    assert_eq!(report["earlier"], sent, "{report}");
    assert!(
        target.times().values().all(|times| *times == 1),
        "none is sent twice"
    );
    assert_eq!(target.times().len(), 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_goes_on_to_the_same_destination_only() {
    let (folder, target) = (Setup::new(), FaultyTarget::start(Fault::None).await);
    target.delay(Duration::from_millis(15));
    let (file, state) = (folder.file(&runs(200)), text(&folder.path("state")));
    let config = folder.config(&target.url, "");
    let to = [
        &*file, "--state", &state, "--to", "catalog", "--config", &config,
    ];
    let tenant = |name| format!("{}?tenant={name}", target.url);
    let (one, other) = (tenant("one"), tenant("other"));
    let url = |url| [&*file, "--state", &state, "--restart", "--url", url];
    for arguments in [&to[..], &url(&one)] {
        let sent = target.accepted().len();
        let child = start(arguments);
        target.accepted_when(sent + 50).await;
        stop(child, "INT");
        folder.config(&other, "");
        let again: Vec<&str> = (arguments.iter())
            .filter(|it| **it != "--restart")
            .map(|it| if *it == one { &*other } else { *it })
            .collect();
        let (status, _, err) = replay(&again);
        assert_eq!(status, Some(64), "{err}");
        assert!(err.contains("the digest of the destination is"), "{err}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_another_one_is_not_resumed() {
    let (folder, target) = (Setup::new(), FaultyTarget::start(Fault::None).await);
    let file = folder.file(&runs(200));
    let arguments = [&*file, "--url", &target.url];
    let child = under_way(&file, &target).await;
    stop(child, "TERM");
    folder.file(&[event(7, "FAIL")]);
    let (status, _, err) = replay(&arguments);
    assert_eq!(status, Some(64), "{err}");
    assert!(err.contains("its first event is another one"), "{err}");
    let (status, report, err) = replay(&[&arguments[..], &["--restart"]].concat());
    assert_eq!((status, &report["sent"]), (Some(0), &json!(1)), "{err}");
}
