//! Expressions: which columns a value is made of, and which ones only decide about it.

use sqlparser::ast::{
    AccessExpr, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause,
    FunctionArguments, JsonPathElem, NamedWindowExpr, ObjectNamePart, OrderByExpr, Subscript,
    WindowSpec, WindowType,
};

use super::frame::Frame;
use super::reader::Reader;
use super::relation::{Edge, Part, Relation};
use super::{Refusal, Transformation};

/// Functions that make one value of several rows.
/// <https://docs.aws.amazon.com/redshift/latest/dg/c_Aggregate_Functions.html>
const AGGREGATES: &[&str] = &[
    "any_value",
    "approximate",
    "avg",
    "bit_and",
    "bit_or",
    "bool_and",
    "bool_or",
    "count",
    "cume_dist",
    "hll",
    "hll_combine",
    "hll_create_sketch",
    "listagg",
    "max",
    "median",
    "min",
    "percentile_cont",
    "percentile_disc",
    "ratio_to_report",
    "stddev",
    "stddev_pop",
    "stddev_samp",
    "sum",
    "var_pop",
    "var_samp",
    "variance",
];

/// Functions whose first argument is a part of a date, which may be written like a column.
/// <https://docs.aws.amazon.com/redshift/latest/dg/r_Dateparts_for_datetime_functions.html>
const OF_DATE_PARTS: &[&str] = &[
    "date_add",
    "dateadd",
    "date_diff",
    "datediff",
    "date_part",
    "datepart",
    "date_trunc",
    "date_part_year",
];

impl Reader<'_> {
    /// What a value is made of, at the end of some steps. It goes on without recursion: only sub-queries nest.
    pub(super) fn value(
        &mut self,
        expr: &Expr,
        frame: &Frame<'_>,
        step: Transformation,
        out: &mut Vec<Edge>,
    ) -> Result<(), Refusal> {
        let mut work = vec![(expr, step)];
        while let Some((expr, step)) = work.pop() {
            self.origins.charge(1)?;
            let made = Transformation::Transformation.then(step);
            match expr {
                Expr::Identifier(ident) => {
                    let name = self.fold(ident);
                    self.column(&name, frame, step, out)?;
                }
                Expr::CompoundIdentifier(idents) => {
                    let parts: Vec<String> = idents.iter().map(|ident| self.fold(ident)).collect();
                    self.qualified(&parts, frame, step, out)?;
                }
                Expr::CompoundFieldAccess { root, access_chain } => {
                    work.push((root, made));
                    for access in access_chain {
                        match access {
                            AccessExpr::Dot(_) => {}
                            AccessExpr::Subscript(Subscript::Index { index }) => work.push((index, made)),
                            AccessExpr::Subscript(Subscript::Slice { lower_bound, upper_bound, stride }) => {
                                work.extend([lower_bound, upper_bound, stride].into_iter().flatten().map(|e| (e, made)));
                            }
                        }
                    }
                }
                Expr::JsonAccess { value, path } => {
                    work.push((value, made));
                    for element in &path.path {
                        match element {
                            JsonPathElem::Dot { .. } => {}
                            JsonPathElem::Bracket { key } | JsonPathElem::ColonBracket { key } => work.push((key, made)),
                        }
                    }
                }
                Expr::Nested(inner) => work.push((inner, step)),
                Expr::Named { expr: inner, .. } | Expr::Prior(inner) | Expr::OuterJoin(inner) => work.push((inner, step)),
                Expr::IsFalse(inner)
                | Expr::IsNotFalse(inner)
                | Expr::IsTrue(inner)
                | Expr::IsNotTrue(inner)
                | Expr::IsNull(inner)
                | Expr::IsNotNull(inner)
                | Expr::IsUnknown(inner)
                | Expr::IsNotUnknown(inner)
                | Expr::IsJson { expr: inner, .. }
                | Expr::IsNormalized { expr: inner, .. }
                | Expr::UnaryOp { expr: inner, .. }
                | Expr::Cast { expr: inner, .. }
                | Expr::Extract { expr: inner, .. }
                | Expr::Ceil { expr: inner, .. }
                | Expr::Floor { expr: inner, .. }
                | Expr::Collate { expr: inner, .. }
                | Expr::Prefixed { value: inner, .. } => work.push((inner, made)),
                Expr::Convert { expr: inner, styles, .. } => {
                    work.push((inner, made));
                    work.extend(styles.iter().map(|e| (e, made)));
                }
                Expr::BinaryOp { left, right, .. }
                | Expr::IsDistinctFrom(left, right)
                | Expr::IsNotDistinctFrom(left, right)
                | Expr::AnyOp { left, right, .. }
                | Expr::AllOp { left, right, .. }
                | Expr::InUnnest { expr: left, array_expr: right, .. }
                | Expr::RLike { expr: left, pattern: right, .. }
                | Expr::AtTimeZone { timestamp: left, time_zone: right }
                | Expr::Position { expr: left, r#in: right } => work.extend([(&**right, made), (&**left, made)]),
                Expr::Like { expr, pattern, escape_char, .. }
                | Expr::ILike { expr, pattern, escape_char, .. }
                | Expr::SimilarTo { expr, pattern, escape_char, .. } => {
                    work.extend([(&**pattern, made), (&**expr, made)]);
                    work.extend(escape_char.iter().map(|e| (&**e, made)));
                }
                Expr::Between { expr, low, high, .. } => {
                    work.extend([(&**high, made), (&**low, made), (&**expr, made)]);
                }
                Expr::InList { expr, list, .. } => {
                    work.extend(list.iter().map(|e| (e, made)));
                    work.push((expr, made));
                }
                Expr::InSubquery { expr, subquery, .. } => {
                    work.push((expr, made));
                    let relation = self.query(subquery, frame)?;
                    self.of_relation(&relation, made, out)?;
                }
                Expr::Exists { subquery, .. } => {
                    // Whether there are rows does not depend on what is selected of them.
                    self.query(subquery, frame)?;
                }
                Expr::Subquery(subquery) => {
                    let relation = self.query(subquery, frame)?;
                    self.of_relation(&relation, step, out)?;
                }
                Expr::Substring { expr, substring_from, substring_for, .. } => {
                    work.extend([substring_for, substring_from].into_iter().flatten().map(|e| (&**e, made)));
                    work.push((expr, made));
                }
                Expr::Trim { expr, trim_what, trim_characters, .. } => {
                    work.extend(trim_what.iter().map(|e| (&**e, made)));
                    work.extend(trim_characters.iter().flatten().map(|e| (e, made)));
                    work.push((expr, made));
                }
                Expr::Overlay { expr, overlay_what, overlay_from, overlay_for } => {
                    work.extend([(&**overlay_from, made), (&**overlay_what, made), (&**expr, made)]);
                    work.extend(overlay_for.iter().map(|e| (&**e, made)));
                }
                Expr::Case { operand, conditions, else_result, .. } => {
                    let decides = Transformation::Conditional.then(step);
                    work.extend(else_result.iter().map(|e| (&**e, made)));
                    work.extend(conditions.iter().map(|when| (&when.result, made)));
                    work.extend(conditions.iter().map(|when| (&when.condition, decides)));
                    work.extend(operand.iter().map(|e| (&**e, decides)));
                }
                Expr::Function(function) => self.function(function, frame, step, &mut work, out)?,
                Expr::GroupingSets(sets) | Expr::Cube(sets) | Expr::Rollup(sets) => {
                    work.extend(sets.iter().flatten().map(|e| (e, step)));
                }
                Expr::Tuple(all) => work.extend(all.iter().map(|e| (e, step))),
                Expr::Struct { values, .. } => work.extend(values.iter().map(|e| (e, made))),
                Expr::Dictionary(fields) => work.extend(fields.iter().map(|field| (&*field.value, made))),
                Expr::Map(map) => {
                    for entry in &map.entries {
                        work.extend([(&*entry.key, made), (&*entry.value, made)]);
                    }
                }
                Expr::Array(array) => work.extend(array.elem.iter().map(|e| (e, made))),
                Expr::Interval(interval) => work.push((&interval.value, made)),
                Expr::MemberOf(member) => work.extend([(&*member.value, made), (&*member.array, made)]),
                Expr::QualifiedWildcard(..)
                | Expr::Wildcard(_)
                | Expr::Value(_)
                | Expr::TypedString(_)
                // Of other systems.
                | Expr::MatchAgainst { .. }
                | Expr::Lambda(_) => {}
            }
        }
        Ok(())
    }

    fn function<'e>(
        &mut self,
        function: &'e Function,
        frame: &Frame<'_>,
        step: Transformation,
        work: &mut Vec<(&'e Expr, Transformation)>,
        out: &mut Vec<Edge>,
    ) -> Result<(), Refusal> {
        let name = match function.name.0.last() {
            Some(ObjectNamePart::Identifier(ident)) => ident.value.to_lowercase(),
            Some(ObjectNamePart::Function(_)) | None => String::new(),
        };
        let made = if AGGREGATES.contains(&name.as_str()) {
            Transformation::Aggregation.then(step)
        } else {
            Transformation::Transformation.then(step)
        };
        let decides = Transformation::Conditional.then(step);
        match &function.args {
            FunctionArguments::None => {}
            FunctionArguments::Subquery(query) => {
                let relation = self.query(query, frame)?;
                self.of_relation(&relation, made, out)?;
            }
            FunctionArguments::List(list) => {
                for (position, argument) in list.args.iter().enumerate() {
                    let (FunctionArg::Named { arg, .. }
                    | FunctionArg::ExprNamed { arg, .. }
                    | FunctionArg::Unnamed(arg)) = argument;
                    match arg {
                        FunctionArgExpr::Expr(Expr::Identifier(_))
                            if position == 0 && OF_DATE_PARTS.contains(&name.as_str()) => {}
                        FunctionArgExpr::Expr(expr) => work.push((expr, made)),
                        FunctionArgExpr::QualifiedWildcard(_)
                        | FunctionArgExpr::Wildcard
                        | FunctionArgExpr::WildcardWithOptions(_) => {}
                    }
                }
                for clause in &list.clauses {
                    match clause {
                        FunctionArgumentClause::OrderBy(order) => {
                            work.extend(
                                order
                                    .iter()
                                    .map(|by| (&by.expr, Transformation::Sort.then(step))),
                            );
                        }
                        FunctionArgumentClause::Where(condition) => work.push((condition, decides)),
                        FunctionArgumentClause::IgnoreOrRespectNulls(_)
                        | FunctionArgumentClause::Limit(_)
                        | FunctionArgumentClause::OnOverflow(_)
                        | FunctionArgumentClause::Having(_)
                        | FunctionArgumentClause::Separator(_)
                        | FunctionArgumentClause::JsonNullClause(_)
                        | FunctionArgumentClause::JsonReturningClause(_) => {}
                    }
                }
            }
        }
        // What percentiles are taken of stands in their order; for `LISTAGG` it is only an order.
        let order = if name.starts_with("percentile") {
            made
        } else {
            Transformation::Sort.then(step)
        };
        work.extend(function.within_group.iter().map(|by| (&by.expr, order)));
        work.extend(
            function
                .filter
                .iter()
                .map(|condition| (&**condition, decides)),
        );
        match &function.over {
            None => {}
            Some(WindowType::WindowSpec(spec)) => self.window(spec, frame, step, out)?,
            Some(WindowType::NamedWindow(ident)) => {
                let wanted = self.fold(ident);
                let mut windows = frame.windows.iter();
                if let Some(window) = windows.find(|window| self.fold(&window.0) == wanted) {
                    match &window.1 {
                        NamedWindowExpr::WindowSpec(spec) => self.window(spec, frame, step, out)?,
                        NamedWindowExpr::NamedWindow(_) => {}
                    }
                }
            }
        }
        Ok(())
    }

    fn window(
        &mut self,
        spec: &WindowSpec,
        frame: &Frame<'_>,
        step: Transformation,
        out: &mut Vec<Edge>,
    ) -> Result<(), Refusal> {
        let step = Transformation::Window.then(step);
        let order = spec.order_by.iter().map(|by: &OrderByExpr| &by.expr);
        for expr in spec.partition_by.iter().chain(order) {
            self.value(expr, frame, step, out)?;
        }
        Ok(())
    }

    /// What the columns of a sub-query are made of, as one value.
    fn of_relation(
        &mut self,
        relation: &Relation,
        step: Transformation,
        out: &mut Vec<Edge>,
    ) -> Result<(), Refusal> {
        match relation {
            Relation::Value(edges) => self.push(edges, step, out),
            Relation::Rows(parts) => {
                for part in parts {
                    match part {
                        Part::Column(column) => self.push(&column.edges, step, out)?,
                        Part::All(_) => {}
                    }
                }
                Ok(())
            }
        }
    }
}
