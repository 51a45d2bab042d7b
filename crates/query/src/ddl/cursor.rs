//! The parser's place among the tokens, and the small things it reads there: words, symbols,
//! names, strings.

use headwater_catalog::QueryError;

use super::lexer::{Spanned, Token};
use super::statement::TableName;

/// A parser of one statement.
pub struct Parser<'a> {
    /// The statement's text.
    pub sql: &'a str,
    /// Its tokens.
    pub tokens: Vec<Spanned>,
    /// The next token.
    pub at: usize,
}

/// What parsing gives.
pub type Parsed<T> = Result<T, QueryError>;

impl Parser<'_> {
    pub fn table_name(&mut self) -> Parsed<TableName> {
        let mut parts = vec![self.name()?];
        while self.symbol('.') {
            parts.push(self.name()?);
        }
        let table = parts.pop().expect("a name was just put there");
        match (parts.pop(), parts.pop(), parts.is_empty()) {
            (database, None, true) => Ok(TableName { database, table }),
            (database, Some(catalog), true) if catalog == crate::names::CATALOG => {
                Ok(TableName { database, table })
            }
            _ => Err(self.refuse_last("expected [database.]table")),
        }
    }

    /// A name, in lower case.
    pub fn name(&mut self) -> Parsed<String> {
        match self.advance()? {
            Token::Word(word) | Token::Quoted(word) if !word.is_empty() => Ok(word.to_lowercase()),
            _ => Err(self.refuse_last("expected a name")),
        }
    }

    /// A string. Hive takes double quotes for strings, too.
    pub fn text(&mut self) -> Parsed<String> {
        match self.advance()? {
            Token::Text(text) | Token::Quoted(text) => Ok(text),
            _ => Err(self.refuse_last("expected a string")),
        }
    }

    pub fn if_exists(&mut self) -> Parsed<bool> {
        let said = self.accept("IF");
        if said {
            self.word("EXISTS")?;
        }
        Ok(said)
    }

    pub fn if_not_exists(&mut self) -> Parsed<bool> {
        let said = self.accept("IF");
        if said {
            self.word("NOT")?;
            self.word("EXISTS")?;
        }
        Ok(said)
    }

    pub fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|spanned| &spanned.token)
    }

    pub fn advance(&mut self) -> Parsed<Token> {
        let token = self.peek().cloned().ok_or_else(|| self.refuse("the statement ends too early"))?;
        self.at += 1;
        Ok(token)
    }

    pub fn is(&self, word: &str) -> bool {
        matches!(self.peek(), Some(Token::Word(found)) if found.eq_ignore_ascii_case(word))
    }

    pub fn is_symbol(&self, symbol: char) -> bool {
        matches!(self.peek(), Some(Token::Symbol(found)) if *found == symbol)
    }

    pub fn accept(&mut self, word: &str) -> bool {
        let found = self.is(word);
        self.at += usize::from(found);
        found
    }

    pub fn symbol(&mut self, symbol: char) -> bool {
        let found = self.is_symbol(symbol);
        self.at += usize::from(found);
        found
    }

    pub fn word(&mut self, word: &str) -> Parsed<()> {
        if self.accept(word) {
            Ok(())
        } else {
            Err(self.refuse(&format!("mismatched input. Expecting: {word}")))
        }
    }

    pub fn expect(&mut self, symbol: char) -> Parsed<()> {
        if self.symbol(symbol) {
            Ok(())
        } else {
            Err(self.refuse(&format!("mismatched input. Expecting: '{symbol}'")))
        }
    }

    pub fn end(&self) -> Parsed<()> {
        if self.at == self.tokens.len() {
            Ok(())
        } else {
            Err(self.refuse("mismatched input. Expecting: <EOF>"))
        }
    }

    pub fn refuse(&self, message: &str) -> QueryError {
        let at = self.tokens.get(self.at).map_or(self.sql.len(), |token| token.span.start);
        refuse_at(self.sql, at, message)
    }

    pub fn refuse_last(&self, message: &str) -> QueryError {
        let at = self.tokens.get(self.at.saturating_sub(1)).map_or(self.sql.len(), |token| token.span.start);
        refuse_at(self.sql, at, message)
    }
}

/// A refusal at a byte of the text.
pub fn refuse_at(sql: &str, at: usize, message: &str) -> QueryError {
    let before = &sql[..at.min(sql.len())];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |tail| tail.chars().count()) + 1;
    let near: String =
        sql[at.min(sql.len())..].split_whitespace().next().unwrap_or("<EOF>").chars().take(40).collect();
    QueryError::User(format!("SYNTAX_ERROR: line {line}:{column}: {message} near '{near}'"))
}
