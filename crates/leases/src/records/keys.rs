//! The keys of every fact of the tables. Kinds are never reused.
//!
//! What a table holds hangs on its *incarnation*, a number nobody has had before, so a table created
//! again under an old name starts empty. Items are sorted by the hash of their hash attribute, as
//! the service's are, so that a segment of a parallel scan is a range of keys.

use headwater_base::Scope;
use headwater_store::{Key, KeyRange, Kind};
use md5::{Digest, Md5};

use crate::item::{KeyPart, PrimaryKey};

/// By account, region and name: a table.
pub(crate) const TABLE: Kind = Kind(0x0a00);
/// By incarnation: present while items may be written.
pub(crate) const GUARD: Kind = Kind(0x0a01);
/// By incarnation, spread, hash and range attribute: an item, or its beginning.
pub(crate) const ITEM: Kind = Kind(0x0a02);
/// By incarnation, spread, hash and range attribute, ordinal: what follows of a long item.
pub(crate) const PART: Kind = Kind(0x0a03);
/// By incarnation, and 0 for items or 1 for bytes: how much the table holds. A counter.
pub(crate) const EXTENT: Kind = Kind(0x0a04);
/// By account, region and client token: a transaction that was done lately.
pub(crate) const TOKEN: Kind = Kind(0x0a05);
/// By incarnation: dropped, with something left to remove.
pub(crate) const DROPPED: Kind = Kind(0x0a06);

/// The counters of [`EXTENT`].
pub(crate) const EXTENT_ITEMS: u32 = 0;
pub(crate) const EXTENT_BYTES: u32 = 1;

pub(crate) fn tables(scope: &Scope) -> Key {
    Key::of(TABLE).u64(scope.account.number()).str(scope.region.as_str()).build()
}

pub(crate) fn table(scope: &Scope, name: &str) -> Key {
    Key::of(TABLE).u64(scope.account.number()).str(scope.region.as_str()).str(name).build()
}

/// The name of a `TABLE` fact.
pub(crate) fn table_name_of(key: &Key) -> Option<String> {
    let mut reader = key.reader();
    reader.kind()?;
    reader.u64()?;
    reader.str()?;
    reader.str()
}

pub(crate) fn guard(incarnation: u64) -> Key {
    Key::of(GUARD).u64(incarnation).build()
}

pub(crate) fn items(incarnation: u64) -> Key {
    Key::of(ITEM).u64(incarnation).build()
}

/// The items of one hash attribute.
pub(crate) fn items_of(incarnation: u64, hash: &KeyPart) -> Key {
    let bytes = hash.ordered_bytes();
    Key::of(ITEM).u64(incarnation).u32(spread(&bytes)).bytes(&bytes).build()
}

pub(crate) fn item(incarnation: u64, key: &PrimaryKey) -> Key {
    keyed(ITEM, incarnation, key).build()
}

/// A segment's items: those whose spread lies in its share of all numbers.
pub(crate) fn segment(incarnation: u64, segment: u32, of: u32) -> KeyRange {
    let bound = |segment: u32| {
        let share = (u64::from(segment) << 32).div_ceil(u64::from(of));
        u32::try_from(share).ok().map(|first| Key::of(ITEM).u64(incarnation).u32(first).build())
    };
    let all = KeyRange::prefix(&items(incarnation));
    KeyRange { start: bound(segment).unwrap_or(all.start), end: bound(segment + 1).or(all.end) }
}

pub(crate) fn all_parts(incarnation: u64) -> Key {
    Key::of(PART).u64(incarnation).build()
}

/// The parts of the item at an `ITEM` key: the same tuple, of the other kind.
pub(crate) fn parts_of_item(item: &Key) -> Key {
    let mut bytes = item.as_bytes().to_vec();
    bytes[..2].copy_from_slice(&PART.0.to_be_bytes());
    Key::from_bytes(bytes.into())
}

pub(crate) fn part(incarnation: u64, key: &PrimaryKey, ordinal: u32) -> Key {
    keyed(PART, incarnation, key).u32(ordinal).build()
}

pub(crate) fn extent(incarnation: u64, which: u32) -> Key {
    Key::of(EXTENT).u64(incarnation).u32(which).build()
}

pub(crate) fn tokens() -> Key {
    Key::of(TOKEN).build()
}

pub(crate) fn token(scope: &Scope, token: &str) -> Key {
    Key::of(TOKEN).u64(scope.account.number()).str(scope.region.as_str()).str(token).build()
}

pub(crate) fn all_dropped() -> Key {
    Key::of(DROPPED).build()
}

pub(crate) fn dropped(incarnation: u64) -> Key {
    Key::of(DROPPED).u64(incarnation).build()
}

/// The incarnation of a `DROPPED` fact.
pub(crate) fn dropped_of(key: &Key) -> Option<u64> {
    let mut reader = key.reader();
    reader.kind()?;
    reader.u64()
}

fn keyed(kind: Kind, incarnation: u64, key: &PrimaryKey) -> headwater_store::key::KeyBuilder {
    let hash = key.hash.ordered_bytes();
    let start = Key::of(kind).u64(incarnation).u32(spread(&hash)).bytes(&hash);
    match &key.range {
        Some(range) => start.bytes(&range.ordered_bytes()),
        None => start,
    }
}

/// Where a hash attribute stands among all: the first four bytes of its MD5.
fn spread(hash: &[u8]) -> u32 {
    let digest = Md5::digest(hash);
    u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(hash: &str, range: Option<&str>) -> PrimaryKey {
        let text = |text: &str| KeyPart::Text(text.to_owned());
        PrimaryKey { hash: text(hash), range: range.map(text) }
    }

    fn hex(key: &Key) -> String {
        key.as_bytes().iter().map(|b| format!("{b:02x}")).collect()
    }

    #[test]
    fn golden_keys() {
        let scope = Scope::new("000000000042".parse().unwrap(), "eu-west-1".parse().unwrap());
        let region = "65752d776573742d310000";
        assert_eq!(hex(&table(&scope, "app")), format!("0a00000000000000002a{region}6170700000"));
        assert_eq!(hex(&guard(1)), "0a010000000000000001");
        // MD5("a") begins with 0cc175b9.
        assert_eq!(hex(&item(1, &key("a", None))), "0a0200000000000000010cc175b9610000");
        assert_eq!(hex(&item(1, &key("a", Some("b")))), "0a0200000000000000010cc175b9610000620000");
        assert_eq!(hex(&part(1, &key("a", None), 2)), "0a0300000000000000010cc175b961000000000002");
        assert_eq!(hex(&extent(1, EXTENT_BYTES)), "0a04000000000000000100000001");
        assert_eq!(hex(&token(&scope, "t")), format!("0a05000000000000002a{region}740000"));
        assert_eq!(hex(&dropped(1)), "0a060000000000000001");
        assert_eq!(dropped_of(&dropped(7)), Some(7));
        assert_eq!(table_name_of(&table(&scope, "app")), Some("app".into()));
    }

    #[test]
    fn segments_share_out_every_item_once() {
        for of in [1, 2, 3, 7, 1_000_000] {
            for n in 0..200 {
                let item = item(9, &key(&format!("shard-{n}"), None));
                let spread = u64::from(spread(format!("shard-{n}").as_bytes()));
                let own = u32::try_from((spread * u64::from(of)) >> 32).unwrap();
                let near = own.saturating_sub(1)..=(own + 1).min(of - 1);
                let holders: Vec<u32> = near.filter(|s| segment(9, *s, of).contains(&item)).collect();
                assert_eq!(holders, [own], "{n} of {of}");
            }
        }
    }
}
