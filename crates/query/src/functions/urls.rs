//! Parts of URLs.

use arrow::datatypes::DataType;

use super::function::{Function, always, map_texts};

/// The functions of this file.
pub fn functions() -> Vec<Function> {
    vec![
        Function::new("hw_url_extract_host", &[1], always!(DataType::Utf8), |args| {
            map_texts(&args[0], |url| Ok(host(url).map(str::to_owned)))
        }),
        Function::new("hw_url_extract_path", &[1], always!(DataType::Utf8), |args| {
            map_texts(&args[0], |url| Ok(split(url).map(|(_, path, _)| path.to_owned())))
        }),
        Function::new("hw_url_extract_parameter", &[2], always!(DataType::Utf8), |args| {
            let names = super::function::texts(&args[1])?;
            let urls = super::function::texts(&args[0])?;
            let values: arrow::array::StringArray = urls
                .iter()
                .zip(&names)
                .map(|(url, name)| parameter(url?, name?).map(str::to_owned))
                .collect();
            Ok(std::sync::Arc::new(values))
        }),
    ]
}

/// Authority, path and query of a URL.
fn split(url: &str) -> Option<(&str, &str, &str)> {
    let (_, rest) = url.split_once("://")?;
    let rest = rest.split('#').next()?;
    let (before, query) = rest.split_once('?').unwrap_or((rest, ""));
    let path = before.find('/').unwrap_or(before.len());
    Some((&before[..path], &before[path..], query))
}

fn host(url: &str) -> Option<&str> {
    let (authority, _, _) = split(url)?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    (!host.is_empty()).then_some(host)
}

fn parameter<'a>(url: &'a str, name: &str) -> Option<&'a str> {
    let (_, _, query) = split(url)?;
    query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (key == name).then_some(value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let url = "https://ada@example.org:8443/a/b?x=1&y=#end";
        assert_eq!(host(url), Some("example.org"));
        assert_eq!(split(url).map(|(_, path, _)| path), Some("/a/b"));
        assert_eq!(
            (parameter(url, "x"), parameter(url, "y"), parameter(url, "z")),
            (Some("1"), Some(""), None)
        );
        assert_eq!(host("not a url"), None);
    }
}
