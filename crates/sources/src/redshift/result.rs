//! The rows of an answer of the Data API. Which view a row is from, and what it means, is decided in `history` and
//! `catalogue`, which call it.
//!
//! An answer is the JSON of GetStatementResult: `ColumnMetadata` names the columns, and each record has one field a
//! column (<https://docs.aws.amazon.com/redshift-data/latest/APIReference/API_GetStatementResult.html>). Values of
//! `char(n)` come padded with blanks, and NULL as `isNull`.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// One page of an answer.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Page {
    column_metadata: Vec<Column>,
    records: Vec<Vec<Field>>,
    next_token: Option<String>,
    /// The rows of all pages together.
    total_num_rows: Option<u64>,
}

#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default)]
struct Column {
    name: String,
    label: String,
}

/// A value. One of the members is there.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
struct Field {
    #[serde(skip_serializing_if = "Option::is_none")]
    string_value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    long_value: Option<i64>,
}

/// A value of a row that is written.
#[derive(Debug, Clone, Copy)]
pub(super) enum Cell<'v> {
    Text(&'v str),
    Number(i64),
}

/// Where the columns of a page are that a reader needs, in its order.
pub(super) struct Columns<const N: usize>([Option<usize>; N]);

/// A row, by the order of the columns that its reader named.
pub(super) struct Row<'p, const N: usize> {
    fields: &'p [Field],
    columns: &'p Columns<N>,
}

/// A value that a row must have and does not: the position of its column in the reader's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoValue(pub(super) usize);

impl Column {
    fn is(&self, name: &str) -> bool {
        self.name == name || self.label == name
    }
}

impl Page {
    /// Finds the columns of these names. `Err` names one that is required, the first `required` of them, and missing.
    pub(super) fn columns<const N: usize>(
        &self,
        names: [&'static str; N],
        required: usize,
    ) -> Result<Columns<N>, &'static str> {
        let columns = names.map(|name| {
            self.column_metadata
                .iter()
                .position(|column| column.is(name))
        });
        let mut needed = names.iter().zip(&columns).take(required);
        match needed.find(|(_, position)| position.is_none()) {
            Some((name, _)) => Err(name),
            None => Ok(Columns(columns)),
        }
    }

    pub(super) fn rows<'p, const N: usize>(
        &'p self,
        columns: &'p Columns<N>,
    ) -> impl Iterator<Item = Row<'p, N>> {
        let row = |fields: &'p Vec<Field>| Row { fields, columns };
        self.records.iter().map(row)
    }

    /// A page with these rows, whose cells are those of the columns in their order.
    pub(super) fn of(columns: &[&str], rows: &[Vec<Cell<'_>>]) -> Page {
        let column = |name: &&str| Column {
            name: (*name).to_owned(),
            label: String::new(),
        };
        let field = |cell: &Cell<'_>| match cell {
            Cell::Text(text) => Field {
                string_value: Some((*text).to_owned()),
                long_value: None,
            },
            Cell::Number(number) => Field {
                string_value: None,
                long_value: Some(*number),
            },
        };
        let rows = rows.iter().map(|row| row.iter().map(field).collect());
        Page {
            column_metadata: columns.iter().map(column).collect(),
            records: rows.collect(),
            ..Page::default()
        }
    }

    /// The page with one of its rows, counted from 0, alone.
    pub(super) fn row(&self, number: usize) -> Page {
        Page {
            column_metadata: self.column_metadata.clone(),
            records: self.records.get(number).cloned().into_iter().collect(),
            ..Page::default()
        }
    }

    /// Whether there is a column of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.column_metadata.iter().any(|column| column.is(name))
    }

    /// Whether it says that there is another page.
    pub(super) fn goes_on(&self) -> bool {
        self.next_token
            .as_ref()
            .is_some_and(|token| !token.is_empty())
    }

    /// How many rows all pages of its answer have together, if it says so.
    pub(super) fn total(&self) -> Option<u64> {
        self.total_num_rows
    }

    /// How many rows it has itself.
    pub(super) fn row_count(&self) -> u64 {
        self.records.len() as u64
    }

    /// Whether it has neither columns nor rows.
    pub(super) fn is_empty(&self) -> bool {
        self.column_metadata.is_empty() && self.records.is_empty()
    }
}

impl<const N: usize> Row<'_, N> {
    fn field(&self, column: usize) -> Option<&Field> {
        let position = self.columns.0.get(column).copied().flatten()?;
        self.fields.get(position)
    }

    /// The text as it is stored, with its padding.
    pub(super) fn padded(&self, column: usize) -> Option<&str> {
        self.field(column)?.string_value.as_deref()
    }

    /// The text without the blanks after it.
    pub(super) fn text(&self, column: usize) -> Option<&str> {
        self.padded(column).map(|text| text.trim_end_matches(' '))
    }

    /// The text, or an empty one for NULL.
    pub(super) fn text_or_empty(&self, column: usize) -> String {
        self.text(column).unwrap_or_default().to_owned()
    }

    pub(super) fn number(&self, column: usize) -> Option<i64> {
        let field = self.field(column)?;
        // Numbers of `numeric` and of leader-node views come as texts.
        field
            .long_value
            .or_else(|| field.string_value.as_deref()?.trim().parse().ok())
    }

    /// A time without a zone, which is UTC.
    pub(super) fn time(&self, column: usize) -> Option<OffsetDateTime> {
        moment(self.text(column)?)
    }

    pub(super) fn needed<T>(&self, column: usize, value: Option<T>) -> Result<T, NoValue> {
        value.ok_or(NoValue(column))
    }
}

/// Reads a time as Redshift writes it: `2026-05-13 02:00:00.123456`, in UTC, with up to six digits of a second.
pub(super) fn moment(text: &str) -> Option<OffsetDateTime> {
    let (date, clock) = text.trim().split_once([' ', 'T'])?;
    let mut date = date.splitn(3, '-');
    let year = date.next()?.parse().ok()?;
    let month: u8 = date.next()?.parse().ok()?;
    let day = date.next()?.parse().ok()?;
    let clock = clock.trim_end_matches('Z').trim_end_matches("+00");
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let mut clock = clock.splitn(3, ':').map(|part| part.parse::<u8>().ok());
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    if fraction.len() > 6 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let micros = format!("{fraction:0<6}").parse().ok()?;
    let date = time::Date::from_calendar_date(year, month.try_into().ok()?, day).ok()?;
    let clock = time::Time::from_hms_micro(hour, minute, second, micros).ok()?;
    Some(OffsetDateTime::new_utc(date, clock))
}

/// Writes a time as Redshift reads it, and as [`moment`] does.
pub(super) fn written(moment: OffsetDateTime) -> String {
    let moment = moment.to_offset(time::UtcOffset::UTC);
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:06}",
        moment.year(),
        u8::from(moment.month()),
        moment.day(),
        moment.hour(),
        moment.minute(),
        moment.second(),
        moment.microsecond()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PAGE: &str = r#"{
        "ColumnMetadata": [{"name": "query_id"}, {"name": "label"}, {"name": "end_time"}],
        "Records": [
            [{"longValue": 7}, {"stringValue": "dev   "}, {"isNull": true}],
            [{"stringValue": "8"}, {"stringValue": "  "}, {"stringValue": "2026-05-13 02:00:03.62"}],
            [{"isNull": true}]
        ]
    }"#;

    #[test]
    fn a_value_is_read_without_its_padding_and_null_is_none() {
        let page: Page = serde_json::from_str(PAGE).unwrap();
        let columns = page.columns(["query_id", "label", "end_time"], 3).unwrap();
        let rows: Vec<_> = page
            .rows(&columns)
            .map(|row| (row.number(0), row.text_or_empty(1), row.time(2)))
            .collect();
        assert_eq!(rows[0], (Some(7), "dev".to_owned(), None));
        assert_eq!((rows[1].0, rows[1].1.as_str()), (Some(8), ""));
        let end = rows[1].2.unwrap();
        assert_eq!(written(end), "2026-05-13 02:00:03.620000");
        assert_eq!(rows[2], (None, String::new(), None), "a row that is cut");
    }

    #[test]
    fn a_column_that_is_required_is_named_when_it_is_missing() {
        let page: Page = serde_json::from_str(PAGE).unwrap();
        assert_eq!(
            page.columns(["query_id", "status"], 2).err(),
            Some("status")
        );
        assert!(page.columns(["query_id", "status"], 1).is_ok());
    }

    proptest! {
        #[test]
        fn a_time_is_read_as_it_is_written(micros in 0..4_000_000_000_000_000_i64) {
            let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1_000).unwrap();
            prop_assert_eq!(moment(&written(time)), Some(time));
        }

        #[test]
        fn any_text_is_a_time_or_none(text in ".{0,40}") {
            let _ = moment(&text);
        }
    }
}
