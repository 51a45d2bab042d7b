//! A script of SQL statements.

/// The most statements a script has.
pub(crate) const STATEMENTS_MAX: usize = 1000;
/// The longest script, in bytes.
pub(crate) const SCRIPT_BYTES_MAX: usize = 96 << 10;

/// The statements of a script, in order: what stands between semicolons, without those in quotes
/// and comments, and without empty ones.
pub(crate) fn statements(script: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = script;
    loop {
        let end = end_of_statement(rest);
        let statement = rest[..end].trim();
        if !is_blank(statement) {
            found.push(statement.to_owned());
        }
        match rest.get(end + 1..) {
            Some(after) => rest = after,
            None => return found,
        }
    }
}

/// Whether a statement adds rows to a table, and so may advance a bookmark.
pub(crate) fn writes_rows(statement: &str) -> bool {
    let mut words =
        uncommented(statement).split_whitespace().map(str::to_ascii_uppercase).collect::<Vec<_>>();
    words.truncate(2048);
    match words.first().map(String::as_str) {
        Some("INSERT") => true,
        Some("CREATE") => words.iter().any(|word| word == "SELECT" || word == "(SELECT"),
        _ => false,
    }
}

/// The statement from its first word that is not a comment.
fn uncommented(statement: &str) -> &str {
    let mut rest = statement.trim_start();
    loop {
        let past = past_comment(rest);
        if past == 0 {
            return rest;
        }
        rest = rest[past..].trim_start();
    }
}

fn is_blank(statement: &str) -> bool {
    uncommented(statement).is_empty()
}

/// The position of the semicolon that ends the first statement, or the end of the text.
fn end_of_statement(text: &str) -> usize {
    let mut at = 0;
    while let Some(letter) = text[at..].chars().next() {
        let past = past_comment(&text[at..]);
        if past > 0 {
            at += past;
            continue;
        }
        match letter {
            ';' => return at,
            '\'' | '"' | '`' => {
                let inside = at + 1;
                at = text[inside..].find(letter).map_or(text.len(), |end| inside + end + 1);
            }
            _ => at += letter.len_utf8(),
        }
    }
    text.len()
}

/// The length of the comment at the beginning, 0 when there is none.
fn past_comment(text: &str) -> usize {
    if text.starts_with("--") {
        text.find('\n').map_or(text.len(), |end| end + 1)
    } else if text.starts_with("/*") {
        text.find("*/").map_or(text.len(), |end| end + 2)
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn semicolons_end_statements_but_not_in_quotes_or_comments() {
        let script = "-- first;\nSELECT ';' , 'it''s;' ; /* ; */ insert into \"a;b\" select 1;\n;-- end";
        assert_eq!(
            statements(script),
            ["-- first;\nSELECT ';' , 'it''s;'", "/* ; */ insert into \"a;b\" select 1"]
        );
        assert_eq!(statements("select 'open"), ["select 'open"]);
        assert!(statements(" ; -- nothing\n").is_empty());
    }

    #[test]
    fn what_writes_rows_is_told() {
        assert!(writes_rows("-- c\n insert overwrite t select 1"));
        assert!(writes_rows("CREATE TABLE t WITH (x = 'y') AS SELECT 1"));
        assert!(!writes_rows("create external table t (a int)"));
        assert!(!writes_rows("select 1"));
    }

    proptest! {
        #[test]
        fn foreign_text_never_panics(text in "[a;'\"`*/ü\n -]*") {
            let found = statements(&text);
            prop_assert!(found.iter().all(|statement| !statement.is_empty()));
        }
    }
}
