//! `UPDATE`, `DELETE` and `MERGE`: what is assigned to the columns of their target.

use std::rc::Rc;

use sqlparser::ast::{
    Assignment, AssignmentTarget, Delete, Expr, FromTable, Merge, MergeAction, MergeInsertKind,
    MergeUpdateKind, ObjectName, SetExpr, Statement, TableFactor, TableWithJoins, Update,
    UpdateTableFromKind,
};

use super::draft::Draft;
use super::frame::{Frame, Source};
use super::reader::Reader;
use super::relation::{Edge, edges};
use super::{ColumnLineage, Refusal, TableName, Transformation, Unresolved};

/// Reads an `UPDATE`, `DELETE` or `MERGE`, with or without `WITH` before it.
pub(super) fn change(
    statement: Statement,
    reader: &mut Reader<'_>,
    draft: &mut Draft,
) -> Result<(), Refusal> {
    let mut outer = Frame::default();
    change_within(&statement, reader, &mut outer, draft)?;
    let reader = std::mem::replace(reader, Reader::new(reader.catalog, reader.options));
    draft.finish(reader);
    Ok(())
}

fn change_within(
    statement: &Statement,
    reader: &mut Reader<'_>,
    outer: &mut Frame<'_>,
    draft: &mut Draft,
) -> Result<(), Refusal> {
    if let Statement::Update(update) = statement {
        return reader.update(update, outer, draft);
    }
    if let Statement::Delete(delete) = statement {
        return reader.delete(delete, outer);
    }
    if let Statement::Merge(merge) = statement {
        return reader.merge(merge, outer, draft);
    }
    let not_here = Refusal::Syntax { line: 0, column: 0 };
    let Statement::Query(query) = statement else {
        return Err(not_here);
    };
    reader.common_expressions(query, outer)?;
    let (SetExpr::Update(inner) | SetExpr::Delete(inner) | SetExpr::Merge(inner)) = &*query.body
    else {
        return Err(not_here);
    };
    change_within(inner, reader, outer, draft)
}

impl Reader<'_> {
    fn update(
        &mut self,
        update: &Update,
        outer: &Frame<'_>,
        draft: &mut Draft,
    ) -> Result<(), Refusal> {
        let mut frame = Frame::within(outer);
        self.target(&update.table.relation, &mut frame)?;
        for join in std::slice::from_ref(&update.table)
            .iter()
            .flat_map(|table| &table.joins)
        {
            // Not of Redshift, but what is joined is read.
            self.factor(&join.relation, &mut frame)?;
        }
        match &update.from {
            Some(
                UpdateTableFromKind::BeforeSet(tables) | UpdateTableFromKind::AfterSet(tables),
            ) => {
                self.sources(tables, &mut frame)?;
            }
            None => {}
        }
        self.decides(update.selection.as_ref(), &frame, Transformation::Filter)?;
        let mut written = Vec::new();
        self.assignments(&update.assignments, &frame, &mut written)?;
        draft.columns = self.written(written);
        Ok(())
    }

    fn delete(&mut self, delete: &Delete, outer: &Frame<'_>) -> Result<(), Refusal> {
        let mut frame = Frame::within(outer);
        let (FromTable::WithFromKeyword(tables) | FromTable::WithoutKeyword(tables)) = &delete.from;
        for table in tables {
            self.target(&table.relation, &mut frame)?;
        }
        self.sources(delete.using.as_deref().unwrap_or_default(), &mut frame)?;
        self.decides(delete.selection.as_ref(), &frame, Transformation::Filter)
    }

    fn merge(
        &mut self,
        merge: &Merge,
        outer: &Frame<'_>,
        draft: &mut Draft,
    ) -> Result<(), Refusal> {
        let mut frame = Frame::within(outer);
        self.target(&merge.table, &mut frame)?;
        self.factor(&merge.source, &mut frame)?;
        self.decides(Some(&merge.on), &frame, Transformation::Join)?;
        let mut written: Vec<(String, Vec<Edge>)> = Vec::new();
        for clause in &merge.clauses {
            self.decides(clause.predicate.as_ref(), &frame, Transformation::Filter)?;
            match &clause.action {
                MergeAction::Update(update) => match &update.kind {
                    MergeUpdateKind::Set(assignments) => {
                        self.assignments(assignments, &frame, &mut written)?
                    }
                    MergeUpdateKind::Wildcard => {}
                },
                MergeAction::Insert(insert) => {
                    let names: Vec<String> = if insert.columns.is_empty() {
                        self.target_columns(&merge.table)
                    } else {
                        insert
                            .columns
                            .iter()
                            .filter_map(|name| self.parts(name)?.pop())
                            .collect()
                    };
                    let MergeInsertKind::Values(values) = &insert.kind else {
                        continue;
                    };
                    for row in &values.rows {
                        // The values that are inserted are those of the source.
                        for (name, value) in names.iter().zip(&row.content) {
                            let mut found = Vec::new();
                            self.value(value, &frame, Transformation::Identity, &mut found)?;
                            add(&mut written, name.clone(), found);
                        }
                    }
                }
                MergeAction::Delete { .. } | MergeAction::DoNothing { .. } => {}
            }
        }
        draft.columns = self.written(written);
        Ok(())
    }

    /// The columns of a target, for an `INSERT` without a list.
    fn target_columns(&mut self, table: &TableFactor) -> Vec<String> {
        let TableFactor::Table { name, .. } = table else {
            return Vec::new();
        };
        let Some(name) = self.table_name(name) else {
            return Vec::new();
        };
        match self.catalog.columns(&name) {
            Some(columns) => columns.to_vec(),
            None => {
                self.unresolved(Unresolved::ColumnsOf(name));
                Vec::new()
            }
        }
    }

    /// Adds the table that is changed: it can be named, and is not read by that.
    fn target(&mut self, table: &TableFactor, frame: &mut Frame<'_>) -> Result<(), Refusal> {
        let TableFactor::Table { name, alias, .. } = table else {
            return Err(Refusal::Syntax { line: 0, column: 0 });
        };
        let name = self
            .table_name(name)
            .ok_or(Refusal::Syntax { line: 0, column: 0 })?;
        let (table, relation) = self.table(name.clone())?;
        let name = alias
            .as_ref()
            .map_or(name, |alias| TableName::bare(self.fold(&alias.name)));
        let (name, table, relation) = (Some(name), Some(table), Rc::new(relation));
        frame.sources.push(Source {
            name,
            table,
            relation,
            hidden: Vec::new(),
        });
        Ok(())
    }

    fn sources(&mut self, tables: &[TableWithJoins], frame: &mut Frame<'_>) -> Result<(), Refusal> {
        for table in tables {
            self.table_with_joins(table, frame)?;
        }
        Ok(())
    }

    fn assignments(
        &mut self,
        assignments: &[Assignment],
        frame: &Frame<'_>,
        written: &mut Vec<(String, Vec<Edge>)>,
    ) -> Result<(), Refusal> {
        for assignment in assignments {
            match &assignment.target {
                AssignmentTarget::ColumnName(name) => {
                    self.assign(name, &assignment.value, frame, written)?
                }
                AssignmentTarget::Tuple(names) => {
                    let values: Vec<&Expr> = if let Expr::Tuple(values) = &assignment.value {
                        values.iter().collect()
                    } else {
                        vec![&assignment.value; names.len()]
                    };
                    for (name, value) in names.iter().zip(values) {
                        self.assign(name, value, frame, written)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn assign(
        &mut self,
        name: &ObjectName,
        value: &Expr,
        frame: &Frame<'_>,
        written: &mut Vec<(String, Vec<Edge>)>,
    ) -> Result<(), Refusal> {
        let mut found = Vec::new();
        self.value(value, frame, Transformation::Identity, &mut found)?;
        if let Some(name) = self.parts(name).and_then(|mut parts| parts.pop()) {
            add(written, name, found);
        }
        Ok(())
    }

    /// The columns that are written. A table is read, too, if a value of the result is one of its own.
    fn written(&mut self, written: Vec<(String, Vec<Edge>)>) -> Vec<ColumnLineage> {
        let columns = written
            .into_iter()
            .map(|(name, found)| (name, edges(found)));
        let columns: Vec<_> = columns.collect();
        for edge in columns
            .iter()
            .flat_map(|(_, edges)| edges.iter())
            .filter(|edge| edge.transformation.is_direct())
        {
            self.needs.tables.extend(self.origins.table_of(*edge));
        }
        columns
            .into_iter()
            .map(|(name, edges)| self.origins.lineage(name, &edges))
            .collect()
    }
}

/// Adds what a column is made of, in one of the branches.
fn add(written: &mut Vec<(String, Vec<Edge>)>, name: String, found: Vec<Edge>) {
    match written.iter_mut().find(|(known, _)| *known == name) {
        Some((_, edges)) => edges.extend(found),
        None => written.push((name, found)),
    }
}
