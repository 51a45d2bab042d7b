//! Blobs in memory, for tests and simulations: the same promises, nothing durable.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use headwater_base::Seams;

use crate::hold::{Held, Hold};
use crate::layout::{block_count, checksum};
use crate::live::{Live, LiveIds};
use crate::{BLOCK_BYTES, BlobError, BlobId, BlobReader, BlobWriter, Blobs, UploadHandle};

/// A place for blobs that forgets everything when it is dropped. Cheap to clone; clones share.
#[derive(Clone, Debug)]
pub struct MemoryBlobs(Arc<Inner>);

struct Inner {
    blobs: Mutex<HashMap<BlobId, Arc<Body>>>,
    live: LiveIds,
    held: Held,
    seams: Seams,
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryBlobs").field("live", &self.live).finish_non_exhaustive()
    }
}

struct Body {
    bytes: Bytes,
    checksums: Vec<u32>,
}

impl MemoryBlobs {
    /// An empty place.
    pub fn new(seams: Seams) -> Self {
        let (live, held) = (LiveIds::default(), Held::default());
        Self(Arc::new(Inner { blobs: Mutex::new(HashMap::new()), live, held, seams }))
    }

    /// How many blobs there are, live or not.
    pub fn count(&self) -> usize {
        self.0.blobs().len()
    }

    /// Flips one bit of a blob, as a bad disk would. Does nothing if there is no such byte.
    pub fn flip_bit(&self, id: BlobId, at: u64) {
        let mut blobs = self.0.blobs();
        let Some(body) = blobs.get(&id).filter(|body| at < body.bytes.len() as u64) else {
            return;
        };
        let mut bytes = BytesMut::from(&body.bytes[..]);
        bytes[at as usize] ^= 1;
        let damaged = Body { bytes: bytes.freeze(), checksums: body.checksums.clone() };
        blobs.insert(id, Arc::new(damaged));
    }
}

impl Inner {
    fn blobs(&self) -> std::sync::MutexGuard<'_, HashMap<BlobId, Arc<Body>>> {
        self.blobs.lock().expect("no holder of this lock panics")
    }
}

#[async_trait]
impl Blobs for MemoryBlobs {
    async fn create(&self) -> Result<Box<dyn BlobWriter>, BlobError> {
        let mut id = [0; 16];
        self.0.seams.chance.fill(&mut id);
        let id = BlobId(id);
        Ok(Box::new(MemoryWriter {
            inner: self.0.clone(),
            id,
            live: self.0.live.mark(id),
            bytes: BytesMut::new(),
        }))
    }

    async fn open(&self, id: BlobId) -> Result<Arc<dyn BlobReader>, BlobError> {
        let body = self.0.blobs().get(&id).cloned().ok_or(BlobError::NotFound(id))?;
        Ok(Arc::new(MemoryReader { id, body }))
    }

    async fn delete(&self, id: BlobId) -> Result<(), BlobError> {
        if !self.0.held.remembers(id) {
            self.0.blobs().remove(&id);
        }
        Ok(())
    }

    fn hold(&self) -> Hold {
        let inner = self.0.clone();
        self.0.held.hold(move |id| drop(inner.blobs().remove(&id)))
    }

    async fn list(&self) -> Result<Vec<BlobId>, BlobError> {
        let mut ids: Vec<BlobId> = self.0.blobs().keys().copied().collect();
        self.0.live.remove_from(&mut ids);
        Ok(ids)
    }

    fn is_live(&self, id: BlobId) -> bool {
        self.0.live.contains(id)
    }

    fn free_bytes(&self) -> u64 {
        u64::MAX
    }
}

struct MemoryWriter {
    inner: Arc<Inner>,
    id: BlobId,
    live: Arc<Live>,
    bytes: BytesMut,
}

impl fmt::Debug for MemoryWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemoryWriter({:?}, {} bytes)", self.id, self.bytes.len())
    }
}

#[async_trait]
impl BlobWriter for MemoryWriter {
    async fn write(&mut self, bytes: Bytes) -> Result<(), BlobError> {
        self.bytes.extend_from_slice(&bytes);
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<UploadHandle, BlobError> {
        let bytes = self.bytes.freeze();
        let checksums = bytes.chunks(BLOCK_BYTES).map(checksum).collect();
        let len = bytes.len() as u64;
        self.inner.blobs().insert(self.id, Arc::new(Body { bytes, checksums }));
        Ok(UploadHandle { id: self.id, len, _live: self.live })
    }
}

struct MemoryReader {
    id: BlobId,
    body: Arc<Body>,
}

impl fmt::Debug for MemoryReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemoryReader({:?})", self.id)
    }
}

impl MemoryReader {
    fn checked(&self, range: Range<u64>) -> Result<Bytes, BlobError> {
        let end = range.end.min(self.body.bytes.len() as u64);
        let range = range.start.min(end)..end;
        for block in range.start / BLOCK_BYTES as u64..block_count(range.end) {
            let start = block as usize * BLOCK_BYTES;
            let stop = self.body.bytes.len().min(start + BLOCK_BYTES);
            if checksum(&self.body.bytes[start..stop]) != self.body.checksums[block as usize] {
                return Err(BlobError::Corrupt { id: self.id, block });
            }
        }
        Ok(self.body.bytes.slice(range.start as usize..range.end as usize))
    }
}

#[async_trait]
impl BlobReader for MemoryReader {
    fn len(&self) -> u64 {
        self.body.bytes.len() as u64
    }

    async fn read(&self, range: Range<u64>) -> Result<Bytes, BlobError> {
        self.checked(range)
    }

    fn stream(self: Arc<Self>, range: Range<u64>) -> BoxStream<'static, Result<Bytes, BlobError>> {
        let end = range.end.min(self.len());
        let pieces = stream::unfold(range.start.min(end), move |at| {
            let this = self.clone();
            async move {
                let stop = end.min((at / BLOCK_BYTES as u64 + 1) * BLOCK_BYTES as u64);
                (at < end).then(|| match this.checked(at..stop) {
                    Ok(piece) => (Ok(piece), stop),
                    Err(e) => (Err(e), end),
                })
            }
        });
        pieces.boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn conforms() {
        crate::conformance::run(Arc::new(MemoryBlobs::new(Seams::system()))).await;
    }

    #[tokio::test]
    async fn a_flipped_bit_is_reported() {
        let blobs = MemoryBlobs::new(Seams::system());
        let mut writer = blobs.create().await.unwrap();
        writer.write(Bytes::from_static(b"sound")).await.unwrap();
        let id = writer.finish().await.unwrap().id;
        blobs.flip_bit(id, 2);
        let read = blobs.open(id).await.unwrap().read(0..5).await;
        assert!(matches!(read, Err(BlobError::Corrupt { block: 0, .. })));
    }
}
