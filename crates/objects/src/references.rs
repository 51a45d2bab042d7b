//! Which blobs the facts of a store name, for who reads a data directory back without a node.

use headwater_blob::BlobId;
use headwater_store::Key;

use crate::records::keys;

/// What the key of every fact that names a blob begins with.
pub fn blob_references() -> Key {
    keys::all_blob_refs()
}

/// The blob that such a fact names; `None` when the key is of another kind or does not read back.
pub fn referenced_blob(key: &Key) -> Option<BlobId> {
    let ours = key.as_bytes().starts_with(blob_references().as_bytes());
    ours.then(|| keys::ref_of(key).map(|(blob, _)| BlobId(blob)))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_references_to_blobs_name_blobs() {
        let (id, namer) = (BlobId([7; 16]), keys::parts([1; 16]));
        assert_eq!(referenced_blob(&keys::blob_ref(id, &namer)), Some(id));
        assert_eq!(referenced_blob(&keys::upload_ref(id.0, &namer)), None);
        assert_eq!(referenced_blob(&blob_references()), None);
    }
}
