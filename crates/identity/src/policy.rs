//! Resource policies: parsed, and asked what they say of a request.
//!
//! The part of the policy language that stands alone: statements with Effect, Principal or
//! NotPrincipal, Action or NotAction, Resource or NotResource, and conditions on the request. What is
//! not understood is refused when the policy is put, never guessed at when it is asked.
//!
//! A stream's policy knows who asks; a bucket's policy knows all that S3's may ask for, and is held to
//! S3's rules about what it may say (`bucket`).
//!
//! **Invariants.** A policy that parsed decides every request. A Deny that matches wins.

mod bucket;
mod condition;
mod document;
mod pattern;

use headwater_base::Caller;
use headwater_wire::{BucketPolicyTraits, RequestKeys};
use serde::Deserialize;
use serde_json::Value;

use condition::Condition;
use pattern::{KnownKeys, Pattern, Reading};

/// The most statements of one policy.
const STATEMENTS_MAX: usize = 100;

/// What a policy says of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decision {
    /// A statement denies it.
    Denied,
    /// A statement allows it and none denies it.
    Allowed,
    /// No statement is about it.
    Silent,
}

/// A parsed policy.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Policy(Vec<Statement>);

#[derive(Clone, PartialEq, Eq, Debug)]
struct Statement {
    allows: bool,
    principals: Vec<Principal>,
    /// Everybody but those.
    principals_negated: bool,
    actions: Patterns,
    resources: Patterns,
    conditions: Vec<Condition>,
}

/// Whom a statement is about.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Principal {
    Everybody,
    /// Everybody of an account: twelve digits.
    Account(String),
    /// Who has this ARN.
    Arn(String),
    /// S3's name of an account.
    Canonical(String),
    /// A service of AWS. None calls here, so it is nobody.
    Service,
}

/// Patterns with `*` and `?`, or everything but those.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Patterns {
    patterns: Vec<Pattern>,
    negated: bool,
}

/// Whose policies are read.
#[derive(Clone, Copy)]
struct Dialect {
    knows_key: KnownKeys,
    is_bucket: bool,
}

const STREAMS: Dialect = Dialect { knows_key: knows_stream_key, is_bucket: false };
const BUCKETS: Dialect = Dialect { knows_key: bucket::knows_key, is_bucket: true };

fn knows_stream_key(key: &str) -> bool {
    matches!(key, "aws:principalarn" | "aws:principalaccount")
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct RawPolicy {
    version: Option<String>,
    #[serde(rename = "Id")]
    _id: Option<String>,
    statement: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct RawStatement {
    #[serde(rename = "Sid")]
    _sid: Option<String>,
    effect: String,
    principal: Option<Value>,
    not_principal: Option<Value>,
    action: Option<Value>,
    not_action: Option<Value>,
    resource: Option<Value>,
    not_resource: Option<Value>,
    condition: Option<serde_json::Map<String, Value>>,
}

impl Policy {
    /// Reads the policy of a stream.
    ///
    /// # Errors
    /// One sentence about what is wrong or not understood.
    pub fn parse(text: &str) -> Result<Self, String> {
        Self::read(text, STREAMS)
    }

    /// Reads the policy of a bucket that was accepted by [`Policy::of_bucket`] when it was put.
    ///
    /// # Errors
    /// One sentence about what is wrong or not understood.
    pub fn parse_bucket(text: &str) -> Result<Self, String> {
        Self::read(text, BUCKETS)
    }

    /// Reads the policy that a bucket is to have.
    ///
    /// # Errors
    /// One sentence about what is wrong or not understood, in S3's words where it has some.
    pub fn of_bucket(text: &str, bucket: &str) -> Result<Self, String> {
        let policy = Self::parse_bucket(text)?;
        bucket::check(&policy, bucket)?;
        Ok(policy)
    }

    /// What a bucket's policy is like.
    pub fn bucket_traits(&self) -> BucketPolicyTraits {
        BucketPolicyTraits {
            is_public: bucket::is_public(self),
            asks_object_tags: bucket::asks_object_tags(self),
        }
    }

    fn read(text: &str, dialect: Dialect) -> Result<Self, String> {
        document::check(text)?;
        let raw: RawPolicy = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if let Some(version) = raw.version.as_ref().filter(|v| *v != "2012-10-17" && *v != "2008-10-17") {
            return Err(format!("version {version:?} is not known"));
        }
        // Variables came with the version of 2012; before, they are only text.
        let has_variables = dialect.is_bucket && raw.version.as_deref() == Some("2012-10-17");
        let reading = Reading { wild: true, variables: has_variables.then_some(dialect.knows_key) };
        let statements = match raw.statement {
            Value::Array(statements) => statements,
            one @ Value::Object(_) => vec![one],
            _ => return Err("Statement must be an object or a list of them".to_owned()),
        };
        if statements.is_empty() || statements.len() > STATEMENTS_MAX {
            return Err(format!("a policy has 1 to {STATEMENTS_MAX} statements"));
        }
        let read = |value| Statement::parse(value, dialect, reading);
        statements.into_iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    /// What the policy says of `caller` doing `action` to `resource`. `keys` are what else the
    /// request says; who asks is added here.
    pub fn decide(&self, caller: &Caller, action: &str, resource: &str, keys: &RequestKeys) -> Decision {
        let asking = Asking::new(caller, action, resource, keys);
        let mut decision = Decision::Silent;
        for statement in self.0.iter().filter(|statement| statement.is_about(&asking)) {
            if !statement.allows {
                return Decision::Denied;
            }
            decision = Decision::Allowed;
        }
        decision
    }
}

/// A request, as statements look at it.
struct Asking<'a> {
    caller: &'a Caller,
    account: String,
    arn: String,
    action: &'a str,
    resource: &'a str,
    keys: RequestKeys,
}

impl<'a> Asking<'a> {
    fn new(caller: &'a Caller, action: &'a str, resource: &'a str, keys: &RequestKeys) -> Self {
        let (account, arn) = (caller.account.to_string(), caller.arn());
        let mut keys = keys.clone();
        if caller.is_anonymous() {
            keys.set("aws:principaltype", "Anonymous");
            keys.set("aws:userid", "anonymous");
        } else {
            keys.set("aws:principalaccount", account.as_str());
            keys.set("aws:principalarn", arn.as_str());
            let is_root = caller.user == "root";
            keys.set("aws:principaltype", if is_root { "Account" } else { "User" });
            keys.set("aws:userid", if is_root { account.as_str() } else { caller.user.as_str() });
            if !is_root {
                keys.set("aws:username", caller.user.as_str());
            }
        }
        Self { caller, account, arn, action, resource, keys }
    }
}

impl Statement {
    fn parse(value: Value, dialect: Dialect, reading: Reading) -> Result<Self, String> {
        let raw: RawStatement = serde_json::from_value(value).map_err(|error| error.to_string())?;
        let allows = match raw.effect.as_str() {
            "Allow" => true,
            "Deny" => false,
            other => return Err(format!("Effect {other:?} is neither Allow nor Deny")),
        };
        let (principals, principals_negated) = match (raw.principal, raw.not_principal) {
            (Some(principal), None) => (principals(principal, dialect)?, false),
            (None, Some(_)) if allows => return Err("NotPrincipal goes with Deny only".to_owned()),
            (None, Some(others)) => (principals(others, dialect)?, true),
            (None, None) => return Err("a statement has no Principal".to_owned()),
            (Some(_), Some(_)) => return Err("a statement has Principal or NotPrincipal".to_owned()),
        };
        let plain = Reading { variables: None, ..reading };
        let actions = Patterns::parse("Action", raw.action, raw.not_action, plain)?;
        let resources = Patterns::parse("Resource", raw.resource, raw.not_resource, reading)?;
        let mut conditions = Vec::new();
        for (operator, tests) in raw.condition.into_iter().flatten() {
            let Value::Object(tests) = tests else {
                return Err(format!("the condition {operator} has no keys"));
            };
            for (key, values) in tests {
                conditions.push(Condition::parse(&operator, &key, values, dialect.knows_key, reading)?);
            }
        }
        Ok(Self { allows, principals, principals_negated, actions, resources, conditions })
    }

    fn is_about(&self, asking: &Asking<'_>) -> bool {
        self.principals.iter().any(|principal| principal.is(asking)) != self.principals_negated
            && self.actions.match_ignoring_case(asking.action)
            && self.resources.match_exactly(asking.resource, &asking.keys)
            && self.conditions.iter().all(|condition| condition.holds(&asking.keys))
    }
}

/// `*`, or the accounts and users under `AWS`; for buckets also `CanonicalUser` and `Service`.
fn principals(value: Value, dialect: Dialect) -> Result<Vec<Principal>, String> {
    let kinds = match value {
        Value::String(all) if all == "*" => return Ok(vec![Principal::Everybody]),
        Value::Object(kinds) if kinds.is_empty() => return Err("Principal names nobody".to_owned()),
        Value::Object(kinds) => kinds,
        _ => return Err("Principal must be \"*\" or {\"AWS\": …}".to_owned()),
    };
    let mut named = Vec::new();
    for (kind, value) in kinds {
        let read = match kind.as_str() {
            "AWS" => Principal::of_aws,
            "CanonicalUser" if dialect.is_bucket => Principal::of_canonical,
            "Service" if dialect.is_bucket => Principal::of_service,
            other => return Err(format!("principals of kind {other} do not exist here")),
        };
        for text in strings("Principal", value)? {
            named.push(read(&text).ok_or_else(|| format!("{text:?} is no principal"))?);
        }
    }
    Ok(named)
}

impl Principal {
    fn of_aws(text: &str) -> Option<Self> {
        let is_account = |text: &str| text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit());
        if text == "*" {
            return Some(Self::Everybody);
        }
        if is_account(text) {
            return Some(Self::Account(text.to_owned()));
        }
        let rest = text.strip_prefix("arn:aws:iam::").or_else(|| text.strip_prefix("arn:aws:sts::"))?;
        let (account, name) = rest.split_once(':')?;
        if !is_account(account) || name.is_empty() || name.contains(['*', '?']) {
            return None;
        }
        Some(match name {
            "root" => Self::Account(account.to_owned()),
            _ => Self::Arn(text.to_owned()),
        })
    }

    fn of_canonical(text: &str) -> Option<Self> {
        let is_id = text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
        is_id.then(|| Self::Canonical(text.to_ascii_lowercase()))
    }

    fn of_service(text: &str) -> Option<Self> {
        (text.ends_with(".amazonaws.com") && !text.contains('*')).then_some(Self::Service)
    }

    fn is(&self, asking: &Asking<'_>) -> bool {
        match self {
            Self::Everybody => true,
            Self::Service => false,
            _ if asking.caller.is_anonymous() => false,
            Self::Account(account) => *account == asking.account,
            Self::Arn(arn) => *arn == asking.arn,
            Self::Canonical(id) => *id == asking.caller.canonical_id,
        }
    }
}

impl Patterns {
    fn parse(
        what: &str,
        plain: Option<Value>,
        negated: Option<Value>,
        reading: Reading,
    ) -> Result<Self, String> {
        let read = |value| -> Result<Vec<Pattern>, String> {
            strings(what, value)?.iter().map(|text| Pattern::parse(text, reading)).collect()
        };
        match (plain, negated) {
            (Some(plain), None) => Ok(Self { patterns: read(plain)?, negated: false }),
            (None, Some(negated)) => Ok(Self { patterns: read(negated)?, negated: true }),
            _ => Err(format!("a statement has either {what} or Not{what}")),
        }
    }

    fn match_exactly(&self, text: &str, keys: &RequestKeys) -> bool {
        self.patterns.iter().any(|pattern| pattern.matches(text, keys)) != self.negated
    }

    fn match_ignoring_case(&self, text: &str) -> bool {
        let none = RequestKeys::default();
        self.patterns.iter().any(|pattern| pattern.matches_ignoring_case(text, &none)) != self.negated
    }
}

/// A string or a list of them.
fn strings(what: &str, value: Value) -> Result<Vec<String>, String> {
    let wrong = || format!("{what} must be a string or a list of strings");
    match value {
        Value::String(one) => Ok(vec![one]),
        Value::Array(many) if !many.is_empty() => {
            many.into_iter().map(|one| one.as_str().map(str::to_owned).ok_or_else(wrong)).collect()
        }
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STREAM: &str = "arn:aws:kinesis:eu-west-1:111111111111:stream/orders";

    fn caller(account: &str, user: &str) -> Caller {
        Caller {
            account: account.parse().unwrap(),
            access_key: "AK".to_owned(),
            user: user.to_owned(),
            canonical_id: String::new(),
        }
    }

    #[track_caller]
    fn check(statements: &str, who: (&str, &str), action: &str, want: Decision) {
        let policy =
            Policy::parse(&format!(r#"{{"Version":"2012-10-17","Statement":{statements}}}"#)).unwrap();
        assert_eq!(policy.decide(&caller(who.0, who.1), action, STREAM, &RequestKeys::default()), want);
    }

    #[test]
    fn a_policy_allows_whom_and_what_it_names() {
        let text = r#"{"Effect":"Allow","Principal":{"AWS":"222222222222"},
            "Action":["kinesis:Get*","kinesis:putrecord"],
            "Resource":"arn:aws:kinesis:*:111111111111:stream/ord?rs"}"#;
        for (who, action, want) in [
            (("222222222222", "root"), "kinesis:GetRecords", Decision::Allowed),
            (("222222222222", "ada"), "kinesis:PutRecord", Decision::Allowed),
            (("222222222222", "ada"), "kinesis:PutRecords", Decision::Silent),
            (("333333333333", "root"), "kinesis:GetRecords", Decision::Silent),
        ] {
            check(text, who, action, want);
        }
    }

    #[test]
    fn principals_are_accounts_users_or_everybody() {
        for (principal, ada, root) in [
            (r#""*""#, true, true),
            (r#"{"AWS":"*"}"#, true, true),
            (r#"{"AWS":"arn:aws:iam::222222222222:root"}"#, true, true),
            (r#"{"AWS":["333333333333","arn:aws:iam::222222222222:user/ada"]}"#, true, false),
            (r#"{"AWS":"arn:aws:iam::222222222222:user/bob"}"#, false, false),
        ] {
            let text = format!(
                r#"[{{"Effect":"Allow","Principal":{principal},"Action":"kinesis:*","Resource":"*"}}]"#
            );
            for (user, allowed) in [("ada", ada), ("root", root)] {
                let want = if allowed { Decision::Allowed } else { Decision::Silent };
                check(&text, ("222222222222", user), "kinesis:PutRecord", want);
            }
        }
    }

    #[test]
    fn a_denial_wins() {
        let text = r#"[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"},
            {"Effect":"Deny","Principal":"*","NotAction":"kinesis:GetRecords","Resource":"*",
             "Condition":{"StringNotEquals":{"aws:PrincipalAccount":["111111111111","222222222222"]}}}]"#;
        check(text, ("222222222222", "root"), "kinesis:PutRecord", Decision::Allowed);
        check(text, ("333333333333", "root"), "kinesis:PutRecord", Decision::Denied);
        check(text, ("333333333333", "root"), "kinesis:GetRecords", Decision::Allowed);
        let text = r#"{"Effect":"Allow","Principal":"*","Action":"*","NotResource":"*orders",
            "Condition":{"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:user/a*"}}}"#;
        check(text, ("222222222222", "ada"), "kinesis:PutRecord", Decision::Silent);
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let with = |member: &str| {
            format!(
                r#"{{"Statement":{{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"{member}}}}}"#
            )
        };
        assert!(Policy::parse(&with("")).is_ok());
        for (text, why) in [
            ("{".to_owned(), "EOF"),
            ("{}".to_owned(), "missing field `Statement`"),
            (r#"{"Statement":[]}"#.to_owned(), "1 to 100"),
            (r#"{"Version":"2000-01-01","Statement":[{}]}"#.to_owned(), "not known"),
            (with(r#","NotAction":"*""#), "either Action or NotAction"),
            (with(r#","Colour":"red""#), "unknown field"),
            (
                with(r#","Condition":{"IpAddress":{"aws:SourceIp":"1.2.3.4"}}"#),
                "aws:sourceip is not supported",
            ),
            (
                with(r#","Condition":{"StringEquals":{"aws:SourceVpc":"x"}}"#),
                "aws:sourcevpc is not supported",
            ),
            (with("").replace("\"*\",\"Action", "{\"Service\":\"x\"},\"Action"), "kind Service"),
            (with("").replace("\"*\",\"Action", "{\"AWS\":\"somebody\"},\"Action"), "no principal"),
        ] {
            let error = Policy::parse(&text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn foreign_text_never_panics(text: String) {
            let _ = Policy::parse(&text);
            let _ = Policy::parse_bucket(&text);
        }
    }
}
