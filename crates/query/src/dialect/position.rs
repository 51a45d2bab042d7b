//! Places in a statement's text, as Trino prints them: `line 1:8`.

use std::fmt;

use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

/// A line and a column, both from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The line.
    pub line: u64,
    /// The column.
    pub column: u64,
}

/// The statement's beginning.
pub const START: Place = Place { line: 1, column: 1 };

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}:{}", self.line, self.column)
    }
}

/// Where `name` first stands in `sql`, ignoring case; the beginning if it does not.
pub fn of_name(sql: &str, name: &str) -> Place {
    let tokens = Tokenizer::new(&GenericDialect {}, sql).tokenize_with_location().unwrap_or_default();
    tokens
        .iter()
        .find(|token| matches!(&token.token, Token::Word(word) if word.value.eq_ignore_ascii_case(name)))
        .map_or(START, |token| Place { line: token.span.start.line, column: token.span.start.column })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_whatever_their_case() {
        assert_eq!(of_name("SELECT a,\n  \"Foo\" FROM t", "foo").to_string(), "line 2:3");
        assert_eq!(of_name("SELECT 'foo'", "foo"), START);
    }
}
