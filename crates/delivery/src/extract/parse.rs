//! The grammar of partition queries, by recursive descent.
//!
//! ```text
//! query  = "{" field ("," field)* "}"          field = name ":" pipe
//! pipe   = term ("|" step | arith number | "//" constant)*
//! term   = "(" pipe ")" | path | constant       path  = "." (name | "[" … "]" | "." …)*
//! step   = path-slice | "strftime" "(" text ")" | "tonumber" | "tostring" | …
//! ```

use sonic_rs::PointerNode;

use super::{First, Pipe, Step, Value};

/// How deep parentheses may nest.
const DEPTH_MAX: usize = 8;

/// Parses a whole query into its fields.
pub(super) fn query(text: &str) -> Result<Vec<(String, Pipe)>, String> {
    let mut parser = Parser { rest: text };
    parser.expect('{')?;
    let mut fields: Vec<(String, Pipe)> = Vec::new();
    if !parser.take('}') {
        loop {
            let name = parser.name_or_text()?;
            if fields.iter().any(|(known, _)| *known == name) {
                return Err(format!("the key {name:?} appears twice"));
            }
            parser.expect(':')?;
            fields.push((name, parser.pipe(0)?));
            if parser.take('}') {
                break;
            }
            parser.expect(',')?;
        }
    }
    parser.skip_space();
    if parser.rest.is_empty() {
        Ok(fields)
    } else {
        Err(format!("unexpected {:?} after the query", parser.rest))
    }
}

struct Parser<'a> {
    rest: &'a str,
}

impl Parser<'_> {
    fn pipe(&mut self, depth: usize) -> Result<Pipe, String> {
        if depth > DEPTH_MAX {
            return Err(format!("parentheses nest deeper than {DEPTH_MAX}"));
        }
        let mut pipe = self.term(depth)?;
        loop {
            if self.take_text("//") {
                pipe.steps.push(Step::Otherwise(self.constant()?));
            } else if self.take('|') {
                self.step(&mut pipe)?;
            } else if let Some(operator) = ['+', '-', '*', '/'].into_iter().find(|c| self.take(*c)) {
                let number = self.number()?;
                pipe.steps.push(Step::Arithmetic(operator, number));
            } else {
                return Ok(pipe);
            }
        }
    }

    fn term(&mut self, depth: usize) -> Result<Pipe, String> {
        self.skip_space();
        if self.take('(') {
            let mut pipe = self.pipe(depth + 1)?;
            self.expect(')')?;
            self.path_rest(&mut pipe)?;
            return Ok(pipe);
        }
        if self.rest.starts_with('.') {
            let mut pipe = Pipe { first: First::Path(Vec::new()), steps: Vec::new() };
            self.path(&mut pipe)?;
            return Ok(pipe);
        }
        Ok(Pipe { first: First::Constant(self.constant()?), steps: Vec::new() })
    }

    /// A step after `|`: a function, or a path into what came before.
    fn step(&mut self, pipe: &mut Pipe) -> Result<(), String> {
        self.skip_space();
        if self.rest.starts_with('.') {
            return self.path(pipe);
        }
        let step = match self.name()?.as_str() {
            "strftime" => {
                self.expect('(')?;
                let pattern = self.text()?;
                self.expect(')')?;
                Step::Strftime(checked_pattern(pattern)?)
            }
            "tonumber" => Step::ToNumber,
            "tostring" => Step::ToString,
            "fromdate" | "fromdateiso8601" => Step::FromDate,
            "ascii_downcase" => Step::Downcase,
            "ascii_upcase" => Step::Upcase,
            other => {
                let known = "strftime, tonumber, tostring, fromdate, ascii_downcase, ascii_upcase";
                return Err(format!("{other:?} is not supported; after a pipe may stand a path or {known}"));
            }
        };
        pipe.steps.push(step);
        Ok(())
    }

    /// A path that begins with its dot.
    fn path(&mut self, pipe: &mut Pipe) -> Result<(), String> {
        self.expect('.')?;
        if self.rest.starts_with('"') {
            let key = self.text()?;
            descend(pipe, PointerNode::Key(key.into()))?;
        } else if self.rest.starts_with(is_name_start) {
            let key = self.name()?;
            descend(pipe, PointerNode::Key(key.into()))?;
        }
        self.path_rest(pipe)
    }

    fn path_rest(&mut self, pipe: &mut Pipe) -> Result<(), String> {
        loop {
            if self.rest.starts_with('[') {
                self.bracket(pipe)?;
            } else if self.rest.starts_with('.') {
                self.rest = &self.rest[1..];
                let key = if self.rest.starts_with('"') {
                    self.text()?
                } else if self.rest.starts_with('[') {
                    continue;
                } else {
                    self.name()?
                };
                descend(pipe, PointerNode::Key(key.into()))?;
            } else {
                return Ok(());
            }
        }
    }

    /// `["key"]`, `[7]` or `[from:to]`.
    fn bracket(&mut self, pipe: &mut Pipe) -> Result<(), String> {
        self.expect('[')?;
        self.skip_space();
        if self.rest.starts_with('"') {
            let key = self.text()?;
            self.expect(']')?;
            return descend(pipe, PointerNode::Key(key.into()));
        }
        let from = self.maybe_integer()?;
        if self.take(':') {
            let to = self.maybe_integer()?;
            self.expect(']')?;
            pipe.steps.push(Step::Slice(from, to));
            return Ok(());
        }
        self.expect(']')?;
        let index = from.ok_or("iterating with [] is not supported: a partition key has one value")?;
        let index = usize::try_from(index).map_err(|_| "negative indices are not supported".to_owned())?;
        descend(pipe, PointerNode::Index(index))
    }

    fn constant(&mut self) -> Result<Value, String> {
        self.skip_space();
        if self.rest.starts_with('"') {
            return self.text().map(Value::Text);
        }
        if self.rest.starts_with(|c: char| c.is_ascii_digit() || c == '-') {
            return self.number().map(Value::Number);
        }
        match self.name()?.as_str() {
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            "null" => Ok(Value::Null),
            other => Err(format!("expected a path or a constant, found {other:?}")),
        }
    }

    fn number(&mut self) -> Result<f64, String> {
        self.skip_space();
        let legal = |c: char| c.is_ascii_digit() || c == '.' || c == '-';
        let end = self.rest.find(|c| !legal(c)).unwrap_or(self.rest.len());
        let number = self.rest[..end].parse().map_err(|_| format!("expected a number at {:?}", self.rest))?;
        self.rest = &self.rest[end..];
        Ok(number)
    }

    fn maybe_integer(&mut self) -> Result<Option<i64>, String> {
        self.skip_space();
        let end = self.rest.find(|c: char| !c.is_ascii_digit() && c != '-').unwrap_or(self.rest.len());
        if end == 0 {
            return Ok(None);
        }
        let number = self.rest[..end].parse().map_err(|_| format!("expected an index at {:?}", self.rest))?;
        self.rest = &self.rest[end..];
        Ok(Some(number))
    }

    fn name_or_text(&mut self) -> Result<String, String> {
        self.skip_space();
        if self.rest.starts_with('"') { self.text() } else { self.name() }
    }

    fn name(&mut self) -> Result<String, String> {
        self.skip_space();
        if !self.rest.starts_with(is_name_start) {
            return Err(format!("expected a name at {:?}", self.rest));
        }
        let legal = |c: char| is_name_start(c) || c.is_ascii_digit();
        let end = self.rest.find(|c| !legal(c)).unwrap_or(self.rest.len());
        let name = self.rest[..end].to_owned();
        self.rest = &self.rest[end..];
        Ok(name)
    }

    /// A text in double quotes, with JSON's escapes.
    fn text(&mut self) -> Result<String, String> {
        self.skip_space();
        let mut escaped = false;
        let end = self.rest.char_indices().skip(1).find(|&(_, c)| {
            let closes = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            closes
        });
        let Some((end, _)) = end.filter(|_| self.rest.starts_with('"')) else {
            return Err(format!("expected a text in double quotes at {:?}", self.rest));
        };
        let text = serde_json::from_str(&self.rest[..=end]).map_err(|error| error.to_string())?;
        self.rest = &self.rest[end + 1..];
        Ok(text)
    }

    fn expect(&mut self, c: char) -> Result<(), String> {
        if self.take(c) { Ok(()) } else { Err(format!("expected {c:?} at {:?}", self.rest)) }
    }

    fn take(&mut self, c: char) -> bool {
        self.take_text(c.encode_utf8(&mut [0; 4]))
    }

    fn take_text(&mut self, text: &str) -> bool {
        self.skip_space();
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start();
    }
}

fn is_name_start(c: char) -> bool {
    c.is_alphabetic() || c == '_'
}

/// Goes one step further down the path; that is only possible before anything was computed.
fn descend(pipe: &mut Pipe, node: PointerNode) -> Result<(), String> {
    match (&mut pipe.first, pipe.steps.is_empty()) {
        (First::Path(nodes), true) => {
            nodes.push(node);
            Ok(())
        }
        _ => Err("a path must come before the functions of its pipe".to_owned()),
    }
}

/// A date pattern whose every field is known.
fn checked_pattern(pattern: String) -> Result<String, String> {
    let bad =
        chrono::format::StrftimeItems::new(&pattern).any(|item| matches!(item, chrono::format::Item::Error));
    if bad { Err(format!("strftime: {pattern:?} has an unknown field")) } else { Ok(pattern) }
}
