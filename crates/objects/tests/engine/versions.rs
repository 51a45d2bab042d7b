//! Versions: what puts and deletes leave behind, by id and in listings; races; object lock.

use std::sync::Arc;

use headwater_base::Timestamp;
use headwater_objects::{
    Attributes, BucketLock, Bypass, CompletedPart, Condition, DeclaredObject, DefaultRetention, Deletion,
    ListQuery, ListedVersion, ObjectError, ObjectInfo, ObjectLock, Period, Removal, Retention, RetentionMode,
    UploadOptions, VersionId, VersionQuery, Versioning,
};
use headwater_store::Commit;

use crate::{BIG, World, key, pattern, whole};

impl World {
    async fn get_version(&self, name: &str, version: VersionId) -> Result<bytes::Bytes, ObjectError> {
        let reader = self.objects.open_version(&self.bucket, &key(name), Some(version)).await?;
        Ok(whole(&reader).await)
    }

    async fn delete(&self, name: &str) -> Deletion {
        self.objects.delete(&self.bucket, &key(name)).await.unwrap()
    }

    async fn delete_version(&self, name: &str, version: VersionId) -> Result<Deletion, ObjectError> {
        let (bucket, condition) = (&self.bucket, Condition::Anything);
        self.objects.delete_version(bucket, &key(name), version, &condition, Bypass::Nothing).await
    }

    /// Every version as `key version body-or-marker latest`, in pages of `limit`.
    pub(crate) async fn all_versions(&self, list: ListQuery) -> Vec<(String, VersionId, Option<u64>, bool)> {
        let mut query = VersionQuery { list, after_version: None };
        let mut found = Vec::new();
        loop {
            let page = self.objects.list_versions(&self.bucket, &query).await.unwrap();
            for entry in &page.entries {
                found.push(match entry {
                    ListedVersion::Version { info, latest } => {
                        (info.key.as_str().to_owned(), info.version, Some(info.size), *latest)
                    }
                    ListedVersion::Marker { key, version, latest, .. } => {
                        (key.as_str().to_owned(), *version, None, *latest)
                    }
                    ListedVersion::Prefix(prefix) => (prefix.clone(), VersionId::NULL, None, false),
                });
            }
            let Some(last) = page.entries.last().filter(|_| page.truncated) else {
                return found;
            };
            let (after, version) = last.position();
            query = VersionQuery {
                list: ListQuery { after: Some(after.to_owned()), ..query.list },
                after_version: version,
            };
        }
    }
}

#[tokio::test]
async fn every_put_is_kept_and_a_delete_is_a_marker() {
    let world = World::versioned().await;
    let first = world.put("k", "one").await;
    let second = world.put("k", pattern(BIG, 2)).await;
    assert_ne!(first.version, second.version);
    assert!(!first.version.is_null());
    assert_eq!(world.get("k").await, pattern(BIG, 2));
    assert_eq!(world.get_version("k", first.version).await.unwrap(), "one");

    let marker = world.delete("k").await;
    assert!(marker.marker);
    let marker = marker.version.unwrap();
    assert!(matches!(world.objects.open(&world.bucket, &key("k")).await, Err(ObjectError::NoSuchKey(_))));
    assert_eq!(world.objects.newest_marker(&world.bucket, &key("k")).await.unwrap(), Some(marker));
    let refused = world.get_version("k", marker).await;
    assert!(matches!(refused, Err(ObjectError::DeleteMarker { version, .. }) if version == marker));
    assert_eq!(world.get_version("k", second.version).await.unwrap(), pattern(BIG, 2));

    // Without its marker the object is back, and every body is still its own.
    assert_eq!(
        world.delete_version("k", marker).await.unwrap(),
        Deletion { version: Some(marker), marker: true }
    );
    assert_eq!(world.get("k").await, pattern(BIG, 2));
    world.delete_version("k", second.version).await.unwrap();
    assert_eq!(world.get("k").await, "one");
    let shown = world.objects.head(&world.bucket, &key("k")).await.unwrap();
    assert_eq!((shown.version, shown.lsn), (first.version, first.lsn));
    world.sweep().await;
    assert_eq!(world.blobs.count(), 0);
    assert!(matches!(
        world.get_version("k", second.version).await,
        Err(ObjectError::NoSuchVersion { version, .. }) if version == second.version
    ));
    // Once more is no error.
    assert!(world.delete_version("k", second.version).await.is_ok());
}

#[tokio::test]
async fn what_was_there_before_versions_is_the_null_version() {
    let mut world = World::new().await;
    for (name, body) in [("small", pattern(9, 1)), ("big", pattern(BIG, 1))] {
        assert!(world.put(name, body).await.version.is_null());
    }
    world.set_versioning(true).await;
    assert_eq!(world.bucket.versioning, Versioning::Enabled);
    for (name, old) in [("small", pattern(9, 1)), ("big", pattern(BIG, 1))] {
        assert_eq!(world.get_version(name, VersionId::NULL).await.unwrap(), old);
        let new = world.put(name, "new").await;
        world.sweep().await;
        assert_eq!(world.get(name).await, "new");
        assert_eq!(world.get_version(name, VersionId::NULL).await.unwrap(), old);
        world.delete_version(name, new.version).await.unwrap();
        assert_eq!(world.get(name).await, old);
        world.delete_version(name, VersionId::NULL).await.unwrap();
    }
    world.sweep().await;
    assert_eq!(world.blobs.count(), 0);
    for kind in [0x0210, 0x0211, 0x0212, 0x0213, 0x0800] {
        assert_eq!(world.facts(kind).await, 0, "{kind:x}");
    }
}

#[tokio::test]
async fn while_suspended_only_the_null_version_is_replaced() {
    let mut world = World::versioned().await;
    let kept = world.put("k", "kept").await;
    world.set_versioning(false).await;
    for n in 0..3 {
        assert!(world.put("k", pattern(BIG, n)).await.version.is_null());
    }
    world.sweep().await;
    assert_eq!(world.blobs.count(), 1);
    assert_eq!(world.get_version("k", VersionId::NULL).await.unwrap(), pattern(BIG, 2));
    let marker = world.delete("k").await;
    assert_eq!(marker, Deletion { version: Some(VersionId::NULL), marker: true });
    world.sweep().await;
    assert_eq!(world.blobs.count(), 0);
    let found = world.all_versions(ListQuery { limit: 10, ..ListQuery::default() }).await;
    assert_eq!(
        found,
        [("k".into(), VersionId::NULL, None, true), ("k".into(), kept.version, Some(4), false)]
    );
    world.set_versioning(true).await;
    let newer = world.put("k", "newer").await;
    assert_eq!(world.all_versions(ListQuery { limit: 10, ..ListQuery::default() }).await.len(), 3);
    world.delete_version("k", newer.version).await.unwrap();
    world.delete_version("k", VersionId::NULL).await.unwrap();
    assert_eq!(world.get("k").await, "kept");
}

#[tokio::test]
async fn listings_merge_fold_and_go_on_anywhere() {
    let mut world = World::new().await;
    for name in ["a", "d/1", "d/2", "e"] {
        world.put(name, "plain").await;
    }
    world.set_versioning(true).await;
    for name in ["b", "d/1", "d/1", "d/3", "f"] {
        world.put(name, "v").await;
    }
    world.delete("e").await;
    world.delete("never").await;
    let all = world.all_versions(ListQuery { limit: 1000, ..ListQuery::default() }).await;
    let names: Vec<&str> = all.iter().map(|(name, ..)| name.as_str()).collect();
    assert_eq!(names, ["a", "b", "d/1", "d/1", "d/1", "d/2", "d/3", "e", "e", "f", "never"]);
    let latest: Vec<bool> = all.iter().map(|(.., latest)| *latest).collect();
    assert_eq!(latest, [true, true, true, false, false, true, true, true, false, true, true]);
    assert!(all[4].1.is_null() && all[8].1.is_null());
    for limit in 1..=11 {
        assert_eq!(world.all_versions(ListQuery { limit, ..ListQuery::default() }).await, all, "{limit}");
    }
    for limit in 1..=8 {
        let query = ListQuery { limit, delimiter: Some("/".into()), ..ListQuery::default() };
        let folded = world.all_versions(query).await;
        let names: Vec<&str> = folded.iter().map(|(name, ..)| name.as_str()).collect();
        assert_eq!(names, ["a", "b", "d/", "e", "e", "f", "never"], "{limit}");
        let query = ListQuery { limit, prefix: "d/".into(), ..ListQuery::default() };
        assert_eq!(world.all_versions(query).await, all[2..7], "{limit}");
    }
}

#[tokio::test]
async fn a_prefix_costs_one_entry_however_much_lies_below_it() {
    let world = World::versioned().await;
    for n in 0..300 {
        world.put(&format!("deep/{n:04}"), "x").await;
    }
    world.put("last", "x").await;
    let query = ListQuery { limit: 1000, delimiter: Some("/".into()), ..ListQuery::default() };
    let names: Vec<String> = world.all_versions(query).await.into_iter().map(|(name, ..)| name).collect();
    assert_eq!(names, ["deep/", "last"]);
}

#[tokio::test]
async fn tags_belong_to_a_version() {
    let world = World::versioned().await;
    let (old, new) = (world.put("k", "old").await, world.put("k", "new").await);
    let (bucket, k) = (&world.bucket, key("k"));
    let tags = |text: &str| std::collections::BTreeMap::from([("t".to_owned(), text.to_owned())]);
    assert_eq!(world.objects.set_tags(bucket, &k, Some(old.version), tags("o")).await.unwrap(), old.version);
    assert_eq!(world.objects.set_tags(bucket, &k, None, tags("n")).await.unwrap(), new.version);
    let tags_of = async |version| {
        world.objects.head_version(bucket, &k, version).await.unwrap().attributes.tags["t"].clone()
    };
    assert_eq!(tags_of(Some(old.version)).await, "o");
    assert_eq!(tags_of(Some(new.version)).await, "n");
    assert_eq!(tags_of(None).await, "n");
    assert_eq!(world.get("k").await, "new");
    world.delete_version("k", new.version).await.unwrap();
    assert_eq!(tags_of(None).await, "o");
    assert_eq!(world.get("k").await, "old");
}

#[tokio::test]
async fn uploads_and_copies_are_versions() {
    let world = World::versioned().await;
    let source = world.put("k", pattern(BIG, 1)).await;
    let id = world
        .objects
        .create_upload(&world.bucket, &key("k"), Attributes::default(), UploadOptions::default())
        .await
        .unwrap();
    let body = world.objects.stage_bytes(&world.bucket, pattern(BIG, 2), false).await.unwrap();
    let part = world.objects.put_part(&world.bucket, &key("k"), id, 1, &body).await.unwrap();
    drop(body);
    let parts = [CompletedPart { number: 1, etag: part.etag, checksum: None }];
    let complete = async || {
        world
            .objects
            .complete_upload(
                &world.bucket,
                &key("k"),
                id,
                &parts,
                &DeclaredObject::default(),
                &Condition::Anything,
            )
            .await
            .unwrap()
    };
    let completed = complete().await;
    assert_eq!(complete().await.version, completed.version, "once more gives the same version");
    // The older version becomes the newest once more, and shares its body.
    let old = world.objects.head_version(&world.bucket, &key("k"), Some(source.version)).await.unwrap();
    let copied = world.copy(&old, "k", Attributes::default()).await.unwrap();
    world.sweep().await;
    assert_eq!(world.blobs.count(), 2);
    for (version, seed) in [(source.version, 1), (completed.version, 2), (copied.version, 1)] {
        assert_eq!(world.get_version("k", version).await.unwrap(), pattern(BIG, seed));
        world.delete_version("k", version).await.unwrap();
        world.sweep().await;
    }
    assert_eq!(world.blobs.count(), 0);
    assert_eq!(world.facts(0x0224).await, 0);
}

#[tokio::test]
async fn many_writers_of_one_key_all_get_a_version() {
    let world = Arc::new(World::versioned().await);
    let writers = (0..64u8).map(|seed| {
        let world = world.clone();
        async move {
            let mut versions = Vec::new();
            for _ in 0..8 {
                tokio::task::yield_now().await;
                versions.push(world.put("hot", pattern(9, seed)).await.version);
            }
            versions
        }
    });
    let mut versions: Vec<VersionId> = futures::future::join_all(writers).await.concat();
    versions.sort();
    versions.dedup();
    assert_eq!(versions.len(), 512);
    assert_eq!(world.facts(0x0211).await, 512);
    assert_eq!(world.facts(0x0212).await, 512);
}

#[tokio::test]
async fn one_of_many_conditional_writers_wins() {
    let world = Arc::new(World::versioned().await);
    world.put("k", "old").await;
    world.delete("k").await;
    let etag = world.put("other", "x").await.etag;
    for (name, condition) in [("k", Condition::Absent), ("other", Condition::Etag(etag))] {
        let writers = (0..16u8).map(|seed| {
            let (world, condition) = (world.clone(), condition.clone());
            async move {
                let body = world.objects.stage_bytes(&world.bucket, pattern(9, seed), false).await.unwrap();
                let attributes = Attributes::default();
                world.objects.put(&world.bucket, &key(name), &body, attributes, &condition).await.is_ok()
            }
        });
        let won = futures::future::join_all(writers).await.into_iter().filter(|won| *won).count();
        assert_eq!(won, 1, "{name}");
    }
}

#[tokio::test]
async fn a_put_and_the_enabling_of_versions_race_without_loss() {
    for turns in 0..12 {
        let world = World::new().await;
        world.put("k", "first").await;
        // With a handle from before, as a delivery holds one.
        let put = async {
            for _ in 0..turns % 4 {
                tokio::task::yield_now().await;
            }
            world.put("k", "second").await
        };
        let enable = async {
            for _ in 0..turns / 4 {
                tokio::task::yield_now().await;
            }
            world.objects.set_versioning(&world.bucket, true).await.unwrap();
        };
        let (second, ()) = tokio::join!(put, enable);
        let third = world.put("k", "third").await;
        let null = world.get_version("k", VersionId::NULL).await.unwrap();
        if second.version.is_null() {
            assert_eq!(null, "second");
        } else {
            assert_eq!(null, "first");
            assert_eq!(world.get_version("k", second.version).await.unwrap(), "second");
        }
        assert!(!third.version.is_null());
    }
}

#[tokio::test]
async fn staged_puts_and_deletes_are_versions_too() {
    // The handle is from before versions were enabled.
    let world = World::new().await;
    world.put("k", "plain").await;
    world.objects.set_versioning(&world.bucket, true).await.unwrap();
    let stage = async |body: &'static str| {
        let staged = world.objects.stage_bytes(&world.bucket, body.into(), false).await.unwrap();
        let mut commit = Commit::new();
        let (attributes, now) = (Attributes::default(), Timestamp::from_ms(1));
        world
            .objects
            .stage_put(&mut commit, &world.bucket, &key("k"), &staged, attributes, now)
            .await
            .unwrap();
        commit
    };
    let commit = |commit| world.objects.store().commit(commit);
    let (one, other) = (stage("one").await, stage("other").await);
    commit(one).await.unwrap();
    assert!(commit(other).await.is_err(), "it was staged upon what is no longer the newest");
    commit(stage("other").await).await.unwrap();
    assert_eq!(world.get("k").await, "other");
    let object = world.objects.head(&world.bucket, &key("k")).await.unwrap();
    let mut delete = Commit::new();
    world.objects.stage_delete(&mut delete, &world.bucket, &object).await.unwrap();
    commit(delete).await.unwrap();
    let sizes: Vec<Option<u64>> = world
        .all_versions(ListQuery { limit: 9, ..ListQuery::default() })
        .await
        .into_iter()
        .map(|(_, _, size, _)| size)
        .collect();
    assert_eq!(sizes, [None, Some(5), Some(3), Some(5)]);
    let mut late = Commit::new();
    world.objects.stage_delete(&mut late, &world.bucket, &object).await.unwrap();
    assert!(commit(late).await.is_err());
}

#[tokio::test]
async fn a_bucket_with_a_version_or_a_marker_is_not_empty() {
    let world = World::versioned().await;
    let version = world.put("k", "x").await.version;
    let marker = world.delete("k").await.version.unwrap();
    for gone in [version, marker] {
        let refused = world.objects.delete_bucket(&world.bucket).await;
        assert!(matches!(refused, Err(ObjectError::BucketNotEmpty(_))));
        world.delete_version("k", gone).await.unwrap();
    }
    world.objects.delete_bucket(&world.bucket).await.unwrap();
    assert_eq!(world.facts(0x0204).await, 0);
    let again =
        world.objects.create_bucket(&world.bucket.name, world.bucket.owner, &world.bucket.region).await;
    assert_eq!(again.unwrap().versioning, Versioning::Never);
}

#[tokio::test]
async fn many_deletes_tell_each_what_became_of_it() {
    let world = World::versioned().await;
    let versions = [world.put("k", "1").await.version, world.put("k", "2").await.version];
    world.put("other", "3").await;
    let removal = |name: &str, version| Removal { version, ..Removal::of(key(name)) };
    let failing = Removal { condition: Condition::Etag("none".into()), ..Removal::of(key("other")) };
    let gone = [
        removal("k", Some(versions[0])),
        removal("k", Some(versions[1])),
        failing,
        removal("other", None),
        removal("never", Some(VersionId::NULL)),
    ];
    let outcomes = world.objects.delete_many(&world.bucket, &gone).await.unwrap();
    let removed = |version| Deletion { version: Some(version), marker: false };
    assert_eq!(*outcomes[0].as_ref().unwrap(), removed(versions[0]));
    assert_eq!(*outcomes[1].as_ref().unwrap(), removed(versions[1]));
    assert!(matches!(outcomes[2], Err(ObjectError::PreconditionFailed)));
    assert!(outcomes[3].as_ref().unwrap().marker);
    assert_eq!(*outcomes[4].as_ref().unwrap(), removed(VersionId::NULL));
    let left = world.all_versions(ListQuery { limit: 9, ..ListQuery::default() }).await;
    assert_eq!(
        left.iter().map(|(name, _, size, _)| (name.as_str(), *size)).collect::<Vec<_>>(),
        [("other", None), ("other", Some(1))]
    );
}

#[tokio::test]
async fn a_reader_of_a_version_reads_on_when_it_goes() {
    let world = World::versioned().await;
    let version = world.put("k", pattern(BIG, 1)).await.version;
    let reader = world.objects.open_version(&world.bucket, &key("k"), Some(version)).await.unwrap();
    world.delete_version("k", version).await.unwrap();
    world.sweep().await;
    assert_eq!(whole(&reader).await, pattern(BIG, 1));
}

const FAR: i64 = 2_000_000_000_000;

fn retention(mode: RetentionMode, until: i64) -> Option<Retention> {
    Some(Retention { mode, until: Timestamp::from_ms(until) })
}

impl World {
    async fn locking() -> Self {
        let mut world = Self::versioned().await;
        world.set_lock(None).await;
        world
    }

    async fn set_lock(&mut self, default: Option<DefaultRetention>) {
        self.objects.set_bucket_lock(&self.bucket, BucketLock { default }).await.unwrap();
        self.bucket = self.objects.bucket(&self.bucket.name).await.unwrap();
    }

    async fn put_locked(&self, name: &str, lock: ObjectLock) -> ObjectInfo {
        let attributes = Attributes { lock, ..Attributes::default() };
        self.objects.put_bytes(&self.bucket, &key(name), "x".into(), attributes).await.unwrap()
    }
}

#[tokio::test]
async fn a_locked_version_stays_and_a_marker_hides_it() {
    let world = World::locking().await;
    let (bucket, k) = (&world.bucket, key("k"));
    let lock = ObjectLock { retention: retention(RetentionMode::Governance, FAR), hold: None };
    let version = world.put_locked("k", lock).await.version;
    let delete =
        async |bypass| world.objects.delete_version(bucket, &k, version, &Condition::Anything, bypass).await;
    assert!(matches!(delete(Bypass::Nothing).await, Err(ObjectError::Locked(_))));
    assert!(world.delete("k").await.marker);
    world.put("k", "over").await;

    // A hold holds on, whoever bypasses governance.
    world.objects.set_legal_hold(bucket, &k, Some(version), true).await.unwrap();
    assert!(matches!(delete(Bypass::Governance).await, Err(ObjectError::Locked(_))));
    world.objects.set_legal_hold(bucket, &k, Some(version), false).await.unwrap();

    let weaker = retention(RetentionMode::Governance, FAR - 1);
    let set = async |to, bypass| world.objects.set_retention(bucket, &k, Some(version), to, bypass).await;
    assert!(matches!(set(weaker, Bypass::Nothing).await, Err(ObjectError::Locked(_))));
    set(weaker, Bypass::Governance).await.unwrap();
    let strict = retention(RetentionMode::Compliance, FAR);
    assert!(matches!(set(strict, Bypass::Nothing).await, Err(ObjectError::Locked(_))));
    set(strict, Bypass::Governance).await.unwrap();
    for weaker in [None, retention(RetentionMode::Governance, FAR), retention(RetentionMode::Compliance, 1)] {
        assert!(matches!(set(weaker, Bypass::Governance).await, Err(ObjectError::Locked(_))));
    }
    assert!(matches!(delete(Bypass::Governance).await, Err(ObjectError::Locked(_))));
    let info = world.objects.head_version(bucket, &k, Some(version)).await.unwrap();
    assert_eq!(info.attributes.lock.retention, retention(RetentionMode::Compliance, FAR));
    assert_eq!(info.attributes.lock.hold, Some(false));
}

#[tokio::test]
async fn new_versions_get_the_default_and_uploads_what_they_began_with() {
    let mut world = World::locking().await;
    let default = DefaultRetention { mode: RetentionMode::Compliance, period: Period::Days(1) };
    world.set_lock(Some(default)).await;
    let info = world.put("k", "x").await;
    assert_eq!(info.attributes.lock.retention, Some(default.from(info.modified)));
    assert!(matches!(world.delete_version("k", info.version).await, Err(ObjectError::Locked(_))));
    // A marker holds nothing and can go.
    let marker = world.delete("k").await.version.unwrap();
    world.delete_version("k", marker).await.unwrap();

    let own = ObjectLock { retention: retention(RetentionMode::Governance, FAR), hold: Some(true) };
    let attributes = Attributes { lock: own, ..Attributes::default() };
    let (objects, bucket, k) = (&world.objects, &world.bucket, key("up"));
    let id = objects.create_upload(bucket, &k, attributes, UploadOptions::default()).await.unwrap();
    let body = objects.stage_bytes(bucket, "part".into(), false).await.unwrap();
    let part = objects.put_part(bucket, &k, id, 1, &body).await.unwrap();
    let parts = [CompletedPart { number: 1, etag: part.etag, checksum: None }];
    let info = objects
        .complete_upload(bucket, &k, id, &parts, &DeclaredObject::default(), &Condition::Anything)
        .await
        .unwrap();
    assert_eq!(info.attributes.lock, own);
}

#[tokio::test]
async fn lock_and_versions_depend_on_each_other() {
    let mut world = World::new().await;
    let refused = world.objects.set_bucket_lock(&world.bucket, BucketLock::default()).await;
    assert!(matches!(refused, Err(ObjectError::BucketState(_))));
    let lock = ObjectLock { retention: None, hold: Some(true) };
    let attributes = Attributes { lock, ..Attributes::default() };
    let refused = world.objects.put_bytes(&world.bucket, &key("k"), "x".into(), attributes).await;
    assert!(matches!(refused, Err(ObjectError::NoObjectLock(_))));
    world.set_versioning(true).await;
    world.set_lock(None).await;
    let refused = world.objects.set_versioning(&world.bucket, false).await;
    assert!(matches!(refused, Err(ObjectError::BucketState(_))));

    let name = headwater_objects::BucketName::new("locked").unwrap();
    let (owner, region) = (world.bucket.owner, &world.bucket.region);
    let locked = world.objects.create_bucket_with_lock(&name, owner, region).await.unwrap();
    assert_eq!((locked.versioning, locked.lock), (Versioning::Enabled, Some(BucketLock::default())));
}
