//! The scrub: finds what the disk has lost, tells whose it is, and forgets it when it is put right.

use std::sync::Arc;
use std::time::Duration;

use headwater_base::{Seams, Timestamp};
use headwater_blob::memory::MemoryBlobs;
use headwater_blob::{BLOCK_BYTES, BlobId, Blobs};
use headwater_objects::{
    Attributes, CompletedPart, Condition, DeclaredObject, ObjectOptions, Objects, ScrubOptions, UploadOptions,
};
use headwater_store::{Commit, Direction, Key, KeyRange, Kind, Store};

use crate::{BIG, World, create, key, pattern};

const PACE: u64 = 2 << 20;

/// A world whose scrub reads two blocks a second.
fn world_on(store: Arc<dyn Store>, blobs: MemoryBlobs, seams: Seams) -> Objects {
    let scrub = ScrubOptions { bytes_per_second: PACE, every: Duration::from_secs(3600) };
    Objects::unattended(store, Arc::new(blobs), seams, ObjectOptions { scrub, ..Default::default() })
}

async fn blob_of(blobs: &MemoryBlobs) -> BlobId {
    blobs.list().await.unwrap()[0]
}

#[tokio::test]
async fn damage_is_told_with_every_object_whose_body_it_is() {
    let world = World::new().await;
    world.put("small", "sound").await;
    let big = world.put("folder/big", pattern(BIG, 1)).await;
    world.copy(&big, "copy", Attributes::default()).await.unwrap();
    let scrub = world.objects.scrub();
    let report = scrub.read_all().await.unwrap();
    assert_eq!((report.bodies, report.damage.len()), (2, 0));
    assert!(report.ended.is_some() && !report.is_reading);

    world.blobs.flip_bit(blob_of(&world.blobs).await, 7);
    let damage = scrub.read_all().await.unwrap().damage;
    assert_eq!(damage.len(), 1);
    assert_eq!(damage[0].objects, ["bucket/copy", "bucket/folder/big"]);
    assert!(damage[0].what.contains("[0]"), "{}", damage[0].what);
    assert_eq!(world.objects.scrub_report().damage, damage);
    assert_eq!(world.facts(0x0207).await, 2);

    // Put again and deleted: nobody has that body any more.
    world.put("folder/big", pattern(BIG, 1)).await;
    world.objects.delete(&world.bucket, &key("copy")).await.unwrap();
    assert_eq!(scrub.read_all().await.unwrap().damage, []);
    assert_eq!(world.facts(0x0207).await, 1);
}

#[tokio::test]
async fn parts_tell_the_object_they_belong_to() {
    let world = World::new().await;
    let (objects, bucket) = (&world.objects, &world.bucket);
    let upload = objects
        .create_upload(bucket, &key("k"), Attributes::default(), UploadOptions::default())
        .await
        .unwrap();
    let body = objects.stage_bytes(bucket, pattern(BIG, 1), false).await.unwrap();
    let part = objects.put_part(bucket, &key("k"), upload, 1, &body).await.unwrap();
    drop(body);
    world.blobs.flip_bit(blob_of(&world.blobs).await, 9);
    let scrub = world.objects.scrub();
    assert_eq!(scrub.read_all().await.unwrap().damage[0].objects, ["bucket/k"]);
    let parts = [CompletedPart { number: 1, etag: part.etag, checksum: None }];
    objects
        .complete_upload(bucket, &key("k"), upload, &parts, &DeclaredObject::default(), &Condition::Anything)
        .await
        .unwrap();
    assert_eq!(scrub.read_all().await.unwrap().damage[0].objects, ["bucket/k"]);
}

#[tokio::test]
async fn a_missing_file_and_a_changed_inline_body_are_damage() {
    let world = World::new().await;
    world.put("big", pattern(BIG, 1)).await;
    world.put("small", "sound").await;
    world.blobs.delete(blob_of(&world.blobs).await).await.unwrap();
    // The inline body changes without its object: what an index that lies would look like.
    let bodies = KeyRange::prefix(&Key::of(Kind(0x0212)).build());
    let rows = world.objects.store().scan(&bodies, 2, Direction::Forward).await.unwrap();
    let body = rows[0].key.clone();
    world.objects.store().commit(Commit::new().put(body.clone(), "soune")).await.unwrap();
    let scrub = world.objects.scrub();
    let mut damage: Vec<_> =
        scrub.read_all().await.unwrap().damage.into_iter().map(|d| (d.objects.join(","), d.what)).collect();
    damage.sort();
    assert_eq!(damage[0], ("bucket/big".to_owned(), "its file is missing".to_owned()));
    assert_eq!(damage[1], ("bucket/small".to_owned(), "it does not match its checksum".to_owned()));
    world.objects.store().commit(Commit::new().put(body, "sound")).await.unwrap();
    assert_eq!(scrub.read_all().await.unwrap().damage.len(), 1);
}

#[tokio::test]
async fn the_pace_is_kept_and_a_restart_goes_on() {
    let seams = Seams::simulated(Timestamp::from_ms(1_000_000), 7);
    let blobs = MemoryBlobs::new(seams.clone());
    let store = headwater_store::memory::open(seams.clone());
    let objects = world_on(store.clone(), blobs.clone(), seams.clone());
    let bucket = create(&objects, "bucket").await;
    for n in 0..3u8 {
        let body = pattern(20 * BLOCK_BYTES, n);
        objects.put_bytes(&bucket, &key(&format!("{n}")), body, Attributes::default()).await.unwrap();
    }
    let scrub = objects.scrub();
    let mut before = 0;
    for _ in 0..15 {
        scrub.step().await.unwrap();
        let bytes = objects.scrub_report().bytes;
        assert!(bytes - before <= PACE + BLOCK_BYTES as u64, "{bytes} after {before}");
        before = bytes;
        seams.clock.advance(Duration::from_secs(1));
    }
    assert!(before >= 15 * PACE - BLOCK_BYTES as u64, "{before}");

    // Another node on the same store goes on where the cursor was written down.
    let again = world_on(store, blobs.clone(), seams.clone());
    let scrub = again.scrub();
    scrub.step().await.unwrap();
    let resumed = again.scrub_report();
    assert!(
        resumed.is_reading && resumed.bytes > 10 * PACE && resumed.bytes <= before + 2 * PACE,
        "{resumed:?}"
    );
    for _ in 0..40 {
        seams.clock.advance(Duration::from_secs(1));
        scrub.step().await.unwrap();
    }
    let ended = again.scrub_report();
    assert_eq!((ended.is_reading, ended.ended_bodies), (false, 3));
    // The next round is not due before its time.
    seams.clock.advance(Duration::from_secs(1800));
    scrub.step().await.unwrap();
    assert!(!again.scrub_report().is_reading);
    seams.clock.advance(Duration::from_secs(1800));
    scrub.step().await.unwrap();
    assert!(again.scrub_report().is_reading);
}
