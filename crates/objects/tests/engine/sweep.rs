//! The sweep: takes what nothing names, leaves what anything names or may come to.

use headwater_base::Timestamp;
use headwater_objects::{Attributes, Condition, UploadOptions};
use headwater_store::Commit;

use crate::{BIG, World, key, pattern};

#[tokio::test]
async fn overwrites_and_deletes_free_their_bodies() {
    let world = World::new().await;
    for n in 0..5 {
        world.put("k", pattern(BIG, n)).await;
    }
    assert_eq!(world.blobs.count(), 5);
    assert_eq!(world.facts(0x0800).await, 1, "an overwrite takes the old reference with it");
    world.sweep().await;
    assert_eq!(world.blobs.count(), 1);
    assert_eq!(world.get("k").await, pattern(BIG, 4));
    world.objects.delete(&world.bucket, &key("k")).await.unwrap();
    world.sweep().await;
    assert_eq!(world.blobs.count(), 0);
}

#[tokio::test]
async fn a_hint_is_enough() {
    let world = World::new().await;
    world.sweep().await;
    world.put("k", pattern(BIG, 1)).await;
    world.put("k", "small").await;
    // Not a full pass: that one is not due again yet.
    while world.sweep.step().await.unwrap() == headwater_work::Pass::More {}
    assert_eq!(world.blobs.count(), 0);
}

#[tokio::test]
async fn bodies_waiting_for_their_commit_are_left_alone() {
    let world = World::new().await;
    let staged = world.objects.stage_bytes(&world.bucket, pattern(BIG, 1), false).await.unwrap();
    world.sweep().await;
    assert_eq!(world.blobs.count(), 1);
    let mut commit = Commit::new();
    let now = Timestamp::from_ms(1);
    world
        .objects
        .stage_put(&mut commit, &world.bucket, &key("k"), &staged, Attributes::default(), now)
        .await
        .unwrap();
    world.sweep().await;
    world.objects.store().commit(commit).await.unwrap();
    drop(staged);
    world.sweep().await;
    assert_eq!(world.get("k").await, pattern(BIG, 1));
}

#[tokio::test]
async fn a_staged_body_may_be_named_again_while_it_is_held() {
    let world = World::new().await;
    let staged = world.objects.stage_bytes(&world.bucket, pattern(BIG, 1), false).await.unwrap();
    let put = |name: &'static str| {
        let (world, staged) = (&world, &staged);
        async move {
            world
                .objects
                .put(&world.bucket, &key(name), staged, Attributes::default(), &Condition::Anything)
                .await
                .unwrap()
        }
    };
    put("first").await;
    world.objects.delete(&world.bucket, &key("first")).await.unwrap();
    world.sweep().await;
    put("second").await;
    drop(staged);
    world.sweep().await;
    assert_eq!(world.get("second").await, pattern(BIG, 1));
}

#[tokio::test]
async fn bodies_that_never_got_a_name_go() {
    let world = World::new().await;
    drop(world.objects.stage_bytes(&world.bucket, pattern(BIG, 1), false).await.unwrap());
    world.sweep().await;
    assert_eq!(world.blobs.count(), 0);
}

#[tokio::test]
async fn a_full_pass_goes_through_uploads_in_pages() {
    let world = World::new().await;
    // More references than are read at once, and some bodies behind them.
    for n in 0..2100 {
        let name = key(&format!("{n}"));
        let options = UploadOptions::default();
        world.objects.create_upload(&world.bucket, &name, Attributes::default(), options).await.unwrap();
    }
    drop(world.objects.stage_bytes(&world.bucket, pattern(BIG, 1), false).await.unwrap());
    world.sweep().await;
    assert_eq!((world.facts(0x0220).await, world.blobs.count()), (2100, 0), "those under way stay");
    world.objects.delete_bucket(&world.bucket).await.unwrap();
    world.sweep().await;
    assert_eq!((world.facts(0x0220).await, world.facts(0x0224).await), (0, 0));
}

#[tokio::test]
async fn a_reader_of_a_swept_body_reads_on() {
    let world = World::new().await;
    world.put("k", pattern(BIG, 1)).await;
    let reader = world.objects.open(&world.bucket, &key("k")).await.unwrap();
    world.objects.delete(&world.bucket, &key("k")).await.unwrap();
    world.sweep().await;
    assert_eq!(reader.read(0..BIG as u64).await.unwrap(), pattern(BIG, 1));
}

#[tokio::test]
async fn copies_and_sweeps_race_without_loss() {
    for seed in 0..20u8 {
        let world = World::new().await;
        let source = world.put("from", pattern(BIG, seed)).await;
        let copy = async {
            for _ in 0..seed % 4 {
                tokio::task::yield_now().await;
            }
            world.copy(&source, "to", Attributes::default()).await
        };
        let delete = async {
            for _ in 0..seed % 3 {
                tokio::task::yield_now().await;
            }
            world.objects.delete(&world.bucket, &key("from")).await.unwrap();
            world.sweep().await;
        };
        let (copied, ()) = tokio::join!(copy, delete);
        world.sweep().await;
        if copied.is_ok() {
            assert_eq!(world.get("to").await, pattern(BIG, seed));
        } else {
            assert_eq!(world.blobs.count(), 0);
        }
    }
}
