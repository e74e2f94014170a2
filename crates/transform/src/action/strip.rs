//! Stable names: removes the parts of dataset and job names that change from run to run.
//!
//! Such parts are partitions, dates, run ids and temporary parts, as segments of a path or at the end of a name. A name
//! is never stripped to nothing: the last identifying part stays. Repeats until nothing more can be removed, so the
//! action is idempotent. Called by the rule action `strip`. The patterns of dates and ids are in `strip/forms.rs`, the
//! path segments that are part of the identity in `strip/layout.rs`. The caller (`rules/distinct.rs`) makes sure that
//! no two datasets of one event become one, with `Strip::distinct_forms`.

mod forms;
mod layout;
mod rule;

use forms::{Forms, NameKind, forms};
use layout::{Layout, is_glob};
use openlineage::Identity;
pub(super) use rule::StripSettings;

/// The parts that are removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Strip {
    /// Path segments `key=value`, and globs after them.
    pub partitions: bool,
    /// Days: as path segments (`2024/05/01`, `2024/05/01/13`, `2024-05-01`, `20240501`; also the month `2024/05`), at
    /// the end of a name (`_20240501`, `_2024_05_01`, `-2024-05-01T00-00-00`), and BigQuery's `$20240501`.
    pub dates: bool,
    /// UUIDs (with dashes, or 32 hex digits as a whole path segment), and the run ids of Airflow, YARN and
    /// Spark.
    pub uuids: bool,
    /// Temporary directories of engines (`_temporary`, `.spark-staging-…`, `.hive-staging_…`, `__magic_job-…`,
    /// with everything below), and temporary table names (`__dbt_tmp`, `__dbt_backup`, `_tmp_3f9a2c`).
    pub temporary: bool,
}

/// The forms of a name that decide which datasets of one event may get the same name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DistinctForms {
    /// The name without partitions only, for a dataset that must stay distinct from another. An input and an output
    /// that differ in it are two datasets.
    pub(crate) apart: String,
    /// The name without the parts that surely belong to one dataset: partitions, days as directories or decorators (if
    /// partitions are stripped), and temporary parts. Datasets that differ in it are two.
    pub(crate) kin: String,
    /// Whether a partition was removed.
    pub(crate) part: bool,
}

/// The length, in bytes, above which names are left unchanged: paths end at 4096 and object keys at 1024.
const LONGEST: usize = 4096;

/// How many segments of a date can precede the removed one.
const BACK: usize = 4;

/// The parts to remove, in finer steps than in rules.
#[derive(Debug, Clone, Copy)]
struct StripParts {
    partitions: bool,
    /// Days as path segments, and decorators.
    days: bool,
    /// Days at the end of a name.
    day_ends: bool,
    runs: bool,
    temporary: bool,
}

impl Default for Strip {
    fn default() -> Strip {
        Strip::all()
    }
}

impl Strip {
    /// All parts.
    pub fn all() -> Strip {
        Strip {
            partitions: true,
            dates: true,
            uuids: true,
            temporary: true,
        }
    }

    /// Returns the stable part of a dataset's name: a path, an object name, or `database.schema.table`. Which segments of a
    /// name are removable depends on the store, given by the scheme of the namespace; Kafka topics keep their dates.
    pub fn dataset(&self, dataset: &Identity) -> String {
        self.parts().dataset(dataset)
    }

    /// Returns the forms that decide whether `dataset` and another dataset of its event may get the same name.
    pub(crate) fn distinct_forms(&self, dataset: &Identity) -> DistinctForms {
        let apart = StripParts {
            partitions: self.partitions,
            days: false,
            day_ends: false,
            runs: false,
            temporary: false,
        };
        let kin = StripParts {
            days: self.partitions && self.dates,
            temporary: self.temporary,
            ..apart
        };
        let dated = StripParts {
            days: kin.days,
            ..apart
        };
        DistinctForms {
            apart: apart.dataset(dataset),
            kin: kin.dataset(dataset),
            part: dated.dataset(dataset) != dataset.name,
        }
    }

    /// Returns the stable part of a job's name. In job names a date or an id also ends before a dot or a space.
    pub fn job(&self, name: &str) -> String {
        self.parts().all_of(name, NameKind::Job, Layout::Path)
    }

    fn parts(&self) -> StripParts {
        StripParts {
            partitions: self.partitions,
            days: self.dates,
            day_ends: self.dates,
            runs: self.uuids,
            temporary: self.temporary,
        }
    }
}

impl StripParts {
    fn dataset(self, dataset: &Identity) -> String {
        let layout = Layout::of(&dataset.namespace);
        let dates = layout != Layout::Topic;
        let off = StripParts {
            partitions: self.partitions && layout.is_path(),
            days: self.days && dates,
            day_ends: self.day_ends && dates,
            ..self
        };
        off.all_of(&dataset.name, NameKind::Dataset, layout)
    }

    fn all_of(self, name: &str, place: NameKind, layout: Layout) -> String {
        let forms = forms();
        let mut name = name.to_owned();
        if name.len() > LONGEST {
            return name;
        }
        loop {
            let less = self.once(&name, place, layout, forms);
            // Each round removes something, so the loop ends.
            if less.len() >= name.len() || !less.contains(char::is_alphanumeric) {
                return name;
            }
            name = less;
        }
    }

    /// Removes the first kind of part that is found. Removes one at a time, so that what remains still identifies
    /// something.
    fn once(self, name: &str, place: NameKind, layout: Layout, forms: &Forms) -> String {
        if name.contains('/')
            && layout.has_segments()
            && let Some(less) = self.segments(name, layout, forms)
        {
            return less;
        }
        // Most names contain none of these.
        let digits = name.bytes().any(|byte| byte.is_ascii_digit());
        let ends = [
            (self.temporary && name.contains('_'), &forms.temporary_end),
            (self.runs && digits, &forms.run_end),
            (self.day_ends && digits, &forms.date_end),
            (
                self.days && digits && place == NameKind::Dataset && name.contains('$'),
                &forms.decorator,
            ),
        ];
        for (on, ends) in ends {
            if on {
                let all = ends.of(place).replace_all(name, "${before}${after}");
                let less = match all.contains(char::is_alphanumeric) {
                    true => all,
                    false => ends.of(place).replace(name, "${before}${after}"),
                };
                if less.len() < name.len() {
                    return less.into_owned();
                }
            }
        }
        name.to_owned()
    }

    /// Removes path segments that change from run to run, as long as an identifying part remains: parts further down,
    /// or at the end, may still be removed later.
    fn segments(self, path: &str, layout: Layout, forms: &Forms) -> Option<String> {
        let mut segments: Vec<&str> = path.split('/').collect();
        let named = |segments: &[&str]| {
            let named = segments
                .iter()
                .filter(|s| s.contains(char::is_alphanumeric) && !is_glob(s));
            named.count()
        };
        let mut left = named(&segments);
        let (mut index, mut partition) = (0, None);
        while let Some(segment) = segments.get(index) {
            let rest = segments.get(index..).unwrap_or_default();
            let behind = || partition.is_some_and(|at| at <= index);
            let is_partition = self.partitions
                && (segment.contains('=') || segment.contains("%3"))
                && forms.partition.is_match(segment);
            let digits = segment.bytes().any(|byte| byte.is_ascii_digit());
            let gone = if self.temporary
                && segment.starts_with(['_', '.'])
                && forms.temporary.is_match(segment)
            {
                rest.len()
            } else if is_partition || self.partitions && behind() && is_glob(segment) {
                1
            } else if !(digits || self.runs && segment.len() >= 32)
                || layout.keeps(&segments, index)
            {
                // Neither a date nor an id.
                0
            } else if self.runs
                && forms.run.is_match(segment)
                && (layout.is_path() || !is_hex(segment))
                || self.days && forms.day.is_match(segment)
            {
                1
            } else if self.days {
                forms.days_in(rest)
            } else {
                0
            };
            let named = named(rest.get(..gone).unwrap_or_default());
            if gone > 0 && named < left {
                if is_partition {
                    partition.get_or_insert(index);
                }
                left -= named;
                segments.drain(index..index + gone);
                // Only a date can become complete by this, and it starts a few segments earlier.
                index = index.saturating_sub(BACK);
            } else {
                index += 1;
            }
        }
        let less = segments.join("/");
        (less.len() < path.len()).then_some(less)
    }
}

/// A UUID without dashes, or any other 32 hex digits.
fn is_hex(segment: &str) -> bool {
    let digits = segment.get(..32).unwrap_or_default();
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests;
