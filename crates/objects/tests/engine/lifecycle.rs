//! Lifecycles: what rules ask for is done when it is due, on the key as it is then.

use std::time::Duration;

use headwater_objects::{
    Attributes, BodyStream, Bypass, Condition, Expiration, Filter, Lifecycle, ListedVersion,
    NoncurrentExpiration, ObjectError, Rule, StorageClass, Transition, TransitionMinimum, UploadOptions,
    VersionQuery, When,
};
use headwater_work::Pass;

use crate::{World, key};

const DAY: Duration = Duration::from_secs(86_400);

fn rule() -> Rule {
    Rule { enabled: true, ..Rule::default() }
}

fn expiring(days: i32) -> Rule {
    Rule { expiration: Some(Expiration::At(When::Days(days))), ..rule() }
}

fn noncurrent(days: i32, newer_kept: Option<i32>) -> Rule {
    Rule { noncurrent_expiration: Some(NoncurrentExpiration { days, newer_kept }), ..rule() }
}

fn markers() -> Rule {
    Rule { expiration: Some(Expiration::ExpiredMarkers), ..rule() }
}

fn below(prefix: &str, rule: Rule) -> Rule {
    Rule { filter: Filter { prefix: Some(prefix.into()), ..Filter::default() }, ..rule }
}

impl World {
    pub(crate) async fn set_rules(&mut self, rules: Vec<Rule>) {
        let chance = &self.objects.seams().chance;
        let lifecycle = Lifecycle::new(rules, TransitionMinimum::default(), chance).unwrap();
        self.objects.set_lifecycle(&self.bucket, Some(&lifecycle)).await.unwrap();
        self.bucket = self.objects.bucket(&self.bucket.name).await.unwrap();
    }

    /// Does everything that is due now.
    pub(crate) async fn live(&self) {
        let lifecycles = self.objects.lifecycles();
        while lifecycles.step().await.unwrap() == Pass::More {}
        let restores = self.objects.restores();
        while restores.step().await.unwrap() == Pass::More {}
    }

    /// The same, after days have passed.
    pub(crate) async fn days_pass(&self, days: u32) {
        self.objects.seams().clock.advance(DAY * days);
        self.live().await;
    }

    async fn is_there(&self, name: &str) -> bool {
        match self.objects.head(&self.bucket, &key(name)).await {
            Ok(_) => true,
            Err(ObjectError::NoSuchKey(_)) => false,
            Err(e) => panic!("{e}"),
        }
    }

    /// Versions and markers of all keys, newest first, as letters.
    async fn history(&self) -> String {
        let query = VersionQuery {
            list: headwater_objects::ListQuery { limit: 1000, ..Default::default() },
            after_version: None,
        };
        let listed = self.objects.list_versions(&self.bucket, &query).await.unwrap();
        let shown = listed.entries.iter().map(|entry| match entry {
            ListedVersion::Version { info, .. } => format!("{}{} ", info.key, info.size),
            ListedVersion::Marker { key, .. } => format!("{key}- "),
            ListedVersion::Prefix(prefix) => panic!("{prefix}"),
        });
        shown.collect::<String>().trim_end().to_owned()
    }

    /// How many entries say when to look.
    async fn entries(&self) -> usize {
        self.facts(0x0230).await
    }
}

#[tokio::test]
async fn objects_expire_when_their_days_are_over() {
    let mut world = World::new().await;
    world.put("before", "1").await;
    world.put("other", "1").await;
    world.set_rules(vec![below("be", expiring(2)), below("after", expiring(3))]).await;
    world.put("after", "1").await;
    world.live().await;
    assert_eq!(world.entries().await, 2);
    world.days_pass(2).await;
    assert!(world.is_there("before").await, "midnight has not come");
    world.days_pass(1).await;
    assert!(!world.is_there("before").await && world.is_there("after").await);
    world.days_pass(1).await;
    assert!(!world.is_there("after").await && world.is_there("other").await);
    assert_eq!(world.entries().await, 0);
    assert_eq!(world.facts(0x0212).await, 1, "bodies go with their objects");
}

#[tokio::test]
async fn what_was_put_again_begins_anew() {
    let mut world = World::new().await;
    world.set_rules(vec![expiring(2)]).await;
    world.put("k", "1").await;
    world.days_pass(2).await;
    world.put("k", "22").await;
    world.days_pass(1).await;
    assert!(world.is_there("k").await, "the entry of the first is not about the second");
    world.days_pass(2).await;
    assert!(!world.is_there("k").await);
    assert_eq!(world.entries().await, 0);
}

#[tokio::test]
async fn an_object_whose_tags_change_comes_under_other_rules() {
    let mut world = World::new().await;
    let filter = Filter { tags: vec![("t".into(), "v".into())], ..Filter::default() };
    world.set_rules(vec![Rule { filter, ..expiring(1) }]).await;
    world.put("k", "1").await;
    world.days_pass(5).await;
    assert!(world.is_there("k").await);
    let tags = [("t".to_owned(), "v".to_owned())].into();
    world.objects.set_tags(&world.bucket, &key("k"), None, tags).await.unwrap();
    world.days_pass(1).await;
    assert!(!world.is_there("k").await);
}

#[tokio::test]
async fn a_put_that_did_not_know_the_rules_looks_again() {
    let mut world = World::new().await;
    let unknowing = world.bucket.clone();
    world.set_rules(vec![expiring(1)]).await;
    world.live().await;
    world.objects.put_bytes(&unknowing, &key("k"), "1".into(), Attributes::default()).await.unwrap();
    world.days_pass(2).await;
    assert!(!world.is_there("k").await, "the walk was over before it was put");
}

#[tokio::test]
async fn rules_that_are_gone_do_nothing() {
    let mut world = World::new().await;
    world.set_rules(vec![expiring(1)]).await;
    world.put("k", "1").await;
    world.objects.set_lifecycle(&world.bucket, None).await.unwrap();
    world.days_pass(5).await;
    assert!(world.is_there("k").await);
    assert_eq!((world.entries().await, world.facts(0x0232).await, world.facts(0x0233).await), (0, 0, 0));
    assert_eq!(world.objects.lifecycle(&world.bucket).await.unwrap(), None);
    assert_eq!(world.facts(0x0204).await, 0, "a plain bucket is plain again");
}

#[tokio::test]
async fn rules_are_given_back_as_they_were_set() {
    let mut world = World::new().await;
    let rules: Vec<Rule> = (0..30).map(|n| Rule { id: format!("r{n}"), ..expiring(n + 1) }).collect();
    world.set_rules(rules.clone()).await;
    assert_eq!(world.objects.lifecycle(&world.bucket).await.unwrap().unwrap().rules(), rules);
    world.set_rules(rules[..3].to_vec()).await;
    assert_eq!(world.objects.lifecycle(&world.bucket).await.unwrap().unwrap().rules(), &rules[..3]);
    assert_eq!(world.facts(0x0232).await, 3);
    assert_eq!(world.facts(0x0233).await, 1);
    world.objects.delete_bucket(&world.bucket).await.unwrap();
    world.live().await;
    assert_eq!((world.facts(0x0232).await, world.facts(0x0233).await, world.facts(0x0231).await), (0, 0, 0));
}

#[tokio::test]
async fn where_versions_are_kept_objects_are_hidden() {
    let mut world = World::versioned().await;
    world.put("k", "1").await;
    world.set_rules(vec![expiring(1)]).await;
    world.days_pass(2).await;
    assert_eq!(world.history().await, "k- k1");
    world.days_pass(30).await;
    assert_eq!(world.history().await, "k- k1", "a marker that hides something stays");
}

#[tokio::test]
async fn succeeded_versions_go_and_then_their_marker() {
    let mut world = World::versioned().await;
    world
        .set_rules(vec![
            Rule { noncurrent_expiration: noncurrent(2, None).noncurrent_expiration, ..expiring(1) },
            markers(),
        ])
        .await;
    world.put("k", "1").await;
    world.put("k", "22").await;
    world.days_pass(2).await;
    assert_eq!(world.history().await, "k- k2 k1");
    world.days_pass(1).await;
    assert_eq!(world.history().await, "k- k2", "the first was succeeded on the day it was put");
    world.days_pass(2).await;
    assert_eq!(world.history().await, "");
    world.days_pass(2).await;
    assert_eq!((world.history().await.as_str(), world.entries().await), ("", 0));
    assert_eq!(world.facts(0x0213).await, 0, "no history is left");
}

#[tokio::test]
async fn the_newest_of_the_succeeded_are_kept() {
    let mut world = World::versioned().await;
    for size in 1..=5 {
        world.put("k", vec![0; size]).await;
    }
    world.set_rules(vec![noncurrent(1, Some(2))]).await;
    world.days_pass(2).await;
    assert_eq!(world.history().await, "k5 k4 k3");
    world.days_pass(10).await;
    assert_eq!(world.history().await, "k5 k4 k3");
    world.put("k", vec![0; 6]).await;
    world.days_pass(1).await;
    assert_eq!(world.history().await, "k6 k5 k4", "one more pushes the oldest out, whose days were over");
}

#[tokio::test]
async fn a_marker_that_is_left_alone_by_a_client_goes() {
    let mut world = World::versioned().await;
    world.set_rules(vec![markers()]).await;
    let info = world.put("k", "1").await;
    world.objects.delete(&world.bucket, &key("k")).await.unwrap();
    world.days_pass(3).await;
    assert_eq!(world.history().await, "k- k1");
    let (bucket, condition) = (&world.bucket, Condition::Anything);
    world.objects.delete_version(bucket, &key("k"), info.version, &condition, Bypass::Nothing).await.unwrap();
    assert_eq!(world.history().await, "k-");
    world.days_pass(1).await;
    assert_eq!(world.history().await, "");
}

#[tokio::test]
async fn a_version_that_becomes_the_newest_again_comes_to_its_end() {
    let mut world = World::versioned().await;
    world.set_rules(vec![expiring(1)]).await;
    world.put("k", "1").await;
    world.days_pass(2).await;
    assert_eq!(world.history().await, "k- k1");
    let marker = world.objects.newest_marker(&world.bucket, &key("k")).await.unwrap().unwrap();
    let (bucket, condition) = (&world.bucket, Condition::Anything);
    world.objects.delete_version(bucket, &key("k"), marker, &condition, Bypass::Nothing).await.unwrap();
    assert_eq!(world.history().await, "k1");
    world.days_pass(1).await;
    assert_eq!(world.history().await, "k- k1");
}

#[tokio::test]
async fn while_versioning_is_suspended_the_null_version_is_replaced() {
    let mut world = World::versioned().await;
    world.put("k", "1").await;
    world.set_versioning(false).await;
    world.put("k", "22").await;
    world.set_rules(vec![expiring(1)]).await;
    world.days_pass(2).await;
    assert_eq!(world.history().await, "k- k1");
}

#[tokio::test]
async fn what_is_held_stays_until_it_is_not() {
    use headwater_objects::{BucketLock, Retention, RetentionMode};
    let mut world = World::versioned().await;
    world.objects.set_bucket_lock(&world.bucket, BucketLock::default()).await.unwrap();
    world.bucket = world.objects.bucket(&world.bucket.name).await.unwrap();
    world.set_rules(vec![noncurrent(1, None)]).await;
    let first = world.put("k", "1").await;
    let until = world.objects.seams().clock.now().plus(DAY * 5);
    let retention = Some(Retention { mode: RetentionMode::Governance, until });
    let (bucket, name) = (world.bucket.clone(), key("k"));
    world
        .objects
        .set_retention(&bucket, &name, Some(first.version), retention, Bypass::Nothing)
        .await
        .unwrap();
    let second = world.put("k", "22").await;
    world.objects.set_legal_hold(&bucket, &name, Some(second.version), true).await.unwrap();
    world.put("k", "333").await;
    world.days_pass(3).await;
    assert_eq!(world.history().await, "k3 k2 k1");
    for _ in 0..4 {
        world.days_pass(1).await;
    }
    assert_eq!(world.history().await, "k3 k2", "the retention is over, the hold is not");
    world.objects.set_legal_hold(&bucket, &name, Some(second.version), false).await.unwrap();
    world.days_pass(1).await;
    assert_eq!(world.history().await, "k3");
}

#[tokio::test]
async fn uploads_that_nobody_completes_are_given_up() {
    let mut world = World::new().await;
    let begin = |world: &World, name: &'static str| {
        let (objects, bucket) = (world.objects.clone(), world.bucket.clone());
        async move {
            let options = UploadOptions::default();
            objects.create_upload(&bucket, &key(name), Attributes::default(), options).await.unwrap()
        }
    };
    let before = begin(&world, "before").await;
    world.set_rules(vec![Rule { abort_uploads_days: Some(2), ..rule() }]).await;
    world.objects.seams().clock.advance(DAY);
    let after = begin(&world, "after").await;
    world.days_pass(2).await;
    let gone = |world: &World, name, id| {
        let (objects, bucket) = (world.objects.clone(), world.bucket.clone());
        async move { objects.upload(&bucket, &key(name), id).await.is_err() }
    };
    assert!(gone(&world, "before", before).await);
    assert!(!gone(&world, "after", after).await);
    world.days_pass(1).await;
    assert!(gone(&world, "after", after).await);
    assert_eq!(world.entries().await, 0);
}

#[tokio::test]
async fn classes_change_when_their_days_have_come() {
    let mut world = World::new().await;
    world.put("large", vec![7; 200_000]).await;
    world.put("small", "1").await;
    let step = |days, class| Transition { when: When::Days(days), class };
    let transitions = vec![step(1, StorageClass::Glacier), step(3, StorageClass::DeepArchive)];
    world.set_rules(vec![Rule { transitions, ..expiring(5) }]).await;
    let class = async |world: &World, name: &str| {
        world.objects.head(&world.bucket, &key(name)).await.unwrap().attributes.storage_class
    };
    world.days_pass(2).await;
    assert_eq!(class(&world, "large").await, StorageClass::Glacier);
    assert_eq!(class(&world, "small").await, StorageClass::Standard, "it is too small to be moved");
    let read = world.objects.open(&world.bucket, &key("large")).await;
    assert!(matches!(read, Err(ObjectError::Archived(StorageClass::Glacier))));
    world.days_pass(2).await;
    assert_eq!(class(&world, "large").await, StorageClass::DeepArchive);
    world.days_pass(2).await;
    assert!(!world.is_there("large").await && !world.is_there("small").await);
}

#[tokio::test]
async fn what_is_due_is_found_by_its_time_and_not_by_looking_at_everything() {
    let mut world = World::new().await;
    world.set_rules(vec![expiring(100)]).await;
    for n in 0..500 {
        world.put(&format!("k{n}"), "1").await;
    }
    world.live().await;
    assert_eq!(
        world.objects.lifecycles().step().await.unwrap(),
        Pass::Done,
        "nothing is due: nothing is read"
    );
    assert_eq!(world.entries().await, 500);
    world.days_pass(101).await;
    assert_eq!((world.entries().await, world.facts(0x0210).await), (0, 0));
}

#[tokio::test]
async fn a_walk_goes_on_where_it_was() {
    let mut world = World::new().await;
    for n in 0..2500 {
        world.put(&format!("k{n:04}"), "1").await;
    }
    world.set_rules(vec![expiring(1)]).await;
    let lifecycles = world.objects.lifecycles();
    lifecycles.step().await.unwrap();
    assert_eq!(world.entries().await, 1000);
    // Another process goes on: all there is are facts.
    drop(lifecycles);
    world.live().await;
    assert_eq!((world.entries().await, world.facts(0x0233).await), (2500, 0));
}

/// A body in pieces, for uploads.
pub(crate) fn body_of(bytes: bytes::Bytes) -> BodyStream {
    use futures::StreamExt;
    futures::stream::iter([Ok(bytes)]).boxed()
}
