//! Kinds `0x0702`, `0x0703` and `0x0708`: executions in the order of their submission.

use headwater_base::Scope;
use headwater_store::{Key, Kind};
use minicbor::{Decode, Encode};

const BY_TIME: Kind = Kind(0x0702);
const OPEN: Kind = Kind(0x0703);
const EXPIRY: Kind = Kind(0x0708);

/// What expires with an execution.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct ExpiryRow {
    /// Its workgroup.
    #[n(0)]
    pub workgroup: String,
    /// Its client token, where one was given.
    #[n(1)]
    pub token: Option<String>,
}

/// An execution's identity, as indices name it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ExecutionKey {
    /// Account and region.
    pub scope: Scope,
    /// The execution's id.
    pub id: String,
}

/// An execution among its workgroup's, newest first.
pub fn by_time_key(scope: &Scope, workgroup: &str, submitted_ms: i64, id: &str) -> Key {
    let newest_first = u64::try_from(submitted_ms).unwrap_or(0);
    by_time(scope, workgroup).u64_descending(newest_first).str(id).build()
}

/// All executions of a workgroup.
pub fn by_time_prefix(scope: &Scope, workgroup: &str) -> Key {
    by_time(scope, workgroup).build()
}

fn by_time(scope: &Scope, workgroup: &str) -> headwater_store::key::KeyBuilder {
    Key::of(BY_TIME).u64(scope.account.number()).str(scope.region.as_str()).str(workgroup)
}

/// The id in a key of the time index.
pub fn id_of_by_time(key: &Key) -> Option<String> {
    let mut reader = key.reader();
    reader.kind()?;
    reader.u64()?;
    reader.str()?;
    reader.str()?;
    reader.u64_descending()?;
    reader.str()
}

/// An execution that has not ended.
pub fn open_key(submitted_ms: i64, execution: &ExecutionKey) -> Key {
    timed(OPEN, submitted_ms, execution)
}

/// All executions that have not ended, oldest first.
pub fn open_prefix() -> Key {
    Key::of(OPEN).build()
}

/// An execution among all, oldest first.
pub fn expiry_key(submitted_ms: i64, execution: &ExecutionKey) -> Key {
    timed(EXPIRY, submitted_ms, execution)
}

/// All executions, oldest first.
pub fn expiry_prefix() -> Key {
    Key::of(EXPIRY).build()
}

fn timed(kind: Kind, submitted_ms: i64, execution: &ExecutionKey) -> Key {
    let scope = &execution.scope;
    Key::of(kind)
        .i64(submitted_ms)
        .u64(scope.account.number())
        .str(scope.region.as_str())
        .str(&execution.id)
        .build()
}

/// Time and execution of a key of the open or expiry index.
pub fn read_timed(key: &Key) -> Option<(i64, ExecutionKey)> {
    let mut reader = key.reader();
    reader.kind()?;
    let submitted_ms = reader.i64()?;
    let account = headwater_base::AccountId::from_number(reader.u64()?).ok()?;
    let region = reader.str()?.parse().ok()?;
    let id = reader.str()?;
    Some((submitted_ms, ExecutionKey { scope: Scope::new(account, region), id }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scope() -> Scope {
        Scope::new("000000000042".parse().unwrap(), "eu-west-1".parse().unwrap())
    }

    proptest! {
        #[test]
        fn keys_read_back(ms in 0_i64.., id: String) {
            let execution = ExecutionKey { scope: scope(), id };
            prop_assert_eq!(read_timed(&open_key(ms, &execution)), Some((ms, execution.clone())));
            prop_assert_eq!(id_of_by_time(&by_time_key(&scope(), "w", ms, &execution.id)), Some(execution.id));
        }

        #[test]
        fn newest_come_first(a in 0_i64..1 << 50, b in 0_i64..1 << 50) {
            let (key_a, key_b) = (by_time_key(&scope(), "w", a, "x"), by_time_key(&scope(), "w", b, "x"));
            prop_assert_eq!(a.cmp(&b), key_b.cmp(&key_a));
        }
    }
}
