//! What stands in a `FROM`: tables, sub-queries, joins, unnested arrays, functions, `PIVOT` and `UNPIVOT`.

use std::rc::Rc;

use sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, Join, JoinConstraint, JoinOperator, ObjectName, TableAlias,
    TableFactor, TableWithJoins,
};

use super::frame::{Frame, Source};
use super::joined::{Sides, keeps_right};
use super::name::of_parts;
use super::reader::Reader;
use super::relation::{Relation, edges};
use super::{Refusal, TableName, Transformation};

impl Reader<'_> {
    /// Adds a table and what is joined to it.
    pub(super) fn table_with_joins(
        &mut self,
        table: &TableWithJoins,
        frame: &mut Frame<'_>,
    ) -> Result<(), Refusal> {
        let first = frame.sources.len();
        self.factor(&table.relation, frame)?;
        for join in &table.joins {
            self.join(join, first, frame)?;
        }
        Ok(())
    }

    /// Joins a table to the sources from `first` on.
    fn join(&mut self, join: &Join, first: usize, frame: &mut Frame<'_>) -> Result<(), Refusal> {
        let second = frame.sources.len();
        self.factor(&join.relation, frame)?;
        let sides = Sides {
            first,
            second,
            keeps_right: keeps_right(&join.join_operator),
        };
        let constraint = match &join.join_operator {
            JoinOperator::Join(constraint)
            | JoinOperator::Inner(constraint)
            | JoinOperator::Left(constraint)
            | JoinOperator::LeftOuter(constraint)
            | JoinOperator::Right(constraint)
            | JoinOperator::RightOuter(constraint)
            | JoinOperator::FullOuter(constraint)
            | JoinOperator::CrossJoin(constraint)
            | JoinOperator::Semi(constraint)
            | JoinOperator::LeftSemi(constraint)
            | JoinOperator::RightSemi(constraint)
            | JoinOperator::Anti(constraint)
            | JoinOperator::LeftAnti(constraint)
            | JoinOperator::RightAnti(constraint)
            | JoinOperator::StraightJoin(constraint)
            | JoinOperator::AsOf { constraint, .. } => constraint,
            JoinOperator::CrossApply
            | JoinOperator::OuterApply
            | JoinOperator::ArrayJoin
            | JoinOperator::LeftArrayJoin
            | JoinOperator::InnerArrayJoin => &JoinConstraint::None,
        };
        match constraint {
            JoinConstraint::On(condition) => {
                self.decides(Some(condition), frame, Transformation::Join)
            }
            JoinConstraint::Using(names) => {
                let names: Vec<Rc<str>> = names
                    .iter()
                    .filter_map(|name| Some(self.parts(name)?.pop()?.into()))
                    .collect();
                self.joined_by(names, sides, frame)
            }
            JoinConstraint::Natural => {
                let names = self.common_names(sides, frame)?;
                self.joined_by(names, sides, frame)
            }
            JoinConstraint::None => Ok(()),
        }
    }

    pub(super) fn factor(
        &mut self,
        factor: &TableFactor,
        frame: &mut Frame<'_>,
    ) -> Result<(), Refusal> {
        match factor {
            TableFactor::Table {
                name,
                alias,
                args: None,
                json_path,
                ..
            } => {
                let source = self.named(name, json_path.is_some(), frame)?;
                self.add(source, alias.as_ref(), frame)
            }
            TableFactor::Table {
                alias,
                args: Some(args),
                ..
            } => self.of_arguments(&args.args, alias.as_ref(), frame),
            TableFactor::Function { alias, args, .. } => {
                self.of_arguments(args, alias.as_ref(), frame)
            }
            TableFactor::TableFunction { expr, alias } => {
                self.of_values(std::slice::from_ref(expr), alias.as_ref(), frame)
            }
            TableFactor::UNNEST {
                alias, array_exprs, ..
            } => self.of_values(array_exprs, alias.as_ref(), frame),
            TableFactor::Derived {
                lateral,
                subquery,
                alias,
                ..
            } => {
                let relation = match frame.outer {
                    Some(outer) if !lateral => self.query(subquery, outer)?,
                    Some(_) | None => self.query(subquery, frame)?,
                };
                self.add(Source::of(relation), alias.as_ref(), frame)
            }
            TableFactor::NestedJoin {
                table_with_joins,
                alias: None,
            } => self.table_with_joins(table_with_joins, frame),
            TableFactor::NestedJoin {
                table_with_joins,
                alias: Some(alias),
            } => {
                let mut within = Frame::within(frame);
                self.table_with_joins(table_with_joins, &mut within)?;
                let parts = self.all_columns(&within)?;
                self.add(Source::of(Relation::Rows(parts)), Some(alias), frame)
            }
            TableFactor::Pivot {
                table,
                aggregate_functions,
                value_column,
                value_source,
                alias,
                ..
            } => {
                let mut within = Frame::within(frame);
                self.factor(table, &mut within)?;
                let relation =
                    self.pivot(&within, aggregate_functions, value_column, value_source)?;
                self.add(Source::of(relation), alias.as_ref(), frame)
            }
            TableFactor::Unpivot {
                table,
                value,
                name,
                columns,
                alias,
                ..
            } => {
                let mut within = Frame::within(frame);
                self.factor(table, &mut within)?;
                let name = self.fold(name);
                let relation = self.unpivot(&within, value, name, columns)?;
                self.add(Source::of(relation), alias.as_ref(), frame)
            }
            TableFactor::UnpivotExpr {
                expression,
                value_alias,
                attribute_alias,
            } => {
                let mut found = Vec::new();
                self.value(
                    expression,
                    frame,
                    Transformation::Transformation,
                    &mut found,
                )?;
                let found = edges(found);
                for alias in std::iter::once(value_alias).chain(attribute_alias) {
                    let mut source = Source::of(Relation::Value(Rc::clone(&found)));
                    source.name = Some(TableName::bare(self.fold(alias)));
                    frame.sources.push(source);
                }
                Ok(())
            }
            // Not of Redshift.
            TableFactor::JsonTable { .. }
            | TableFactor::OpenJsonTable { .. }
            | TableFactor::MatchRecognize { .. }
            | TableFactor::XmlTable { .. }
            | TableFactor::SemanticView { .. } => Err(Refusal::Syntax { line: 0, column: 0 }),
        }
    }

    /// What a name stands for: a common table expression, an array of a source, or a table.
    fn named(
        &mut self,
        name: &ObjectName,
        path: bool,
        frame: &Frame<'_>,
    ) -> Result<Source, Refusal> {
        let Some(parts) = self.parts(name) else {
            return Err(Refusal::Syntax { line: 0, column: 0 });
        };
        if let [single] = parts.as_slice()
            && let Some(expression) = frame.expression(single)
        {
            let needs = &expression.needs;
            self.origins
                .charge(needs.tables.len() + needs.influences.len() + expression.relation.size())?;
            self.needs.tables.extend(&needs.tables);
            self.needs.influences.extend(&needs.influences);
            let relation = Rc::clone(&expression.relation);
            return Ok(Source {
                name: Some(TableName::bare(single)),
                table: None,
                relation,
                hidden: Vec::new(),
            });
        }
        if (parts.len() > 1 || path) && self.is_within(&parts, frame) {
            let mut found = Vec::new();
            self.qualified(&parts, frame, Transformation::Transformation, &mut found)?;
            let mut source = Source::of(Relation::Value(edges(found)));
            source.name = parts.last().map(TableName::bare);
            return Ok(source);
        }
        let name = of_parts(parts).ok_or(Refusal::Syntax { line: 0, column: 0 })?;
        let (table, relation) = self.table(name.clone())?;
        self.needs.tables.insert(table);
        Ok(Source {
            name: Some(name),
            table: Some(table),
            relation: Rc::new(relation),
            hidden: Vec::new(),
        })
    }

    /// Whether a name is that of an array within a source, and not of a table: `e.items` after `events e`.
    /// <https://docs.aws.amazon.com/redshift/latest/dg/query-super.html>
    fn is_within(&self, parts: &[String], frame: &Frame<'_>) -> bool {
        let [first, second, ..] = parts else {
            return false;
        };
        let Some(source) = frame.source(&TableName::bare(first)) else {
            return false;
        };
        // A schema may be called as a table in it: then the catalogue decides.
        let column = source.relation.column(second).is_some();
        column || of_parts(parts.to_vec()).is_none_or(|name| self.catalog.columns(&name).is_none())
    }

    /// Adds a source, by the alias that it has.
    fn add(
        &mut self,
        source: Source,
        alias: Option<&TableAlias>,
        frame: &mut Frame<'_>,
    ) -> Result<(), Refusal> {
        let mut source = source;
        if let Some(alias) = alias {
            source.name = Some(TableName::bare(self.fold(&alias.name)));
            if !alias.columns.is_empty() {
                let relation = self.renamed((*source.relation).clone(), &alias.columns)?;
                source.relation = Rc::new(relation);
            }
        }
        // The position of an element: it comes from no column.
        if let Some(at) = alias.and_then(|alias| alias.at.as_ref()) {
            let mut position = Source::of(Relation::Value(edges(Vec::new())));
            position.name = Some(TableName::bare(self.fold(at)));
            frame.sources.push(position);
        }
        frame.sources.push(source);
        Ok(())
    }

    fn of_arguments(
        &mut self,
        arguments: &[FunctionArg],
        alias: Option<&TableAlias>,
        frame: &mut Frame<'_>,
    ) -> Result<(), Refusal> {
        let mut found = Vec::new();
        for argument in arguments {
            let (FunctionArg::Named { arg, .. }
            | FunctionArg::ExprNamed { arg, .. }
            | FunctionArg::Unnamed(arg)) = argument;
            match arg {
                FunctionArgExpr::Expr(expr) => {
                    self.value(expr, frame, Transformation::Transformation, &mut found)?;
                }
                FunctionArgExpr::QualifiedWildcard(_)
                | FunctionArgExpr::Wildcard
                | FunctionArgExpr::WildcardWithOptions(_) => {}
            }
        }
        self.add(Source::of(Relation::Value(edges(found))), alias, frame)
    }

    fn of_values(
        &mut self,
        values: &[Expr],
        alias: Option<&TableAlias>,
        frame: &mut Frame<'_>,
    ) -> Result<(), Refusal> {
        let mut found = Vec::new();
        for value in values {
            self.value(value, frame, Transformation::Transformation, &mut found)?;
        }
        self.add(Source::of(Relation::Value(edges(found))), alias, frame)
    }
}

impl Source {
    /// Rows that have no name yet.
    fn of(relation: Relation) -> Source {
        Source {
            name: None,
            table: None,
            relation: Rc::new(relation),
            hidden: Vec::new(),
        }
    }
}
