//! Emitted bytes to durable bodies.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _};
use headwater_objects::{Bucket, ObjectError, Objects, StagedBody};
use tokio::sync::mpsc;

use super::{ClosedFile, Emit};

/// Pieces that may wait between a writer and its upload.
const PIECES_WAITING_MAX: usize = 4;
/// Bodies made durable at the same time: each waits for its own fsync.
const ENDING_AT_ONCE: usize = 16;

/// A durable body that waits for the commit that names it.
#[derive(Clone, Debug)]
pub(crate) struct StagedFile {
    /// What the file holds.
    pub(crate) closed: ClosedFile,
    /// Its body.
    pub(crate) body: StagedBody,
}

/// The uploads of one plan or write. Dropped, it leaves bodies that are swept.
pub(crate) struct Uploads {
    objects: Objects,
    /// Where the bodies are for: it says how they are sealed.
    bucket: Arc<Bucket>,
    open: BTreeMap<u32, Upload>,
    staged: Vec<StagedFile>,
}

impl std::fmt::Debug for Uploads {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Uploads").field("open", &self.open.len()).field("staged", &self.staged.len()).finish()
    }
}

impl Uploads {
    /// Nothing uploaded yet.
    pub(crate) fn new(objects: Objects, bucket: Arc<Bucket>) -> Self {
        Self { objects, bucket, open: BTreeMap::new(), staged: Vec::new() }
    }

    /// Takes in what was emitted; returns when it is written, files that ended durably.
    pub(crate) async fn take(&mut self, emits: Vec<Emit>) -> Result<(), ObjectError> {
        let mut ending = Vec::new();
        for emit in emits {
            match emit {
                Emit::Bytes { file, bytes } => {
                    let (objects, bucket) = (&self.objects, &self.bucket);
                    self.open
                        .entry(file)
                        .or_insert_with(|| Upload::begin(objects.clone(), bucket.clone()))
                        .push(bytes)
                        .await?;
                }
                Emit::End { file, bytes, closed } => {
                    let (objects, bucket) = (self.objects.clone(), self.bucket.clone());
                    let upload = self.open.remove(&file);
                    ending.push(async move {
                        let body = match upload {
                            None => objects.stage_bytes(&bucket, bytes, true).await?,
                            Some(upload) => upload.end(bytes).await?,
                        };
                        Ok::<_, ObjectError>(StagedFile { closed, body })
                    });
                }
            }
        }
        let staged: Vec<StagedFile> =
            futures::stream::iter(ending).buffered(ENDING_AT_ONCE).try_collect().await?;
        self.staged.extend(staged);
        Ok(())
    }

    /// Everything staged, in the order the files ended.
    pub(crate) fn finish(self) -> Vec<StagedFile> {
        self.staged
    }
}

/// One body on its way. It moves while pieces are pushed; nothing runs by itself.
struct Upload {
    pieces: mpsc::Sender<Bytes>,
    body: BoxFuture<'static, Result<StagedBody, ObjectError>>,
}

impl Upload {
    fn begin(objects: Objects, bucket: Arc<Bucket>) -> Self {
        let (pieces, receiver) = mpsc::channel::<Bytes>(PIECES_WAITING_MAX);
        let stream = futures::stream::unfold(receiver, |mut receiver| async move {
            receiver.recv().await.map(|piece| (Ok(piece), receiver))
        });
        let body = async move { objects.stage_body(&bucket, stream.boxed(), true).await }.boxed();
        Self { pieces, body }
    }

    async fn push(&mut self, piece: Bytes) -> Result<(), ObjectError> {
        if piece.is_empty() {
            return Ok(());
        }
        tokio::select! {
            sent = self.pieces.send(piece) => sent.map_err(|_| gone()),
            // The body can only end while its sender lives if it failed.
            ended = &mut self.body => Err(ended.err().unwrap_or_else(gone)),
        }
    }

    async fn end(mut self, last: Bytes) -> Result<StagedBody, ObjectError> {
        self.push(last).await?;
        drop(self.pieces);
        self.body.await
    }
}

fn gone() -> ObjectError {
    ObjectError::Invalid("the body's upload ended before its file did".to_owned())
}
