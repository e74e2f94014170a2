//! Columns by their positions: of set operations, and under the names of a list.

use std::rc::Rc;

use sqlparser::ast::{OrderBy, OrderByKind, SetExpr, SetOperator, TableAliasColumnDef};

use super::frame::Frame;
use super::reader::Reader;
use super::relation::{Column, Edges, Part, Relation, edges};
use super::{Refusal, Transformation, Unresolved};

impl Reader<'_> {
    /// A relation whose columns get the names of a list.
    pub(super) fn renamed(
        &mut self,
        relation: Relation,
        names: &[TableAliasColumnDef],
    ) -> Result<Relation, Refusal> {
        if names.is_empty() {
            return Ok(relation);
        }
        let names: Vec<Rc<str>> = names
            .iter()
            .map(|def| self.fold(&def.name).as_str().into())
            .collect();
        self.origins.charge(relation.size() + names.len())?;
        let parts = match relation {
            Relation::Value(edges) => {
                let column = |name| {
                    Part::Column(Column {
                        name,
                        edges: Rc::clone(&edges),
                    })
                };
                return Ok(Relation::Rows(names.into_iter().map(column).collect()));
            }
            Relation::Rows(parts) => parts,
        };
        let mut renamed = Vec::with_capacity(parts.len());
        let mut parts = parts.into_iter();
        let mut names = names.into_iter();
        for name in names.by_ref() {
            match parts.next() {
                Some(Part::Column(column)) => renamed.push(Part::Column(Column { name, ..column })),
                Some(Part::All(all)) => {
                    self.unknown_columns(all.table);
                    renamed.push(Part::Column(Column {
                        name,
                        edges: Edges::default(),
                    }));
                    break;
                }
                None => break,
            }
        }
        renamed.extend(names.map(|name| {
            Part::Column(Column {
                name,
                edges: Edges::default(),
            })
        }));
        renamed.extend(parts);
        Ok(Relation::Rows(renamed))
    }

    /// Reports that the columns of a table are needed, and not known.
    pub(super) fn unknown_columns(&mut self, table: u32) {
        if let Some(name) = self.origins.name(table).cloned() {
            self.unresolved(Unresolved::ColumnsOf(name));
        }
    }

    /// A chain of set operations, which is as deep to the left as it is long.
    pub(super) fn set_operations(
        &mut self,
        body: &SetExpr,
        frame: &Frame<'_>,
        order: Option<&OrderBy>,
    ) -> Result<Relation, Refusal> {
        let mut later = Vec::new();
        let mut first = body;
        while let SetExpr::SetOperation {
            left, op, right, ..
        } = first
        {
            later.push((*op, right));
            first = left;
        }
        let mut relation = self.body(first, frame, None)?;
        while let Some((operator, right)) = later.pop() {
            let right = self.body(right, frame, None)?;
            relation = self.together(relation, operator, &right)?;
        }
        if let Some(OrderByKind::Expressions(all)) = order.map(|order| &order.kind) {
            let mut found = Vec::new();
            for by in all {
                if let Some(edges) = self.of_list(&by.expr, &relation) {
                    self.push(&edges, Transformation::Sort, &mut found)?;
                }
            }
            self.influence(found);
        }
        Ok(relation)
    }

    /// Two queries as one: the columns by their positions, with the names of the first.
    fn together(
        &mut self,
        left: Relation,
        operator: SetOperator,
        right: &Relation,
    ) -> Result<Relation, Refusal> {
        let Relation::Rows(left) = left else {
            return Ok(left);
        };
        let right_parts = match right {
            Relation::Rows(parts) => parts.as_slice(),
            Relation::Value(_) => &[],
        };
        self.origins.charge(left.len() + right_parts.len())?;
        match operator {
            SetOperator::Union | SetOperator::Intersect => {}
            // The values are those of the first; the others decide which of its rows remain.
            SetOperator::Except | SetOperator::Minus => {
                let mut found = Vec::new();
                for part in right_parts {
                    match part {
                        Part::Column(column) => {
                            self.push(&column.edges, Transformation::Filter, &mut found)?
                        }
                        Part::All(_) => {}
                    }
                }
                self.influence(found);
                return Ok(Relation::Rows(left));
            }
        }
        let mut parts = Vec::with_capacity(left.len());
        let mut left = left.into_iter();
        let mut right = right_parts.iter();
        loop {
            match (left.next(), right.next()) {
                (Some(Part::Column(one)), Some(Part::Column(other))) => {
                    self.origins.charge(one.edges.len() + other.edges.len())?;
                    let both = one.edges.iter().chain(&*other.edges).copied().collect();
                    parts.push(Part::Column(Column {
                        name: one.name,
                        edges: edges(both),
                    }));
                }
                // From here on positions are not known: each keeps its own names.
                (Some(one), Some(other)) => {
                    let both = [&one, other];
                    let unknown: Vec<u32> = both
                        .iter()
                        .filter_map(|part| match part {
                            Part::All(all) => Some(all.table),
                            Part::Column(_) => None,
                        })
                        .collect();
                    if unknown.len() < 2 {
                        for table in unknown {
                            self.unknown_columns(table);
                        }
                    }
                    parts.push(one);
                    parts.extend(left);
                    let rest = std::iter::once(other).chain(right).cloned();
                    let new: Vec<Part> = rest.filter(|part| !parts.contains(part)).collect();
                    self.origins.charge(parts.len() * new.len())?;
                    parts.extend(new);
                    break;
                }
                (Some(one), None) => parts.push(one),
                (None, _) => break,
            }
        }
        Ok(Relation::Rows(parts))
    }
}
