//! From text to an expression whose literals have their keys' types.

use super::literal::{KeyType, Literal};
use super::{Comparison, Expr, Test};

/// How deep parentheses and NOT may nest.
const DEPTH_MAX: usize = 64;

/// Parses a whole expression. The error is a sentence for the client.
pub(super) fn parse(text: &str, names: &[&str], types: &[KeyType]) -> Result<Expr, String> {
    let tokens = tokens(text)?;
    let mut parser = Parser { tokens: &tokens, at: 0, names, types };
    let expr = parser.any(0)?;
    match parser.tokens.get(parser.at) {
        None => Ok(expr),
        Some(_) => Err(parser.unexpected("the end")),
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    /// A bare word: a key, a number or a word of the grammar.
    Word(String),
    /// A key in quotes.
    Name(String),
    Text(String),
    Sign(&'static str),
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    const SIGNS: [&str; 11] = ["<=", ">=", "<>", "!=", "=", "<", ">", "(", ")", ",", "-"];
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        if first == '\'' {
            let (text, after) = quoted(rest, '\'')?;
            tokens.push(Token::Text(text));
            rest = after;
        } else if first == '"' || first == '`' {
            let (name, after) = quoted(rest, first)?;
            tokens.push(Token::Name(name));
            rest = after;
        } else if let Some(sign) = SIGNS.into_iter().find(|sign| rest.starts_with(sign)) {
            tokens.push(Token::Sign(sign));
            rest = &rest[sign.len()..];
        } else {
            let end =
                rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '.')).unwrap_or(rest.len());
            if end == 0 {
                return Err(format!("unexpected {first:?} in the expression"));
            }
            tokens.push(Token::Word(rest[..end].to_owned()));
            rest = &rest[end..];
        }
        rest = rest.trim_start();
    }
    Ok(tokens)
}

/// The text in quotes at the beginning (a doubled quote is one) and what follows.
fn quoted(text: &str, quote: char) -> Result<(String, &str), String> {
    let mut inside = String::new();
    let mut rest = &text[quote.len_utf8()..];
    loop {
        let end = rest.find(quote).ok_or_else(|| format!("a {quote} in the expression is not closed"))?;
        inside.push_str(&rest[..end]);
        rest = &rest[end + quote.len_utf8()..];
        match rest.strip_prefix(quote) {
            Some(after) => {
                inside.push(quote);
                rest = after;
            }
            None => return Ok((inside, rest)),
        }
    }
}

struct Parser<'a> {
    tokens: &'a [Token],
    at: usize,
    names: &'a [&'a str],
    types: &'a [KeyType],
}

impl Parser<'_> {
    fn unexpected(&self, wanted: &str) -> String {
        match self.tokens.get(self.at) {
            None => format!("the expression ends where {wanted} is expected"),
            Some(Token::Word(word) | Token::Name(word)) => format!("expected {wanted}, found {word:?}"),
            Some(Token::Text(text)) => format!("expected {wanted}, found '{text}'"),
            Some(Token::Sign(sign)) => format!("expected {wanted}, found {sign:?}"),
        }
    }

    fn next_is(&self, word: &str) -> bool {
        matches!(self.tokens.get(self.at), Some(Token::Word(found)) if found.eq_ignore_ascii_case(word))
    }

    fn eat(&mut self, word: &str) -> bool {
        let found = self.next_is(word);
        self.at += usize::from(found);
        found
    }

    fn eat_sign(&mut self, sign: &str) -> bool {
        let found = matches!(self.tokens.get(self.at), Some(Token::Sign(found)) if *found == sign);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, word: &str) -> Result<(), String> {
        if self.eat(word) { Ok(()) } else { Err(self.unexpected(word)) }
    }

    fn expect_sign(&mut self, sign: &str) -> Result<(), String> {
        if self.eat_sign(sign) { Ok(()) } else { Err(self.unexpected(sign)) }
    }

    fn any(&mut self, depth: usize) -> Result<Expr, String> {
        let mut parts = vec![self.all(depth)?];
        while self.eat("or") {
            parts.push(self.all(depth)?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expr::Or(parts) })
    }

    fn all(&mut self, depth: usize) -> Result<Expr, String> {
        let mut parts = vec![self.one(depth)?];
        while self.eat("and") {
            parts.push(self.one(depth)?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expr::And(parts) })
    }

    fn one(&mut self, depth: usize) -> Result<Expr, String> {
        if depth > DEPTH_MAX {
            return Err("the expression is nested too deep".to_owned());
        }
        if self.eat("not") {
            return Ok(Expr::Not(Box::new(self.one(depth + 1)?)));
        }
        if self.eat_sign("(") {
            let inner = self.any(depth + 1)?;
            self.expect_sign(")")?;
            return Ok(inner);
        }
        self.test()
    }

    fn test(&mut self) -> Result<Expr, String> {
        if let Some(literal) = self.eat_literal() {
            let comparison = self.comparison()?.flipped();
            let key = self.key()?;
            let literal = self.typed(key, &literal)?;
            return Ok(Expr::Test { key, test: Test::Compare(comparison, literal) });
        }
        let key = self.key()?;
        if self.eat("is") {
            let negated = self.eat("not");
            self.expect("null")?;
            return Ok(negate(Expr::Test { key, test: Test::IsNull }, negated));
        }
        let negated = self.eat("not");
        let test = if self.eat("in") {
            self.in_list(key)?
        } else if self.eat("between") {
            let low = self.literal(key)?;
            self.expect("and")?;
            Test::Between(low, self.literal(key)?)
        } else if self.eat("like") {
            self.like(key)?
        } else if negated {
            return Err(self.unexpected("IN, BETWEEN or LIKE"));
        } else {
            let comparison = self.comparison()?;
            Test::Compare(comparison, self.literal(key)?)
        };
        Ok(negate(Expr::Test { key, test }, negated))
    }

    fn in_list(&mut self, key: usize) -> Result<Test, String> {
        self.expect_sign("(")?;
        let mut literals = vec![self.literal(key)?];
        while self.eat_sign(",") {
            literals.push(self.literal(key)?);
        }
        self.expect_sign(")")?;
        Ok(Test::In(literals))
    }

    fn like(&mut self, key: usize) -> Result<Test, String> {
        let kind = match &self.types[key] {
            KeyType::Text => {
                return self.eat_literal().map(Test::Like).ok_or_else(|| self.unexpected("a pattern"));
            }
            KeyType::Integer => "Integral",
            KeyType::Decimal => "Decimal",
            KeyType::Double => "Floating point",
            KeyType::Date => "Date",
            KeyType::Timestamp => "Timestamp",
            KeyType::Unknown(hive) => return Err(format!("Unknown type : '{hive}'")),
        };
        Err(format!("{kind} data type doesn't support operation 'LIKE'"))
    }

    fn comparison(&mut self) -> Result<Comparison, String> {
        let Some(Token::Sign(sign)) = self.tokens.get(self.at) else {
            return Err(self.unexpected("a comparison"));
        };
        let comparison = match *sign {
            "=" => Comparison::Equal,
            "<>" | "!=" => Comparison::NotEqual,
            "<" => Comparison::Less,
            "<=" => Comparison::LessOrEqual,
            ">" => Comparison::Greater,
            ">=" => Comparison::GreaterOrEqual,
            _ => return Err(self.unexpected("a comparison")),
        };
        self.at += 1;
        Ok(comparison)
    }

    fn key(&mut self) -> Result<usize, String> {
        let Some(Token::Word(name) | Token::Name(name)) = self.tokens.get(self.at) else {
            return Err(self.unexpected("a partition key"));
        };
        let named = |name: &str| self.names.iter().position(|known| known.eq_ignore_ascii_case(name));
        let unqualified = name.rsplit('.').next().unwrap_or(name);
        let key = named(name).or_else(|| named(unqualified));
        let key = key.ok_or_else(|| format!("no partition key is named {name:?}"))?;
        if let KeyType::Unknown(hive) = &self.types[key] {
            return Err(format!("Unknown type : '{hive}'"));
        }
        self.at += 1;
        Ok(key)
    }

    fn literal(&mut self, key: usize) -> Result<Literal, String> {
        let text = self.eat_literal().ok_or_else(|| self.unexpected("a literal"))?;
        self.typed(key, &text)
    }

    fn typed(&self, key: usize, text: &str) -> Result<Literal, String> {
        let key_type = &self.types[key];
        key_type.value(text).ok_or_else(|| format!("{text:?} is not a valid {}", key_type.name()))
    }

    /// Text in quotes, or a number; a word that names a key is not a literal.
    fn eat_literal(&mut self) -> Option<String> {
        let (text, used) = match &self.tokens[self.at..] {
            [Token::Text(text), ..] => (text.clone(), 1),
            [Token::Sign("-"), Token::Word(word), ..] if is_number(word) => (format!("-{word}"), 2),
            [Token::Word(word), ..] if is_number(word) && !self.names.contains(&word.as_str()) => {
                (word.clone(), 1)
            }
            _ => return None,
        };
        self.at += used;
        Some(text)
    }
}

fn is_number(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_digit() || c == '.') && word.parse::<f64>().is_ok()
}

fn negate(expr: Expr, negated: bool) -> Expr {
    if negated { Expr::Not(Box::new(expr)) } else { expr }
}
