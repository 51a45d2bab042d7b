//! What a bucket notifies about: rules with events, a filter of keys, and a destination.
//!
//! **Invariants.** A [`Notification`] that exists is one S3 would accept: known events, destinations
//! of the right kind, ids that are unique, and no event that two rules would send. So an event goes
//! to at most one rule's destination, besides the event bus.

use std::collections::BTreeSet;

use headwater_base::{Arn, Region};
use headwater_objects::{Change, ChangeEvent};
use headwater_store::limits::VALUE_BYTES_MAX;

use crate::records::encode;
use crate::records::rules::RulesRecord;
use crate::{EventName, NAMES};

/// How many rules a bucket may have, as on AWS.
pub const RULES_MAX: usize = 100;

/// How long a rule's id may be.
const ID_BYTES_MAX: usize = 255;

/// How long a destination's ARN may be: it is part of keys.
const ARN_BYTES_MAX: usize = 1024;

/// How long a prefix or suffix may be.
const FILTER_BYTES_MAX: usize = 1024;

/// What kind of destination a rule has.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DestinationKind {
    /// An SQS queue.
    Queue,
    /// An SNS topic.
    Topic,
    /// A Lambda function.
    Function,
}

impl DestinationKind {
    /// The service in the destination's ARN.
    pub fn service(self) -> &'static str {
        match self {
            Self::Queue => "sqs",
            Self::Topic => "sns",
            Self::Function => "lambda",
        }
    }
}

/// Which events of which keys go where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rule {
    /// Unique in the bucket's configuration.
    pub id: String,
    /// What the destination is.
    pub kind: DestinationKind,
    /// The destination.
    pub arn: String,
    /// The events, in the order given.
    pub events: Vec<EventName>,
    /// What keys begin with; `None` if the rule does not say.
    pub prefix: Option<String>,
    /// What keys end with; `None` if the rule does not say.
    pub suffix: Option<String>,
}

impl Rule {
    /// Whether an event is this rule's.
    pub fn takes(&self, event: &ChangeEvent) -> bool {
        self.matches(event.change, &event.key)
    }

    /// Whether a change of this key would be an event of this rule's.
    pub fn matches(&self, change: Change, key: &str) -> bool {
        self.events.iter().any(|name| name.covers(change))
            && key.starts_with(self.prefix.as_deref().unwrap_or_default())
            && key.ends_with(self.suffix.as_deref().unwrap_or_default())
    }

    /// Whether some event could be both rules'. As S3 decides it, from prefixes and suffixes apart:
    /// prefixes overlap when one begins with the other, suffixes when one ends with the other, and
    /// none overlaps with all.
    fn overlaps(&self, other: &Self) -> bool {
        let (prefix, others) = (self.prefix.as_deref().unwrap_or(""), other.prefix.as_deref().unwrap_or(""));
        let (suffix, ends) = (self.suffix.as_deref().unwrap_or(""), other.suffix.as_deref().unwrap_or(""));
        (prefix.starts_with(others) || others.starts_with(prefix))
            && (suffix.ends_with(ends) || ends.ends_with(suffix))
            && self.events.iter().any(|a| other.events.iter().any(|b| a.meets(*b)))
    }

    fn check(&self, region: &Region) -> Result<(), NotificationError> {
        if self.id.is_empty() || self.id.len() > ID_BYTES_MAX {
            return Err(NotificationError::BadId);
        }
        if self.events.is_empty() || self.events.len() > NAMES.len() {
            return Err(NotificationError::BadEvents);
        }
        let filters = [&self.prefix, &self.suffix];
        if filters.into_iter().flatten().any(|value| value.len() > FILTER_BYTES_MAX) {
            return Err(NotificationError::LongFilter);
        }
        let arn: Arn = self.arn.parse().map_err(|_| NotificationError::BadArn)?;
        let is_function = self.kind != DestinationKind::Function || arn.resource.starts_with("function:");
        if self.arn.len() > ARN_BYTES_MAX
            || arn.service != self.kind.service()
            || arn.account.is_none()
            || !is_function
        {
            return Err(NotificationError::BadArn);
        }
        if arn.region.as_ref() != Some(region) {
            return Err(NotificationError::OtherRegion);
        }
        match self.kind {
            DestinationKind::Queue | DestinationKind::Topic if arn.resource.ends_with(".fifo") => {
                Err(NotificationError::Fifo)
            }
            DestinationKind::Queue | DestinationKind::Topic | DestinationKind::Function => Ok(()),
        }
    }
}

/// Everything a bucket notifies about.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Notification {
    rules: Vec<Rule>,
    event_bridge: bool,
}

/// Why a configuration is not one. The messages are S3's.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotificationError {
    /// More than [`RULES_MAX`] rules.
    #[error("You have exceeded the limit of {RULES_MAX} notification configurations per bucket.")]
    TooMany,
    /// An id is empty or too long.
    #[error("The ID of a notification configuration must have between 1 and {ID_BYTES_MAX} bytes.")]
    BadId,
    /// Two rules have the same id.
    #[error("Same ID used for multiple configurations. IDs must be unique.")]
    SameId,
    /// A rule without events, or with more than there are.
    #[error("A notification configuration must name at least one event, and each once.")]
    BadEvents,
    /// A prefix or suffix is too long.
    #[error("Size of filter rule value cannot exceed {FILTER_BYTES_MAX} bytes in UTF-8 representation.")]
    LongFilter,
    /// The destination is no ARN, or not one of this kind.
    #[error("The ARN is not well formed")]
    BadArn,
    /// The destination lies in another region than the bucket.
    #[error("The notification destination service region is not valid for the bucket location constraint")]
    OtherRegion,
    /// The destination is a FIFO queue or topic.
    #[error("FIFO queues and topics are not supported as destinations of event notifications.")]
    Fifo,
    /// All rules together are too large to be kept.
    #[error("The notification configuration is too large.")]
    TooLarge,
    /// Some event would be two rules'.
    #[error(
        "Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules if the prefixes are \
         overlapping for the same event type."
    )]
    Overlap,
}

impl Notification {
    /// The configuration of a bucket in `region`.
    ///
    /// # Errors
    /// What S3 would not accept.
    pub fn new(rules: Vec<Rule>, event_bridge: bool, region: &Region) -> Result<Self, NotificationError> {
        if rules.len() > RULES_MAX {
            return Err(NotificationError::TooMany);
        }
        for rule in &rules {
            rule.check(region)?;
        }
        let ids: BTreeSet<&str> = rules.iter().map(|rule| rule.id.as_str()).collect();
        if ids.len() < rules.len() {
            return Err(NotificationError::SameId);
        }
        let overlap = |(at, rule): (usize, &Rule)| rules[at + 1..].iter().any(|other| rule.overlaps(other));
        if rules.iter().enumerate().any(overlap) {
            return Err(NotificationError::Overlap);
        }
        let notification = Self { rules, event_bridge };
        if encode(&RulesRecord::from(&notification)).len() > VALUE_BYTES_MAX {
            return Err(NotificationError::TooLarge);
        }
        Ok(notification)
    }

    /// A configuration that was accepted before.
    pub(crate) fn trusted(rules: Vec<Rule>, event_bridge: bool) -> Self {
        Self { rules, event_bridge }
    }

    /// The rules, in the order given.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Whether every event goes to the account's default event bus.
    pub fn event_bridge(&self) -> bool {
        self.event_bridge
    }

    /// Whether nothing is notified.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty() && !self.event_bridge
    }

    /// The rule that takes an event.
    pub fn rule_for(&self, event: &ChangeEvent) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.takes(event))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUEUE: &str = "arn:aws:sqs:eu-west-1:000000000001:q";

    fn rule(id: &str, events: &[&str], prefix: &str, suffix: &str) -> Rule {
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Rule {
            id: id.to_owned(),
            kind: DestinationKind::Queue,
            arn: QUEUE.to_owned(),
            events: events.iter().map(|name| EventName::new(name).unwrap()).collect(),
            prefix: given(prefix),
            suffix: given(suffix),
        }
    }

    fn check(rules: Vec<Rule>) -> Option<NotificationError> {
        Notification::new(rules, false, &"eu-west-1".parse().unwrap()).err()
    }

    #[test]
    fn two_rules_for_one_event_must_not_overlap() {
        const PUT: &[&str] = &["s3:ObjectCreated:Put"];
        const ANY: &[&str] = &["s3:ObjectCreated:*"];
        const COPY: &[&str] = &["s3:ObjectCreated:Copy"];
        type Side = (&'static [&'static str], &'static str, &'static str);
        let cases: &[(Side, Side, bool)] = &[
            // A rule without filter overlaps with all.
            ((PUT, "", ""), (PUT, "", ""), true),
            ((PUT, "", ""), (PUT, "a/", ".jpg"), true),
            // Prefixes.
            ((PUT, "images", ""), (PUT, "images/", ""), true),
            ((PUT, "images/", ""), (PUT, "logs/", ""), false),
            ((PUT, "a", ""), (PUT, "b", ""), false),
            // Suffixes: they overlap when one ends the other.
            ((PUT, "", ".jpg"), (PUT, "", ".png"), false),
            ((PUT, "", "jpg"), (PUT, "", ".jpg"), true),
            // Overlapping prefixes with disjoint suffixes may stand beside each other.
            ((PUT, "images", ".jpg"), (PUT, "images/", ".png"), false),
            ((PUT, "images", ".jpg"), (PUT, "images/", ".jpg"), true),
            // One with a prefix alone and one with a suffix alone: some key has both.
            ((PUT, "images", ""), (PUT, "", ".jpg"), true),
            // Disjoint prefixes with the same suffix.
            ((PUT, "a/", ".jpg"), (PUT, "b/", ".jpg"), false),
            // Families.
            ((ANY, "", ""), (PUT, "", ""), true),
            ((ANY, "a", ""), (PUT, "b", ""), false),
            // Different events may overlap.
            ((COPY, "", ""), (PUT, "", ""), false),
        ];
        for ((events, prefix, suffix), (others, start, end), overlaps) in cases {
            let (one, two) = (rule("1", events, prefix, suffix), rule("2", others, start, end));
            let wanted = overlaps.then_some(NotificationError::Overlap);
            assert_eq!(check(vec![one.clone(), two.clone()]), wanted, "{one:?} {two:?}");
            assert_eq!(check(vec![two, one]), wanted);
        }
    }

    #[test]
    fn what_s3_would_not_accept_is_refused() {
        let plain = || rule("1", &["s3:ObjectCreated:*"], "", "");
        assert_eq!(check(vec![plain()]), None);
        assert_eq!(check(vec![]), None);
        let cases = [
            (Rule { id: String::new(), ..plain() }, NotificationError::BadId),
            (Rule { events: vec![], ..plain() }, NotificationError::BadEvents),
            (Rule { arn: format!("{QUEUE}{}", "q".repeat(1024)), ..plain() }, NotificationError::BadArn),
            (Rule { prefix: Some("x".repeat(1025)), ..plain() }, NotificationError::LongFilter),
            (Rule { arn: "queue".into(), ..plain() }, NotificationError::BadArn),
            (Rule { arn: QUEUE.replace("sqs", "sns"), ..plain() }, NotificationError::BadArn),
            (
                Rule { arn: QUEUE.replace("eu-west-1", "us-east-1"), ..plain() },
                NotificationError::OtherRegion,
            ),
            (Rule { arn: format!("{QUEUE}.fifo"), ..plain() }, NotificationError::Fifo),
            (Rule { kind: DestinationKind::Topic, ..plain() }, NotificationError::BadArn),
        ];
        for (rule, error) in cases {
            assert_eq!(check(vec![rule]), Some(error));
        }
        let function = Rule {
            kind: DestinationKind::Function,
            arn: "arn:aws:lambda:eu-west-1:000000000001:function:f".into(),
            ..plain()
        };
        assert_eq!(check(vec![function]), None);
        let twice = vec![plain(), rule("1", &["s3:ObjectRemoved:*"], "", "")];
        assert_eq!(check(twice), Some(NotificationError::SameId));
        let many =
            (0..=RULES_MAX).map(|n| rule(&n.to_string(), &["s3:ObjectCreated:*"], &format!("{n:03}"), ""));
        assert_eq!(check(many.collect()), Some(NotificationError::TooMany));
        let large = |n: usize| {
            rule(&n.to_string(), &["s3:ObjectCreated:*"], &format!("{n:03}{}", "p".repeat(1000)), "")
        };
        let large = (0..RULES_MAX).map(|n| Rule { suffix: Some("s".repeat(1024)), ..large(n) });
        assert_eq!(check(large.collect()), Some(NotificationError::TooLarge));
    }
}
