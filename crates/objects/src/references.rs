//! Which bodies the facts of a store name, for who reads a data directory back without a node.

use bytes::Bytes;
use headwater_blob::BlobId;
use headwater_store::{Direction, Key, KeyRange, Store};
use uuid::Uuid;

use crate::ObjectError;
use crate::records::keys;

/// How many notes are read at a time.
const PAGE_KEYS: usize = 1000;

/// In which of the places for blobs a body lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BodyPlace {
    /// The node's own.
    Hot,
    /// The cold tier.
    Cold,
}

/// What the key of every fact that names a blob begins with, in whichever place: the first byte of the
/// block of references.
pub fn blob_references() -> Key {
    Key::from_bytes(Bytes::from_static(&[0x08]))
}

/// The blob that such a fact names; `None` when the key is of another kind or does not read back.
pub fn referenced_body(key: &Key) -> Option<(BodyPlace, BlobId)> {
    let place = match key.reader().kind()? {
        keys::BLOB_REF => BodyPlace::Hot,
        keys::COLD_REF => BodyPlace::Cold,
        _ => return None,
    };
    keys::ref_of(key).map(|(blob, _)| (place, BlobId(blob)))
}

/// What the key of every fact begins with that says which keys of the keyring bodies are sealed with.
pub fn sealing_keys() -> Key {
    keys::sealing_keys()
}

/// The id of the keyring's key that such a fact names.
pub fn sealing_key(key: &Key) -> Option<Uuid> {
    keys::sealing_key_of(key).map(Uuid::from_bytes)
}

/// The keys of the keyring that bodies may be sealed with.
///
/// # Errors
/// The store's.
pub async fn used_keys(store: &dyn Store) -> Result<Vec<Uuid>, ObjectError> {
    let mut range = KeyRange::prefix(&sealing_keys());
    let mut used = Vec::new();
    loop {
        let rows = store.scan(&range, PAGE_KEYS, Direction::Forward).await?;
        used.extend(rows.iter().filter_map(|row| sealing_key(&row.key)));
        match rows.last() {
            Some(last) if rows.len() == PAGE_KEYS => range = range.after(&last.key),
            _ => return Ok(used),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_references_to_blobs_name_blobs() {
        let (id, namer) = (BlobId([7; 16]), keys::parts([1; 16]));
        assert_eq!(referenced_body(&keys::blob_ref(id, &namer)), Some((BodyPlace::Hot, id)));
        assert_eq!(referenced_body(&keys::cold_ref(id, &namer)), Some((BodyPlace::Cold, id)));
        assert_eq!(referenced_body(&keys::upload_ref(id.0, &namer)), None);
        assert_eq!(referenced_body(&blob_references()), None);
        for reference in [keys::blob_ref(id, &namer), keys::cold_ref(id, &namer)] {
            assert!(reference.as_bytes().starts_with(blob_references().as_bytes()));
        }
    }
}
