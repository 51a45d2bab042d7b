//! The face that conversations are held with, over an engine that remembers what it was asked.
//! Beside every conversation's directives:
//!
//! ```text
//! ! put bucket key text     an object is put; '|' ends a line
//! ```

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use headwater_base::Seams;
use headwater_blob::memory::MemoryBlobs;
use headwater_catalog::{Catalog, QueryEngine};
use headwater_glue::{Glue, Ground};
use headwater_objects::{Attributes, BucketName, ObjectKey, Objects};
use headwater_store::{Store, memory};
use headwater_testkit::conversation::{self, Conversation, Hidden, REGION};
use headwater_wire::Face;
use headwater_work::Work;

use crate::engine::Engine;

const HIDDEN: &[Hidden] = &[Hidden::Member("JobRunId"), Hidden::Member("Id"), Hidden::Member("NextToken")];

/// What outlives a process.
pub struct Stage {
    pub engine: Arc<Engine>,
    store: Arc<dyn Store>,
    objects: Objects,
    seams: Seams,
    work: Work,
}

/// A fresh face.
pub fn face() -> Glue {
    over(memory::open(conversation::seams()), Arc::default(), conversation::seams()).0
}

/// A fresh face to talk with, and what it stands on.
pub fn conversation() -> (Conversation, Stage) {
    let seams = conversation::seams();
    let (face, stage) = over(memory::open(seams.clone()), Arc::default(), seams.clone());
    (Conversation::new(Arc::new(face), seams, HIDDEN), stage)
}

/// Several conversations with one fresh face.
pub fn conversations(count: usize) -> (Vec<Conversation>, Stage) {
    let seams = conversation::seams();
    let (face, stage) = over(memory::open(seams.clone()), Arc::default(), seams.clone());
    let face: Arc<dyn Face> = Arc::new(face);
    let talk = |_| Conversation::new(Arc::clone(&face), seams.clone(), HIDDEN);
    ((0..count).map(talk).collect(), stage)
}

/// Plays one golden file with a fresh face.
pub async fn play(text: &str) -> String {
    let (conversation, mut stage) = conversation();
    conversation.play(&mut stage, text).await
}

/// The process ends and another begins over the same store.
pub async fn restart(conversation: Conversation, stage: Stage) -> (Conversation, Stage) {
    stage.work.shutdown(Duration::ZERO).await;
    let (face, stage) = over(stage.store, stage.engine, stage.seams);
    (conversation.with_face(Arc::new(face)), stage)
}

fn over(store: Arc<dyn Store>, engine: Arc<Engine>, seams: Seams) -> (Glue, Stage) {
    let work = Work::new(seams.clone());
    let blobs = Arc::new(MemoryBlobs::new(seams.clone()));
    let objects = Objects::without_sweep(Arc::clone(&store), blobs, seams.clone());
    let ground = Ground {
        store: Arc::clone(&store),
        catalog: Catalog::new(Arc::clone(&store), seams.clone()),
        objects: objects.clone(),
        queries: Some(Arc::clone(&engine) as Arc<dyn QueryEngine>),
        seams: seams.clone(),
    };
    (Glue::new(ground, &work), Stage { engine, store, objects, seams, work })
}

#[async_trait]
impl conversation::Stage for Stage {
    async fn obey(&mut self, conversation: &mut Conversation, verb: &str, rest: &str) -> bool {
        if verb != "put" {
            return false;
        }
        let mut parts = rest.splitn(3, ' ');
        let mut next = || parts.next().unwrap();
        let (name, key, text) = (BucketName::new(next()).unwrap(), ObjectKey::new(next()).unwrap(), next());
        // It exists already after the first put.
        let region = REGION.parse().unwrap();
        let _ = self.objects.create_bucket(&name, conversation.account(), &region).await;
        let bucket = self.objects.bucket(&name).await.unwrap();
        let body = format!("{}\n", text.replace('|', "\n"));
        self.objects.put_bytes(&bucket, &key, body.into(), Attributes::default()).await.unwrap();
        true
    }
}
