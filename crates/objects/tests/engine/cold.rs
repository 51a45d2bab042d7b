//! The cold tier, archives and restored copies: where bodies lie, when they can be read, and that what nothing
//! names any more goes from either place.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use headwater_base::{Seams, Timestamp};
use headwater_blob::memory::MemoryBlobs;
use headwater_blob::{BlobError, BlobId, BlobReader, BlobWriter, Blobs, Hold};
use headwater_objects::{
    Asked, Attributes, ChecksumAlgorithm, CompletedPart, Condition, DeclaredObject, ObjectError, ObjectInfo,
    Objects, RestoreBegun, Restored, Rule, Sealing, StorageClass, Transition, UploadOptions, When,
};

use crate::lifecycle::body_of;
use crate::{BIG, World, create, key, pattern, whole};

/// A world with a cold tier.
async fn cold() -> (World, MemoryBlobs) {
    let (world, cold, _) = gated().await;
    (world, cold)
}

/// A world with a cold tier, and how many blobs may yet be begun there.
async fn gated() -> (World, MemoryBlobs, Arc<AtomicUsize>) {
    let seams = Seams::simulated(Timestamp::from_ms(1_000_000), 42);
    let (blobs, cold) = (MemoryBlobs::new(seams.clone()), MemoryBlobs::new(seams.clone()));
    let store = headwater_store::memory::open(seams.clone());
    let left = Arc::new(AtomicUsize::new(usize::MAX));
    let slow = Slow { blobs: cold.clone(), left: left.clone() };
    let objects =
        Objects::without_sweep(store, Arc::new(blobs.clone()), seams).with_cold(Some(Arc::new(slow)));
    let bucket = create(&objects, "bucket").await;
    let sweep = objects.sweep();
    (World { objects, blobs, bucket, sweep }, cold, left)
}

/// Blobs for whose writers and readers one has to wait, so that others get their turn meanwhile; for the
/// writers beyond `left` one waits for ever.
#[derive(Debug)]
struct Slow {
    blobs: MemoryBlobs,
    left: Arc<AtomicUsize>,
}

#[async_trait::async_trait]
impl Blobs for Slow {
    async fn create(&self) -> Result<Box<dyn BlobWriter>, BlobError> {
        tokio::task::yield_now().await;
        let take = |left: usize| left.checked_sub(1);
        if self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).is_err() {
            std::future::pending::<()>().await;
        }
        self.blobs.create().await
    }

    async fn open(&self, id: BlobId) -> Result<Arc<dyn BlobReader>, BlobError> {
        tokio::task::yield_now().await;
        self.blobs.open(id).await
    }

    async fn delete(&self, id: BlobId) -> Result<(), BlobError> {
        self.blobs.delete(id).await
    }

    fn hold(&self) -> Hold {
        self.blobs.hold()
    }

    async fn list(&self) -> Result<Vec<BlobId>, BlobError> {
        self.blobs.list().await
    }

    fn is_live(&self, id: BlobId) -> bool {
        self.blobs.is_live(id)
    }

    fn free_bytes(&self) -> u64 {
        self.blobs.free_bytes()
    }
}

fn of_class(storage_class: StorageClass) -> Attributes {
    Attributes { storage_class, ..Attributes::default() }
}

impl World {
    async fn put_as(&self, name: &str, body: Bytes, class: StorageClass) -> ObjectInfo {
        let staged = self
            .objects
            .stage_for(class, body_of(body), &Default::default(), &Sealing::none())
            .await
            .unwrap();
        let condition = Condition::Anything;
        self.objects.put(&self.bucket, &key(name), &staged, of_class(class), &condition).await.unwrap()
    }

    /// Two large parts and a small one.
    async fn put_parts(&self, name: &str, class: StorageClass) -> Bytes {
        let (bucket, name) = (&self.bucket, key(name));
        let options = UploadOptions {
            algorithm: Some(ChecksumAlgorithm::Crc32),
            composite: true,
            ..Default::default()
        };
        let id = self.objects.create_upload(bucket, &name, of_class(class), options).await.unwrap();
        let mut parts = Vec::new();
        let mut all = Vec::new();
        for (number, len) in [(1, 5 << 20), (2, 5 << 20), (3, 10)] {
            let body = pattern(len, number as u8);
            all.extend_from_slice(&body);
            let wanted = [ChecksumAlgorithm::Crc32].into();
            let staged =
                self.objects.stage_for(class, body_of(body), &wanted, &Sealing::none()).await.unwrap();
            let part = self.objects.put_part(bucket, &name, id, number, &staged).await.unwrap();
            let checksum = Some((ChecksumAlgorithm::Crc32, part.checksums["CRC32"].clone()));
            parts.push(CompletedPart { number, etag: part.etag, checksum });
        }
        self.objects
            .complete_upload(bucket, &name, id, &parts, &DeclaredObject::default(), &Condition::Anything)
            .await
            .unwrap();
        all.into()
    }

    async fn info(&self, name: &str) -> ObjectInfo {
        self.objects.head(&self.bucket, &key(name)).await.unwrap()
    }

    async fn restore(&self, name: &str, days: u32) -> Result<RestoreBegun, ObjectError> {
        self.objects.restore(&self.bucket, &key(name), None, days).await
    }

    async fn is_archived(&self, name: &str) -> bool {
        match self.objects.open(&self.bucket, &key(name)).await {
            Ok(_) => false,
            Err(ObjectError::Archived(_)) => true,
            Err(e) => panic!("{e}"),
        }
    }

    fn moves_to(class: StorageClass) -> Vec<Rule> {
        let transitions = vec![Transition { when: When::Days(0), class }];
        vec![Rule { enabled: true, transitions, ..Rule::default() }]
    }
}

async fn counts(world: &World, cold: &MemoryBlobs) -> (usize, usize) {
    world.sweep().await;
    (world.blobs.list().await.unwrap().len(), cold.list().await.unwrap().len())
}

#[tokio::test]
async fn a_class_says_where_a_body_lies() {
    let (world, cold) = cold().await;
    for (n, class) in StorageClass::ALL.into_iter().enumerate() {
        world.put_as(class.name(), pattern(BIG, n as u8), class).await;
        world.put_as(&format!("small {}", class.name()), "x".into(), class).await;
    }
    assert_eq!(counts(&world, &cold).await, (3, 5), "small bodies lie with their facts");
    for (n, class) in StorageClass::ALL.into_iter().enumerate() {
        assert_eq!(world.info(class.name()).await.attributes.storage_class, class);
        if class.is_archive() {
            assert!(world.is_archived(class.name()).await);
            assert!(world.is_archived(&format!("small {}", class.name())).await);
        } else {
            assert_eq!(world.get(class.name()).await, pattern(BIG, n as u8));
        }
        world.objects.delete(&world.bucket, &key(class.name())).await.unwrap();
    }
    assert_eq!(counts(&world, &cold).await, (0, 0));
}

#[tokio::test]
async fn what_the_cold_tier_has_lost_is_found() {
    let (world, cold) = cold().await;
    let scrub = world.objects.scrub();
    let before = scrub.read_all().await.unwrap();
    world.put_as("hot", pattern(BIG, 1), StorageClass::Standard).await;
    world.put_as("cold", pattern(BIG, 2), StorageClass::GlacierIr).await;
    let sound = scrub.read_all().await.unwrap();
    assert_eq!((sound.bodies, sound.damage.len()), (before.bodies + 2, 0));
    assert!(sound.bytes >= before.bytes + 2 * BIG as u64);
    cold.flip_bit(cold.list().await.unwrap()[0], 7);
    let damage = scrub.read_all().await.unwrap().damage;
    assert_eq!(damage.iter().map(|found| &found.objects[..]).collect::<Vec<_>>(), [["bucket/cold"]]);
    world.objects.delete(&world.bucket, &key("cold")).await.unwrap();
    assert_eq!(scrub.read_all().await.unwrap().damage, []);
}

#[tokio::test]
async fn a_transition_moves_the_body() {
    let (mut world, cold) = cold().await;
    let before = world.put("k", pattern(BIG, 1)).await;
    world.set_rules(World::moves_to(StorageClass::GlacierIr)).await;
    let reader = world.objects.open(&world.bucket, &key("k")).await.unwrap();
    world.days_pass(1).await;
    assert_eq!(counts(&world, &cold).await, (0, 1));
    assert_eq!(world.get("k").await, pattern(BIG, 1));
    assert_eq!(whole(&reader).await, pattern(BIG, 1), "who reads the old one reads on");
    let after = world.info("k").await;
    assert_eq!((after.etag, after.lsn, after.modified), (before.etag, before.lsn, before.modified));
    assert_eq!(world.facts(0x0801).await, 1);
    world.objects.delete(&world.bucket, &key("k")).await.unwrap();
    assert_eq!(counts(&world, &cold).await, (0, 0));
    assert_eq!(world.facts(0x0801).await, 0);
}

#[tokio::test]
async fn parts_stay_parts_and_copies_keep_theirs() {
    let (mut world, cold) = cold().await;
    let body = world.put_parts("k", StorageClass::Standard).await;
    let source = world.info("k").await;
    world.copy(&source, "copy", Attributes::default()).await.unwrap();
    let parts = world.objects.object_parts(&world.bucket, &key("k"), None).await.unwrap();
    let filter = headwater_objects::Filter { prefix: Some("k".into()), ..Default::default() };
    let rules = World::moves_to(StorageClass::GlacierIr);
    world.set_rules(rules.into_iter().map(|rule| Rule { filter: filter.clone(), ..rule }).collect()).await;
    world.days_pass(1).await;
    assert_eq!(counts(&world, &cold).await, (2, 2), "the copy's parts stay where they are");
    assert_eq!(world.get("k").await, body);
    assert_eq!(world.get("copy").await, body);
    assert_eq!(world.objects.object_parts(&world.bucket, &key("k"), None).await.unwrap(), parts);
    world.objects.delete(&world.bucket, &key("copy")).await.unwrap();
    assert_eq!(counts(&world, &cold).await, (0, 2));
    assert_eq!(world.get("k").await, body);
    world.objects.delete(&world.bucket, &key("k")).await.unwrap();
    world.sweep().await;
    assert_eq!(counts(&world, &cold).await, (0, 0));
    assert_eq!((world.facts(0x0221).await, world.facts(0x0222).await, world.facts(0x0224).await), (0, 0, 0));
}

#[tokio::test]
async fn what_a_crash_leaves_of_a_move_is_swept() {
    for begun in 0..3 {
        let (mut world, cold, left) = gated().await;
        let body = world.put_parts("k", StorageClass::Standard).await;
        world.set_rules(World::moves_to(StorageClass::GlacierIr)).await;
        world.live().await;
        world.objects.seams().clock.advance(Duration::from_secs(86_400));
        left.store(begun, Ordering::SeqCst);
        let dies = async {
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            biased;
            () = world.live() => {}
            () = dies => {}
        }
        left.store(usize::MAX, Ordering::SeqCst);
        assert_eq!(world.get("k").await, body);
        let lies = if begun < 2 { (2, 0) } else { (0, 2) };
        assert_eq!(counts(&world, &cold).await, lies, "died with {begun} parts begun");
        let uploads = (world.facts(0x0221).await, world.facts(0x0222).await, world.facts(0x0223).await);
        assert_eq!(uploads, (3, 1, 1), "{begun}: the parts of one upload");
        world.live().await;
        assert_eq!(world.get("k").await, body);
        assert_eq!(counts(&world, &cold).await, (0, 2), "{begun}");
    }
}

#[tokio::test]
async fn a_restored_copy_is_there_for_its_days() {
    for parts in [false, true] {
        let (world, cold) = cold().await;
        let body = if parts {
            world.put_parts("k", StorageClass::Glacier).await
        } else {
            world.put_as("k", pattern(BIG, 1), StorageClass::Glacier).await;
            pattern(BIG, 1)
        };
        let hot = if parts { 2 } else { 1 };
        assert_eq!(counts(&world, &cold).await, (0, hot));
        assert!(world.is_archived("k").await);
        assert_eq!(world.restore("k", 2).await.unwrap(), RestoreBegun::Begun);
        assert_eq!(world.info("k").await.restored, Some(Restored::Ongoing));
        assert!(matches!(world.restore("k", 2).await, Err(ObjectError::RestoreInProgress)));
        assert!(world.is_archived("k").await);
        world.live().await;
        assert_eq!(counts(&world, &cold).await, (hot, hot));
        let until = Timestamp::from_ms(3 * 86_400_000);
        assert_eq!(world.info("k").await.restored, Some(Restored::Until(until)));
        assert_eq!(world.get("k").await, body);
        assert_eq!(world.info("k").await.attributes.storage_class, StorageClass::Glacier);
        let later = Timestamp::from_ms(5 * 86_400_000);
        assert_eq!(world.restore("k", 4).await.unwrap(), RestoreBegun::Extended(later));
        world.days_pass(4).await;
        assert_eq!(world.get("k").await, body, "the days began anew");
        world.days_pass(1).await;
        assert!(world.is_archived("k").await);
        assert_eq!(world.info("k").await.restored, None);
        assert_eq!(counts(&world, &cold).await, (0, hot), "the copy is gone, the body is not");
        assert_eq!((world.facts(0x0230).await, world.facts(0x0234).await), (0, 0));
    }
}

#[tokio::test]
async fn a_restored_copy_may_be_copied_for_good() {
    let (world, cold) = cold().await;
    let archived = world.put_as("k", pattern(BIG, 1), StorageClass::DeepArchive).await;
    let refused = world.copy(&archived, "to", Attributes::default()).await;
    assert!(matches!(refused, Err(ObjectError::Archived(StorageClass::DeepArchive))));
    world.restore("k", 1).await.unwrap();
    world.live().await;
    let restored = world.info("k").await;
    world.copy(&restored, "to", Attributes::default()).await.unwrap();
    world.copy(&restored, "k", Attributes::default()).await.unwrap();
    assert_eq!(counts(&world, &cold).await, (1, 0), "both share the copy; the archived body is gone");
    world.days_pass(10).await;
    assert_eq!(world.get("k").await, pattern(BIG, 1));
    assert_eq!(world.get("to").await, pattern(BIG, 1));
    assert_eq!(counts(&world, &cold).await, (1, 0));
}

#[tokio::test]
async fn copies_lie_where_their_class_says() {
    let (world, cold) = cold().await;
    let hot = world.put("hot", pattern(BIG, 1)).await;
    world.copy(&hot, "cold", of_class(StorageClass::StandardIa)).await.unwrap();
    let there = world.info("cold").await;
    world.copy(&there, "shared", of_class(StorageClass::GlacierIr)).await.unwrap();
    world.copy(&there, "back", Attributes::default()).await.unwrap();
    assert_eq!(counts(&world, &cold).await, (2, 1));
    for name in ["hot", "cold", "shared", "back"] {
        assert_eq!(world.get(name).await, pattern(BIG, 1), "{name}");
    }
}

#[tokio::test]
async fn without_a_cold_tier_archives_are_archives_all_the_same() {
    let world = World::new().await;
    world.put_as("k", pattern(BIG, 1), StorageClass::Glacier).await;
    assert!(world.is_archived("k").await);
    world.restore("k", 1).await.unwrap();
    world.live().await;
    assert_eq!(world.get("k").await, pattern(BIG, 1));
    assert_eq!(world.listed_blobs().await, 1, "nothing had to be copied");
    world.days_pass(3).await;
    assert!(world.is_archived("k").await);
    world.sweep().await;
    assert_eq!(world.listed_blobs().await, 1);
}

#[tokio::test]
async fn what_is_no_archive_is_not_restored() {
    let (world, _cold) = cold().await;
    world.put_as("k", "x".into(), StorageClass::GlacierIr).await;
    assert!(matches!(world.restore("k", 1).await, Err(ObjectError::NotArchived(StorageClass::GlacierIr))));
    assert!(matches!(world.restore("none", 1).await, Err(ObjectError::NoSuchKey(_))));
}

#[tokio::test]
async fn a_version_is_restored_by_its_id_and_overwritten_ones_are_forgotten() {
    let (mut world, cold) = cold().await;
    world.set_versioning(true).await;
    let first = world.put_as("k", pattern(BIG, 1), StorageClass::Glacier).await;
    world.put_as("k", pattern(BIG, 2), StorageClass::Glacier).await;
    let (bucket, name) = (&world.bucket, key("k"));
    world.objects.restore(bucket, &name, Some(first.version), 1).await.unwrap();
    world.live().await;
    let reader = world.objects.open_version(bucket, &name, Some(first.version)).await.unwrap();
    assert_eq!(whole(&reader).await, pattern(BIG, 1));
    assert!(world.is_archived("k").await);
    drop(reader);
    // The second is asked for, and removed before its copy is there.
    world.restore("k", 1).await.unwrap();
    let second = world.info("k").await.version;
    let bypass = headwater_objects::Bypass::Nothing;
    world.objects.delete_version(bucket, &name, second, &Condition::Anything, bypass).await.unwrap();
    world.live().await;
    assert_eq!(world.facts(0x0234).await, 0);
    assert_eq!(world.get("k").await, pattern(BIG, 1), "the first is the newest again, and still restored");
    world.objects.seams().clock.advance(Duration::from_secs(3 * 86_400));
    assert!(world.is_archived("k").await, "its time is over, whether or not somebody has looked");
    world.live().await;
    assert_eq!(counts(&world, &cold).await, (0, 1));
}

#[tokio::test]
async fn moves_and_deletes_race_without_loss() {
    for seed in 0..20u8 {
        let (mut world, cold) = cold().await;
        world.put("k", pattern(BIG, seed)).await;
        world.set_rules(World::moves_to(StorageClass::GlacierIr)).await;
        world.live().await;
        world.objects.seams().clock.advance(Duration::from_secs(86_400));
        let moving = async {
            for _ in 0..seed % 4 {
                tokio::task::yield_now().await;
            }
            world.live().await;
        };
        let putting = async {
            for _ in 0..seed % 5 {
                tokio::task::yield_now().await;
            }
            world.put("k", pattern(BIG, seed ^ 0xFF)).await;
            world.sweep().await;
        };
        tokio::join!(moving, putting);
        assert_eq!(world.get("k").await, pattern(BIG, seed ^ 0xFF));
        let (hot, there) = counts(&world, &cold).await;
        assert_eq!(hot + there, 1, "seed {seed}");
    }
}

/// Puts sealed objects: one in one piece, one in parts.
async fn put_sealed(world: &World, class: StorageClass) -> Bytes {
    let (objects, bucket) = (&world.objects, &world.bucket);
    let sealing = objects.sealing(bucket, &Asked::S3).await.unwrap();
    let whole = pattern(5 << 20, 9);
    let staged =
        objects.stage_for(class, body_of(whole.clone()), &Default::default(), &sealing).await.unwrap();
    objects.put(bucket, &key("k"), &staged, of_class(class), &Condition::Anything).await.unwrap();
    let options = UploadOptions { asked: Asked::S3, ..Default::default() };
    let id = objects.create_upload(bucket, &key("parts"), of_class(class), options).await.unwrap();
    let upload = objects.upload(bucket, &key("parts"), id).await.unwrap();
    let sealing = objects.sealing_of_part(&upload, None).unwrap();
    let mut parts = Vec::new();
    for (number, body) in [(1, whole.clone()), (2, whole.clone()), (3, whole.slice(..10))] {
        let staged = objects.stage_for(class, body_of(body), &Default::default(), &sealing).await.unwrap();
        let part = objects.put_part(bucket, &key("parts"), id, number, &staged).await.unwrap();
        parts.push(CompletedPart { number, etag: part.etag, checksum: None });
    }
    objects
        .complete_upload(bucket, &key("parts"), id, &parts, &DeclaredObject::default(), &Condition::Anything)
        .await
        .unwrap();
    whole
}

async fn are_sealed_and_read_back(world: &World, body: &Bytes) {
    assert!(world.get("k").await == *body);
    let parts = [body.clone(), body.clone(), body.slice(..10)].concat();
    assert!(world.get("parts").await == parts);
    for name in ["k", "parts"] {
        assert!(world.info(name).await.encryption.is_some(), "{name}");
    }
}

#[tokio::test]
async fn sealed_bodies_move_as_they_are() {
    let (mut world, cold) = cold().await;
    let body = put_sealed(&world, StorageClass::Standard).await;
    let before = world.info("k").await;
    world.set_rules(World::moves_to(StorageClass::GlacierIr)).await;
    world.days_pass(1).await;
    assert_eq!(counts(&world, &cold).await, (0, 3));
    are_sealed_and_read_back(&world, &body).await;
    let after = world.info("k").await;
    assert_eq!((after.etag, after.encryption), (before.etag, before.encryption));
    for id in cold.list().await.unwrap() {
        let reader = cold.open(id).await.unwrap();
        let bytes = reader.read(0..reader.len()).await.unwrap();
        assert!(!bytes.windows(64).any(|window| *window == body[1000..1064]), "it lies there in the clear");
    }
    let there = world.info("k").await;
    world.copy(&there, "copy", Attributes::default()).await.unwrap();
    assert_eq!(counts(&world, &cold).await, (1, 3), "the copy is hot again");
    assert!(world.get("copy").await == body);
}

#[tokio::test]
async fn sealed_archives_are_restored() {
    let (world, cold) = cold().await;
    let body = put_sealed(&world, StorageClass::Glacier).await;
    assert_eq!(counts(&world, &cold).await, (0, 3));
    for name in ["k", "parts"] {
        assert!(world.is_archived(name).await);
        assert_eq!(world.restore(name, 2).await.unwrap(), RestoreBegun::Begun);
    }
    world.live().await;
    assert_eq!(counts(&world, &cold).await, (3, 3));
    are_sealed_and_read_back(&world, &body).await;
    world.days_pass(4).await;
    assert!(world.is_archived("k").await && world.is_archived("parts").await);
    assert_eq!(counts(&world, &cold).await, (0, 3));
}
