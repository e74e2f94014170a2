//! Finds the known word that was meant by an unknown one, for errors with "did you mean".
//!
//! Called by the reader of rules files and by the configuration of the proxy.

/// Returns the known word nearest to `word`, if it is near enough: the same in another case or with other separators,
/// or with at most one wrong, missing, extra or swapped letter in three.
///
/// ```
/// assert_eq!(settings::nearest("nam", ["namespace", "name"]), Some("name"));
/// assert_eq!(settings::nearest("eventType", ["event_type", "kind"]), Some("event_type"));
/// assert_eq!(settings::nearest("zzz", ["name"]), None);
/// ```
pub fn nearest<'w>(word: &str, known: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    let wanted = plain(word);
    let distance = |known: &str| strsim::osa_distance(&wanted, &plain(known));
    let near = known.into_iter().map(|known| (distance(known), known));
    let (distance, found) = near.min_by_key(|(distance, _)| *distance)?;
    let longer = wanted.chars().count().max(plain(found).chars().count());
    (distance <= longer / 3).then_some(found)
}

/// Removes case and separators.
fn plain(word: &str) -> String {
    let letters = word.chars().filter(|letter| letter.is_alphanumeric());
    letters.flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_near_and_another_word_is_not() {
        let known = [
            "rename",
            "normalise",
            "redshift",
            "strip",
            "drop",
            "drop_datasets",
        ];
        for (word, meant) in [
            ("normalize", Some("normalise")),
            ("rneame", Some("rename")),
            ("dropDatasets", Some("drop_datasets")),
            ("DROP", Some("drop")),
            ("stripp", Some("strip")),
            ("hash", None),
            ("", None),
            ("x", None),
        ] {
            assert_eq!(nearest(word, known), meant, "{word}");
        }
        assert_eq!(nearest("x", []), None);
    }
}
