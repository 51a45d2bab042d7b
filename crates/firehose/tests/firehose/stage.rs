//! The face that conversations are held with: deliveries over an empty store in memory. `{{s3}}` in
//! a request stands for the members every S3 destination needs.

use std::sync::Arc;

use headwater_base::Seams;
use headwater_blob::memory::MemoryBlobs;
use headwater_catalog::Catalog;
use headwater_delivery::Deliveries;
use headwater_firehose::Firehose;
use headwater_objects::Objects;
use headwater_store::memory;
use headwater_streams::Streams;
use headwater_testkit::conversation::{self, Conversation};
use headwater_work::Work;

const S3: &str = r#""RoleARN":"arn:aws:iam::000000000001:role/r","BucketARN":"arn:aws:s3:::bucket""#;

/// A fresh face.
pub fn face() -> Firehose {
    over(conversation::seams())
}

fn over(seams: Seams) -> Firehose {
    let store = memory::open(seams.clone());
    let work = Work::new(seams.clone());
    let streams = Streams::new(store.clone(), seams.clone(), &work);
    let blobs = Arc::new(MemoryBlobs::new(seams.clone()));
    let objects = Objects::without_sweep(store.clone(), blobs, seams.clone());
    let catalog = Catalog::new(store.clone(), seams.clone());
    Firehose::new(Deliveries::new(store, seams, &work, streams, objects, catalog))
}

/// Plays one golden file with a fresh face.
pub async fn play(text: &str) -> String {
    let seams = conversation::seams();
    let conversation = Conversation::new(Arc::new(over(seams.clone())), seams, &[]);
    conversation.knowing("s3", S3).play(&mut (), text).await
}
