//! The policy of an upload by HTML form: what its signer allows a form to say.
//!
//! ```json
//! {"expiration": "2026-01-02T03:04:05Z", "conditions": [{"bucket": "b"}, ["eq", "$acl", "private"],
//!  ["starts-with", "$key", "user/"], ["content-length-range", 1, 1048576]]}
//! ```
//!
//! **Invariants.** A form keeps to its policy only if every condition holds and every field, but for
//! those of `FREE_FIELDS` and `x-ignore-…`, is in a condition: what the signer did not think of is
//! refused.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use chrono::DateTime;
use headwater_base::Timestamp;
use serde_json::Value;

/// Fields that need no condition: they are the policy, its signature and what it is about.
const FREE_FIELDS: [&str; 3] = ["policy", "x-amz-signature", "file"];
/// Fields beginning so need none either.
const IGNORED_PREFIX: &str = "x-ignore-";

/// A policy that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostPolicy {
    expiration: Timestamp,
    conditions: Vec<Condition>,
}

/// The sizes a policy allows its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SizeRange {
    /// The fewest bytes.
    pub min: u64,
    /// The most bytes.
    pub max: u64,
}

impl Default for SizeRange {
    fn default() -> Self {
        Self { min: 0, max: u64::MAX }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Condition {
    /// The field (lower case) has the value.
    Equals(String, String),
    /// It begins so.
    StartsWith(String, String),
    Size(SizeRange),
}

impl PostPolicy {
    /// Reads a policy as it is sent: JSON in base64.
    ///
    /// # Errors
    /// What is wrong with it, in a sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let json = BASE64.decode(text).map_err(|_| "Invalid Policy: it is not base64.".to_owned())?;
        let json: Value =
            serde_json::from_slice(&json).map_err(|_| "Invalid Policy: Invalid JSON.".to_owned())?;
        let expiration = json.get("expiration").and_then(Value::as_str);
        let expiration = expiration.ok_or("Invalid Policy: Policy missing expiration.")?;
        let expiration = DateTime::parse_from_rfc3339(expiration)
            .map_err(|_| format!("Invalid Policy: Invalid 'expiration' value: '{expiration}'"))?;
        let conditions = json.get("conditions").and_then(Value::as_array);
        let conditions = conditions.ok_or("Invalid Policy: Policy missing conditions.")?;
        let mut read = Vec::with_capacity(conditions.len());
        for condition in conditions {
            read_condition(condition, &mut read)?;
        }
        Ok(Self { expiration: Timestamp::from_ms(expiration.timestamp_millis()), conditions: read })
    }

    /// Holds a form against the policy; gives the sizes that are left to be checked.
    ///
    /// `fields` have lower-case names, and their variables are expanded.
    ///
    /// # Errors
    /// The first thing that is not allowed, in S3's words.
    pub fn check(
        &self,
        fields: &[(String, String)],
        bucket: &str,
        now: Timestamp,
    ) -> Result<SizeRange, String> {
        if now > self.expiration {
            return Err("Invalid according to Policy: Policy expired.".to_owned());
        }
        let mut sizes = SizeRange::default();
        for condition in &self.conditions {
            if let Condition::Size(range) = condition {
                sizes = SizeRange { min: sizes.min.max(range.min), max: sizes.max.min(range.max) };
            } else if !condition.holds(fields, bucket) {
                return Err(format!(
                    "Invalid according to Policy: Policy Condition failed: {}",
                    condition.shown()
                ));
            }
        }
        let covered = |name: &str| {
            FREE_FIELDS.contains(&name)
                || name.starts_with(IGNORED_PREFIX)
                || self.conditions.iter().any(|condition| condition.field() == Some(name))
        };
        let extra: Vec<&str> =
            fields.iter().map(|(name, _)| name.as_str()).filter(|name| !covered(name)).collect();
        if extra.is_empty() {
            return Ok(sizes);
        }
        Err(format!("Invalid according to Policy: Extra input fields: {}", extra.join(", ")))
    }
}

impl Condition {
    fn field(&self) -> Option<&str> {
        match self {
            Self::Equals(field, _) | Self::StartsWith(field, _) => Some(field),
            Self::Size(_) => None,
        }
    }

    /// A field that is not there meets no condition, not even that it begins with nothing.
    fn holds(&self, fields: &[(String, String)], bucket: &str) -> bool {
        let value = |field: &str| match field {
            "bucket" => Some(bucket),
            field => fields.iter().find(|(name, _)| name == field).map(|(_, value)| value.as_str()),
        };
        match self {
            Self::Equals(field, wanted) => value(field) == Some(wanted),
            // Several content types in one field must each be allowed.
            Self::StartsWith(field, prefix) if field == "content-type" => {
                value(field).is_some_and(|list| list.split(',').all(|one| one.trim().starts_with(prefix)))
            }
            Self::StartsWith(field, prefix) => value(field).is_some_and(|value| value.starts_with(prefix)),
            Self::Size(_) => true,
        }
    }

    /// As S3 writes it.
    fn shown(&self) -> String {
        let (operator, field, value) = match self {
            Self::Equals(field, value) => ("eq", field, value),
            Self::StartsWith(field, value) => ("starts-with", field, value),
            Self::Size(range) => return format!("[\"content-length-range\", {}, {}]", range.min, range.max),
        };
        format!("[\"{operator}\", \"${field}\", {}]", Value::from(value.as_str()))
    }
}

fn read_condition(condition: &Value, read: &mut Vec<Condition>) -> Result<(), String> {
    let invalid = || format!("Invalid Policy: Invalid Condition: {condition}");
    match condition {
        Value::Object(members) => {
            for (field, value) in members {
                let value = value.as_str().ok_or_else(invalid)?;
                read.push(Condition::Equals(field.to_ascii_lowercase(), value.to_owned()));
            }
            Ok(())
        }
        Value::Array(parts) => {
            let [operator, first, second] = &parts[..] else { return Err(invalid()) };
            let operator = operator.as_str().ok_or_else(invalid)?.to_ascii_lowercase();
            if operator == "content-length-range" {
                let (min, max) = number(first).zip(number(second)).ok_or_else(invalid)?;
                read.push(Condition::Size(SizeRange { min, max }));
                return Ok(());
            }
            let field = first.as_str().and_then(|name| name.strip_prefix('$')).ok_or_else(invalid)?;
            let (field, value) =
                (field.to_ascii_lowercase(), second.as_str().ok_or_else(invalid)?.to_owned());
            read.push(match operator.as_str() {
                "eq" => Condition::Equals(field, value),
                "starts-with" => Condition::StartsWith(field, value),
                _ => return Err(invalid()),
            });
            Ok(())
        }
        _ => Err(invalid()),
    }
}

/// A number, also as text.
fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_ms(1_000_000);

    fn policy(conditions: &str) -> PostPolicy {
        let text = format!("{{\"expiration\": \"1970-01-01T00:16:41.000Z\", \"conditions\": {conditions}}}");
        PostPolicy::parse(&BASE64.encode(text)).unwrap()
    }

    fn check(conditions: &str, fields: &[(&str, &str)]) -> Result<SizeRange, String> {
        let fields: Vec<_> = fields.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        policy(conditions).check(&fields, "b", NOW)
    }

    #[test]
    fn every_condition_must_hold() {
        let conditions = r#"[{"Bucket": "b"}, ["starts-with", "$key", "user/"], ["EQ", "$ACL", "private"]]"#;
        assert!(check(conditions, &[("key", "user/a"), ("acl", "private")]).is_ok());
        let refused = check(conditions, &[("key", "other"), ("acl", "private")]).unwrap_err();
        assert!(
            refused.ends_with("Policy Condition failed: [\"starts-with\", \"$key\", \"user/\"]"),
            "{refused}"
        );
        assert!(check(conditions, &[("key", "user/a")]).is_err(), "a field that is not there");
        assert!(check(r#"[{"bucket": "other"}]"#, &[]).is_err());
        assert!(check(r#"[["starts-with", "$x", ""]]"#, &[]).is_err());
    }

    #[test]
    fn every_field_must_be_covered() {
        let fields = [("key", "k"), ("policy", "p"), ("x-amz-signature", "s"), ("x-ignore-a", "1")];
        assert!(check(r#"[{"key": "k"}]"#, &fields).is_ok());
        let refused = check(r#"[{"key": "k"}]"#, &[("key", "k"), ("acl", "private"), ("x-amz-date", "")]);
        assert_eq!(refused.unwrap_err(), "Invalid according to Policy: Extra input fields: acl, x-amz-date");
    }

    #[test]
    fn content_types_are_lists_and_sizes_narrow() {
        let images = r#"[["starts-with", "$Content-Type", "image/"]]"#;
        assert!(check(images, &[("content-type", "image/png, image/gif")]).is_ok());
        assert!(check(images, &[("content-type", "image/png,text/html")]).is_err());
        let sizes = check(r#"[["content-length-range", 1, "9"], ["content-length-range", 2, 10]]"#, &[]);
        assert_eq!(sizes.unwrap(), SizeRange { min: 2, max: 9 });
    }

    #[test]
    fn an_expired_policy_allows_nothing() {
        let refused = policy("[]").check(&[], "b", Timestamp::from_ms(1_002_000)).unwrap_err();
        assert_eq!(refused, "Invalid according to Policy: Policy expired.");
    }

    #[test]
    fn what_is_no_policy_says_why() {
        let refused = |json: &str| PostPolicy::parse(&BASE64.encode(json)).unwrap_err();
        assert!(PostPolicy::parse("***").unwrap_err().contains("base64"));
        assert!(refused("{").contains("Invalid JSON"));
        assert!(refused("{\"conditions\": []}").contains("missing expiration"));
        assert!(refused("{\"expiration\": \"tomorrow\", \"conditions\": []}").contains("tomorrow"));
        assert!(refused("{\"expiration\": \"2026-01-01T00:00:00Z\"}").contains("missing conditions"));
        for bad in [
            "1",
            "[\"eq\", \"key\", \"k\"]",
            "[\"ne\", \"$key\", \"k\"]",
            "{\"key\": 1}",
            "[\"eq\"]",
            "[\"content-length-range\", -1, 2]",
        ] {
            let text = format!("{{\"expiration\": \"2026-01-01T00:00:00Z\", \"conditions\": [{bad}]}}");
            assert!(refused(&text).contains("Invalid Condition"), "{bad}");
        }
    }
}
