//! The rewriting of a query's syntax tree.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CastKind, DataType, DateTimeField, Expr, Fetch, Function, FunctionArguments, LimitClause,
    Query, Select, SelectItem, SetExpr, Statement, TableFactor, TableSample, TableSampleKind,
    TableSampleMethod, TypedString, Value, VisitMut, VisitorMut,
};
use headwater_catalog::QueryError;

use super::build::{binary, call};
use super::functions::{Mapping, mapping, plain_arguments};
use super::{casts, parse, position};
use crate::error::unsupported;

/// Stands for a result column that the statement gave no name; see [`is_unnamed`].
const UNNAMED: &str = "__unnamed_";

/// Whether a result column has no name of its own. Athena shows it as `_col` and its position.
pub fn is_unnamed(column: &str) -> bool {
    column.starts_with(UNNAMED)
}

/// Parses and rewrites a query; `sql` is the text that places in errors refer to.
pub fn query(sql: &str) -> Result<Query, QueryError> {
    match parse::statement(sql)? {
        Statement::Query(mut query) => {
            rewrite(&mut query, sql)?;
            Ok(*query)
        }
        _ => Err(QueryError::User("SYNTAX_ERROR: line 1:1: a query was expected here".to_owned())),
    }
}

/// Rewrites a query in place.
pub fn rewrite(query: &mut Query, sql: &str) -> Result<(), QueryError> {
    name_columns(&mut query.body);
    match query.visit(&mut Rewriter { sql }) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

/// Gives unnamed result columns names that can't collide.
fn name_columns(body: &mut SetExpr) {
    match body {
        SetExpr::Select(select) => {
            for (at, item) in select.projection.iter_mut().enumerate() {
                if let SelectItem::UnnamedExpr(expr) = item
                    && !is_name(expr)
                {
                    let alias = format!("{UNNAMED}{at}").as_str().into();
                    *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
                }
            }
        }
        SetExpr::SetOperation { left, .. } => name_columns(left),
        SetExpr::Query(query) => name_columns(&mut query.body),
        _ => {}
    }
}

fn is_name(expr: &Expr) -> bool {
    match expr {
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) | Expr::CompoundFieldAccess { .. } => true,
        Expr::Nested(inner) => is_name(inner),
        _ => false,
    }
}

struct Rewriter<'a> {
    sql: &'a str,
}

impl VisitorMut for Rewriter<'_> {
    type Break = QueryError;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<QueryError> {
        flow(self.limits(query))
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<QueryError> {
        if select.projection.is_empty() {
            let place = position::of_name(self.sql, "from");
            let text =
                format!("SYNTAX_ERROR: {place}: mismatched input 'FROM'. Expecting: '*', <expression>");
            return ControlFlow::Break(QueryError::User(text));
        }
        ControlFlow::Continue(())
    }

    fn post_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<QueryError> {
        flow(sample(factor))
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<QueryError> {
        let taken = std::mem::replace(expr, Expr::Value(Value::Null.into()));
        match self.expr(taken) {
            Ok(rewritten) => {
                *expr = rewritten;
                ControlFlow::Continue(())
            }
            Err(error) => ControlFlow::Break(error),
        }
    }
}

fn flow(result: Result<(), QueryError>) -> ControlFlow<QueryError> {
    match result {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => ControlFlow::Break(error),
    }
}

impl Rewriter<'_> {
    /// `FETCH FIRST n ROWS ONLY` is `LIMIT n`; `WITH TIES` and what is not Trino's is refused.
    fn limits(&self, query: &mut Query) -> Result<(), QueryError> {
        if !query.locks.is_empty() || query.for_clause.is_some() || !query.pipe_operators.is_empty() {
            return Err(unsupported("locking clauses, FOR clauses and pipes"));
        }
        let Some(Fetch { with_ties, percent, quantity }) = query.fetch.take() else { return Ok(()) };
        if with_ties || percent {
            return Err(unsupported("FETCH … WITH TIES and PERCENT"));
        }
        let quantity = quantity.unwrap_or_else(|| super::build::number(1));
        match &mut query.limit_clause {
            None => {
                query.limit_clause = Some(LimitClause::LimitOffset {
                    limit: Some(quantity),
                    offset: None,
                    limit_by: Vec::new(),
                });
            }
            Some(LimitClause::LimitOffset { limit: limit @ None, .. }) => *limit = Some(quantity),
            Some(_) => return Err(unsupported("LIMIT and FETCH together")),
        }
        Ok(())
    }

    fn expr(&self, expr: Expr) -> Result<Expr, QueryError> {
        match expr {
            Expr::Function(function) => self.function(function),
            Expr::Cast { kind, expr, data_type, format: None, .. } => {
                let kind = match kind {
                    CastKind::TryCast | CastKind::SafeCast => CastKind::TryCast,
                    CastKind::Cast | CastKind::DoubleColon => CastKind::Cast,
                };
                casts::rewrite(kind, *expr, data_type)
            }
            Expr::TypedString(TypedString { data_type, value, uses_odbc_syntax }) => {
                let data_type = casts::known(data_type)?;
                Ok(Expr::TypedString(TypedString { data_type, value, uses_odbc_syntax }))
            }
            Expr::Extract { field, expr, .. } => extract(&field, *expr),
            Expr::Substring { expr, substring_from, substring_for, .. } => {
                let start = substring_from.map_or_else(|| super::build::number(1), |from| *from);
                let mut args = vec![*expr, start];
                args.extend(substring_for.map(|length| *length));
                Ok(call("hw_substr", args))
            }
            Expr::AtTimeZone { .. } => Err(unsupported("AT TIME ZONE; timestamps are in UTC")),
            Expr::Like { negated, any, expr, pattern, escape_char: None } => {
                let pattern = Box::new(literal_backslashes(*pattern));
                Ok(Expr::Like { negated, any, expr, pattern, escape_char: None })
            }
            Expr::ILike { .. } | Expr::RLike { .. } | Expr::SimilarTo { .. } => {
                Err(unsupported("ILIKE, RLIKE and SIMILAR TO; use LIKE or regexp_like"))
            }
            Expr::BinaryOp { left, op, right } => {
                if is_foreign(&op) {
                    return Err(unsupported(format_args!("the operator {op}")));
                }
                Ok(Expr::BinaryOp { left, op, right })
            }
            Expr::Lambda(_) => Err(unsupported("lambda expressions")),
            other => Ok(other),
        }
    }

    fn function(&self, mut function: Function) -> Result<Expr, QueryError> {
        let name = function.name.to_string().to_lowercase();
        let name = name.trim_matches('"').to_owned();
        let Some(mapping) = mapping(&name) else {
            let place = position::of_name(self.sql, &name);
            return Err(QueryError::User(format!(
                "FUNCTION_NOT_FOUND: {place}: Function '{name}' not registered"
            )));
        };
        match mapping {
            Mapping::Named(target) => {
                function.name = vec![target.into()].into();
                if matches!(function.args, FunctionArguments::None) {
                    function.args =
                        FunctionArguments::List(datafusion::sql::sqlparser::ast::FunctionArgumentList {
                            duplicate_treatment: None,
                            args: Vec::new(),
                            clauses: Vec::new(),
                        });
                }
                Ok(Expr::Function(function))
            }
            Mapping::Special(rewrite) => {
                let args = plain_arguments(&function)
                    .ok_or_else(|| unsupported(format_args!("{name} with other than plain arguments")))?;
                rewrite(function, args)
            }
        }
    }
}

/// Operators of PostgreSQL that Trino has not; their meaning would be ours alone.
fn is_foreign(op: &BinaryOperator) -> bool {
    !matches!(
        op,
        BinaryOperator::Plus
            | BinaryOperator::Minus
            | BinaryOperator::Multiply
            | BinaryOperator::Divide
            | BinaryOperator::Modulo
            | BinaryOperator::StringConcat
            | BinaryOperator::Gt
            | BinaryOperator::Lt
            | BinaryOperator::GtEq
            | BinaryOperator::LtEq
            | BinaryOperator::Eq
            | BinaryOperator::NotEq
            | BinaryOperator::And
            | BinaryOperator::Or
    )
}

/// Without ESCAPE a backslash in a pattern is itself in Trino; DataFusion takes it for an escape.
fn literal_backslashes(pattern: Expr) -> Expr {
    match super::build::literal_text(&pattern) {
        Some(text) if text.contains('\\') => super::build::text(&text.replace('\\', "\\\\")),
        _ => pattern,
    }
}

fn extract(field: &DateTimeField, expr: Expr) -> Result<Expr, QueryError> {
    use DateTimeField as F;
    let name = match field {
        F::Year | F::Years => "hw_year",
        F::Quarter => "hw_quarter",
        F::Month | F::Months => "hw_month",
        F::Week(None) | F::Weeks | F::IsoWeek => "hw_week",
        F::Day | F::Days => "hw_day",
        F::Dow | F::DayOfWeek => "hw_day_of_week",
        F::Doy | F::DayOfYear => "hw_day_of_year",
        F::Hour | F::Hours => "hw_hour",
        F::Minute | F::Minutes => "hw_minute",
        F::Second | F::Seconds => "hw_second",
        F::Custom(name) if name.value.eq_ignore_ascii_case("day_of_week") => "hw_day_of_week",
        F::Custom(name) if name.value.eq_ignore_ascii_case("day_of_year") => "hw_day_of_year",
        F::Custom(name) if name.value.eq_ignore_ascii_case("day_of_month") => "hw_day",
        other => return Err(unsupported(format_args!("EXTRACT({other} …)"))),
    };
    Ok(call(name, vec![expr]))
}

/// `TABLESAMPLE BERNOULLI (p)` keeps each row with probability p percent. DataFusion ignores the
/// clause, so it becomes the condition it means.
fn sample(factor: &mut TableFactor) -> Result<(), QueryError> {
    let (sample, alias) = match factor {
        TableFactor::Table { sample, alias, .. } | TableFactor::Derived { sample, alias, .. } => {
            (sample, alias)
        }
        _ => return Ok(()),
    };
    let Some(TableSampleKind::BeforeTableAlias(clause) | TableSampleKind::AfterTableAlias(clause)) =
        sample.take()
    else {
        return Ok(());
    };
    let share = share(&clause)?;
    let alias = alias.take();
    let name = match (&alias, &*factor) {
        (None, TableFactor::Table { name, .. }) => name.0.last().map(ToString::to_string),
        _ => None,
    };
    let condition = binary(call("random", Vec::new()), BinaryOperator::Lt, share);
    let text = format!("SELECT * FROM placeholder WHERE {condition}");
    let Statement::Query(mut query) = parse::statement(&text)? else {
        return Err(QueryError::Internal("GENERIC_INTERNAL_ERROR: a query that is none".to_owned()));
    };
    if let SetExpr::Select(select) = query.body.as_mut()
        && let Some(from) = select.from.first_mut()
    {
        from.relation = factor.clone();
    }
    let alias = match (alias, name) {
        (Some(alias), _) => Some(alias),
        (None, Some(name)) => Some(alias_of(&name)),
        (None, None) => None,
    };
    *factor = TableFactor::Derived { lateral: false, subquery: query, alias, sample: None };
    Ok(())
}

fn alias_of(name: &str) -> datafusion::sql::sqlparser::ast::TableAlias {
    use datafusion::sql::sqlparser::ast::{Ident, TableAlias};
    TableAlias { explicit: true, name: Ident::new(name.trim_matches('"')), columns: Vec::new(), at: None }
}

/// The share of rows to keep, as an expression between 0 and 1.
fn share(clause: &TableSample) -> Result<Expr, QueryError> {
    let bernoulli = matches!(clause.name, Some(TableSampleMethod::Bernoulli));
    let (true, None, Some(quantity)) = (bernoulli, &clause.seed, &clause.quantity) else {
        return Err(unsupported("TABLESAMPLE other than BERNOULLI (percentage)"));
    };
    let percentage = Expr::Nested(Box::new(quantity.value.clone()));
    let hundred = Expr::Value(Value::Number("100.0".to_owned(), false).into());
    Ok(binary(
        super::build::cast(
            CastKind::Cast,
            percentage,
            DataType::Double(datafusion::sql::sqlparser::ast::ExactNumberInfo::None),
        ),
        BinaryOperator::Divide,
        hundred,
    ))
}
