//! What buckets hold, as the books say and as it is counted; and what quotas refuse.

use std::collections::HashMap;
use std::sync::Arc;

use headwater_base::{Seams, Timestamp};
use headwater_blob::memory::MemoryBlobs;
use headwater_objects::{
    Attributes, BucketName, CompletedPart, Condition, DeclaredObject, ObjectError, ObjectOptions, Objects,
    Quota, Quotas, Removal, UploadOptions,
};
use headwater_store::Commit;
use headwater_work::Pass;

use crate::{BIG, World, create, key, pattern};

async fn held(objects: &Objects) -> (u64, u64) {
    let usage = objects.usage().await.unwrap();
    (usage[0].objects, usage[0].bytes)
}

/// What a count from nothing but the facts says.
async fn counted(world: &World) -> (u64, u64) {
    let store = world.objects.store().clone();
    let seams = world.objects.seams().clone();
    let fresh = Objects::without_sweep(store, Arc::new(world.blobs.clone()), seams);
    fresh.count().count_all().await.unwrap();
    held(&fresh).await
}

#[tokio::test]
async fn the_books_follow_every_way_to_change_a_bucket() {
    let world = World::new().await;
    let (objects, bucket) = (&world.objects, &world.bucket);
    let check = async |objects_held: u64, bytes: u64| {
        assert_eq!(held(objects).await, (objects_held, bytes));
        assert_eq!(counted(&world).await, (objects_held, bytes));
    };
    check(0, 0).await;
    world.put("a", "12345").await;
    let big = world.put("big", pattern(BIG, 1)).await;
    check(2, 5 + BIG as u64).await;
    world.put("a", "12").await;
    world.copy(&big, "copy", Attributes::default()).await.unwrap();
    check(3, 2 + 2 * BIG as u64).await;
    let gone = [Removal::of(key("a")), Removal::of(key("nothing"))];
    objects.delete_many(bucket, &gone).await.unwrap();
    objects.delete_if(bucket, &key("big"), &Condition::Present).await.unwrap();
    check(1, BIG as u64).await;

    // Parts count as soon as they are there; their object then counts in their place.
    let options = UploadOptions::default;
    let upload = objects.create_upload(bucket, &key("m"), Attributes::default(), options()).await.unwrap();
    let part = async |upload, number, size| {
        let body = objects.stage_bytes(bucket, pattern(size, 3), false).await.unwrap();
        objects.put_part(bucket, &key("m"), upload, number, &body).await.unwrap()
    };
    part(upload, 1, 100).await;
    let first = part(upload, 1, 200).await;
    part(upload, 2, 50).await;
    check(1, BIG as u64 + 250).await;
    let parts = [CompletedPart { number: 1, etag: first.etag, checksum: None }];
    objects
        .complete_upload(bucket, &key("m"), upload, &parts, &DeclaredObject::default(), &Condition::Anything)
        .await
        .unwrap();
    check(2, BIG as u64 + 200).await;
    let upload = objects.create_upload(bucket, &key("m"), Attributes::default(), options()).await.unwrap();
    part(upload, 1, 70).await;
    check(2, BIG as u64 + 270).await;
    objects.abort_upload(bucket, &key("m"), upload).await.unwrap();
    check(2, BIG as u64 + 200).await;

    // In somebody else's commit.
    let body = objects.stage_bytes(bucket, "staged".into(), false).await.unwrap();
    let mut commit = Commit::new();
    let now = Timestamp::from_ms(1);
    objects.stage_put(&mut commit, bucket, &key("s"), &body, Attributes::default(), now).await.unwrap();
    objects.store().commit(commit).await.unwrap();
    check(3, BIG as u64 + 206).await;
}

#[tokio::test]
async fn a_count_mends_what_a_lost_commit_left_in_the_books() {
    let world = World::new().await;
    let body = world.objects.stage_bytes(&world.bucket, "staged".into(), false).await.unwrap();
    let mut commit = Commit::new();
    let now = Timestamp::from_ms(1);
    let name = key("s");
    let put = world.objects.stage_put(&mut commit, &world.bucket, &name, &body, Attributes::default(), now);
    put.await.unwrap();
    drop(commit);
    assert_eq!(held(&world.objects).await, (1, 6));
    world.objects.count().count_all().await.unwrap();
    assert_eq!(held(&world.objects).await, (0, 0));
    assert!(world.objects.usage().await.unwrap()[0].counted.is_some());
}

#[tokio::test]
async fn a_start_begins_with_what_was_written_down_and_forgets_buckets_that_are_gone() {
    let world = World::new().await;
    world.put("k", "12345").await;
    create(&world.objects, "another").await;
    world.objects.count().count_all().await.unwrap();
    assert_eq!(world.facts(0x0206).await, 2);
    let seams = world.objects.seams().clone();
    let next = Objects::without_sweep(world.objects.store().clone(), Arc::new(world.blobs.clone()), seams);
    next.put_bytes(&world.bucket, &key("more"), "1".into(), Attributes::default()).await.unwrap();
    let usage = next.usage().await.unwrap();
    let of = |name: &str| usage.iter().find(|usage| usage.bucket.as_str() == name).unwrap();
    assert_eq!((of("bucket").objects, of("bucket").bytes), (2, 6));
    assert_eq!(of("another").objects, 0);
    let another = next.bucket(&BucketName::new("another").unwrap()).await.unwrap();
    next.delete_bucket(&another).await.unwrap();
    next.count().count_all().await.unwrap();
    assert_eq!(world.facts(0x0206).await, 1);
}

#[tokio::test]
async fn counting_goes_on_beside_writers() {
    let world = World::new().await;
    for n in 0..2500 {
        world.put(&format!("k{n:04}"), "x").await;
    }
    let count = world.objects.count();
    let counting = async {
        while count.step().await.unwrap() == Pass::More {
            tokio::task::yield_now().await;
        }
    };
    let writing = async {
        for n in 0..500 {
            world.put(&format!("k{:04}", n * 7), "xy").await;
            world.objects.delete(&world.bucket, &key(&format!("k{:04}", 2499 - n))).await.unwrap();
            tokio::task::yield_now().await;
        }
    };
    tokio::join!(counting, writing);
    assert_eq!(held(&world.objects).await, counted(&world).await);
}

#[tokio::test]
async fn quotas_refuse_what_does_not_fit_and_deletes_make_room() {
    let seams = Seams::simulated(Timestamp::from_ms(1_000_000), 42);
    let store = headwater_store::memory::open(seams.clone());
    let blobs = Arc::new(MemoryBlobs::new(seams.clone()));
    let quota = Quota { bytes: Some(10), objects: Some(2) };
    let named = HashMap::from([(BucketName::new("small").unwrap(), quota)]);
    let quotas = Quotas { named, others: Quota::default() };
    let options = ObjectOptions { quotas, ..ObjectOptions::default() };
    let objects = Objects::unattended(store, blobs, seams, options);
    let (small, other) = (create(&objects, "small").await, create(&objects, "other").await);
    let put = async |name: &str, size: usize| {
        let room = objects.claim(&small, 1, size as u64).await?;
        let put = objects.put_bytes(&small, &key(name), vec![1; size].into(), Attributes::default()).await;
        drop(room);
        put
    };
    put("a", 6).await.unwrap();
    assert!(matches!(put("b", 5).await, Err(ObjectError::QuotaExceeded { what: "bytes", held: 6, .. })));
    put("b", 4).await.unwrap();
    assert!(matches!(put("c", 0).await, Err(ObjectError::QuotaExceeded { what: "objects", held: 2, .. })));
    objects.delete(&small, &key("a")).await.unwrap();
    put("c", 6).await.unwrap();
    assert!(objects.claim(&other, 1, u64::MAX).await.is_ok());
    let usage = objects.usage().await.unwrap();
    let of_small = usage.iter().find(|usage| usage.bucket.as_str() == "small").unwrap();
    assert_eq!((of_small.quota, of_small.objects, of_small.bytes), (quota, 2, 10));
}
