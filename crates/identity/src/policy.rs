//! Resource policies: parsed, and asked what they say of a request.
//!
//! The part of the policy language that stands alone: statements with Effect, Principal, Action or
//! NotAction, Resource or NotResource, and conditions on who asks. What is not understood is refused
//! when the policy is put, never guessed at when it is asked.
//!
//! **Invariants.** A policy that parsed decides every request. A Deny that matches wins.

use headwater_base::Caller;
use serde::Deserialize;
use serde_json::Value;

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
    principals: Vec<String>,
    actions: Patterns,
    resources: Patterns,
    conditions: Vec<Condition>,
}

/// Patterns with `*` and `?`, or everything but those.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Patterns {
    patterns: Vec<String>,
    negated: bool,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Condition {
    /// Whether the values are patterns.
    like: bool,
    negated: bool,
    key: ConditionKey,
    values: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum ConditionKey {
    PrincipalArn,
    PrincipalAccount,
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
    action: Option<Value>,
    not_action: Option<Value>,
    resource: Option<Value>,
    not_resource: Option<Value>,
    condition: Option<serde_json::Map<String, Value>>,
}

impl Policy {
    /// Reads a policy.
    ///
    /// # Errors
    /// One sentence about what is wrong or not understood.
    pub fn parse(text: &str) -> Result<Self, String> {
        let raw: RawPolicy = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if let Some(version) = raw.version.filter(|v| v != "2012-10-17" && v != "2008-10-17") {
            return Err(format!("version {version:?} is not known"));
        }
        let statements = match raw.statement {
            Value::Array(statements) => statements,
            one @ Value::Object(_) => vec![one],
            _ => return Err("Statement must be an object or a list of them".to_owned()),
        };
        if statements.is_empty() || statements.len() > STATEMENTS_MAX {
            return Err(format!("a policy has 1 to {STATEMENTS_MAX} statements"));
        }
        statements.into_iter().map(Statement::parse).collect::<Result<_, _>>().map(Self)
    }

    /// What the policy says of `caller` doing `action` to `resource`.
    pub fn decide(&self, caller: &Caller, action: &str, resource: &str) -> Decision {
        let arn = caller.arn();
        let mut decision = Decision::Silent;
        for statement in self.0.iter().filter(|statement| statement.is_about(caller, &arn, action, resource))
        {
            if !statement.allows {
                return Decision::Denied;
            }
            decision = Decision::Allowed;
        }
        decision
    }
}

impl Statement {
    fn parse(value: Value) -> Result<Self, String> {
        let raw: RawStatement = serde_json::from_value(value).map_err(|error| error.to_string())?;
        let allows = match raw.effect.as_str() {
            "Allow" => true,
            "Deny" => false,
            other => return Err(format!("Effect {other:?} is neither Allow nor Deny")),
        };
        let principals = principals(raw.principal.ok_or("a statement has no Principal")?)?;
        let actions = Patterns::parse("Action", raw.action, raw.not_action)?;
        let resources = Patterns::parse("Resource", raw.resource, raw.not_resource)?;
        let mut conditions = Vec::new();
        for (operator, tests) in raw.condition.into_iter().flatten() {
            let Value::Object(tests) = tests else {
                return Err(format!("the condition {operator} has no keys"));
            };
            for (key, values) in tests {
                conditions.push(Condition::parse(&operator, &key, values)?);
            }
        }
        Ok(Self { allows, principals, actions, resources, conditions })
    }

    fn is_about(&self, caller: &Caller, arn: &str, action: &str, resource: &str) -> bool {
        self.principals.iter().any(|principal| is_principal(principal, caller, arn))
            && self.actions.match_ignoring_case(action)
            && self.resources.match_exactly(resource)
            && self.conditions.iter().all(|condition| condition.holds(caller, arn))
    }
}

/// `*`, or the accounts and users under `AWS`.
fn principals(value: Value) -> Result<Vec<String>, String> {
    let named = match value {
        Value::String(all) if all == "*" => return Ok(vec![all]),
        Value::Object(mut kinds) => {
            let aws = kinds.remove("AWS");
            if let Some(other) = kinds.keys().next() {
                return Err(format!("principals of kind {other} do not exist here"));
            }
            aws.ok_or("Principal names nobody")?
        }
        _ => return Err("Principal must be \"*\" or {\"AWS\": …}".to_owned()),
    };
    let named = strings("Principal", named)?;
    let known = |text: &String| {
        let is_account = text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit());
        text == "*" || is_account || text.strip_prefix("arn:aws:iam::").is_some_and(|rest| rest.len() > 13)
    };
    match named.iter().find(|text| !known(text)) {
        Some(unknown) => Err(format!("{unknown:?} is no principal")),
        None => Ok(named),
    }
}

fn is_principal(principal: &str, caller: &Caller, arn: &str) -> bool {
    let account = caller.account.to_string();
    let of_account = principal.strip_prefix("arn:aws:iam::").and_then(|rest| rest.strip_suffix(":root"));
    principal == "*" || principal == account || principal == arn || of_account == Some(&account)
}

impl Patterns {
    fn parse(what: &str, plain: Option<Value>, negated: Option<Value>) -> Result<Self, String> {
        match (plain, negated) {
            (Some(plain), None) => Ok(Self { patterns: strings(what, plain)?, negated: false }),
            (None, Some(negated)) => Ok(Self { patterns: strings(what, negated)?, negated: true }),
            _ => Err(format!("a statement has either {what} or Not{what}")),
        }
    }

    fn match_exactly(&self, text: &str) -> bool {
        self.patterns.iter().any(|pattern| matches(pattern.as_bytes(), text.as_bytes())) != self.negated
    }

    fn match_ignoring_case(&self, text: &str) -> bool {
        let text = text.to_ascii_lowercase();
        let matches = |pattern: &String| matches(pattern.to_ascii_lowercase().as_bytes(), text.as_bytes());
        self.patterns.iter().any(matches) != self.negated
    }
}

impl Condition {
    fn parse(operator: &str, key: &str, values: Value) -> Result<Self, String> {
        let (like, negated) = match operator {
            "StringEquals" | "ArnEquals" => (operator == "ArnEquals", false),
            "StringNotEquals" | "ArnNotEquals" => (operator == "ArnNotEquals", true),
            "StringLike" | "ArnLike" => (true, false),
            "StringNotLike" | "ArnNotLike" => (true, true),
            other => return Err(format!("the condition {other} is not supported")),
        };
        let key = match key.to_ascii_lowercase().as_str() {
            "aws:principalarn" => ConditionKey::PrincipalArn,
            "aws:principalaccount" => ConditionKey::PrincipalAccount,
            _ => return Err(format!("the condition key {key} is not supported")),
        };
        Ok(Self { like, negated, key, values: strings(operator, values)? })
    }

    fn holds(&self, caller: &Caller, arn: &str) -> bool {
        let account = caller.account.to_string();
        let text = match self.key {
            ConditionKey::PrincipalArn => arn,
            ConditionKey::PrincipalAccount => &account,
        };
        let is = |value: &String| match self.like {
            true => matches(value.as_bytes(), text.as_bytes()),
            false => value == text,
        };
        self.values.iter().any(is) != self.negated
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

/// Whether `text` has the form of `pattern`, where `*` stands for anything and `?` for one byte.
/// Goes back to the last star only, so it takes at most pattern × text steps.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == b'?' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    p = at + 1;
                    t = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
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
        assert_eq!(policy.decide(&caller(who.0, who.1), action, STREAM), want);
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
            (with(r#","Condition":{"IpAddress":{"aws:SourceIp":"1.2.3.4"}}"#), "IpAddress is not supported"),
            (
                with(r#","Condition":{"StringEquals":{"aws:SourceVpc":"x"}}"#),
                "aws:SourceVpc is not supported",
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
        fn stars_stand_for_anything(parts in proptest::collection::vec("[a-c]{0,4}", 1..5), fill in "[a-c]{0,5}") {
            prop_assert!(matches(parts.join("*").as_bytes(), parts.join(&fill).as_bytes()));
        }

        #[test]
        fn foreign_text_never_panics(text: String, pattern in "[a*?]{0,20}", value in "[ab]{0,40}") {
            let _ = Policy::parse(&text);
            let _ = matches(pattern.as_bytes(), value.as_bytes());
        }
    }

    #[test]
    fn patterns_match_whole_texts() {
        for (pattern, text, want) in [
            ("", "", true),
            ("*", "", true),
            ("a*c", "abcbc", true),
            ("a*c", "abcb", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("a", "ab", false),
            ("*b", "aab", true),
            ("**", "x", true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), want, "{pattern} {text}");
        }
    }
}
