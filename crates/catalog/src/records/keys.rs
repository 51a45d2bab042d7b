//! The keys of every fact of the engine. Kinds are never reused.
//!
//! Tables hang on their database's *incarnation* and all else on the table's, numbers nobody has
//! had before: what is created again under an old name starts empty.

use headwater_base::Scope;
use headwater_store::{Key, Kind};

use super::order;

/// By account, region and name: the database.
pub(crate) const DATABASE: Kind = Kind(0x0300);
/// By database incarnation: present while tables may be created in it.
pub(crate) const DATABASE_GUARD: Kind = Kind(0x0301);
/// By database incarnation and name: the table as it is.
pub(crate) const TABLE: Kind = Kind(0x0302);
/// By table incarnation and schema id: present while the table is that. Deliveries expect it.
pub(crate) const TABLE_GUARD: Kind = Kind(0x0303);
/// By table incarnation and version, newest first: what the table was.
pub(crate) const TABLE_VERSION: Kind = Kind(0x0304);
/// By table incarnation and values (see `order`): a partition.
pub(crate) const PARTITION: Kind = Kind(0x0305);
/// By table incarnation and content: a storage descriptor that partitions name.
pub(crate) const STORAGE: Kind = Kind(0x0306);
/// By what it was (0 database, 1 table) and incarnation: dropped, with something left to remove.
pub(crate) const DROPPED: Kind = Kind(0x0307);

/// What `DROPPED` says of a database.
pub(crate) const DROPPED_DATABASE: u32 = 0;
/// What `DROPPED` says of a table.
pub(crate) const DROPPED_TABLE: u32 = 1;

pub(crate) fn databases(scope: &Scope) -> Key {
    Key::of(DATABASE).u64(scope.account.number()).str(scope.region.as_str()).build()
}

pub(crate) fn database(scope: &Scope, name: &str) -> Key {
    Key::of(DATABASE).u64(scope.account.number()).str(scope.region.as_str()).str(name).build()
}

/// The name of a `DATABASE` fact.
pub(crate) fn database_name_of(key: &Key) -> Option<String> {
    let mut reader = key.reader();
    reader.kind()?;
    reader.u64()?;
    reader.str()?;
    reader.str()
}

pub(crate) fn database_guard(incarnation: u64) -> Key {
    Key::of(DATABASE_GUARD).u64(incarnation).build()
}

pub(crate) fn tables(database: u64) -> Key {
    Key::of(TABLE).u64(database).build()
}

pub(crate) fn table(database: u64, name: &str) -> Key {
    Key::of(TABLE).u64(database).str(name).build()
}

/// The name of a `TABLE` fact.
pub(crate) fn table_name_of(key: &Key) -> Option<String> {
    let mut reader = key.reader();
    reader.kind()?;
    reader.u64()?;
    reader.str()
}

pub(crate) fn table_guard(incarnation: u64, schema_id: u64) -> Key {
    Key::of(TABLE_GUARD).u64(incarnation).u64(schema_id).build()
}

pub(crate) fn table_versions(incarnation: u64) -> Key {
    Key::of(TABLE_VERSION).u64(incarnation).build()
}

pub(crate) fn table_version(incarnation: u64, version: u64) -> Key {
    Key::of(TABLE_VERSION).u64(incarnation).u64_descending(version).build()
}

pub(crate) fn partitions(incarnation: u64) -> Key {
    Key::of(PARTITION).u64(incarnation).build()
}

pub(crate) fn partition(incarnation: u64, values: &[String]) -> Key {
    let mut bytes = partitions(incarnation).as_bytes().to_vec();
    order::encode_all(&mut bytes, values);
    Key::from_bytes(bytes.into())
}

pub(crate) fn storages(incarnation: u64) -> Key {
    Key::of(STORAGE).u64(incarnation).build()
}

pub(crate) fn storage(incarnation: u64, content: [u8; 16]) -> Key {
    Key::of(STORAGE).u64(incarnation).fixed16(content).build()
}

pub(crate) fn dropped() -> Key {
    Key::of(DROPPED).build()
}

pub(crate) fn dropped_thing(what: u32, incarnation: u64) -> Key {
    Key::of(DROPPED).u32(what).u64(incarnation).build()
}

/// What a `DROPPED` fact says.
pub(crate) fn dropped_of(key: &Key) -> Option<(u32, u64)> {
    let mut reader = key.reader();
    reader.kind()?;
    Some((reader.u32()?, reader.u64()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(key: &Key) -> String {
        key.as_bytes().iter().map(|b| format!("{b:02x}")).collect()
    }

    #[test]
    fn golden_keys() {
        let scope = Scope::new("000000000042".parse().unwrap(), "eu-west-1".parse().unwrap());
        let region = "65752d776573742d310000";
        assert_eq!(hex(&database(&scope, "db")), format!("0300000000000000002a{region}64620000"));
        assert_eq!(hex(&database_guard(1)), "03010000000000000001");
        assert_eq!(hex(&table(1, "t")), "03020000000000000001740000");
        assert_eq!(hex(&table_guard(2, 3)), "030300000000000000020000000000000003");
        assert_eq!(hex(&table_version(2, 3)), "03040000000000000002fffffffffffffffc");
        assert_eq!(
            hex(&partition(2, &["7".into(), "a".into()])),
            "0305000000000000000201800000000000000702610000 370000".replace(' ', "")
        );
        assert_eq!(hex(&storage(2, [9; 16])), format!("03060000000000000002{}", "09".repeat(16)));
        assert_eq!(hex(&dropped_thing(DROPPED_TABLE, 2)), "0307000000010000000000000002");
    }

    #[test]
    fn names_read_back() {
        let scope = Scope::new("000000000042".parse().unwrap(), "eu-west-1".parse().unwrap());
        assert_eq!(database_name_of(&database(&scope, "ü")), Some("ü".into()));
        assert_eq!(table_name_of(&table(7, "t")), Some("t".into()));
        assert_eq!(dropped_of(&dropped_thing(1, 9)), Some((1, 9)));
    }
}
