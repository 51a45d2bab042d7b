//! JSON in text columns: paths of members and indices (`$.a.b[0]["c d"]`).

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Int64Array, StringBuilder};
use arrow::datatypes::DataType;
use datafusion::error::Result;
use serde_json::Value;

use super::function::{Function, always, map_texts, refuse, texts};

/// The functions of this file.
pub fn functions() -> Vec<Function> {
    vec![
        Function::new("hw_json_extract_scalar", &[2], always!(DataType::Utf8), |args| extract(args, scalar)),
        Function::new("hw_json_extract", &[2], always!(DataType::Utf8), |args| {
            extract(args, |value| Some(value.to_string()))
        }),
        Function::new("hw_json_array_length", &[1], always!(DataType::Int64), |args| {
            let lengths: Int64Array = texts(&args[0])?
                .iter()
                .map(|text| {
                    serde_json::from_str::<Value>(text?).ok()?.as_array().map(|items| items.len() as i64)
                })
                .collect();
            Ok(Arc::new(lengths))
        }),
        Function::new("hw_json_size", &[2], always!(DataType::Int64), size),
        Function::new("hw_json_parse", &[1], always!(DataType::Utf8), |args| {
            map_texts(&args[0], |text| match serde_json::from_str::<Value>(text) {
                Ok(value) => Ok(Some(value.to_string())),
                Err(error) => refuse(format_args!("Cannot convert value to JSON: {error}")),
            })
        }),
    ]
}

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Member(String),
    Index(usize),
}

/// Compiles a path; the error says why it is none.
fn compile(path: &str) -> Result<Vec<Step>, String> {
    let bad = || format!("Invalid JSON path: '{path}'");
    let mut rest = path.strip_prefix('$').ok_or_else(bad)?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(['.', '[']).unwrap_or(after.len());
            let name = &after[..end];
            if name.is_empty() || name.contains('*') {
                return Err(bad());
            }
            steps.push(Step::Member(name.trim_matches('"').to_owned()));
            rest = &after[end..];
            continue;
        }
        let after = rest.strip_prefix('[').ok_or_else(bad)?;
        let quote = after.chars().next().filter(|c| matches!(c, '"' | '\''));
        let (step, tail) = match quote {
            Some(quote) => {
                let (name, tail) = after[1..].split_once(quote).ok_or_else(bad)?;
                (Step::Member(name.to_owned()), tail)
            }
            None => {
                let end = after.find(']').ok_or_else(bad)?;
                (Step::Index(after[..end].parse().map_err(|_| bad())?), &after[end..])
            }
        };
        steps.push(step);
        rest = tail.strip_prefix(']').ok_or_else(bad)?;
    }
    Ok(steps)
}

fn find<'a>(value: &'a Value, steps: &[Step]) -> Option<&'a Value> {
    steps.iter().try_fold(value, |value, step| match step {
        Step::Member(name) => value.get(name),
        Step::Index(index) => value.get(index),
    })
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::Null | Value::Array(_) | Value::Object(_) => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// Calls `each` with the document's value at the path, row by row; text that is not JSON has none.
fn over(args: &[ArrayRef], mut each: impl FnMut(Option<&Value>)) -> Result<()> {
    let (documents, paths) = (texts(&args[0])?, texts(&args[1])?);
    let mut compiled: Option<(String, Vec<Step>)> = None;
    for row in 0..documents.len() {
        if documents.is_null(row) || paths.is_null(row) {
            each(None);
            continue;
        }
        let path = paths.value(row);
        if compiled.as_ref().is_none_or(|(known, _)| known != path) {
            match compile(path) {
                Ok(steps) => compiled = Some((path.to_owned(), steps)),
                Err(why) => return refuse(why),
            }
        }
        let steps = compiled.as_ref().map_or(&[][..], |(_, steps)| steps.as_slice());
        let document = serde_json::from_str::<Value>(documents.value(row)).ok();
        each(document.as_ref().and_then(|document| find(document, steps)));
    }
    Ok(())
}

fn extract(args: &[ArrayRef], text: fn(&Value) -> Option<String>) -> Result<ArrayRef> {
    let mut result = StringBuilder::new();
    over(args, |value| result.append_option(value.and_then(text)))?;
    Ok(Arc::new(result.finish()))
}

fn size(args: &[ArrayRef]) -> Result<ArrayRef> {
    let mut result = Vec::new();
    over(args, |value| {
        result.push(value.map(|value| match value {
            Value::Array(items) => items.len() as i64,
            Value::Object(members) => members.len() as i64,
            _ => 0,
        }));
    })?;
    Ok(Arc::new(Int64Array::from(result)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_lead_to_values() {
        let document: Value =
            serde_json::from_str(r#"{"a":{"b c":[1,{"d":"x"}]},"n":null,"t":true}"#).unwrap();
        let at = |path: &str| find(&document, &compile(path).unwrap()).and_then(scalar);
        assert_eq!(at("$.a[\"b c\"][1].d").as_deref(), Some("x"));
        assert_eq!(at("$['a']['b c'][0]").as_deref(), Some("1"));
        assert_eq!(at("$.t").as_deref(), Some("true"));
        assert_eq!(at("$.n"), None);
        assert_eq!(at("$.a"), None);
        assert_eq!(at("$.missing.x"), None);
        for path in ["", "a", "$.", "$[", "$[x]", "$..a", "$.*", "$[\"a]"] {
            assert!(compile(path).is_err(), "{path}");
        }
    }

    proptest! {
        #[test]
        fn any_path_compiles_or_is_refused(path: String) {
            let _ = compile(&path);
            let _ = compile(&format!("${path}"));
        }
    }
}
