//! What versions cost, and that a failing commit leaves nothing half done.

use std::sync::Arc;

use headwater_base::{Seams, Timestamp};
use headwater_blob::memory::MemoryBlobs;
use headwater_objects::{
    Attributes, Bypass, Condition, ListQuery, ListedVersion, ObjectError, Objects, VersionId, VersionQuery,
};
use proptest::prelude::*;

use crate::watched::{Failure, Watched, WatchedStore};
use crate::{BIG, World, create, key, pattern, whole};

async fn watched() -> (World, Arc<WatchedStore>) {
    let seams = Seams::simulated(Timestamp::from_ms(1_000_000), 42);
    let blobs = MemoryBlobs::new(seams.clone());
    let store = Watched::over(headwater_store::memory::open(seams.clone()));
    let objects = Objects::without_sweep(store.clone(), Arc::new(blobs.clone()), seams);
    let bucket = create(&objects, "bucket").await;
    let sweep = objects.sweep();
    (World { objects, blobs, bucket, sweep }, store)
}

#[tokio::test]
async fn a_bucket_without_versions_pays_nothing_for_them() {
    let (world, store) = watched().await;
    world.put("k", "x").await;
    store.take_reads();
    world.put("k", "y").await;
    assert_eq!(store.take_reads(), 1, "what is replaced");
    world.get("k").await;
    assert_eq!(store.take_reads(), 2, "the object and its body");
    world.objects.head(&world.bucket, &key("k")).await.unwrap();
    assert_eq!(store.take_reads(), 1, "the object");
    world.objects.delete(&world.bucket, &key("k")).await.unwrap();
    assert_eq!(store.take_reads(), 1, "what is removed");
}

#[tokio::test]
async fn a_long_history_costs_nothing() {
    let (mut world, store) = watched().await;
    world.set_versioning(true).await;
    world.put("k", "x").await;
    let mut costs = Vec::new();
    for more in [0, 10, 5000] {
        for n in 0..more {
            world.put("k", if n % 7 == 0 { "seven" } else { "x" }).await;
        }
        let (bucket, k, mut cost) = (&world.bucket, key("k"), Vec::new());
        store.take_reads();
        let mut paid = || cost.push(store.take_reads());
        world.put("k", "y").await;
        paid();
        world.get("k").await;
        paid();
        let marker = world.objects.delete(bucket, &k).await.unwrap().version.unwrap();
        paid();
        world
            .objects
            .delete_version(bucket, &k, marker, &Condition::Anything, Bypass::Nothing)
            .await
            .unwrap();
        paid();
        let query =
            VersionQuery { list: ListQuery { limit: 1, ..ListQuery::default() }, after_version: None };
        world.objects.list_versions(bucket, &query).await.unwrap();
        assert!(store.take_reads() <= 2 * 16, "a page costs its entries, and one small batch of each kind");
        costs.push(cost);
    }
    assert_eq!(costs[0], costs[1]);
    assert_eq!(costs[1], costs[2]);
    assert!(costs[0][0] <= 3, "how the bucket stands, the history, what is current: {costs:?}");
}

#[tokio::test]
async fn a_listing_of_versions_costs_its_entries() {
    let (mut world, store) = watched().await;
    world.set_versioning(true).await;
    for n in 0..2000 {
        world.put(&format!("dir-{}/{n:05}", n % 4), "x").await;
    }
    store.take_reads();
    let query = VersionQuery {
        list: ListQuery { limit: 1000, delimiter: Some("/".into()), ..ListQuery::default() },
        after_version: None,
    };
    let listing = world.objects.list_versions(&world.bucket, &query).await.unwrap();
    assert_eq!(listing.entries.len(), 4);
    let reads = store.take_reads();
    assert!(reads <= 5 * 2 * 16, "{reads} rows read for four prefixes");
}

/// Whatever failed: each key shows its newest version, and every version reads whole.
async fn check_sound(world: &World) {
    let list = ListQuery { limit: 1000, ..ListQuery::default() };
    let query = VersionQuery { list, after_version: None };
    let page = world.objects.list_versions(&world.bucket, &query).await.unwrap();
    let (mut keys_with_newest, mut nulls) = (Vec::new(), Vec::new());
    for entry in page.entries {
        let (name, version) = entry.position();
        let (name, version) = (key(name), version.unwrap());
        if version.is_null() {
            assert!(!nulls.contains(&name), "two null versions of {name}");
            nulls.push(name.clone());
        }
        let latest = match entry {
            ListedVersion::Version { info, latest } => {
                let reader = world.objects.open_version(&world.bucket, &name, Some(version)).await.unwrap();
                assert_eq!((reader.info.lsn, &reader.info.etag), (info.lsn, &info.etag));
                assert_eq!(whole(&reader).await.len() as u64, info.size);
                latest
            }
            ListedVersion::Marker { latest, .. } => latest,
            ListedVersion::Prefix(prefix) => panic!("no delimiter, but {prefix}"),
        };
        if latest {
            assert!(!keys_with_newest.contains(&name), "two newest versions of {name}");
            keys_with_newest.push(name.clone());
            match world.objects.head(&world.bucket, &name).await {
                Ok(info) => assert_eq!(info.version, version),
                Err(ObjectError::NoSuchKey(_)) => {
                    let marker = world.objects.newest_marker(&world.bucket, &name).await.unwrap();
                    assert_eq!(marker, Some(version));
                }
                Err(other) => panic!("{other}"),
            }
        }
    }
}

#[derive(Clone, Debug)]
struct Attempt {
    key: u8,
    what: u8,
    failure: Option<(usize, bool)>,
}

fn attempt() -> impl Strategy<Value = Attempt> {
    let failure = proptest::option::of((0..2usize, any::<bool>()));
    (0..2u8, 0..7u8, failure).prop_map(|(key, what, failure)| Attempt { key, what, failure })
}

/// Changes a key; what comes of it is not looked at, for it may have failed.
async fn try_it(world: &World, attempt: &Attempt, seed: u8) {
    let (objects, bucket, k) = (&world.objects, &world.bucket, key(&format!("k{}", attempt.key)));
    let anything = Condition::Anything;
    let newest = objects.head(bucket, &k).await.ok();
    match attempt.what {
        0 | 1 => {
            let size = if attempt.what == 0 { 9 } else { BIG };
            let _ = objects.put_bytes(bucket, &k, pattern(size, seed), Attributes::default()).await;
        }
        2 => {
            let _ = objects.delete(bucket, &k).await;
        }
        3 => {
            let version = newest.map_or(VersionId::NULL, |info| info.version);
            let _ = objects.delete_version(bucket, &k, version, &anything, Bypass::Nothing).await;
        }
        4 => {
            let _ = objects.set_versioning(bucket, seed.is_multiple_of(2)).await;
        }
        5 => {
            if let Some(source) = newest {
                let _ = objects.copy(bucket, &source, bucket, &k, Attributes::default(), &anything).await;
            }
        }
        _ => {
            let _ = objects.set_tags(bucket, &k, None, [("t".into(), seed.to_string())].into()).await;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn what_fails_leaves_nothing_half_done(attempts in proptest::collection::vec(attempt(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (world, store) = watched().await;
            for (n, attempt) in attempts.iter().enumerate() {
                if let Some((commits, after)) = attempt.failure {
                    store.fail(commits, if after { Failure::After } else { Failure::Before });
                }
                try_it(&world, attempt, n as u8).await;
                store.heal();
                check_sound(&world).await;
            }
            world.sweep().await;
            check_sound(&world).await;
        });
    }
}
