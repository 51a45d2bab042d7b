//! Regular expressions. Trino's are Java's: replacements name groups `$1` or `${name}`. Patterns
//! that need look-around or back-references are refused by the compiler, never run differently.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Int64Array, ListBuilder, StringBuilder};
use arrow::datatypes::DataType;
use datafusion::error::Result;
use regex::{Captures, Regex};

use super::function::{Function, always, integers, refuse, texts};
use super::strings::text_list;

/// The functions of this file.
pub fn functions() -> Vec<Function> {
    vec![
        Function::new("hw_regexp_extract", &[2, 3], always!(DataType::Utf8), extract),
        Function::new("hw_regexp_extract_all", &[2, 3], always!(text_list()), extract_all),
        Function::new("hw_regexp_replace", &[2, 3], always!(DataType::Utf8), replace),
        Function::new("hw_regexp_count", &[2], always!(DataType::Int64), count),
        Function::new("hw_regexp_split", &[2], always!(text_list()), split),
    ]
}

/// Calls `each` row by row with the text and the compiled pattern; `None` where either is null.
fn over(args: &[ArrayRef], mut each: impl FnMut(usize, Option<(&str, &Regex)>) -> Result<()>) -> Result<()> {
    let (values, patterns) = (texts(&args[0])?, texts(&args[1])?);
    let mut known: HashMap<&str, Regex> = HashMap::new();
    for row in 0..values.len() {
        if values.is_null(row) || patterns.is_null(row) {
            each(row, None)?;
            continue;
        }
        let pattern = patterns.value(row);
        if !known.contains_key(pattern) {
            match Regex::new(pattern) {
                Ok(regex) => known.insert(pattern, regex),
                Err(error) => {
                    return refuse(
                        format_args!("Invalid regular expression: {error}").to_string().replace('\n', " "),
                    );
                }
            };
        }
        each(row, Some((values.value(row), &known[pattern])))?;
    }
    Ok(())
}

fn group(regex: &Regex, groups: Option<&Int64Array>, row: usize) -> Result<usize> {
    let group = groups.map_or(0, |groups| groups.value(row));
    match usize::try_from(group) {
        Ok(group) if group < regex.captures_len() => Ok(group),
        _ => refuse(format_args!(
            "Pattern has {} groups. Cannot access group {group}",
            regex.captures_len() - 1
        )),
    }
}

fn captured(captures: &Captures<'_>, group: usize) -> Option<String> {
    captures.get(group).map(|found| found.as_str().to_owned())
}

fn extract(args: &[ArrayRef]) -> Result<ArrayRef> {
    let groups = args.get(2).map(integers).transpose()?;
    let mut result = StringBuilder::new();
    over(args, |row, input| {
        let found = match input {
            Some((text, regex)) => {
                let group = group(regex, groups.as_ref(), row)?;
                regex.captures(text).and_then(|captures| captured(&captures, group))
            }
            None => None,
        };
        result.append_option(found);
        Ok(())
    })?;
    Ok(Arc::new(result.finish()))
}

fn extract_all(args: &[ArrayRef]) -> Result<ArrayRef> {
    let groups = args.get(2).map(integers).transpose()?;
    let mut result = ListBuilder::new(StringBuilder::new());
    over(args, |row, input| {
        if let Some((text, regex)) = input {
            let group = group(regex, groups.as_ref(), row)?;
            for captures in regex.captures_iter(text) {
                result.values().append_option(captured(&captures, group));
            }
        }
        result.append(input.is_some());
        Ok(())
    })?;
    Ok(Arc::new(result.finish()))
}

/// Every match is replaced.
fn replace(args: &[ArrayRef]) -> Result<ArrayRef> {
    let replacements = args.get(2).map(texts).transpose()?;
    let mut result = StringBuilder::new();
    over(args, |row, input| {
        let replacement = match &replacements {
            Some(replacements) if replacements.is_null(row) => None,
            Some(replacements) => Some(rust_replacement(replacements.value(row))),
            None => Some(String::new()),
        };
        match (input, replacement) {
            (Some((text, regex)), Some(replacement)) => {
                result.append_value(regex.replace_all(text, replacement.as_str()));
            }
            _ => result.append_null(),
        }
        Ok(())
    })?;
    Ok(Arc::new(result.finish()))
}

/// `$1x` names group 1 in Java and the group `1x` in Rust: digits get braces. `\$` is a dollar.
fn rust_replacement(java: &str) -> String {
    let mut text = String::new();
    let mut chars = java.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('$') => text.push_str("$$"),
                Some(other) => text.push(other),
                None => text.push('\\'),
            },
            '$' if chars.peek().is_some_and(char::is_ascii_digit) => {
                text.push_str("${");
                text.extend(chars.next());
                text.push('}');
            }
            other => text.push(other),
        }
    }
    text
}

fn count(args: &[ArrayRef]) -> Result<ArrayRef> {
    let mut result = Vec::new();
    over(args, |_, input| {
        result.push(input.map(|(text, regex)| regex.find_iter(text).count() as i64));
        Ok(())
    })?;
    Ok(Arc::new(Int64Array::from(result)))
}

fn split(args: &[ArrayRef]) -> Result<ArrayRef> {
    let mut result = ListBuilder::new(StringBuilder::new());
    over(args, |_, input| {
        if let Some((text, regex)) = input {
            for part in regex.split(text) {
                result.values().append_value(part);
            }
        }
        result.append(input.is_some());
        Ok(())
    })?;
    Ok(Arc::new(result.finish()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn java_replacements_are_translated() {
        assert_eq!(rust_replacement("$1x-${name} \\$ \\\\"), "${1}x-${name} $$ \\");
    }
}
