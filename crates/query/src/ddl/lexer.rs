//! Characters to tokens.

use std::ops::Range;

/// One token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// An unquoted word, as written.
    Word(String),
    /// A name in backticks or double quotes.
    Quoted(String),
    /// A string in single quotes.
    Text(String),
    /// A number, as written.
    Number(String),
    /// Any other character.
    Symbol(char),
}

/// A token and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spanned {
    /// The token.
    pub token: Token,
    /// Its bytes in the text.
    pub span: Range<usize>,
}

/// The tokens of `text`; `Err` says at which byte a quote or comment is never closed.
pub fn tokens(text: &str) -> Result<Vec<Spanned>, usize> {
    let mut lexer = Lexer { text, at: 0 };
    let mut all = Vec::new();
    while let Some(token) = lexer.next()? {
        all.push(token);
    }
    Ok(all)
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn next(&mut self) -> Result<Option<Spanned>, usize> {
        self.skip()?;
        let start = self.at;
        let Some(first) = self.rest().chars().next() else { return Ok(None) };
        let token = match first {
            '\'' => Token::Text(self.quoted('\'')?),
            '`' => Token::Quoted(self.quoted('`')?),
            '"' => Token::Quoted(self.quoted('"')?),
            c if c.is_ascii_digit() => Token::Number(self.take(|c| c.is_ascii_alphanumeric() || c == '.')),
            c if is_word(c) => Token::Word(self.take(is_word)),
            c => {
                self.at += c.len_utf8();
                Token::Symbol(c)
            }
        };
        Ok(Some(Spanned { token, span: start..self.at }))
    }

    fn take(&mut self, belongs: impl Fn(char) -> bool) -> String {
        let rest = self.rest();
        let end = rest.find(|c| !belongs(c)).unwrap_or(rest.len());
        let taken = rest[..end].to_owned();
        self.at += end;
        taken
    }

    fn skip(&mut self) -> Result<(), usize> {
        loop {
            let rest = self.rest();
            let blank = rest.len() - rest.trim_start().len();
            self.at += blank;
            let rest = self.rest();
            if rest.starts_with("--") {
                self.at += rest.find('\n').unwrap_or(rest.len());
            } else if rest.starts_with("/*") {
                let Some(end) = rest.find("*/") else { return Err(self.at) };
                self.at += end + 2;
            } else if blank == 0 {
                return Ok(());
            }
        }
    }

    /// A quoted text; the quote doubled stands for itself. In strings, `\'` and `\\` do, too.
    fn quoted(&mut self, quote: char) -> Result<String, usize> {
        let start = self.at;
        let mut text = String::new();
        let mut chars = self.rest().char_indices().skip(1).peekable();
        while let Some((at, c)) = chars.next() {
            if c == '\\' && quote == '\'' && matches!(chars.peek(), Some((_, '\'' | '\\'))) {
                text.extend(chars.next().map(|(_, c)| c));
            } else if c != quote {
                text.push(c);
            } else if chars.peek().is_some_and(|(_, next)| *next == quote) {
                chars.next();
                text.push(quote);
            } else {
                self.at = start + at + c.len_utf8();
                return Ok(text);
            }
        }
        Err(start)
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_strings_and_comments() {
        let all = tokens("ALTER -- x\n /* y */ `a``b` 'it''s' 'c\\'d' 12.5 (").unwrap();
        let kinds: Vec<Token> = all.into_iter().map(|t| t.token).collect();
        assert_eq!(
            kinds,
            [
                Token::Word("ALTER".into()),
                Token::Quoted("a`b".into()),
                Token::Text("it's".into()),
                Token::Text("c'd".into()),
                Token::Number("12.5".into()),
                Token::Symbol('('),
            ]
        );
    }

    proptest! {
        #[test]
        fn any_text_is_cut_into_tokens_in_order(text: String) {
            if let Ok(all) = tokens(&text) {
                prop_assert!(all.windows(2).all(|pair| pair[0].span.end <= pair[1].span.start));
                for token in all {
                    prop_assert!(text.is_char_boundary(token.span.start) && text.is_char_boundary(token.span.end));
                }
            }
        }
    }
}
