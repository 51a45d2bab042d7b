//! Conditions of policies: an operator, a key, values.

use std::net::IpAddr;

use headwater_base::Timestamp;
use headwater_wire::RequestKeys;
use serde_json::Value;

use super::pattern::{KnownKeys, Pattern, Reading};
use super::strings;

/// One test of a statement.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Condition {
    /// In lower case.
    pub(super) key: String,
    /// How many of the request's values must pass.
    quantity: Quantity,
    /// Holds when the request does not say the key.
    if_exists: bool,
    pub(super) negated: bool,
    pub(super) test: Test,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Quantity {
    One,
    ForAll,
    ForAny,
}

/// What the values are, and how they are compared.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Test {
    Text(Vec<Pattern>),
    TextIgnoringCase(Vec<Pattern>),
    Number(Order, Vec<Decimal>),
    Date(Order, Vec<Timestamp>),
    Bool(Vec<bool>),
    Address(Vec<Network>),
    /// Whether the key is absent.
    Null(bool),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Order {
    Is,
    Less,
    LessOrIs,
    More,
    MoreOrIs,
}

/// A number in thousandths: conditions compare counts, sizes and seconds.
pub(super) type Decimal = i128;

/// A range of addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Network {
    address: IpAddr,
    /// How many bits of it count.
    pub(super) bits: u8,
}

impl Condition {
    /// Reads one condition; `reading` says which keys there are and whether values have variables.
    ///
    /// # Errors
    /// What is not understood.
    pub(super) fn parse(
        operator: &str,
        key: &str,
        values: Value,
        known: KnownKeys,
        reading: Reading,
    ) -> Result<Self, String> {
        let (quantity, name) = match operator.split_once(':') {
            None => (Quantity::One, operator),
            Some(("ForAllValues", name)) => (Quantity::ForAll, name),
            Some(("ForAnyValue", name)) => (Quantity::ForAny, name),
            Some(_) => return Err(format!("the condition {operator} is not supported")),
        };
        let (name, if_exists) = match name.strip_suffix("IfExists") {
            Some(name) if name != "Null" => (name, true),
            _ => (name, false),
        };
        let key = key.to_ascii_lowercase();
        if !known(&key) {
            return Err(format!("the condition key {key} is not supported"));
        }
        let values = texts(operator, values)?;
        let (test, negated) = test_of(operator, name, &values, reading)?;
        Ok(Self { key, quantity, if_exists, negated, test })
    }

    /// Whether the request passes.
    pub(super) fn holds(&self, keys: &RequestKeys) -> bool {
        let values = keys.get(&self.key);
        if let Test::Null(absent) = self.test {
            return values.is_empty() == absent;
        }
        let passes = |value: &String| self.test.passes(value, keys) != self.negated;
        match (values, self.quantity) {
            ([], Quantity::One) => self.if_exists || self.negated,
            ([], Quantity::ForAll) => true,
            ([], Quantity::ForAny) => self.if_exists,
            (values, Quantity::ForAll) => values.iter().all(passes),
            (values, Quantity::ForAny) => values.iter().any(passes),
            // A key that was sent several times says nothing for certain: a grant fails, a denial holds.
            (values, Quantity::One) if self.negated => values.iter().any(passes),
            (values, Quantity::One) => values.iter().all(passes),
        }
    }

    /// Whether its key, or one in its values, begins with `prefix`.
    pub(super) fn names(&self, prefix: &str) -> bool {
        let in_values = match &self.test {
            Test::Text(values) | Test::TextIgnoringCase(values) => values.iter().any(|v| v.names(prefix)),
            _ => false,
        };
        in_values || self.key.starts_with(prefix)
    }

    /// Whether it demands the key and holds it to what is written here alone.
    pub(super) fn is_fixed(&self) -> bool {
        let demands = !self.negated && !self.if_exists && self.quantity != Quantity::ForAll;
        demands
            && match &self.test {
                Test::Text(values) | Test::TextIgnoringCase(values) => values.iter().all(Pattern::is_fixed),
                Test::Address(networks) => networks.iter().all(|network| !network.is_wide()),
                Test::Number(..) | Test::Date(..) | Test::Bool(_) | Test::Null(_) => false,
            }
    }
}

impl Test {
    fn passes(&self, value: &str, keys: &RequestKeys) -> bool {
        match self {
            Self::Text(wanted) => wanted.iter().any(|pattern| pattern.matches(value, keys)),
            Self::TextIgnoringCase(wanted) => {
                wanted.iter().any(|pattern| pattern.matches_ignoring_case(value, keys))
            }
            Self::Number(order, wanted) => {
                number(value).is_some_and(|value| wanted.iter().any(|one| order.holds(&value, one)))
            }
            Self::Date(order, wanted) => {
                date(value).is_some_and(|value| wanted.iter().any(|one| order.holds(&value, one)))
            }
            Self::Bool(wanted) => boolean(value).is_some_and(|value| wanted.contains(&value)),
            Self::Address(wanted) => {
                value.parse().is_ok_and(|address| wanted.iter().any(|network| network.holds(address)))
            }
            Self::Null(_) => false,
        }
    }
}

impl Order {
    fn holds<T: Ord>(self, value: &T, wanted: &T) -> bool {
        match self {
            Self::Is => value == wanted,
            Self::Less => value < wanted,
            Self::LessOrIs => value <= wanted,
            Self::More => value > wanted,
            Self::MoreOrIs => value >= wanted,
        }
    }
}

/// The test that an operator (without quantity and `IfExists`) names, and whether it is negated.
fn test_of(operator: &str, name: &str, values: &[String], reading: Reading) -> Result<(Test, bool), String> {
    let patterns = |wild| -> Result<Vec<Pattern>, String> {
        values.iter().map(|text| Pattern::parse(text, Reading { wild, ..reading })).collect()
    };
    if let Some((order, negated)) = name.strip_prefix("Numeric").and_then(order_of) {
        return Ok((Test::Number(order, all(operator, values, number)?), negated));
    }
    if let Some((order, negated)) = name.strip_prefix("Date").and_then(order_of) {
        return Ok((Test::Date(order, all(operator, values, date)?), negated));
    }
    Ok(match name {
        "StringEquals" => (Test::Text(patterns(false)?), false),
        "StringNotEquals" => (Test::Text(patterns(false)?), true),
        "StringEqualsIgnoreCase" => (Test::TextIgnoringCase(patterns(false)?), false),
        "StringNotEqualsIgnoreCase" => (Test::TextIgnoringCase(patterns(false)?), true),
        "StringLike" | "ArnLike" | "ArnEquals" => (Test::Text(patterns(true)?), false),
        "StringNotLike" | "ArnNotLike" | "ArnNotEquals" => (Test::Text(patterns(true)?), true),
        "Bool" => (Test::Bool(all(operator, values, boolean)?), false),
        "IpAddress" => (Test::Address(all(operator, values, Network::parse)?), false),
        "NotIpAddress" => (Test::Address(all(operator, values, Network::parse)?), true),
        "Null" => match &all(operator, values, boolean)?[..] {
            [one] => (Test::Null(*one), false),
            _ => return Err("Null takes one value, true or false".to_owned()),
        },
        _ => return Err(format!("the condition {operator} is not supported")),
    })
}

fn order_of(name: &str) -> Option<(Order, bool)> {
    Some(match name {
        "Equals" => (Order::Is, false),
        "NotEquals" => (Order::Is, true),
        "LessThan" => (Order::Less, false),
        "LessThanEquals" => (Order::LessOrIs, false),
        "GreaterThan" => (Order::More, false),
        "GreaterThanEquals" => (Order::MoreOrIs, false),
        _ => return None,
    })
}

fn all<T>(operator: &str, values: &[String], parse: impl Fn(&str) -> Option<T>) -> Result<Vec<T>, String> {
    let value = |text: &String| parse(text).ok_or_else(|| format!("{text:?} is no value for {operator}"));
    values.iter().map(value).collect()
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        _ if text.eq_ignore_ascii_case("true") => Some(true),
        _ if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

fn number(text: &str) -> Option<Decimal> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let plain = |text: &str| (1..=18).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if !plain(whole) || !plain(fraction) {
        return None;
    }
    let thousandths: String = fraction.chars().chain("00".chars()).take(3).collect();
    Some(sign * (whole.parse::<Decimal>().ok()? * 1000 + thousandths.parse::<Decimal>().ok()?))
}

/// ISO 8601, a day, or seconds since 1970.
fn date(text: &str) -> Option<Timestamp> {
    if let Some(seconds) = number(text) {
        return i64::try_from(seconds).ok().map(Timestamp::from_ms);
    }
    Timestamp::parse_iso(text).or_else(|| Timestamp::parse_iso(&format!("{text}T00:00:00Z")))
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(a, bits)| (a, Some(bits)));
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Some(most), |bits| bits.parse().ok())?;
        (bits <= most).then_some(Self { address, bits })
    }

    fn holds(&self, address: IpAddr) -> bool {
        let (ours, theirs, width) = match (self.address, address.to_canonical()) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => {
                (u128::from(ours.to_bits()), u128::from(theirs.to_bits()), 32)
            }
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => (ours.to_bits(), theirs.to_bits(), 128),
            _ => return false,
        };
        let dropped = width - u32::from(self.bits);
        dropped >= 128 || ours >> dropped == theirs >> dropped
    }

    /// So wide that it is as good as everywhere, as S3 sees it.
    fn is_wide(&self) -> bool {
        self.bits < if self.address.is_ipv4() { 8 } else { 32 }
    }
}

/// A value or a list of them; numbers and booleans count as their texts.
fn texts(operator: &str, value: Value) -> Result<Vec<String>, String> {
    let text = |value: Value| match value {
        Value::Bool(_) | Value::Number(_) => Value::String(value.to_string()),
        other => other,
    };
    let value = match value {
        Value::Array(values) => Value::Array(values.into_iter().map(text).collect()),
        one => text(one),
    };
    strings(operator, value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn any(key: &str) -> bool {
        key != "unknown"
    }

    fn condition(operator: &str, values: Value) -> Result<Condition, String> {
        Condition::parse(operator, "K", values, any, Reading { wild: false, variables: Some(any) })
    }

    #[track_caller]
    fn check(operator: &str, values: Value, said: &[&str], want: bool) {
        let condition = condition(operator, values.clone()).unwrap();
        let mut keys = RequestKeys::default();
        for value in said {
            keys.add("k", *value);
        }
        assert_eq!(condition.holds(&keys), want, "{operator} {values} {said:?}");
    }

    #[test]
    fn operators_compare_what_the_request_says() {
        use serde_json::json;
        for (operator, values, said, want) in [
            ("StringEquals", json!(["a", "b"]), "b", true),
            ("StringEquals", json!("a*"), "ab", false),
            ("StringNotEquals", json!(["a", "b"]), "b", false),
            ("StringEqualsIgnoreCase", json!("AB"), "ab", true),
            ("StringNotEqualsIgnoreCase", json!("AB"), "ab", false),
            ("StringLike", json!("home/*"), "home/a", true),
            ("StringNotLike", json!("home/*"), "home/a", false),
            ("ArnLike", json!("arn:aws:iam::*:user/a*"), "arn:aws:iam::1:user/ada", true),
            ("NumericLessThanEquals", json!("10"), "10", true),
            ("NumericLessThan", json!(10), "10", false),
            ("NumericEquals", json!("1.5"), "1.50", true),
            ("NumericNotEquals", json!("1"), "2", true),
            ("NumericGreaterThan", json!("-2"), "-1", true),
            ("NumericEquals", json!("1"), "one", false),
            ("DateLessThan", json!("2026-01-02T00:00:00Z"), "2026-01-01T23:59:59Z", true),
            ("DateGreaterThanEquals", json!("2026-01-02"), "2026-01-01T23:59:59Z", false),
            ("DateEquals", json!("0"), "1970-01-01T00:00:00Z", true),
            ("Bool", json!(false), "false", true),
            ("Bool", json!("true"), "FALSE", false),
            ("IpAddress", json!("10.0.0.0/8"), "10.1.2.3", true),
            ("IpAddress", json!(["10.0.0.0/8", "::1"]), "::1", true),
            ("IpAddress", json!("0.0.0.0/0"), "::ffff:1.2.3.4", true),
            ("NotIpAddress", json!("10.0.0.0/8"), "10.1.2.3", false),
            ("IpAddress", json!("::/0"), "::2", true),
            ("Null", json!("true"), "x", false),
            ("Null", json!("false"), "x", true),
        ] {
            check(operator, values, &[said], want);
        }
    }

    #[test]
    fn a_key_that_is_not_there_fails_unless_it_is_denied_or_may_be_absent() {
        use serde_json::json;
        for (operator, want) in [
            ("StringEquals", false),
            ("StringNotEquals", true),
            ("StringEqualsIfExists", true),
            ("ForAllValues:StringEquals", true),
            ("ForAnyValue:StringEquals", false),
            ("ForAnyValue:StringNotEquals", false),
        ] {
            check(operator, json!("a"), &[], want);
        }
        check("Null", json!(true), &[], true);
        check("NotIpAddress", json!("10.0.0.0/8"), &[], true);
    }

    #[test]
    fn several_values_are_asked_all_or_any() {
        use serde_json::json;
        check("ForAllValues:StringEquals", json!(["a", "b"]), &["a", "b"], true);
        check("ForAllValues:StringEquals", json!(["a", "b"]), &["a", "c"], false);
        check("ForAnyValue:StringEquals", json!(["a", "b"]), &["a", "c"], true);
        check("ForAnyValue:StringEquals", json!(["a", "b"]), &["c"], false);
        check("StringEquals", json!("a"), &["a", "c"], false);
        check("StringNotEquals", json!("a"), &["a", "c"], true);
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        use serde_json::json;
        for (operator, values, why) in [
            ("BinaryEquals", json!("eA=="), "BinaryEquals is not supported"),
            ("Equals", json!("a"), "Equals is not supported"),
            ("NullIfExists", json!("true"), "NullIfExists is not supported"),
            ("ForSome:StringEquals", json!("a"), "is not supported"),
            ("NumericEquals", json!("a"), "no value"),
            ("DateEquals", json!("tomorrow"), "no value"),
            ("IpAddress", json!("10.0.0.0/33"), "no value"),
            ("Bool", json!("maybe"), "no value"),
            ("Null", json!(["true", "false"]), "one value"),
            ("StringEquals", json!({}), "must be a string"),
            ("StringEquals", json!("${unknown}"), "not supported"),
        ] {
            let error = condition(operator, values).unwrap_err();
            assert!(error.contains(why), "{operator}: {error}");
        }
    }
}
