//! Hive-style paths: `year=2026/month=01/`, with the escaping Hive uses.
//!
//! Hive writes a character that would be ambiguous in a path as `%XX`, and an absent value as
//! [`DEFAULT_PARTITION`]. Reading is lenient: any valid `%XX` is decoded, anything else stays.

/// The folder value that stands for null and for the empty string.
pub const DEFAULT_PARTITION: &str = "__HIVE_DEFAULT_PARTITION__";

/// `key=value/key=value/` for these columns and values, escaped as Hive does. An empty value
/// becomes [`DEFAULT_PARTITION`]. Stops at the shorter of the two lists.
pub fn partition_path(columns: &[&str], values: &[&str]) -> String {
    let mut path = String::with_capacity(columns.len() * 16);
    for (column, value) in columns.iter().zip(values) {
        escape_into(&mut path, column);
        path.push('=');
        escape_into(&mut path, if value.is_empty() { DEFAULT_PARTITION } else { value });
        path.push('/');
    }
    path
}

/// The `(key, value)` pairs of the folders in `path` that have the form `key=value`, unescaped.
/// What follows the last `/` is a file's name, not a folder.
pub fn parse_partition_path(path: &str) -> Vec<(String, String)> {
    let Some((folders, _file)) = path.rsplit_once('/') else { return Vec::new() };
    folders.split('/').filter_map(parse_folder).collect()
}

/// The key and value of one folder's name, if it has the form `key=value`.
pub fn parse_folder(name: &str) -> Option<(String, String)> {
    let (key, value) = name.split_once('=')?;
    (!key.is_empty()).then(|| (unescape(key), unescape(value)))
}

/// Whether Hive escapes this character in a path.
fn is_escaped(c: char) -> bool {
    matches!(
        c,
        '\u{1}'
            ..='\u{1F}'
                | '\u{7F}'
                | '"'
                | '#'
                | '%'
                | '\''
                | '*'
                | '/'
                | ':'
                | '='
                | '?'
                | '\\'
                | '{'
                | '['
                | ']'
                | '^'
    )
}

fn escape_into(path: &mut String, text: &str) {
    use std::fmt::Write;
    for c in text.chars() {
        if is_escaped(c) {
            write!(path, "%{:02X}", u32::from(c)).expect("a String takes all text");
        } else {
            path.push(c);
        }
    }
}

fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let decoded = (byte == b'%').then(|| hex_pair(tail)).flatten();
        if let Some(decoded) = decoded {
            bytes.push(decoded);
            rest = &tail[2..];
        } else {
            bytes.push(byte);
            rest = tail;
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

fn hex_pair(bytes: &[u8]) -> Option<u8> {
    let digit = |b: u8| char::from(b).to_digit(16);
    let (high, low) = (digit(*bytes.first()?)?, digit(*bytes.get(1)?)?);
    u8::try_from(high * 16 + low).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_are_written_as_hive_writes_them() {
        assert_eq!(partition_path(&["year", "month"], &["2026", "01"]), "year=2026/month=01/");
        assert_eq!(partition_path(&["t"], &["10:30/a=b"]), "t=10%3A30%2Fa%3Db/");
        assert_eq!(partition_path(&["t"], &["ü x"]), "t=ü x/");
        assert_eq!(partition_path(&["t"], &[""]), "t=__HIVE_DEFAULT_PARTITION__/");
    }

    #[test]
    fn folders_count_and_file_names_do_not() {
        let pairs = parse_partition_path("raw/year=2026/x/month=01/a=b.parquet");
        assert_eq!(pairs, [("year".into(), "2026".into()), ("month".into(), "01".into())]);
        assert_eq!(parse_partition_path("year=2026"), []);
        assert_eq!(parse_partition_path("=x/"), []);
        assert_eq!(
            parse_partition_path("t=100%/u=%zz/v=%C3%BC/"),
            [("t".into(), "100%".into()), ("u".into(), "%zz".into()), ("v".into(), "ü".into())]
        );
    }

    proptest! {
        #[test]
        fn values_survive_a_round_trip(key in "[a-z_:=%]{1,8}", value in ".{1,20}") {
            let path = partition_path(&[&key], &[&value]);
            prop_assert_eq!(path.matches('/').count(), 1);
            prop_assert_eq!(parse_partition_path(&path), [(key, value)]);
        }

        #[test]
        fn foreign_paths_never_panic(path in ".*") {
            let _ = parse_partition_path(&path);
        }
    }
}
