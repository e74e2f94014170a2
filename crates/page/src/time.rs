//! Times on the page: UTC in the HTML, which the script writes as the reader's clock shows them. Pure.

use maud::{Markup, html};

/// A time in RFC 3339.
pub(crate) fn time(text: &str) -> Markup {
    let plain: String = text.chars().take(19).collect();
    html! { time datetime=(text) { (plain.replacen('T', " ", 1)) } }
}

/// How long something took, or how old it is, in milliseconds: by its two largest units, such as `2 h 5 min`.
pub(crate) fn duration(milliseconds: u64) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")];
    let seconds = milliseconds / 1_000;
    match (seconds, milliseconds % 1_000 / 100) {
        (0, _) if milliseconds > 0 => format!("{milliseconds} ms"),
        (1..60, tenths @ 1..) => format!("{seconds}.{tenths} s"),
        (..60, _) => format!("{seconds} s"),
        (60.., _) => {
            let mut rest = seconds;
            let parts = UNITS.map(|(size, unit)| {
                let count = rest / size;
                rest %= size;
                (count, unit)
            });
            let parts = parts.iter().skip_while(|(count, _)| *count == 0).take(2);
            let parts = parts.filter(|(count, _)| *count > 0);
            let parts = parts.map(|(count, unit)| format!("{count} {unit}"));
            parts.collect::<Vec<_>>().join(" ")
        }
    }
}

/// How long something takes or has taken, in seconds.
pub(crate) fn age(seconds: u64) -> String {
    duration(seconds.saturating_mul(1_000))
}

/// A number with its thousands apart.
pub(crate) fn number(number: impl TryInto<u64>) -> String {
    let digits = number.try_into().unwrap_or_default().to_string();
    let mut parts = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            parts.push(',');
        }
        parts.push(digit);
    }
    parts
}

/// A number of things, of which there may be one: `1 event`, `2 events`.
pub(crate) fn counted(count: impl TryInto<u64>, what: &str) -> String {
    match count.try_into().unwrap_or_default() {
        1 => format!("1 {what}"),
        count => format!("{} {what}s", number(count)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_durations_are_short() {
        assert_eq!(
            [0_u64, 999, 1_000, 1_234_567].map(number),
            ["0", "999", "1,000", "1,234,567"]
        );
        let durations = [0, 999, 5_000, 5_399, 61_000, 7_200_000, 200_000_000].map(duration);
        assert_eq!(
            durations,
            [
                "0 s",
                "999 ms",
                "5 s",
                "5.3 s",
                "1 min 1 s",
                "2 h",
                "2 d 7 h"
            ]
        );
        let ages = [0, 59, 60, 3_660, 86_460, 86_400 * 400, u64::MAX].map(age);
        let expected = [
            "0 s",
            "59 s",
            "1 min",
            "1 h 1 min",
            "1 d",
            "400 d",
            "213503982334 d 14 h",
        ];
        assert_eq!(ages, expected);
    }

    #[test]
    fn without_a_script_a_time_is_utc_to_the_second() {
        let expected = r#"<time datetime="2026-11-29T05:10:26.123Z">2026-11-29 05:10:26</time>"#;
        assert_eq!(time("2026-11-29T05:10:26.123Z").into_string(), expected);
    }
}
