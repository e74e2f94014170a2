//! `USING` and `NATURAL`: columns that two sides of a join have, as one. Called by `tables.rs` for each join.

use std::ops::Range;
use std::rc::Rc;

use sqlparser::ast::JoinOperator;

use super::frame::{Frame, Joined, Source};
use super::reader::Reader;
use super::relation::{Column, Edge, Part, edges};
use super::{Refusal, Transformation, Unresolved};

/// The sources of a frame that a join takes together.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sides {
    /// Where the left one begins.
    pub(super) first: usize,
    /// Where the right one begins, which goes to the end.
    pub(super) second: usize,
    /// Whether rows of the right one are kept that none of the left one belongs to: see [`keeps_right`].
    pub(super) keeps_right: bool,
}

/// Whether a join keeps rows of its right side alone. The column by which it joins is then that of the right side: the
/// standard has it as `COALESCE(left, right)`, of which the second counts where there is no first.
pub(super) fn keeps_right(operator: &JoinOperator) -> bool {
    match operator {
        JoinOperator::Right(_)
        | JoinOperator::RightOuter(_)
        | JoinOperator::FullOuter(_)
        | JoinOperator::RightSemi(_)
        | JoinOperator::RightAnti(_) => true,
        JoinOperator::Join(_)
        | JoinOperator::Inner(_)
        | JoinOperator::Left(_)
        | JoinOperator::LeftOuter(_)
        | JoinOperator::CrossJoin(_)
        | JoinOperator::Semi(_)
        | JoinOperator::LeftSemi(_)
        | JoinOperator::Anti(_)
        | JoinOperator::LeftAnti(_)
        | JoinOperator::StraightJoin(_)
        | JoinOperator::AsOf { .. }
        | JoinOperator::CrossApply
        | JoinOperator::OuterApply
        | JoinOperator::ArrayJoin
        | JoinOperator::LeftArrayJoin
        | JoinOperator::InnerArrayJoin => false,
    }
}

impl Reader<'_> {
    /// Joins two sides by columns that both have. In `*` they come first, those of this join before those of the ones within.
    pub(super) fn joined_by(
        &mut self,
        names: Vec<Rc<str>>,
        sides: Sides,
        frame: &mut Frame<'_>,
    ) -> Result<(), Refusal> {
        let mut made = Vec::with_capacity(names.len());
        for name in &names {
            let left = self.of_side(name, sides.first..sides.second, frame)?;
            let right = self.of_side(name, sides.second..frame.sources.len(), frame)?;
            let mut decides = Vec::new();
            self.push(&left, Transformation::Join, &mut decides)?;
            self.push(&right, Transformation::Join, &mut decides)?;
            self.influence(decides);
            let mut found = left;
            if sides.keeps_right {
                found.extend(right);
            }
            made.push(Joined {
                column: Column {
                    name: Rc::clone(name),
                    edges: edges(found),
                },
                first: sides.first,
            });
        }
        self.origins
            .charge(names.len() * (frame.joined.len() + frame.sources.len()))?;
        for joined in std::mem::take(&mut frame.joined) {
            let is_within = joined.first >= sides.first;
            if !is_within || !names.contains(&joined.column.name) {
                made.push(joined);
            }
        }
        frame.joined = made;
        for source in frame.sources.iter_mut().skip(sides.first) {
            source.hidden.extend(names.iter().cloned());
        }
        Ok(())
    }

    /// Where a column of one side comes from.
    fn of_side(
        &mut self,
        name: &Rc<str>,
        side: Range<usize>,
        frame: &Frame<'_>,
    ) -> Result<Vec<Edge>, Refusal> {
        self.origins.charge(frame.joined.len())?;
        let joined = frame
            .joined
            .iter()
            .find(|joined| side.contains(&joined.first) && joined.column.name == *name);
        if let Some(joined) = joined {
            return Ok(joined.column.edges.to_vec());
        }
        let sources = frame.sources.get(side).unwrap_or_default();
        for source in sources {
            self.origins.charge(source.relation.size())?;
        }
        let known = sources
            .iter()
            .find(|source| source.relation.column(name).is_some());
        let mut open = sources
            .iter()
            .filter(|source| source.relation.open(name).next().is_some());
        let source = match (known, sources, open.next(), open.next()) {
            (Some(known), ..) => Some(known),
            // What the text says is true, whatever the catalogue has.
            (None, [only], ..) => Some(only),
            (None, _, Some(open), None) => Some(open),
            (None, ..) => None,
        };
        let mut found = Vec::new();
        match source {
            Some(source) => {
                self.column_of(source, name, Transformation::Identity, &mut found)?;
            }
            None => self.unresolved(Unresolved::Column(name.to_string())),
        }
        Ok(found)
    }

    /// The columns that both sides are known to have.
    pub(super) fn common_names(
        &mut self,
        sides: Sides,
        frame: &Frame<'_>,
    ) -> Result<Vec<Rc<str>>, Refusal> {
        let (left, right) = frame
            .sources
            .split_at_checked(sides.second)
            .unwrap_or_default();
        let left = left.get(sides.first..).unwrap_or_default();
        let size = |sources: &[Source]| -> usize {
            sources.iter().map(|source| source.relation.size()).sum()
        };
        self.origins
            .charge(size(left).saturating_mul(size(right)))?;
        let mut names: Vec<Rc<str>> = Vec::new();
        for part in right.iter().flat_map(|source| self.columns_of(source)) {
            match part {
                Part::Column(column) => {
                    let mut left = left.iter();
                    if left.any(|source| source.relation.column(&column.name).is_some())
                        && !names.contains(&column.name)
                    {
                        names.push(column.name);
                    }
                }
                Part::All(_) => {}
            }
        }
        Ok(names)
    }
}
