//! The prefix language: where in a bucket an object goes.
//!
//! `raw/year=!{timestamp:yyyy}/card=!{partitionKeyFromQuery:card}/` and the like, as Firehose
//! defines it. A prefix is parsed once, when a delivery is created or read back, and evaluated for
//! each output object.
//!
//! **Invariants.** Evaluation is a pure function of its [`Circumstances`]: the same plan names the
//! same objects, however often it is run. A partition value that follows `name=` is escaped as Hive
//! does, so a slash in a record can't move it into another partition's folder; elsewhere it is
//! inserted as it is, as Firehose does.

mod pattern;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use chrono_tz::Tz;
use headwater_base::Timestamp;
use headwater_tables::path::partition_path;

pub use pattern::DatePattern;

/// The longest text a prefix may have.
pub const PREFIX_CHARS_MAX: usize = 1024;

/// A parsed prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefix {
    text: String,
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Timestamp(DatePattern),
    RandomString,
    ErrorOutputType,
    PartitionKey(String),
}

/// Which of the two prefixes an expression stands in: they allow different expressions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Of the objects that hold delivered records.
    Data,
    /// Of the objects that hold records which could not be delivered.
    Error,
}

/// What a prefix is evaluated for.
#[derive(Clone, Debug)]
pub struct Circumstances<'a> {
    /// Arrival of the oldest record in the object.
    pub oldest: Timestamp,
    /// The zone timestamps are written in.
    pub zone: Tz,
    /// Partition values by their name.
    pub values: &'a BTreeMap<String, String>,
    /// `format-conversion-failed` and the like, for error prefixes.
    pub error_type: &'a str,
    /// Sixteen bytes that name the object within all plans: random strings derive from it.
    pub seed: [u8; 16],
}

/// Why a prefix was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PrefixError(pub String);

impl Prefix {
    /// Parses a prefix. An empty text is the empty prefix.
    pub fn parse(text: &str, role: Role) -> Result<Self, PrefixError> {
        if text.chars().count() > PREFIX_CHARS_MAX {
            return Err(PrefixError(format!("the prefix is longer than {PREFIX_CHARS_MAX} characters")));
        }
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find("!{") {
            if at > 0 {
                pieces.push(Piece::Literal(rest[..at].to_owned()));
            }
            let inside = &rest[at + 2..];
            let end = inside
                .find('}')
                .ok_or_else(|| PrefixError(format!("'!{{' without '}}' in prefix {text:?}")))?;
            pieces.push(Piece::parse(&inside[..end], role)?);
            rest = &inside[end + 1..];
        }
        if !rest.is_empty() {
            pieces.push(Piece::Literal(rest.to_owned()));
        }
        let prefix = Self { text: text.to_owned(), pieces };
        if role == Role::Error && prefix.has_expressions() && !prefix.pieces.contains(&Piece::ErrorOutputType)
        {
            let rule = "ErrorOutputPrefix must contain !{firehose:error-output-type} when it has expressions";
            return Err(PrefixError(rule.to_owned()));
        }
        Ok(prefix)
    }

    /// The text it was parsed from.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it holds any expression at all.
    pub fn has_expressions(&self) -> bool {
        self.pieces.iter().any(|piece| !matches!(piece, Piece::Literal(_)))
    }

    /// Whether a timestamp stands in it; without one, the hour of arrival is appended.
    pub fn has_timestamp(&self) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Piece::Timestamp(_)))
    }

    /// The names of the partition values it asks for.
    pub fn partition_keys(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::PartitionKey(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// The text before the first expression: every object's key begins with it.
    pub fn literal_beginning(&self) -> &str {
        match self.pieces.first() {
            Some(Piece::Literal(text)) => text,
            _ => "",
        }
    }

    /// The prefix's value. A partition value that is missing counts as empty.
    pub fn evaluate(&self, given: &Circumstances<'_>) -> String {
        let time = given.oldest.utc().with_timezone(&given.zone);
        let mut out = String::with_capacity(self.text.len() + 32);
        let mut random_strings = 0;
        for piece in &self.pieces {
            match piece {
                Piece::Literal(text) => out.push_str(text),
                Piece::Timestamp(pattern) => pattern.format(&time, &mut out),
                Piece::RandomString => {
                    out.push_str(&random_string(given.seed, random_strings));
                    random_strings += 1;
                }
                Piece::ErrorOutputType => out.push_str(given.error_type),
                Piece::PartitionKey(name) => {
                    let value = given.values.get(name).map_or("", String::as_str);
                    if out.ends_with('=') { out.push_str(&escaped(value)) } else { out.push_str(value) }
                }
            }
        }
        out
    }
}

impl Piece {
    fn parse(inside: &str, role: Role) -> Result<Self, PrefixError> {
        let refuse = |why: &str| PrefixError(format!("expression !{{{inside}}}: {why}"));
        let (namespace, value) = inside.split_once(':').ok_or_else(|| refuse("expected namespace:value"))?;
        match (namespace, value, role) {
            ("timestamp", pattern, _) => {
                DatePattern::parse(pattern).map(Self::Timestamp).map_err(|error| refuse(&error.0))
            }
            ("firehose", "random-string", _) => Ok(Self::RandomString),
            ("firehose", "error-output-type", Role::Error) => Ok(Self::ErrorOutputType),
            ("firehose", "error-output-type", Role::Data) => Err(refuse("only allowed in ErrorOutputPrefix")),
            ("firehose", _, _) => Err(refuse("expected random-string or error-output-type")),
            ("partitionKeyFromQuery" | "partitionKeyFromLambda", _, Role::Error) => {
                Err(refuse("not allowed in ErrorOutputPrefix"))
            }
            ("partitionKeyFromQuery", "", _) => Err(refuse("a key name is missing")),
            ("partitionKeyFromQuery", name, Role::Data) => Ok(Self::PartitionKey(name.to_owned())),
            ("partitionKeyFromLambda", _, _) => {
                Err(refuse("Lambda partition keys are not supported by this node"))
            }
            _ => Err(refuse("the namespaces are timestamp, firehose and partitionKeyFromQuery")),
        }
    }
}

/// The value as it stands in a `name=value/` folder.
fn escaped(value: &str) -> String {
    let folder = partition_path(&["k"], &[value]);
    folder.strip_prefix("k=").and_then(|rest| rest.strip_suffix('/')).unwrap_or(value).to_owned()
}

/// Eleven characters that look random and derive from the object's name and the place in it.
fn random_string(seed: [u8; 16], nth: u32) -> String {
    const ALPHABET: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let mut name = seed.to_vec();
    let _ = write!(AsText(&mut name), "random-string-{nth}");
    let id = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, &name);
    let mut number = u128::from_be_bytes(*id.as_bytes());
    let mut out = String::with_capacity(11);
    for _ in 0..11 {
        out.push(char::from(ALPHABET[(number % 36) as usize]));
        number /= 36;
    }
    out
}

struct AsText<'a>(&'a mut Vec<u8>);

impl std::fmt::Write for AsText<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 27 August 2018, 10:30:41.123 UTC.
    const TIME: Timestamp = Timestamp::from_ms(1_535_365_841_123);

    fn check(text: &str, role: Role, values: &[(&str, &str)], want: &str) {
        let values = values.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let given = Circumstances {
            oldest: TIME,
            zone: Tz::UTC,
            values: &values,
            error_type: "format-conversion-failed",
            seed: [7; 16],
        };
        assert_eq!(Prefix::parse(text, role).unwrap().evaluate(&given), want, "{text}");
    }

    #[test]
    fn prefixes_evaluate_as_documented() {
        check("", Role::Data, &[], "");
        check("plain/folder/", Role::Data, &[], "plain/folder/");
        check("a/!{timestamp:yyyy}/", Role::Data, &[], "a/2018/");
        check("!{timestamp:yyyy-MM-dd}-x", Role::Data, &[], "2018-08-27-x");
        check(
            "y=!{timestamp:yyyy}/m=!{timestamp:MM}/d=!{timestamp:dd}/h=!{timestamp:HH}/",
            Role::Data,
            &[],
            "y=2018/m=08/d=27/h=10/",
        );
        check("!{timestamp:'year='yyyy'/month='MM}/", Role::Data, &[], "year=2018/month=08/");
        check(
            "err/!{firehose:error-output-type}/!{timestamp:yyyy/MM/dd}/",
            Role::Error,
            &[],
            "err/format-conversion-failed/2018/08/27/",
        );
        check("c=!{partitionKeyFromQuery:c}/", Role::Data, &[("c", "42")], "c=42/");
        check("c=!{partitionKeyFromQuery:c}/", Role::Data, &[("c", "a/b")], "c=a%2Fb/");
        check("!{partitionKeyFromQuery:c}/", Role::Data, &[("c", "a/b")], "a/b/");
    }

    #[test]
    fn random_strings_are_eleven_characters_and_repeat_for_the_same_object() {
        let prefix =
            Prefix::parse("!{firehose:random-string}/!{firehose:random-string}", Role::Data).unwrap();
        let values = BTreeMap::new();
        let given =
            |seed| Circumstances { oldest: TIME, zone: Tz::UTC, values: &values, error_type: "", seed };
        let first = prefix.evaluate(&given([1; 16]));
        assert_eq!(first, prefix.evaluate(&given([1; 16])));
        assert_ne!(first, prefix.evaluate(&given([2; 16])));
        let (a, b) = first.split_once('/').unwrap();
        assert_eq!((a.len(), b.len()), (11, 11));
        assert_ne!(a, b);
    }

    #[test]
    fn the_zone_moves_the_clock() {
        let values = BTreeMap::new();
        let zone = Tz::Asia__Tokyo;
        let given = Circumstances { oldest: TIME, zone, values: &values, error_type: "", seed: [0; 16] };
        assert_eq!(Prefix::parse("!{timestamp:HH:mm}", Role::Data).unwrap().evaluate(&given), "19:30");
    }

    #[test]
    fn wrong_expressions_are_refused_with_their_rule() {
        for (text, role, part) in [
            ("!{timestamp:yyyy", Role::Data, "without"),
            ("!{nothing}", Role::Data, "namespace:value"),
            ("!{moon:phase}", Role::Data, "namespaces"),
            ("!{firehose:error-output-type}", Role::Data, "ErrorOutputPrefix"),
            ("!{timestamp:yyyy}", Role::Error, "error-output-type"),
            ("!{firehose:error-output-type}/!{partitionKeyFromQuery:a}", Role::Error, "not allowed"),
            ("!{partitionKeyFromLambda:a}", Role::Data, "Lambda"),
            ("!{timestamp:yyyyJ}", Role::Data, "J"),
        ] {
            let error = Prefix::parse(text, role).unwrap_err();
            assert!(error.0.contains(part), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn any_text_parses_or_is_refused(text in ".{0,60}", ms in -100_000_000_000i64..5_000_000_000_000) {
            if let Ok(prefix) = Prefix::parse(&text, Role::Data) {
                let values = BTreeMap::new();
                let given = Circumstances {
                    oldest: Timestamp::from_ms(ms), zone: Tz::UTC, values: &values, error_type: "", seed: [0; 16],
                };
                let out = prefix.evaluate(&given);
                if !prefix.has_expressions() {
                    prop_assert_eq!(out, text);
                }
            }
        }
    }
}
