//! `DATABASE` facts.

use std::collections::BTreeMap;

use headwater_base::Timestamp;
use minicbor::{Decode, Encode};

use crate::Database;

/// The value of a `DATABASE` fact; its name stands in the key.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct DatabaseRecord {
    #[n(0)]
    pub(crate) incarnation: u64,
    #[n(1)]
    pub(crate) description: Option<String>,
    #[n(2)]
    pub(crate) location: Option<String>,
    #[n(3)]
    pub(crate) parameters: BTreeMap<String, String>,
    #[n(4)]
    pub(crate) created_ms: i64,
}

impl DatabaseRecord {
    pub(crate) fn of(incarnation: u64, database: &Database) -> Self {
        Self {
            incarnation,
            description: database.description.clone(),
            location: database.location.clone(),
            parameters: database.parameters.clone(),
            created_ms: database.created.ms(),
        }
    }

    pub(crate) fn into_database(self, name: String) -> Database {
        Database {
            name,
            description: self.description,
            location: self.location,
            parameters: self.parameters,
            created: Timestamp::from_ms(self.created_ms),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::records::{decode, encode, keys};

    #[test]
    fn golden_bytes_of_version_1() {
        let record = DatabaseRecord {
            incarnation: 5,
            description: Some("d".into()),
            location: None,
            parameters: BTreeMap::from([("a".into(), "b".into())]),
            created_ms: 1000,
        };
        let bytes = encode(&record);
        let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hex, "0185056164f6a1616161621903e8");
    }

    proptest! {
        #[test]
        fn databases_read_back(incarnation: u64, description: Option<String>, location: Option<String>,
            parameters: BTreeMap<String, String>, created_ms: i64) {
            let record = DatabaseRecord { incarnation, description, location, parameters, created_ms };
            let key = keys::database_guard(1);
            prop_assert_eq!(decode::<DatabaseRecord>(&key, &encode(&record)).unwrap(), record);
        }
    }
}
