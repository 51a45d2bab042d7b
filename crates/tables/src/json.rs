//! A scanner over JSON text: one pass, no tree, no copies.
//!
//! The caller asks for a value and says what to do with it; objects and arrays are walked by
//! asking for the next key or item. Text is checked as it is passed over, also where it is skipped.
//!
//! **Failure.** Bytes come from outside: every method answers malformed text with [`Bad`], nesting
//! is bounded by [`DEPTH_MAX`], and nothing panics.

/// How deep arrays and objects may nest.
pub(crate) const DEPTH_MAX: usize = 64;

/// Malformed text: what was wrong, and at which byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bad {
    pub(crate) at: usize,
    pub(crate) what: &'static str,
}

impl std::fmt::Display for Bad {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "malformed JSON at byte {}: {}", self.at, self.what)
    }
}

/// The beginning of a value. After `Object` or `Array` the scanner stands behind the bracket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token<'a> {
    Null,
    Bool(bool),
    /// The number as written.
    Number(&'a str),
    Text(Text<'a>),
    Object,
    Array,
}

/// The inside of a string as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Text<'a> {
    pub(crate) raw: &'a str,
    pub(crate) escaped: bool,
    at: usize,
}

impl Text<'_> {
    /// Adds the string's meaning to `out`.
    pub(crate) fn append_to(&self, out: &mut Vec<u8>) -> Result<(), Bad> {
        if self.escaped {
            unescape(self.raw, self.at, out)
        } else {
            out.extend_from_slice(self.raw.as_bytes());
            Ok(())
        }
    }

    /// The string's meaning.
    pub(crate) fn to_cow(self) -> Result<std::borrow::Cow<'static, str>, Bad> {
        let mut out = Vec::with_capacity(self.raw.len());
        self.append_to(&mut out)?;
        String::from_utf8(out).map(Into::into).map_err(|_| Bad { at: self.at, what: "a string is not UTF-8" })
    }
}

/// A cursor over JSON text.
#[derive(Debug, Clone)]
pub(crate) struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The byte the scanner stands at.
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    /// The text from `start` to where the scanner stands.
    pub(crate) fn since(&self, start: usize) -> &'a str {
        &self.text[start..self.at]
    }

    fn bytes(&self) -> &'a [u8] {
        self.text.as_bytes()
    }

    fn bad<T>(&self, what: &'static str) -> Result<T, Bad> {
        Err(Bad { at: self.at, what })
    }

    /// Passes over white space; says whether anything is left.
    pub(crate) fn more(&mut self) -> bool {
        let bytes = self.bytes();
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = bytes.get(self.at) {
            self.at += 1;
        }
        self.at < bytes.len()
    }

    /// The next byte after white space.
    fn peek(&mut self) -> Result<u8, Bad> {
        if self.more() { Ok(self.bytes()[self.at]) } else { self.bad("it ends too early") }
    }

    /// The next value's beginning.
    pub(crate) fn value(&mut self) -> Result<Token<'a>, Bad> {
        match self.peek()? {
            b'"' => Ok(Token::Text(self.string()?)),
            b'{' => {
                self.at += 1;
                Ok(Token::Object)
            }
            b'[' => {
                self.at += 1;
                Ok(Token::Array)
            }
            b't' => self.literal("true", Token::Bool(true)),
            b'f' => self.literal("false", Token::Bool(false)),
            b'n' => self.literal("null", Token::Null),
            b'-' | b'0'..=b'9' => self.number(),
            _ => self.bad("expected a value"),
        }
    }

    fn literal(&mut self, word: &'static str, token: Token<'a>) -> Result<Token<'a>, Bad> {
        if self.bytes()[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            Ok(token)
        } else {
            self.bad("expected a value")
        }
    }

    fn number(&mut self) -> Result<Token<'a>, Bad> {
        let bytes = self.bytes();
        let start = self.at;
        let mut at = start + usize::from(bytes[start] == b'-');
        let whole = digits(bytes, at);
        if whole == 0 || (whole > 1 && bytes[at] == b'0') {
            return self.bad("a number is malformed");
        }
        at += whole;
        if bytes.get(at) == Some(&b'.') {
            let fraction = digits(bytes, at + 1);
            if fraction == 0 {
                return self.bad("a number is malformed");
            }
            at += 1 + fraction;
        }
        if let Some(b'e' | b'E') = bytes.get(at) {
            at += 1 + usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
            let exponent = digits(bytes, at);
            if exponent == 0 {
                return self.bad("a number is malformed");
            }
            at += exponent;
        }
        self.at = at;
        Ok(Token::Number(&self.text[start..at]))
    }

    /// A string; the scanner stands at its opening quote.
    fn string(&mut self) -> Result<Text<'a>, Bad> {
        let bytes = self.bytes();
        let start = self.at + 1;
        let mut at = start;
        let mut escaped = false;
        loop {
            at = next_special(bytes, at);
            match bytes.get(at) {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    at += 2;
                }
                Some(_) => {
                    self.at = at;
                    return self.bad("a control character stands in a string");
                }
                None => {
                    self.at = bytes.len();
                    return self.bad("a string is not closed");
                }
            }
        }
        self.at = at + 1;
        Ok(Text { raw: &self.text[start..at], escaped, at: start })
    }

    /// The next key of the object the scanner is in, or `None` at its end. `first` says whether no
    /// key was read yet.
    pub(crate) fn next_key(&mut self, first: bool) -> Result<Option<Text<'a>>, Bad> {
        if self.at_end_or_comma(b'}', first)? {
            return Ok(None);
        }
        if self.peek()? != b'"' {
            return self.bad("expected a key in quotes");
        }
        let key = self.string()?;
        if self.peek()? != b':' {
            return self.bad("expected ':'");
        }
        self.at += 1;
        Ok(Some(key))
    }

    /// Whether the array the scanner is in has another item. `first` says whether none was read.
    pub(crate) fn next_item(&mut self, first: bool) -> Result<bool, Bad> {
        Ok(!self.at_end_or_comma(b']', first)?)
    }

    fn at_end_or_comma(&mut self, end: u8, first: bool) -> Result<bool, Bad> {
        let next = self.peek()?;
        if next == end {
            self.at += 1;
            return Ok(true);
        }
        if first {
            return Ok(false);
        }
        if next != b',' {
            return self.bad(if end == b'}' { "expected ',' or '}'" } else { "expected ',' or ']'" });
        }
        self.at += 1;
        if self.peek()? == end {
            return self.bad("a comma too many");
        }
        Ok(false)
    }

    /// Passes over a whole value.
    pub(crate) fn skip(&mut self, depth: usize) -> Result<(), Bad> {
        let token = self.value()?;
        self.skip_rest(token, depth)
    }

    /// Passes over what remains of a value whose beginning was read.
    pub(crate) fn skip_rest(&mut self, token: Token<'a>, depth: usize) -> Result<(), Bad> {
        if depth >= DEPTH_MAX {
            return self.bad("nested too deep");
        }
        let mut first = true;
        match token {
            Token::Object => {
                while let Some(key) = self.next_key(first)? {
                    check_escapes(&key)?;
                    self.skip(depth + 1)?;
                    first = false;
                }
                Ok(())
            }
            Token::Array => {
                while self.next_item(first)? {
                    self.skip(depth + 1)?;
                    first = false;
                }
                Ok(())
            }
            Token::Text(text) => check_escapes(&text),
            Token::Null | Token::Bool(_) | Token::Number(_) => Ok(()),
        }
    }
}

fn check_escapes(text: &Text<'_>) -> Result<(), Bad> {
    if text.escaped { text.append_to(&mut Vec::new()) } else { Ok(()) }
}

fn digits(bytes: &[u8], from: usize) -> usize {
    bytes.get(from..).map_or(0, |rest| rest.iter().take_while(|b| b.is_ascii_digit()).count())
}

/// The position of the first quote, backslash or control character at or after `at`; eight bytes
/// at a time.
fn next_special(bytes: &[u8], mut at: usize) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    while let Some(chunk) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let word = u64::from_le_bytes(*chunk);
        let quote = word ^ (ONES * u64::from(b'"'));
        let slash = word ^ (ONES * u64::from(b'\\'));
        // The lowest bit set in each of these is exact; higher ones may be carried, and don't matter.
        let hits = (quote.wrapping_sub(ONES) & !quote)
            | (slash.wrapping_sub(ONES) & !slash)
            | (word.wrapping_sub(ONES * 0x20) & !word);
        let hits = hits & HIGH;
        if hits != 0 {
            return at + (hits.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    while let Some(&byte) = bytes.get(at) {
        if byte == b'"' || byte == b'\\' || byte < 0x20 {
            break;
        }
        at += 1;
    }
    at
}

fn unescape(raw: &str, at: usize, out: &mut Vec<u8>) -> Result<(), Bad> {
    let bad = |what| Err(Bad { at, what });
    let mut rest = raw;
    while let Some(slash) = rest.find('\\') {
        out.extend_from_slice(&rest.as_bytes()[..slash]);
        let after = &rest.as_bytes()[slash + 1..];
        let plain = match after.first() {
            Some(b @ (b'"' | b'\\' | b'/')) => *b,
            Some(b'b') => 8,
            Some(b'f') => 12,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'u') => {
                let Some((letter, used)) = unicode_escape(after) else {
                    return bad("a \\u escape is malformed");
                };
                out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
                rest = &rest[slash + 1 + used..];
                continue;
            }
            _ => return bad("an escape is malformed"),
        };
        out.push(plain);
        rest = &rest[slash + 2..];
    }
    out.extend_from_slice(rest.as_bytes());
    Ok(())
}

/// The letter of `uXXXX` or of a surrogate pair `uXXXX\uXXXX`, and the bytes it took.
fn unicode_escape(text: &[u8]) -> Option<(char, usize)> {
    let first = hex4(text.get(1..5)?)?;
    if !(0xD800..0xDC00).contains(&first) {
        return Some((char::from_u32(first)?, 5));
    }
    if text.get(5..7)? != b"\\u" {
        return None;
    }
    let second = hex4(text.get(7..11)?)?;
    let low = second.checked_sub(0xDC00).filter(|low| *low < 0x400)?;
    Some((char::from_u32(0x10000 + ((first - 0xD800) << 10) + low)?, 11))
}

fn hex4(bytes: &[u8]) -> Option<u32> {
    bytes.iter().try_fold(0, |n, &b| Some(n * 16 + char::from(b).to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn accepts(text: &str) -> bool {
        let mut scanner = Scanner::new(text);
        scanner.skip(0).is_ok() && !scanner.more()
    }

    #[test]
    fn malformed_text_is_refused_with_its_place() {
        for text in [
            "",
            "{",
            "{\"a\"",
            "{\"a\":}",
            "{\"a\":1,}",
            "[1,]",
            "[1 2]",
            "{a:1}",
            "01",
            "1.",
            "-",
            "1e",
            "tru",
            "\"\\x\"",
            "\"\\ud800\"",
            "\"\\ud800\\u0041\"",
            "\"a\nb\"",
            "\"a",
            "nul",
            "+1",
            ".5",
            "\"\\",
        ] {
            assert!(!accepts(text), "{text}");
        }
        let mut scanner = Scanner::new("{\"a\" 1}");
        assert_eq!(scanner.skip(0).unwrap_err().to_string(), "malformed JSON at byte 5: expected ':'");
        assert!(!accepts(&"[".repeat(1_000_000)));
    }

    #[test]
    fn escapes_mean_what_they_say() {
        let Ok(Token::Text(text)) = Scanner::new(r#""a\n\u00fc\ud83d\ude00\/\"""#).value() else { panic!() };
        assert_eq!(text.to_cow().unwrap(), "a\nü😀/\"");
    }

    fn any_json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<f64>().prop_map(Into::into),
            ".*".prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
                proptest::collection::vec((".*", inner), 0..4)
                    .prop_map(|m| serde_json::Value::Object(m.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn well_formed_text_is_accepted(value in any_json()) {
            prop_assert!(accepts(&value.to_string()));
            prop_assert!(accepts(&serde_json::to_string_pretty(&value).unwrap()));
        }

        #[test]
        fn it_agrees_with_serde(text in r#"[\[\]{}",:0-9a-z\\ .eE+-]*"#) {
            prop_assert_eq!(accepts(&text), serde_json::from_str::<serde_json::Value>(&text).is_ok());
        }

        #[test]
        fn strings_read_back(text in ".*") {
            let written = serde_json::to_string(&text).unwrap();
            let Ok(Token::Text(read)) = Scanner::new(&written).value() else { panic!("not a string") };
            prop_assert_eq!(read.to_cow().unwrap(), text);
        }
    }
}
