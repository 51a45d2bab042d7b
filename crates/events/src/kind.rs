//! Event names: what a configuration may ask for, and which of them a change is.
//!
//! S3 has kinds of events that never happen on this node (replication, annotations, objects lost).
//! A configuration may ask for them, as on AWS; nothing comes of it.

use headwater_objects::Change;

/// Every name that a configuration may use, as S3 spells it.
pub const NAMES: &[&str] = &[
    "s3:IntelligentTiering",
    "s3:LifecycleExpiration:*",
    "s3:LifecycleExpiration:Delete",
    "s3:LifecycleExpiration:DeleteMarkerCreated",
    "s3:LifecycleTransition",
    "s3:ObjectAcl:Put",
    "s3:ObjectAnnotation:*",
    "s3:ObjectAnnotation:Delete",
    "s3:ObjectAnnotation:Put",
    "s3:ObjectCreated:*",
    "s3:ObjectCreated:CompleteMultipartUpload",
    "s3:ObjectCreated:Copy",
    "s3:ObjectCreated:Post",
    "s3:ObjectCreated:Put",
    "s3:ObjectRemoved:*",
    "s3:ObjectRemoved:Delete",
    "s3:ObjectRemoved:DeleteMarkerCreated",
    "s3:ObjectRestore:*",
    "s3:ObjectRestore:Completed",
    "s3:ObjectRestore:Delete",
    "s3:ObjectRestore:Post",
    "s3:ObjectRetention:Put",
    "s3:ObjectTagging:*",
    "s3:ObjectTagging:Delete",
    "s3:ObjectTagging:Put",
    "s3:ReducedRedundancyLostObject",
    "s3:Replication:*",
    "s3:Replication:OperationFailedReplication",
    "s3:Replication:OperationMissedThreshold",
    "s3:Replication:OperationNotTracked",
    "s3:Replication:OperationReplicatedAfterThreshold",
];

/// A name of a configuration: one kind of event, or a family of them (`s3:ObjectCreated:*`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct EventName(&'static str);

impl EventName {
    /// The name as S3 spells it; `None` if S3 has no such event.
    pub fn new(text: &str) -> Option<Self> {
        NAMES.iter().find(|name| **name == text).map(|name| Self(name))
    }

    /// As S3 spells it.
    pub fn as_str(self) -> &'static str {
        self.0
    }

    /// Whether a change is an event of this name.
    pub fn covers(self, change: Change) -> bool {
        let name = name_of(change);
        match self.family() {
            Some(family) => name.starts_with(family),
            None => self.0.strip_prefix("s3:") == Some(name),
        }
    }

    /// Whether some event could be of both names.
    pub fn meets(self, other: Self) -> bool {
        let within = |family: Option<&str>, name: &str| {
            family.is_some_and(|family| name.strip_prefix("s3:").is_some_and(|name| name.starts_with(family)))
        };
        self == other || within(self.family(), other.0) || within(other.family(), self.0)
    }

    /// `ObjectCreated:` of `s3:ObjectCreated:*`.
    fn family(self) -> Option<&'static str> {
        self.0.strip_prefix("s3:")?.strip_suffix('*')
    }
}

/// A change's name in event records: without `s3:`.
pub(crate) fn name_of(change: Change) -> &'static str {
    match change {
        Change::CreatedPut => "ObjectCreated:Put",
        Change::CreatedPost => "ObjectCreated:Post",
        Change::CreatedCopy => "ObjectCreated:Copy",
        Change::CreatedMultipart => "ObjectCreated:CompleteMultipartUpload",
        Change::Removed => "ObjectRemoved:Delete",
        Change::MarkerCreated => "ObjectRemoved:DeleteMarkerCreated",
        Change::TaggingPut => "ObjectTagging:Put",
        Change::TaggingDelete => "ObjectTagging:Delete",
        Change::AclPut => "ObjectAcl:Put",
        Change::RestorePost => "ObjectRestore:Post",
        Change::RestoreCompleted => "ObjectRestore:Completed",
        Change::RestoreDelete => "ObjectRestore:Delete",
        Change::Expired => "LifecycleExpiration:Delete",
        Change::ExpiredMarker => "LifecycleExpiration:DeleteMarkerCreated",
        Change::Transitioned => "LifecycleTransition",
        Change::RetentionPut => "ObjectRetention:Put",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> EventName {
        EventName::new(text).unwrap()
    }

    #[test]
    fn unknown_names_are_none() {
        for text in ["", "s3:ObjectCreated", "ObjectCreated:*", "s3:objectcreated:*", "s3:*", "s3:TestEvent"]
        {
            assert_eq!(EventName::new(text), None, "{text}");
        }
        assert_eq!(NAMES.len(), 31);
    }

    #[test]
    fn every_change_is_covered_by_its_name_and_its_family_alone() {
        for change in Change::all() {
            let own = format!("s3:{}", name_of(change));
            assert!(name(&own).covers(change), "{own}");
            let covering: Vec<&str> = NAMES.iter().copied().filter(|n| name(n).covers(change)).collect();
            let family = own.rsplit_once(':').map(|(family, _)| format!("{family}:*"));
            let families = NAMES.iter().filter(|n| Some((**n).to_owned()) == family).count();
            assert_eq!(covering.len(), 1 + families, "{covering:?}");
        }
    }

    #[test]
    fn lifecycle_removals_are_no_object_removed_events() {
        for change in [Change::Expired, Change::ExpiredMarker] {
            assert!(!name("s3:ObjectRemoved:*").covers(change));
            assert!(name("s3:LifecycleExpiration:*").covers(change));
        }
    }

    #[test]
    fn names_meet_when_an_event_could_be_both() {
        assert!(name("s3:ObjectCreated:*").meets(name("s3:ObjectCreated:Put")));
        assert!(name("s3:ObjectCreated:Put").meets(name("s3:ObjectCreated:*")));
        assert!(name("s3:ObjectCreated:Put").meets(name("s3:ObjectCreated:Put")));
        assert!(!name("s3:ObjectCreated:Put").meets(name("s3:ObjectCreated:Copy")));
        assert!(!name("s3:ObjectCreated:*").meets(name("s3:ObjectRemoved:*")));
        assert!(name("s3:LifecycleTransition").meets(name("s3:LifecycleTransition")));
    }
}
