//! The face that conversations are held with: streams over an empty store in memory.

use std::sync::Arc;

use headwater_base::Seams;
use headwater_kinesis::Kinesis;
use headwater_store::memory;
use headwater_streams::Streams;
use headwater_testkit::conversation::{self, Conversation, Hidden};
use headwater_work::Work;

const HIDDEN: &[Hidden] =
    &[Hidden::Member("NextShardIterator"), Hidden::Member("ShardIterator"), Hidden::Member("NextToken")];

/// A fresh face.
pub fn face() -> Kinesis {
    over(conversation::seams())
}

fn over(seams: Seams) -> Kinesis {
    let store = memory::open(seams.clone());
    Kinesis::new(Streams::new(store, seams.clone(), &Work::new(seams)))
}

/// Plays one golden file with a fresh face.
pub async fn play(text: &str) -> String {
    let seams = conversation::seams();
    Conversation::new(Arc::new(over(seams.clone())), seams, HIDDEN).play(&mut (), text).await
}
