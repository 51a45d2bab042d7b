//! Facts of lifecycles: `RULE`, `WALK` and `NAME`; that a bucket has a lifecycle is said by the bucket and
//! by what its puts expect. `DUE` and `RESTORE` hold an empty record.

use headwater_base::Timestamp;
use minicbor::{Decode, Encode};

use crate::StorageClass;
use crate::lifecycle::{
    Expiration, Filter, FilterForm, NoncurrentExpiration, NoncurrentTransition, Rule, Transition, When,
};

/// What is said of a bucket's lifecycle beside its rules.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct LifecycleRecord {
    /// How many `RULE` facts there are.
    #[n(0)]
    pub(crate) rules: u32,
    /// Whether `GLACIER` and `DEEP_ARCHIVE` take objects of every size.
    #[n(1)]
    pub(crate) varies_by_class: bool,
}

/// The value of a `NAME` fact: what a bucket is called of which something is due.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct NameRecord {
    #[n(0)]
    pub(crate) bucket: String,
}

/// The value of a `WALK` fact: how far the walk over a bucket has come.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct WalkRecord {
    /// 0 current objects, 1 keys with versions, 2 uploads.
    #[n(0)]
    pub(crate) phase: u8,
    /// The last object key done in this phase.
    #[n(1)]
    pub(crate) after: Option<String>,
    /// How many facts were looked at.
    #[n(2)]
    pub(crate) seen: u64,
}

/// A number of days or a date in milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) enum WhenRecord {
    #[n(0)]
    Days(#[n(0)] i32),
    #[n(1)]
    Date(#[n(0)] i64),
}

/// See [`Expiration`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) enum ExpirationRecord {
    #[n(0)]
    At(#[n(0)] WhenRecord),
    #[n(1)]
    ExpiredMarkers,
    #[n(2)]
    Nothing,
}

/// See [`Transition`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct TransitionRecord {
    #[n(0)]
    pub(crate) when: WhenRecord,
    #[n(1)]
    pub(crate) class: u8,
}

/// See [`NoncurrentExpiration`] and [`NoncurrentTransition`]; an expiration has no class.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct NoncurrentRecord {
    #[n(0)]
    pub(crate) days: i32,
    #[n(1)]
    pub(crate) newer_kept: Option<i32>,
    #[n(2)]
    pub(crate) class: Option<u8>,
}

/// The value of a `RULE` fact.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct RuleRecord {
    #[n(0)]
    pub(crate) id: String,
    #[n(1)]
    pub(crate) enabled: bool,
    /// 0 the rule's own prefix, 1 a filter of one condition or none, 2 a filter with `And`.
    #[n(2)]
    pub(crate) form: u8,
    #[n(3)]
    pub(crate) prefix: Option<String>,
    #[n(4)]
    pub(crate) tags: Vec<(String, String)>,
    #[n(5)]
    pub(crate) larger_than: Option<i64>,
    #[n(6)]
    pub(crate) smaller_than: Option<i64>,
    #[n(7)]
    pub(crate) expiration: Option<ExpirationRecord>,
    #[n(8)]
    pub(crate) transitions: Vec<TransitionRecord>,
    #[n(9)]
    pub(crate) noncurrent_expiration: Option<NoncurrentRecord>,
    #[n(10)]
    pub(crate) noncurrent_transitions: Vec<NoncurrentRecord>,
    #[n(11)]
    pub(crate) abort_uploads_days: Option<i32>,
}

impl RuleRecord {
    pub(crate) fn of(rule: &Rule) -> Self {
        let filter = &rule.filter;
        Self {
            id: rule.id.clone(),
            enabled: rule.enabled,
            form: match filter.form {
                FilterForm::Prefix => 0,
                FilterForm::Single => 1,
                FilterForm::And => 2,
            },
            prefix: filter.prefix.clone(),
            tags: filter.tags.clone(),
            larger_than: filter.larger_than,
            smaller_than: filter.smaller_than,
            expiration: rule.expiration.map(|expiration| match expiration {
                Expiration::At(when) => ExpirationRecord::At(when_record(when)),
                Expiration::ExpiredMarkers => ExpirationRecord::ExpiredMarkers,
                Expiration::Nothing => ExpirationRecord::Nothing,
            }),
            transitions: rule
                .transitions
                .iter()
                .map(|step| TransitionRecord { when: when_record(step.when), class: step.class.code() })
                .collect(),
            noncurrent_expiration: rule.noncurrent_expiration.map(|end| NoncurrentRecord {
                days: end.days,
                newer_kept: end.newer_kept,
                class: None,
            }),
            noncurrent_transitions: rule
                .noncurrent_transitions
                .iter()
                .map(|step| NoncurrentRecord {
                    days: step.days,
                    newer_kept: step.newer_kept,
                    class: Some(step.class.code()),
                })
                .collect(),
            abort_uploads_days: rule.abort_uploads_days,
        }
    }

    /// The rule it says; `None` when it holds what this program does not know.
    pub(crate) fn rule(self) -> Option<Rule> {
        let form = match self.form {
            0 => FilterForm::Prefix,
            1 => FilterForm::Single,
            2 => FilterForm::And,
            _ => return None,
        };
        let transition = |step: TransitionRecord| {
            Some(Transition { when: when(step.when), class: StorageClass::coded(step.class)? })
        };
        let noncurrent = |step: NoncurrentRecord| {
            let class = StorageClass::coded(step.class?)?;
            Some(NoncurrentTransition { days: step.days, newer_kept: step.newer_kept, class })
        };
        Some(Rule {
            id: self.id,
            enabled: self.enabled,
            filter: Filter {
                form,
                prefix: self.prefix,
                tags: self.tags,
                larger_than: self.larger_than,
                smaller_than: self.smaller_than,
            },
            expiration: self.expiration.map(|expiration| match expiration {
                ExpirationRecord::At(at) => Expiration::At(when(at)),
                ExpirationRecord::ExpiredMarkers => Expiration::ExpiredMarkers,
                ExpirationRecord::Nothing => Expiration::Nothing,
            }),
            transitions: self.transitions.into_iter().map(transition).collect::<Option<_>>()?,
            noncurrent_expiration: self
                .noncurrent_expiration
                .map(|end| NoncurrentExpiration { days: end.days, newer_kept: end.newer_kept }),
            noncurrent_transitions: self
                .noncurrent_transitions
                .into_iter()
                .map(noncurrent)
                .collect::<Option<_>>()?,
            abort_uploads_days: self.abort_uploads_days,
        })
    }
}

fn when_record(when: When) -> WhenRecord {
    match when {
        When::Days(days) => WhenRecord::Days(days),
        When::Date(date) => WhenRecord::Date(date.ms()),
    }
}

fn when(record: WhenRecord) -> When {
    match record {
        WhenRecord::Days(days) => When::Days(days),
        WhenRecord::Date(ms) => When::Date(Timestamp::from_ms(ms)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::records::{decode, encode, keys};

    fn full() -> Rule {
        Rule {
            id: "r".into(),
            enabled: true,
            filter: Filter {
                form: FilterForm::And,
                prefix: Some("a/".into()),
                tags: vec![("k".into(), "v".into())],
                larger_than: Some(1),
                smaller_than: Some(9),
            },
            expiration: Some(Expiration::At(When::Days(60))),
            transitions: vec![Transition {
                when: When::Date(Timestamp::from_ms(0)),
                class: StorageClass::Glacier,
            }],
            noncurrent_expiration: Some(NoncurrentExpiration { days: 3, newer_kept: Some(2) }),
            noncurrent_transitions: vec![NoncurrentTransition {
                days: 1,
                newer_kept: None,
                class: StorageClass::DeepArchive,
            }],
            abort_uploads_days: Some(7),
        }
    }

    #[test]
    fn golden_bytes_of_version_1() {
        let lifecycle = LifecycleRecord { rules: 2, varies_by_class: true };
        assert_eq!(hex::encode(encode(&lifecycle)), "018202f5");
        assert_eq!(hex::encode(encode(&NameRecord { bucket: "b".into() })), "01816162");
        let walk = WalkRecord { phase: 1, after: Some("k".into()), seen: 9 };
        assert_eq!(hex::encode(encode(&walk)), "018301616b09");
        assert_eq!(
            hex::encode(encode(&RuleRecord::of(&full()))),
            "018c6172f50262612f8182616b61760109820081820081183c818282018100068203028183 01f60707"
                .replace(' ', "")
        );
    }

    #[test]
    fn rules_read_back() {
        let mut rule = full();
        for form in [FilterForm::Prefix, FilterForm::Single, FilterForm::And] {
            for expiration in [
                None,
                Some(Expiration::ExpiredMarkers),
                Some(Expiration::Nothing),
                Some(Expiration::At(When::Date(Timestamp::from_ms(-5)))),
            ] {
                rule.filter.form = form;
                rule.expiration = expiration;
                let bytes = encode(&RuleRecord::of(&rule));
                let record: RuleRecord = decode(&keys::guard(1), &bytes).unwrap();
                assert_eq!(record.rule(), Some(rule.clone()));
            }
        }
        let unknown = RuleRecord { form: 3, ..RuleRecord::of(&full()) };
        assert_eq!(unknown.rule(), None);
    }

    proptest! {
        #[test]
        fn walks_read_back(phase: u8, after: Option<String>, seen: u64) {
            let record = WalkRecord { phase, after, seen };
            prop_assert_eq!(decode::<WalkRecord>(&keys::guard(1), &encode(&record)).unwrap(), record);
        }

        #[test]
        fn foreign_bytes_never_panic(bytes: Vec<u8>) {
            let _ = decode::<RuleRecord>(&keys::guard(1), &bytes).map(RuleRecord::rule);
        }
    }
}
