//! The keys of every fact of the engine. Kinds are never reused.
//!
//! A bucket's facts hang on its *incarnation*, a number nobody has had before, so a bucket deleted
//! and created again under the same name is another bucket. Rows of a versioned key are numbered from
//! 1, and sort newest first; 0 is the object that was there before its bucket had versions.

use headwater_blob::BlobId;
use headwater_store::{Key, Kind};

/// By name: the bucket as it is.
pub(crate) const BUCKET: Kind = Kind(0x0200);
/// By incarnation: present while objects may be put. The guard that every put expects.
pub(crate) const GUARD: Kind = Kind(0x0201);
/// By incarnation: the bucket's tags.
pub(crate) const BUCKET_TAGS: Kind = Kind(0x0202);
/// By incarnation: present from creation to deletion, also while a deletion is being decided.
pub(crate) const ALIVE: Kind = Kind(0x0203);
/// By incarnation: how a bucket stands that has, or had, versions. Puts and deletes expect it.
pub(crate) const VERSIONED: Kind = Kind(0x0204);
/// By incarnation, which and id: a configuration of the bucket.
pub(crate) const BUCKET_CONFIG: Kind = Kind(0x0205);
/// By incarnation: what the bucket was last known to hold.
pub(crate) const USAGE: Kind = Kind(0x0206);
/// How far the scrub is, and the damage it found.
pub(crate) const SCRUB: Kind = Kind(0x0207);
/// By id of a key of the keyring: present since a body may have been sealed with it.
pub(crate) const SEALING_KEY: Kind = Kind(0x0208);
/// By incarnation and key: the current object.
pub(crate) const CURRENT: Kind = Kind(0x0210);
/// By incarnation, key and seq: a version or a delete marker.
pub(crate) const VERSION: Kind = Kind(0x0211);
/// By incarnation, key and seq: a body that lies inline.
pub(crate) const BODY: Kind = Kind(0x0212);
/// By incarnation and key: which row of a versioned key is the newest, and which the null version.
pub(crate) const HISTORY: Kind = Kind(0x0213);
/// By incarnation, key and upload: a multipart upload under way.
pub(crate) const UPLOAD: Kind = Kind(0x0220);
/// By upload and number: a part.
pub(crate) const PART: Kind = Kind(0x0221);
/// By upload and number: a part's body that lies inline.
pub(crate) const PART_BODY: Kind = Kind(0x0222);
/// By upload: which parts, in which order, make up the completed object.
pub(crate) const LAYOUT: Kind = Kind(0x0223);
/// By upload and naming fact: who names the upload's parts.
pub(crate) const UPLOAD_REF: Kind = Kind(0x0224);
/// By time, incarnation and key: when to look at a key, for its bucket's rules or a restored copy.
pub(crate) const DUE: Kind = Kind(0x0230);
/// By incarnation: what the bucket is called, if something of it may be due.
pub(crate) const NAME: Kind = Kind(0x0231);
/// By incarnation and number: a rule of the bucket's lifecycle.
pub(crate) const RULE: Kind = Kind(0x0232);
/// By incarnation: how far the walk over a bucket whose rules changed has come.
pub(crate) const WALK: Kind = Kind(0x0233);
/// By incarnation, key and seq: an archived version of which a copy is to be brought back.
pub(crate) const RESTORE: Kind = Kind(0x0234);
/// By time of staging and nonce: an event that waits to be routed.
pub(crate) const OUTBOX: Kind = Kind(0x0240);
/// By blob and naming fact: who names the blob.
pub(crate) const BLOB_REF: Kind = Kind(0x0800);
/// By blob of the cold tier and naming fact: who names the blob.
pub(crate) const COLD_REF: Kind = Kind(0x0801);

/// The seq of an object that was put while its bucket had no versions.
pub(crate) const PLAIN_SEQ: u64 = 0;

pub(crate) fn bucket(name: &str) -> Key {
    Key::of(BUCKET).str(name).build()
}

pub(crate) fn buckets() -> Key {
    Key::of(BUCKET).build()
}

pub(crate) fn guard(incarnation: u64) -> Key {
    Key::of(GUARD).u64(incarnation).build()
}

pub(crate) fn alive(incarnation: u64) -> Key {
    Key::of(ALIVE).u64(incarnation).build()
}

pub(crate) fn bucket_tags(incarnation: u64) -> Key {
    Key::of(BUCKET_TAGS).u64(incarnation).build()
}

pub(crate) fn bucket_config(incarnation: u64, what: u32, id: &str) -> Key {
    Key::of(BUCKET_CONFIG).u64(incarnation).u32(what).str(id).build()
}

/// All configurations of one kind.
pub(crate) fn bucket_config_kind(incarnation: u64, what: u32) -> Key {
    Key::of(BUCKET_CONFIG).u64(incarnation).u32(what).build()
}

/// All configurations of a bucket.
pub(crate) fn bucket_configs(incarnation: u64) -> Key {
    Key::of(BUCKET_CONFIG).u64(incarnation).build()
}

/// The id of a `BUCKET_CONFIG` fact.
pub(crate) fn config_id_of(key: &Key) -> Option<String> {
    let mut reader = key.reader();
    reader.kind()?;
    reader.u64()?;
    reader.u32()?;
    reader.str()
}

pub(crate) fn usage(incarnation: u64) -> Key {
    Key::of(USAGE).u64(incarnation).build()
}

pub(crate) fn all_usage() -> Key {
    Key::of(USAGE).build()
}

/// The scrub's round.
pub(crate) fn scrub_round() -> Key {
    Key::of(SCRUB).u32(0).build()
}

/// One damaged body: a blob's id, or the key of a body that lies inline.
pub(crate) fn scrub_damage(subject: &[u8]) -> Key {
    Key::of(SCRUB).u32(1).bytes(subject).build()
}

pub(crate) fn all_scrub_damage() -> Key {
    Key::of(SCRUB).u32(1).build()
}

/// The body that a fact of the scrub says is damaged.
pub(crate) fn scrub_damage_of(key: &Key) -> Option<Vec<u8>> {
    let mut reader = key.reader();
    reader.kind()?;
    reader.u32()?;
    reader.bytes()
}

pub(crate) fn all_bodies() -> Key {
    Key::of(BODY).build()
}

pub(crate) fn all_part_bodies() -> Key {
    Key::of(PART_BODY).build()
}

/// Incarnation, object key and version of a `BODY` fact.
pub(crate) fn body_of(key: &Key) -> Option<(u64, String, u64)> {
    let mut reader = key.reader();
    reader.kind()?;
    Some((reader.u64()?, reader.str()?, reader.u64_descending()?))
}

/// Upload and number of a `PART` or `PART_BODY` fact.
pub(crate) fn part_of(key: &Key) -> Option<([u8; 16], u32)> {
    let mut reader = key.reader();
    reader.kind()?;
    Some((reader.fixed16()?, reader.u32()?))
}

pub(crate) fn sealing_key(id: [u8; 16]) -> Key {
    Key::of(SEALING_KEY).fixed16(id).build()
}

pub(crate) fn sealing_keys() -> Key {
    Key::of(SEALING_KEY).build()
}

/// The id in a `SEALING_KEY` fact.
pub(crate) fn sealing_key_of(key: &Key) -> Option<[u8; 16]> {
    let mut reader = key.reader();
    (reader.kind()? == SEALING_KEY).then(|| reader.fixed16())?
}

pub(crate) fn current(incarnation: u64, key: &str) -> Key {
    Key::of(CURRENT).u64(incarnation).str(key).build()
}

/// All current objects whose key begins with `prefix`.
pub(crate) fn current_prefix(incarnation: u64, prefix: &str) -> Key {
    Key::of(CURRENT).u64(incarnation).str_prefix(prefix).build()
}

pub(crate) fn versioned(incarnation: u64) -> Key {
    Key::of(VERSIONED).u64(incarnation).build()
}

pub(crate) fn version(incarnation: u64, key: &str, seq: u64) -> Key {
    Key::of(VERSION).u64(incarnation).str(key).u64_descending(seq).build()
}

/// All rows of one key.
pub(crate) fn versions(incarnation: u64, key: &str) -> Key {
    Key::of(VERSION).u64(incarnation).str(key).build()
}

/// All rows of keys that begin with `prefix`.
pub(crate) fn version_prefix(incarnation: u64, prefix: &str) -> Key {
    Key::of(VERSION).u64(incarnation).str_prefix(prefix).build()
}

pub(crate) fn history(incarnation: u64, key: &str) -> Key {
    Key::of(HISTORY).u64(incarnation).str(key).build()
}

pub(crate) fn body(incarnation: u64, key: &str, seq: u64) -> Key {
    Key::of(BODY).u64(incarnation).str(key).u64_descending(seq).build()
}

/// All uploads of one key.
pub(crate) fn uploads(incarnation: u64, key: &str) -> Key {
    Key::of(UPLOAD).u64(incarnation).str(key).build()
}

/// The histories of all keys of a bucket.
pub(crate) fn histories(incarnation: u64) -> Key {
    Key::of(HISTORY).u64(incarnation).build()
}

pub(crate) fn upload(incarnation: u64, key: &str, upload: [u8; 16]) -> Key {
    Key::of(UPLOAD).u64(incarnation).str(key).fixed16(upload).build()
}

/// All uploads whose key begins with `prefix`.
pub(crate) fn upload_prefix(incarnation: u64, prefix: &str) -> Key {
    Key::of(UPLOAD).u64(incarnation).str_prefix(prefix).build()
}

pub(crate) fn part(upload: [u8; 16], number: u32) -> Key {
    Key::of(PART).fixed16(upload).u32(number).build()
}

pub(crate) fn parts(upload: [u8; 16]) -> Key {
    Key::of(PART).fixed16(upload).build()
}

pub(crate) fn part_body(upload: [u8; 16], number: u32) -> Key {
    Key::of(PART_BODY).fixed16(upload).u32(number).build()
}

pub(crate) fn layout(upload: [u8; 16]) -> Key {
    Key::of(LAYOUT).fixed16(upload).build()
}

pub(crate) fn upload_ref(upload: [u8; 16], namer: &Key) -> Key {
    Key::of(UPLOAD_REF).fixed16(upload).bytes(namer.as_bytes()).build()
}

pub(crate) fn upload_refs(upload: [u8; 16]) -> Key {
    Key::of(UPLOAD_REF).fixed16(upload).build()
}

pub(crate) fn all_upload_refs() -> Key {
    Key::of(UPLOAD_REF).build()
}

pub(crate) fn outbox(time_ms: i64, nonce: u64) -> Key {
    Key::of(OUTBOX).i64(time_ms).u64(nonce).build()
}

pub(crate) fn all_outbox() -> Key {
    Key::of(OUTBOX).build()
}

/// The nonce of an `OUTBOX` fact.
pub(crate) fn outbox_nonce_of(key: &Key) -> Option<u64> {
    let mut reader = key.reader();
    reader.kind()?;
    reader.i64()?;
    reader.u64()
}

pub(crate) fn due(at_ms: i64, incarnation: u64, key: &str) -> Key {
    Key::of(DUE).i64(at_ms).u64(incarnation).str(key).build()
}

/// Everything that is due, the earliest first.
pub(crate) fn all_due() -> Key {
    Key::of(DUE).build()
}

pub(crate) fn name(incarnation: u64) -> Key {
    Key::of(NAME).u64(incarnation).build()
}

pub(crate) fn rule(incarnation: u64, number: u32) -> Key {
    Key::of(RULE).u64(incarnation).u32(number).build()
}

pub(crate) fn rules(incarnation: u64) -> Key {
    Key::of(RULE).u64(incarnation).build()
}

pub(crate) fn walk(incarnation: u64) -> Key {
    Key::of(WALK).u64(incarnation).build()
}

pub(crate) fn walks() -> Key {
    Key::of(WALK).build()
}

pub(crate) fn restore(incarnation: u64, key: &str, seq: u64) -> Key {
    Key::of(RESTORE).u64(incarnation).str(key).u64_descending(seq).build()
}

pub(crate) fn restores() -> Key {
    Key::of(RESTORE).build()
}

pub(crate) fn cold_ref(blob: BlobId, namer: &Key) -> Key {
    Key::of(COLD_REF).fixed16(blob.0).bytes(namer.as_bytes()).build()
}

pub(crate) fn all_cold_refs() -> Key {
    Key::of(COLD_REF).build()
}

pub(crate) fn cold_refs(blob: BlobId) -> Key {
    Key::of(COLD_REF).fixed16(blob.0).build()
}

/// The time, the incarnation and the object key of a `DUE` fact.
pub(crate) fn due_of(key: &Key) -> Option<(i64, u64, String)> {
    let mut reader = key.reader();
    reader.kind()?;
    Some((reader.i64()?, reader.u64()?, reader.str()?))
}

/// The incarnation, the object key and the seq of a `RESTORE` fact.
pub(crate) fn restore_of(key: &Key) -> Option<(u64, String, u64)> {
    let mut reader = key.reader();
    reader.kind()?;
    Some((reader.u64()?, reader.str()?, reader.u64_descending()?))
}

pub(crate) fn blob_ref(blob: BlobId, namer: &Key) -> Key {
    Key::of(BLOB_REF).fixed16(blob.0).bytes(namer.as_bytes()).build()
}

pub(crate) fn all_blob_refs() -> Key {
    Key::of(BLOB_REF).build()
}

pub(crate) fn blob_refs(blob: BlobId) -> Key {
    Key::of(BLOB_REF).fixed16(blob.0).build()
}

/// The object key of a `CURRENT`, `VERSION` or `UPLOAD` fact.
pub(crate) fn object_key_of(key: &Key) -> Option<String> {
    let mut reader = key.reader();
    reader.kind()?;
    reader.u64()?;
    reader.str()
}

/// The incarnation a `CURRENT` or `UPLOAD` fact belongs to.
pub(crate) fn incarnation_of(key: &Key) -> Option<u64> {
    let mut reader = key.reader();
    reader.kind()?;
    reader.u64()
}

/// The upload of an `UPLOAD` fact.
pub(crate) fn upload_of(key: &Key) -> Option<[u8; 16]> {
    let mut reader = key.reader();
    reader.kind()?;
    reader.u64()?;
    reader.str()?;
    reader.fixed16()
}

/// The number of a `PART` fact.
pub(crate) fn part_number_of(key: &Key) -> Option<u32> {
    let mut reader = key.reader();
    reader.kind()?;
    reader.fixed16()?;
    reader.u32()
}

/// What a reference refers to, and the fact that names it.
pub(crate) fn ref_of(key: &Key) -> Option<([u8; 16], Key)> {
    let mut reader = key.reader();
    reader.kind()?;
    let target = reader.fixed16()?;
    Some((target, Key::from_bytes(reader.bytes()?.into())))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hex(key: &Key) -> String {
        hex::encode(key.as_bytes())
    }

    #[test]
    fn golden_keys() {
        assert_eq!(hex(&bucket("logs")), "02006c6f67730000");
        assert_eq!(hex(&guard(1)), "02010000000000000001");
        assert_eq!(hex(&bucket_tags(1)), "02020000000000000001");
        assert_eq!(hex(&alive(1)), "02030000000000000001");
        assert_eq!(hex(&bucket_config(1, 12, "a")), "020500000000000000010000000c610000");
        assert_eq!(hex(&usage(1)), "02060000000000000001");
        assert_eq!(hex(&scrub_round()), "020700000000");
        assert_eq!(hex(&scrub_damage(&[1, 0])), "0207000000010100ff0000");
        assert_eq!(hex(&sealing_key([5; 16])), format!("0208{}", "05".repeat(16)));
        assert_eq!(sealing_key_of(&sealing_key([5; 16])), Some([5; 16]));
        assert_eq!(sealing_key_of(&layout([5; 16])), None);
        assert_eq!(hex(&current(1, "a\0b")), "0210000000000000000161 00ff620000".replace(' ', ""));
        assert_eq!(hex(&versioned(1)), "02040000000000000001");
        assert_eq!(hex(&version(1, "a", 1)), "02110000000000000001610000fffffffffffffffe");
        assert_eq!(hex(&history(1, "a")), "02130000000000000001610000");
        assert_eq!(hex(&body(1, "a", 0)), "02120000000000000001610000ffffffffffffffff");
        assert_eq!(hex(&upload(1, "a", [2; 16])), format!("02200000000000000001610000{}", "02".repeat(16)));
        assert_eq!(hex(&part([2; 16], 7)), format!("0221{}00000007", "02".repeat(16)));
        assert_eq!(hex(&part_body([2; 16], 7)), format!("0222{}00000007", "02".repeat(16)));
        assert_eq!(hex(&outbox(1, 2)), "024080000000000000010000000000000002");
        assert_eq!(hex(&layout([2; 16])), format!("0223{}", "02".repeat(16)));
        assert_eq!(
            hex(&upload_ref([2; 16], &guard(1))),
            format!("0224{}020100ff00ff00ff00ff00ff00ff00ff010000", "02".repeat(16))
        );
        assert_eq!(
            hex(&blob_ref(BlobId([3; 16]), &bucket("x"))),
            format!("0800{}020 0ff7800ff00ff0000", "03".repeat(16)).replace(' ', "")
        );
    }

    proptest! {
        #[test]
        fn names_read_back(incarnation: u64, name: String, id: [u8; 16], number: u32) {
            let object = current(incarnation, &name);
            prop_assert_eq!(object_key_of(&object), Some(name.clone()));
            prop_assert_eq!(incarnation_of(&object), Some(incarnation));
            let row = version(incarnation, &name, u64::from(number));
            prop_assert_eq!(object_key_of(&row), Some(name.clone()));
            prop_assert!(row.starts_with(&versions(incarnation, &name)));
            prop_assert!(row.starts_with(&version_prefix(incarnation, &name)));
            prop_assert_eq!(upload_of(&upload(incarnation, &name, id)), Some(id));
            prop_assert_eq!(part_number_of(&part(id, number)), Some(number));
            prop_assert_eq!(part_of(&part_body(id, number)), Some((id, number)));
            prop_assert_eq!(body_of(&body(incarnation, &name, u64::from(number))), Some((incarnation, name.clone(), u64::from(number))));
            prop_assert_eq!(scrub_damage_of(&scrub_damage(&id)), Some(id.to_vec()));
            prop_assert_eq!(ref_of(&blob_ref(BlobId(id), &object)), Some((id, object.clone())));
            prop_assert_eq!(outbox_nonce_of(&outbox(-5, incarnation)), Some(incarnation));
            prop_assert_eq!(ref_of(&upload_ref(id, &object)), Some((id, object)));
        }
    }
}
