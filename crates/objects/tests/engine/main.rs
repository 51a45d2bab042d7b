//! The engine over memory backends: what it promises, beside races and damage.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says so by panicking")]

mod buckets;
mod cold;
mod lifecycle;
mod lifecycle_model;
mod listing;
mod multipart;
mod objects;
mod scrub;
mod sealing;
mod sweep;
mod usage;
mod versions;
mod versions_cost;
mod versions_model;
mod watched;

use std::sync::Arc;

use bytes::Bytes;
use headwater_base::{Region, Seams, Timestamp};
use headwater_blob::Blobs;
use headwater_blob::memory::MemoryBlobs;
use headwater_objects::{
    Attributes, Bucket, BucketName, Condition, ObjectError, ObjectKey, ObjectReader, Objects, Sweep,
};
use headwater_work::Pass;

/// An engine in memory, with a bucket.
struct World {
    objects: Objects,
    blobs: MemoryBlobs,
    bucket: Arc<Bucket>,
    sweep: Sweep,
}

impl World {
    async fn new() -> Self {
        let seams = Seams::simulated(Timestamp::from_ms(1_000_000), 42);
        let blobs = MemoryBlobs::new(seams.clone());
        let store = headwater_store::memory::open(seams.clone());
        let objects = Objects::without_sweep(store, Arc::new(blobs.clone()), seams);
        let bucket = create(&objects, "bucket").await;
        let sweep = objects.sweep();
        Self { objects, blobs, bucket, sweep }
    }

    /// A world whose bucket has versions.
    async fn versioned() -> Self {
        let mut world = Self::new().await;
        world.set_versioning(true).await;
        world
    }

    async fn set_versioning(&mut self, enabled: bool) {
        self.objects.set_versioning(&self.bucket, enabled).await.unwrap();
        self.bucket = self.objects.bucket(&self.bucket.name).await.unwrap();
    }

    async fn put(&self, name: &str, body: impl Into<Bytes>) -> headwater_objects::ObjectInfo {
        self.objects.put_bytes(&self.bucket, &key(name), body.into(), Attributes::default()).await.unwrap()
    }

    /// Copies within the bucket.
    async fn copy(
        &self,
        source: &headwater_objects::ObjectInfo,
        name: &str,
        attributes: Attributes,
    ) -> Result<headwater_objects::ObjectInfo, ObjectError> {
        let (bucket, to) = (&self.bucket, key(name));
        self.objects.copy(bucket, source, bucket, &to, attributes, &Condition::Anything).await
    }

    async fn get(&self, name: &str) -> Bytes {
        whole(&self.objects.open(&self.bucket, &key(name)).await.unwrap()).await
    }

    /// Sweeps everything, until there is nothing left to do.
    async fn sweep(&self) {
        self.sweep.start_over();
        while self.sweep.step().await.unwrap() == Pass::More {}
    }

    /// Everything that is stored, by kind.
    async fn facts(&self, kind: u16) -> usize {
        use headwater_store::{Direction, Key, KeyRange, Kind};
        let range = KeyRange::prefix(&Key::of(Kind(kind)).build());
        self.objects.store().scan(&range, 100_000, Direction::Forward).await.unwrap().len()
    }

    async fn listed_blobs(&self) -> usize {
        self.blobs.list().await.unwrap().len()
    }
}

async fn create(objects: &Objects, name: &str) -> Arc<Bucket> {
    let region: Region = "eu-west-1".parse().unwrap();
    let owner = "000000000042".parse().unwrap();
    objects.create_bucket(&BucketName::new(name).unwrap(), owner, &region).await.unwrap()
}

fn key(name: &str) -> ObjectKey {
    ObjectKey::new(name).unwrap()
}

async fn whole(reader: &ObjectReader) -> Bytes {
    reader.read(0..reader.info.size).await.unwrap()
}

/// Bytes that differ along the way.
fn pattern(len: usize, seed: u8) -> Bytes {
    (0..len).map(|n| (n.wrapping_mul(31) ^ (n >> 8)) as u8 ^ seed).collect::<Vec<u8>>().into()
}

/// More than fits a fact.
const BIG: usize = 300_000;
