//! The fact that is a bucket's configuration: `RULES`.

use minicbor::{Decode, Encode};

use crate::EventName;
use crate::notification::{DestinationKind, Notification, Rule};

/// The value of a `RULES` fact.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct RulesRecord {
    #[n(0)]
    rules: Vec<RuleRecord>,
    #[n(1)]
    event_bridge: bool,
}

#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
struct RuleRecord {
    #[n(0)]
    id: String,
    #[n(1)]
    kind: u8,
    #[n(2)]
    arn: String,
    #[n(3)]
    events: Vec<String>,
    #[n(4)]
    prefix: Option<String>,
    #[n(5)]
    suffix: Option<String>,
}

impl From<&Notification> for RulesRecord {
    fn from(notification: &Notification) -> Self {
        let rule = |rule: &Rule| RuleRecord {
            id: rule.id.clone(),
            kind: match rule.kind {
                DestinationKind::Queue => 0,
                DestinationKind::Topic => 1,
                DestinationKind::Function => 2,
            },
            arn: rule.arn.clone(),
            events: rule.events.iter().map(|name| name.as_str().to_owned()).collect(),
            prefix: rule.prefix.clone(),
            suffix: rule.suffix.clone(),
        };
        Self {
            rules: notification.rules().iter().map(rule).collect(),
            event_bridge: notification.event_bridge(),
        }
    }
}

impl RulesRecord {
    /// The configuration; `None` when it says what this version does not know.
    pub(crate) fn notification(self) -> Option<Notification> {
        let rule = |rule: RuleRecord| {
            Some(Rule {
                id: rule.id,
                kind: match rule.kind {
                    0 => DestinationKind::Queue,
                    1 => DestinationKind::Topic,
                    2 => DestinationKind::Function,
                    _ => return None,
                },
                arn: rule.arn,
                events: rule.events.iter().map(|name| EventName::new(name)).collect::<Option<_>>()?,
                prefix: rule.prefix,
                suffix: rule.suffix,
            })
        };
        let rules = self.rules.into_iter().map(rule).collect::<Option<_>>()?;
        Some(Notification::trusted(rules, self.event_bridge))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::records::{decode, encode, keys};

    fn one(prefix: Option<String>, suffix: Option<String>, kind: DestinationKind) -> Notification {
        let rule = Rule {
            id: "r".into(),
            kind,
            arn: "a".into(),
            events: vec![EventName::new("s3:ObjectCreated:*").unwrap()],
            prefix,
            suffix,
        };
        Notification::trusted(vec![rule], true)
    }

    #[test]
    fn golden_bytes_of_version_1() {
        let record = RulesRecord::from(&one(Some("p".into()), None, DestinationKind::Topic));
        assert_eq!(
            hex::encode(encode(&record)),
            "018281856172016161817273333a4f626a656374437265617465643a2a6170f5"
        );
    }

    proptest! {
        #[test]
        fn rules_read_back(prefix: Option<String>, suffix: Option<String>, kind in 0u8..3) {
            let kind = [DestinationKind::Queue, DestinationKind::Topic, DestinationKind::Function][kind as usize];
            let notification = one(prefix, suffix, kind);
            let bytes = encode(&RulesRecord::from(&notification));
            let read: RulesRecord = decode(&keys::rules(1), &bytes).unwrap();
            prop_assert_eq!(read.notification(), Some(notification));
        }

        #[test]
        fn foreign_bytes_never_panic(bytes: Vec<u8>) {
            let _ = decode::<RulesRecord>(&keys::rules(1), &bytes);
        }
    }
}
