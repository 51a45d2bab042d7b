//! What streams and their consumers are called.

use std::sync::Arc;

use headwater_base::{Arn, InvalidName, Scope};

/// A stream's name: 1 to 128 of `A-Z a-z 0-9 _ . -`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct StreamName(Arc<str>);

impl StreamName {
    /// The name, if it is one.
    pub fn new(text: &str) -> Result<Self, InvalidName> {
        checked("stream name", text).map(Self)
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The name of a stream's consumer: 1 to 128 of `A-Z a-z 0-9 _ . -`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ConsumerName(Arc<str>);

impl ConsumerName {
    /// The name, if it is one.
    pub fn new(text: &str) -> Result<Self, InvalidName> {
        checked("consumer name", text).map(Self)
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn checked(what: &'static str, text: &str) -> Result<Arc<str>, InvalidName> {
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"_.-".contains(&b);
    if text.is_empty() || text.len() > 128 || !text.bytes().all(legal) {
        return Err(InvalidName::new(what, text, "1 to 128 of A-Z a-z 0-9 _ . -"));
    }
    Ok(text.into())
}

/// Where a stream is found: its scope and name.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct StreamKey {
    /// Account and region.
    pub scope: Scope,
    /// The name.
    pub name: StreamName,
}

impl StreamKey {
    /// `arn:aws:kinesis:…:stream/NAME`.
    pub fn arn(&self) -> Arn {
        Arn::new("kinesis", &self.scope, format!("stream/{}", self.name.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_to_their_alphabet() {
        for text in ["a", "A.b_c-9", &"x".repeat(128)] {
            assert_eq!(StreamName::new(text).unwrap().as_str(), text);
        }
        for text in ["", "a b", "a/b", "ä", &"x".repeat(129)] {
            assert!(StreamName::new(text).is_err(), "{text}");
        }
    }
}
