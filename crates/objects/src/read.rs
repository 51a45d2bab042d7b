//! Reads: heads, and open objects whose bodies stay where they are while they are read.
//!
//! Opening reads the fact, takes hold of the body, and looks whether the two belong together: an
//! inline body carries the fact's LSN; a blob that is gone means that the fact is, too; the parts of
//! a multipart object are pinned first and the fact is read again. If not, it starts over.

use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use headwater_base::Timestamp;
use headwater_blob::{BlobError, BlobId, BlobReader};
use headwater_store::StoreError;

use crate::bucket::TRIES_MAX;
use crate::encryption::Lock;
use crate::object::Current;
use crate::records::encryption::SealRecord;
use crate::records::object::{ObjectRecord, PlaceRecord};
use crate::records::upload::{LayoutRecord, PartRecord};
use crate::records::{decode, keys};
use crate::seal::{Opener, sealed_len};
use crate::sweep::Pin;
use crate::tier::Tier;
use crate::{Bucket, CustomerKey, ObjectError, ObjectInfo, ObjectKey, Objects, VersionId};

/// An open object: what it is, and its body, pinned while this lives.
#[derive(Clone, Debug)]
pub struct ObjectReader {
    /// What it is.
    pub info: ObjectInfo,
    body: Body,
    lock: Lock,
    /// The data key of a body that is not in parts.
    seal: Option<SealRecord>,
}

#[derive(Clone, Debug)]
enum Body {
    Inline(Bytes),
    Blob(Arc<dyn BlobReader>),
    Parts(Arc<Parts>),
}

/// The body of a multipart object.
#[derive(Debug)]
struct Parts {
    objects: Objects,
    upload: [u8; 16],
    /// Part numbers and where each part ends, in the order of the body.
    ends: Vec<(u32, u64)>,
    /// Keeps the parts from being swept.
    _pin: Pin,
}

impl Objects {
    /// What the object is.
    ///
    /// # Errors
    /// [`ObjectError::NoSuchKey`].
    pub async fn head(&self, bucket: &Bucket, key: &ObjectKey) -> Result<ObjectInfo, ObjectError> {
        self.head_version(bucket, key, None).await
    }

    /// What a version is; the current one if none is named.
    ///
    /// # Errors
    /// [`ObjectError::NoSuchKey`] when there is no current one; [`ObjectError::NoSuchVersion`] and
    /// [`ObjectError::DeleteMarker`] of one that is named.
    pub async fn head_version(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        version: Option<VersionId>,
    ) -> Result<ObjectInfo, ObjectError> {
        Ok(self.demand(bucket, key, version).await?.info(key))
    }

    /// The delete marker that is the newest version of the key, if that is one.
    ///
    /// # Errors
    /// The store's.
    pub async fn newest_marker(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
    ) -> Result<Option<VersionId>, ObjectError> {
        let Some((history, _)) = self.history(bucket, key).await? else {
            return Ok(None);
        };
        let row = self.row(bucket, key, history.newest).await?;
        Ok(row.filter(Current::is_marker).map(|row| row.id()))
    }

    /// Opens the object.
    ///
    /// # Errors
    /// [`ObjectError::NoSuchKey`]; [`ObjectError::Blob`] when the body is damaged.
    pub async fn open(&self, bucket: &Bucket, key: &ObjectKey) -> Result<ObjectReader, ObjectError> {
        self.open_version(bucket, key, None).await
    }

    /// Opens a version; the current one if none is named.
    ///
    /// # Errors
    /// Those of [`Objects::head_version`]; [`ObjectError::Blob`] when the body is damaged.
    pub async fn open_version(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        version: Option<VersionId>,
    ) -> Result<ObjectReader, ObjectError> {
        for _ in 0..TRIES_MAX {
            let found = self.demand(bucket, key, version).await?;
            if let Some(body) = self.open_body(bucket, key, version, &found).await? {
                let encryption = found.record.encryption.as_ref();
                let (lock, seal) = (self.lock_of(encryption)?, encryption.and_then(|e| e.seal.clone()));
                return Ok(ObjectReader { info: found.info(key), body, lock, seal });
            }
        }
        let lost =
            StoreError::Corrupt(format!("object {key} of bucket {}: its body is not there", bucket.name));
        Err(lost.into())
    }

    /// A version that can be read, or the error that says why not.
    pub(crate) async fn demand(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        version: Option<VersionId>,
    ) -> Result<Current, ObjectError> {
        let name = || key.as_str().to_owned();
        match (self.find(bucket, key, version).await?, version) {
            (Some(found), Some(version)) if found.is_marker() => {
                let modified = Timestamp::from_ms(found.record.modified_ms);
                Err(ObjectError::DeleteMarker { key: name(), version, modified })
            }
            (Some(found), _) => Ok(found),
            (None, Some(version)) => Err(ObjectError::NoSuchVersion { key: name(), version }),
            (None, None) => Err(ObjectError::NoSuchKey(name())),
        }
    }

    /// What GET sees, or the fact of the version that is named: its row, or `CURRENT` of a plain key.
    pub(crate) async fn find(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        version: Option<VersionId>,
    ) -> Result<Option<Current>, ObjectError> {
        let Some(version) = version else {
            return self.current(bucket, key).await;
        };
        if let Some(named) = version.0 {
            return Ok(self.row(bucket, key, named.seq).await?.filter(|row| row.id() == version));
        }
        for _ in 0..TRIES_MAX {
            if let Some(plain) = self.current(bucket, key).await?.filter(|c| c.record.seq.is_none()) {
                return Ok(Some(plain));
            }
            let Some((history, _)) = self.history(bucket, key).await? else {
                return Ok(None);
            };
            let Some(seq) = history.null else {
                return Ok(None);
            };
            // Another null version may have come in its place meanwhile.
            if let Some(row) = self.row(bucket, key, seq).await?.filter(|row| row.id().is_null()) {
                return Ok(Some(row));
            }
        }
        Err(ObjectError::Contended)
    }

    /// The body that `found` names, or `None` when it is another's by now.
    async fn open_body(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        version: Option<VersionId>,
        found: &Current,
    ) -> Result<Option<Body>, ObjectError> {
        let place = found.record.readable(self.seams.clock.now())?;
        match place {
            PlaceRecord::Inline => Ok(self.inline_body(bucket, key, found).await?.map(Body::Inline)),
            PlaceRecord::Blob(id) | PlaceRecord::Cold(id) => {
                match self.open_blob(place, BlobId(**id)).await {
                    Ok(reader) if reader.len() == stored_len(&found.record) => Ok(Some(Body::Blob(reader))),
                    Ok(_) => Err(ObjectError::Blob(BlobError::Damaged(BlobId(**id)))),
                    Err(ObjectError::Blob(BlobError::NotFound(_))) => Ok(None),
                    Err(e) => Err(e),
                }
            }
            PlaceRecord::Parts(upload) => {
                let pin = self.pins.pin(**upload);
                let again = self.find(bucket, key, version).await?;
                if again.is_none_or(|again| !again.record.places().any(|named| named == place)) {
                    return Ok(None);
                }
                let ends = self.part_ends(**upload).await?;
                let parts = Parts { objects: self.clone(), upload: **upload, ends, _pin: pin };
                Ok(Some(Body::Parts(Arc::new(parts))))
            }
        }
    }

    /// A blob, in whichever tier `place` says.
    async fn open_blob(&self, place: &PlaceRecord, id: BlobId) -> Result<Arc<dyn BlobReader>, ObjectError> {
        let tier = if matches!(place, PlaceRecord::Cold(_)) { Tier::Cold } else { Tier::Hot };
        Ok(self.place_for(tier)?.open(id).await?)
    }

    /// The inline body that `found` names, or `None` when it is another's by now.
    pub(crate) async fn inline_body(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        found: &Current,
    ) -> Result<Option<Bytes>, ObjectError> {
        let seq = found.record.seq.unwrap_or(keys::PLAIN_SEQ);
        let body = self.store.get(&keys::body(bucket.incarnation, key.as_str(), seq)).await?;
        Ok(body.filter(|body| body.version == found.lsn()).map(|body| body.value))
    }

    async fn part_ends(&self, upload: [u8; 16]) -> Result<Vec<(u32, u64)>, ObjectError> {
        let key = keys::layout(upload);
        let fact = self.store.get(&key).await?;
        let fact = fact.ok_or_else(|| StoreError::Corrupt(format!("{key:?}: not there")))?;
        let mut end = 0;
        let sizes = decode::<LayoutRecord>(&key, &fact.value)?.parts;
        Ok(sizes
            .into_iter()
            .map(|(number, size)| {
                end += size;
                (number, end)
            })
            .collect())
    }

    /// A part's body, from `range` of the part.
    async fn open_part(
        &self,
        upload: [u8; 16],
        number: u32,
        range: Range<u64>,
        lock: &Lock,
    ) -> Result<BoxStream<'static, Result<Bytes, ObjectError>>, ObjectError> {
        let key = keys::part(upload, number);
        let missing = |key| StoreError::Corrupt(format!("{key:?}: not there"));
        let fact = self.store.get(&key).await?.ok_or_else(|| missing(key.clone()))?;
        let part: PartRecord = decode(&key, &fact.value)?;
        let opener = lock.cipher(part.seal.as_ref())?.map(|cipher| Opener::new(cipher, part.size));
        match &part.place {
            PlaceRecord::Blob(id) | PlaceRecord::Cold(id) => {
                let reader = self.open_blob(&part.place, BlobId(**id)).await?;
                Ok(stream_blob(&reader, opener, range))
            }
            PlaceRecord::Inline | PlaceRecord::Parts(_) => {
                let key = keys::part_body(upload, number);
                let body = self.store.get(&key).await?.ok_or_else(|| missing(key))?;
                Ok(stream::iter([slice(&body.value, opener, &range)]).boxed())
            }
        }
    }
}

/// How many bytes the body takes where it lies.
fn stored_len(record: &ObjectRecord) -> u64 {
    if record.encryption.is_some() { sealed_len(record.size) } else { record.size }
}

fn stream_blob(
    reader: &Arc<dyn BlobReader>,
    opener: Option<Opener>,
    range: Range<u64>,
) -> BoxStream<'static, Result<Bytes, ObjectError>> {
    let read = |range| Arc::clone(reader).stream(range).map_err(ObjectError::from).boxed();
    match opener {
        None => read(range),
        Some(opener) => {
            let sealed = read(opener.span(&range).sealed);
            opener.stream(range, sealed)
        }
    }
}

/// The bytes of `range` of a body in memory; what lies past its end is left out.
fn slice(bytes: &Bytes, opener: Option<Opener>, range: &Range<u64>) -> Result<Bytes, ObjectError> {
    match opener {
        None => {
            let end = bytes.len().min(range.end as usize);
            Ok(bytes.slice(end.min(range.start as usize)..end))
        }
        Some(opener) => Ok(opener.open_range(range, bytes)?),
    }
}

impl ObjectReader {
    /// The bytes of `range`, at once.
    ///
    /// # Errors
    /// [`ObjectError::BadRange`] when it does not lie within the body; [`ObjectError::Blob`] when
    /// the body is damaged.
    pub async fn read(&self, range: Range<u64>) -> Result<Bytes, ObjectError> {
        if range.start > range.end || range.end > self.info.size {
            return Err(ObjectError::BadRange(self.info.size));
        }
        match (&self.body, self.opener()?) {
            (Body::Inline(bytes), opener) => slice(bytes, opener, &range),
            (Body::Blob(reader), None) => Ok(reader.read(range).await?),
            (Body::Blob(_) | Body::Parts(_), _) => {
                let mut all = BytesMut::with_capacity((range.end - range.start) as usize);
                let mut pieces = self.stream(range);
                while let Some(piece) = pieces.try_next().await? {
                    all.extend_from_slice(&piece);
                }
                Ok(all.freeze())
            }
        }
    }

    /// Gives the key of an object that is sealed with a customer's; must be called for such an object
    /// before it is read, and may be for any other.
    ///
    /// # Errors
    /// [`ObjectError::CustomerKeyNeeded`], [`ObjectError::CustomerKeyWrong`], and
    /// [`ObjectError::CustomerKeyUnneeded`] for a key given in vain.
    pub fn unlock(&mut self, key: Option<&CustomerKey>) -> Result<(), ObjectError> {
        self.lock.unlock(self.info.encryption.as_ref(), key)
    }

    /// What opens a body that is not in parts.
    fn opener(&self) -> Result<Option<Opener>, ObjectError> {
        if matches!(self.body, Body::Parts(_)) {
            return Ok(None);
        }
        let cipher = self.lock.cipher(self.seal.as_ref())?;
        Ok(cipher.map(|cipher| Opener::new(cipher, self.info.size)))
    }

    /// The bytes of `range`, in pieces of at most 1 MiB; what lies past the body's end is left out.
    pub fn stream(&self, range: Range<u64>) -> BoxStream<'static, Result<Bytes, ObjectError>> {
        let end = range.end.min(self.info.size);
        let range = range.start.min(end)..end;
        let opener = match self.opener() {
            Ok(opener) => opener,
            Err(error) => return stream::iter([Err(error)]).boxed(),
        };
        match &self.body {
            Body::Inline(bytes) => stream::iter([slice(bytes, opener, &range)]).boxed(),
            Body::Blob(reader) => stream_blob(reader, opener, range),
            Body::Parts(parts) => parts.clone().stream(&range, &self.lock),
        }
    }

    /// How many parts the object was uploaded in; `None` for an object put in one piece.
    pub fn part_count(&self) -> Option<u32> {
        match &self.body {
            Body::Parts(parts) => Some(parts.ends.len() as u32),
            Body::Inline(_) | Body::Blob(_) => None,
        }
    }

    /// The bytes of the object's `n`th part (from 1). An object put in one piece is its own first
    /// part.
    pub fn part_range(&self, n: u32) -> Option<Range<u64>> {
        match &self.body {
            Body::Parts(parts) => {
                let at = n.checked_sub(1)? as usize;
                let (_, end) = parts.ends.get(at)?;
                let start = at.checked_sub(1).map_or(0, |before| parts.ends[before].1);
                Some(start..*end)
            }
            Body::Inline(_) | Body::Blob(_) => (n == 1).then_some(0..self.info.size),
        }
    }
}

impl Parts {
    fn stream(
        self: Arc<Self>,
        range: &Range<u64>,
        lock: &Lock,
    ) -> BoxStream<'static, Result<Bytes, ObjectError>> {
        let (pieces, lock) = (self.pieces(range), lock.clone());
        stream::iter(pieces)
            .then(move |(number, piece)| {
                let (this, lock) = (self.clone(), lock.clone());
                async move {
                    let body = this.objects.open_part(this.upload, number, piece, &lock).await?;
                    // The pin lives as long as the last part is read.
                    Ok::<_, ObjectError>(body.inspect(move |_| drop(Arc::clone(&this))))
                }
            })
            .try_flatten()
            .boxed()
    }

    /// Which bytes of which parts `range` covers.
    fn pieces(&self, range: &Range<u64>) -> Vec<(u32, Range<u64>)> {
        let mut pieces = Vec::new();
        let first = self.ends.partition_point(|(_, end)| *end <= range.start);
        let mut start = first.checked_sub(1).map_or(0, |before| self.ends[before].1);
        for (number, end) in &self.ends[first..] {
            if start >= range.end {
                break;
            }
            let piece = range.start.max(start) - start..range.end.min(*end) - start;
            if !piece.is_empty() {
                pieces.push((*number, piece));
            }
            start = *end;
        }
        pieces
    }
}
