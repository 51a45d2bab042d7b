//! The face that conversations are held with, over an engine that knows four statements. Beside
//! every conversation's directives:
//!
//! ```text
//! ! bucket results          the bucket exists from here on
//! ! database shop           the database exists from here on
//! ! wait                    until the last execution has ended
//! ```
//!
//! `{{id}}` stands for the id of the last execution, in requests and in answers.

use std::sync::Arc;

use async_trait::async_trait;
use headwater_athena::{Athena, Options};
use headwater_base::Scope;
use headwater_blob::memory::MemoryBlobs;
use headwater_catalog::{Catalog, Database};
use headwater_objects::{BucketName, Objects};
use headwater_store::memory;
use headwater_testkit::conversation::{self, Conversation, Hidden, REGION, START};
use headwater_work::Work;

use crate::engine::Scripted;

const HIDDEN: &[Hidden] = &[Hidden::Id("StartQueryExecution", "QueryExecutionId")];

/// What the face stands on, for the directives.
struct Ground {
    objects: Objects,
    catalog: Catalog,
}

/// A fresh face.
pub fn face() -> Athena {
    let seams = conversation::seams();
    over(seams).0
}

fn over(seams: headwater_base::Seams) -> (Athena, Ground) {
    let store = memory::open(seams.clone());
    let work = Work::new(seams.clone());
    let blobs = Arc::new(MemoryBlobs::new(seams.clone()));
    let objects = Objects::without_sweep(store.clone(), blobs, seams.clone());
    let catalog = Catalog::new(store.clone(), seams.clone());
    let ground = Ground { objects: objects.clone(), catalog: catalog.clone() };
    let face = Athena::new(&Options::default(), store, objects, catalog, Arc::new(Scripted), seams, &work);
    (face, ground)
}

/// Plays one golden file with a fresh face.
pub async fn play(text: &str) -> String {
    let seams = conversation::seams();
    let (face, mut ground) = over(seams.clone());
    Conversation::new(Arc::new(face), seams, HIDDEN).play(&mut ground, text).await
}

#[async_trait]
impl conversation::Stage for Ground {
    async fn obey(&mut self, conversation: &mut Conversation, verb: &str, rest: &str) -> bool {
        let scope = Scope::new(conversation.account(), REGION.parse().unwrap());
        match verb {
            "bucket" => {
                let name = BucketName::new(rest).unwrap();
                self.objects.create_bucket(&name, scope.account, &scope.region).await.unwrap();
            }
            "database" => {
                let database = Database {
                    name: rest.to_owned(),
                    description: None,
                    location: None,
                    parameters: Default::default(),
                    created: START,
                };
                self.catalog.create_database(&scope, database).await.unwrap();
            }
            "wait" => {
                let has_ended =
                    |answer: &str| !answer.contains("\"QUEUED\"") && !answer.contains("\"RUNNING\"");
                let request = r#"{"QueryExecutionId":"{{id}}"}"#;
                conversation.ask_until("GetQueryExecution", request, has_ended).await;
            }
            _ => return false,
        }
        true
    }
}
