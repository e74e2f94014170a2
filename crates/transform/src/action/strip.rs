//! Stable names: what changes from run to run is taken off the names of datasets and jobs.
//!
//! Partitions, dates, ids of runs and temporary parts, as segments of a path or at the end of a name. A name is never
//! stripped to nothing: then the last form that still names something stays. Works until nothing more comes off,
//! so doing it twice does nothing more. Called by the rule action of that name; what a date or id looks like is in
//! `strip/forms.rs`.

mod forms;

use forms::{Forms, Place, forms};
use openlineage::Identity;

/// What is taken off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Strip {
    /// Path segments `key=value`.
    pub partitions: bool,
    /// Days: as path segments (`2024/05/01`, `2024/05/01/13`, `2024-05-01`, `20240501`; also the month `2024/05`), as
    /// the end of a name (`_20240501`, `_2024_05_01`, `-2024-05-01T00-00-00`), and BigQuery's `$20240501`.
    pub dates: bool,
    /// UUIDs (with dashes, or 32 hex digits), and the ids that Airflow, YARN and Spark give to a run.
    pub uuids: bool,
    /// What engines write before the real place (`_temporary`, `.spark-staging-…`, `.hive-staging_…`, `__magic_job-…`,
    /// and all below), and names of tables for a while (`__dbt_tmp`, `__dbt_backup`, `_tmp_3f9a2c`).
    pub temporary: bool,
}

/// Longer names stay as they are, in bytes: paths end at 4096 and object keys at 1024.
const LONGEST: usize = 4096;

/// Stores of files and objects, whose names are paths: elsewhere `a=b` and 32 hex digits are names like any other.
const FILES: [&str; 12] = [
    "s3", "s3a", "s3n", "gs", "abfs", "abfss", "wasb", "wasbs", "adl", "hdfs", "file", "dbfs",
];

/// How many segments a date can have in front of the one that was taken off.
const BACK: usize = 4;

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

    /// The stable part of a dataset's name: a path, an object's name, or `database.schema.table`. Partitions and hex
    /// digits go only from names in a store of files, by the scheme of the namespace; dates stay in topics of Kafka.
    pub fn dataset(&self, dataset: &Identity) -> String {
        let scheme = dataset.namespace.split(':').next().unwrap_or_default();
        let scheme = scheme.to_ascii_lowercase();
        let files = FILES.contains(&scheme.as_str());
        let rule = Strip {
            partitions: self.partitions && files,
            dates: self.dates && scheme != "kafka",
            ..*self
        };
        rule.all_of(&dataset.name, Place::Dataset, files)
    }

    /// The stable part of a job's name. Here a date or an id also ends a part before a dot or a space.
    pub fn job(&self, name: &str) -> String {
        self.all_of(name, Place::Job, true)
    }

    fn all_of(&self, name: &str, place: Place, files: bool) -> String {
        let forms = forms();
        let mut name = name.to_owned();
        if name.len() > LONGEST {
            return name;
        }
        loop {
            let less = self.once(&name, place, files, forms);
            // Each round takes something off, so the rounds end.
            if less.len() >= name.len() || !less.contains(char::is_alphanumeric) {
                return name;
            }
            name = less;
        }
    }

    /// One kind of thing off: the first that is found. One at a time, so that what is left last still names something.
    fn once(&self, name: &str, place: Place, files: bool, forms: &Forms) -> String {
        if name.contains('/')
            && let Some(less) = self.segments(name, files, forms)
        {
            return less;
        }
        let ends = [
            (self.temporary, &forms.temporary_end),
            (self.uuids, &forms.run_end),
            (self.dates, &forms.date_end),
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
    fn segments(&self, path: &str, files: bool, forms: &Forms) -> Option<String> {
        let mut segments: Vec<&str> = path.split('/').collect();
        let named = |segments: &[&str]| {
            let named = segments
                .iter()
                .filter(|s| s.contains(char::is_alphanumeric));
            named.count()
        };
        let mut left = named(&segments);
        let mut index = 0;
        while let Some(segment) = segments.get(index) {
            let rest = segments.get(index..).unwrap_or_default();
            let gone = if self.temporary && forms.temporary.is_match(segment) {
                rest.len()
            } else if self.partitions && forms.partition.is_match(segment)
                || self.uuids && forms.run.is_match(segment) && (files || !is_hex(segment))
                || self.dates && forms.day.is_match(segment)
            {
                1
            } else if self.dates {
                forms.days_in(rest)
            } else {
                0
            };
            let named = named(rest.get(..gone).unwrap_or_default());
            if gone > 0 && named < left {
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
