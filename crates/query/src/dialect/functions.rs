//! Trino's functions, each with what computes it here. A name that is not listed is not
//! registered, whatever DataFusion knows.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CastKind, DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments,
    OrderByExpr, OrderByOptions, TimezoneInfo,
};
use headwater_catalog::QueryError;

use super::build::{binary, call, case, cast, function, literal_text, nested, null, number, ordered, text};
use crate::error::unsupported;

/// What computes a function.
pub enum Mapping {
    /// DataFusion or our own function of this name, argument for argument.
    Named(&'static str),
    /// A rewriting of its own.
    Special(fn(Function, Vec<Expr>) -> Result<Expr, QueryError>),
}

/// What computes the Trino function `name` (in lower case).
pub fn mapping(name: &str) -> Option<Mapping> {
    if let Ok(at) = SAME.binary_search(&name) {
        return Some(Mapping::Named(SAME[at]));
    }
    if let Some((_, target)) = RENAMED.iter().find(|(trino, _)| *trino == name) {
        return Some(Mapping::Named(target));
    }
    special(name).map(Mapping::Special)
}

/// Names under which DataFusion computes the same. Sorted.
const SAME: &[&str] = &[
    "abs",
    "acos",
    "approx_distinct",
    "array_agg",
    "array_distinct",
    "array_except",
    "array_intersect",
    "array_max",
    "array_min",
    "array_union",
    "asin",
    "atan",
    "atan2",
    "avg",
    "bool_and",
    "bool_or",
    "cbrt",
    "ceil",
    "chr",
    "coalesce",
    "concat_ws",
    "corr",
    "cos",
    "cosh",
    "count",
    "covar_pop",
    "covar_samp",
    "cume_dist",
    "current_date",
    "degrees",
    "dense_rank",
    "exp",
    "first_value",
    "flatten",
    "floor",
    "lag",
    "last_value",
    "lead",
    "length",
    "ln",
    "log",
    "log10",
    "log2",
    "lower",
    "lpad",
    "ltrim",
    "map_keys",
    "map_values",
    "max",
    "min",
    "now",
    "nth_value",
    "ntile",
    "nullif",
    "percent_rank",
    "pi",
    "power",
    "radians",
    "random",
    "rank",
    "regexp_like",
    "regr_intercept",
    "regr_slope",
    "round",
    "row_number",
    "rpad",
    "rtrim",
    "sha256",
    "sha512",
    "sin",
    "sinh",
    "sqrt",
    "starts_with",
    "stddev",
    "stddev_pop",
    "stddev_samp",
    "strpos",
    "sum",
    "tan",
    "tanh",
    "translate",
    "trim",
    "upper",
    "uuid",
    "var_pop",
    "var_samp",
];

/// Trino's name and ours.
const RENAMED: &[(&str, &str)] = &[
    ("array_remove", "array_remove_all"),
    ("arrays_overlap", "array_has_any"),
    ("bitwise_and_agg", "bit_and"),
    ("bitwise_or_agg", "bit_or"),
    ("cardinality", "hw_cardinality"),
    ("ceiling", "ceil"),
    ("codepoint", "ascii"),
    ("contains", "array_has"),
    ("current_timestamp", "now"),
    ("date_add", "hw_date_add"),
    ("date_diff", "hw_date_diff"),
    ("date_format", "hw_date_format"),
    ("date_parse", "hw_date_parse"),
    ("date_trunc", "hw_date_trunc"),
    ("day", "hw_day"),
    ("day_of_month", "hw_day"),
    ("day_of_week", "hw_day_of_week"),
    ("day_of_year", "hw_day_of_year"),
    ("dow", "hw_day_of_week"),
    ("doy", "hw_day_of_year"),
    ("element_at", "hw_element_at"),
    ("every", "bool_and"),
    ("format_datetime", "hw_format_datetime"),
    ("from_iso8601_date", "hw_from_iso8601_date"),
    ("from_iso8601_timestamp", "hw_from_iso8601_timestamp"),
    ("from_unixtime", "hw_from_unixtime"),
    ("hour", "hw_hour"),
    ("is_nan", "isnan"),
    ("json_array_length", "hw_json_array_length"),
    ("json_extract", "hw_json_extract"),
    ("json_extract_scalar", "hw_json_extract_scalar"),
    ("json_format", "hw_json_parse"),
    ("json_parse", "hw_json_parse"),
    ("json_size", "hw_json_size"),
    ("last_day_of_month", "hw_last_day_of_month"),
    ("levenshtein_distance", "levenshtein"),
    ("millisecond", "hw_millisecond"),
    ("minute", "hw_minute"),
    ("month", "hw_month"),
    ("parse_datetime", "hw_parse_datetime"),
    ("pow", "power"),
    ("quarter", "hw_quarter"),
    ("rand", "random"),
    ("regexp_count", "hw_regexp_count"),
    ("regexp_extract", "hw_regexp_extract"),
    ("regexp_extract_all", "hw_regexp_extract_all"),
    ("regexp_replace", "hw_regexp_replace"),
    ("regexp_split", "hw_regexp_split"),
    ("repeat", "array_repeat"),
    ("reverse", "reverse"),
    ("second", "hw_second"),
    ("sequence", "generate_series"),
    ("sign", "signum"),
    ("split", "hw_split"),
    ("split_part", "hw_split_part"),
    ("substr", "hw_substr"),
    ("substring", "hw_substr"),
    ("to_iso8601", "hw_to_iso8601"),
    ("to_unixtime", "hw_to_unixtime"),
    ("truncate", "trunc"),
    ("url_extract_host", "hw_url_extract_host"),
    ("url_extract_parameter", "hw_url_extract_parameter"),
    ("url_extract_path", "hw_url_extract_path"),
    ("variance", "var_samp"),
    ("week", "hw_week"),
    ("week_of_year", "hw_week"),
    ("year", "hw_year"),
];

type Special = fn(Function, Vec<Expr>) -> Result<Expr, QueryError>;

fn special(name: &str) -> Option<Special> {
    Some(match name {
        "approx_percentile" => approx_percentile,
        "arbitrary" | "any_value" => any_value,
        "array_join" => |_, args| Ok(call("array_to_string", args)),
        "array_position" => array_position,
        "array_sort" => |_, args| {
            let [array] = exactly(args, "array_sort")?;
            Ok(call("array_sort", vec![array, text("ASC"), text("NULLS LAST")]))
        },
        "concat" => concat,
        "count_if" => count_if,
        "date" => |_, args| {
            let [value] = exactly(args, "date")?;
            Ok(cast(CastKind::Cast, value, DataType::Date))
        },
        "e" => |_, _| Ok(call("exp", vec![number(1)])),
        "greatest" => |_, args| null_if_any("greatest", args),
        "least" => |_, args| null_if_any("least", args),
        "if" => |_, args| match <[Expr; 3]>::try_from(args) {
            Ok([condition, yes, no]) => Ok(case(condition, yes, Some(no))),
            Err(args) => {
                let [condition, yes] = exactly(args, "if")?;
                Ok(case(condition, yes, None))
            }
        },
        "infinity" => |_, _| Ok(cast(CastKind::Cast, text("Infinity"), DataType::Double(double()))),
        "nan" => |_, _| Ok(cast(CastKind::Cast, text("NaN"), DataType::Double(double()))),
        "listagg" => listagg,
        "localtimestamp" => |_, _| {
            let micros = DataType::Timestamp(Some(6), TimezoneInfo::None);
            Ok(cast(CastKind::Cast, call("now", Vec::new()), micros))
        },
        "max_by" => |function, args| by(function, args, false),
        "min_by" => |function, args| by(function, args, true),
        "mod" => |_, args| {
            let [left, right] = exactly(args, "mod")?;
            Ok(nested(binary(left, BinaryOperator::Modulo, right)))
        },
        "replace" => |_, mut args| {
            if args.len() == 2 {
                args.push(text(""));
            }
            Ok(call("replace", args))
        },
        "slice" => |_, args| {
            let [array, start, length] = exactly(args, "slice")?;
            let end =
                binary(binary(start.clone(), BinaryOperator::Plus, length), BinaryOperator::Minus, number(1));
            Ok(call("array_slice", vec![array, start, end]))
        },
        "try" => |_, args| match exactly(args, "try")? {
            [Expr::Cast { expr, data_type, .. }] => Ok(cast(CastKind::TryCast, *expr, data_type)),
            _ => Err(unsupported("TRY of anything but a CAST; use TRY_CAST")),
        },
        _ => return bytes(name),
    })
}

/// Functions of bytes and their texts.
fn bytes(name: &str) -> Option<Special> {
    Some(match name {
        "from_base64" => |_, args| with_encoding("decode", args, "base64"),
        "from_hex" => |_, args| with_encoding("decode", args, "hex"),
        "from_utf8" => |_, args| {
            let [value] = exactly(args, "from_utf8")?;
            Ok(cast(CastKind::Cast, value, DataType::Varchar(None)))
        },
        "md5" => |_, args| {
            let [value] = exactly(args, "md5")?;
            Ok(call("digest", vec![value, text("md5")]))
        },
        "to_base64" => |_, args| with_encoding("encode", args, "base64pad"),
        "to_hex" => |_, args| Ok(call("upper", vec![with_encoding("encode", args, "hex")?])),
        "to_utf8" => |_, args| {
            let [value] = exactly(args, "to_utf8")?;
            Ok(cast(CastKind::Cast, value, DataType::Bytea))
        },
        _ => return None,
    })
}

fn double() -> datafusion::sql::sqlparser::ast::ExactNumberInfo {
    datafusion::sql::sqlparser::ast::ExactNumberInfo::None
}

/// The plain arguments of a call; `count(*)` and the like have none.
pub fn plain_arguments(function: &Function) -> Option<Vec<Expr>> {
    let FunctionArguments::List(list) = &function.args else { return Some(Vec::new()) };
    list.args
        .iter()
        .map(|arg| match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
            _ => None,
        })
        .collect()
}

fn exactly<const N: usize>(args: Vec<Expr>, name: &str) -> Result<[Expr; N], QueryError> {
    let count = args.len();
    <[Expr; N]>::try_from(args).map_err(|_| {
        QueryError::User(format!(
            "SYNTAX_ERROR: line 1:1: Unexpected parameters for function {name}: {count} instead of {N}"
        ))
    })
}

fn with_encoding(function: &str, args: Vec<Expr>, encoding: &str) -> Result<Expr, QueryError> {
    let [value] = exactly(args, encoding)?;
    Ok(call(function, vec![value, text(encoding)]))
}

/// `concat` is null if any argument is; DataFusion's skips nulls, its `||` does not.
fn concat(_: Function, args: Vec<Expr>) -> Result<Expr, QueryError> {
    let mut args = args.into_iter();
    let first = args.next().ok_or_else(|| unsupported("concat without arguments"))?;
    Ok(nested(args.fold(first, |left, right| binary(left, BinaryOperator::StringConcat, right))))
}

fn null_if_any(name: &str, args: Vec<Expr>) -> Result<Expr, QueryError> {
    let any = args
        .iter()
        .map(|arg| Expr::IsNull(Box::new(nested(arg.clone()))))
        .reduce(|left, right| Expr::BinaryOp {
            left: Box::new(left),
            op: BinaryOperator::Or,
            right: Box::new(right),
        })
        .ok_or_else(|| unsupported(format_args!("{name} without arguments")))?;
    Ok(case(any, null(), Some(call(name, args))))
}

/// Trino answers 0 where the element is absent.
fn array_position(_: Function, args: Vec<Expr>) -> Result<Expr, QueryError> {
    let [array, element] = exactly(args, "array_position")?;
    let found = call("coalesce", vec![call("array_position", vec![array.clone(), element]), number(0)]);
    Ok(case(Expr::IsNull(Box::new(nested(array))), null(), Some(found)))
}

fn count_if(original: Function, args: Vec<Expr>) -> Result<Expr, QueryError> {
    let [condition] = exactly(args, "count_if")?;
    let condition = match original.filter {
        Some(filter) => binary(condition, BinaryOperator::And, *filter),
        None => condition,
    };
    let counted = function("count", vec![case(condition, number(1), None)]);
    Ok(Expr::Function(Function { over: original.over, ..counted }))
}

/// Any value that is not null, if there is one.
fn any_value(original: Function, args: Vec<Expr>) -> Result<Expr, QueryError> {
    let [value] = exactly(args, "arbitrary")?;
    let present = Expr::IsNotNull(Box::new(nested(value.clone())));
    Ok(Expr::Function(filtered(function("first_value", vec![value]), original, present)))
}

fn filtered(mut target: Function, original: Function, condition: Expr) -> Function {
    target.over = original.over;
    target.filter = Some(Box::new(match original.filter {
        Some(filter) => binary(condition, BinaryOperator::And, *filter),
        None => condition,
    }));
    target
}

/// `max_by(x, y)`: x of the row whose y is greatest, among rows with a y.
fn by(original: Function, args: Vec<Expr>, ascending: bool) -> Result<Expr, QueryError> {
    let [value, key] = exactly(args, "max_by and min_by")?;
    if original.over.is_some() {
        return Err(unsupported("max_by and min_by as window functions"));
    }
    let present = Expr::IsNotNull(Box::new(nested(key.clone())));
    let first = ordered(function("first_value", vec![value]), key, ascending);
    Ok(Expr::Function(filtered(first, original, present)))
}

fn approx_percentile(original: Function, args: Vec<Expr>) -> Result<Expr, QueryError> {
    let [value, percentile] = exactly(args, "approx_percentile")?;
    if !matches!(percentile, Expr::Value(_)) {
        return Err(unsupported("approx_percentile with anything but a constant percentage"));
    }
    if original.over.is_some() {
        return Err(unsupported("approx_percentile as a window function"));
    }
    let mut target = function("approx_percentile_cont", vec![percentile]);
    let options = OrderByOptions { asc: None, nulls_first: None };
    target.within_group = vec![OrderByExpr { expr: value, options, with_fill: None }];
    target.filter = original.filter;
    Ok(Expr::Function(target))
}

fn listagg(original: Function, mut args: Vec<Expr>) -> Result<Expr, QueryError> {
    if args.len() == 1 {
        args.push(text(""));
    }
    let [value, separator] = exactly(args, "listagg")?;
    if literal_text(&separator).is_none() {
        return Err(unsupported("listagg with anything but a constant separator"));
    }
    let mut target = function("string_agg", vec![value, separator]);
    for order in original.within_group {
        target = ordered(target, order.expr, order.options.asc.unwrap_or(true));
    }
    target.filter = original.filter;
    Ok(Expr::Function(target))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_can_be_searched() {
        assert!(SAME.windows(2).all(|pair| pair[0] < pair[1]), "SAME is sorted");
        assert!(RENAMED.windows(2).all(|pair| pair[0].0 < pair[1].0), "RENAMED is sorted");
        for (name, _) in RENAMED {
            assert!(SAME.binary_search(name).is_err(), "{name} stands in both lists");
        }
    }

    #[test]
    fn what_is_not_listed_is_not_known() {
        for name in ["to_char", "make_date", "pg_typeof", "regexp_match", "hw_text", "typeof"] {
            assert!(mapping(name).is_none(), "{name}");
        }
    }
}
