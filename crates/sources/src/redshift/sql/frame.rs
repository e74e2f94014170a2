//! The names that an expression can use: frames, the innermost first, each with the sources of a `FROM` and with common
//! table expressions.

use std::rc::Rc;

use sqlparser::ast::NamedWindowDefinition;

use super::TableName;
use super::relation::{Column, Edges, Needs, Relation};

/// The names that one query adds.
#[derive(Default)]
pub(super) struct Frame<'a> {
    /// What encloses it.
    pub(super) outer: Option<&'a Frame<'a>>,
    /// Its common table expressions, the latest last.
    pub(super) expressions: Vec<(String, Rc<Expression>)>,
    /// What is in its `FROM`.
    pub(super) sources: Vec<Source>,
    /// Columns by which `USING` joined.
    pub(super) joined: Vec<Joined>,
    /// Columns of its list that have a name: later ones may use it.
    /// <https://docs.aws.amazon.com/redshift/latest/dg/r_SELECT_list.html>
    pub(super) aliases: Vec<Column>,
    /// Its `WINDOW` clause.
    pub(super) windows: &'a [NamedWindowDefinition],
}

/// A column by which `USING` or `NATURAL` joined: `*` has it once, before the others of its item of the `FROM`.
pub(super) struct Joined {
    /// Where it comes from, as a value.
    pub(super) column: Column,
    /// The first of the sources that are joined by it.
    pub(super) first: usize,
}

/// A common table expression, read: what it needs is needed only by who uses it.
pub(super) struct Expression {
    pub(super) relation: Rc<Relation>,
    pub(super) needs: Needs,
}

/// One source of rows in a `FROM`.
pub(super) struct Source {
    /// The name that it has there: its alias, or that of the table.
    pub(super) name: Option<TableName>,
    /// The number of the table, if it is one.
    pub(super) table: Option<u32>,
    /// Its columns.
    pub(super) relation: Rc<Relation>,
    /// Those of its columns that `*` leaves out, because it has them as [`Joined`].
    pub(super) hidden: Vec<Rc<str>>,
}

impl<'a> Frame<'a> {
    /// A frame within another.
    pub(super) fn within(outer: &'a Frame<'a>) -> Frame<'a> {
        Frame {
            outer: Some(outer),
            ..Frame::default()
        }
    }

    /// This frame and those around it, from the inside.
    pub(super) fn chain(&'a self) -> impl Iterator<Item = &'a Frame<'a>> {
        std::iter::successors(Some(self), |frame| frame.outer)
    }

    /// The common table expression of that name.
    pub(super) fn expression(&self, name: &str) -> Option<Rc<Expression>> {
        let frames = self.chain();
        let mut all = frames.flat_map(|frame| frame.expressions.iter().rev());
        all.find(|(known, _)| known == name)
            .map(|(_, expression)| Rc::clone(expression))
    }

    /// The source that a qualifier names, from the inside.
    pub(super) fn source(&self, qualifier: &TableName) -> Option<&Source> {
        let mut sources = self.chain().flat_map(|frame| frame.sources.iter());
        sources.find(|source| {
            source
                .name
                .as_ref()
                .is_some_and(|name| name.matches(qualifier))
        })
    }
}

impl Source {
    /// The value of which everything comes, if it is no table.
    pub(super) fn value(&self) -> Option<&Edges> {
        match &*self.relation {
            Relation::Value(edges) => Some(edges),
            Relation::Rows(_) => None,
        }
    }
}
