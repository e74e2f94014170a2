//! Finds what names stand for, and keeps what a statement needs. `query.rs`, `tables.rs` and `value.rs` walk the tree of
//! the parser and ask here.

use std::rc::Rc;

use sqlparser::ast::{Ident, ObjectName, ObjectNamePart};

use super::frame::{Frame, Source};
use super::name::{fold, of_parts};
use super::relation::{All, Column, Edge, Edges, Needs, Origins, Part, Relation};
use super::{Catalog, ReadOptions, Refusal, TableName, Transformation, Unresolved};

/// Reads the tree of one statement.
pub(super) struct Reader<'c> {
    pub(super) catalog: &'c dyn Catalog,
    pub(super) options: ReadOptions,
    pub(super) origins: Origins,
    /// What was needed so far by what is being read.
    pub(super) needs: Needs,
    /// In the order of the text, each once.
    pub(super) unresolved: Vec<Unresolved>,
}

/// Words that look like columns, and are values of the session.
/// <https://docs.aws.amazon.com/redshift/latest/dg/c_SQL_functions_leader_node_only.html>
const PSEUDO_COLUMNS: &[&str] = &[
    "sysdate",
    "current_date",
    "current_time",
    "current_timestamp",
    "current_user",
    "current_user_id",
    "session_user",
    "user",
    "localtime",
    "localtimestamp",
    "current_schema",
    "current_database",
    "level",
    "default",
];

impl<'c> Reader<'c> {
    pub(super) fn new(catalog: &'c dyn Catalog, options: ReadOptions) -> Reader<'c> {
        let (origins, needs) = (Origins::default(), Needs::default());
        Reader {
            catalog,
            options,
            origins,
            needs,
            unresolved: Vec::new(),
        }
    }

    /// A name as Redshift keeps it.
    pub(super) fn fold(&self, ident: &Ident) -> String {
        fold(&ident.value, ident.quote_style.is_some(), self.options)
    }

    /// The parts of a name; none if one is not a plain name.
    pub(super) fn parts(&self, name: &ObjectName) -> Option<Vec<String>> {
        let part = |part: &ObjectNamePart| match part {
            ObjectNamePart::Identifier(ident) => Some(self.fold(ident)),
            ObjectNamePart::Function(_) => None,
        };
        name.0.iter().map(part).collect()
    }

    /// The name of a table.
    pub(super) fn table_name(&self, name: &ObjectName) -> Option<TableName> {
        of_parts(self.parts(name)?)
    }

    /// The number of a table, and its columns.
    pub(super) fn table(&mut self, name: TableName) -> Result<(u32, Relation), Refusal> {
        let columns = self.catalog.columns(&name);
        let table = self.origins.table(name);
        let Some(columns) = columns else {
            return Ok((table, Relation::Rows(vec![Part::All(All::of(table))])));
        };
        self.origins.charge(columns.len())?;
        let part = |name: &String| {
            let name: Rc<str> = name.as_str().into();
            let edge = self.origins.column(table, &name);
            Part::Column(Column {
                name,
                edges: Rc::new([edge]),
            })
        };
        Ok((table, Relation::Rows(columns.iter().map(part).collect())))
    }

    /// Adds where a column without qualifier comes from.
    pub(super) fn column(
        &mut self,
        name: &str,
        frame: &Frame<'_>,
        step: Transformation,
        out: &mut Vec<Edge>,
    ) -> Result<(), Refusal> {
        let mut only_table = None;
        for inner in frame.chain() {
            self.origins.charge(inner.joined.len())?;
            let mut joined = inner.joined.iter().map(|joined| &joined.column);
            if let Some(joined) = joined.find(|column| &*column.name == name) {
                return self.push(&Rc::clone(&joined.edges), step, out);
            }
            for source in &inner.sources {
                self.origins.charge(source.relation.size())?;
                let value = source
                    .value()
                    .filter(|_| source.name.as_ref().is_some_and(|it| it.table == name));
                if let Some(found) = source.relation.column(name).or_else(|| value.cloned()) {
                    return self.push(&found, step, out);
                }
            }
            self.origins.charge(inner.aliases.len())?;
            if let Some(alias) = inner.aliases.iter().find(|alias| &*alias.name == name) {
                return self.push(&Rc::clone(&alias.edges), step, out);
            }
            if PSEUDO_COLUMNS.contains(&name) {
                return Ok(());
            }
            let mut open = inner
                .sources
                .iter()
                .flat_map(|source| source.relation.open(name));
            match (open.next(), open.next()) {
                (Some(table), None) => return self.push_of_table(table, name, step, out),
                (Some(_), Some(_)) => break,
                (None, _) => {}
            }
            if let ([source], None) = (inner.sources.as_slice(), only_table) {
                only_table = source.table;
            }
        }
        match only_table {
            // The catalogue is that of now, and the statement of then: what the text says is true.
            Some(table) => self.push_of_table(table, name, step, out),
            None => {
                self.unresolved(Unresolved::Column(name.to_owned()));
                Ok(())
            }
        }
    }

    /// Adds where a column comes from that is written with points: of a table, of an alias, or within a value.
    pub(super) fn qualified(
        &mut self,
        parts: &[String],
        frame: &Frame<'_>,
        step: Transformation,
        out: &mut Vec<Edge>,
    ) -> Result<(), Refusal> {
        for length in 1..parts.len().min(4) {
            let Some((qualifier, [name, path @ ..])) = parts.split_at_checked(length) else {
                break;
            };
            let Some(qualifier) = of_parts(qualifier.to_vec()) else {
                break;
            };
            self.origins
                .charge(frame.chain().map(|frame| frame.sources.len()).sum())?;
            let Some(source) = frame.source(&qualifier) else {
                continue;
            };
            let step = if path.is_empty() {
                step
            } else {
                Transformation::Transformation.then(step)
            };
            return self.column_of(source, name, step, out);
        }
        // A column of type SUPER, and a path within it.
        let path = Transformation::Transformation.then(step);
        match parts.first() {
            Some(first) => self.column(first, frame, path, out),
            None => Ok(()),
        }
    }

    /// Adds where a column of a source comes from.
    pub(super) fn column_of(
        &mut self,
        source: &Source,
        name: &str,
        step: Transformation,
        out: &mut Vec<Edge>,
    ) -> Result<(), Refusal> {
        self.origins.charge(source.relation.size())?;
        if let Some(value) = source.value() {
            return self.push(
                &Rc::clone(value),
                Transformation::Transformation.then(step),
                out,
            );
        }
        if let Some(found) = source.relation.column(name) {
            return self.push(&found, step, out);
        }
        let mut open = source.relation.open(name);
        match (open.next().or(source.table), open.next()) {
            (Some(table), None) => self.push_of_table(table, name, step, out),
            (Some(_), Some(_)) | (None, _) => {
                self.unresolved(Unresolved::Column(name.to_owned()));
                Ok(())
            }
        }
    }

    fn push_of_table(
        &mut self,
        table: u32,
        name: &str,
        step: Transformation,
        out: &mut Vec<Edge>,
    ) -> Result<(), Refusal> {
        let edge = self.origins.column(table, &name.into());
        self.push(&[edge], step, out)
    }

    /// Adds edges that go through a step.
    pub(super) fn push(
        &mut self,
        found: &[Edge],
        step: Transformation,
        out: &mut Vec<Edge>,
    ) -> Result<(), Refusal> {
        self.origins.charge(found.len() + 1)?;
        out.extend(found.iter().map(|edge| edge.then(step)));
        Ok(())
    }

    /// Keeps what decides about rows.
    pub(super) fn influence(&mut self, all: Vec<Edge>) {
        self.needs.influences.extend(all);
    }

    /// Keeps a name that is not resolved.
    pub(super) fn unresolved(&mut self, name: Unresolved) {
        // Few: more of them say nothing more.
        if self.unresolved.len() < MAX_UNRESOLVED && !self.unresolved.contains(&name) {
            self.unresolved.push(name);
        }
    }

    /// All columns of the sources of a frame, as `*` has them.
    pub(super) fn all_columns(&mut self, frame: &Frame<'_>) -> Result<Vec<Part>, Refusal> {
        let mut parts = Vec::new();
        for (number, source) in frame.sources.iter().enumerate() {
            self.origins
                .charge(source.relation.size() * (1 + source.hidden.len()) + frame.joined.len())?;
            let joined = frame.joined.iter().filter(|joined| joined.first == number);
            parts.extend(joined.map(|joined| Part::Column(joined.column.clone())));
            for part in self.columns_of(source) {
                match part {
                    Part::Column(column) if source.hidden.contains(&column.name) => {}
                    Part::All(all) if !source.hidden.is_empty() => {
                        parts.push(Part::All(all.without(source.hidden.iter().cloned())));
                    }
                    part @ (Part::Column(_) | Part::All(_)) => parts.push(part),
                }
            }
        }
        Ok(parts)
    }

    /// All columns of a source.
    pub(super) fn columns_of(&self, source: &Source) -> Vec<Part> {
        match &*source.relation {
            Relation::Rows(parts) => parts.clone(),
            Relation::Value(edges) => {
                let name = source
                    .name
                    .as_ref()
                    .map_or("?column?", |name| name.table.as_str());
                vec![Part::Column(Column {
                    name: name.into(),
                    edges: Edges::clone(edges),
                })]
            }
        }
    }
}

/// The most unresolved names of a statement that are reported.
const MAX_UNRESOLVED: usize = 20;
