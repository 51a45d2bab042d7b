//! Objects on a store that fails and a node that crashes: puts, overwrites, deletes, copies, uploads in parts,
//! sweeps, and reads in between.
//!
//! A model knows what each key may hold: the last acknowledged outcome; after a crash, that or what was under
//! way. An error changes nothing. Now and then, and at the end, on a sound store: every key holds what it may, the
//! listing agrees, what lies in the place for blobs after a sweep is what facts name, the scrub finds no
//! damage, and the books agree with a count.
//!
//! **Invariants.** Everything comes from the seed. Two runs of one seed give the same digest, which covers
//! every outcome in order.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use headwater_base::{Seams, Timestamp};
use headwater_blob::memory::MemoryBlobs;
use headwater_objects::{
    Attributes, Bucket, BucketName, CompletedPart, CompletionError, Condition, DeclaredObject, ListQuery,
    ObjectError, ObjectInfo, ObjectKey, Objects, UploadOptions, UploadQuery,
};
use headwater_store::layered::Layered;
use headwater_store::{Direction, Key, KeyRange, Kind, Store};
use headwater_work::Pass;

use crate::faults::{Fate, FaultyBlobs, FaultyStore};

const KEYS: u64 = 12;
/// One call in so many fails, one in so many is the node's last.
const FAILURES: u64 = 25;
const CRASHES: u64 = 120;
/// How often everything is checked.
const CHECK_EVERY: u64 = 200;
const SIZES: [usize; 5] = [0, 10, 5_000, 128 << 10, (128 << 10) + 1];

/// What a run came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// A digest over every outcome, in order.
    pub digest: u64,
    /// Changes that were acknowledged.
    pub acknowledged: u64,
    /// Changes that failed, and left no trace.
    pub failed: u64,
    /// Crashes in the middle of a change or a sweep.
    pub crashes: u64,
    /// Of those, changes that had happened.
    pub happened: u64,
    /// Blobs swept.
    pub swept: u64,
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { digest, acknowledged, failed, crashes, happened, swept } = self;
        write!(
            f,
            "digest {digest:016x}: {acknowledged} changes acknowledged, {failed} failed, {crashes} crashes ({happened} \
             after the change), {swept} blobs swept"
        )
    }
}

/// Runs `steps` steps from `seed`. Panics when a promise is broken.
pub fn run(seed: u64, steps: u64) -> Run {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime can be built");
    runtime.block_on(async {
        let mut world = World::begin(seed).await;
        for step in 1..=steps {
            world.step().await;
            if step % CHECK_EVERY == 0 {
                world.check().await;
            }
        }
        world.check().await;
        world.run
    })
}

type Content = Option<Bytes>;

struct World {
    seams: Seams,
    store: Arc<dyn Store>,
    blobs: MemoryBlobs,
    fate: Arc<Fate>,
    objects: Objects,
    bucket: Arc<Bucket>,
    /// What each key may hold.
    model: BTreeMap<u64, Vec<Content>>,
    bodies: u64,
    run: Run,
}

/// How a change ended.
enum Ended<T> {
    Acknowledged(T),
    Failed,
    Crashed,
}

impl World {
    async fn begin(seed: u64) -> Self {
        let seams = Seams::simulated(Timestamp::from_ms(1_700_000_000_000), seed);
        let store = headwater_store::memory::open(seams.clone());
        let blobs = MemoryBlobs::new(seams.clone());
        let fate = Fate::new(seams.clone());
        let objects = engine(&store, &blobs, &fate, &seams);
        let owner = "000000000042".parse().expect("an account");
        let region = "eu-central-1".parse().expect("a region");
        let name = BucketName::new("sim").expect("a name");
        let bucket = objects.create_bucket(&name, owner, &region).await.expect("nothing fails yet");
        fate.set(FAILURES, CRASHES);
        let run = Run {
            digest: 0xcbf2_9ce4_8422_2325,
            acknowledged: 0,
            failed: 0,
            crashes: 0,
            happened: 0,
            swept: 0,
        };
        Self { seams, store, blobs, fate, objects, bucket, model: BTreeMap::new(), bodies: 0, run }
    }

    async fn step(&mut self) {
        let key = self.seams.chance.below(KEYS);
        match self.seams.chance.below(12) {
            0..=4 => self.put(key).await,
            5 => self.delete(key).await,
            6..=7 => self.copy(key).await,
            8..=9 => self.upload(key).await,
            10 => self.sweep().await,
            _ => self.read(key).await,
        }
        self.seams.clock.advance(Duration::from_millis(self.seams.chance.below(20_000)));
    }

    fn body(&mut self) -> Bytes {
        self.bodies += 1;
        let size = SIZES[self.seams.chance.below(SIZES.len() as u64) as usize];
        let mark = self.bodies.to_be_bytes();
        mark.iter().copied().cycle().take(size).collect::<Vec<u8>>().into()
    }

    async fn put(&mut self, key: u64) {
        let body = self.body();
        let (objects, bucket) = (self.objects.clone(), self.bucket.clone());
        let (name, given) = (name_of(key), body.clone());
        let put = async move { objects.put_bytes(&bucket, &name, given, Attributes::default()).await };
        let ended = self.live(put).await;
        self.changed(key, &ended, Some(body)).await;
    }

    async fn delete(&mut self, key: u64) {
        let (objects, bucket, name) = (self.objects.clone(), self.bucket.clone(), name_of(key));
        let ended = self.live(async move { objects.delete(&bucket, &name).await }).await;
        self.changed(key, &ended, None).await;
    }

    async fn copy(&mut self, key: u64) {
        let source = self.seams.chance.below(KEYS);
        let [Some(content)] = &self.may_hold(source)[..] else { return };
        let content = content.clone();
        let (objects, bucket) = (self.objects.clone(), self.bucket.clone());
        let copy = async move {
            let from: ObjectInfo = objects.head(&bucket, &name_of(source)).await?;
            let attributes = Attributes::default();
            objects.copy(&bucket, &from, &bucket, &name_of(key), attributes, &Condition::Anything).await
        };
        let ended = self.live(copy).await;
        self.changed(key, &ended, Some(content)).await;
    }

    /// An upload of two parts, of which the object takes the first; one in four is given up.
    async fn upload(&mut self, key: u64) {
        let (body, left_over) = (self.body(), self.body());
        let is_given_up = self.seams.chance.below(4) == 0;
        let (objects, bucket) = (self.objects.clone(), self.bucket.clone());
        let (name, given) = (name_of(key), body.clone());
        let upload = async move {
            let options = UploadOptions::default();
            let id = objects.create_upload(&bucket, &name, Attributes::default(), options).await?;
            let staged = objects.stage_bytes(&bucket, given, false).await?;
            let part = objects.put_part(&bucket, &name, id, 1, &staged).await?;
            let staged = objects.stage_bytes(&bucket, left_over, false).await?;
            objects.put_part(&bucket, &name, id, 2, &staged).await?;
            if is_given_up {
                objects.abort_upload(&bucket, &name, id).await?;
                return Ok(false);
            }
            let parts = [CompletedPart { number: 1, etag: part.etag, checksum: None }];
            let said = DeclaredObject::default();
            match objects.complete_upload(&bucket, &name, id, &parts, &said, &Condition::Anything).await {
                Ok(_) => Ok(true),
                Err(CompletionError::Object(error)) => Err(error),
                Err(error) => panic!("nothing was said of the object: {error}"),
            }
        };
        match self.live(upload).await {
            Ended::Acknowledged(false) => {}
            Ended::Crashed if is_given_up => self.restart().await,
            ended => self.changed(key, &ended, Some(body)).await,
        }
    }

    async fn sweep(&mut self) {
        let before = self.blobs.count() as u64;
        let sweep = self.objects.sweep();
        let swept = async move {
            while sweep.step().await? == Pass::More {}
            Ok(())
        };
        let ended = self.live(swept).await;
        self.run.swept += before - self.blobs.count() as u64;
        if matches!(ended, Ended::Crashed) {
            self.restart().await;
        }
    }

    async fn read(&mut self, key: u64) {
        let (objects, bucket) = (self.objects.clone(), self.bucket.clone());
        let ended = self.live(async move { content(&objects, &bucket, key).await }).await;
        match ended {
            Ended::Acknowledged(found) => self.saw(key, found),
            Ended::Failed => {}
            Ended::Crashed => self.restart().await,
        }
    }

    /// Runs something until it ends or the node crashes.
    async fn live<T>(&mut self, change: impl Future<Output = Result<T, ObjectError>>) -> Ended<T> {
        let fate = self.fate.clone();
        let ended = tokio::select! {
            biased;
            () = fate.crashed() => Ended::Crashed,
            ended = change => ended.map_or(Ended::Failed, Ended::Acknowledged),
        };
        self.note(match &ended {
            Ended::Acknowledged(_) => b"acknowledged",
            Ended::Failed => b"failed",
            Ended::Crashed => b"crashed",
        });
        ended
    }

    /// A change of a key to `outcome` ended so.
    async fn changed<T>(&mut self, key: u64, ended: &Ended<T>, outcome: Content) {
        match ended {
            Ended::Acknowledged(_) => {
                self.run.acknowledged += 1;
                self.model.insert(key, vec![outcome]);
            }
            Ended::Failed => self.run.failed += 1,
            Ended::Crashed => {
                self.restart().await;
                let mut may = self.may_hold(key);
                may.push(outcome.clone());
                self.model.insert(key, may);
                let found = content(&self.sound(), &self.bucket, key).await.expect("a sound store");
                self.run.happened += u64::from(found == outcome);
                self.saw(key, found);
            }
        }
    }

    /// The node is gone with all it had in memory; another one begins on what is stored.
    async fn restart(&mut self) {
        self.run.crashes += 1;
        self.fate = Fate::new(self.seams.clone());
        self.fate.set(FAILURES, CRASHES);
        self.objects = engine(&self.store, &self.blobs, &self.fate, &self.seams);
    }

    /// An engine on the same store that never fails.
    fn sound(&self) -> Objects {
        engine(&self.store, &self.blobs, &Fate::new(self.seams.clone()), &self.seams)
    }

    fn may_hold(&self, key: u64) -> Vec<Content> {
        self.model.get(&key).cloned().unwrap_or_else(|| vec![None])
    }

    fn saw(&mut self, key: u64, found: Content) {
        let may = self.may_hold(key);
        let lens = |all: &[Content]| all.iter().map(|c| c.as_ref().map(Bytes::len)).collect::<Vec<_>>();
        assert!(
            may.contains(&found),
            "key {key} holds {:?} and may hold {:?}",
            lens(std::slice::from_ref(&found)),
            lens(&may)
        );
        self.note(found.as_deref().unwrap_or(b"nothing"));
        self.model.insert(key, vec![found]);
    }

    /// Everything holds, on a sound store.
    async fn check(&mut self) {
        // What the running node holds in memory is gone, so that everything unnamed may go.
        self.restart().await;
        let objects = self.sound();
        for key in 0..KEYS {
            let found = content(&objects, &self.bucket, key).await.expect("a sound store");
            self.saw(key, found);
        }
        let query = ListQuery { limit: 1000, ..ListQuery::default() };
        let listed = objects.list(&self.bucket, &query).await.expect("a sound store");
        let listed: BTreeSet<String> = listed.entries.iter().map(|entry| entry.name().to_owned()).collect();
        let held =
            |(key, may): (&u64, &Vec<Content>)| may[0].as_ref().map(|_| name_of(*key).as_str().to_owned());
        assert_eq!(listed, self.model.iter().filter_map(held).collect(), "the listing");
        self.give_up_uploads(&objects).await;
        let before = self.blobs.count() as u64;
        let sweep = objects.sweep();
        while sweep.step().await.expect("a sound store") == Pass::More {}
        self.run.swept += before - self.blobs.count() as u64;
        assert_eq!(self.blobs.count(), self.named_blobs().await, "blobs that nothing names, or too few");
        let scrubbed = objects.scrub().read_all().await.expect("a sound store");
        assert_eq!(scrubbed.damage, []);
        objects.count().count_all().await.expect("a sound store");
        let usage = objects.usage().await.expect("a sound store");
        let bodies = self.model.values().filter_map(|may| may[0].as_ref());
        let bytes: usize = bodies.map(Bytes::len).sum();
        assert_eq!((usage[0].objects, usage[0].bytes), (listed.len() as u64, bytes as u64));
    }

    async fn give_up_uploads(&self, objects: &Objects) {
        let list = ListQuery { limit: 1000, ..ListQuery::default() };
        let query = UploadQuery { list, after_upload: None };
        let uploads = objects.list_uploads(&self.bucket, &query).await.expect("a sound store");
        for entry in uploads.entries {
            if let headwater_objects::UploadedEntry::Upload(upload) = entry {
                objects.abort_upload(&self.bucket, &upload.key, upload.id).await.expect("a sound store");
            }
        }
    }

    async fn named_blobs(&self) -> usize {
        let range = KeyRange::prefix(&Key::of(Kind(0x0800)).build());
        let rows = self.store.scan(&range, 100_000, Direction::Forward).await.expect("a sound store");
        let blobs: BTreeSet<Option<[u8; 16]>> = rows
            .iter()
            .map(|row| {
                let mut reader = row.key.reader();
                reader.kind()?;
                reader.fixed16()
            })
            .collect();
        blobs.len()
    }

    /// Folds bytes into the digest (FNV-1a).
    fn note(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.run.digest = (self.run.digest ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

fn engine(store: &Arc<dyn Store>, blobs: &MemoryBlobs, fate: &Arc<Fate>, seams: &Seams) -> Objects {
    let store = Layered(FaultyStore { inner: store.clone(), fate: fate.clone() });
    let blobs = FaultyBlobs { inner: Arc::new(blobs.clone()), fate: fate.clone() };
    Objects::without_sweep(Arc::new(store), Arc::new(blobs), seams.clone())
}

fn name_of(key: u64) -> ObjectKey {
    ObjectKey::new(&format!("folder/{key:02}")).expect("a key")
}

async fn content(objects: &Objects, bucket: &Bucket, key: u64) -> Result<Content, ObjectError> {
    match objects.open(bucket, &name_of(key)).await {
        Ok(reader) => Ok(Some(reader.read(0..reader.info.size).await?)),
        Err(ObjectError::NoSuchKey(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_bytes() {
        for seed in 0..8 {
            assert_eq!(run(seed, 400), run(seed, 400), "seed {seed}");
        }
        assert_ne!(run(1, 400).digest, run(2, 400).digest);
    }

    #[test]
    fn failures_crashes_and_sweeps_do_happen() {
        let run = run(1, 2_000);
        assert!(run.failed > 50 && run.crashes > 20 && run.happened > 3, "{run}");
        assert!(run.acknowledged > 500 && run.swept > 50, "{run}");
    }
}
