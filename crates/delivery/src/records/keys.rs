//! The keys of deliveries: block `0x04..`. See `docs/formats/keys.md`.

use headwater_base::Scope;
use headwater_store::{Key, Kind};

const DEFINITION: Kind = Kind(0x0401);
const GUARD: Kind = Kind(0x0402);
const POSITION: Kind = Kind(0x0403);
const PLAN: Kind = Kind(0x0404);
const PLAN_OBJECT: Kind = Kind(0x0405);
const HEAD: Kind = Kind(0x0406);
const TAG: Kind = Kind(0x0407);
const CLOSED: Kind = Kind(0x0408);
const WRITE: Kind = Kind(0x0409);
const BOOKMARK: Kind = Kind(0x040A);

/// The configuration of a delivery, by name.
pub(crate) fn definition(scope: &Scope, name: &str) -> Key {
    Key::of(DEFINITION).u64(scope.account.number()).str(scope.region.as_str()).str(name).build()
}

/// Every definition of a scope.
pub(crate) fn definitions_of(scope: &Scope) -> Key {
    Key::of(DEFINITION).u64(scope.account.number()).str(scope.region.as_str()).build()
}

/// Every definition.
pub(crate) fn definitions() -> Key {
    Key::of(DEFINITION).build()
}

/// There while the delivery lives and takes records: written at creation, removed at deletion.
pub(crate) fn guard(incarnation: u64) -> Key {
    Key::of(GUARD).u64(incarnation).build()
}

/// A shard's position and ledger row.
pub(crate) fn position(incarnation: u64, shard: u32) -> Key {
    Key::of(POSITION).u64(incarnation).u32(shard).build()
}

/// Every position of a delivery.
pub(crate) fn positions(incarnation: u64) -> Key {
    Key::of(POSITION).u64(incarnation).build()
}

/// A committed plan.
pub(crate) fn plan(incarnation: u64, number: u64) -> Key {
    Key::of(PLAN).u64(incarnation).u64(number).build()
}

/// Every committed plan of a delivery, in the order of their commits.
pub(crate) fn plans(incarnation: u64) -> Key {
    Key::of(PLAN).u64(incarnation).build()
}

/// An object a committed plan wrote.
pub(crate) fn plan_object(incarnation: u64, number: u64, ordinal: u32) -> Key {
    Key::of(PLAN_OBJECT).u64(incarnation).u64(number).u32(ordinal).build()
}

/// Every object a committed plan wrote.
pub(crate) fn plan_objects(incarnation: u64, number: u64) -> Key {
    Key::of(PLAN_OBJECT).u64(incarnation).u64(number).build()
}

/// The number of the next plan; every commit of the delivery expects and moves it.
pub(crate) fn head(incarnation: u64) -> Key {
    Key::of(HEAD).u64(incarnation).build()
}

/// A tag.
pub(crate) fn tag(incarnation: u64, name: &str) -> Key {
    Key::of(TAG).u64(incarnation).str(name).build()
}

/// Every tag of a delivery.
pub(crate) fn tags(incarnation: u64) -> Key {
    Key::of(TAG).u64(incarnation).build()
}

/// The definition of a deleted delivery: its ledger stays auditable.
pub(crate) fn closed(incarnation: u64) -> Key {
    Key::of(CLOSED).u64(incarnation).build()
}

/// Every deleted delivery.
pub(crate) fn all_closed() -> Key {
    Key::of(CLOSED).build()
}

/// The outcome of a table write.
pub(crate) fn write(id: &str) -> Key {
    Key::of(WRITE).str(id).build()
}

/// A job's bookmark.
pub(crate) fn bookmark(name: &str) -> Key {
    Key::of(BOOKMARK).str(name).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_bytes_are_as_released() {
        let scope = Scope::new("000000000001".parse().unwrap(), "eu-west-1".parse().unwrap());
        let hex = |key: Key| hex::encode(key.as_bytes());
        assert_eq!(
            hex(definition(&scope, "d")),
            "0401000000000000000165752d776573742d31000064 0000".replace(' ', "")
        );
        assert_eq!(hex(guard(7)), "04020000000000000007");
        assert_eq!(hex(position(7, 2)), "0403000000000000000700000002");
        assert_eq!(hex(plan(7, 3)), "040400000000000000070000000000000003");
        assert_eq!(hex(plan_object(7, 3, 1)), "04050000000000000007000000000000000300000001");
        assert_eq!(hex(head(7)), "04060000000000000007");
        assert_eq!(hex(tag(7, "t")), "04070000000000000007740000");
        assert_eq!(hex(closed(7)), "04080000000000000007");
        assert_eq!(hex(write("w")), "0409770000");
        assert_eq!(hex(bookmark("b")), "040a620000");
    }
}
