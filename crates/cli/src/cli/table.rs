//! Tables: columns that fit the terminal, or one row per line with tabs for programs.
//!
//! Each column defines how it fits into a narrow terminal.

use std::io::IsTerminal;

use comfy_table::presets::NOTHING;
use comfy_table::{ColumnConstraint, ContentArrangement, Width};
use terminal_size::terminal_size_of;

/// The width for a terminal that does not report one: CI reports 0 by 0.
const USUAL: u16 = 80;

/// The narrowest width for which columns are arranged.
const NARROWEST: u16 = 20;

/// How a column fits into a narrow terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fit {
    /// Values stay whole, so that they can be copied.
    Whole,
    /// Values wrap.
    Wrap,
    /// The column is omitted on terminals that are narrower than this.
    From(u16),
}

/// Rows below headers.
pub(super) struct Table<const N: usize> {
    columns: [(&'static str, Fit); N],
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    pub(super) fn new(columns: [(&'static str, Fit); N]) -> Table<N> {
        Table {
            columns,
            rows: Vec::new(),
        }
    }

    pub(super) fn row(&mut self, row: [String; N]) {
        self.rows.push(row);
    }

    /// Formats the table for standard output.
    pub(super) fn text(&self) -> String {
        match width() {
            Some(width) => self.arranged(width),
            None => self.plain(),
        }
    }

    /// Returns one row per line, headers first.
    fn plain(&self) -> String {
        let headers = self.columns.iter().map(|(header, _)| (*header).to_owned());
        let mut lines = vec![headers.collect::<Vec<_>>().join("\t")];
        for row in &self.rows {
            let cells: Vec<String> = row.iter().map(|cell| one_line(cell)).collect();
            lines.push(cells.join("\t"));
        }
        lines.join("\n")
    }

    fn arranged(&self, width: u16) -> String {
        let shown: Vec<bool> = (self.columns.iter())
            .map(|(_, fit)| match fit {
                Fit::Whole | Fit::Wrap => true,
                Fit::From(least) => width >= *least,
            })
            .collect();
        fn kept<T>(cells: impl Iterator<Item = T>, shown: &[bool]) -> Vec<T> {
            let cells = cells.zip(shown).filter(|(_, shown)| **shown);
            cells.map(|(cell, _)| cell).collect()
        }
        let mut table = comfy_table::Table::new();
        table
            .load_style(NOTHING)
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(width)
            .set_header(kept(self.columns.iter().map(|(header, _)| *header), &shown));
        for row in &self.rows {
            table.add_row(kept(row.iter().map(|cell| printable(cell)), &shown));
        }
        let columns = kept(self.columns.iter(), &shown);
        for (column, (header, fit)) in table.column_iter_mut().zip(columns) {
            column.set_constraint(match fit {
                Fit::Whole => ColumnConstraint::ContentWidth,
                // A header is one word and does not wrap.
                Fit::Wrap | Fit::From(_) => {
                    let least = u16::try_from(header.len()).unwrap_or(USUAL) + 2;
                    ColumnConstraint::LowerBoundary(Width::Fixed(least))
                }
            });
        }
        let lines = table.lines().map(|line| line.trim_end().to_owned());
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// Returns the width of the terminal at standard output; `None` if it is not one.
pub(super) fn width() -> Option<u16> {
    let stdout = std::io::stdout();
    if !stdout.is_terminal() {
        return None;
    }
    let columns = terminal_size_of(stdout).map(|(width, _)| width.0);
    Some(columns.filter(|width| *width >= NARROWEST).unwrap_or(USUAL))
}

/// Replaces control characters: text from events must not move the cursor.
fn printable(cell: &str) -> String {
    let shown = |c: char| if c.is_control() && c != '\n' { ' ' } else { c };
    cell.chars().map(shown).collect()
}

fn one_line(cell: &str) -> String {
    cell.replace(char::is_control, " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "01a1faa6-e194-708b-a993-000000000001";

    fn table() -> Table<4> {
        let mut table = Table::new([
            ("id", Fit::Whole),
            ("tries", Fit::Wrap),
            ("bytes", Fit::From(100)),
            ("reason", Fit::Wrap),
        ]);
        let reason = "rejected by the target:\tbad\nfacet \u{1b}[31mwith a name that is longer than the column, and much more besides";
        table.row([
            ID.to_owned(),
            "3".to_owned(),
            "812".to_owned(),
            reason.to_owned(),
        ]);
        table.row([
            ID.to_owned(),
            "12".to_owned(),
            "7".to_owned(),
            String::new(),
        ]);
        table
    }

    #[test]
    fn a_terminal_of_any_width_shows_ids_whole_and_no_line_is_wider() {
        for width in [20, 40, 60, 80, 99, 100, 200] {
            let text = table().arranged(width);
            assert_eq!(text.matches(ID).count(), 2, "{width}:\n{text}");
            assert!(!text.contains(['\u{1b}', '\t', '…']), "{text}");
            assert_eq!(text.contains("812"), width >= 100, "{width}:\n{text}");
            let widest = text.lines().map(|line| line.chars().count()).max();
            assert!(
                width < 60 || widest <= Some(width.into()),
                "{width}:\n{text}"
            );
        }
    }

    #[test]
    fn a_pipe_gets_one_row_a_line_with_tabs_in_between() {
        let text = table().plain();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[0], "id\ttries\tbytes\treason");
        assert_eq!(lines[2], format!("{ID}\t12\t7\t"));
        let cells: Vec<&str> = lines[1].split('\t').collect();
        assert_eq!((cells.len(), cells[0], cells[2]), (4, ID, "812"));
    }
}
