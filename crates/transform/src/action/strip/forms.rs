//! What partitions, dates, ids of runs and temporary parts look like: the patterns, and nothing else.
//!
//! Dates have to be plausible (years 1900 to 2099, months 1 to 12, days 1 to 31): names are full of other numbers.

use std::sync::LazyLock;

use regex::Regex;

use crate::action::pattern;

/// In what kind of name something stands.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place {
    Dataset,
    Job,
}

/// A pattern for the end of a name's part: what stands `before` and `after` stays.
pub(super) struct Ends {
    dataset: Regex,
    job: Regex,
}

pub(super) struct Forms {
    /// Whole segments of a path.
    pub(super) partition: Regex,
    pub(super) day: Regex,
    pub(super) run: Regex,
    pub(super) temporary: Regex,
    /// What comes off the end of a part.
    pub(super) date_end: Ends,
    pub(super) run_end: Ends,
    pub(super) temporary_end: Ends,
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
const UUID: &str = "(?:[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[0-9a-fA-F]{32})";

pub(super) fn forms() -> &'static Forms {
    static FORMS: LazyLock<Forms> = LazyLock::new(Forms::new);
    &FORMS
}

impl Ends {
    fn new(form: &str, follows: &str) -> Ends {
        // Something has to stand before it in its part, or the part would be gone: `db.schema._20240501` stays.
        let dataset = format!(r"(?P<before>[^._\-/$\s])[_\-]+{form}(?P<after>{follows})");
        let job = format!(r"(?P<before>[^._\-/$\s])[._\-\s]+{form}(?P<after>{follows})");
        Ends {
            dataset: pattern(&dataset),
            job: pattern(&job),
        }
    }

    pub(super) fn of(&self, place: Place) -> &Regex {
        match place {
            Place::Dataset => &self.dataset,
            Place::Job => &self.job,
        }
    }
}

impl Forms {
    fn new() -> Forms {
        let time = format!(r"{HOUR}(?:[-:_.]?{SIXTY}(?:[-:_.]?{SIXTY}(?:[.,][0-9]+)?)?)?");
        let zone = "(?:Z|[+-][0-9]{2}:?[0-9]{2})?";
        let day = |dash: &str| format!("{YEAR}{dash}{MONTH}{dash}{DAY}");
        let date = format!(
            "(?:{}|{}|{})(?:[T_ -]?{time}{zone})?",
            day(""),
            day("-"),
            day("_")
        );
        // Airflow's run ids; YARN's and Spark's application ids.
        let run = format!(
            "(?:{UUID}|(?:scheduled|manual|backfill|dataset_triggered|asset_triggered)__{date}|application_[0-9]{{10,}}_[0-9]+|app-[0-9]{{14}}-[0-9]{{4}}|local-[0-9]{{13}})"
        );
        // BigQuery's decorators: hour, day, month or year of a partition.
        let decorator = format!(r"\$(?:{YEAR}(?:{MONTH}(?:{DAY}(?:{HOUR})?)?)?)");
        let mut date_end = Ends::new(&date, r"\.|/|$");
        date_end.dataset = pattern(&format!(
            r"(?P<before>[^._\-/$\s])(?:[_\-]+{date}(?P<after>\.|/|$)|{decorator}$)"
        ));
        // dbt adds the time of day to `__dbt_tmp`. Hex digits without a number are words: `_tmp_facade`.
        let tables = r"_dbt_(?:tmp|backup|new_data)[0-9_]*";
        let short = r"(?:tmp|temp)_[0-9a-f]*[0-9][0-9a-f]*";
        let temporary_end = format!(r"(?:{tables}|{short})");
        Forms {
            partition: pattern(r"^[A-Za-z_][A-Za-z0-9_.\-]*=.*$"),
            day: pattern(&format!(r"^{date}(?:\.[A-Za-z][A-Za-z0-9.]*)?$")),
            run: pattern(&format!(r"^{run}(?:\.[A-Za-z][A-Za-z0-9.]*)?$")),
            temporary: pattern(
                r"^(?:_temporary|\.spark-staging(?:-.*)?|\.hive-staging.*|__magic(?:_job-.*)?)$",
            ),
            date_end,
            run_end: Ends::new(&run, r"\.|/|[_\-]|$"),
            temporary_end: Ends {
                dataset: pattern(&format!(
                    r"(?P<before>[^._\-/$\s])(?:_{temporary_end}(?P<after>\.|/|$)|\._COPYING_$)"
                )),
                job: pattern(&format!(
                    r"(?P<before>[^._\-/$\s])_{temporary_end}(?P<after>\.|/|\s|$)"
                )),
            },
            year: whole(YEAR),
            month: whole(MONTH),
            day_of_month: whole(DAY),
            hour: whole(HOUR),
            minute: whole(SIXTY),
        }
    }

    /// How many segments from the first on are year and month, and day, hour and minute as far as they go on.
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
        // A year alone is as likely a number.
        if count < 2 { 0 } else { count }
    }
}

fn whole(form: &str) -> Regex {
    pattern(&format!("^{form}$"))
}
