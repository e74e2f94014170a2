//! What a statement writes: the columns of its query, or of its assignments, as columns of its output.

use sqlparser::ast::{Query, SetExpr};

use super::draft::Draft;
use super::frame::Frame;
use super::reader::Reader;
use super::relation::{Column, Edge, Part, Relation};
use super::words::Words;
use super::{
    Catalog, ColumnEdge, ColumnLineage, Effect, Refusal, StatementKind, TableName, Transformation,
    Unresolved, grammar,
};

/// Reads a query whose columns are those of the output.
pub(super) fn query(
    words: Words<'_>,
    catalog: &dyn Catalog,
    draft: &mut Draft,
) -> Result<(), Refusal> {
    definition(words, None, catalog, draft)
}

/// Reads the query of a table or view that gets its columns, under the names of a list if there is one.
pub(super) fn definition(
    words: Words<'_>,
    names: Option<Vec<String>>,
    catalog: &dyn Catalog,
    draft: &mut Draft,
) -> Result<(), Refusal> {
    let tree = grammar::query(words)?;
    let mut reader = Reader::new(catalog, words.options);
    let Relation::Rows(parts) = reader.query(&tree, &Frame::default())? else {
        return Ok(());
    };
    let parts = match names {
        Some(names) => by_position(parts, names, &mut reader),
        None => parts,
    };
    fill(&parts, reader, draft);
    Ok(())
}

/// Reads the query of an `INSERT`, for the columns of its list or for those of the table.
pub(super) fn insert(
    words: Words<'_>,
    table: TableName,
    columns: Option<Vec<String>>,
    catalog: &dyn Catalog,
    draft: &mut Draft,
) -> Result<(), Refusal> {
    let tree = grammar::query(words)?;
    let mut reader = Reader::new(catalog, words.options);
    let Relation::Rows(parts) = reader.query(&tree, &Frame::default())? else {
        return Ok(());
    };
    let columns = columns.or_else(|| catalog.columns(&table).map(|columns| columns.to_vec()));
    let parts = match columns {
        Some(columns) => by_position(parts, columns, &mut reader),
        None => {
            reader.unresolved(Unresolved::ColumnsOf(table));
            Vec::new()
        }
    };
    fill(&parts, reader, draft);
    if draft.inputs.is_empty() && is_constant(&tree) {
        draft.kind = StatementKind::InsertValues;
        draft.columns.clear();
    }
    Ok(())
}

fn is_constant(query: &Query) -> bool {
    matches!(&*query.body, SetExpr::Values(_))
}

/// Columns by their positions, up to the first that is not known.
fn by_position(parts: Vec<Part>, names: Vec<String>, reader: &mut Reader<'_>) -> Vec<Part> {
    let mut named = Vec::with_capacity(names.len());
    for (name, part) in names.into_iter().zip(parts) {
        match part {
            Part::Column(column) => named.push(Part::Column(Column {
                name: name.into(),
                edges: column.edges,
            })),
            Part::All(all) => {
                reader.unknown_columns(all.table);
                break;
            }
        }
    }
    named
}

/// Puts what was found into the statement.
fn fill(parts: &[Part], reader: Reader<'_>, draft: &mut Draft) {
    let mut star_of = Vec::new();
    for part in parts {
        match part {
            Part::Column(column) => draft.columns.push(
                reader
                    .origins
                    .lineage(column.name.to_string(), &column.edges),
            ),
            Part::All(all) => star_of.extend(reader.origins.star(all)),
        }
    }
    star_of.dedup();
    for star in &star_of {
        let columns = Unresolved::ColumnsOf(star.table.clone());
        if !draft.unresolved.contains(&columns) {
            draft.unresolved.push(columns);
        }
    }
    draft.star_of = star_of;
    draft.finish(reader);
}

/// Every column of a table as that of the same position in another.
pub(super) fn same_columns(
    from: &TableName,
    to: &TableName,
    catalog: &dyn Catalog,
    draft: &mut Draft,
) {
    match (catalog.columns(from), catalog.columns(to)) {
        (Some(source), Some(target)) => {
            let pairs = target.iter().zip(source.iter());
            draft
                .columns
                .extend(pairs.map(|(target, source)| identity(target, from, source)));
        }
        (source, target) => draft.unknown(&[(from, source.is_none()), (to, target.is_none())]),
    }
}

/// Every column of a table as that of the same name in another.
pub(super) fn columns_by_name(
    from: &TableName,
    to: &TableName,
    catalog: &dyn Catalog,
    draft: &mut Draft,
) {
    match (catalog.columns(from), catalog.columns(to)) {
        (Some(source), Some(target)) => {
            let both = target.iter().filter(|name| source.contains(name));
            draft
                .columns
                .extend(both.map(|name| identity(name, from, name)));
        }
        // With `IGNOREEXTRA` or `FILLTARGET` one has more columns; without them both have the same.
        (Some(known), None) | (None, Some(known)) => {
            draft
                .columns
                .extend(known.iter().map(|name| identity(name, from, name)));
        }
        (None, None) => draft.unknown(&[(from, true)]),
    }
}

fn identity(column: &str, table: &TableName, source: &str) -> ColumnLineage {
    let transformation = Transformation::Identity;
    let source = ColumnEdge {
        table: table.clone(),
        column: source.to_owned(),
        transformation,
    };
    ColumnLineage {
        column: column.to_owned(),
        sources: vec![source],
    }
}

impl Draft {
    /// What was found by the reader. Indirect edges of tables that are not read say nothing: the target of an `UPDATE`
    /// decides about its own rows.
    pub(super) fn finish(&mut self, reader: Reader<'_>) {
        let Reader {
            origins,
            needs,
            unresolved,
            ..
        } = reader;
        self.add_inputs(
            needs
                .tables
                .iter()
                .filter_map(|table| origins.name(*table).cloned()),
        );
        let read = |edge: &Edge| {
            origins
                .table_of(*edge)
                .is_some_and(|table| needs.tables.contains(&table))
        };
        self.influences = origins.named(needs.influences.iter().copied().filter(read));
        let inputs = &self.inputs;
        for column in &mut self.columns {
            let is_input =
                |table: &TableName| inputs.contains(&super::Dataset::Table(table.clone()));
            column
                .sources
                .retain(|edge| edge.transformation.is_direct() || is_input(&edge.table));
        }
        self.unresolved.extend(unresolved);
        self.unresolved.dedup();
        let known = self.star_of.is_empty();
        let columns: Vec<String> = self
            .columns
            .iter()
            .map(|column| column.column.clone())
            .collect();
        for effect in &mut self.effects {
            if let Effect::CreateTable { columns: new, .. }
            | Effect::CreateView { columns: new, .. } = effect
                && known
            {
                *new = Some(columns.clone());
            }
        }
    }
}
