//! Bodies that lie inline, held against what their record says about them. Of a sealed body that is its
//! length: its digests are of the plaintext, and its key may be a customer's. (Its tags are held against
//! it when it is read, and the index checks its own blocks.)

use headwater_store::{Direction, Key, KeyRange, Scanned, Snapshot, StoreError};

use super::PAGE_BODIES;
use crate::checksum::Hasher;
use crate::records::object::{ObjectRecord, PlaceRecord};
use crate::records::upload::PartRecord;
use crate::records::{decode, keys};
use crate::seal::sealed_len;
use crate::{ChecksumAlgorithm, ObjectError, Objects};

/// What is wrong with an inline body (or part), if anything.
pub(super) async fn damage(snapshot: &dyn Snapshot, row: &Scanned) -> Result<Option<String>, StoreError> {
    let Some(said) = said(snapshot, &row.key).await? else {
        return Ok(Some("nothing says what it must be".to_owned()));
    };
    Ok(said.damage(&row.fact.value))
}

/// Whether what was listed as damaged is gone or reads back well.
pub(super) async fn is_sound(objects: &Objects, key: &Key) -> Result<bool, ObjectError> {
    let snapshot = objects.store.snapshot().await?;
    let kind = key.reader().kind().map(|kind| KeyRange::prefix(&Key::of(kind).build()));
    let Some(range) = kind.map(|range| KeyRange { start: key.clone(), ..range }) else { return Ok(true) };
    match snapshot.scan(&range, PAGE_BODIES, Direction::Forward).await {
        Ok(rows) => match rows.first().filter(|row| row.key == *key) {
            Some(row) => Ok(damage(&*snapshot, row).await?.is_none()),
            None => Ok(true),
        },
        Err(StoreError::Closed) => Err(StoreError::Closed.into()),
        Err(_) => Ok(false),
    }
}

/// What a record says about its body.
struct Said {
    size: u64,
    /// MD5 in hex, or (of an upload in parts) something else.
    etag: String,
    checksum: Option<(ChecksumAlgorithm, String)>,
}

/// What is said about the body at `key`; `None` when nothing is.
async fn said(snapshot: &dyn Snapshot, key: &Key) -> Result<Option<Said>, StoreError> {
    if key.reader().kind() == Some(keys::PART_BODY) {
        let Some((upload, number)) = keys::part_of(key) else { return Ok(None) };
        let namer = keys::part(upload, number);
        let Some(fact) = snapshot.get(&namer).await? else { return Ok(None) };
        let PartRecord { size, etag, checksums, seal, .. } = decode(&namer, &fact.value)?;
        if seal.is_some() {
            return Ok(Some(Said::sealed(size)));
        }
        return Ok(Some(Said { size, etag, checksum: first_known(checksums) }));
    }
    let Some(record) = record_of(snapshot, key).await?.filter(|record| record.place == PlaceRecord::Inline)
    else {
        return Ok(None);
    };
    if record.encryption.is_some() {
        return Ok(Some(Said::sealed(record.size)));
    }
    let checksums = if record.composite { Default::default() } else { record.checksums };
    Ok(Some(Said { size: record.size, etag: record.etag, checksum: first_known(checksums) }))
}

/// The record that names an inline body: the plain object, or a row.
async fn record_of(snapshot: &dyn Snapshot, key: &Key) -> Result<Option<ObjectRecord>, StoreError> {
    let Some((incarnation, name, seq)) = keys::body_of(key) else { return Ok(None) };
    for namer in [keys::current(incarnation, &name), keys::version(incarnation, &name, seq)] {
        let Some(fact) = snapshot.get(&namer).await? else { continue };
        let record: ObjectRecord = decode(&namer, &fact.value)?;
        if record.seq.unwrap_or(keys::PLAIN_SEQ) == seq {
            return Ok(Some(record));
        }
    }
    Ok(None)
}

fn first_known(checksums: std::collections::BTreeMap<String, String>) -> Option<(ChecksumAlgorithm, String)> {
    checksums.into_iter().find_map(|(name, value)| Some((ChecksumAlgorithm::named(&name)?, value)))
}

impl Said {
    /// About a sealed body with so many bytes of plaintext.
    fn sealed(size: u64) -> Self {
        Self { size: sealed_len(size), etag: String::new(), checksum: None }
    }

    fn damage(&self, body: &[u8]) -> Option<String> {
        if body.len() as u64 != self.size {
            return Some(format!("it has {} bytes and must have {}", body.len(), self.size));
        }
        let mut hasher = Hasher::new(&self.checksum.iter().map(|(algorithm, _)| *algorithm).collect());
        hasher.update(body);
        let found = hasher.finish();
        let differs = match &self.checksum {
            Some((algorithm, value)) => {
                found.values.get(algorithm).is_none_or(|raw| crate::checksum::text(raw) != *value)
            }
            // The ETag of a copy of parts is no digest of the body.
            None => self.etag.len() == 32 && hex::encode(found.md5) != self.etag,
        };
        differs.then(|| "it does not match its checksum".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_held_against_its_size_and_its_best_digest() {
        let md5 = |etag: &str| Said { size: 9, etag: etag.into(), checksum: None };
        assert_eq!(md5("25f9e794323b453885f5181f1b624d0b").damage(b"123456789"), None);
        assert!(md5("25f9e794323b453885f5181f1b624d0b").damage(b"123456780").is_some());
        assert!(md5("25f9e794323b453885f5181f1b624d0b").damage(b"12345678").is_some());
        assert_eq!(md5("25f9e794323b453885f5181f1b624d0b-2").damage(b"123456780"), None);
        let crc = |value: &str| Said {
            checksum: Some((ChecksumAlgorithm::Crc32, value.into())),
            ..md5("of something else")
        };
        assert_eq!(crc("y/Q5Jg==").damage(b"123456789"), None);
        assert!(crc("y/Q5Jw==").damage(b"123456789").is_some());
        assert_eq!(Said::sealed(9).damage(&[0; 25]), None);
        assert!(Said::sealed(9).damage(&[0; 9]).is_some());
    }
}
