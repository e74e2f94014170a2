//! Stable names: what changes from run to run is taken off the names of datasets and jobs.
//!
//! Partitions, dates, ids of runs and temporary parts, as segments of a path or at the end of a name. A name is never
//! stripped to nothing: then the last form that still names something stays. Works until nothing more comes off,
//! so doing it twice does nothing more. Called by the rule action of that name; what a date or id looks like is in
//! `strip/forms.rs`, which parts of a path are its identity in `strip/layout.rs`. That no two datasets of one event
//! become one is for the caller to see to (`rules/apart.rs`), by what `Strip::judged` says.

mod forms;
mod layout;

use forms::{Forms, Place, forms};
use layout::{Layout, is_glob};
use openlineage::Identity;

/// What is taken off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Strip {
    /// Path segments `key=value`, and globs behind them.
    pub partitions: bool,
    /// Days: as path segments (`2024/05/01`, `2024/05/01/13`, `2024-05-01`, `20240501`; also the month `2024/05`), as
    /// the end of a name (`_20240501`, `_2024_05_01`, `-2024-05-01T00-00-00`), and BigQuery's `$20240501`.
    pub dates: bool,
    /// UUIDs (with dashes, or 32 hex digits that are a whole segment of a path), and the ids that Airflow, YARN and
    /// Spark give to a run.
    pub uuids: bool,
    /// What engines write before the real place (`_temporary`, `.spark-staging-…`, `.hive-staging_…`, `__magic_job-…`,
    /// and all below), and names of tables for a while (`__dbt_tmp`, `__dbt_backup`, `_tmp_3f9a2c`).
    pub temporary: bool,
}

/// What counts when several datasets of one event would get the same name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Judged {
    /// The name without its partitions only: what it is called when it must not become another one's. An input and an
    /// output that differ in this are two datasets.
    pub(crate) apart: String,
    /// The name without what is known to be of one dataset: partitions, days that are directories or decorators (where
    /// partitions are asked for), and temporary parts. Datasets that differ in this are two.
    pub(crate) kin: String,
    /// Whether a partition comes off it.
    pub(crate) part: bool,
}

/// Longer names stay as they are, in bytes: paths end at 4096 and object keys at 1024.
const LONGEST: usize = 4096;

/// How many segments a date can have in front of the one that was taken off.
const BACK: usize = 4;

/// What is taken off, more finely than rules say it.
#[derive(Debug, Clone, Copy)]
struct Off {
    partitions: bool,
    /// Days that are segments of a path, and decorators.
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
    /// Everything.
    pub fn all() -> Strip {
        Strip {
            partitions: true,
            dates: true,
            uuids: true,
            temporary: true,
        }
    }

    /// The stable part of a dataset's name: a path, an object's name, or `database.schema.table`. Which segments of a
    /// name can go depends on the store, which the scheme of the namespace tells; dates stay in topics of Kafka.
    pub fn dataset(&self, dataset: &Identity) -> String {
        self.off().dataset(dataset)
    }

    /// What decides whether `dataset` and another one of its event may get the same name.
    pub(crate) fn judged(&self, dataset: &Identity) -> Judged {
        let apart = Off {
            partitions: self.partitions,
            days: false,
            day_ends: false,
            runs: false,
            temporary: false,
        };
        let kin = Off {
            days: self.partitions && self.dates,
            temporary: self.temporary,
            ..apart
        };
        let parts = Off {
            days: kin.days,
            ..apart
        };
        Judged {
            apart: apart.dataset(dataset),
            kin: kin.dataset(dataset),
            part: parts.dataset(dataset) != dataset.name,
        }
    }

    /// The stable part of a job's name. Here a date or an id also ends a part before a dot or a space.
    pub fn job(&self, name: &str) -> String {
        self.off().all_of(name, Place::Job, Layout::Path)
    }

    fn off(&self) -> Off {
        Off {
            partitions: self.partitions,
            days: self.dates,
            day_ends: self.dates,
            runs: self.uuids,
            temporary: self.temporary,
        }
    }
}

impl Off {
    fn dataset(self, dataset: &Identity) -> String {
        let layout = Layout::of(&dataset.namespace);
        let dates = layout != Layout::Topic;
        let off = Off {
            partitions: self.partitions && layout.is_path(),
            days: self.days && dates,
            day_ends: self.day_ends && dates,
            ..self
        };
        off.all_of(&dataset.name, Place::Dataset, layout)
    }

    fn all_of(self, name: &str, place: Place, layout: Layout) -> String {
        let forms = forms();
        let mut name = name.to_owned();
        if name.len() > LONGEST {
            return name;
        }
        loop {
            let less = self.once(&name, place, layout, forms);
            // Each round takes something off, so the rounds end.
            if less.len() >= name.len() || !less.contains(char::is_alphanumeric) {
                return name;
            }
            name = less;
        }
    }

    /// One kind of thing off: the first that is found. One at a time, so that what is left last still names something.
    fn once(self, name: &str, place: Place, layout: Layout, forms: &Forms) -> String {
        if name.contains('/')
            && layout.has_segments()
            && let Some(less) = self.segments(name, layout, forms)
        {
            return less;
        }
        // Most names have none of what these look for.
        let digits = name.bytes().any(|byte| byte.is_ascii_digit());
        let ends = [
            (self.temporary && name.contains('_'), &forms.temporary_end),
            (self.runs && digits, &forms.run_end),
            (self.day_ends && digits, &forms.date_end),
            (
                self.days && digits && place == Place::Dataset && name.contains('$'),
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

    /// The path without the segments that change from run to run, as long as something named is left: what may come
    /// off further down, or at the end, still can.
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
                // No date and no id.
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
                // Only a date can have become whole by this, and starts a few segments before.
                index = index.saturating_sub(BACK);
            } else {
                index += 1;
            }
        }
        let less = segments.join("/");
        (less.len() < path.len()).then_some(less)
    }
}

/// A UUID without its dashes, or anything else of 32 hex digits.
fn is_hex(segment: &str) -> bool {
    let digits = segment.get(..32).unwrap_or_default();
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests;
