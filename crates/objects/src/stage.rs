//! Bodies on their way in: written down durably and digested, not yet named by any fact.
//!
//! ```text
//! pieces ─► gather ─ ended within 128 KiB ─► inline, in memory
//!              └─ longer ─► blob writer (blocks to the disk)   } beside each other,
//!                      └──► hasher (with those of other bodies) } one batch ahead
//! ```
//! A body that is sealed goes through the blocking pool on its way to the blob writer: each batch is
//! sealed there, beside its hashing, while the batch before it is written.
//!
//! **Failure.** Any error of the body's stream, and dropping the future, leaves nothing behind but
//! a blob nobody names.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use futures::stream::BoxStream;
use headwater_base::Chance;
use headwater_blob::{BlobWriter, UploadHandle};
use headwater_work::Work;
use tokio::sync::oneshot;

use crate::checksum::{self, Digests, HashPool, Hasher};
use crate::encryption::Asked;
use crate::records::encryption::EncryptionRecord;
use crate::records::object::PlaceRecord;
use crate::seal::{PIECE_BYTES, Sealer, sealed_len};
use crate::tier::Tier;
use crate::{Bucket, ChecksumAlgorithm, Claim, Encryption, ObjectError, Objects, Sealing, StorageClass};

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
    /// MD5 in hex.
    pub md5: String,
    /// The ETag of a simple put: the MD5, or sixteen bytes of chance where S3 does not tell the MD5
    /// (sealed with a KMS key or a customer's).
    pub etag: String,
    /// The SHA-256 of the body in hex, if asked for when it was staged.
    pub sha256: Option<String>,
    /// Every checksum that was computed, base64: CRC64NVME and those asked for.
    pub checksums: BTreeMap<ChecksumAlgorithm, String>,
    pub(crate) place: Place,
    /// Room in a quota, kept until the body is put or given up.
    claim: Option<Arc<Claim>>,
    /// How it is sealed, with its data key.
    pub(crate) encryption: Option<EncryptionRecord>,
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
        let md5 = hex::encode(digests.md5);
        Self {
            size,
            etag: md5.clone(),
            md5,
            sha256: digests.values.get(&ChecksumAlgorithm::Sha256).map(hex::encode),
            checksums: digests.values.iter().map(|(a, raw)| (*a, checksum::text(raw))).collect(),
            place,
            claim: None,
            encryption: None,
        }
    }

    /// Keeps `claim` as long as the body.
    pub fn hold(&mut self, claim: Claim) {
        self.claim = Some(Arc::new(claim));
    }

    fn sealed(mut self, encryption: EncryptionRecord, chance: &Chance) -> Self {
        if !Encryption::of(&encryption).has_md5_etag() {
            let mut etag = [0; 16];
            chance.fill(&mut etag);
            self.etag = hex::encode(etag);
        }
        self.encryption = Some(encryption);
        self
    }

    /// How the body is sealed, if it is.
    pub fn encryption(&self) -> Option<Encryption> {
        self.encryption.as_ref().map(Encryption::of)
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
    /// Writes a body for `bucket` down, durably, without naming it yet; sealed if the bucket seals by
    /// itself. `sha256` asks for the digest, too.
    ///
    /// # Errors
    /// The stream's own error, the disk's, or those of [`Objects::sealing`]; nothing is kept then.
    pub async fn stage_body(
        &self,
        bucket: &Bucket,
        body: BodyStream,
        sha256: bool,
    ) -> Result<StagedBody, ObjectError> {
        let sealing = self.sealing(bucket, &Asked::Default).await?;
        self.stage(body, &wanted(sha256), &sealing).await
    }

    /// Writes a body for `bucket` that is already in memory down.
    ///
    /// # Errors
    /// The disk's, or those of [`Objects::sealing`].
    pub async fn stage_bytes(
        &self,
        bucket: &Bucket,
        body: Bytes,
        sha256: bool,
    ) -> Result<StagedBody, ObjectError> {
        let sealing = self.sealing(bucket, &Asked::Default).await?;
        if body.len() <= INLINE_BYTES_MAX {
            return Ok(self.inline(body, &wanted(sha256), &sealing));
        }
        self.stage(futures::stream::iter([Ok(body)]).boxed(), &wanted(sha256), &sealing).await
    }

    /// Writes a body down, sealed as `sealing` says, and takes the checksums `wanted` (beside MD5 and
    /// CRC64NVME). All of them are of the plaintext.
    ///
    /// # Errors
    /// The stream's own error, or the disk's; nothing is kept then.
    pub async fn stage(
        &self,
        body: BodyStream,
        wanted: &BTreeSet<ChecksumAlgorithm>,
        sealing: &Sealing,
    ) -> Result<StagedBody, ObjectError> {
        self.stage_in(Tier::Hot, body, wanted, sealing).await
    }

    /// Writes a body down where objects of `class` lie, sealed as `sealing` says, and takes the checksums
    /// `wanted`.
    ///
    /// # Errors
    /// Those of [`Objects::stage`].
    pub async fn stage_for(
        &self,
        class: StorageClass,
        body: BodyStream,
        wanted: &BTreeSet<ChecksumAlgorithm>,
        sealing: &Sealing,
    ) -> Result<StagedBody, ObjectError> {
        self.stage_in(self.tier_of(class), body, wanted, sealing).await
    }

    async fn stage_in(
        &self,
        tier: Tier,
        mut body: BodyStream,
        wanted: &BTreeSet<ChecksumAlgorithm>,
        sealing: &Sealing,
    ) -> Result<StagedBody, ObjectError> {
        let mut first: Option<Bytes> = None;
        let mut head = BytesMut::new();
        while let Some(piece) = body.next().await {
            let piece = piece?;
            let gathered = first.as_ref().map_or(head.len(), Bytes::len);
            if gathered + piece.len() > INLINE_BYTES_MAX {
                let head = first.unwrap_or_else(|| head.freeze());
                let begun = futures::stream::iter([Ok(head), Ok(piece)]).chain(body).boxed();
                return self.stage_blob(tier, begun, wanted, sealing).await;
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
        Ok(self.inline(first.unwrap_or_else(|| head.freeze()), wanted, sealing))
    }

    async fn stage_blob(
        &self,
        tier: Tier,
        mut body: BodyStream,
        wanted: &BTreeSet<ChecksumAlgorithm>,
        sealing: &Sealing,
    ) -> Result<StagedBody, ObjectError> {
        let (sealer, encryption) = match sealing.data_key(&self.seams.chance) {
            Some((cipher, record)) => (Some(Sealer::new(cipher)), Some(record)),
            None => (None, None),
        };
        let writer = self.place_for(tier)?.create().await?;
        let mut intake = Intake::new((tier, writer), Hasher::new(wanted), self.hashing.clone(), sealer);
        while let Some(piece) = body.next().await {
            intake.take(piece?).await?;
        }
        let staged = intake.finish().await?;
        Ok(match encryption {
            Some(record) => staged.sealed(record, &self.seams.chance),
            None => staged,
        })
    }

    /// A body that lies in a fact: at most 128 KiB, which take less than half a millisecond.
    fn inline(&self, body: Bytes, wanted: &BTreeSet<ChecksumAlgorithm>, sealing: &Sealing) -> StagedBody {
        let mut hasher = Hasher::new(wanted);
        hasher.update(&body);
        let (size, digests) = (body.len() as u64, hasher.finish());
        let chance = &self.seams.chance;
        let Some((cipher, record)) = sealing.data_key(chance) else {
            return StagedBody::new(size, &digests, Place::Inline(body));
        };
        let (mut sealer, mut sealed) = (Sealer::new(cipher), Vec::with_capacity(sealed_len(size) as usize));
        sealer.update(&body, &mut sealed);
        sealer.finish(&mut sealed);
        StagedBody::new(size, &digests, Place::Inline(sealed.into())).sealed(record, chance)
    }
}

fn wanted(sha256: bool) -> BTreeSet<ChecksumAlgorithm> {
    sha256.then_some(ChecksumAlgorithm::Sha256).into_iter().collect()
}

/// Writes, hashes and seals side by side: while a batch is hashed and sealed, the next one is gathered
/// and blocks go to the disk. Sealed, the batch before goes.
struct Intake {
    writer: Box<dyn BlobWriter>,
    hasher: Option<Hasher>,
    pool: Arc<HashPool>,
    hashing: Option<oneshot::Receiver<Hasher>>,
    seals: bool,
    sealer: Option<Sealer>,
    sealing: Option<oneshot::Receiver<(Sealer, Bytes)>>,
    batch: Vec<Bytes>,
    batch_bytes: usize,
    size: u64,
    tier: Tier,
}

impl Intake {
    fn new(
        (tier, writer): (Tier, Box<dyn BlobWriter>),
        hasher: Hasher,
        pool: Arc<HashPool>,
        sealer: Option<Sealer>,
    ) -> Self {
        Self {
            writer,
            hasher: Some(hasher),
            pool,
            hashing: None,
            seals: sealer.is_some(),
            sealer,
            sealing: None,
            batch: Vec::new(),
            batch_bytes: 0,
            size: 0,
            tier,
        }
    }

    async fn take(&mut self, mut piece: Bytes) -> Result<(), ObjectError> {
        // What is sealed is copied: a large body in one piece goes batch by batch.
        while self.seals && piece.len() > HASH_BYTES {
            self.take_piece(piece.split_to(HASH_BYTES)).await?;
        }
        self.take_piece(piece).await
    }

    async fn take_piece(&mut self, piece: Bytes) -> Result<(), ObjectError> {
        self.size += piece.len() as u64;
        self.batch_bytes += piece.len();
        self.batch.push(piece.clone());
        if self.batch_bytes >= HASH_BYTES {
            self.begin_batch().await?;
        }
        if !self.seals {
            self.writer.write(piece).await?;
        }
        Ok(())
    }

    async fn begin_batch(&mut self) -> Result<(), ObjectError> {
        let hasher = self.idle_hasher().await?;
        let (batch, bytes) = (std::mem::take(&mut self.batch), std::mem::take(&mut self.batch_bytes));
        let mut before = Bytes::new();
        if self.seals {
            let (sealer, sealed) = self.idle_sealer().await?;
            before = sealed;
            let batch = batch.clone();
            self.sealing = Some(Work::begin_blocking(move || seal_batch(sealer, &batch, bytes)));
        }
        self.hashing = Some(self.pool.update(hasher, batch));
        if !before.is_empty() {
            self.writer.write(before).await?;
        }
        Ok(())
    }

    async fn idle_hasher(&mut self) -> Result<Hasher, ObjectError> {
        if let Some(hasher) = self.hasher.take() {
            return Ok(hasher);
        }
        let hashing = self.hashing.take().expect("a hasher is idle or at work");
        hashing.await.map_err(|_| ObjectError::Body("hashing was cut short".to_owned()))
    }

    /// The sealer, and what it sealed last.
    async fn idle_sealer(&mut self) -> Result<(Sealer, Bytes), ObjectError> {
        if let Some(sealer) = self.sealer.take() {
            return Ok((sealer, Bytes::new()));
        }
        let sealing = self.sealing.take().expect("a sealer is idle or at work");
        sealing.await.map_err(|_| ObjectError::Body("sealing was cut short".to_owned()))
    }

    async fn finish(mut self) -> Result<StagedBody, ObjectError> {
        self.begin_batch().await?;
        if self.seals {
            let (sealer, sealed) = self.idle_sealer().await?;
            self.writer.write(sealed).await?;
            let mut last = Vec::with_capacity(sealed_len(PIECE_BYTES as u64) as usize);
            sealer.finish(&mut last);
            self.writer.write(last.into()).await?;
        }
        let handle = self.writer.finish().await?;
        let hashing = self.hashing.take().expect("begin_batch just started it");
        let hasher = hashing.await.map_err(|_| ObjectError::Body("hashing was cut short".to_owned()))?;
        let place = match self.tier {
            Tier::Hot => Place::Blob(handle),
            Tier::Cold => Place::Cold(handle),
        };
        Ok(StagedBody::new(self.size, &hasher.finish(), place))
    }
}

/// Seals a batch of so many bytes; what can be written of it comes back with the sealer.
fn seal_batch(mut sealer: Sealer, batch: &[Bytes], bytes: usize) -> (Sealer, Bytes) {
    let mut sealed = Vec::with_capacity(sealed_len((bytes + PIECE_BYTES) as u64) as usize);
    for piece in batch {
        sealer.update(piece, &mut sealed);
    }
    (sealer, sealed.into())
}
