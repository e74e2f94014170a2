//! `PIVOT` and `UNPIVOT`: rows that become columns, and columns that become rows.

use sqlparser::ast::{Expr, ExprWithAlias, PivotValueSource, Value};

use super::frame::Frame;
use super::reader::Reader;
use super::relation::{Column, Edge, Part, Relation, edges};
use super::{Refusal, Transformation};

impl Reader<'_> {
    /// `PIVOT`: the columns that it does not use, and one for each value and aggregate.
    /// <https://docs.aws.amazon.com/redshift/latest/dg/r_FROM_clause-pivot-unpivot-examples.html>
    pub(super) fn pivot(
        &mut self,
        frame: &Frame<'_>,
        aggregates: &[ExprWithAlias],
        by: &[Expr],
        values: &PivotValueSource,
    ) -> Result<Relation, Refusal> {
        let mut decides = Vec::new();
        for column in by {
            self.value(column, frame, Transformation::Conditional, &mut decides)?;
        }
        let mut made: Vec<(Option<String>, Vec<Edge>)> = Vec::new();
        for aggregate in aggregates {
            let mut found = Vec::new();
            self.value(&aggregate.expr, frame, Transformation::Identity, &mut found)?;
            made.push((
                aggregate.alias.as_ref().map(|alias| self.fold(alias)),
                found,
            ));
        }
        let used: Vec<u32> = decides
            .iter()
            .chain(made.iter().flat_map(|(_, found)| found))
            .map(|edge| edge.column)
            .collect();
        let all = self.all_columns(frame)?;
        let mut parts = self.unused(all, &used)?;
        let PivotValueSource::List(values) = values else {
            return Err(Refusal::Syntax { line: 0, column: 0 });
        };
        self.origins.charge(
            values.len()
                * made
                    .iter()
                    .map(|(_, found)| found.len() + decides.len() + 1)
                    .sum::<usize>(),
        )?;
        for value in values {
            let Some(value) = self.value_name(value) else {
                continue;
            };
            for (alias, found) in &made {
                let name = match alias {
                    Some(alias) => format!("{value}_{alias}"),
                    None => value.clone(),
                };
                let all = found.iter().chain(&decides).copied().collect();
                parts.push(Part::Column(Column {
                    name: name.into(),
                    edges: edges(all),
                }));
            }
        }
        Ok(Relation::Rows(parts))
    }

    /// The name of the column of a value: its alias, or the value itself.
    fn value_name(&self, value: &ExprWithAlias) -> Option<String> {
        if let Some(alias) = &value.alias {
            return Some(self.fold(alias));
        }
        if let Expr::Identifier(ident) = &value.expr {
            return Some(self.fold(ident));
        }
        let Expr::Value(value) = &value.expr else {
            return None;
        };
        if let Value::SingleQuotedString(text) = &value.value {
            return Some(text.to_lowercase());
        }
        let Value::Number(number, _) = &value.value else {
            return None;
        };
        Some(number.clone())
    }

    /// `UNPIVOT`: the columns that it does not use, the name of the column, and its value.
    pub(super) fn unpivot(
        &mut self,
        frame: &Frame<'_>,
        value: &Expr,
        name: String,
        columns: &[ExprWithAlias],
    ) -> Result<Relation, Refusal> {
        let mut found = Vec::new();
        for column in columns {
            self.value(
                &column.expr,
                frame,
                Transformation::Transformation,
                &mut found,
            )?;
        }
        let used: Vec<u32> = found.iter().map(|edge| edge.column).collect();
        let all = self.all_columns(frame)?;
        let mut parts = self.unused(all, &used)?;
        parts.push(Part::Column(Column {
            name: name.into(),
            edges: edges(Vec::new()),
        }));
        parts.push(Part::Column(Column {
            name: self.output_name(value).into(),
            edges: edges(found),
        }));
        Ok(Relation::Rows(parts))
    }

    /// The columns that are made of none of these.
    fn unused(&mut self, all: Vec<Part>, used: &[u32]) -> Result<Vec<Part>, Refusal> {
        self.origins.charge(all.len() * used.len())?;
        let unused = all.into_iter().filter_map(|part| match part {
            Part::Column(column) => {
                let is_used = column.edges.iter().any(|edge| used.contains(&edge.column));
                (!is_used).then_some(Part::Column(column))
            }
            Part::All(all) => {
                let names = self.origins.names_of(all.table, used);
                Some(Part::All(all.without(names)))
            }
        });
        Ok(unused.collect())
    }
}
