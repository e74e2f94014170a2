//! Queries: common table expressions, lists of columns, set operations, and what decides about their rows.

use std::rc::Rc;

use sqlparser::ast::{
    ConnectByKind, Cte, Distinct, ExcludeSelectItem, Expr, GroupByExpr, OrderBy, OrderByKind,
    Query, Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, Value, Values,
    WildcardAdditionalOptions,
};

use super::frame::{Expression, Frame};
use super::name::of_parts;
use super::reader::Reader;
use super::relation::{Column, Edge, Edges, Part, Relation, edges};
use super::{Refusal, TableName, Transformation, Unresolved};

/// How often the recursive part of an expression is read again. Each time, columns may flow one column further.
const MAX_ROUNDS: usize = 8;

impl Reader<'_> {
    /// The columns of a query.
    pub(super) fn query(&mut self, query: &Query, outer: &Frame<'_>) -> Result<Relation, Refusal> {
        let mut frame = Frame::within(outer);
        self.common_expressions(query, &mut frame)?;
        self.body(&query.body, &frame, query.order_by.as_ref())
    }

    /// Adds the common table expressions of a query.
    pub(super) fn common_expressions(
        &mut self,
        query: &Query,
        frame: &mut Frame<'_>,
    ) -> Result<(), Refusal> {
        let Some(with) = &query.with else {
            return Ok(());
        };
        for cte in &with.cte_tables {
            let name = self.fold(&cte.alias.name);
            let expression = self.expression(cte, with.recursive, frame)?;
            frame.expressions.push((name, Rc::new(expression)));
        }
        Ok(())
    }

    fn expression(
        &mut self,
        cte: &Cte,
        recursive: bool,
        frame: &Frame<'_>,
    ) -> Result<Expression, Refusal> {
        let outside = std::mem::take(&mut self.needs);
        let relation = match &*cte.query.body {
            SetExpr::SetOperation { left, .. } if recursive => self.recursive(cte, left, frame)?,
            SetExpr::SetOperation { .. }
            | SetExpr::Select(_)
            | SetExpr::Query(_)
            | SetExpr::Values(_)
            | SetExpr::Insert(_)
            | SetExpr::Update(_)
            | SetExpr::Delete(_)
            | SetExpr::Merge(_)
            | SetExpr::Table(_) => {
                let relation = self.query(&cte.query, frame)?;
                self.renamed(relation, &cte.alias.columns)?
            }
        };
        let needs = std::mem::replace(&mut self.needs, outside);
        Ok(Expression {
            relation: Rc::new(relation),
            needs,
        })
    }

    /// An expression that uses itself: first what its start is made of, then again with that, until nothing is added.
    fn recursive(
        &mut self,
        cte: &Cte,
        start: &SetExpr,
        frame: &Frame<'_>,
    ) -> Result<Relation, Refusal> {
        let name = self.fold(&cte.alias.name);
        let relation = self.body(start, frame, None)?;
        let mut relation = self.renamed(relation, &cte.alias.columns)?;
        for _ in 0..MAX_ROUNDS {
            let mut within = Frame::within(frame);
            let known = Expression {
                relation: Rc::new(relation.clone()),
                needs: Default::default(),
            };
            within.expressions.push((name.clone(), Rc::new(known)));
            let again = self.query(&cte.query, &within)?;
            let again = self.renamed(again, &cte.alias.columns)?;
            if again == relation {
                break;
            }
            relation = again;
        }
        Ok(relation)
    }

    pub(super) fn body(
        &mut self,
        body: &SetExpr,
        frame: &Frame<'_>,
        order: Option<&OrderBy>,
    ) -> Result<Relation, Refusal> {
        match body {
            SetExpr::Select(select) => self.select(select, frame, order),
            SetExpr::Query(query) => self.query(query, frame),
            SetExpr::SetOperation { .. } => self.set_operations(body, frame, order),
            SetExpr::Values(values) => self.values(values, frame),
            SetExpr::Table(table) => {
                let name = table.table_name.as_ref().map(|name| name.to_lowercase());
                let schema = table.schema_name.as_ref().map(|name| name.to_lowercase());
                let name = TableName {
                    database: None,
                    schema,
                    table: name.unwrap_or_default(),
                };
                let (table, relation) = self.table(name)?;
                self.needs.tables.insert(table);
                Ok(relation)
            }
            // Statements within queries are not of Redshift.
            SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {
                Err(Refusal::Syntax { line: 0, column: 0 })
            }
        }
    }

    fn values(&mut self, values: &Values, frame: &Frame<'_>) -> Result<Relation, Refusal> {
        let mut columns: Vec<Vec<Edge>> = Vec::new();
        for row in &values.rows {
            for (position, expr) in row.content.iter().enumerate() {
                if columns.len() <= position {
                    columns.push(Vec::new());
                }
                if let Some(column) = columns.get_mut(position) {
                    self.value(expr, frame, Transformation::Identity, column)?;
                }
            }
        }
        let part = |(position, found): (usize, Vec<Edge>)| {
            Part::Column(Column {
                name: format!("column{}", position + 1).into(),
                edges: edges(found),
            })
        };
        Ok(Relation::Rows(
            columns.into_iter().enumerate().map(part).collect(),
        ))
    }

    fn select(
        &mut self,
        select: &Select,
        outer: &Frame<'_>,
        order: Option<&OrderBy>,
    ) -> Result<Relation, Refusal> {
        let mut frame = Frame {
            windows: &select.named_window,
            ..Frame::within(outer)
        };
        for table in &select.from {
            self.table_with_joins(table, &mut frame)?;
        }
        self.decides(select.selection.as_ref(), &frame, Transformation::Filter)?;
        for connect in &select.connect_by {
            match connect {
                ConnectByKind::ConnectBy { relationships, .. } => {
                    for relationship in relationships {
                        self.decides(Some(relationship), &frame, Transformation::Join)?;
                    }
                }
                ConnectByKind::StartWith { condition, .. } => {
                    self.decides(Some(condition), &frame, Transformation::Filter)?;
                }
            }
        }
        let mut parts = Vec::with_capacity(select.projection.len());
        for item in &select.projection {
            self.item(item, &mut frame, &mut parts)?;
        }
        if let Some(exclude) = &select.exclude {
            parts = self.exclude(parts, exclude);
        }
        let relation = Relation::Rows(parts);
        self.decides_about_rows(select, &frame, &relation, order)?;
        Ok(relation)
    }

    /// Adds the columns of one item of a list.
    fn item(
        &mut self,
        item: &SelectItem,
        frame: &mut Frame<'_>,
        parts: &mut Vec<Part>,
    ) -> Result<(), Refusal> {
        match item {
            SelectItem::UnnamedExpr(expr) => {
                let name = self.output_name(expr);
                parts.push(Part::Column(self.column_made_of(name, expr, frame)?));
            }
            SelectItem::ExprWithAlias { expr, alias } => {
                let column = self.column_made_of(self.fold(alias), expr, frame)?;
                frame.aliases.push(column.clone());
                parts.push(Part::Column(column));
            }
            SelectItem::ExprWithAliases { expr, aliases } => {
                for alias in aliases {
                    parts.push(Part::Column(self.column_made_of(
                        self.fold(alias),
                        expr,
                        frame,
                    )?));
                }
            }
            SelectItem::Wildcard(options) => {
                let all = self.all_columns(frame)?;
                self.add_all(parts, all, options);
            }
            SelectItem::QualifiedWildcard(
                SelectItemQualifiedWildcardKind::ObjectName(name),
                options,
            ) => {
                let qualifier = self.parts(name).and_then(of_parts);
                let source = qualifier.and_then(|qualifier| frame.source(&qualifier));
                let Some(source) = source else {
                    self.unresolved(Unresolved::Column(format!("{name}.*").to_lowercase()));
                    return Ok(());
                };
                self.origins.charge(source.relation.size())?;
                let all = self.columns_of(source);
                self.add_all(parts, all, options);
            }
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::Expr(expr), _) => {
                let name = self.output_name(expr);
                parts.push(Part::Column(self.column_made_of(name, expr, frame)?));
            }
        }
        Ok(())
    }

    fn add_all(
        &self,
        parts: &mut Vec<Part>,
        mut all: Vec<Part>,
        options: &WildcardAdditionalOptions,
    ) {
        if let Some(exclude) = &options.opt_exclude {
            all = self.exclude(all, exclude);
        }
        parts.extend(all);
    }

    /// Removes columns by name. Of a table whose columns are not known, it is remembered.
    fn exclude(&self, parts: Vec<Part>, exclude: &ExcludeSelectItem) -> Vec<Part> {
        let names = match exclude {
            ExcludeSelectItem::Single(name) => std::slice::from_ref(name),
            ExcludeSelectItem::Multiple(names) => names.as_slice(),
        };
        let names: Vec<Rc<str>> = names
            .iter()
            .filter_map(|name| Some(self.parts(name)?.pop()?.into()))
            .collect();
        let kept = parts.into_iter().filter_map(|part| match part {
            Part::Column(column) => {
                let is_kept = !names.contains(&column.name);
                is_kept.then_some(Part::Column(column))
            }
            Part::All(all) => Some(Part::All(all.without(names.iter().cloned()))),
        });
        kept.collect()
    }

    fn column_made_of(
        &mut self,
        name: String,
        expr: &Expr,
        frame: &Frame<'_>,
    ) -> Result<Column, Refusal> {
        let mut found = Vec::new();
        self.value(expr, frame, Transformation::Identity, &mut found)?;
        Ok(Column {
            name: name.into(),
            edges: edges(found),
        })
    }

    /// Keeps the columns of an expression that decides about rows.
    pub(super) fn decides(
        &mut self,
        expr: Option<&Expr>,
        frame: &Frame<'_>,
        how: Transformation,
    ) -> Result<(), Refusal> {
        let mut found = Vec::new();
        if let Some(expr) = expr {
            self.value(expr, frame, how, &mut found)?;
        }
        self.influence(found);
        Ok(())
    }

    fn decides_about_rows(
        &mut self,
        select: &Select,
        frame: &Frame<'_>,
        list: &Relation,
        order: Option<&OrderBy>,
    ) -> Result<(), Refusal> {
        let mut decide = Vec::new();
        if let GroupByExpr::Expressions(all, _) = &select.group_by {
            decide.extend(all.iter().map(|expr| (expr, Transformation::GroupBy)));
        }
        if let Some(Distinct::On(all)) = &select.distinct {
            decide.extend(all.iter().map(|expr| (expr, Transformation::GroupBy)));
        }
        decide.extend(
            select
                .having
                .iter()
                .map(|expr| (expr, Transformation::Filter)),
        );
        decide.extend(
            select
                .qualify
                .iter()
                .map(|expr| (expr, Transformation::Filter)),
        );
        if let Some(OrderByKind::Expressions(all)) = order.map(|order| &order.kind) {
            decide.extend(all.iter().map(|by| (&by.expr, Transformation::Sort)));
        }
        for (expr, how) in decide {
            let by_name = how == Transformation::Sort || matches!(expr, Expr::Value(_));
            match self.of_list(expr, list).filter(|_| by_name) {
                Some(edges) => {
                    let mut found = Vec::new();
                    self.push(&edges, how, &mut found)?;
                    self.influence(found);
                }
                None => self.decides(Some(expr), frame, how)?,
            }
        }
        Ok(())
    }

    /// The column of a list that an expression names, by its position or its name.
    pub(super) fn of_list(&self, expr: &Expr, list: &Relation) -> Option<Edges> {
        if let Expr::Identifier(ident) = expr {
            return list.column(&self.fold(ident));
        }
        let (Expr::Value(value), Relation::Rows(parts)) = (expr, list) else {
            return None;
        };
        let Value::Number(number, _) = &value.value else {
            return None;
        };
        let position = number.parse::<usize>().ok()?.checked_sub(1)?;
        match parts.get(position)? {
            Part::Column(column) => Some(Rc::clone(&column.edges)),
            Part::All(_) => None,
        }
    }

    /// The name that a column gets without an alias: of a column or a function, also within a cast.
    pub(super) fn output_name(&self, expr: &Expr) -> String {
        let mut expr = expr;
        while let Expr::Nested(inner)
        | Expr::Cast { expr: inner, .. }
        | Expr::Collate { expr: inner, .. } = expr
        {
            expr = inner;
        }
        let name = if let Expr::Identifier(ident) = expr {
            Some(self.fold(ident))
        } else if let Expr::CompoundIdentifier(idents) = expr {
            idents.last().map(|ident| self.fold(ident))
        } else if let Expr::Function(function) = expr {
            self.parts(&function.name).and_then(|mut parts| parts.pop())
        } else if let Expr::Case { .. } = expr {
            Some("case".to_owned())
        } else {
            None
        };
        name.unwrap_or_else(|| UNNAMED.to_owned())
    }
}

/// What Redshift calls a column without a name.
const UNNAMED: &str = "?column?";
