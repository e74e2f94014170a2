//! The patterns of partitions, dates, run ids and temporary parts.
//!
//! Dates must be plausible (years 1900 to 2099, months 1 to 12, days 1 to 31): names contain many other numbers.

use std::sync::LazyLock;

use regex::Regex;

use crate::action::pattern;

/// The kind of name that contains a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NameKind {
    Dataset,
    Job,
}

/// A pattern for the end of a name's part: the groups `before` and `after` are kept.
pub(super) struct EndPattern {
    dataset: Regex,
    job: Regex,
}

pub(super) struct Forms {
    /// Whole path segments.
    pub(super) partition: Regex,
    pub(super) day: Regex,
    pub(super) run: Regex,
    pub(super) temporary: Regex,
    /// Endings of a part.
    pub(super) date_end: EndPattern,
    /// BigQuery's partition decorators.
    pub(super) decorator: EndPattern,
    pub(super) run_end: EndPattern,
    pub(super) temporary_end: EndPattern,
    year: Regex,
    month: Regex,
    day_of_month: Regex,
    hour: Regex,
    minute: Regex,
}

const YEAR: &str = "(?:19|20)[0-9]{2}";
const MONTH: &str = "(?:0[1-9]|1[0-2])";
const DAY: &str = "(?:0[1-9]|[12][0-9]|3[01])";
const HOUR: &str = "(?:[01][0-9]|2[0-3])";
const SIXTY: &str = "[0-5][0-9]";
const UUID: &str = "(?:[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})";
/// 32 hex digits are a UUID only as a whole segment: at the end of a name they are a digest that distinguishes it
/// from others (dbt, `generate_test_name`: names over 63 characters are truncated and get their MD5).
const HEX: &str = "[0-9a-fA-F]{32}";
/// Closing quotes of identifiers: ANSI and most, MySQL and Spark, SQL Server.
const CLOSING: &str = r#"["`\]]*"#;
/// A stripped part may not consist only of these: separators and opening quotes.
const BEFORE: &str = r#"[^._\-/$\s"`\[]"#;

pub(super) fn forms() -> &'static Forms {
    static FORMS: LazyLock<Forms> = LazyLock::new(Forms::new);
    &FORMS
}

impl EndPattern {
    fn new(form: &str, follows: &str) -> EndPattern {
        // Something must precede it in its part, or the part would be empty: `db.schema._20240501` stays.
        let with = |separators: &str| {
            format!("(?P<before>{BEFORE})[{separators}]+{form}(?P<after>{CLOSING}(?:{follows}))")
        };
        EndPattern {
            dataset: pattern(&with(r"_\-")),
            job: pattern(&with(r"._\-\s")),
        }
    }

    pub(super) fn of(&self, place: NameKind) -> &Regex {
        match place {
            NameKind::Dataset => &self.dataset,
            NameKind::Job => &self.job,
        }
    }
}

impl Forms {
    fn new() -> Forms {
        let time = format!(r"{HOUR}(?:[-:_.]?{SIXTY}(?:[-:_.]?{SIXTY}(?:[.,][0-9]+)?)?)?");
        let zone = "(?:[Zz]|[+-][0-9]{2}:?[0-9]{2})?";
        let day = |dash: &str| format!("{YEAR}{dash}{MONTH}{dash}{DAY}");
        let date = format!(
            "(?:{}|{}|{})(?:[Tt_ -]?{time}{zone})?",
            day(""),
            day("-"),
            day("_")
        );
        // Run ids of Airflow; application ids of YARN and Spark.
        let ids = format!(
            "(?i:scheduled|manual|backfill|dataset_triggered|asset_triggered)__{date}|(?i:application)_[0-9]{{10,}}_[0-9]+|(?i:app)-[0-9]{{14}}-[0-9]{{4}}|(?i:local)-[0-9]{{13}}"
        );
        let extension = r"(?:\.[A-Za-z][A-Za-z0-9.]*)?";
        // Hour, day, month or year of a partition.
        let decorator = pattern(&format!(
            r"(?P<before>{BEFORE})\$(?:{YEAR}(?:{MONTH}(?:{DAY}(?:{HOUR})?)?)?)(?P<after>{CLOSING})$"
        ));
        // dbt appends the time of day to `__dbt_tmp`, and folds both where the store folds. Hex digits without a
        // number are words: `_tmp_facade`.
        let tables = "_dbt_(?:tmp|backup|new_data)[0-9_]*(?:t[0-9_]+z?)?";
        let short = "(?:tmp|temp)_[0-9a-f]*[0-9][0-9a-f]*";
        let temporary_end = format!("(?i:{tables}|{short})");
        Forms {
            // Hive writes special characters of a key or value as `%` and two digits, some writers the equals sign too.
            partition: pattern(
                r"(?s)^(?:[\p{L}_]|%[0-9A-Fa-f]{2})(?:[\p{L}\p{M}\p{N}_.\-+@$ ]|%[0-9A-Fa-f]{2})*?(?:=|%3[Dd]).*$",
            ),
            day: pattern(&format!("^{date}{extension}$")),
            run: pattern(&format!("^(?:{UUID}|{HEX}|{ids}){extension}$")),
            temporary: pattern(
                r"^(?i:_temporary|\.spark-staging(?:-.*)?|\.hive-staging.*|__magic(?:_job-.*)?)$",
            ),
            date_end: EndPattern::new(&date, r"\.|/|$"),
            decorator: EndPattern {
                dataset: decorator.clone(),
                job: decorator,
            },
            run_end: EndPattern::new(&format!("(?:{UUID}|{ids})"), r"\.|/|[_\-]|$"),
            temporary_end: EndPattern {
                dataset: pattern(&format!(
                    r"(?P<before>{BEFORE})(?:_{temporary_end}(?P<after>{CLOSING}(?:\.|/|$))|(?i:\._COPYING_)$)"
                )),
                job: pattern(&format!(
                    r"(?P<before>{BEFORE})_{temporary_end}(?P<after>{CLOSING}(?:\.|/|\s|$))"
                )),
            },
            year: whole(YEAR),
            month: whole(MONTH),
            day_of_month: whole(DAY),
            hour: whole(HOUR),
            minute: whole(SIXTY),
        }
    }

    /// Counts the segments from the first on that are year and month, then day, hour and minute.
    pub(super) fn days_in(&self, segments: &[&str]) -> usize {
        let parts = [
            &self.year,
            &self.month,
            &self.day_of_month,
            &self.hour,
            &self.minute,
        ];
        let count = (segments.iter().zip(parts))
            .take_while(|(segment, part)| part.is_match(segment))
            .count();
        // A year alone may as well be a number.
        if count < 2 { 0 } else { count }
    }
}

fn whole(form: &str) -> Regex {
    pattern(&format!("^{form}$"))
}
