//! Text to syntax tree.

use datafusion::sql::sqlparser::ast::Statement;
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};
use headwater_catalog::QueryError;

/// How deep expressions and queries may nest.
const DEPTH_MAX: usize = 80;
/// The longest statement, as Athena's.
pub const STATEMENT_BYTES_MAX: usize = 262_144;

/// Parses one statement. Every name, quoted or not, is folded to lower case, as Athena does.
pub fn statement(sql: &str) -> Result<Statement, QueryError> {
    if sql.len() > STATEMENT_BYTES_MAX {
        return Err(QueryError::User(format!(
            "QUERY_TEXT_TOO_LARGE: the statement has {} bytes of at most {STATEMENT_BYTES_MAX}",
            sql.len()
        )));
    }
    let dialect = GenericDialect {};
    let tokens =
        Tokenizer::new(&dialect, sql).tokenize_with_location().map_err(|error| refuse(&error.to_string()))?;
    let tokens: Vec<TokenWithSpan> = tokens.into_iter().map(folded).collect();
    let mut parser = Parser::new(&dialect).with_recursion_limit(DEPTH_MAX).with_tokens_with_locations(tokens);
    let mut statements = parser.parse_statements().map_err(|error| match error {
        ParserError::RecursionLimitExceeded => refuse("the statement nests too deeply"),
        ParserError::TokenizerError(text) | ParserError::ParserError(text) => refuse(&text),
    })?;
    match (statements.pop(), statements.is_empty()) {
        (Some(statement), true) => Ok(statement),
        (None, _) => Err(refuse("the statement is empty")),
        (Some(_), false) => Err(refuse("only one statement can be run at a time")),
    }
}

fn folded(mut token: TokenWithSpan) -> TokenWithSpan {
    if let Token::Word(word) = &mut token.token
        && word.quote_style.is_some()
    {
        word.value = word.value.to_lowercase();
    }
    token
}

/// `… at Line: 1, Column: 8` becomes `line 1:8: …`.
fn refuse(text: &str) -> QueryError {
    let (message, place) = match text.rsplit_once(" at Line: ") {
        Some((message, place)) => (message, place.replace(", Column: ", ":")),
        None => (text, "1:1".to_owned()),
    };
    let message = message.replace("Expected: ", "mismatched input. Expecting: ");
    QueryError::User(format!("SYNTAX_ERROR: line {place}: {message}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn refusals_say_where() {
        let error = statement("SELECT 1 FROM WHERE x = = 2").unwrap_err().to_string();
        assert!(error.starts_with("SYNTAX_ERROR: line 1:"), "{error}");
        assert!(statement("SELECT 1; SELECT 2").is_err());
    }

    /// With the stack that the engine's threads have: an unoptimised parser takes more than others'.
    #[test]
    fn depth_is_bounded() {
        let deep = || {
            assert!(statement(&"(".repeat(100_000)).is_err());
            assert!(statement(&format!("SELECT {}1{}", "(".repeat(20), ")".repeat(20))).is_ok());
        };
        let thread = std::thread::Builder::new().stack_size(crate::engine::STACK_BYTES).spawn(deep);
        thread.unwrap().join().unwrap();
    }

    #[test]
    fn quoted_names_are_folded_too() {
        assert_eq!(statement("SELECT \"Foo\" FROM T").unwrap().to_string(), "SELECT \"foo\" FROM T");
    }

    proptest! {
        #[test]
        fn any_text_parses_or_is_refused(text: String) {
            let _ = statement(&text);
        }
    }
}
