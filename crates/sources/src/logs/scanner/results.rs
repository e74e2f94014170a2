//! What becomes of a text that was found: an event, once; a finding, if the event was lost; or an input that is kept apart.
//!
//! Finding the text is in `scanner.rs`. Called for each text that ended, and for each that never will.

use super::Scanner;
use crate::logs::json::Object;
use crate::logs::pending::{PATIENCE, Pending, Place, whereabouts};
use crate::{Finding, FindingRule, FoundEvent, Identity, UnreadInput, guarded};

impl Scanner {
    pub(super) fn found(&mut self, place: Place, text: &str) {
        let position = place.position();
        if self.seen.has_position(position) {
            return;
        }
        if self.is_damaged && text.contains(char::REPLACEMENT_CHARACTER) {
            let mut object = Object::new();
            object.read(text);
            let what = "bytes of the event are not UTF-8, so that its names are not known";
            let whereabouts = whereabouts(&place, &object, text);
            self.report(
                &place,
                FindingRule::Unreadable,
                whereabouts,
                what.to_owned(),
            );
            return;
        }
        let identity = Identity::of_event(text);
        let is_known = self.seen.has_text(identity);
        self.seen.remember(
            place.timestamp.unwrap_or_default(),
            position,
            Some(identity),
        );
        if is_known {
            self.found.findings.push(Finding {
                rule: FindingRule::Duplicate,
                place: place.to_string(),
                message: "the same event was printed before".to_owned(),
            });
        } else {
            let text = text.to_owned();
            self.found.events.push(FoundEvent { identity, text });
        }
    }

    pub(super) fn cut(&mut self, pending: &Pending) {
        let length = pending.len();
        let what = format!(
            "the event was cut off after {length} bytes: the stream goes on with another line"
        );
        self.lost(pending, FindingRule::Truncated, what);
    }

    pub(super) fn missing(&mut self, pending: &Pending, limit: &str) {
        let length = pending.len();
        let what =
            format!("{length} bytes of the event are there, and its end was not found {limit}");
        self.lost(pending, FindingRule::Incomplete, what);
    }

    /// What the log ended within. Returns its time if it may still go on.
    pub(super) fn open(&mut self, pending: &Pending, now: Option<i64>) -> Option<i64> {
        let begun = pending.place.timestamp;
        let is_patient = |(now, begun): &(i64, i64)| now.saturating_sub(*begun) < PATIENCE;
        if let Some((_, begun)) = now.zip(begun).filter(is_patient)
            && self.is_missed(pending)
            && !self.seen.has_position(pending.place.position())
        {
            return Some(begun);
        }
        match pending.was_passed() {
            true => self.cut(pending),
            false => self.missing(pending, "before the log ended"),
        }
        None
    }

    fn lost(&mut self, pending: &Pending, rule: FindingRule, what: String) {
        if self.is_missed(pending) {
            let whereabouts = guarded(pending.text().as_bytes(), || pending.whereabouts());
            match whereabouts {
                Some(whereabouts) => self.report(&pending.place, rule, whereabouts, what),
                None => self.fail(&pending.place, pending.text()),
            }
        }
    }

    /// Whether what has not ended is missed if it never does.
    pub(super) fn is_missed(&mut self, pending: &Pending) -> bool {
        let is_missed = guarded(pending.text().as_bytes(), || pending.is_missed());
        is_missed.unwrap_or_else(|| {
            self.fail(&pending.place, pending.text());
            false
        })
    }

    /// Keeps a text apart that cannot be read because of a bug, once. What was found at its place before the bug is no reason
    /// not to: behind it may be more.
    pub(super) fn fail(&mut self, place: &Place, text: &str) {
        let position = place.position();
        let failed = Identity::of(&["text with a bug", &position.to_string(), text]);
        if !self.seen.has_text(failed) {
            let time = place.timestamp.unwrap_or_default();
            self.seen.remember(time, position, Some(failed));
            let input = UnreadInput::new(&place.to_string(), text.as_bytes());
            self.found.fail(input);
        }
    }

    pub(super) fn report(
        &mut self,
        place: &Place,
        rule: FindingRule,
        whereabouts: String,
        what: String,
    ) {
        let position = place.position();
        if self.seen.has_position(position) {
            return;
        }
        self.seen
            .remember(place.timestamp.unwrap_or_default(), position, None);
        self.found.findings.push(Finding {
            rule,
            place: whereabouts,
            message: what,
        });
    }
}
