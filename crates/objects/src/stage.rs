//! Bodies on their way in: written down durably and digested, not yet named by any fact.
//!
//! ```text
//! pieces ─► gather ─ ended within 128 KiB ─► inline, in memory
//!              └─ longer ─► blob writer (blocks to the disk)   } beside each other,
//!                      └──► hasher (with those of other bodies) } one batch ahead
//! ```
//! **Failure.** Any error of the body's stream, and dropping the future, leaves nothing behind but
//! a blob nobody names.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use futures::stream::BoxStream;
use headwater_blob::{BlobWriter, UploadHandle};
use tokio::sync::oneshot;

use crate::checksum::{self, Digests, HashPool, Hasher};
use crate::records::object::PlaceRecord;
use crate::tier::Tier;
use crate::{ChecksumAlgorithm, Claim, ObjectError, Objects, StorageClass};

/// The largest body that lies inline in a fact.
pub const INLINE_BYTES_MAX: usize = 128 << 10;

/// How many bytes are hashed at a time.
const HASH_BYTES: usize = 512 << 10;

/// A body as it arrives.
pub type BodyStream = BoxStream<'static, Result<Bytes, ObjectError>>;

/// A durable body that no commit names yet. Keep it until the commit that names it is published.
#[derive(Clone, Debug)]
pub struct StagedBody {
    /// Length in bytes.
    pub size: u64,
    /// MD5 in hex: the ETag of a simple put.
    pub md5: String,
    /// The SHA-256 of the body in hex, if asked for when it was staged.
    pub sha256: Option<String>,
    /// Every checksum that was computed, base64: CRC64NVME and those asked for.
    pub checksums: BTreeMap<ChecksumAlgorithm, String>,
    pub(crate) place: Place,
    /// Room in a quota, kept until the body is put or given up.
    claim: Option<Arc<Claim>>,
}

/// Where a staged body lies.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    Inline(Bytes),
    Blob(UploadHandle),
    /// In the cold tier.
    Cold(UploadHandle),
}

impl Place {
    /// As a record names it.
    pub(crate) fn record(&self) -> PlaceRecord {
        match self {
            Self::Inline(_) => PlaceRecord::Inline,
            Self::Blob(handle) => PlaceRecord::Blob(handle.id.0.into()),
            Self::Cold(handle) => PlaceRecord::Cold(handle.id.0.into()),
        }
    }
}

impl StagedBody {
    fn new(size: u64, digests: &Digests, place: Place) -> Self {
        Self {
            size,
            md5: hex::encode(digests.md5),
            sha256: digests.values.get(&ChecksumAlgorithm::Sha256).map(hex::encode),
            checksums: digests.values.iter().map(|(a, raw)| (*a, checksum::text(raw))).collect(),
            place,
            claim: None,
        }
    }

    /// Keeps `claim` as long as the body.
    pub fn hold(&mut self, claim: Claim) {
        self.claim = Some(Arc::new(claim));
    }

    /// Checks that the body has a checksum that a client declared (and that was asked for when it
    /// was staged).
    ///
    /// # Errors
    /// [`ObjectError::BadDigest`] when it does not.
    pub fn require(&self, algorithm: ChecksumAlgorithm, declared: &str) -> Result<(), ObjectError> {
        if self.checksums.get(&algorithm).is_none_or(|found| found != declared) {
            return Err(ObjectError::BadDigest(algorithm.name().to_owned()));
        }
        Ok(())
    }
}

impl Objects {
    /// Writes a body down, durably, without naming it yet. `sha256` asks for the digest, too.
    ///
    /// # Errors
    /// The stream's own error, or the disk's; nothing is kept then.
    pub async fn stage_body(&self, body: BodyStream, sha256: bool) -> Result<StagedBody, ObjectError> {
        self.stage(body, &wanted(sha256)).await
    }

    /// Writes a body that is already in memory down.
    ///
    /// # Errors
    /// The disk's.
    pub async fn stage_bytes(&self, body: Bytes, sha256: bool) -> Result<StagedBody, ObjectError> {
        if body.len() <= INLINE_BYTES_MAX {
            return Ok(inline(body, &wanted(sha256)));
        }
        self.stage(futures::stream::iter([Ok(body)]).boxed(), &wanted(sha256)).await
    }

    /// Writes a body down and takes the checksums `wanted` (beside MD5 and CRC64NVME).
    ///
    /// # Errors
    /// The stream's own error, or the disk's; nothing is kept then.
    pub async fn stage(
        &self,
        body: BodyStream,
        wanted: &BTreeSet<ChecksumAlgorithm>,
    ) -> Result<StagedBody, ObjectError> {
        self.stage_in(Tier::Hot, body, wanted).await
    }

    /// Writes a body down where objects of `class` lie, and takes the checksums `wanted`.
    ///
    /// # Errors
    /// Those of [`Objects::stage`].
    pub async fn stage_for(
        &self,
        class: StorageClass,
        body: BodyStream,
        wanted: &BTreeSet<ChecksumAlgorithm>,
    ) -> Result<StagedBody, ObjectError> {
        self.stage_in(self.tier_of(class), body, wanted).await
    }

    async fn stage_in(
        &self,
        tier: Tier,
        mut body: BodyStream,
        wanted: &BTreeSet<ChecksumAlgorithm>,
    ) -> Result<StagedBody, ObjectError> {
        let mut first: Option<Bytes> = None;
        let mut head = BytesMut::new();
        while let Some(piece) = body.next().await {
            let piece = piece?;
            let gathered = first.as_ref().map_or(head.len(), Bytes::len);
            if gathered + piece.len() > INLINE_BYTES_MAX {
                let head = first.unwrap_or_else(|| head.freeze());
                return self.stage_blob(tier, head, piece, body, wanted).await;
            }
            // A body of one piece is kept as it is; more pieces are gathered.
            match first.take() {
                None if head.is_empty() => first = Some(piece),
                None => head.extend_from_slice(&piece),
                Some(before) => {
                    head.extend_from_slice(&before);
                    head.extend_from_slice(&piece);
                }
            }
        }
        Ok(inline(first.unwrap_or_else(|| head.freeze()), wanted))
    }

    async fn stage_blob(
        &self,
        tier: Tier,
        head: Bytes,
        piece: Bytes,
        mut rest: BodyStream,
        wanted: &BTreeSet<ChecksumAlgorithm>,
    ) -> Result<StagedBody, ObjectError> {
        let writer = self.place_for(tier)?.create().await?;
        let mut intake = Intake::new(writer, Hasher::new(wanted), self.hashing.clone(), tier);
        intake.take(head).await?;
        intake.take(piece).await?;
        while let Some(piece) = rest.next().await {
            intake.take(piece?).await?;
        }
        intake.finish().await
    }
}

fn wanted(sha256: bool) -> BTreeSet<ChecksumAlgorithm> {
    sha256.then_some(ChecksumAlgorithm::Sha256).into_iter().collect()
}

fn inline(body: Bytes, wanted: &BTreeSet<ChecksumAlgorithm>) -> StagedBody {
    let mut hasher = Hasher::new(wanted);
    hasher.update(&body);
    StagedBody::new(body.len() as u64, &hasher.finish(), Place::Inline(body))
}

/// Writes and hashes side by side: while a batch is hashed on the blocking pool, the next one is
/// gathered and blocks go to the disk.
struct Intake {
    writer: Box<dyn BlobWriter>,
    hasher: Option<Hasher>,
    pool: Arc<HashPool>,
    hashing: Option<oneshot::Receiver<Hasher>>,
    batch: Vec<Bytes>,
    batch_bytes: usize,
    size: u64,
    tier: Tier,
}

impl Intake {
    fn new(writer: Box<dyn BlobWriter>, hasher: Hasher, pool: Arc<HashPool>, tier: Tier) -> Self {
        let (batch, batch_bytes) = (Vec::new(), 0);
        Self { writer, hasher: Some(hasher), pool, hashing: None, batch, batch_bytes, size: 0, tier }
    }

    async fn take(&mut self, piece: Bytes) -> Result<(), ObjectError> {
        self.size += piece.len() as u64;
        self.batch_bytes += piece.len();
        self.batch.push(piece.clone());
        if self.batch_bytes >= HASH_BYTES {
            self.hash_batch().await?;
        }
        Ok(self.writer.write(piece).await?)
    }

    async fn hash_batch(&mut self) -> Result<(), ObjectError> {
        let hasher = self.idle_hasher().await?;
        self.batch_bytes = 0;
        self.hashing = Some(self.pool.update(hasher, std::mem::take(&mut self.batch)));
        Ok(())
    }

    async fn idle_hasher(&mut self) -> Result<Hasher, ObjectError> {
        if let Some(hasher) = self.hasher.take() {
            return Ok(hasher);
        }
        let hashing = self.hashing.take().expect("a hasher is idle or at work");
        hashing.await.map_err(|_| ObjectError::Body("hashing was cut short".to_owned()))
    }

    async fn finish(mut self) -> Result<StagedBody, ObjectError> {
        self.hash_batch().await?;
        let handle = self.writer.finish().await?;
        let hashing = self.hashing.take().expect("hash_batch just started it");
        let hasher = hashing.await.map_err(|_| ObjectError::Body("hashing was cut short".to_owned()))?;
        let place = match self.tier {
            Tier::Hot => Place::Blob(handle),
            Tier::Cold => Place::Cold(handle),
        };
        Ok(StagedBody::new(self.size, &hasher.finish(), place))
    }
}
