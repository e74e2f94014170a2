//! Laws of what makes events fewer or smaller: the size budget, coalescing, and JobEvents as RunEvents.

use openlineage::{Event, Json, Level, Subject};
use transform::{FitError, coalesce, fit, run_event};

use crate::event::legal;

/// The first two bytes are the budget, the rest is an event.
pub(crate) fn fitted(bytes: &[u8]) {
    let Some((limit, text)) = bytes.split_first_chunk::<2>() else {
        return;
    };
    let Ok(read) = Event::read(text, Level::Repair) else {
        return;
    };
    let limit = usize::from(u16::from_le_bytes(*limit));
    if let Some(run) = run_event(&read.event) {
        assert!(matches!(run.subject(), Subject::Run { .. }));
        assert_eq!(Some(&run), run_event(&read.event).as_ref());
        assert_eq!(run.job(), read.event.job());
        legal(&run);
    }
    let before = &read.event;
    match fit(before, limit) {
        Ok(fitted) => {
            assert!(fitted.event.text().len() <= limit);
            assert_eq!(fitted.cut.is_empty(), before.text().len() <= limit);
            assert_eq!(fitted.event.subject(), before.subject());
            legal(&fitted.event);
            let is_run = before.run_id().is_some();
            let said = fitted.event.text().contains("lineageProxy_cut");
            assert!(
                fitted.cut.is_empty() || said || !is_run,
                "what was cut is said"
            );
            for cut in &fitted.cut {
                let value = pointed(before.json(), &cut.pointer);
                let value = value.expect("what was cut was there");
                assert!(cut.bytes > value.text().len());
            }
            let again = fit(&fitted.event, limit).expect("what fits, fits");
            assert!(again.cut.is_empty());
        }
        Err(FitError { smallest }) => {
            assert!(smallest > limit, "{smallest} bytes would fit in {limit}")
        }
    }
}

fn pointed<'t>(root: Json<'t>, pointer: &str) -> Option<Json<'t>> {
    pointer.split('/').skip(1).try_fold(root, |value, token| {
        let key = token.replace("~1", "/").replace("~0", "~");
        match value.kind() {
            "array" => value.items().get(key.parse::<usize>().ok()?).copied(),
            _ => value.get(&key),
        }
    })
}

/// The first byte says how, the second how large; then events, a line each.
pub(crate) fn together(bytes: &[u8]) {
    let Some(([how, large], lines)) = bytes.split_first_chunk::<2>() else {
        return;
    };
    let lines = lines.split(|byte| *byte == b'\n').take(8);
    let read = lines.filter_map(|line| Event::read(line, Level::Repair).ok());
    let events: Vec<Event> = read.map(|read| read.event).collect();
    let (keep_start, bounded) = (how & 1 == 1, how & 2 == 2);
    let most = bounded.then(|| usize::from(*large) * 32);
    let came: Vec<&Event> = events.iter().collect();
    let merged = coalesce(&came, keep_start, most);
    let mut parts: Vec<usize> = merged
        .iter()
        .flat_map(|merged| merged.parts.clone())
        .collect();
    parts.sort_unstable();
    assert_eq!(
        parts,
        (0..events.len()).collect::<Vec<_>>(),
        "each is in exactly one"
    );
    for one in &merged {
        legal(&one.event);
        assert!(!one.parts.is_empty());
        let alone = one.parts.len() == 1 && events[one.parts[0]] == one.event;
        assert!(alone || most.is_none_or(|most| one.event.text().len() <= most));
        for part in &one.parts {
            assert_eq!(events[*part].run_id(), one.event.run_id());
            assert_eq!(events[*part].job(), one.event.job());
        }
    }
    // Done once, there is nothing left to do but where a START was kept beside its end.
    let first: Vec<&Event> = merged.iter().map(|merged| &merged.event).collect();
    assert!(coalesce(&first, keep_start, most).len() <= merged.len());
}
