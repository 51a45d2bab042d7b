//! Text to tokens.

use std::ops::Range;

use super::{EXPRESSION_BYTES_MAX, ExpressionError};

/// A token's kind; its text is cut out of the source where it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenKind {
    /// A bare word: a keyword, a function or an attribute.
    Word,
    /// `#name`.
    Name,
    /// `:value`.
    Value,
    /// Digits.
    Number,
    /// `=`, `<=`, `(` and the like.
    Sign,
    /// Past the last token.
    End,
}

/// The tokens of one expression and where the reader stands.
#[derive(Debug)]
pub(crate) struct Tokens<'t> {
    text: &'t str,
    tokens: Vec<(TokenKind, Range<usize>)>,
    at: usize,
}

impl<'t> Tokens<'t> {
    /// Cuts `text` up.
    pub(crate) fn new(text: &'t str) -> Result<Self, ExpressionError> {
        if text.len() > EXPRESSION_BYTES_MAX {
            return Err(ExpressionError::TooLong(text.len()));
        }
        let mut all = Self { text, tokens: Vec::new(), at: 0 };
        let mut from = 0;
        while let Some((token, next)) = next_token(text, from) {
            from = next;
            all.tokens.push(token);
            if matches!(all.tokens.last(), Some((TokenKind::End, _))) {
                // Not a character of the language: complain where it stands.
                all.at = all.tokens.len() - 1;
                return Err(all.syntax_error());
            }
        }
        if all.tokens.is_empty() { Err(ExpressionError::Empty) } else { Ok(all) }
    }

    /// The next token, without taking it.
    pub(crate) fn peek(&self) -> (TokenKind, &'t str) {
        match self.tokens.get(self.at) {
            Some((kind, range)) => (*kind, &self.text[range.clone()]),
            None => (TokenKind::End, "<EOF>"),
        }
    }

    /// Takes the next token.
    pub(crate) fn next(&mut self) -> (TokenKind, &'t str) {
        let token = self.peek();
        self.at += 1;
        token
    }

    /// Takes the sign, if it is next.
    pub(crate) fn take(&mut self, sign: &str) -> bool {
        let found = self.peek() == (TokenKind::Sign, sign);
        self.at += usize::from(found);
        found
    }

    /// Takes the sign, which must be next.
    pub(crate) fn expect(&mut self, sign: &str) -> Result<(), ExpressionError> {
        if self.take(sign) { Ok(()) } else { Err(self.syntax_error()) }
    }

    /// Takes the keyword in any case, if it is next.
    pub(crate) fn take_keyword(&mut self, keyword: &str) -> bool {
        let (kind, text) = self.peek();
        let found = kind == TokenKind::Word && text.eq_ignore_ascii_case(keyword);
        self.at += usize::from(found);
        found
    }

    /// Whether a parenthesis follows the next token: it is a function.
    pub(crate) fn is_call(&self) -> bool {
        let after = self.tokens.get(self.at + 1);
        self.peek().0 == TokenKind::Word
            && after.is_some_and(|(kind, range)| *kind == TokenKind::Sign && &self.text[range.clone()] == "(")
    }

    /// Whether every token was taken.
    pub(crate) fn is_done(&self) -> bool {
        self.at >= self.tokens.len()
    }

    /// The complaint about the next token.
    pub(crate) fn syntax_error(&self) -> ExpressionError {
        let token = match self.tokens.get(self.at) {
            Some((_, range)) => self.text[range.clone()].to_owned(),
            None => "<EOF>".to_owned(),
        };
        let first = self.at.min(self.tokens.len()).saturating_sub(1);
        let last = (self.at + 1).min(self.tokens.len().saturating_sub(1));
        let near = match (self.tokens.get(first), self.tokens.get(last)) {
            (Some((_, from)), Some((_, to))) => self.text[from.start..to.end].to_owned(),
            _ => String::new(),
        };
        ExpressionError::Syntax { token, near }
    }
}

/// The token at or after `from`, and where to go on. `End` is a character of no token.
fn next_token(text: &str, from: usize) -> Option<((TokenKind, Range<usize>), usize)> {
    let rest = &text[from..];
    let start = from + (rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len());
    let rest = &text[start..];
    let first = rest.chars().next()?;
    let word = |prefix: usize| {
        let body = &rest[prefix..];
        prefix + body.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(body.len())
    };
    let (kind, len) = match first {
        'a'..='z' | 'A'..='Z' | '_' => (TokenKind::Word, word(0)),
        '#' if word(1) > 1 => (TokenKind::Name, word(1)),
        ':' if word(1) > 1 => (TokenKind::Value, word(1)),
        '0'..='9' => (TokenKind::Number, rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())),
        _ => {
            let pair = ["<>", "<=", ">="].into_iter().find(|pair| rest.starts_with(pair));
            match (pair, first) {
                (Some(pair), _) => (TokenKind::Sign, pair.len()),
                (None, '=' | '<' | '>' | '(' | ')' | '[' | ']' | ',' | '.' | '+' | '-') => {
                    (TokenKind::Sign, 1)
                }
                (None, other) => (TokenKind::End, other.len_utf8()),
            }
        }
    };
    Some(((kind, start..start + len), start + len))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Vec<(TokenKind, &str)> {
        let mut tokens = Tokens::new(text).unwrap();
        std::iter::from_fn(|| (!tokens.is_done()).then(|| tokens.next())).collect()
    }

    #[test]
    fn text_is_cut_into_tokens() {
        use TokenKind::{Name, Number, Sign, Value, Word};
        assert_eq!(
            all("#a.b[10]<=:v_1 AND(x<>y)"),
            [
                (Name, "#a"),
                (Sign, "."),
                (Word, "b"),
                (Sign, "["),
                (Number, "10"),
                (Sign, "]"),
                (Sign, "<="),
                (Value, ":v_1"),
                (Word, "AND"),
                (Sign, "("),
                (Word, "x"),
                (Sign, "<>"),
                (Word, "y"),
                (Sign, ")"),
            ]
        );
    }

    #[test]
    fn foreign_characters_are_named_with_their_neighbours() {
        let error = Tokens::new("a = ! b").unwrap_err();
        assert_eq!(error, ExpressionError::Syntax { token: "!".into(), near: "= !".into() });
        assert_eq!(Tokens::new(" \t").unwrap_err(), ExpressionError::Empty);
        assert_eq!(Tokens::new(&"a".repeat(4097)).unwrap_err(), ExpressionError::TooLong(4097));
    }
}
