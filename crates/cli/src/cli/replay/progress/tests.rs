use super::*;

fn identity() -> Identity {
    Identity {
        from: "/a".to_owned(),
        to: "catalog".to_owned(),
        destination: "0123456789abcdef".to_owned(),
        rules: true,
        new_token: false,
        since: None,
        until: None,
        job: None,
        run: None,
        kind: None,
        conditions: None,
    }
}

fn at(place: &str, index: i64) -> Position {
    Position {
        place: place.to_owned(),
        index,
    }
}

/// Reads events of two files, and ends those with these numbers.
fn after(ended: &[u64]) -> State {
    let start = State::new(identity(), 0, None);
    let mut progress = Progress::new(start.clone());
    for index in 0..6 {
        let place = if index < 3 { "a" } else { "b" };
        progress.begin(at(place, index % 3), String::new());
    }
    for number in ended {
        progress.end(*number);
    }
    progress.state(&start)
}

#[test]
fn an_event_has_ended_if_it_did_whatever_the_order() {
    let all = [
        at("a", 0),
        at("a", 1),
        at("a", 2),
        at("b", 0),
        at("b", 1),
        at("b", 2),
    ];
    for ended in [
        &[][..],
        &[0],
        &[2, 1],
        &[5, 4, 0, 3],
        &[3, 1, 0, 5],
        &[0, 1, 2, 3, 4, 5],
    ] {
        let state = after(ended);
        for (number, position) in (0..).zip(&all) {
            assert_eq!(
                state.has_ended(position),
                ended.contains(&number),
                "{ended:?} {position:?}"
            );
        }
    }
    assert_eq!(after(&[4, 3, 5]).done.len(), 1, "neighbours are one span");
}

#[test]
fn a_state_is_read_as_it_was_written_and_only_for_the_same_replay() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.json");
    assert!(State::read(&path, &identity()).unwrap().is_none());
    let state = after(&[5, 4, 0, 3]);
    state.write(&path).unwrap();
    assert_eq!(State::read(&path, &identity()).unwrap(), Some(state));
    let other = Identity {
        job: Some("x*".to_owned()),
        ..identity()
    };
    let error = State::read(&path, &other).unwrap_err().to_string();
    assert!(error.contains("--job is x*, and was not set"), "{error}");
    fs::write(&path, "{").unwrap();
    assert!(State::read(&path, &identity()).is_err());
}

#[test]
fn a_replay_with_new_tokens_resumes_with_the_same_and_no_other_resumes_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.json");
    let renewed = || Identity {
        new_token: true,
        ..identity()
    };
    let start = || State::new(renewed(), 0, None);
    let begun = start();
    assert!(begun.token_salt.is_some());
    assert_ne!(begun.token_salt, start().token_salt, "each has its own");
    let state = Progress::new(begun.clone()).state(&begun);
    state.write(&path).unwrap();
    let resumed = State::read(&path, &renewed()).unwrap().unwrap();
    assert_eq!(resumed.token_salt, begun.token_salt);
    let error = State::read(&path, &identity()).unwrap_err().to_string();
    assert!(error.contains("--new-token is set is false"), "{error}");
    assert_eq!(State::new(identity(), 0, None).token_salt, None);
}

#[test]
fn what_had_ended_before_a_resume_has_ended_after_the_next() {
    let before = after(&[0, 2, 4]);
    let mut progress = Progress::new(before.clone());
    // 1, 3 and 5 are read again.
    for position in [at("a", 1), at("b", 0), at("b", 2)] {
        assert!(!before.has_ended(&position));
        progress.begin(position, String::new());
    }
    progress.end(1);
    let state = progress.state(&before);
    let open = [at("a", 1), at("b", 2)];
    for position in [
        at("a", 0),
        at("a", 1),
        at("a", 2),
        at("b", 0),
        at("b", 1),
        at("b", 2),
    ] {
        assert_eq!(
            state.has_ended(&position),
            !open.contains(&position),
            "{position:?}"
        );
    }
}
